"""The lab's pictures: when the canary was answered, how long the longest stall was, how long the killed took to go.

Drawn by matplotlib, which is loaded only here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from unkillable.lab import observe
from unkillable.lab.outcome import FELT
from unkillable.lab.stats import distribution
from unkillable.lab.summary import kill_latencies, stalls
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import Run
from unkillable.report.lab_svg import COLOURS, house
from unkillable.report.plain import clean, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["latencies", "longest", "of_kernels", "timelines"]

_LATE = 1.0
"""Seconds that an answer may be late and still count as usual under software emulation."""
_STATES = (
    (_LATE, "good", 0.28, "answered"),
    (FELT, "warn", 0.56, "answered late"),
    (float("inf"), "bad", 0.84, "no answer"),
)
"""Up to so many seconds late; colour, height in a lane and meaning.  Heights differ, so that colour is not needed."""
_NAME = 28
_MOST_BARS = 3000
"""Bars of one run; with more, such as in a run of days, those that would be narrower than a thousandth are left out."""
_FLOOR = 0.1
"""Seconds; the left end of a logarithmic axis."""
_INCH = 72.0
"""Points of an inch; a point of the figure is a pixel of the page."""


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _in_house(draw: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    @wraps(draw)
    def drawn(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
        with house():
            return draw(*given, **named)

    return drawn


def _figure(width: float, height: float) -> Figure:
    """An empty figure, in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / _INCH, height / _INCH), dpi=_INCH)


def _plain(axes: Axes) -> None:
    """The house style: no box, soft ticks."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(which="both", colors=COLOURS["soft"], labelsize=11, length=0)
    axes.grid(axis="x", color=COLOURS["line"], alpha=0.35, linewidth=0.8)
    axes.set_axisbelow(True)


def _text(text: str, limit: int = _NAME) -> str:
    return cut(clean(text[: limit * 2]), limit)


class _Sheet:
    """A column of lanes for each kernel, a group of rows for each variation."""

    def __init__(
        self, cells: Sequence[CellResult], row: Callable[[CellResult], float], least: float = 1.0
    ) -> None:
        self.kernels = list(dict.fromkeys(cell.kernel for cell in cells))
        self.variations = list(dict.fromkeys(cell.variation for cell in cells))
        self.of = {(cell.kernel, cell.variation): cell for cell in cells}
        self.tops: dict[str, float] = {}
        at = 0.0
        for name in self.variations:
            self.tops[name] = at
            at += max([least, *(row(cell) for cell in cells if cell.variation == name)])
        self.height = at

    def draw(
        self, lane: float, paint: Callable[[Axes, CellResult, float], None], foot: str, head: float
    ) -> Figure:
        """`lane` pixels for each unit of height; `head` for what stands above the columns."""
        named = self.variations != [""]
        label = 8.0 + (7.2 * max(len(_text(name)) for name in self.variations) if named else 44.0)
        column = max(200.0, (1090.0 - label) / len(self.kernels))
        width, height = label + column * len(self.kernels), head + self.height * lane + 46.0
        figure = _figure(width, height)
        for number, kernel in enumerate(self.kernels):
            axes = figure.add_axes((
                (label + number * column) / width, 46.0 / height, (column - 22.0) / width, self.height * lane / height,
            ))  # fmt: skip
            _plain(axes)
            axes.set_ylim(self.height, 0)
            for name in self.variations:
                if self.tops[name] and named:
                    axes.axhline(self.tops[name], color=COLOURS["line"], alpha=0.35, linewidth=0.8)
                cell = self.of.get((kernel, name))
                if cell is not None:
                    paint(axes, cell, self.tops[name])
            if kernel:
                axes.set_title(_text(kernel), fontsize=13, color=COLOURS["ink"], loc="left", pad=6)
            axes.set_yticks([])
            if number == 0 and named:
                axes.set_yticks([top + 0.5 * self._room(name) for name, top in self.tops.items()])
                axes.set_yticklabels([_text(name) for name in self.tops], fontsize=12, color=COLOURS["ink"])
        figure.text(label / width, 10.0 / height, foot, fontsize=11, color=COLOURS["soft"])
        return figure

    def _room(self, name: str) -> float:
        tops = [*self.tops.values(), self.height]
        place = list(self.tops).index(name)
        return tops[place + 1] - tops[place]


@_in_house
def timelines(cells: Sequence[CellResult]) -> Figure:
    """Small multiples: a lane for each run, a panel for each cell."""
    sheet = _Sheet(cells, lambda cell: len(cell.runs) + 0.7)
    alone = sheet.variations == [""]
    longest = max([1.0, *(run.measured_s for cell in cells for run in cell.runs)])

    def paint(axes: Axes, cell: CellResult, top: float) -> None:
        if not cell.runs:
            axes.text(0, top + 0.85, _reason(cell), fontsize=11, color=COLOURS["soft"], va="center")
        for number, run in enumerate(cell.runs):
            _lane(axes, run, top + 0.85 + number, 6.5 if alone else 4.0)
        if alone:
            for number, run in enumerate(cell.runs):
                name = f"run {number + 1}" + ("*" if run.looked else "")
                axes.annotate(name, (0, top + 0.85 + number), (-8, 0), textcoords="offset points", ha="right",
                              va="center", fontsize=11, color=COLOURS["ink"])  # fmt: skip
        axes.set_xlim(0, longest * 1.02)

    lane = 24.0 if alone else 11.0
    figure = sheet.draw(lane, paint, "seconds from the start of the workload", 58.0)
    _legend(figure)
    return figure


def _reason(cell: CellResult) -> str:
    if not cell.applies:
        return "does not apply"
    return "could not be run" if cell.reason else "not run yet"


def _lane(axes: Axes, run: Run, middle: float, mark: float) -> None:
    if run.began is None:
        axes.text(0, middle, run.outcome, fontsize=10, color=COLOURS["soft"], va="center")
        return
    begin, end = run.began, run.began + run.measured_s
    bars: dict[str, list[tuple[float, float]]] = {colour: [] for _, colour, _, _ in _STATES}
    for start, width, colour in _bars(run, begin, end):
        bars[colour].append((start, width))
    for _, colour, height, _ in _STATES:
        _rectangles(axes, bars[colour], middle - height / 2, height, COLOURS[colour])
    kills = [kill.killed_at - begin for kill in run.kills[:_MOST_BARS] if begin <= kill.killed_at <= end]
    axes.plot(kills, [middle - 0.42] * len(kills), linestyle="none", marker="v", markersize=mark, color=COLOURS["ink"],
              markeredgecolor=COLOURS["page"], markeredgewidth=0.6, clip_on=False)  # fmt: skip
    if run.outcome == "panic":
        axes.plot(
            [end - begin],
            [middle],
            marker="X",
            markersize=7,
            color=COLOURS["ink"],
            linestyle="none",
            clip_on=False,
        )
    elif run.open_end:
        axes.plot(
            [end - begin],
            [middle],
            marker=">",
            markersize=7,
            color=COLOURS["bad"],
            linestyle="none",
            clip_on=False,
        )


def _bars(run: Run, begin: float, end: float) -> list[tuple[float, float, str]]:
    """(start, width, colour) from the workload's start; neighbours of a kind are one bar."""
    found: list[tuple[float, float, str]] = []
    for gap in observe.stalls(list(run.beats), begin, end):
        colour = next(name for most, name, _, _ in _STATES if gap.seconds < most)
        start = gap.began - begin
        until = end if not gap.ended else min(gap.began + gap.seconds + 1.0, end)
        width = max(until - begin - start, 0.0)
        if found and found[-1][2] == colour:
            found[-1] = (found[-1][0], start + width - found[-1][0], colour)
        else:
            found.append((start, width, colour))
    if len(found) > _MOST_BARS:
        found = [bar for bar in found if bar[1] > (end - begin) / 1000][:_MOST_BARS]
    return found


