"""Minimal kernels: configurations, source trees and make, on small made-up trees that real programs work on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import cache, kbuild, kconfig, kmake, prepare, sourcetree
from unkillable.lab.arch import ARCHES, find
from unkillable.lab.kbuild import Fragments
from unkillable.lab.kmake import Need
from unkillable.lab.setup import Setup

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("make", "gcc", "flex", "bison", "bc"))),
    reason="needs make, gcc, flex, bison and bc",
)

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
SUBLEVEL = 9
EXTRAVERSION =
NAME = Made Up

tinyconfig:
	@test -z "$(KCFLAGS)" && test "$(ARCH)" = x86_64
	@printf 'CONFIG_SMP=n\\nCONFIG_CC_OPTIMIZE_FOR_SIZE=y\\n# CONFIG_BUG is not set\\n' > $(O)/.config
olddefconfig:
	@awk -f scripts/last.awk $(O)/.config > $(O)/new && mv $(O)/new $(O)/.config
bzImage:
	@echo '  CC      init/main.o'; echo '  AS      init/last.o'; sleep 0.2
	@cat init/main.c
	@! grep -q '#error' init/main.c || { echo 'init/main.c:1:2: error: #error broken' && false; }
	@mkdir -p $(O)/arch/x86/boot $(O)/include/config
	@cp init/main.c $(O)/arch/x86/boot/bzImage
	@echo map > $(O)/System.map
	@echo 6.1.9-minimal > $(O)/include/config/kernel.release
"""
LAST = """\
# Of an option the last value counts; what this kernel does not know is dropped, NUMA comes out as n.
/CONFIG_[A-Z0-9_a-z]*/ {
    match($0, /CONFIG_[A-Z0-9_a-z]*/); name = substr($0, RSTART, RLENGTH)
    if (name ~ /LRU_GEN|ZRAM_BACKEND|SLUB_TINY/) next
    if (name == "CONFIG_NUMA") $0 = "# CONFIG_NUMA is not set"
    value[name] = $0
}
END { for (name in value) print value[name] }
"""
KCONFIG = """\
config SMP
        bool "Many processors"
        depends on !BROKEN

menuconfig NUMA
        bool "Far memory"
        depends on SMP
        depends on ACPI || \\
                OF
        select PHYS
        help
          config LRU_GEN is not defined by this sentence.

          Nor is it over after an empty line.

config PHYS
        bool

config VM_EVENT_COUNTERS
        def_bool y
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "linux"
    files = {
        "Makefile": MAKEFILE,
        "Kconfig": KCONFIG,
        "scripts/kconfig/Makefile": "",
        "scripts/last.awk": LAST,
        "fs/squashfs/Kconfig": "config SQUASHFS\n\ttristate\n",
        "init/main.c": "int main;\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def fragment(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.config"
    path.write_text(text)
    return path


# Configurations


def test_a_fragment_is_read_and_written(tmp_path: Path) -> None:
    text = 'CONFIG_A=y\n# a comment\n# CONFIG_B is not set\n\nCONFIG_C=0x1f\nCONFIG_D="x y \\" z"\nCONFIG_E=-3\nCONFIG_A=m\n'
    found = kconfig.read(fragment(tmp_path, text))
    assert found == {"A": "m", "B": "n", "C": "0x1f", "D": '"x y \\" z"', "E": "-3"}
    again = kconfig.read(fragment(tmp_path, kconfig.write(found)))
    assert again == found


@pytest.mark.parametrize(
    "line", ["CONFIG_A", "A=y", "CONFIG_A=yes", 'CONFIG_A="x', "CONFIG_A=y # because", "$(shell id)"]
)
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(UserError, match="line 2: "):
        kconfig.read(fragment(tmp_path, f"CONFIG_OK=y\n{line}\n"))


def test_no_fragment_and_a_huge_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such configuration"):
        kconfig.read(tmp_path / "none")
    with pytest.raises(UserError, match="no configuration is"):
        kconfig.read(fragment(tmp_path, "#" * (5 << 20)))


def test_the_kconfig_files_say_why(tree: Path) -> None:
    found = kconfig.symbols(tree, {"NUMA", "PHYS", "LRU_GEN"})
    assert set(found) == {"NUMA", "PHYS"}
    told = kconfig.Missed("NUMA", "y", "n").told(found)
    assert told.startswith("CONFIG_NUMA=y: came out as n (depends on SMP && ACPI ||")
    assert kconfig.Missed("PHYS", "y", "n").told(found) == "CONFIG_PHYS=y: came out as n (selected by NUMA)"
    assert kconfig.Missed("LRU_GEN", "y", "n").told(found) == "CONFIG_LRU_GEN=y: not known to this version"


def test_what_does_not_stick_is_an_error_or_a_note(tree: Path) -> None:
    got = {"SMP": "y", "NUMA": "n"}
    # Not set and not there are the same.
    assert kbuild.check(tree, got, Fragments({"SMP": "y", "OTHER": "n"})) == ()
    # Of what is only wished for, a note; also of what nobody knows.
    notes = kbuild.check(tree, got, Fragments({"FUTEX": "y"}, {"NUMA": "y"}, {"NOVEL": "y"}))
    assert [note.partition(" ")[0] for note in notes] == [
        "CONFIG_NOVEL=y:",
        "CONFIG_FUTEX=y:",
        "CONFIG_NUMA=y:",
    ]
    with pytest.raises(UserError, match=r"the lab wants .* CONFIG_NUMA=y: came out as n"):
        kbuild.check(tree, got, Fragments({"NUMA": "y"}))
    with pytest.raises(UserError, match=r"the fragment wants .* CONFIG_NUMA=m"):
        kbuild.check(tree, got, Fragments(wished={"NUMA": "y"}, own={"NUMA": "m"}))
    # The user's word counts against the lab's.
    assert kbuild.check(tree, got, Fragments(needed={"NUMA": "y"}, own={"NUMA": "n"})) == ()


def test_the_users_options_come_last() -> None:
    text = Fragments(needed={"A": "y", "B": "y"}, own={"C": "y", "A": "y"}).text()
    assert text.split() == ["CONFIG_B=y", "CONFIG_C=y", "CONFIG_A=y"]


def test_the_fragments_of_the_lab_hold_what_its_guest_needs() -> None:
    for name, recipe in kbuild.RECIPES.items():
        assert find(name) in ARCHES
        needed = kbuild.fragment("minimal.config") | kbuild.fragment(recipe.fragment)
        wished = kbuild.fragment("observe.config")
        assert not needed.keys() & wished.keys()
        everything = needed | wished
        for option in (
            "VIRTIO_PCI VIRTIO_BLK SQUASHFS SQUASHFS_ZLIB SQUASHFS_LZ4 SQUASHFS_LZO SQUASHFS_XZ SQUASHFS_ZSTD EXT4_FS EROFS_FS TMPFS "
            "CGROUPS MEMCG ZRAM SWAP FTRACE EVENT_TRACING PSI DETECT_HUNG_TASK MAGIC_SYSRQ_SERIAL LRU_GEN MULTIUSER FUTEX "
            "MEMFD_CREATE EPOLL BLK_DEV_INITRD DEVTMPFS"
        ).split():
            assert everything[option] == "y", option
        assert int(needed["SERIAL_8250_RUNTIME_UARTS"]) >= 2


def test_a_fragment_says_what_tinyconfig_would_leave_wrong() -> None:
    arm = kbuild.fragment("minimal-arm.config")
    assert arm["THUMB2_KERNEL"] == "n", "from tinyconfig's Cortex-M"
    assert arm["COMPAT_32BIT_TIME"] == "y", (
        "without it glibc of Debian 12 and musl before 1.2 have no clock_nanosleep and no futex"
    )
    for name, recipe in kbuild.RECIPES.items():
        if recipe.image.endswith("zImage"):  # and bzImage: arm64's Image is not compressed
            assert kbuild.fragment(recipe.fragment)["KERNEL_GZIP"] == "y", name


# Source trees


def test_the_version_of_a_tree(tree: Path) -> None:
    assert sourcetree.version(tree) == "6.1.9"
    (tree / "Makefile").write_text(MAKEFILE.replace("EXTRAVERSION =", "EXTRAVERSION = -rc3"))
    assert sourcetree.version(tree) == "6.1.9-rc3"


def test_what_is_no_tree_is_refused(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such directory"):
        sourcetree.version(tmp_path / "none")
    with pytest.raises(UserError, match="no kernel source tree"):
        sourcetree.version(tree / "fs")
    (tree / "Kconfig").unlink()
    with pytest.raises(UserError, match="it has no Kconfig"):
        sourcetree.version(tree)
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = x\nSUBLEVEL = 1\n")
    with pytest.raises(UserError, match="no kernel source tree"):
        sourcetree.version(tree)


@pytest.mark.parametrize(
    "sign", [".config", "include/config/auto.conf", "arch/arm/include/generated/asm/x.h"]
)
def test_a_tree_that_was_built_in_is_refused(tree: Path, sign: str) -> None:
    (tree / sign).parent.mkdir(parents=True, exist_ok=True)
    (tree / sign).touch()
    with pytest.raises(UserError, match="mrproper"):
        sourcetree.version(tree)


def _change(path: Path) -> None:
    # The same length and, as far as a program can tell, the same time.
    status = path.stat()
    path.write_text(path.read_text().replace("main", "niam"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _git(tree: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, "-C", tree, *arguments], check=True, capture_output=True)


def _commit(tree: Path) -> None:
    _git(tree, "init")
    _git(tree, "add", "-A")
    _git(tree, "commit", "-m", "all")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda tree: _change(tree / "init/main.c"),
    "another file": lambda tree: (tree / "init/new.c").touch(),
    "a file less": lambda tree: (tree / "init/main.c").unlink(),
    "the right to run": lambda tree: (tree / "init/main.c").chmod(0o755),
    "a link": lambda tree: (tree / "init/link.c").symlink_to("main.c"),
    "a name": lambda tree: (tree / "init/main.c").rename(tree / "init/niam.c"),
}


@pytest.mark.parametrize("git", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_the_content_of_a_tree_has_a_name(tree: Path, change: str, git: bool) -> None:
    if git:
        _commit(tree)
    before = sourcetree.content(tree)
    os.utime(tree / "init/main.c", (1, 1))
    assert sourcetree.content(tree) == before
    CHANGES[change](tree)
    changed = sourcetree.content(tree)
    assert changed != before
    assert sourcetree.content(tree) == changed


def test_a_tree_inside_of_a_repository_is_told_from_the_rest(tree: Path) -> None:
    _commit(tree.parent)
    before = sourcetree.content(tree)
    (tree.parent / "elsewhere").write_text("x")
    assert sourcetree.content(tree) == before
    _change(tree / "init/main.c")
    first = sourcetree.content(tree)
    (tree / "init/main.c").write_text("int third;\n")
    assert len({before, first, sourcetree.content(tree)}) == 3


# make


def test_make_is_logged_and_its_objects_are_counted(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        "all:\n\t@echo '  HOSTCC  scripts/x'; echo '  CC      init/main.o'; printf '  AS      arch/he'; sleep 0.3\n"
        "\t@echo 'ad.o'; echo '  AR      init/built-in.a'; echo '  CC [M]  fs/ext4/dir.o' >&2; echo CC; sleep 0.3\n"
        "\t@printf '  CC      never/ended.o'\n"
    )
    seen: list[tuple[int, str]] = []
    kmake.run(
        ("-C", str(tmp_path)),
        tmp_path / "log",
        seconds=20,
        progress=lambda done, name: seen.append((done, name)),
    )
    assert seen[0] == (1, "init/main.o")
    assert seen[-1] == (3, "fs/ext4/dir.o")
    assert {"scripts/x", "arch/head.o", "init/built-in.a"} <= set((tmp_path / "log").read_text().split())


def test_the_environment_does_not_reach_a_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KCFLAGS", "-O0")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    (tmp_path / "Makefile").write_text("all:\n\t@echo flags=$(KCFLAGS), $$KBUILD_BUILD_USER\n")
    kmake.run(("-C", str(tmp_path)), tmp_path / "log", seconds=20)
    assert "flags=, unkillable" in (tmp_path / "log").read_text()


def test_a_failure_names_its_first_cause_and_the_log(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        "all:\n\t@echo ok; echo 'a.c:3: error: no \x1b[1m'; echo 'b.c:1: error: late'; exit 1\n"
    )
    with pytest.raises(UserError, match=r"make failed: a\.c:3: error: no \?\[1m; its output is in .*/log$"):
        kmake.run(("-C", str(tmp_path)), tmp_path / "log", seconds=20)


def test_a_build_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    (tmp_path / "Makefile").write_text(f"all:\n\t@sh -c 'echo $$$$ > {pid}; exec sleep 60'\n")
    start = time.monotonic()
    with pytest.raises(UserError, match=r"did not finish within 1 s"):
        kmake.run(("-C", str(tmp_path)), tmp_path / "log", seconds=1)
    assert time.monotonic() - start < 10
    deadline = time.monotonic() + 5
    while _lives(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(int(pid.read_text()))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_build_that_prints_without_end_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@yes\n")
    with pytest.raises(UserError, match="printed more than 32 MiB"):
        kmake.run(("-C", str(tmp_path)), tmp_path / "log", seconds=60)
    assert (tmp_path / "log").stat().st_size <= 32 << 20


def test_all_that_is_missing_is_told_at_once() -> None:
    kmake.require([Need("make", "make"), Need("stdio.h", "libc6-dev")])
    with pytest.raises(UserError, match=r"^no-such-tool, no/such\.h: .*apt-get install other tool$"):
        kmake.require([Need("make", "make"), Need("no-such-tool", "tool"), Need("no/such.h", "other")])


# The whole


def test_a_kernel_is_built_once_and_the_tree_is_not_written(tree: Path, tmp_path: Path) -> None:
    tree_before = sourcetree.content(tree)
    seen: list[str] = []
    first = kbuild.build(tree, find("x86_64"), progress=lambda phase, _share: seen.append(phase))
    assert seen[:2] == [f"reading {tree}", "configuring Linux 6.1.9"]
    assert seen[-1].endswith(" of about 1300 objects, init/last.o")
    assert (first.release, first.version, first.arch, first.modules) == (
        "6.1.9-minimal",
        "6.1.9",
        "x86_64",
        None,
    )
    assert first.image.read_text() == "int main;\n"
    got = kconfig.read(first.config or Path())
    assert got["SMP"] == got["BUG"] == got["SQUASHFS"] == "y"
    assert got["SQUASHFS_FILE_DIRECT"] == "y"
    assert dict(first.provenance)["source"].startswith("linux 6.1.9 ")
    assert ("note", "CONFIG_LRU_GEN=y: not known to this version") in first.provenance
    assert sourcetree.content(tree) == tree_before

    seen.clear()
    assert kbuild.build(tree, find("x86_64"), progress=lambda phase, _share: seen.append(phase)) == first
    assert seen == [f"reading {tree}"]

    (tree / "init/main.c").write_text("int other;\n")
    other = kbuild.build(tree, find("x86_64"))
    assert other.image.read_text() == "int other;\n"
    assert first.image.read_text() == "int main;\n"
    # Only finished kernels are left.
    assert len(list((tmp_path / "cache/unkillable/built-kernel").iterdir())) == 2
    assert not list((tmp_path / "cache/unkillable").glob("*.log"))


def test_how_far_a_build_is_is_told_by_the_last_one(tree: Path) -> None:
    seen: list[tuple[str, float | None]] = []

    def note(phase: str, share: float | None) -> None:
        seen.append((phase, share))

    counter = kbuild._Counter("compiling", kbuild.usual_objects(find("x86_64")), note)
    counter.report(13, "a.o")
    counter.report(1300, "b.o")
    assert seen == [
        ("compiling: 13 of about 1300 objects, a.o", 0.01),
        ("compiling: 1300 objects, b.o", None),
    ], "nobody knows what share of more than all it is"
    kbuild.build(tree, find("x86_64"))
    assert kbuild.usual_objects(find("x86_64")) == 2
    assert kbuild.usual_objects(find("arm64")) == 1300
    (built,) = (cache.root() / "built-kernel").glob("*/built.json")
    for text in (b"{", b'{"release": "6.1", "notes": []}'):
        built.write_bytes(text)
        assert kbuild.usual_objects(find("x86_64")) == 1300, "damaged, or of before objects were counted"


def test_prepare_passes_it_on(tree: Path) -> None:
    seen: list[str] = []
    setup = Setup(kernel=f"source:{tree}")
    prepare.kernel_of(setup, find("x86_64"), lambda phase, _share: seen.append(phase.partition(":")[0]))
    assert list(dict.fromkeys(seen)) == [
        f"reading {tree}",
        "configuring Linux 6.1.9",
        "compiling Linux 6.1.9",
    ]


def test_a_fragment_makes_another_kernel(tree: Path, tmp_path: Path) -> None:
    plain = kbuild.build(tree, find("x86_64"))
    own = kbuild.build(
        tree, find("x86_64"), fragment(tmp_path, "CONFIG_SQUASHFS_FILE_CACHE=y\n# CONFIG_BUG is not set\n")
    )
    got = kconfig.read(own.config or Path())
    assert (got["SQUASHFS_FILE_CACHE"], got["BUG"]) == ("y", "n")
    assert own.image != plain.image
    with pytest.raises(UserError, match=r"the fragment wants .* CONFIG_NUMA=y: came out as n"):
        kbuild.build(tree, find("x86_64"), fragment(tmp_path, "CONFIG_NUMA=y\n"))


def test_a_failed_build_keeps_its_log(tree: Path, tmp_path: Path) -> None:
    (tree / "init/main.c").write_text("#error broken\n")
    with pytest.raises(
        UserError, match=r"make failed: init/main.c:1:2: error: .* its output is in (\S+)$"
    ) as caught:
        kbuild.build(tree, find("x86_64"))
    log = Path(str(caught.value).rpartition(" ")[2])
    assert log.is_relative_to(tmp_path / "cache")
    assert "CC      init/main.o" in log.read_text()
    assert not [*(tmp_path / "cache/unkillable/built-kernel").iterdir()]


def test_an_architecture_without_a_recipe_is_refused(tree: Path) -> None:
    with pytest.raises(UserError, match="a minimal kernel can be built for x86_64"):
        kbuild.build(tree, find("mips"))
