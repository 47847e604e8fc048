"""A triage as text: the first line is the answer, then the causes, the most frequent first."""

from __future__ import annotations

from unkillable.fleet.answers import Change, Table
from unkillable.fleet.triage_types import Cause, Triage
from unkillable.report import triage_words as words
from unkillable.report.plain import clean, count, cut, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["render", "table"]

_REASONS, _NAMES, _CHANGES = 10, 5, 20
_LONGEST = 300
"""Characters of a text that is somebody else's."""
_CELL = 60
"""Characters of a cell of an answer to --sql."""
_TREND = 10
"""Columns of a cause's trend."""
_INDENT = " " * 12


def render(triage: Triage, paint: Style = plain_style, columns: int | None = None, full: bool = False) -> str:
    """The whole report; `full` has variants, releases and what to do of each cause."""
    wide = columns or width()
    parts = [
        [paint(f"headline-{words.tone(triage)}", _theirs(triage.sentence))],
        _trend(triage, paint),
        _causes(triage, paint, wide, full),
        _changes(triage, paint, wide),
        _broken(triage, paint, wide),
        _about(triage, paint, wide),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _theirs(text: str) -> str:
    return clean(cut(text, _LONGEST))


def _trend(triage: Triage, paint: Style) -> list[str]:
    if not triage.totals.hung or not words.spans_days(triage):
        return []
    line = words.sparkline([one.hung for one in triage.trend])
    first, last = words.day(triage.trend[0].start), words.day(triage.trend[-1].end)
    return [f"{paint('head', 'Logs that hang')}  {first} {line} {last}"]


def _causes(triage: Triage, paint: Style, wide: int, full: bool) -> list[str]:
    if not triage.causes:
        return []
    head = f"{'LOGS':>9} {'DEVICES':>8} {'RELEASES':>9}  {'FIRST SEEN':<10}  {'LAST SEEN':<10}  {'TREND':<{_TREND}}  CAUSE"
    lines = [paint("dim", head.rstrip())]
    for one in triage.causes:
        lines += _cause(one, paint, wide, full)
    if triage.more:
        lines.append(
            f"  {count(triage.more, 'more cause')}: --limit {len(triage.causes) + triage.more} shows all"
        )
    return lines


def _cause(one: Cause, paint: Style, wide: int, full: bool) -> list[str]:
    bucket = one.bucket
    figures = (
        f"{bucket.count:>9,} {words.number(bucket.devices):>8} {words.number(bucket.releases):>9}"
        f"  {words.day(bucket.first_seen):<10}  {words.day(bucket.last_seen):<10}"
        f"  {words.sparkline(words.narrow(one.trend, _TREND)):<{_TREND}}"
    )
    lines = [f"{figures}  {paint('head', _theirs(bucket.title))}"]
    if bucket.example is not None:
        lines += [
            paint("dim", line)
            for line in wrap(f"such as {_theirs(words.example(bucket))}", _INDENT, wide, " " * 10)
        ]
    if full:
        lines += _more(one, wide)
    elif one.hint is not None and one.hint.commands[:1] and one.hint.commands[0].startswith("unkillable "):
        lines.append(f"{' ' * 10}known: {_theirs('; '.join(one.hint.commands))}")
    return lines


def _more(one: Cause, wide: int) -> list[str]:
    bucket = one.bucket
    lines = [f"{' ' * 10}cause {bucket.cause}"]
    if bucket.example is not None and bucket.example.quote:
        lines.append(f"{_INDENT}{cut(clean(bucket.example.quote), wide - len(_INDENT))}")
    for variant in bucket.variants:
        lines += wrap(
            _theirs(variant.title) or "without more", _INDENT + "  ", wide, f"{variant.count:>9,}  "
        )
    for what, shares in (
        ("release", bucket.per_release),
        ("kernel", bucket.per_kernel),
        ("architecture", bucket.per_arch),
    ):
        shown = ", ".join(
            f"{_theirs(share.name) or 'not known'} {share.count:,} of {share.logs:,}"
            for share in shares[:_NAMES]
        )
        if shown:
            rest = f" and {len(shares) - _NAMES} more" if len(shares) > _NAMES else ""
            lines += wrap(f"by {what}: {shown}{rest}", _INDENT + "  ", wide, " " * 10)
    if one.hint is not None:
        lines += wrap(_theirs(one.hint.text), _INDENT, wide, " " * 10)
        lines += [f"{_INDENT}  {_theirs(command)}" for command in one.hint.commands]
    return lines


def _changes(triage: Triage, paint: Style, wide: int) -> list[str]:
    found = triage.compared
    if found is None:
        return []
    shown = [one for one in found.changes if one.verdict != "no difference shown"][:_CHANGES]
    rest = len(found.changes) - len(shown)
    head = f"From {found.before} to {found.after}"
    lines = [
        paint("head", _theirs(head) + (":" if shown else ": no difference is shown")),
        *(line for one in shown for line in _change(one, wide)),
    ]
    if rest:
        lines.append(f"  {count(rest, 'more cause')} without a difference that these numbers show")
    for caution in found.cautions:
        lines += wrap(_theirs(caution), _INDENT, wide, "  ")
    return lines


def _change(one: Change, wide: int) -> list[str]:
    unit = "devices" if one.unit == "device" else "logs"
    return [
        *wrap(f"{one.verdict:<6}  {_theirs(one.title)}", " " * 10, wide, "  "),
        *wrap(
            f"{unit}: {words.rate(one.before)}, now {words.rate(one.after)}; {words.ratio(one)}, p {one.p_adjusted:.2g}",
            " " * 12,
            wide,
            " " * 10,
        ),
    ]


def _broken(triage: Triage, paint: Style, wide: int) -> list[str]:
    if not triage.broken:
        return []
    logs = count(words.broken(triage), "log")
    lines = [paint("head", f"{logs} could not be read, or not all of them")]
    for one in triage.broken[:_REASONS]:
        lines += wrap(_theirs(one.reason), _INDENT, wide, f"{one.count:>9,}  ")
        lines += wrap(f"such as {_theirs(one.example)}", _INDENT, wide, " " * 10)
    if len(triage.broken) > _REASONS:
        lines.append(f"  and {count(len(triage.broken) - _REASONS, 'more reason')}: --format json has them")
    return lines


def _about(triage: Triage, paint: Style, wide: int) -> list[str]:
    said = [
        words.window(triage),
        words.reading(triage.reading) if triage.reading else "",
        words.pruned(triage),
    ]
    if triage.totals.older:
        said.append(
            f"{count(triage.totals.older, 'log has', 'logs have')} signatures of an older version and no cause: to be read again"
        )
    if triage.store is None and triage.reading is not None:
        said.append("nothing is kept: --store DIR keeps it, and reads only what is new next time")
    text = "; ".join(filter(None, said))
    return [paint("dim", line) for line in wrap(_theirs(text), "", wide)] if text else []


def table(found: Table) -> str:
    """The answer to --sql, in columns."""
    rows = [tuple(map(_cell, found.columns)), *(tuple(map(_cell, row)) for row in found.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(found.columns))]
    lines = [
        "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    if found.cut:
        lines.append(f"... more than {len(found.rows):,} rows: ask for fewer")
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return cut(clean("-" if value is None else str(value)), _CELL)
