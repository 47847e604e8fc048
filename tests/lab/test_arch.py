"""The table of architectures against the emulators, the compiler and the rest of the lab that use it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab.arch import ARCHES, Arch, find
from unkillable.lab.modules import _CONSOLES
from unkillable.lab.prepare import _fitting
from unkillable.lab.setup import Setup
from unkillable.lab.toolchain import GNU

ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize("row", ARCHES, ids=lambda row: row.name)


@pytest.mark.parametrize("name", ["arm64", "aarch64"])
def test_a_row_is_found_by_our_name_and_not_by_the_emulators(name: str) -> None:
    if name == "aarch64":
        with pytest.raises(UserError, match="aarch64: no such architecture; known are x86_64, arm64, arm"):
            find(name)
    else:
        assert find(name).qemu == "aarch64"


def test_a_row_is_found_by_debians_name() -> None:
    assert [find(row.debian) for row in ARCHES] == list(ARCHES)


@EACH
def test_console_and_port_are_two_devices(row: Arch) -> None:
    assert row.port_device != f"/dev/{row.console}"


@EACH
def test_the_other_tables_know_it(row: Arch) -> None:
    assert row.name in GNU
    assert row.console in _CONSOLES


@EACH
def test_the_documentation_names_its_port(row: Arch) -> None:
    booted = (ROOT / "docs/dev/architectures.md").read_text().partition("## ")[0]
    lines = [line for line in booted.splitlines() if line.startswith(f"| {row.name} |")]
    assert lines
    assert all(row.port_device.removeprefix("/dev/") in line for line in lines)


@EACH
def test_the_emulator_knows_machine_processor_and_devices(row: Arch) -> None:
    program = shutil.which(f"qemu-system-{row.qemu}")
    if program is None:
        pytest.skip(f"qemu-system-{row.qemu} is not installed")

    def listed(*arguments: str) -> str:
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    options = dict(zip(row.machine[::2], row.machine[1::2], strict=True))
    machine = options["-machine"].partition(",")[0]
    assert re.search(rf"^{re.escape(machine)}\s", listed("-machine", "help"), re.MULTILINE)
    if "-cpu" in options:
        model = options["-cpu"].partition(",")[0]
        assert re.search(rf"\b{re.escape(model)}\b", listed("-cpu", "help"))
    devices = listed("-device", "help")
    assert f'name "{row.disk}"' in devices
    if "-device" in row.port:
        assert f'name "{row.port[1].partition(",")[0]}"' in devices
    assert 'name "no-such-device"' not in devices


def test_mips_gets_the_one_processor_that_it_boots_with_and_arm_what_was_asked() -> None:
    assert _fitting(Setup(arch="mips"), find("mips")).emulator.cpus == 1
    assert _fitting(Setup(arch="arm"), find("arm")).emulator.cpus == 2
