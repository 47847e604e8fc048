"""What one small log costs, by what is in it: `python -m benchmarks.small [--logs 2000] [--rounds 7] [--json FILE]`.

The logs are a fleet's as benchmarks.corpus makes them (SYNTHETIC, of parts of real ones), each a file, in one process with warm
caches: opened, read, diagnosed, and what `unkillable triage` keeps of it made. Processor time; the classes take turns within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.corpus.make import make
from benchmarks.corpus.plan import Plan
from unkillable.diagnosis import diagnose, judge
from unkillable.evidence.reader import EvidenceReader
from unkillable.fleet.given import Given
from unkillable.fleet.types import Input
from unkillable.fleet.work import read_logs
from unkillable.klog import Source, find_sources

SHARES = {"ordinary": 0.80, "oom": 0.12, "hang": 0.08}
"""What a fleet's logs are taken to be."""
STEPS = ("read", "evidence", "judged", "diagnosed", "triaged")


def written(folder: Path, logs: int) -> dict[str, list[Path]]:
    """The files, by class."""
    plan = Plan(logs, 1, 0.0)
    found: dict[str, list[Path]] = defaultdict(list)
    for number in range(logs):
        planned = plan.log(number)
        if planned.kind in SHARES:
            made = make(plan, planned)
            path = folder / f"{number}{made.suffix}"
            path.write_bytes(made.data)
            found[planned.kind].append(path)
    return found


def once(path: Path, step: str) -> None:
    """One log, as far as this step."""
    if step == "triaged":
        status = path.stat()
        name = str(path)
        list(read_logs(Given((Input(name, status.st_size, status.st_mtime_ns),), (name,), status.st_mtime)))
        return
    for source in find_sources([str(path)]):
        if not isinstance(source, Source):
            continue
        if step == "read":
            for _ in source.blocks():
                pass
            continue
        for evidence in EvidenceReader(source).boots():
            if step == "judged":
                judge(evidence)
            elif step == "diagnosed":
                diagnose(evidence)


def measured(files: dict[str, list[Path]], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds of processor time per log: class -> step -> rounds."""
    times: dict[str, dict[str, list[float]]] = {kind: {step: [] for step in STEPS} for kind in files}
    for turn in range(rounds + 1):
        for kind, paths in files.items():
            for step in STEPS:
                begun = time.process_time()
                for path in paths:
                    once(path, step)
                if turn:  # the first round warms the caches
                    times[kind][step].append((time.process_time() - begun) / len(paths) * 1e6)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.small", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--logs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = written(Path(folder), given.logs)
        sizes = {
            kind: statistics.mean(path.stat().st_size for path in paths) for kind, paths in files.items()
        }
        times = measured(files, given.rounds)
    figures: dict[str, Any] = {
        "python": sys.version.split()[0], "cores": os.cpu_count(), "load": os.getloadavg(), "rounds": given.rounds,
        "classes": {kind: {"logs": len(files[kind]), "bytes": sizes[kind], "us": times[kind]} for kind in files},
    }  # fmt: skip
    print(
        f"us of processor time per log, median (best) of {given.rounds} rounds; load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':10}{'logs':>6}{'bytes':>7}" + "".join(f"{step:>16}" for step in STEPS))
    for kind in SHARES:
        cells = (f"{statistics.median(found):,.0f} ({min(found):,.0f})" for found in times[kind].values())
        print(f"{kind:10}{len(files[kind]):6}{sizes[kind]:7,.0f}" + "".join(f"{cell:>16}" for cell in cells))
    for name, of in (("median", statistics.median), ("best", min)):
        mixed = {step: sum(share * of(times[kind][step]) for kind, share in SHARES.items()) for step in STEPS}
        figures[name] = mixed
        print(f"typical, {name:6}        " + "".join(f"{us:>16,.0f}" for us in mixed.values()))
        print("  logs per second      " + "".join(f"{1e6 / us:>16,.0f}" for us in mixed.values()))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
