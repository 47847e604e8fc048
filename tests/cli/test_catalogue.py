"""`unkillable catalogue`, and `diagnose --catalogue` with what it made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from tests.ksource.kernel import write
from tests.ksource.small_kernel import FILES
from unkillable.cli.main import cli
from unkillable.waits.generated import Inner, read

LOG = """\
[    0.000000] Linux version 6.1.0-vendor (a@b) (gcc 12) #1 SMP
[  300.000000] INFO: task app:77 blocked for more than 120 seconds.
[  300.000001]       Not tainted 6.1.0-vendor #1
[  300.000002] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
[  300.000003] task:app             state:D stack:0     pid:77    ppid:1      flags:0x00000002
[  300.000004] Call Trace:
[  300.000005]  <TASK>
[  300.000006]  __schedule+0x32e/0xa88
[  300.000007]  schedule+0x5e/0xd0
[  300.000008]  written_out+0x40/0x90 [box]
[  300.000009]  box_read+0x20/0x40 [box]
[  300.000010]  vfs_read+0xa0/0x1a0
[  300.000011]  ksys_read+0x5f/0xe0
[  300.000012]  </TASK>
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "linux", FILES)


def run(*arguments: str):
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False)


def test_build(root: Path) -> None:
    done = run("catalogue", "build", str(root))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("linux-6.1.192.catalogue: ")
    found = read(Path("linux-6.1.192.catalogue"))
    assert found.kernels == ("6.1.192",)
    taking = found.function("take")
    assert taking is not None
    (one,) = taking.definitions
    (sleep,) = one.sleeps
    assert (sleep.primitive, sleep.state, sleep.resource, one.file) == (
        "rest", "TASK_UNINTERRUPTIBLE", "box.lounge", "fs/box/box.c",
    )  # fmt: skip
    inner = found.function("__latch_slowly")
    assert inner is not None
    assert inner.inner == Inner("hatch_lock", "TASK_UNINTERRUPTIBLE")


def test_the_same_bytes_again(root: Path) -> None:
    run("catalogue", "build", str(root), "-o", "a")
    run("catalogue", "build", str(root), "-o", "b", "--core")
    assert Path("a").read_bytes() == Path("b").read_bytes()


def test_diagnose_with_it(root: Path) -> None:
    Path("log").write_text(LOG)
    run("catalogue", "build", str(root), "-o", "own")
    found = msgspec.json.decode(run("diagnose", "--catalogue", "own", "--format", "json", "log").output)
    (waiter,) = found["waiters"]
    assert (waiter["function"], waiter["task_state"], waiter["killable"]) == (
        "written_out",
        "TASK_UNINTERRUPTIBLE",
        False,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("catalogue", "build", "nowhere"), "nowhere: no such directory"),
        (("catalogue", "build", "linux", "--arch", "vax"), "has no vax"),
        (("diagnose", "--catalogue", "log", "log"), "log: no catalogue; make one with"),
        (("diagnose", "--catalogue", "nobody", "log"), "nobody: No such file"),
    ],
)
def test_bad_input(root: Path, arguments: tuple[str, ...], says: str) -> None:
    write(root, {"arch/x86/a.c": ""})
    Path("log").write_text(LOG)
    from unkillable.errors import UserError

    with pytest.raises(UserError, match=says):
        run(*arguments)


def test_list() -> None:
    lines = run("catalogue", "list").output.splitlines()
    assert lines
    assert all(line.startswith("Linux ") and " sleeps of " in line for line in lines)
