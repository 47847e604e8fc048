"""How fast a fleet's logs are read, end to end: `unkillable triage` on a synthetic corpus.

    python -m benchmarks.fleet --logs 20000
    python -m benchmarks.fleet --logs 1M --folder /tmp/fleet      keeps the corpus there, and uses it when it is there already

The corpus is that of `python -m benchmarks.corpus`, made of parts of real logs.  Three runs: with one process, with one for each
processor, and as the command chooses again with 1 % of new logs.  Memory is that of all processes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.corpus.__main__ import count
from benchmarks.watched import Watched, watch

FIELDS = r"/(?P<device>[^/]+)/(?P<release>[^/]+)/(?P<date>\d{4}-\d\d-\d\d)-\d+\.[^/]*$"
NEW = 100
"""One log in so many is new in the last run."""


def make(folder: Path, logs: int, seed: int, bundles: bool) -> None:
    """The corpus, unless it is there."""
    if (folder / "corpus.json").exists():
        return
    workers = str(len(os.sched_getaffinity(0)))
    subprocess.run(
        [sys.executable, "-m", "benchmarks.corpus", str(folder), "--logs", str(logs), "--seed", str(seed), "--processes", workers]
        + ["--bundles"] * bundles,
        check=True,
    )  # fmt: skip


def triage(store: Path, workers: int | None, names: list[str]) -> tuple[Watched, dict[str, Any]]:
    """A run, and its document; without a number of workers the command chooses."""
    command = [sys.executable, "-m", "unkillable", "triage", "--store", str(store), "--format", "json"]
    if workers is not None:
        command += ["--workers", str(workers)]
    seen = watch([*command, "--name-fields", FIELDS, *names])
    found: dict[str, Any] = json.loads(seen.printed)
    return seen, found


def row(name: str, seen: Watched, found: dict[str, Any]) -> str:
    reading, cpu = found["reading"], seen.cpu
    logs = reading["logs"]
    each = f"{1e6 * cpu / logs:,.0f} us" if logs else "-"
    memory = f"{seen.most((0.2, 0.6)):,.0f} / {seen.most((0.6, 1.0)):,.0f} MiB"
    return (
        f"| {name} | {logs:,} | {reading['unchanged']:,} | {seen.wall:,.1f} s | {logs / seen.wall:,.0f} | {each}"
        f" | {memory} | {found['totals']['hung']:,} | {found['totals']['broken']:,} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fleet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--logs", type=count, default=20_000, help="20k, 1M (default: 20k)")
    parser.add_argument("--folder", type=Path, help="where the corpus is, or is to stay")
    parser.add_argument("--bundles", action="store_true", help="tar archives of 1,000 logs")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--skip-one", action="store_true", help="leave out the run with one process")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unkillable-fleet-") as place:
        folder = given.folder or Path(place, "corpus")
        make(folder, given.logs, 1, given.bundles)
        make(Path(place, "new"), max(given.logs // NEW, 1), 2, given.bundles)
        what = "bundle-*" if given.bundles else "*/"
        names = [f"{folder}/{what}"]
        print(
            "| run | logs read | unchanged | wall | logs/s | processor time each | memory, middle / end | hung | broken |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        one = None
        if not given.skip_one:
            one = triage(Path(place, "one.store"), 1, names)
            print(row("1 process", *one), flush=True)
            shutil.rmtree(Path(place, "one.store"))
        store = Path(place, "store")
        full = triage(store, given.workers, names)
        print(row(f"{given.workers} processes", *full), flush=True)
        again = triage(store, None, [*names, f"{place}/new/{what}"])
        print(row("again, 1 % new", *again), flush=True)
        if one is not None:
            print(f"\n{given.workers} processes: {one[0].wall / full[0].wall:.2f} times as fast as one")
            if one[1]["causes"] != full[1]["causes"]:
                sys.exit("the two runs do not agree")
        print(f"again: {100 * again[0].wall / full[0].wall:.1f} % of the full run's time")


if __name__ == "__main__":
    main()
