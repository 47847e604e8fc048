"""Writes a corpus: SYNTHETIC logs of a fleet, made of parts of real ones, with their truth in truth.jsonl.

    python -m benchmarks.corpus /tmp/fleet --logs 100000
    python -m benchmarks.corpus /tmp/fleet --logs 1M --bundles --processes 2

FOLDER/DEVICE/RELEASE/DATE-N.log, or FOLDER/bundle-00000.tar with 1,000 of them each; FOLDER/truth.jsonl has a line for each log;
FOLDER/corpus.json says how it was made, and which release brought or ended which cause.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.corpus.make import Made, make
from benchmarks.corpus.plan import FIXED, INTRODUCED, RELEASES, Plan, Planned

CHUNK = 1000
"""Logs made at a time, and in a bundle."""
EVERY = 20
"""Chunks between two words on the terminal."""


class Truth(msgspec.Struct, frozen=True, rename={"kind": "class"}):
    """A line of truth.jsonl."""

    name: str
    """Relative to the folder; in a bundle: `bundle!member`."""
    kind: str
    cause: str
    capture: str
    kernel: str
    arch: str
    device: str
    release: str
    seen: str
    framing: str
    size: int
    duplicate_of: int | None = None
    """Line of truth.jsonl, from 0, of the log with the same bytes."""


def member(planned: Planned, made: Made, plan: Plan) -> str:
    turn = planned.number // plan.devices
    return f"{planned.device}/{planned.release}/{planned.seen:%Y-%m-%d}-{turn}{made.suffix}"


def truth(name: str, planned: Planned, made: Made) -> Truth:
    return Truth(
        name, planned.kind, planned.cause, made.capture, made.kernel, made.arch, planned.device, planned.release,
        f"{planned.seen:%Y-%m-%dT%H:%M:%SZ}", made.framing, len(made.data), planned.duplicate_of,
    )  # fmt: skip


def logs(plan: Plan, numbers: range) -> Iterator[tuple[str, Planned, Made]]:
    for number in numbers:
        planned = plan.log(number)
        made = make(plan, planned)
        yield member(planned, made, plan), planned, made


def write(folder: Path, plan_of: tuple[int, int, float], bundles: bool, first: int) -> bytes:
    """A chunk of logs; their lines of truth.jsonl."""
    plan = Plan(*plan_of)
    numbers = range(first, min(first + CHUNK, plan.logs))
    rows = []
    if bundles:
        name = f"bundle-{first // CHUNK:05}.tar"
        with tarfile.open(folder / name, "w") as tar:
            for path, planned, made in logs(plan, numbers):
                info = tarfile.TarInfo(path)
                info.size, info.mtime = len(made.data), int(planned.seen.timestamp())
                tar.addfile(info, io.BytesIO(made.data))
                rows.append(truth(f"{name}!{path}", planned, made))
    else:
        for path, planned, made in logs(plan, numbers):
            file = folder / path
            try:
                file.write_bytes(made.data)
            except FileNotFoundError:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(made.data)
            rows.append(truth(path, planned, made))
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)


def count(text: str) -> int:
    return int(float(text.rstrip("kM")) * {"k": 1e3, "M": 1e6}.get(text[-1], 1))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--logs", type=count, default=10_000, help="1000, 100k, 1M (default: 10k)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--duplicates", type=float, default=0.02, help="share of logs that came twice (default: 0.02)"
    )
    parser.add_argument("--bundles", action="store_true", help="tar archives of 1,000 logs")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    if given.folder.exists() and any(given.folder.iterdir()):
        sys.exit(f"{given.folder} is not empty: give a new folder")
    given.folder.mkdir(parents=True, exist_ok=True)
    chunks = range(0, given.logs, CHUNK)
    begun = time.monotonic()
    work = partial(write, given.folder, (given.logs, given.seed, given.duplicates), given.bundles)
    with (given.folder / "truth.jsonl").open("wb") as out, ProcessPoolExecutor(given.processes) as pool:
        made = map(work, chunks) if given.processes == 1 else pool.map(work, chunks)
        for number, rows in enumerate(made, 1):
            out.write(rows)
            if number % EVERY == 0 or number == len(chunks):
                done = min(number * CHUNK, given.logs)
                rate = done / (time.monotonic() - begun)
                sys.stderr.write(f"{done:,} logs, {rate:,.0f}/s\n")
    about = {
        "synthetic": "made of parts of real logs by benchmarks.corpus",
        "logs": given.logs,
        "seed": given.seed,
        "duplicates": given.duplicates,
        "releases": RELEASES,
        "introduced": INTRODUCED,
        "fixed": FIXED,
    }
    (given.folder / "corpus.json").write_bytes(msgspec.json.format(msgspec.json.encode(about)) + b"\n")


if __name__ == "__main__":
    main()
