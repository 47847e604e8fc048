"""Reproductions and comparisons as text: the first line is the answer, everything below is what it rests on."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from unkillable.lab.stats import spread
from unkillable.lab.summary import kill_latencies
from unkillable.lab.table_types import CellResult, Comparison
from unkillable.lab.types import Reproduction, Run, Summary
from unkillable.report.lab_words import (
    TONE,
    against,
    agreement,
    any_other_ends,
    count,
    emulators,
    figure,
    other_ends,
    outcomes,
    setup_words,
    stall,
)
from unkillable.report.plain import clean, cut, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["comparison", "reproduction"]


def reproduction(
    found: Reproduction, paint: Style = plain_style, columns: int | None = None, full: bool = False
) -> str:
    """The whole report; `full` adds every kill and exit, what all was made of and the command line of QEMU."""
    wide = columns or width()
    parts = [
        [paint(_role(found.summary), clean(found.summary.sentence))],
        _where(found, wide),
        _runs(found.runs, paint, wide),
        _looks(found.runs, paint, wide),
        _logs(found.runs, paint),
        _events(found.runs, paint, wide) if full else [],
        _made_of(found, paint, wide) if full else [],
        _commands([("", found.runs)], paint) if full else [],
        _notes((*((f"{found.summary.needs}.",) if found.summary.needs else ()), *found.notes), paint, wide),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def comparison(
    found: Comparison, paint: Style = plain_style, columns: int | None = None, full: bool = False
) -> str:
    """The whole report; `full` adds each cell's runs and the command line of its first one."""
    wide = columns or width()
    several = len(found.answers) > 1
    parts = [
        [paint("head", clean(found.sentence))],
        [line for answer in found.answers if several for line in wrap(clean(answer), "    ", wide, "  ")],
        *(_kernel(found, kernel, paint, wide) for kernel in found.kernels),
        *([_cell_runs(cell, paint, wide) for cell in found.cells if cell.runs] if full else []),
        _commands([(f"{cell.kernel}, {cell.variation}", cell.runs) for cell in found.cells], paint)
        if full
        else [],
        _notes(found.notes, paint, wide),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _role(summary: Summary) -> str:
    return f"headline-{TONE.get(summary.outcome, 'bad')}"


def _where(found: Reproduction, wide: int) -> list[str]:
    version = f" ({found.version})" if found.version and not found.release.startswith(found.version) else ""
    rows = [
        ("Kernel", f"{found.setup.kernel}: Linux {found.release or 'not known'}{version}"),
        *setup_words(found.setup),
    ]
    if found.runs:
        rows.append(("Emulator", emulators(found.runs)))
    size = max(len(what) for what, _ in rows)
    return [
        line
        for what, value in rows
        for line in wrap(clean(value), " " * (size + 4), wide, f"  {what.ljust(size)}  ")
    ]


_RUN_HEAD = ("RUN", "OUTCOME", "LONGEST STALL", "FROM", "ANSWERS", "OOM KILLS", "SIGKILL TO EXIT", "WHY")


def _runs(runs: Sequence[Run], paint: Style, wide: int) -> list[str]:
    if not runs:
        return []
    rows = [_RUN_HEAD, *(_run_row(number, run) for number, run in enumerate(runs, 1))]
    return [paint("head", f"Runs ({len(runs)})"), *_table(rows, paint, wide)]


def _run_row(number: int, run: Run) -> tuple[str, ...]:
    latency = spread(kill_latencies([run]))
    since = (
        f"{run.stalled_at - run.began:.1f} s" if run.stalled_at is not None and run.began is not None else "-"
    )
    return (
        str(number),
        run.outcome + (" (looked at)" if run.looked else ""),
        stall(run),
        since,
        str(len(run.beats)),
        str(run.oom_kills),
        "-" if latency is None else figure(latency) + " s",
        clean(run.why),
    )


def _table(rows: Sequence[Sequence[str]], paint: Style, wide: int) -> list[str]:
    """Rows in columns; the last column is wrapped under itself, the first row is the head."""
    sizes = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    left = 2 + sum(sizes) + 2 * len(sizes)
    lines = []
    for number, row in enumerate(rows):
        first = "  " + "".join(f"{cell.ljust(size)}  " for cell, size in zip(row, sizes, strict=False))
        room = max(wide, left + 24)
        text = wrap(row[-1], " " * left, room, first) if row[-1] else [first.rstrip()]
        lines += [paint("dim", line) for line in text] if number == 0 else text
    return lines


def _looks(runs: Sequence[Run], paint: Style, wide: int) -> list[str]:
    found = [
        (f"{number}{what}", look)
        for number, run in enumerate(runs, 1)
        for what, look in (("", run.look), (", memory dump", run.dump_look))
        if look is not None
    ]
    if not found:
        return []
    lines = [paint("head", "What was seen once the outcome was decided")]
    for number, look in found:
        lines += wrap(
            clean(f"{look.kind} ({look.confidence} confidence): {look.summary}"),
            "      ",
            wide,
            f"  run {number}: ",
        )
        if look.functions:
            lines += wrap(clean(f"stuck in {', '.join(look.functions[:6])}"), "      ", wide)
        lines += wrap(clean(agreement(look)), "      ", wide)
    return lines


def _logs(runs: Sequence[Run], paint: Style) -> list[str]:
    kept = [
        (number, path)
        for number, run in enumerate(runs, 1)
        for path in (run.console, run.watch, run.dump)
        if path
    ]
    if not kept:
        return []
    return [paint("head", "Logs"), *(f"  run {number}: {clean(path)}" for number, path in kept)]


_EVENTS = 200
"""Kills and exits shown of a run; a guest can make any number."""
_BY = {"oom": "the OOM killer", "memcg": "the OOM killer of a memory cgroup", "user": "a program"}


def _events(runs: Sequence[Run], paint: Style, wide: int) -> list[str]:
    """Every kill, and every exit that was no kill's, since the workload's start."""
    lines = []
    for number, run in enumerate(runs, 1):
        events = sorted([*_kills(run), *_exits(run)])
        for at, text in events[:_EVENTS]:
            lines.append(cut(clean(f"  run {number} {at - (run.began or 0.0):11.3f} s  {text}"), wide))
        if len(events) > _EVENTS:
            lines.append(f"  run {number}: {len(events) - _EVENTS} more (--format json lists all)")
    return [paint("head", "Kills and exits"), *lines] if lines else []


def _kills(run: Run) -> list[tuple[float, str]]:
    found = []
    for kill in run.kills:
        end = "was not seen to exit" if kill.latency is None else f"was gone after {kill.latency:.3f} s"
        who = f"{kill.comm or '?'}/{kill.pid}"
        found.append((kill.killed_at, f"{who} was sent SIGKILL by {_BY.get(kill.by, kill.by)}, and {end}"))
    return found


def _exits(run: Run) -> list[tuple[float, str]]:
    killed = {kill.pid for kill in run.kills}
    return [
        (
            one.at,
            f"{one.who}/{one.pid} "
            + (f"died of signal {one.signal}" if one.signal else f"exited with status {one.status}"),
        )
        for one in run.exits
        if one.pid not in killed
    ]


def _made_of(found: Reproduction, paint: Style, wide: int) -> list[str]:
    if not found.provenance:
        return []
    lines = [paint("head", "Made of")]
    for what, which in found.provenance:
        lines += wrap(clean(f"{what}: {which}"), "      ", wide, "  ")
    return lines


def _commands(groups: Sequence[tuple[str, Sequence[Run]]], paint: Style) -> list[str]:
    """Each group's first command line: those of its other runs differ in the paths of sockets and logs only."""
    lines = []
    for name, runs in groups:
        line = next((run.command_line for run in runs if run.command_line), None)
        if line:
            lines.append(
                f"  {clean(name)}: {clean(shlex.join(line))}" if name else f"  {clean(shlex.join(line))}"
            )
    return [paint("head", "QEMU's command line"), *lines] if lines else []


def _notes(notes: Sequence[str], paint: Style, wide: int) -> list[str]:
    return [
        paint("dim", line)
        for note in notes
        if note
        for line in wrap(clean(note[0].upper() + note[1:]), "", wide)
    ]


_CELL_HEAD = (
    "VARIATION", "OUTCOME", "LONGEST STALL, s", "OOM KILLS", "OTHER ENDS", "ANSWERS", "SIGKILL TO EXIT, s",
)  # fmt: skip
_OTHER_ENDS = 4
"""Number of that column, which most tables have no use for."""


def _kernel(found: Comparison, kernel: str, paint: Style, wide: int) -> list[str]:
    rows: list[tuple[str, ...]] = [(*_CELL_HEAD, f"AGAINST {clean(found.baseline)}")]
    rows += [_cell_row(cell) for cell in found.cells if cell.kernel == kernel]
    if not any_other_ends(found.cells):
        rows = [row[:_OTHER_ENDS] + row[_OTHER_ENDS + 1 :] for row in rows]
    return [paint("head", clean(kernel)), *_table(rows, paint, wide)]


def _cell_row(cell: CellResult) -> tuple[str, ...]:
    name, summary = clean(cut(cell.variation, 32)), cell.summary
    if summary is None:
        return (name, *"-" * (len(_CELL_HEAD) - 1), clean(cell.reason or "not run yet"))
    return (
        name,
        outcomes(summary),
        figure(summary.longest_stall_s),
        count(summary.oom_kills),
        other_ends(summary),
        count(summary.beats),
        figure(summary.kill_latency_s),
        clean(against(cell)),
    )


def _cell_runs(cell: CellResult, paint: Style, wide: int) -> list[str]:
    rows = [_RUN_HEAD, *(_run_row(number, run) for number, run in enumerate(cell.runs, 1))]
    lines = [paint("head", clean(f"{cell.kernel}, {cell.variation}")), *_table(rows, paint, wide)]
    return lines + [f"  log: {clean(run.console)}" for run in cell.runs if run.console]
