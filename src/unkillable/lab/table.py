"""From finished runs to the table and its answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unkillable.lab import hosts
from unkillable.lab.grid import Cell, Grid
from unkillable.lab.stats import ALPHA
from unkillable.lab.summary import counted, seconds_digits, seconds_words, summarise, versus
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import Summary

_MOST = 8
"""Variations that a sentence names for each verdict."""


def tabulate(grid: Grid, tool: str = "") -> Comparison:
    """The table of all runs that there are.  The first variation is the baseline."""
    baseline = grid.cells[0].variation.name if grid.cells else ""
    bases = {cell.kernel.title: cell for cell in grid.cells if cell.variation.name == baseline}
    results = tuple(_result(grid, cell, bases[cell.kernel.title]) for cell in grid.cells)
    missing = len(grid.missing())
    answers = tuple(
        _answer(kernel, baseline, [cell for cell in results if cell.kernel == kernel])
        for kernel in dict.fromkeys(cell.kernel for cell in results)
    )
    sentence = overall(results, baseline) if len(answers) > 1 else "".join(answers)
    told = hosts.notes(results)
    if any((cell.versus and cell.versus.host) or hosts.mixed(cell.runs) for cell in results):
        sentence = f"not all on one host: {sentence}"
    if missing:
        sentence = f"not complete, {missing} {'run is' if missing == 1 else 'runs are'} missing: {sentence}"
    return Comparison(
        tool=tool,
        sentence=sentence,
        answers=answers,
        baseline=baseline,
        runs_wanted=grid.runs,
        missing=missing,
        seed=grid.seed,
        cells=results,
        notes=(*told, *_notes(results, grid.damaged)),
    )


def _result(grid: Grid, cell: Cell, base: Cell) -> CellResult:
    runs, problem = grid.finished(cell), grid.problems.get(cell.key)
    against = None
    if runs and cell.variation.name != base.variation.name:
        against = versus(base.variation.name, grid.finished(base), runs)
        if cell.setup and base.setup and hosts.alike(cell.setup.emulator, base.setup.emulator):
            host = hosts.between(counted(runs), counted(grid.finished(base)))
            against = msgspec.structs.replace(against, host=host)
    return CellResult(
        kernel=cell.kernel.title,
        variation=cell.variation.name,
        why=cell.variation.why,
        setup=cell.setup,
        reason=cell.reason or problem,
        runs=runs,
        summary=summarise(runs, cell.setup) if runs and cell.setup else None,
        versus=against,
    )


def _with(cells: Sequence[CellResult], verdict: str) -> list[CellResult]:
    """Those with this verdict, the largest difference first."""
    found = [cell for cell in cells if cell.versus is not None and cell.versus.verdict == verdict]

    def median(cell: CellResult) -> float:
        stall = cell.summary.longest_stall_s if cell.summary else None
        return stall.median if stall else 0.0

    return sorted(found, key=median, reverse=verdict == "worse")


def _names(names: Sequence[str]) -> str:
    """The first few: a sentence is no table."""
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _brief(cell: CellResult) -> str:
    stall = cell.summary.longest_stall_s if cell.summary else None
    if stall is None:
        return cell.variation
    return f"{cell.variation} ({'at least ' if stall.median_open else ''}{seconds_digits(stall.median)} s)"


def _outcome(summary: Summary) -> str:
    """The worst outcome, and of how many runs it is where not of all."""
    worst, runs = summary.outcomes.get(summary.outcome, 0), sum(summary.outcomes.values())
    return summary.outcome if worst == runs else f"{summary.outcome} in {worst} of {runs} runs"


def _answer(kernel: str, baseline: str, cells: Sequence[CellResult]) -> str:
    """What one kernel's cells say."""
    base = next((cell for cell in cells if cell.variation == baseline), None)
    if base is None or base.summary is None:
        return f"{kernel}: could not tell: there is no run of {baseline}" + (
            f" ({base.reason})" if base and base.reason else ""
        )
    stall = base.summary.longest_stall_s
    first = f"{kernel}: {baseline}: {_outcome(base.summary)}"
    if stall is not None:
        first += f", longest time without an answer {seconds_words(stall)}"
    parts = [first]
    for verdict, words in (("better", "better"), ("worse", "worse")):
        found = _with(cells, verdict)
        if found:
            parts.append(f"{words}: {_names([_brief(cell) for cell in found])}")
    same = _with(cells, "no difference shown")
    if same:
        parts.append(f"no difference shown: {_names([cell.variation for cell in same])}")
    other = [
        cell for cell in _with(cells, "not compared") if cell.summary is not None and cell.summary.outcome
    ]
    if other:
        parts.append(
            f"not compared: {', '.join(f'{cell.variation} ({cell.summary.outcome})' for cell in other if cell.summary)}"
        )
    return "; ".join(parts)


def overall(cells: Sequence[CellResult], baseline: str) -> str:
    """What all kernels have in common."""
    kernels = {cell.kernel for cell in cells if cell.applies and cell.runs}
    tried: dict[str, list[CellResult]] = {}
    for cell in cells:
        if cell.versus is not None:
            tried.setdefault(cell.variation, []).append(cell)

    parts = []
    for verdict, each in (
        ("better", f"better than {baseline} on each kernel that it applies to"),
        ("worse", "worse on each"),
    ):
        shown = {name: _shown(found, verdict) for name, found in tried.items()}
        if always := [name for name, count in shown.items() if count == len(tried[name])]:
            parts.append(f"{each}: {_names(always)}")
        if sometimes := [name for name, count in shown.items() if 0 < count < len(tried[name])]:
            parts.append(f"{verdict} on some only: {_names(sometimes)}")
    if not parts:
        parts.append(f"no variation is shown to differ from {baseline}" if tried else "could not tell")
    return f"{len(kernels)} {'kernel' if len(kernels) == 1 else 'kernels'}: {'; '.join(parts)}"


def _shown(cells: Sequence[CellResult], verdict: str) -> int:
    """In how many of them."""
    return sum(cell.versus is not None and cell.versus.verdict == verdict for cell in cells)


def _notes(cells: Sequence[CellResult], damaged: Sequence[str]) -> list[str]:
    notes = []
    tests = sum(cell.versus is not None and cell.versus.p is not None for cell in cells)
    if tests > 1:
        notes.append(
            f"Of {tests} comparisons at p < {ALPHA}, about {tests * ALPHA:.1f} would look different by chance alone."
        )
    if any(run.accelerator == "tcg" for cell in cells for run in cell.runs):
        notes.append(
            "The guests ran under software emulation: seconds are not those of real hardware, ratios may be."
        )
    if damaged:
        notes.append(
            f"Damaged files in the results directory, to be made again: {', '.join(sorted(damaged)[:5])}."
        )
    return notes
