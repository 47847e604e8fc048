"""`import unkillable`: what it gives, what it refuses, and that it stays as it is."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import unkillable
from tests import samples_file
from tests.library import surface
from unkillable import library
from unkillable.pipeline import inspect

ROOT = Path(__file__).resolve().parent.parent.parent
LOG = ROOT / "examples" / "frozen-6.1.log.xz"

CLIENT = """\
import io
import pathlib
import sys

import unkillable
from unkillable import Diagnosis, UserError, Verdict, Waiter, diagnose


def stuck(log: unkillable.Log) -> list[str]:
    found: Diagnosis = diagnose(log, boot=0)
    verdict: Verdict = found.verdict
    waiters: tuple[Waiter, ...] = found.waiters
    if verdict.kind not in unkillable.KINDS:
        raise AssertionError
    return [one.comm or "?" for one in waiters if one.killable is False]


def summaries(path: pathlib.Path) -> str:
    return "; ".join(one.verdict.summary for one in unkillable.diagnose_all(path, catalogue="x.catalogue"))


try:
    stuck(b""), stuck(sys.stdin.buffer), stuck(io.BytesIO()), stuck(pathlib.Path("x")), summaries(pathlib.Path("y"))
except UserError as error:
    print(str(error), unkillable.__version__)
"""


def test_the_surface_is_what_it_was() -> None:
    """A line that goes or changes is a new major version; one that comes, a minor one (docs/library.md).  Then renew the file:
    python -m tests.library.surface >tests/library/surface.txt"""
    assert surface.text() == (Path(__file__).parent / "surface.txt").read_text()


def test_the_package_hands_on_what_the_library_offers() -> None:
    assert set(unkillable.__all__) == {*library.__all__, "__version__"}
    assert all(getattr(unkillable, name) is getattr(library, name) for name in library.__all__)
    assert set(dir(unkillable)) >= set(unkillable.__all__)
    with pytest.raises(AttributeError, match="no attribute 'diagnoze'"):
        _ = unkillable.diagnoze  # type: ignore[attr-defined]


def test_what_a_diagnosis_is_made_of_is_public() -> None:
    """Every structure that a public one names is public too."""
    public = {name for name in library.__all__ if hasattr(getattr(library, name), "__struct_fields__")}
    words = {
        word.strip("()[],.|")
        for name in public
        for kind in surface.fields(getattr(library, name)).values()
        for word in str(kind).replace("[", " ").replace("ev.", "").split()
    }
    structs = {word for word in words if word[:1].isupper() and word not in ("None", "True", "False")}
    assert structs
    assert structs - public == set()


def test_importing_it_loads_nothing_else() -> None:
    code = "import sys, unkillable; print(*[name for name in sys.modules if name.startswith(('unkillable.', 'msgspec', 'typing'))])"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")})  # fmt: skip
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("kind", ["path", "pathlike", "bytes", "memoryview", "file", "stream"])
def test_a_log_may_come_in_any_form(kind: str) -> None:
    content = LOG.read_bytes()
    with LOG.open("rb") as file:
        log: unkillable.Log = {
            "path": str(LOG),
            "pathlike": LOG,
            "bytes": content,
            "memoryview": memoryview(content),
            "file": file,
            "stream": io.BytesIO(content),
        }[kind]  # type: ignore[assignment]
        found = unkillable.diagnose(log)
    expected = inspect([str(LOG)])
    assert (found.verdict, found.waiters) == (expected.verdict, expected.waiters)
    assert found.source == {"bytes": "<bytes>", "memoryview": "<bytes>", "stream": "<stream>"}.get(
        kind, str(LOG)
    )


def test_threads_may_call_at_the_same_time() -> None:
    logs = [path.read_bytes() for path in sorted((ROOT / "examples").glob("*.log.xz"))] * 3
    alone = [unkillable.diagnose(log) for log in logs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(unkillable.diagnose, logs)) == alone


def test_boots_are_chosen_and_counted_from_0() -> None:
    _, log = samples_file.load(
        samples_file.SAMPLES / "captures" / "amd64-6.1-hung-task-panic-reboot.sample.xz"
    )
    every = unkillable.diagnose_all(log)
    assert [one.boot for one in every] == [0, 1]
    worst = unkillable.diagnose(log)
    assert [one.boot for one in worst.others] == [1 - worst.boot]
    for boot in (0, 1):
        found = unkillable.diagnose(log, boot=boot)
        assert (found.boot, found.verdict) == (boot, every[boot].verdict)
    with pytest.raises(unkillable.UserError, match="no boot 3"):
        unkillable.diagnose(log, boot=2)


def test_problems_stay_with_their_source(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(LOG.read_bytes())
    (tmp_path / "b.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    found = unkillable.diagnose_all(tmp_path)
    assert [one.source for one in found] == [str(tmp_path / "a.log")]
    assert unkillable.diagnose(tmp_path).problems


def test_a_file_called_minus_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-").write_bytes(b"[    0.000000] Linux version 6.1.9 (x) #1\n")
    assert unkillable.diagnose("-").kernel.release == "6.1.9"


@pytest.mark.parametrize("log", ["none.log", b"", b"\x89PNG\r\n\x1a\n" + bytes(100), b"hello\n"])
def test_what_is_no_log_is_a_user_error_of_one_line(log: str | bytes) -> None:
    for ask in (unkillable.diagnose, unkillable.diagnose_all):
        with pytest.raises(unkillable.UserError) as error:
            ask(log)
        assert str(error.value)
        assert "\n" not in str(error.value)


def test_text_is_refused() -> None:
    with pytest.raises(TypeError, match="mode 'rb'"):
        unkillable.diagnose(io.StringIO("text"))  # type: ignore[arg-type]
    with (ROOT / "README.md").open() as file, pytest.raises(TypeError):
        unkillable.diagnose_all(file)  # type: ignore[arg-type]


def test_a_catalogue_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(unkillable.UserError):
        unkillable.diagnose(LOG, catalogue=tmp_path / "x")


@pytest.mark.slow
def test_a_client_passes_mypy_strict(tmp_path: Path) -> None:
    """As an installed package is seen: by its py.typed, in a Python environment of the client's."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = next(venv.glob("lib/python*/site-packages"))
    (site / "client.pth").write_text(f"{ROOT / 'src'}\n{sysconfig.get_paths()['purelib']}\n")
    client = tmp_path / "client.py"
    client.write_text(CLIENT)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(venv / "bin" / "python"), "--cache-dir", str(tmp_path / "cache")]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in ("MYPYPATH", "PYTHONPATH")}
    done = subprocess.run(
        [*mypy, str(client)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("Success"), done.stdout + done.stderr
    client.write_text(
        CLIENT.replace("verdict.kind not in", "verdict.kinds not in")
        .replace('stuck(b"")', "stuck(5)")
        .replace("unkillable.KINDS", "unkillable.KIND")
    )
    done = subprocess.run(
        [*mypy, str(client)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert '"Verdict" has no attribute "kinds"' in done.stdout
    assert 'Module has no attribute "KIND"' in done.stdout
    assert 'Argument 1 to "stuck" has incompatible type' in done.stdout