def _rectangles(
    axes: Axes, bars: Sequence[tuple[float, float]], low: float, height: float, colour: str
) -> None:
    """All bars of a kind as one path, which keeps a large table's page small."""
    if not bars:
        return
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    paths = [
        Path(
            ((x, low), (x + width, low), (x + width, low + height), (x, low + height), (x, low)), closed=True
        )
        for x, width in bars
    ]
    axes.add_patch(PathPatch(Path.make_compound_path(*paths), facecolor=colour, edgecolor="none"))


def _legend(figure: Figure) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks: list[Any] = [Patch(facecolor=COLOURS[colour], label=name) for _, colour, _, name in _STATES]
    for shape, colour, name in (
        ("v", "ink", "sent SIGKILL"),
        (">", "bad", "had not ended"),
        ("X", "ink", "panic"),
    ):
        marks.append(
            Line2D([], [], marker=shape, linestyle="none", color=COLOURS[colour], label=name, markersize=6)
        )
    figure.legend(
        handles=marks, loc="upper left", ncols=6, frameon=False, fontsize=11, labelcolor=COLOURS["ink"], handlelength=1.2,
        columnspacing=1.4, borderaxespad=0.2,
    )  # fmt: skip


_VERDICTS = {"better": "good", "worse": "bad", "no difference shown": "soft", "not compared": "soft"}


