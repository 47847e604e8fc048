"""Writes the tables and pictures of docs/measurements.md from the runs in docs/measurements/runs.

    python scripts/measurements.py          write them
    python scripts/measurements.py --check  exit with 1 if they are not what the runs say

It also writes what `unkillable fix --mitigations` ranks by.  A table stands between `<!-- table PLAN -->` and
`<!-- end -->`, where PLAN names docs/measurements/PLAN.toml.  Nothing is fetched or run: `unkillable compare` makes
the runs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from unkillable.comparison import Comparing
from unkillable.lab import variations
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.report import lab_words as words
from unkillable.report.lab_html import drawings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "measurements.md"
FOLDER = ROOT / "docs" / "measurements"
FIGURES = ROOT / "src" / "unkillable" / "remedies" / "measured.json"
PICTURES = ROOT / "docs" / "images"
_BLOCK = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = (
    "variation", "runs", "outcome", "longest time without an answer, s", "OOM kills", "other ends", "SIGKILL to exit, s",
    "against stock",
)  # fmt: skip
OTHER_ENDS = 5
"""Number of that column, which a table without any leaves out."""


def comparison(name: str) -> Comparison:
    """The table of a plan, of the runs that there are."""
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
    text = PAGE.read_text(encoding="utf-8")
    fresh = _BLOCK.sub(lambda block: f"{block[1]}{tables(comparison(block[2]))}{block[3]}", text)
    plan = comparison("plan")
    if check:
        return int(fresh != text or FIGURES.read_text(encoding="utf-8") != figures(plan))
    FIGURES.write_text(figures(plan), encoding="utf-8")
    PAGE.write_text(fresh, encoding="utf-8")
    for name, drawing in drawings(plan).items():
        (PICTURES / f"measured-{name}").write_text(drawing, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
