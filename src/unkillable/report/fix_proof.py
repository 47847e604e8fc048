"""What `fix --verify` saw in virtual machines, as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unkillable.lab import signals
from unkillable.lab.scenarios import STOCK
from unkillable.lab.stats import distribution
from unkillable.lab.summary import counted, kill_latencies, killed_ends, seconds_words
from unkillable.lab.table_types import CellResult
from unkillable.lab.types import Run
from unkillable.proof.types import Verification
from unkillable.report import lab_text
from unkillable.report.plain import clean, count, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["answer", "render", "troubles"]

_MANY = 100
"""Kills from which on a hundredth of them can be told."""
_STATES = {True: ("headline-bad", "yes"), False: ("headline-good", "no")}


def answer(found: Verification, variant: str) -> str:
    """What the patches did in guests, for the first line; the bad news alone if there is some."""
    bad = troubles(found, variant)
    if bad:
        return f"in guests, with them: {', '.join(bad)}"
    parts = []
    shown = [one.scenario for one in found.scenarios if one.variant == STOCK.name and one.defect]
    if shown:
        own = {one.scenario: one.defect for one in found.scenarios if one.variant == variant}
        gone = sum(own.get(name) is False for name in shown)
        parts.append(f"{gone} of the {len(shown)} defects that were seen are gone")
    with_, without = (_cell(found, name) for name in (variant, STOCK.name))
    stall = with_.summary.longest_stall_s if with_ and with_.summary else None
    before = without.summary.longest_stall_s if without and without.summary else None
    if with_ and stall and before:
        verdict = f": {with_.versus.words}" if with_.versus else ""
        parts.append(
            f"the longest stall is {seconds_words(stall)} instead of {seconds_words(before)}{verdict}"
        )
    return f"in guests {'; '.join(parts)}" if parts else "nothing could be told of them in guests"


def troubles(found: Verification, variant: str) -> list[str]:
    """What speaks against the patches."""
    own = [one for one in found.scenarios if one.variant == variant]
    left = sum(one.defect is True for one in own)
    bad = [f"{left} of {len(own)} experiments still show{'s' if left == 1 else ''} a defect"] if left else []
    cell = _cell(found, variant)
    if cell is None or cell.summary is None:
        return bad
    if died := cell.summary.bystanders:
        bad.append(f"{count(died, 'program')} died that nobody had killed")
    if errors := sum(run.squashfs_errors for run in cell.runs):
        bad.append(f"{count(errors, 'error line')} of squashfs")
    if any(run.read_back and not run.read_back.good for run in cell.runs):
        bad.append("files were not read as before")
    if cell.versus and cell.versus.verdict == "worse":
        bad.append("stalls are longer")
    return bad


def render(found: Verification, wide: int | None = None, paint: Style = plain_style) -> list[list[str]]:
    """The experiments, the table of the storms, and what each form left behind."""
    columns = wide or width()
    return [
        _scenarios(found, columns, paint),
        [lab_text.comparison(found.storms, paint, columns).rstrip()],
        _after(found, columns, paint),
    ]


def _scenarios(found: Verification, wide: int, paint: Style) -> list[str]:
    """Each question with what each form of squashfs answered."""
    if not found.scenarios:
        return []
    lines = [paint("head", "Small experiments in a guest")]
    for question in dict.fromkeys(one.question for one in found.scenarios):
        lines += wrap(clean(question), "  ", wide)
        for one in found.scenarios:
            if one.question == question:
                role, word = _STATES.get(one.defect is True, ("", "")) if one.defect is not None else ("", "")
                state = paint(role, word) if word else one.outcome.replace("-", " ")
                lines += [f"    {one.variant}: {state}", *wrap(clean(one.seen), "      ", wide)]
    return lines


def _after(found: Verification, wide: int, paint: Style) -> list[str]:
    """Who died and of what, what was logged, and whether the files are what they were."""
    lines = []
    for cell in found.storms.cells:
        good = counted(cell.runs)
        if good:
            lines.append(f"  {clean(cell.variation)}, {count(len(good), 'run')}")
            for text in (_latency(good), _ends(cell, good), _errors(good), _files(good)):
                lines += wrap(clean(text), "      ", wide, "    ")
    return [paint("head", "After the storms"), *lines] if lines else []


def _latency(runs: Sequence[Run]) -> str:
    times = kill_latencies(runs)
    steps = distribution(times)
    if steps is None:
        return "SIGKILL to exit: nobody was killed"
    shares = ((0.5, "half of them"), (0.99, "99 %")) if steps.n >= _MANY else ((0.5, "half of them"),)
    parts = [
        f"{name} within {seconds:.2g} s"
        for share, name in shares
        if (seconds := next((x for x, y in zip(steps.seconds, steps.share, strict=True) if y >= share), None))
        is not None
    ]
    ended = [one.seconds for one in times if not one.open]
    if steps.open:
        parts.append(f"{steps.open} not seen to exit before the end")
    elif ended:
        parts.append(f"the last after {max(ended):.2g} s")
    return f"SIGKILL to exit of {count(steps.n, 'victim')}: {', '.join(parts)}"


def _ends(cell: CellResult, runs: Sequence[Run]) -> str:
    arch = cell.setup.arch if cell.setup else "x86_64"
    killed = killed_ends(runs, arch)
    victims = ", ".join(f"{name} {count}" for name, count in killed.most_common()) or "none seen to end"
    others: Counter[str] = Counter()
    for run in runs:
        others.update(
            signals.name(int(number), arch) for number, n in run.exit_signals.items() for _ in range(n)
        )
    others -= killed
    rest = ", ".join(f"{name} {count}" for name, count in others.most_common()) or "none died of a signal"
    return f"ended by: victims {victims}; bystanders {rest}"


def _errors(runs: Sequence[Run]) -> str:
    count = sum(run.squashfs_errors for run in runs)
    first = next((line for run in runs for line in run.squashfs_error_lines), "")
    return f"error lines of squashfs: {count or 'none'}" + (f", such as: {first}" if first else "")


def _files(runs: Sequence[Run]) -> str:
    backs = [run.read_back for run in runs if run.read_back is not None]
    if not backs:
        return "files: no guest could be asked to read them again"
    bad = [back for back in backs if not back.good]
    size = max(back.files for back in backs)
    where = f"in {len(backs)} of {count(len(runs), 'run')}"
    if not bad:
        return f"files: all {size} read the same before and after, {where}"
    named = next((one for back in bad for one in back.named), None)
    such = f", such as {named.path} ({named.why})" if named else ""
    return f"files: not all {size} read the same before and after, in {len(bad)} of the {len(backs)} readings{such}"


def _cell(found: Verification, name: str) -> CellResult | None:
    return next((cell for cell in found.storms.cells if cell.variation == name), None)
