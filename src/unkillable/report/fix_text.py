"""What `fix` made of a tree, as text: the first line is the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from unkillable.proof.types import Check, Fix
from unkillable.remedies.types import Place, Step
from unkillable.report import fix_proof
from unkillable.report.plain import clean, count, cut, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["headline", "render"]

_PLACES = 6
"""Lines of a tree that are named for each patch."""
_WORDS = {
    "patched": "patch",
    "fixed": "mended already",
    "unaffected": "not affected",
    "left-alone": "left alone",
    "misfit": "DOES NOT FIT",
}
_WHY = {
    "fixed": "the tree has it already:",
    "unaffected": "this version has no such code",
}


def render(fix: Fix, paint: Style = plain_style, columns: int | None = None) -> str:
    """The whole report."""
    wide = columns or width()
    series = fix.series
    tone = _tone(fix)
    parts = [
        [paint(f"headline-{tone}", clean(headline(fix)))],
        *(_step(step, wide, paint) for step in series.steps),
        _check(fix.check, wide) if fix.check else [],
        *(fix_proof.render(fix.verification, wide, paint) if fix.verification else []),
        _next(fix),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _tone(fix: Fix) -> str:
    series = fix.series
    if not series.whole or (fix.verification and fix_proof.troubles(fix.verification, series.variant)):
        return "bad"
    return "good" if series.patches else "unsure"


def headline(fix: Fix) -> str:
    """The answer in a line."""
    series = fix.series
    kernel = f"Linux {series.version}" if series.version else "this tree"
    states = Counter(step.status for step in series.steps)
    misfits = states["misfit"]
    if misfits and misfits == len(series.steps):
        return f"No patch fits {kernel}: {series.steps[0].reason}"
    if not series.patches and not misfits:
        return f"Nothing to patch in {kernel}: {_states(states)}"
    made = len(series.patches)
    what = f"{made} {'patch' if made == 1 else 'patches'} for {kernel}"
    if series.variant != "series":
        what = f"{what}, for comparison only"
    if fix.applied:
        what = f"{what}, committed"
    elif fix.written:
        what = f"{what}, in {fix.written}"
    if misfits:
        return f"{what}; {misfits} more {'does' if misfits == 1 else 'do'} not fit"
    what += _verdict(fix.check)
    if fix.verification:
        what += f"{'; ' if fix.check else ': '}{fix_proof.answer(fix.verification, series.variant)}"
    return what


def _states(states: Counter[str]) -> str:
    return ", ".join(f"{count} {_WORDS[state]}" for state, count in states.items())


def _verdict(check: Check | None) -> str:
    if check is None:
        return ""
    if check.complaints:
        return f", with {count(check.complaints, 'complaint')}"
    compiled = "and compile" if check.compiled else "(not compiled)"
    return f": they apply {compiled}, and SIGKILL ends {count(check.killable, 'more wait')}"


def _step(step: Step, wide: int, paint: Style) -> list[str]:
    state = _WORDS[step.status]
    head = paint("headline-bad" if step.status == "misfit" else "head", f"{state}: {clean(step.subject)}")
    lines = [head]
    reason = step.reason or _WHY.get(step.status, "")
    if reason:
        lines += wrap(clean(reason), "    ", wide)
    lines += _places(step.places, wide)
    if step.remaining:
        lines += ["    not understood:", *_places(step.remaining, wide)]
    return lines


def _places(places: Sequence[Place], wide: int) -> list[str]:
    lines = [f"    {clean(one.file)}:{one.line}: {clean(one.text)}" for one in places[:_PLACES]]
    if len(places) > _PLACES:
        lines.append(f"    ... {len(places) - _PLACES} more")
    return [cut(line, wide) for line in lines]


def _check(check: Check, wide: int) -> list[str]:
    lines = ["Checked: the patches apply with patch -p1 (no fuzz) and git am"]
    if check.style is not None:
        complaints = [f"{one.patch}, {text}" for one in check.style for text in one.complaints]
        lines.append(_bullet("scripts/checkpatch.pl", complaints))
        lines += _few(complaints, wide)
    if check.compiled:
        bad = [f"{one.version} ({one.configuration}): {one.error}" for one in check.compiled if one.error]
        bad += [
            f"{one.version} ({one.configuration}): {text}" for one in check.compiled for text in one.warnings
        ]
        names = list(dict.fromkeys(one.configuration for one in check.compiled))
        lines.append(_bullet(f"compiled with W=1 after each patch ({'; '.join(names)})", bad))
        lines += _few(bad, wide)
    if check.changes:
        lines.append("  sleeps of fs/squashfs that differ, as `unkillable audit` sees them:")
        for one in check.changes:
            what = f"{one.before or 'nothing'} -> {one.after or 'gone'}"
            lines += wrap(clean(f"{one.file}:{one.line} {one.function}: {what}"), "        ", wide, "    ")
    lines += [line for note in check.notes for line in wrap(clean(note), "    ", wide, "  ")]
    return lines


def _bullet(what: str, complaints: Sequence[str]) -> str:
    return f"  {what}: {'no complaint' if not complaints else f'{len(complaints)} complaints'}"


def _few(lines: Iterable[str], wide: int) -> list[str]:
    return [row for line in list(lines)[:10] for row in wrap(clean(line), "      ", wide, "    ")]


def _next(fix: Fix) -> list[str]:
    """What to do with them."""
    if not fix.series.patches or fix.applied:
        return []
    if fix.written is None:
        return ["--output DIR writes them, --apply commits them."]
    return [f"Apply them: git am {fix.written}/*.patch, or patch -p1 with each."]
