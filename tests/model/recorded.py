"""Recordings of real kernels (tests/samples/image/*.fills, made by record.py), and the model made to do the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.model import sample
from unkillable.model.image.accesses import FAULT, READ, Access
from unkillable.model.image.eras import kernel_of
from unkillable.model.image.image import Image
from unkillable.model.image.layout import Stored
from unkillable.model.image.pages import key
from unkillable.model.image.replay import Replay
from unkillable.model.image.types import Mount

FOLDER = sample.ROOT / "tests" / "samples" / "image"
RECORDINGS = sorted(FOLDER.glob("*.fills"))


@dataclass
class Done:
    """An access and what the kernel read for it."""

    access: str
    fills: list[int]
    gone: list[tuple[int, int]]


@dataclass
class Recording:
    kernel: str
    file: str
    decompressors: str
    readahead_kib: int
    sectors: int
    """Sectors of 512 bytes that the disk was asked for by the accesses."""
    done: list[Done]


def load(path: Path) -> Recording:
    """A recording; the module that was loaded is in the file's name."""
    head: dict[str, list[str]] = {}
    done = []
    for line in path.read_text().splitlines():
        if line.startswith("# "):
            name, *rest = line[2:].split()
            head[name] = rest
            continue
        access, _, what = line.partition(":")
        words = what.split()
        gone = [tuple(map(int, word.split("/"))) for word in words if "/" in word]
        done.append(Done(access, [int(word) for word in words if "/" not in word], gone))  # type: ignore[arg-type]
    _, _, module = path.stem.partition("-")
    file, _, decompressors = module.partition("-")
    return Recording(
        kernel=head["kernel"][0],
        file=file or "direct",
        decompressors=decompressors or "percpu",
        readahead_kib=int(head["read_ahead_kb"][0]),
        sectors=int(head["after"][2]) - int(head["before"][2]),
        done=[one for one in done if one.access[:2] in ("m ", "r ", "d ")],
    )


def mount(image: Image, of: Recording, release: str | None = None) -> Mount:
    return kernel_of(
        release or of.kernel, of.file, of.decompressors, 1, 3, of.readahead_kib, len(image.fragments)
    )


class Model:
    """The model as the guest of a recording."""

    def __init__(self, image: Image, kernel: Mount) -> None:
        self.replay = Replay(image, Stored(image), kernel)
        self.machine = self.replay.machine
        self.machine.run({0: self.replay._mount()})
        self.mounted = self.machine.disk_bytes

    def do(self, one: Done) -> list[int]:
        """Makes an access; the addresses of what is read for it."""
        how, path, offset, length = one.access.split()
        if how == "d":
            for number, page in one.gone:
                self.machine.pages.remove(key(number, page))
            return []
        self.machine.reads = []
        access = Access("", READ if how == "r" else FAULT, path, 0, int(offset), int(length) or 1)
        self.machine.run({0: self.replay._task(0, [access])})
        return [address for address, _ in self.machine.reads]


def differences(of: Recording, model: Model) -> list[tuple[str, list[int], list[int]]]:
    """Accesses for which the model read something else than the kernel: what the kernel read, what the model read."""
    found = []
    for one in of.done:
        mine = model.do(one)
        if mine != one.fills:
            found.append((one.access, one.fills, mine))
    return found
