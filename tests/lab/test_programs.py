"""The guest's programs: static, for the right machine, different files, kept; and what is said when there is no compiler."""

from __future__ import annotations

import importlib.util
import os
import platform
import struct
import zlib
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import labconf, programs, toolchain
from unkillable.lab.arch import ARCHES, Arch, find
from unkillable.lab.setup import Workload
from unkillable.lab.toolchain import GNU, Compiler

MACHINES = {"x86_64": (62, 2), "arm64": (183, 2), "arm": (40, 1), "mips": (8, 1), "riscv": (243, 2)}
"""e_machine and the class (1: 32 bits, 2: 64) of an ELF file."""


def elf(path: Path) -> tuple[int, int, bool]:
    """(machine, class, whether it asks for a dynamic linker)."""
    data = path.read_bytes()
    assert data[:4] == b"\x7fELF"
    assert data[5] == 1  # little endian
    machine, size = struct.unpack_from("<H", data, 18)[0], data[4]
    if size == 2:
        (start,), (entry, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    else:
        (start,), (entry, count) = struct.unpack_from("<I", data, 28), struct.unpack_from("<HH", data, 42)
    kinds = [struct.unpack_from("<I", data, start + n * entry)[0] for n in range(count)]
    return machine, size, 3 in kinds


@pytest.fixture(scope="module")
def native() -> Arch:
    arch = next((row for row in ARCHES if GNU[row.name].machine == platform.machine()), None)
    if arch is None:
        pytest.skip(f"no guests for {platform.machine()}")
    return arch


@pytest.fixture
def gcc(native: Arch) -> Compiler:
    try:
        found = toolchain.compiler(native)
    except UserError as error:
        pytest.skip(str(error))
    if found.zig:
        pytest.skip("needs gcc")
    return found


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "unkillable"


@pytest.mark.usefixtures("gcc", "empty_cache")
def test_programs_are_static_and_kept(native: Arch, monkeypatch: pytest.MonkeyPatch) -> None:
    built = programs.build(native, Workload(kind="mix", programs=3, text_kib=256))
    paths = (built.watcher, built.keep, built.canary, *(path for _, path in built.workload))
    for path in paths:
        assert elf(path) == (*MACHINES[native.name], False)
        assert os.access(path, os.X_OK)
    assert [name for name, _ in built.workload] == ["churn1", "hog2", "churn3"]
    assert "gcc" in built.compiler
    # The second time nothing is compiled.
    monkeypatch.setattr(toolchain, "compile_program", None)
    assert programs.build(native, Workload(kind="mix", programs=3, text_kib=256)) == built


@pytest.mark.usefixtures("gcc")
@pytest.mark.parametrize("kind", ["churn", "hog", "mix", "threads"])
def test_every_program_that_is_started_is_there(native: Arch, kind: str) -> None:
    workload = Workload(kind=kind, programs=5, text_kib=256)
    built = programs.build(native, workload)
    assert [f"/bin/{name}" for name, _ in built.workload] == [
        argv[0] for _, argv in labconf.programs(workload)
    ]


@pytest.mark.usefixtures("gcc")
def test_a_command_of_the_user_is_not_built(native: Arch) -> None:
    assert programs.build(native, Workload(kind="command", command=("/usr/bin/app",))).workload == ()


@pytest.mark.usefixtures("gcc")
def test_no_two_files_are_equal(native: Arch) -> None:
    """A file system would store them once, and the guest share their pages."""
    files = [
        path.read_bytes() for _, path in programs.build(native, Workload(programs=3, text_kib=256)).workload
    ]
    assert len(set(files)) == 3
    assert len({data[:-2] for data in files}) == 1


@pytest.mark.usefixtures("gcc")
def test_the_text_is_as_large_as_asked(native: Arch) -> None:
    sizes = [
        programs.build(native, Workload(programs=1, text_kib=kib)).workload[0][1].stat().st_size
        for kib in (256, 512)
    ]
    assert sizes[1] - sizes[0] == 256 << 10


@pytest.mark.usefixtures("gcc")
def test_another_seed_is_another_text(native: Arch) -> None:
    texts = [
        programs.build(native, Workload(programs=1, text_kib=256, seed=seed)).workload[0][1].read_bytes()
        for seed in (1, 2, 1)
    ]
    assert texts[0] != texts[1]
    assert texts[0] == texts[2]


@pytest.mark.parametrize("text_kib", [0, -4, programs.MAX_TEXT_KIB + 1])
@pytest.mark.usefixtures("gcc")
def test_a_text_of_no_sensible_size(native: Arch, text_kib: int) -> None:
    with pytest.raises(UserError, match="text_kib"):
        programs.build(native, Workload(text_kib=text_kib))


def test_noise_shrinks_as_programs_do() -> None:
    data = programs.noise(1 << 20, 7)
    assert len(data) == 1 << 20
    blocks = [data[at : at + (1 << 17)] for at in range(0, len(data), 1 << 17)]
    assert 0.45 < sum(len(zlib.compress(block)) for block in blocks) / len(data) < 0.7
    assert programs.noise(4096, 7) == data[:4096]
    assert programs.noise(4096, 8) != data[:4096]


def test_an_error_of_the_compiler_is_one_line_and_its_output_is_kept(
    gcc: Compiler, empty_cache: Path, tmp_path: Path
) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return nothing; }\n#warning first\n")
    with pytest.raises(
        UserError, match=r"failed: .*wrong\.c:1:.*nothing.* undeclared.*; all of it is in "
    ) as error:
        toolchain.compile_program(gcc, (source,), tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
    log = empty_cache / "compile-wrong.log"
    assert str(log) in str(error.value)
    assert "#warning first" in log.read_text()


def test_no_compiler_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for arch in ARCHES:
        with pytest.raises(
            UserError, match=rf"no C compiler for {arch.name}: apt-get install .*gcc.*pip install .*zig"
        ):
            toolchain.compiler(arch)


def test_a_compiler_without_a_c_library_is_passed_over(
    native: Arch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "gcc"
    broken.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo broken 1 && exit\necho 'error: no -lc' >&2; exit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert toolchain._version(str(broken)) == "broken 1"
    assert not toolchain._links(Compiler((str(broken),), "broken 1"))
    try:
        assert toolchain.compiler(native).command != (str(broken),)
    except UserError as error:
        assert "no C compiler" in str(error)  # noqa: PT017  a machine with no other


def test_every_architecture_has_a_cross_compiler() -> None:
    assert set(GNU) == {arch.name for arch in ARCHES} == set(MACHINES)


def check_pages(compiler: Compiler, name: str, folder: Path) -> None:
    source = programs.Source(("churn.c", "pages.S"), pages=64, seed=1)
    programs._compile(compiler, source, folder / "churn")
    assert elf(folder / "churn") == (*MACHINES[name], False)
    # Each page begins with its function, and the noise is behind it.
    noise = programs.noise(64 * programs._NOISE, 1)
    text = (folder / "churn").read_bytes()
    first = text.index(noise[:64])
    assert text.index(noise[programs._NOISE :][:64]) == first + 4096
    assert first % 4096 == 16


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_gcc_lays_out_the_pages(name: str, tmp_path: Path) -> None:
    found = [one for one in toolchain._candidates(find(name)) if not one.zig and toolchain._links(one)]
    if not found:
        pytest.skip(f"needs apt-get install {GNU[name].package}")
    check_pages(found[0], name, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(MACHINES))
def test_zig_lays_out_the_pages(name: str, tmp_path: Path) -> None:
    if not os.environ.get("UNKILLABLE_TEST_ZIG"):
        pytest.skip(
            "zig compiles its C library for one to four minutes per architecture: set UNKILLABLE_TEST_ZIG"
        )
    check_pages(next(one for one in toolchain._candidates(find(name)) if one.zig), name, tmp_path)
