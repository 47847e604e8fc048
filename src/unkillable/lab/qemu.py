"""QEMU's command line: the smallest machine that boots, with the console, the watcher's port and QMP on sockets."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab.arch import Arch, find
from unkillable.lab.setup import Emulator, Prepared

BOOT = 6
"""console_loglevel of a measured run until the workload starts: the banner (KERN_NOTICE) tells a reader of the log which
kernel it is of."""
QUIET = 4
"""From then on: kills and khungtaskd (KERN_ERR) are shown, the tables of an OOM report are not.  They stay in the ring
buffer, from which the watcher prints them once the outcome is decided."""
LOUD = 8

DUMPABLE = ("-device", "vmcoreinfo")
"""Lets the guest's qemu_fw_cfg say where its symbols are, without which drgn cannot read a memory dump."""

_ARGS = (
    "panic=-1",  # reboot at once, which -no-reboot turns into an end that QMP tells from others
    "log_buf_len=2M",
    "psi=1",  # Debian builds PSI in, switched off, up to 5.10
    "printk.devkmsg=on",
    "hung_task_panic=0",
    "sysrq_always_enabled=1",  # Debian allows a few letters only
    "random.trust_cpu=on",
)


class Files(msgspec.Struct, frozen=True):
    """Where a run's sockets and logs are."""

    sockets: Path
    """A directory with a short name: the path of a UNIX socket has 107 characters at most."""
    logs: Path

    @property
    def qmp(self) -> Path:
        return self.sockets / "qmp"

    @property
    def console(self) -> Path:
        return self.sockets / "con"

    @property
    def watch(self) -> Path:
        return self.sockets / "watch"

    @property
    def console_log(self) -> Path:
        return self.logs / "console.log"

    @property
    def watch_log(self) -> Path:
        return self.logs / "watch.jsonl"

    @property
    def core(self) -> Path:
        return self.logs / "vmcore.elf"

    @property
    def errors(self) -> Path:
        return self.logs / "qemu.txt"


class Tape(msgspec.Struct, frozen=True):
    """A run that is recorded so that it can be run again exactly, or one that is run again (docs/dev/replay.md)."""

    mode: str
    """`record` or `replay`."""
    folder: Path
    """Where it and what the guest wrote stay."""

    @property
    def file(self) -> Path:
        return self.folder / "tape.bin"

    def wrote(self, port: str) -> Path:
        """What the guest wrote to a port (`con`, `watch`) while it was recorded, or replayed."""
        return self.folder / _WROTE[self.mode, port]


_WROTE = {
    ("record", "con"): "console.log",
    ("record", "watch"): "recorded.jsonl",
    ("replay", "con"): "replayed.log",
    ("replay", "watch"): "replayed.jsonl",
}


def program(arch: Arch) -> str:
    """Path of the emulator."""
    path = shutil.which(f"qemu-system-{arch.qemu}")
    if path is None:
        raise UserError(f"qemu-system-{arch.qemu} is not installed: apt-get install {arch.package}")
    return path


@cache
def version(path: str) -> str:
    """First line of `qemu-system-X --version`."""
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, check=False)
    return shown.stdout.partition("\n")[0].strip()


def arguments(
    prepared: Prepared,
    files: Files,
    accelerator: str,
    *,
    loglevel: int = BOOT,
    extra: tuple[str, ...] = (),
    tape: Tape | None = None,
) -> tuple[str, ...]:
    """The argument vector for one run."""
    setup = prepared.setup
    arch, emulator = find(setup.arch), setup.emulator
    own = (*setup.kernel_args, *(("nokaslr",) if tape else ()))  # gdb then finds what vmlinux names
    kernel_args = (f"console={arch.console}", f"loglevel={loglevel}", *_ARGS, *own)
    return (
        program(arch), *machine(arch, accelerator), *_clock(emulator, accelerator, tape),
        "-smp", str(emulator.cpus), "-m", str(emulator.memory_mib),
        "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot",
        # A guest's image is not trusted: QEMU itself may start nothing and gain nothing.
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        *(() if tape else ("-S",)),  # not a word is lost: the guest starts once somebody reads its ports
        "-chardev", _port("con", files.console, tape), "-serial", "chardev:con",
        "-chardev", _port("watch", files.watch, tape), *arch.port,
        "-qmp", f"unix:{escape(files.qmp)},server=on,wait=off",
        "-kernel", prepared.kernel_image, "-initrd", prepared.initramfs,
        *(_disk(arch, prepared.disk, emulator, tape) if prepared.disk else ()),
        "-append", " ".join(kernel_args),
        *(DUMPABLE if tape else ()),  # a replay is held to be looked at
        *extra,
    )  # fmt: skip


def machine(arch: Arch, accelerator: str) -> tuple[str, ...]:
    """Machine and processor; under KVM the guest gets the host's."""
    if accelerator != "kvm":
        return arch.machine
    at = arch.machine.index("-cpu") if "-cpu" in arch.machine else len(arch.machine)
    return (*arch.machine[:at], "-cpu", "host", *arch.machine[at + 2 :])


def _clock(emulator: Emulator, accelerator: str, tape: Tape | None) -> tuple[str, ...]:
    if accelerator == "kvm":
        return ("-accel", "kvm")
    if emulator.icount_shift is not None:  # deterministic time needs one thread for all processors
        replay = f",rr={tape.mode},rrfile={escape(tape.file)}" if tape else ""
        return ("-accel", "tcg,thread=single", "-icount", f"shift={emulator.icount_shift},sleep=on{replay}")
    return ("-accel", "tcg,thread=multi")


def _port(ident: str, path: Path, tape: Tape | None) -> str:
    if tape is None:
        return _socket(ident, path)
    log = f"logfile={escape(tape.wrote(ident))}"
    # A socket that is not read at once refuses bytes, which are sent again at a moment that no tape knows; a pipe has room.
    if tape.mode == "record" and ident == "watch":
        return f"pipe,id={ident},path={escape(path)},{log}"
    return f"null,id={ident},{log}"


def _socket(ident: str, path: Path) -> str:
    # Its option logfile= writes bytes twice that a slow reader did not take at once (QEMU 7.2): we keep the logs ourselves.
    return f"socket,id={ident},path={escape(path)},server=on,wait=off"


def _disk(arch: Arch, image: str, emulator: Emulator, tape: Tape | None) -> tuple[str, ...]:
    limits = ""
    if emulator.disk_mib_s:
        limits += f",throttling.bps-read={int(emulator.disk_mib_s * 1048576)}"
    if emulator.disk_iops:
        limits += f",throttling.iops-read={emulator.disk_iops}"
    drive = f"if=none,id=root,format=raw,readonly=on,file={escape(Path(image))}{limits}"
    if tape is None:
        return ("-drive", drive, "-device", f"{arch.disk},drive=root")
    below = drive.replace("id=root,", "id=root-image,", 1)
    drive = "driver=blkreplay,if=none,image=root-image,id=root,readonly=on"
    # ioeventfd: the main loop would take a request at a moment that is not recorded.
    return ("-drive", below, "-drive", drive, "-device", f"{arch.disk},drive=root,ioeventfd=off")


def escape(path: Path) -> str:
    """QEMU's option lists end a value at a comma; a doubled one is a comma."""
    return str(path).replace(",", ",,")
