"""The files of a scenario's image, known page by page: a file of whole blocks, and small ones that share fragments."""

from __future__ import annotations

from pathlib import Path

from unkillable.lab.cache import digest, entry
from unkillable.lab.images import Tree
from unkillable.lab.programs import noise

PAGE = 4096
BLOCK = 128 << 10
"""Bytes of a block and of a fragment block."""
PAGES = BLOCK // PAGE
BLOCKS = 64
TAIL = 20 << 10
SHARE = BLOCK // TAIL
"""Small files that fit into one fragment block."""
FRAGMENTS = 48
_SEED = 5
_OFFSET, _PRIME, _MASK = 14695981039346656037, 1099511628211, (1 << 64) - 1


def blocks() -> str:
    """Path of the file of blocks in the image."""
    return "/blocks"


def tail(fragment: int, number: int = 0) -> str:
    """Path of a small file; those of one fragment share a block."""
    return f"/tails/{fragment * SHARE + number:03d}"


def tree() -> Tree:
    return {"/": entry("scenario", digest("files", BLOCKS, FRAGMENTS, TAIL, _SEED), _make)}


def _make(path: Path) -> None:
    path.mkdir()
    (path / "blocks").write_bytes(noise(BLOCKS * BLOCK, _SEED))
    (path / "tails").mkdir()
    every = noise(FRAGMENTS * SHARE * TAIL, _SEED + 1)
    for number in range(FRAGMENTS * SHARE):
        (path / tail(0, number).lstrip("/")).write_bytes(every[number * TAIL : (number + 1) * TAIL])


def page_sum(path: str, page: int) -> str:
    """FNV-1a of a page, as the agent in the guest writes it."""
    with (tree()["/"] / path.lstrip("/")).open("rb") as file:
        file.seek(page * PAGE)
        data = file.read(PAGE)
    total = _OFFSET
    for byte in data:
        total = (total ^ byte) * _PRIME & _MASK
    return f"{total:016x}"
