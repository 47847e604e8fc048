"""An audit as text: the first line is the answer, then the findings, the worst first."""

from __future__ import annotations

from collections.abc import Sequence

from unkillable.ksource.audit_types import FINDINGS, Audit, Change, Convention, EntryPoint, Holder, Site
from unkillable.ksource.compare_audits import worse
from unkillable.report import audit_words as words
from unkillable.report.plain import clean, cut, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["render"]

_FINDINGS, _CHANGES, _HOLDERS, _ALLOCATIONS, _SKIPPED = 30, 60, 3, 3, 5
"""Most of each without `full`."""
_LONGEST = 400
"""Characters of an expression of the source."""
_ROLES = {"red": "headline-bad", "amber": "headline-unsure", "green": "headline-good"}


def render(audit: Audit, paint: Style = plain_style, columns: int | None = None, full: bool = False) -> str:
    """The whole report; `full` shows also what is no finding, and every holder and allocation."""
    wide = columns or width()
    parts = [
        *_changes(audit, paint, wide, full),
        [paint(f"headline-{_tone(audit)}", clean(words.headline(audit)))],
        *_sites(audit, paint, wide, full),
        _rest(audit, paint, wide, full),
        _coverage(audit, paint, wide, full),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _tone(audit: Audit) -> str:
    ranks = words.rest(audit)
    return "bad" if ranks["red"] else "unsure" if ranks["amber"] else "good"


def _changes(audit: Audit, paint: Style, wide: int, full: bool) -> list[list[str]]:
    if audit.against is None:
        return []
    shown = audit.changes if full else audit.changes[:_CHANGES]
    lines = [line for one in shown for line in _change(one, paint, wide)]
    if len(shown) < len(audit.changes):
        lines.append(f"  ... {len(audit.changes) - len(shown)} more (--full shows all)")
    return [[paint(f"headline-{words.tone(audit)}", clean(words.against(audit)))], lines]


def _change(one: Change, paint: Style, wide: int) -> list[str]:
    mark = "! " if worse(one) else "  "
    lines = wrap(_source(words.change(one)), "      ", wide, f"  {mark}")
    return [paint("headline-bad", line) for line in lines] if worse(one) else lines


def _sites(audit: Audit, paint: Style, wide: int, full: bool) -> list[list[str]]:
    sites = audit.sites if full else [one for one in audit.sites if one.rank in FINDINGS]
    shown = sites if full else sites[:_FINDINGS]
    parts = [_site(number, one, audit.entries, paint, wide, full) for number, one in enumerate(shown, 1)]
    if len(shown) < len(sites):
        parts.append(
            [
                f"... {len(sites) - len(shown)} more findings (--full shows all, --in only those of a directory)"
            ]
        )
    return parts


def _site(
    number: int, one: Site, entries: Sequence[EntryPoint], paint: Style, wide: int, full: bool
) -> list[str]:
    head = _source(f"{one.file}:{one.line} {one.function}")
    rank = paint(_ROLES.get(one.rank, "dim"), f"{one.rank:<5}")
    lines = [f"{number:>3} {rank} {paint('head', head)}"]
    indent = " " * 10
    lines += wrap(f"sleeps in {_source(words.waits(one))}", f"{indent}  ", wide, indent)
    if one.path:
        steps = " ".join(words.step(step, not number) for number, step in enumerate(one.path))
        detour = " (only by another file system or driver)" if one.detour else ""
        lines += wrap(
            f"from {_source(words.first_entry(one, entries))}{detour}: {clean(steps)}",
            f"{indent}  ",
            wide,
            indent,
        )
    also = words.others(one, entries)
    if also:
        lines += wrap(f"also from: {_source(also)}", f"{indent}  ", wide, indent)
    if one.scope:
        lines += wrap(
            f"in the scope of {_source(', '.join(words.SCOPES.get(name, name) for name in one.scope))}",
            f"{indent}  ",
            wide,
            indent,
        )
    lines += _holders(one.holders, indent, wide, full)
    if one.missing:
        lines += wrap(f"not red: {words.missing(one)}", f"{indent}  ", wide, indent)
    if one.convention is not None:
        lines += wrap(_convention(one.convention), f"{indent}  ", wide, indent)
    return lines


def _holders(holders: Sequence[Holder], indent: str, wide: int, full: bool) -> list[str]:
    lines: list[str] = []
    shown = holders if full else holders[:_HOLDERS]
    for one in shown:
        lines += wrap(
            f"held by {_source(words.held(one))}, which asks for memory:", f"{indent}  ", wide, indent
        )
        allocations = one.allocations if full else one.allocations[:_ALLOCATIONS]
        for each in allocations:
            way = " ".join(words.step(step, not number) for number, step in enumerate(each.path))
            text = f"{_source(each.call)} at {_source(each.file)}:{each.line} in {_source(way or each.function)}: {words.allocation(each)}"
            lines += wrap(text, f"{indent}    ", wide, f"{indent}  ")
        if len(allocations) < len(one.allocations):
            lines.append(f"{indent}  ... {len(one.allocations) - len(allocations)} more (--full shows all)")
    if len(shown) < len(holders):
        lines.append(f"{indent}... {len(holders) - len(shown)} more holders (--full shows all)")
    return lines


def _convention(one: Convention) -> str:
    example = f", as {one.function} does ({one.file}:{one.line})" if one.function else ""
    return _source(f"follow {one.primitive}{example}")


def _rest(audit: Audit, paint: Style, wide: int, full: bool) -> list[str]:
    lines = [paint("head", "All sleeps")]
    for rank, number in words.rest(audit).items():
        hidden = number and not full and rank not in FINDINGS
        tail = " (--full shows them)" if hidden else ""
        lines += wrap(f"{words.MEANING[rank]}{tail}", " " * 16, wide, f"  {rank:<5} {number:>6}  ")
    if audit.accepted:
        lines += wrap("Accepted by the baseline.", " " * 16, wide, f"        {audit.accepted:>6}  ")
    return lines


def _coverage(audit: Audit, paint: Style, wide: int, full: bool) -> list[str]:
    lines = [paint("dim", line) for line in wrap(clean(words.coverage(audit)), "", wide)]
    skipped = audit.coverage.skipped
    shown = skipped if full else skipped[:_SKIPPED]
    for one in shown:
        lines += wrap(_source(f"Not read: {one}"), "      ", wide, "")
    if len(shown) < len(skipped):
        lines.append(f"Not read: {len(skipped) - len(shown)} more (--full shows all)")
    return lines


def _source(text: str) -> str:
    return cut(clean(text), _LONGEST)
