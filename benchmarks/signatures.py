"""How well signatures sort logs by what hangs them: `python -m benchmarks.signatures`.

Pairs of logs are judged: two of the same cause (by the labels of benchmarks/corpus/labels.toml, made by hand) should have the same
signature, two of different causes should not.  precision: of the pairs with one signature, those of one cause; recall: of the pairs of
one cause, those with one signature.  A log whose hang is not found shares a signature with none.

Measured on the captures and reports as they are, and on the hangs of a synthetic corpus made of parts of them.  Beside it, what
simpler ways of grouping would do.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from math import comb
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.corpus.labels import captures, reports
from benchmarks.corpus.make import make
from benchmarks.corpus.plan import Plan
from unkillable.diagnosis import Diagnosis, judge
from unkillable.errors import UserError
from unkillable.evidence.types import Evidence
from unkillable.fleet.signature import signature
from unkillable.pipeline import inspect

_SCHEDULER = frozenset(
    "__schedule schedule schedule_timeout io_schedule __switch_to schedule_preempt_disabled".split()
)
CHUNK = 2000


class Case(msgspec.Struct, frozen=True):
    """One log: its truth, and what each way of grouping makes of it (None: nothing found)."""

    name: str
    kind: str
    label: str
    arch: str
    version: str
    groups: dict[str, str | None]
    title: str
    verdict: str


WAYS = ("signature", "variant", "verdict alone", "first frame", "first frame below the scheduler")


def read(log: bytes) -> tuple[dict[str, str | None], str, str]:
    """What each way makes of a log; the title and the verdict."""
    seen: list[Evidence] = []

    def judged(evidence: Evidence) -> Diagnosis:
        seen.append(evidence)
        return judge(evidence)

    with tempfile.NamedTemporaryFile(suffix=".log") as file:
        file.write(log)
        file.flush()
        try:
            found = inspect([file.name], judge=judged)
        except UserError:
            return dict.fromkeys(WAYS), "", "unreadable"
    kind = found.verdict.kind
    if (known := signature(found)) is None:
        return dict.fromkeys(WAYS), "", kind
    frames = [
        frame.function
        for evidence in seen
        for task in evidence.tasks
        if task.stack is not None
        for frame in task.stack.frames
    ]
    below = next((name for name in frames if name not in _SCHEDULER), None)
    groups = (known.cause, known.variant, kind, frames[0] if frames else kind, below or kind)
    return dict(zip(WAYS, groups, strict=True)), known.title, kind


def series(kernel: str) -> str:
    """`6.1` of `6.1.0-56-cloud-amd64`."""
    return ".".join(kernel.split("-")[0].split(".")[:2])


def whole() -> Iterator[Case]:
    """The captures and reports as they are."""
    for one in (*captures(), *reports()):
        if one.label.kind == "skip":
            continue
        groups, title, verdict = read(one.log)
        arch, kernel = one.arch or one.name, one.kernel or one.name
        yield Case(one.name, one.label.kind, one.label.cause, arch, series(kernel), groups, title, verdict)


def part(plan_of: tuple[int, int, float], hangs: bool, first: int) -> list[Case]:
    """Of a chunk of the corpus: the logs with a hang, or one in ten of the others."""
    plan = Plan(*plan_of)
    found = []
    for number in range(first, min(first + CHUNK, plan.logs)):
        planned = plan.log(number)
        if planned.kind == "broken" or (planned.kind == "hang") != hangs or (not hangs and number % 10):
            continue
        made = make(plan, planned)
        groups, title, verdict = read(made.data)
        version = series(made.kernel) if made.kernel else made.capture
        arch = made.arch or made.capture
        name = f"{made.capture} ({made.framing}, log {number})"
        found.append(Case(name, planned.kind, planned.cause, arch, version, groups, title, verdict))
    return found


def rates(
    cases: Iterable[Case], way: str, apart: Callable[[Case], str] | None = None
) -> tuple[float, float, int]:
    """Precision and recall of pairs, and the number of pairs of one cause; with `apart`, of pairs that differ in it only."""

    def pairs(key: Callable[[Case, int], tuple[Any, ...]]) -> int:
        counts: Counter[tuple[Any, ...]] = Counter()
        within: Counter[tuple[Any, ...]] = Counter()
        for number, one in enumerate(cases):
            counts[key(one, number)] += 1
            if apart is not None:
                within[(*key(one, number), apart(one))] += 1
        return sum(comb(n, 2) for n in counts.values()) - sum(comb(n, 2) for n in within.values())

    cases = list(cases)
    both = pairs(lambda one, number: (one.label, one.groups[way] or number))
    grouped = pairs(lambda one, number: (one.groups[way] or number,))
    same = pairs(lambda one, number: (one.label,))
    return both / grouped if grouped else 1.0, both / same if same else 1.0, same


def mean(cases: Iterable[Case], way: str) -> tuple[float, float, int]:
    """The same with every cause counting alike, however frequent; the number of causes with pairs."""
    hangs = list(cases)
    precisions, recalls = [], []
    for label in {one.label for one in hangs}:
        mine = Counter(one.groups[way] for one in hangs if one.label == label)
        groups = mine.keys() - {None}
        whole = sum(mine.values())
        all_of = Counter(one.groups[way] for one in hangs if one.groups[way] in groups)
        if whole < 2:
            continue
        same = sum(comb(mine[group], 2) for group in groups)
        shared = sum(mine[group] * (all_of[group] - mine[group]) for group in groups)
        recalls.append(same / comb(whole, 2))
        precisions.append(same / (same + shared) if same + shared else 1.0)
    return sum(precisions) / len(precisions), sum(recalls) / len(recalls), len(recalls)


def confusion(cases: Iterable[Case]) -> list[tuple[str, str, int, str]]:
    """Label, title, number of logs, an example: of all but the most frequent signature of each label, and of shared ones."""
    table: dict[str, Counter[tuple[str | None, str]]] = defaultdict(Counter)
    examples: dict[tuple[str, str | None], str] = {}
    for one in cases:
        key = one.groups["signature"]
        table[one.label][key, one.title or f"({one.verdict})"] += 1
        examples.setdefault((one.label, key), one.name)
    mains = {label: counts.most_common(1)[0][0][0] for label, counts in table.items()}
    rows = []
    for label, counts in sorted(table.items()):
        for (key, title), count in counts.most_common():
            shared = [
                other for other, main in mains.items() if other != label and main == key and key is not None
            ]
            if key != mains[label] or shared:
                rows.append(
                    (
                        label,
                        title + (f" = {', '.join(shared)}" if shared else ""),
                        count,
                        examples[label, key],
                    )
                )
    return rows


def report(title: str, cases: list[Case]) -> dict[str, Any]:
    hangs = [one for one in cases if one.kind == "hang"]
    quiet = [one for one in cases if one.kind != "hang"]
    print(f"\n## {title}: {len(hangs):,} hangs of {len({one.label for one in hangs})} causes\n")
    figures: dict[str, Any] = {
        "hangs": len(hangs),
        "unfound": sum(one.groups["signature"] is None for one in hangs),
    }
    print(
        f"{figures['unfound']} of them without a signature; {len({one.groups['signature'] for one in hangs} - {None})} signatures\n"
    )
    if quiet:
        figures["quiet"], figures["alarms"] = (
            len(quiet),
            sum(one.groups["signature"] is not None for one in quiet),
        )
        print(f"{len(quiet):,} logs without a hang: {figures['alarms']} with a signature\n")
    print("| grouped by | pairs | precision | recall |\n|---|---|---|---|")
    ways: list[tuple[str, str, Callable[[Case], str] | None]] = [(way, "all", None) for way in WAYS]
    ways[1:1] = [
        ("signature", "of two architectures", lambda one: one.arch),
        ("signature", "of two kernel series", lambda one: one.version),
    ]
    for way, which, apart in ways:
        precision, recall, pairs = rates(hangs, way, apart)
        figures[f"{way}, {which}"] = {"precision": precision, "recall": recall, "pairs": pairs}
        print(f"| {way} | {which}: {pairs:,} | {precision:.3f} | {recall:.3f} |")
    for way in ("signature", "verdict alone", "first frame below the scheduler"):
        precision, recall, causes = mean(hangs, way)
        figures[f"{way}, mean of causes"] = {"precision": precision, "recall": recall, "causes": causes}
        print(f"| {way} | mean of {causes} causes | {precision:.3f} | {recall:.3f} |")
    for one in quiet:
        if one.title:
            print(f"* without a hang: {one.title}; {one.name}")
    for label, name, count, example in confusion(hangs):
        print(f"* {count} of {label}: {name}; e.g. {example}")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.signatures", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument(
        "--logs",
        type=int,
        default=50_000,
        help="of the corpus; its hangs are read, and one in ten of the others",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = {"whole": report("Captures and reports as they are", list(whole()))}
    plan = (given.logs, given.seed, 0.0)
    cases: list[Case] = []
    with ProcessPoolExecutor(given.processes) as pool:
        for hangs in (True, False):
            for found in pool.map(partial(part, plan, hangs), range(0, given.logs, CHUNK)):
                cases += found
                sys.stderr.write(f"\r{len(cases):,} logs read")
    sys.stderr.write("\n")
    figures["corpus"] = report("Parts of 2 to 12 KB (synthetic corpus)", cases)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
