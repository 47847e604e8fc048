"""Writes the tables and pictures of docs/measurements.md and docs/fix.md from the runs in docs/measurements/runs.

    python scripts/measurements.py          write them
    python scripts/measurements.py --check  exit with 1 if they are not what the runs say

It also writes what `unkillable fix --mitigations` ranks by.  A table stands between `<!-- table PLAN -->` and
`<!-- end -->`, where PLAN names docs/measurements/PLAN.toml; `<!-- left PLAN -->` is one of what the runs left behind,
`<!-- cost PLAN -->` one of what the lab itself took, and `<!-- gains PLAN,PLAN -->` of what the series of patches does.
Nothing is fetched or run: `unkillable compare` makes the runs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from unkillable.comparison import Comparing
from unkillable.lab import variations
from unkillable.lab.stats import distribution
from unkillable.lab.summary import counted, kill_latencies
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.report import lab_words as words
from unkillable.report.lab_html import drawings

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "docs" / "measurements.md", ROOT / "docs" / "fix.md")
FOLDER = ROOT / "docs" / "measurements"
FIGURES = ROOT / "src" / "unkillable" / "remedies" / "measured.json"
PICTURES = ROOT / "docs" / "images"
_BLOCK = re.compile(r"(<!-- (table|left|cost|gains) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
FIX = "fix-5.10,fix-6.1,fix-6.12,fix-7.3"
"""Plans of the pictures of docs/fix.md."""
HEAD = (
    "variation", "runs", "outcome", "longest time without an answer, s", "OOM kills", "other ends", "SIGKILL to exit, s",
    "against stock",
)  # fmt: skip
OTHER_ENDS = 5
"""Number of that column, which a table without any leaves out."""
HEAD_LEFT = (
    "kernel", "variation", "runs", "longest time without an answer, s", "killed", "half of them gone within, s",
    "99 % within, s", "the last after, s", "bystanders that died", "error lines", "files read again", "not as before",
)  # fmt: skip
HEAD_GAINS = ("kernel", "stock", "with the series", "against stock", "ext4, same files", "erofs, same files")
HEAD_COST = (
    "kernel", "runs", "from the start of QEMU to the workload, s", "processor time of the lab, in 100 of QEMU's",
)  # fmt: skip
_MANY = 100
"""Kills from which on a hundredth of them can be told."""


def comparison(name: str) -> Comparison:
    """The table of a plan, of the runs that there are; of several plans, their cells together."""
    if "," in name:
        return Comparison(
            cells=tuple(cell for one in name.split(",") for cell in comparison(one).cells), baseline="stock"
        )
    plan = variations.read(FOLDER / f"{name}.toml")
    return Comparing(plan, FOLDER / "runs", only_show=True).table()


def tables(found: Comparison) -> str:
    """A Markdown table for each kernel."""
    some = words.any_other_ends(found.cells)
    parts = []
    for kernel in found.kernels:
        rows = [HEAD, *(_row(cell) for cell in found.cells if cell.kernel == kernel)]
        head, *body = (_line(row if some else row[:OTHER_ENDS] + row[OTHER_ENDS + 1 :]) for row in rows)
        parts.append(f"**{kernel}**\n\n{head}|{'---|' * (len(HEAD) - (not some))}\n" + "".join(body))
    return "\n" + "\n".join(parts) + "\n"


def _line(row: Sequence[str]) -> str:
    return "|" + "".join(f" {column.replace('|', '/')} |" if column else " |" for column in row) + "\n"


def _row(cell: CellResult) -> tuple[str, ...]:
    found = cell.summary
    if found is None:
        return (cell.variation, "0", cell.reason or "not run yet", *[""] * (len(HEAD) - 3))
    return (
        cell.variation,
        str(len(cell.runs)),
        words.outcomes(found),
        words.figure(found.longest_stall_s),
        words.count(found.oom_kills),
        words.other_ends(found),
        words.figure(found.kill_latency_s),
        words.against(cell),
    )


def left(found: Comparison) -> str:
    """A Markdown table of who died, what was logged and what became of the files."""
    rows = [_left(cell) for cell in found.cells if cell.summary is not None]
    return "\n" + _line(HEAD_LEFT) + f"|{'---|' * len(HEAD_LEFT)}\n" + "".join(map(_line, rows)) + "\n"


def _left(cell: CellResult) -> tuple[str, ...]:
    runs = counted(cell.runs)
    times = kill_latencies(runs)
    steps = distribution(times)

    def within(share: float) -> str:
        reached = (x for x, y in zip(steps.seconds, steps.share, strict=True) if y >= share) if steps else ()
        return next((f"{seconds:.2g}" for seconds in reached), "-")

    backs = [run.read_back for run in runs if run.read_back is not None]
    last = max((one.seconds for one in times if not one.open), default=None)
    still = sum(one.open for one in times)
    return (
        cell.kernel.removeprefix("debian:"),
        cell.variation,
        str(len(runs)),
        words.figure(cell.summary.longest_stall_s if cell.summary else None),
        str(len(times)) + (f", {still} just before the end" if still else ""),
        within(0.5),
        within(0.99) if len(times) >= _MANY else "-",
        "-" if last is None else f"{last:.2g}",
        str(cell.summary.bystanders if cell.summary else 0),
        str(sum(run.squashfs_errors for run in runs)),
        f"in {len(backs)} of {len(runs)}",
        str(sum(back.bad + back.missing + (not back.complete) for back in backs)),
    )


def cost(found: Comparison) -> str:
    """A Markdown table of what a run takes besides what it measures, by kernel."""
    rows = []
    for kernel in found.kernels:
        runs = [run for cell in found.cells if cell.kernel == kernel for run in cell.runs]
        share = [100 * run.harness_cpu_s / run.qemu_cpu_s for run in runs if run.qemu_cpu_s]
        rows.append(
            (kernel, str(len(runs)), _spread([run.boot_s for run in runs if run.boot_s]), _spread(share))
        )
    return "\n" + _line(HEAD_COST) + f"|{'---|' * len(HEAD_COST)}\n" + "".join(map(_line, rows)) + "\n"


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    low, middle, high = ordered[0], median(ordered), ordered[-1]
    return f"{middle:.2g} ({low:.2g}-{high:.2g}), 95 of 100 below {ordered[len(ordered) * 95 // 100]:.2g}"


def gains(found: Comparison) -> str:
    """A Markdown table of how long nothing was answered: as it is, with the series, and on other file systems."""
    cells = {(cell.kernel, cell.variation): cell for cell in found.cells}
    rows = [
        (
            kernel.replace("debian:", "Debian "),
            *(_frozen(cells[kernel, name]) for name in ("stock", "series")),
            words.against(cells[kernel, "series"]),
            *(_frozen(cells[kernel, name]) for name in ("ext4", "erofs")),
        )
        for kernel in dict.fromkeys(cell.kernel for cell in found.cells)
    ]
    return "\n" + _line(HEAD_GAINS) + f"|{'---|' * len(HEAD_GAINS)}\n" + "".join(map(_line, rows)) + "\n"


def _frozen(cell: CellResult) -> str:
    """The longest stall, and how many runs had not come back when they were left."""
    stall = cell.summary.longest_stall_s if cell.summary else None
    if stall is None or not stall.open:
        return words.figure(stall)
    return f"{words.figure(stall)}, for ever {stall.open} of {stall.n}"


MAKERS = {"table": tables, "left": left, "cost": cost, "gains": gains}


def rewritten(text: str) -> str:
    """A page with its tables as the runs have them."""
    return _BLOCK.sub(lambda block: f"{block[1]}{MAKERS[block[2]](comparison(block[3]))}{block[4]}", text)


def fix_drawings() -> Iterable[tuple[str, str]]:
    """Name and SVG of the pictures of docs/fix.md: the longest stalls, and the kill latencies as it is and with the series."""
    found = comparison(FIX)
    yield "fix-longest.svg", drawings(found)["longest.svg"]
    # A line for each kernel with each.
    lines = (
        msgspec.structs.replace(
            cell, kernel=f"{cell.kernel.removeprefix('debian:')}, {cell.variation}", variation=""
        )
        for cell in found.cells
        if cell.variation in ("stock", "series") and kill_latencies(cell.runs)
    )
    yield "fix-latencies.svg", drawings(Comparison(cells=tuple(lines), baseline=""))["latencies.svg"]


def figures(found: Comparison) -> str:
    """Series to variation to what its runs were, as remedies.mitigations.Measured has it."""
    series: dict[str, dict[str, object]] = {}
    for cell in found.cells:
        if cell.summary is None:
            continue
        stall = cell.summary.longest_stall_s
        series.setdefault(cell.kernel.removeprefix("debian:"), {})[cell.variation] = {
            "runs": len(cell.runs),
            "outcomes": cell.summary.outcomes,
            "stall_s": round(stall.median, 3) if stall else None,
            "open": bool(stall and stall.median_open),
        }
    return json.dumps(series, indent=1) + "\n"


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if something would change"
    )
    check = arguments.parse_args().check
    pages = {page: page.read_text(encoding="utf-8") for page in PAGES}
    fresh = {page: rewritten(text) for page, text in pages.items()}
    plan = comparison("plan")
    if check:
        return int(fresh != pages or FIGURES.read_text(encoding="utf-8") != figures(plan))
    FIGURES.write_text(figures(plan), encoding="utf-8")
    for page, text in fresh.items():
        page.write_text(text, encoding="utf-8")
    for name, drawing in (
        *((f"measured-{name}", one) for name, one in drawings(plan).items()),
        *fix_drawings(),
    ):
        (PICTURES / name).write_text(drawing, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
