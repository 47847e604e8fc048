"""A memory dump, or a guest that runs under QEMU, through drgn: the extra `unkillable[drgn]`.

What has to be there:

* the dump as ELF: QEMU's `dump-guest-memory` without a format, or /proc/vmcore. QEMU's kdump formats lack the
  architecture that drgn asks for; makedumpfile's are fine;
* a VMCOREINFO note: `-device vmcoreinfo` and, in the guest, CONFIG_FW_CFG_SYSFS (a module on Debian: qemu_fw_cfg);
* `vmlinux` with DWARF of exactly this kernel: distributions' debug packages, or the build directory. Modules need
  none: their functions' names come from the dump itself.

A guest is not stopped: each task is read as it is at that moment, and one that changes meanwhile is skipped. QMP talks
to one client at a time; QEMU takes any number of `-qmp` options.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unkillable.errors import UserError
from unkillable.evidence import drgn_memory
from unkillable.evidence.builder import Builder
from unkillable.evidence.proc import MOST_TASKS, LiveResult, read_log, take_log
from unkillable.evidence.types import Evidence, OomKill
from unkillable.evidence.vmcore_tasks import read_tasks

_EXTRA = "pip install 'unkillable[drgn]'"
_GREETING = 5.0  # seconds in which a QMP server that is free says hello
_MODULES = 20_000  # files looked at below a directory of debug information
_SHOWN = 3


def read_vmcore(
    core: Path,
    vmlinux: Path | None = None,
    *,
    debug: Sequence[Path] = (),
    vmcoreinfo: Path | None = None,
    most: int = MOST_TASKS,
) -> LiveResult:
    """The evidence in a memory dump.

    `vmlinux` None: drgn looks where debug packages put it. `debug` names modules with debug information, or
    directories of them, for file and line of frames inside modules; `vmcoreinfo` stands in for a missing note (a copy
    of the device's /sys/kernel/vmcoreinfo memory). Raises UserError where the dump cannot be used.
    """
    prog = _program(vmcoreinfo)
    _readable(core)
    try:
        prog.set_core_dump(str(core))
    except Exception as error:  # drgn raises a bare Exception for a kdump file it cannot read
        raise UserError(f"{core}: {_why_no_core(core, error)}") from error
    _load(prog, str(core), vmlinux, debug)
    return _read(prog, str(core), 1, 0.0, most)


def read_qmp(
    address: str,
    vmlinux: Path | None = None,
    *,
    debug: Sequence[Path] = (),
    vmcoreinfo: Path | None = None,
    looks: int = 2,
    interval: float = 2.0,
    most: int = MOST_TASKS,
) -> LiveResult:
    """The evidence in a guest that runs, looked at `looks` times, `interval` seconds apart.

    `address` is the path of QEMU's QMP socket, or host:port. With a socket drgn reads the memory of the QEMU process
    itself, which takes the right to trace it; else every read goes through QMP and is slow. Raises UserError.
    """
    prog = _program(vmcoreinfo)
    _greeting(address)
    try:
        prog.set_qemu_qmp(address)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{address}: drgn cannot use this QMP socket: {_first(error)}") from error
    _load(prog, address, vmlinux, debug)
    return _read(prog, address, max(looks, 1), interval, most)


def _program(vmcoreinfo: Path | None) -> Any:
    try:
        import drgn
    except ImportError as error:
        if platform.machine() == "x86_64" and platform.system() == "Linux":
            raise UserError(f"memory dumps and QMP need drgn: {_EXTRA}") from error
        raise UserError(
            f"memory dumps and QMP need drgn, and {_EXTRA} has a wheel for x86_64 Linux only: "
            f"build drgn from source for {platform.machine()} {platform.system()}, or do this on an x86_64 machine"
        ) from error
    logging.getLogger("drgn").addHandler(
        logging.NullHandler()
    )  # it warns on stderr otherwise; what counts is told here
    if vmcoreinfo is None:
        return drgn.Program()
    _readable(vmcoreinfo)
    return drgn.Program(vmcoreinfo=vmcoreinfo.read_bytes()[: 1 << 20])


def _readable(path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error


def _first(error: BaseException) -> str:
    return str(error).split("\n", 1)[0]


def _why_no_core(core: Path, error: Exception) -> str:
    with core.open("rb") as file:
        magic = file.read(8)
    if magic.startswith((b"KDUMP", b"DISKDUMP", b"makedump")):  # the last: flattened, as QEMU writes it
        return "drgn cannot read this kdump file; QEMU's dump-guest-memory must be called without a format, which gives ELF"
    if not magic.startswith(b"\x7fELF"):
        return "not a memory dump: an ELF core or a kdump file is needed"
    return _first(error)


def _greeting(address: str) -> None:
    """Makes sure that somebody answers at once: drgn would wait for ever for a server that talks to somebody else."""
    host, colon, port = address.rpartition(":")
    tcp = bool(colon) and port.isdecimal() and not address.startswith(("/", "."))
    try:
        with socket.socket(socket.AF_INET if tcp else socket.AF_UNIX) as link:
            link.settimeout(_GREETING)
            link.connect((host or "localhost", int(port)) if tcp else address)
            hello = link.recv(4096)
    except TimeoutError:
        raise UserError(
            f"{address}: no QMP greeting: another client holds this socket; disconnect it or give QEMU a second -qmp"
        ) from None
    except OSError as error:
        raise UserError(
            f"{address}: {error.strerror or error}: is QEMU running with -qmp unix:{address},server=on,wait=off?"
        ) from error
    if b'"QMP"' not in hello:
        raise UserError(f"{address}: not a QMP socket (a QEMU monitor for people, or its gdb stub?)")


def _load(prog: Any, name: str, vmlinux: Path | None, debug: Sequence[Path]) -> None:
    import drgn

    if drgn.ProgramFlags.IS_LINUX_KERNEL not in prog.flags:
        raise UserError(
            f"{name}: no VMCOREINFO note: run QEMU with -device vmcoreinfo and load qemu_fw_cfg in the guest before the dump"
        )
    files = [path for given in debug for path in _debug_files(given)]
    if vmlinux is not None:
        _readable(vmlinux)
        files.insert(0, vmlinux)
        prog.set_enabled_debug_info_finders([])
    try:
        prog.load_debug_info([str(path) for path in files], main=True)
    except drgn.MissingDebugInfoError:
        pass  # of modules; whether the kernel's own is there is asked below
    except (OSError, ValueError, drgn.FaultError) as error:
        raise UserError(f"{name}: {_first(error)}") from error
    try:
        missing = prog.main_module().wants_debug_file()
    except LookupError:
        missing = True
    if missing and vmlinux is not None:
        raise UserError(
            f"{vmlinux}: not the kernel of {name} (another build id), or without debug information"
        )
    if missing:
        raise UserError(f"{name}: needs the kernel's vmlinux with debug information: give it with --vmlinux")
    _name_modules(prog)


def _debug_files(given: Path) -> list[Path]:
    if not given.is_dir():
        return [given]
    found: list[Path] = []
    for count, (folder, _, names) in enumerate(os.walk(given)):
        if count >= _MODULES or len(found) >= _MODULES:
            break
        found.extend(Path(folder, name) for name in names if name.endswith((".ko", ".ko.debug")))
    return found


def _name_modules(prog: Any) -> None:
    """Names of modules' functions from their own symbol tables in memory (CONFIG_KALLSYMS)."""
    import drgn
    from drgn.helpers.linux.kallsyms import load_module_kallsyms

    try:
        finder = load_module_kallsyms(prog)
    except (LookupError, AttributeError, ValueError, drgn.FaultError):
        return
    prog.register_symbol_finder("unkillable_modules", finder, enable_index=1)


def _read(prog: Any, name: str, looks: int, interval: float, most: int) -> LiveResult:
    builder = Builder(name, live=True)
    drgn_memory.describe(prog, builder)
    log = _log(prog, name)
    if log is not None:
        take_log(builder, log)
    notes = [] if log is not None else ["the kernel's log buffer cannot be read"]
    chosen: list[OomKill] = []
    failed: list[str] = []
    for look in range(looks):
        if look:
            time.sleep(interval)
        chosen, failed = _look(prog, builder, max(most // looks, 1), last=look == looks - 1)
    for victim in _unlogged(chosen, log):
        builder.add_kill(victim)
    kills = drgn_memory.event(prog, "OOM_KILL")
    if kills:
        notes.append(f"the OOM killer has killed {kills} processes since boot (vm_event_states OOM_KILL)")
    for why, count in Counter(failed).most_common(_SHOWN):
        notes.append(f"{count} stacks could not be unwound: {why}")
    return LiveResult(builder.finish(), tuple(notes))


def _look(prog: Any, builder: Builder, most: int, last: bool) -> tuple[list[OomKill], list[str]]:
    """One look at all tasks and at memory: the OOM killer's victims, and why stacks could not be had."""
    now = drgn_memory.uptime(prog)
    snapshot = builder.begin_snapshot("vmcore")
    builder.saw(0, now)
    chosen, failed = [], []
    for seen in read_tasks(prog, now, most, snapshot):
        builder.add_task(seen.task)
        if seen.blocker is not None and last:
            builder.add_blocker(seen.blocker)
        if seen.victim is not None:
            chosen.append(seen.victim)
        if seen.failed:
            failed.append(seen.failed)
    memory = drgn_memory.read_memory(prog, now)
    if memory is not None:
        builder.add_meminfo(memory)
    return chosen, failed


def _unlogged(chosen: Sequence[OomKill], log: Evidence | None) -> list[OomKill]:
    """Victims whose `Killed process` line the log no longer has."""
    logged = {(kill.pid, kill.comm) for kill in log.kills} if log is not None else set()
    return [kill for kill in chosen if (kill.pid, kill.comm) not in logged]


def _log(prog: Any, name: str) -> Evidence | None:
    import drgn
    from drgn.helpers.linux.printk import get_dmesg

    try:
        return read_log(f"{name}: log buffer", get_dmesg(prog))
    except (LookupError, AttributeError, ValueError, drgn.FaultError):
        return None
