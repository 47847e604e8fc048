"""What is kept of a recorded run beside its tape: enough to start the same machine again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab.arch import find
from unkillable.lab.qemu import Tape, program, version
from unkillable.lab.setup import Prepared, Setup

ARCHES = ("x86_64",)
"""Where it was tried.  Of ports that are PCI cards (arm64, arm, riscv) QEMU records nothing."""
SHIFT = 3
"""2^3 ns an instruction: 125 million a second, which a busy host still emulates about as fast as time goes by.  Replays of
recordings with a shift of 1 get stuck (docs/dev/replay.md)."""
_NAME = "recording.json"
_LARGEST = 1 << 20


class Recording(msgspec.Struct, frozen=True, tag_field="schema", tag="unkillable.recording/1"):
    """What a replay needs; one of another schema is refused."""

    prepared: Prepared
    files: tuple[tuple[str, str], ...]
    """(path, SHA-256) of the kernel, the initramfs and the root image."""
    emulator: str
    """Version line of QEMU; another one cannot read the tape."""
    guest_s: float
    """Guest time of the last line."""


def fitting(setup: Setup) -> Setup:
    """The setup as it can be recorded: one processor whose instructions are counted; an error where it cannot."""
    if setup.arch not in ARCHES:
        raise UserError(f"--record: {setup.arch} cannot be recorded, only {', '.join(ARCHES)}")
    if setup.emulator.accelerator == "kvm":
        raise UserError("--record: under KVM nothing can be recorded; leave --accelerator out")
    shift = SHIFT if setup.emulator.icount_shift is None else setup.emulator.icount_shift
    if shift < SHIFT:
        raise UserError(
            f"--record: emulator.icount_shift = {shift}: a guest that fast is not replayed to its end; leave it at {SHIFT}"
        )
    emulator = msgspec.structs.replace(setup.emulator, cpus=1, accelerator="tcg", icount_shift=shift)
    return msgspec.structs.replace(setup, emulator=emulator)


def save(tape: Tape, prepared: Prepared, emulator: str, guest_s: float) -> None:
    """Notes what the tape was made with."""
    paths = filter(None, (prepared.kernel_image, prepared.initramfs, prepared.disk))
    recording = Recording(prepared, tuple((path, _sha256(path)) for path in paths), emulator, guest_s)
    aside = tape.folder / f".{_NAME}"
    aside.write_bytes(msgspec.json.encode(recording))
    aside.replace(tape.folder / _NAME)


def load(folder: Path) -> Recording:
    """The recording in a directory; an error where it is none, or what it was made with is not there any more."""
    try:
        with (folder / _NAME).open("rb") as file:
            recording = msgspec.json.decode(file.read(_LARGEST), type=Recording)
    except OSError as error:
        raise UserError(f"{folder}: no recording of reproduce --record: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise UserError(f"{folder / _NAME}: damaged: {error}") from None
    for path, digest in recording.files:
        if not Path(path).is_file() or _sha256(path) != digest:
            raise UserError(f"{folder}: {path} is not as it was recorded with; record anew")
    here = version(program(find(recording.prepared.setup.arch)))
    if here != recording.emulator:
        raise UserError(f"{folder}: recorded with {recording.emulator}; {here} cannot replay it")
    return recording


def _sha256(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
