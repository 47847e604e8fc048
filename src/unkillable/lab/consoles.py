"""What a guest's console says of squashfs.  It is read piece by piece: a guest may print tens of MiB."""

from __future__ import annotations

from pathlib import Path

ERROR = b"SQUASHFS error"
"""What its ERROR() prints, in every version (fs/squashfs/squashfs.h)."""
SHOWN = 5
_LONGEST = 300
"""Bytes of a line that are shown."""
_PIECE = 1 << 20


def squashfs_errors(console: Path) -> tuple[int, tuple[str, ...]]:
    """(how many error lines, the first few of them) of a console log; nothing where there is none."""
    count, rest = 0, b""
    first: list[str] = []
    try:
        with console.open("rb") as stream:
            while piece := stream.read(_PIECE):
                # A line without an end is searched as it is; what of it comes later is another one.
                whole, _, rest = (
                    (rest + piece).rpartition(b"\n") if b"\n" in piece else (rest + piece, b"", b"")
                )
                found = [line for line in whole.split(b"\n") if ERROR in line]
                count += len(found)
                first += [_shown(line) for line in found[: SHOWN - len(first)]]
    except OSError:
        return 0, ()
    if ERROR in rest:
        count, first = count + 1, [*first, _shown(rest)][:SHOWN]
    return count, tuple(first)


def _shown(line: bytes) -> str:
    text = line[line.index(ERROR) :].decode(errors="replace").strip()
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST]
