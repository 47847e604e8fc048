"""What helps without a patch, as text: the first line is the best of it."""

from __future__ import annotations

from unkillable.lab.summary import seconds_digits
from unkillable.remedies.mitigations import Measured, Mitigations, Ranked
from unkillable.report.plain import clean, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["render"]

_ROLES = {"helps": "headline-good", "ends it": "headline-good", "worse": "headline-bad"}


def render(found: Mitigations, paint: Style = plain_style, columns: int | None = None) -> str:
    wide = columns or width()
    parts = [
        [paint("headline-good", clean(_headline(found)))],
        wrap(
            f"Longest time without an answer, measured on Debian's {found.series} in a virtual machine"
            f"{'' if found.kernel.startswith(found.series) else ', the nearest that was measured'} "
            f"(docs/measurements.md); as it is: {_figure(found.stock)}.",
            "",
            wide,
        ),
        *(_one(number, one, wide, paint) for number, one in enumerate(found.ranked, 1)),
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _headline(found: Mitigations) -> str:
    best = found.ranked[0]
    if best.effect not in ("helps", "ends it"):
        return f"Nothing that was measured helps Linux {found.kernel}"
    return f"{best.mitigation.title}: {_figure(best.measured)} instead of {_figure(found.stock)}"


def _one(number: int, one: Ranked, wide: int, paint: Style) -> list[str]:
    row = one.mitigation
    state = paint(_ROLES.get(one.effect, "dim"), f"{one.effect}: {_figure(one.measured)}")
    lines = [f"{number}. {paint('head', row.title)}", f"   {state}"]
    lines += wrap(f"{row.how} Cost: {row.cost}", "   ", wide)
    for where, text in row.snippets.items():
        lines.append(f"   {where}:")
        lines += [f"      {line}" for line in text.strip().splitlines()]
    return lines


def _figure(own: Measured | None) -> str:
    if own is None:
        return "no run yet"
    runs = f"{own.runs} {'run' if own.runs == 1 else 'runs'}"
    if own.stall_s is None:
        return f"{', '.join(own.outcomes)} ({runs})"
    return f"{'more than ' if own.open else ''}{seconds_digits(own.stall_s)} s ({runs})"
