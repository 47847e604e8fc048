"""QEMU's command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from unkillable.errors import UserError
from unkillable.lab.arch import ARCHES, find
from unkillable.lab.qemu import Files, arguments, machine
from unkillable.lab.setup import Emulator, Prepared, Setup

FILES = Files(Path("/s"), Path("/logs,of a run"))
PREPARED = Prepared(Setup(), "6.1.0-56-cloud-amd64", "6.1.192", "vmlinuz", "initramfs", "root,1.img")
needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="qemu-system-x86_64 is not installed"
)


def argv(**emulator: object) -> tuple[str, ...]:
    setup = msgspec.structs.replace(Setup(), emulator=msgspec.structs.replace(Emulator(), **emulator))
    return arguments(msgspec.structs.replace(PREPARED, setup=setup), FILES, "tcg")


def after(words: tuple[str, ...], option: str) -> str:
    return words[words.index(option) + 1]


@needs_qemu
def test_the_root_disk_is_read_only_and_commas_in_names_are_kept() -> None:
    drive = after(argv(), "-drive")
    assert "readonly=on" in drive
    assert "file=root,,1.img" in drive
    assert "path=/s/con" in after(argv(), "-chardev")


@needs_qemu
def test_a_guest_has_no_network_and_qemu_may_start_nothing() -> None:
    words = argv()
    assert after(words, "-nic") == "none"
    assert "spawn=deny" in after(words, "-sandbox")


@needs_qemu
def test_limits_of_the_disk_and_counted_instructions() -> None:
    drive = after(argv(disk_mib_s=20.0, disk_iops=300), "-drive")
    assert drive.endswith("throttling.bps-read=20971520,throttling.iops-read=300")
    words = argv(icount_shift=2)
    assert after(words, "-icount") == "shift=2,sleep=on"
    assert after(words, "-accel") == "tcg,thread=single"
    assert "-icount" not in argv()


@needs_qemu
def test_a_measured_run_has_a_quiet_console() -> None:
    assert "loglevel=6" in after(argv(), "-append").split()
    loud = arguments(PREPARED, FILES, "tcg", loglevel=8)
    assert "loglevel=8" in after(loud, "-append").split()


def test_software_emulation_hides_cmpxchg16b() -> None:
    """QEMU 7.2 emulates it wrongly, and kernels from 6.12 on die of it."""
    assert "qemu64,-cx16" in machine(find("x86_64"), "tcg")
    assert machine(find("x86_64"), "kvm") == ("-machine", "q35", "-cpu", "host")
    assert machine(find("riscv"), "kvm") == ("-machine", "virt", "-cpu", "host")


def test_every_architecture_has_a_machine_and_two_serial_ports() -> None:
    for arch in ARCHES:
        assert "-machine" in arch.machine
        assert any("chardev" in word for word in arch.port)
        assert find(arch.debian) is find(arch.name) is arch


def test_an_unknown_architecture_names_the_known() -> None:
    with pytest.raises(UserError, match="vax: no such architecture; known are x86_64, arm64"):
        find("vax")
