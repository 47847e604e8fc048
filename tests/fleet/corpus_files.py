"""Logs of the samples as files, many of them, and what a store says of them."""

from __future__ import annotations

import os
from pathlib import Path

from unkillable.fleet import database, layout, views
from unkillable.fleet.store import Store

SAMPLES = Path(__file__).parent.parent / "samples" / "captures"
SMALL = sorted((path for path in SAMPLES.glob("*.sample") if path.stat().st_size < 8000), key=lambda path: path.name)  # fmt: skip


def write_logs(place: Path, count: int) -> list[Path]:
    """So many logs of the samples, in directories of 50; each differs from every other in its last line."""
    files = []
    for number in range(count):
        file = place / f"device-{number % 7}" / f"{number // 50}" / f"{number:05}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(SMALL[number % len(SMALL)].read_bytes() + b"\n%d\n" % number)
        os.utime(file, (1_790_000_000 + number * 3600,) * 2)
        files.append(file)
    return files


def write_broken(place: Path) -> list[Path]:
    """Logs that cannot be read, or not all of them."""
    import gzip

    place.mkdir(parents=True, exist_ok=True)
    whole = SMALL[0].read_bytes()
    contents = {
        "empty.log": b"",
        "random.log": bytes((i * i * 37 + i // 7) % 256 for i in range(5000)),
        "cut.log.gz": gzip.compress(whole)[:-200],
        "bomb.gz": gzip.compress(bytes(80 << 20), 9),
        "words.txt": b"nothing of a kernel here\n" * 10,
    }
    for name, data in contents.items():
        (place / name).write_bytes(data)
    return [place / name for name in contents]


_ALL = "SELECT * EXCLUDE (written) FROM {} ORDER BY ALL"


def rows(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All that a store says, but for when it was written."""
    with database.connect() as db:
        views.define(db, store.root, layout.commits(store.root), layout.TABLES)
        return {table: db.execute(_ALL.format(table)).fetchall() for table in layout.TABLES}
