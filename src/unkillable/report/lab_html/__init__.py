"""Reproductions and comparisons as one HTML file that can be mailed and read anywhere: no network, no script."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from markupsafe import Markup

from unkillable.lab.setup import Setup
from unkillable.lab.stats import spread
from unkillable.lab.summary import kill_latencies
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import Reproduction, Run
from unkillable.report import lab_pictures as pictures
from unkillable.report import lab_words as words
from unkillable.report.html.templates import document, style
from unkillable.report.lab_svg import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_page", "drawings", "reproduction_page"]

_FOLDER = "lab_html"
_CELLS, _RUNS = 300, 100
"""Cells, and runs of each, on a page; the JSON document has all."""


class Row(msgspec.Struct, frozen=True):
    """One run in a table."""

    number: int
    run: Run
    stall: str
    since: float | None
    """Seconds from the workload's start to the stall's."""
    latency: str


def reproduction_page(found: Reproduction) -> str:
    """The page of `unkillable reproduce`."""
    runs = found.runs[:_RUNS]
    cell = CellResult(kernel="", variation="", setup=found.setup, runs=runs, summary=found.summary)
    lines = pictures.latencies([(found.release or found.setup.kernel, runs)])
    return _page(
        "reproduction.html",
        found.tool,
        r=found,
        tone=words.TONE.get(found.summary.outcome, "bad"),
        meaning=words.MEANING[found.summary.outcome],
        setup=words.setup_words(found.setup),
        emulators=words.emulators(runs),
        rows=rows(runs),
        more=len(found.runs) - len(runs),
        looked=any(run.looked for run in runs),
        command=command(found.runs),
        timelines=_picture(pictures.timelines([cell]), "timelines", "When the canary was answered", _lanes(runs)) if runs else "",
        latencies=_picture(lines, "latencies", "SIGKILL to exit", _gone([cell])) if lines else "",
    )  # fmt: skip


def comparison_page(found: Comparison) -> str:
    """The page of `unkillable compare`."""
    cells = _shown(found)
    return _page(
        "comparison.html",
        found.tool,
        c=found,
        cells=cells,
        more=len(found.cells) - len(cells),
        emulators=words.emulators([run for cell in cells for run in cell.runs]),
        rows=rows,
        command=command,
        other_ends=words.any_other_ends(found.cells),
        setup_words=_setup,
        **{"longest": "", "timelines": "", "latencies": ""} | _drawn(found),
    )


def drawings(found: Comparison) -> dict[str, str]:
    """The pictures of a comparison as files of their own: name to SVG, in light and dark."""
    css = f"{style('picture.css')}\n{style('picture.css', folder=_FOLDER)}"
    return {f"{name}.svg": drawing for name, drawing in _drawn(found, css).items()}


def _shown(found: Comparison) -> list[CellResult]:
    return [msgspec.structs.replace(cell, runs=cell.runs[:_RUNS]) for cell in found.cells[:_CELLS]]


def _drawn(found: Comparison, css: str = "") -> dict[str, Markup]:
    """What can be drawn of a comparison."""
    cells = _shown(found)
    if not any(cell.runs for cell in cells):
        return {}
    figures = {
        "longest": (pictures.longest(cells), "Longest time without an answer", _medians(cells)),
        "timelines": (pictures.timelines(cells), "When the canary was answered", _medians(cells)),
        "latencies": (
            pictures.latencies(pictures.of_kernels(found)),
            "SIGKILL to exit on each kernel",
            _gone([cell for cell in cells if cell.variation == found.baseline]),
        ),
    }
    return {
        name: _picture(figure, name, title, description, css)
        for name, (figure, title, description) in figures.items()
        if figure is not None
    }


def _page(name: str, tool: str, **values: object) -> str:
    css = Markup("\n").join(
        [style("page.css", "picture.css"), style("picture.css", "lab.css", folder=_FOLDER)]
    )
    return document(name, _FOLDER, css=css, tool=tool, words=words, **values)


def _picture(figure: Figure, ident: str, title: str, description: str, css: str = "") -> Markup:
    return Markup(svg(figure, ident, title, description, css))  # noqa: S704  our own drawing, escaped


def rows(runs: Sequence[Run]) -> list[Row]:
    """The runs of a table."""
    found = []
    for number, run in enumerate(runs, 1):
        since = None if run.stalled_at is None or run.began is None else run.stalled_at - run.began
        latency = spread(kill_latencies([run]))
        found.append(
            Row(
                number, run, words.stall(run), since, "-" if latency is None else words.figure(latency) + " s"
            )
        )
    return found


def command(runs: Sequence[Run]) -> str:
    """QEMU's command line of the first run that has one, to be pasted into a shell."""
    return next((shlex.join(run.command_line) for run in runs if run.command_line), "")


def _setup(setup: Setup | None) -> tuple[tuple[str, str], ...]:
    return words.setup_words(setup) if setup is not None else ()


def _lanes(runs: Sequence[Run]) -> str:
    """The timelines in words."""
    return " ".join(
        f"Run {n}: {run.outcome}, longest stall {words.stall(run)}." for n, run in enumerate(runs, 1)
    )


def _medians(cells: Sequence[CellResult]) -> str:
    found = []
    for cell in cells:
        stall = cell.summary.longest_stall_s if cell.summary else None
        found.append(f"{cell.kernel}, {cell.variation}: {words.figure(stall)} s." if stall else "")
    return " ".join(filter(None, found))


def _gone(cells: Sequence[CellResult]) -> str:
    found = []
    for cell in cells:
        times = kill_latencies(cell.runs)
        middle = spread(times)
        name = f"{cell.kernel}: " if cell.kernel else ""
        found.append(
            f"{name}{len(times)} killed, {words.figure(middle)} s." if middle else f"{name}nobody was killed."
        )
    return " ".join(found)
