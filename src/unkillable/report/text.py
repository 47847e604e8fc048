"""The diagnosis as text: the first line is the answer, everything below is why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from unkillable.diagnosis.types import Diagnosis, Graph, Quote, Waiter
from unkillable.report.plain import clean, cut, width, wrap

Style = Callable[[str, str], str]
"""Paints a text in a role: headline-bad, headline-good, head, dim, inferred."""


def plain_style(role: str, text: str) -> str:
    return text


def render(
    diagnosis: Diagnosis, style: Style = plain_style, columns: int | None = None, full: bool = False
) -> str:
    """The whole report; `full` prints every task, event and stack instead of the most telling ones."""
    wide = columns or width()
    parts = [
        _headline(diagnosis, style),
        _where(diagnosis, wide),
        _why(diagnosis, style, wide),
        _chain(diagnosis, style, wide),
        _tasks(diagnosis, style, wide, full),
        _victims(diagnosis, style, wide, full),
        _timeline(diagnosis, style, wide, full),
        _missing(diagnosis, style, wide),
        _advice(diagnosis, style, wide, full),
        _rest(diagnosis, style, wide),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


_GOOD = frozenset({"no-hang", "zombie"})


def _headline(diagnosis: Diagnosis, style: Style) -> list[str]:
    verdict = diagnosis.verdict
    role = (
        "headline-good"
        if verdict.kind in _GOOD
        else "headline-unsure"
        if verdict.kind == "insufficient-evidence"
        else "headline-bad"
    )
    return [style(role, f"{verdict.kind}: {clean(verdict.summary)}")]


def _where(diagnosis: Diagnosis, wide: int) -> list[str]:
    kernel = diagnosis.kernel
    name = (
        f"Linux {kernel.release}"
        if kernel.release
        else ("a kernel " + kernel.era if kernel.era else "an unknown kernel")
    )
    if kernel.version and kernel.release and not kernel.release.startswith(kernel.version):
        name += f" ({kernel.version})"
    arch = f", {kernel.arch}{' (inferred)' if kernel.arch_inferred else ''}" if kernel.arch else ""
    boot = (
        f", boot {diagnosis.boot + 1}"
        if diagnosis.boot or any(o.source == diagnosis.source for o in diagnosis.others)
        else ""
    )
    return wrap(
        clean(f"{name}{arch}; {diagnosis.source}{boot}; confidence {diagnosis.verdict.confidence}."), "", wide
    )


def _quotes(quotes: Sequence[Quote], style: Style, wide: int, limit: int = 4) -> list[str]:
    return [
        style("dim", cut(f"       {quote.line or '':>7} | {clean(quote.text)}", wide))
        for quote in quotes[:limit]
        if quote.text
    ]


def _why(diagnosis: Diagnosis, style: Style, wide: int) -> list[str]:
    if not diagnosis.verdict.because:
        return []
    lines = [style("head", "Why")]
    for number, statement in enumerate(diagnosis.verdict.because, 1):
        tail = ""
        if statement.inferred:
            tail += " (inferred)"
        if statement.cite:
            tail += f" [{statement.cite}]"
        lines += wrap(clean(statement.text) + tail, "     ", wide, f"  {number:>2} ")
        lines += _quotes(statement.lines, style, wide)
    return lines


def _chain(diagnosis: Diagnosis, style: Style, wide: int) -> list[str]:
    rows = chain_lines(diagnosis.graph)
    if not rows:
        return []
    head = "Who waits for whom" + ("  (a cycle)" if diagnosis.cycle else "")
    lines = [style("head", head)]
    for row in rows[:20]:
        lines += wrap(clean(row), "      ", wide, "  ")
    return lines + ([f"  ... {len(rows) - 20} more"] if len(rows) > 20 else [])


def chain_lines(graph: Graph) -> list[str]:
    """One line a waited-for resource: `5 tasks (e1/96, e4/104, ...) -> squashfs cache entry -> e2/105 -> block I/O`."""
    labels = {node.id: node.label for node in graph.nodes}
    waits: dict[str, list[str]] = {}
    held: dict[str, list[str]] = {}
    goes: dict[str, str] = {}
    for edge in graph.edges:
        if edge.kind == "waits-for":
            waits.setdefault(edge.target, []).append(edge.source)
            goes[edge.source] = edge.target
        elif edge.kind == "held-by":
            held.setdefault(edge.source, []).append(edge.target + ("?" if edge.inferred else ""))
    rows = []
    owners_of = {edge.target for edge in graph.edges if edge.kind == "held-by"}
    for resource, tasks in sorted(waits.items(), key=lambda item: -len(item[1])):
        names = [labels.get(task, task) for task in tasks]
        left = (
            names[0]
            if len(names) == 1
            else f"{len(names)} tasks ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
        )
        row = f"{left} -> {labels.get(resource, resource)}"
        owners = held.get(resource, ())
        if not owners and set(tasks) <= owners_of:
            continue  # shown behind what they hold
        if owners:
            shown = [
                labels.get(owner.rstrip("?"), owner) + (" (inferred)" if owner.endswith("?") else "")
                for owner in owners[:3]
            ]
            row += f" -> {', '.join(shown)}" + (f" and {len(owners) - 3} more" if len(owners) > 3 else "")
            onward = {goes[owner.rstrip("?")] for owner in owners if owner.rstrip("?") in goes} - {resource}
            if onward:
                row += " -> " + ", ".join(labels.get(target, target) for target in sorted(onward))
        rows.append(row)
    return rows


_KILL = {True: "wakes it", False: "no", None: "?"}


def _tasks(diagnosis: Diagnosis, style: Style, wide: int, full: bool) -> list[str]:
    waiters = diagnosis.waiters
    if not waiters:
        return []
    shown = waiters if full else waiters[:12]
    lines = [style("head", f"Tasks that matter ({len(waiters)})")]
    table: list[tuple[str, ...]] = [("TASK", "ST", "WHERE", "SIGKILL", "WAITS FOR", "CAME BY", "SINCE")]
    wanted = {one.resource for one in waiters if one.resource}
    table += [_row(one, wanted - {one.resource or ""}) for one in shown]
    sizes = _fit([max(len(row[column]) for row in table) for column in range(7)], wide - 2)
    for number, row in enumerate(table):
        text = (
            "  "
            + "  ".join(
                cut(cell, sizes[index]).ljust(sizes[index]) for index, cell in enumerate(row)
            ).rstrip()
        )
        lines.append(style("dim", cut(text, wide)) if number == 0 else cut(text, wide))
        if full and number:
            lines += [f"        {clean(name)}" for name in shown[number - 1].stack]
    if len(shown) < len(waiters):
        lines.append(f"  ... {len(waiters) - len(shown)} more (--full shows all)")
    return lines


_SHRINK = ((4, 20), (2, 22), (0, 14), (4, 12), (2, 12), (0, 8))
"""Columns (from 0) and how narrow each may get, in this order, until a row fits."""


def _fit(sizes: list[int], wide: int) -> list[int]:
    sizes = [min(size, 40) for size in sizes]
    for column, least in _SHRINK:
        over = sum(sizes) + 2 * (len(sizes) - 1) - wide
        if over > 0 and sizes[column] > least:
            sizes[column] = max(least, sizes[column] - over)
    return sizes


def _row(one: Waiter, wanted: set[str]) -> tuple[str, ...]:
    since = (
        f"{one.blocked_for:.0f} s"
        if one.blocked_for is not None
        else (f"{one.since:.0f} s on" if one.since is not None else "")
    )
    name = (f"{one.comm}/{one.pid}" if one.pid is not None else one.comm or "-") + ("*" if one.victim else "")
    state = one.state or "?"
    what = one.resource or ("(running)" if one.role == "runs" else "?")
    if wanted & set(one.holds):
        what += f"; holds {min(wanted & set(one.holds))}"
    return tuple(
        clean(cell)
        for cell in (
            name,
            state,
            one.function or "?",
            _KILL[one.killable],
            what,
            one.entered_by or "?",
            since,
        )
    )


def _victims(diagnosis: Diagnosis, style: Style, wide: int, full: bool) -> list[str]:
    victims = diagnosis.victims
    if not victims:
        return []
    stuck = sum(one.fate == "stuck" for one in victims)
    head = f"Killed for memory ({len(victims)}; {stuck or 'none'} stuck)"
    lines = [style("head", head)]
    for one in victims if full else victims[:8]:
        at = f"{one.killed_at:10.3f} s" if one.killed_at is not None else "         - s"
        child = f", child of {one.child_of_comm}/{one.child_of} (chosen)" if one.child_of is not None else ""
        when = f" by {one.fate_at:.1f} s" if one.fate_at is not None and one.fate != "unknown" else ""
        where = f" in {one.waits_in}" if one.waits_in else ""
        lines.append(cut(clean(f"  {at}  {one.comm}/{one.pid}{child}: {one.fate}{where}{when}"), wide))
    if len(victims) > 8 and not full:
        lines.append(f"  ... {len(victims) - 8} more (--full shows all)")
    return lines


def _timeline(diagnosis: Diagnosis, style: Style, wide: int, full: bool) -> list[str]:
    events = diagnosis.timeline
    if not events:
        return []
    since = "" if diagnosis.clock == "boot" else "  (seconds since the first dated line)"
    lines = [style("head", "Timeline" + since)]
    shown = events if full or len(events) <= 14 else (*events[:7], *events[-7:])
    for number, event in enumerate(shown):
        if len(shown) < len(events) and number == 7:
            lines.append(f"  ... {len(events) - len(shown)} events between (--full shows all)")
        at = f"{event.time:10.3f} s" if event.time is not None else "         - s"
        lines.append(cut(clean(f"  {at}  {event.text}"), wide))
    return lines


def _missing(diagnosis: Diagnosis, style: Style, wide: int) -> list[str]:
    if not diagnosis.missing_evidence:
        return []
    lines = [style("head", "Not shown by this log, and how to capture it next time")]
    for gap in diagnosis.missing_evidence:
        lines += wrap(clean(f"{gap.what}: {gap.why}"), "    ", wide, "  - ")
        lines += [f"      {clean(command)}" for command in gap.how]
    return lines


def _advice(diagnosis: Diagnosis, style: Style, wide: int, full: bool) -> list[str]:
    advice = diagnosis.advice if full else diagnosis.advice[:5]
    if not advice:
        return []
    lines = [style("head", "What to do")]
    for number, one in enumerate(advice, 1):
        scope = f" [{one.applies}]" if one.applies else ""
        lines += wrap(clean(f"{one.title}{scope}"), "     ", wide, f"  {number}. ")
        lines += wrap(clean(one.text), "     ", wide)
        lines += [f"       {clean(command)}" for command in one.commands]
        if one.basis:
            lines += [style("dim", line) for line in wrap(clean(f"basis: {one.basis}"), "     ", wide)]
    return lines


def _rest(diagnosis: Diagnosis, style: Style, wide: int) -> list[str]:
    cover = diagnosis.coverage
    text = f"{cover.lines:,} lines read, {cover.kernel_lines:,} examined, {cover.unknown:,} not known to any format"
    if cover.damaged:
        text += f", {cover.damaged:,} damaged"
    if cover.unattributed:
        text += f", {cover.unattributed:,} backtraces of unknown tasks left out"
    if cover.mixed:
        text += f", {cover.mixed:,} backtraces possibly mixed with another's lines"
    if cover.dropped:
        text += ", left out over a limit: " + ", ".join(
            f"{count:,} {kind}" for kind, count in cover.dropped.items()
        )
    lines = [style("dim", line) for line in wrap(text + ".", "", wide)]
    for other in diagnosis.others[:10]:
        where = f"{other.source}, boot {other.boot + 1}"
        lines += wrap(
            clean(
                f"Also: {where} (lines {other.first_line}-{other.last_line}): {other.kind}: {other.summary}"
            ),
            "      ",
            wide,
            "",
        )
    if len(diagnosis.others) > 10:
        lines.append(f"Also: {len(diagnosis.others) - 10} more boots or logs (--format json lists all).")
    for problem in diagnosis.problems:
        head = "Note" if problem.note else "Not read"
        lines += wrap(clean(f"{head}: {problem.name}: {problem.reason}"), "      ", wide, "")
    return lines
