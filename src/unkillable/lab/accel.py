"""KVM or software emulation: a device node is no proof, so a guest is booted before KVM is believed."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
from contextlib import suppress
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab.arch import find
from unkillable.lab.machine import Machine
from unkillable.lab.observe import Observed
from unkillable.lab.qemu import Files, arguments
from unkillable.lab.setup import Prepared

PROBE = 20.0
"""Seconds in which a guest under KVM must have started the watcher; 2 are usual."""
_KVM = Path("/dev/kvm")
_HOSTS = {"x86_64": "x86_64", "aarch64": "arm64", "armv7l": "arm", "riscv64": "riscv"}
_known: dict[tuple[str, str], tuple[str, str]] = {}


async def choose(prepared: Prepared) -> tuple[str, str]:
    """(`kvm` or `tcg`, what to tell the user about it)."""
    wanted, arch = prepared.setup.emulator.accelerator, find(prepared.setup.arch)
    if wanted == "tcg" or prepared.setup.emulator.icount_shift is not None:
        return "tcg", "software emulation, as asked for"
    key = (arch.name, prepared.release)
    if key not in _known:
        _known[key] = await _probe(prepared)
    accelerator, note = _known[key]
    if wanted == "kvm" and accelerator != "kvm":
        raise UserError(f"KVM cannot be used: {note}; leave it to --accelerator auto")
    return accelerator, note


async def _probe(prepared: Prepared) -> tuple[str, str]:
    if _HOSTS.get(platform.machine()) != prepared.setup.arch:
        return "tcg", f"software emulation: this machine is no {prepared.setup.arch}"
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return "tcg", f"software emulation: {'no right to use' if _KVM.exists() else 'there is no'} /dev/kvm"
    reason = "a guest did not start its first program with it"
    with tempfile.TemporaryDirectory(prefix="unkillable-") as name:
        files = Files(Path(name), Path(name))
        seen = Observed()
        try:
            async with Machine(arguments(prepared, files, "kvm"), files) as machine:
                with suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(_hello(machine, seen), PROBE)
        except UserError as error:
            reason = str(error)
    if seen.release is not None:
        return "kvm", "KVM"
    return "tcg", f"software emulation: /dev/kvm is there, but {reason}"


async def _hello(machine: Machine, seen: Observed) -> None:
    async for line in machine.lines():
        seen.feed(line)
        if seen.release is not None:
            return
