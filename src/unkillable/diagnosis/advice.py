"""What to do: rows of data/advice.toml that fit the verdict, the resources involved and the kernel."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from unkillable.diagnosis.case import Case
from unkillable.diagnosis.types import Advice, Verdict
from unkillable.versions import within


class Row(msgspec.Struct, frozen=True):
    title: str
    text: str
    kinds: tuple[str, ...]
    """Verdict kinds it is for."""
    commands: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    """Only where one of these is waited for or held; empty: always."""
    since: str | None = None
    until: str | None = None
    """Kernel releases it works on."""
    memory: bool = False
    """Only where memory plays a part: short, reclaimed, or killed for."""
    no_swap: bool = False
    """Only where the log shows that there is no swap."""
    basis: str | None = None


@cache
def rows() -> tuple[Row, ...]:
    text = (files("unkillable.diagnosis") / "data" / "advice.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(row, Row) for row in tomllib.loads(text)["advice"])


def advise(case: Case, verdict: Verdict) -> tuple[Advice, ...]:
    """Advice in the order of the table: the first is the most useful."""
    involved = {one.resource for one in case.waiters} | {key for one in case.waiters for key in one.holds}
    if case.evidence.fs_errors:
        involved |= {f"{fact.fs}-error" for fact in case.evidence.fs_errors}
    found = []
    for row in rows():
        if verdict.kind not in row.kinds or (row.resources and not involved & set(row.resources)):
            continue
        if row.memory and not (case.victims or case.memory.short or case.reclaimers):
            continue
        if row.no_swap and case.memory.swap_total_kib not in (0, None):
            continue
        if not within(case.kernel_version, row.since, row.until):
            continue
        found.append(Advice(row.title, row.text, row.commands, _range(row), row.basis))
    return tuple(found)


def _range(row: Row) -> str | None:
    if row.since and row.until:
        return f"Linux {row.since} to before {row.until}"
    if row.since:
        return f"Linux {row.since} and later"
    return f"Linux before {row.until}" if row.until else None