@_in_house
def longest(cells: Sequence[CellResult]) -> Figure:
    """The longest stall of each run as a point on a logarithmic axis, with median and spread."""
    sheet = _Sheet(cells, lambda _: 1.0)
    values = [one.seconds for cell in cells for one in stalls(cell.runs)]
    right = max([10.0, *values]) * 1.5

    def paint(axes: Axes, cell: CellResult, top: float) -> None:
        axes.set_xscale("log")
        axes.set_xlim(_FLOOR * 0.8, right)
        axes.axvline(FELT, color=COLOURS["warn"], linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        _decimal(axes)
        colour = COLOURS[_VERDICTS[cell.versus.verdict]] if cell.versus else COLOURS["cool"]
        found = [(max(one.seconds, _FLOOR), one.open) for one in stalls(cell.runs)]
        middle = top + 0.5
        if not found or cell.summary is None or cell.summary.longest_stall_s is None:
            words = cell.summary.outcome if cell.summary else _reason(cell)
            axes.text(_FLOOR, middle, words, fontsize=11, color=COLOURS["soft"], va="center")
            return
        spread = cell.summary.longest_stall_s
        low, high = max(spread.low, _FLOOR), max(spread.high, _FLOOR)
        axes.plot([low, high], [middle, middle], color=colour, linewidth=1.2, alpha=0.6)
        axes.plot([max(spread.median, _FLOOR)] * 2, [top + 0.14, top + 0.86], color=colour, linewidth=2.4)
        for is_open, shape in ((False, "o"), (True, ">")):
            chosen = [seconds for seconds, has in found if has == is_open]
            axes.plot(chosen, [middle] * len(chosen), linestyle="none", marker=shape, markersize=6.5,
                      color=COLOURS["page"] if is_open else colour, markeredgecolor=colour, markeredgewidth=1.3)  # fmt: skip

    return sheet.draw(24.0, paint, "longest time without an answer, seconds", 26.0)


def _decimal(axes: Axes) -> None:
    """0.1, 1, 10 instead of powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(10))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


_LINES: tuple[tuple[str, Any], ...] = (
    ("bad", "-"), ("cool", (0, (6, 2))), ("good", (0, (2, 1.5))), ("warn", (0, (7, 2, 1.5, 2))), ("ink", (0, (1, 1))),
    ("soft", "-"), ("cool", "-"), ("good", "-"),
)  # fmt: skip
"""Colour and dashes of a kernel's line; where there are more kernels the next ones have the same, thinner."""


_SHORT = 16
"""Characters of a name up to which four of them have room beside each other."""


@_in_house
def latencies(found: Sequence[tuple[str, Sequence[Run]]]) -> Figure | None:
    """The share of the killed that was gone within so many seconds, a line for each (name, runs); None without a kill."""
    steps = [(name, distribution(kill_latencies(runs))) for name, runs in found]
    if not any(one for _, one in steps):
        return None
    columns = 4 if all(len(name) <= _SHORT for name, _ in steps) else 2
    head = 24.0 * -(-len(steps) // columns)
    height = 330.0 + head
    figure = _figure(1090.0, height)
    # Above the lines: within them there is no place that a line may not come to.
    axes = figure.add_axes((0.075, 53.0 / height, 0.9, 262.0 / height))
    _plain(axes)
    axes.grid(axis="y", color=COLOURS["line"], alpha=0.35, linewidth=0.8)
    axes.set_xscale("log")
    _decimal(axes)
    ends = [one.seconds for _, runs in found for one in kill_latencies(runs)]
    left, right = max(min(ends) * 0.7, 0.001), max(max(ends) * 1.2, 1.0)
    for number, (name, one) in enumerate(steps):
        colour, dashes = _LINES[number % len(_LINES)]
        label = _text(name, 40)
        if one is None:
            axes.plot([], [], color=COLOURS[colour], linestyle=dashes, label=f"{label}: nobody was killed")
            continue
        x, y = [left, *one.seconds, right], [0.0, *one.share, one.share[-1] if one.share else 0.0]
        label += f": {one.n} killed" + (f", {one.open} never seen to exit" if one.open else "")
        axes.step(
            x,
            [100 * share for share in y],
            where="post",
            color=COLOURS[colour],
            linestyle=dashes,
            linewidth=2 if number < len(_LINES) else 1,
            label=label,
        )
    axes.set_xlim(left, right)
    axes.set_ylim(0, 103)
    axes.set_xlabel("seconds from SIGKILL to exit", fontsize=11, color=COLOURS["soft"])
    axes.set_ylabel("gone, % of the killed", fontsize=11, color=COLOURS["soft"])
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=columns, fontsize=11, labelcolor=COLOURS["ink"],
        frameon=False, handlelength=3.2, borderpad=0.0,
    )  # fmt: skip
    return figure


def of_kernels(found: Comparison) -> list[tuple[str, Sequence[Run]]]:
    """The baseline's runs of each kernel, for `latencies`."""
    return [
        (cell.kernel, cell.runs) for cell in found.cells if cell.variation == found.baseline and cell.runs
    ]
