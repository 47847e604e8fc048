"""`collect.sh arm` and `disarm`: what they change, and that they say so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.collect.script import SHELLS, Device

REBOOTS = ("vm/panic_on_oom", "kernel/hung_task_panic", "kernel/panic")


@pytest.fixture(params=SHELLS)
def device(tmp_path: Path, request: pytest.FixtureRequest) -> Device:
    device = Device(tmp_path, request.param)
    device.put("proc/sys/kernel/sysrq", "438\n")
    device.put("proc/sys/kernel/hung_task_timeout_secs", "120\n")
    device.put("proc/sys/kernel/panic", "0\n")
    return device


def settings(device: Device) -> dict[str, str]:
    tree = device.root / "proc/sys"
    return {str(file.relative_to(tree)): file.read_text() for file in tree.rglob("*") if file.is_file()}


def test_a_dry_run_changes_nothing(device: Device) -> None:
    before = settings(device)
    said = device.run("arm", "--root", str(device.root), "--dry-run", "--panic-on-oom")
    assert settings(device) == before
    assert not device.ram.exists()
    assert "kernel/sysrq: would become 1 (is 438)" in said
    assert "vm/panic_on_oom: would become 1" in said


def test_it_sets_what_reboots_nothing_and_takes_it_back(device: Device) -> None:
    before = settings(device)
    said = device.run("arm", "--root", str(device.root))
    now = settings(device)
    assert (now["kernel/sysrq"], now["kernel/hung_task_timeout_secs"], now["kernel/hung_task_warnings"]) == (
        "1\n",
        "30\n",
        "-1\n",
    )
    for name in REBOOTS:
        assert now[name] == before[name]
        assert f"{name} is left alone" in said
    device.run("arm", "--root", str(device.root), "--hang-after", "60")
    assert settings(device)["kernel/hung_task_timeout_secs"] == "60\n"
    device.run("disarm", "--root", str(device.root))
    assert settings(device) == before
    assert not device.ram.exists()


def test_what_reboots_is_set_only_when_asked(device: Device) -> None:
    device.run("arm", "--root", str(device.root), "--panic-on-oom", "--panic-on-hang", "--reboot-after", "10")
    now = settings(device)
    assert [now[name] for name in REBOOTS] == ["1\n", "1\n", "10\n"]


def test_what_is_not_there_is_said(device: Device) -> None:
    (device.root / "proc/sys/kernel/hung_task_timeout_secs").unlink()
    said = device.run("arm", "--root", str(device.root))
    assert "hung_task_timeout_secs: this kernel has none" in said
    for name in ("ramoops", "netconsole", "pstore"):
        assert f"{name}: is not there" in said


def test_the_copy_in_ram_collects_without_the_root_file_system(device: Device) -> None:
    if not Path("/bin/busybox").exists():
        pytest.skip("needs busybox")
    said = device.run("arm", "--root", str(device.root))
    (line,) = [line for line in said.splitlines() if line.startswith("To collect: ")]
    assert "from elsewhere" not in said
    command = [
        *line.removeprefix("To collect: ").split(),
        "-o",
        str(device.bundle),
        "--root",
        str(device.root),
    ]
    traced = subprocess.run(command, env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False)
    assert traced.returncode == 0, traced.stderr
    assert device.bundle.stat().st_size > 20_000
    assert {one.name for one in device.ram.iterdir()} >= {"busybox", "collect.sh", "before"}
    assert all(os.stat(one).st_uid == os.getuid() for one in device.ram.iterdir())  # noqa: PTH116
