"""Everything a rule may look at, worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from unkillable.diagnosis import graph as wait_for
from unkillable.diagnosis import memory as shortage
from unkillable.diagnosis import victims as deaths
from unkillable.diagnosis.subjects import Subject, collect, kernel_version
from unkillable.diagnosis.types import Memory, Victim, Waiter
from unkillable.diagnosis.waiters import Chosen, choose
from unkillable.evidence.types import Evidence
from unkillable.versions import version_key
from unkillable.waits.catalogue import Resource, load
from unkillable.waits.generated import Generated

REAPER_SINCE = (4, 6)
"""The oom_reaper came with Linux 4.6 (mm/oom_kill.c)."""


class Case:
    """One boot's evidence, its tasks, victims, memory and wait-for graph."""

    def __init__(self, evidence: Evidence, catalogue: Generated | None = None) -> None:
        self.evidence = evidence
        self.subjects: list[Subject] = collect(evidence, catalogue)
        self.victims: tuple[Victim, ...] = deaths.judge(evidence, self.subjects)
        self.chosen: list[Chosen] = choose(self.subjects, self.victims, evidence.locks)
        self.memory: Memory = shortage.last_word(evidence)
        self.graph = wait_for.build(evidence, self.chosen, self.victims)
        self.cycle: tuple[str, ...] = wait_for.cycles(self.graph)
        self.roots: list[str] = wait_for.roots(self.graph, wait_for.task_ids(self.chosen))

    @cached_property
    def waiters(self) -> tuple[Waiter, ...]:
        return tuple(one.waiter for one in self.chosen)

    @cached_property
    def kernel_version(self) -> str | None:
        return kernel_version(self.evidence)

    @cached_property
    def version(self) -> tuple[int, ...] | None:
        release = self.evidence.kernel.version
        return version_key(release)[:2] if release else None

    @cached_property
    def before_reaper(self) -> bool | None:
        """Whether this kernel has no oom_reaper; None where the log does not tell."""
        if self.version is not None:
            return self.version < REAPER_SINCE
        if self.evidence.reaps:
            return False
        until = self.evidence.kernel.until
        return version_key(until)[:2] <= REAPER_SINCE if until else None

    @cached_property
    def stuck(self) -> list[Waiter]:
        """Asleep where SIGKILL does not help."""
        return [one for one in self.waiters if one.killable is False]

    @cached_property
    def reclaimers(self) -> list[Waiter]:
        return [one for one in self.waiters if one.role == "reclaims"]

    @cached_property
    def hung(self) -> list[Waiter]:
        return [one for one in self.waiters if one.blocked_for is not None]

    @cached_property
    def holders(self) -> list[Waiter]:
        """Tasks that hold what another of the waiters waits for."""
        return [one for one in self.waiters if set(one.holds) & self.wanted]

    @cached_property
    def wanted(self) -> set[str | None]:
        """Resources that somebody waits for."""
        return {
            one.resource for one in self.waiters if one.resource and one.role in ("waits", "holds-and-waits")
        }

    @cached_property
    def moved(self) -> list[Subject]:
        """Tasks whose user program counter differs between two dumps: slow, but not stopped."""
        found = []
        for subject in self.subjects:
            counters = {
                view.sighting.stack.user_pc
                for view in subject.views
                if view.sighting.stack is not None
                and view.sighting.stack.user_pc
                and view.wait is not None
                and view.wait.killable is False
            }
            if len(counters) > 1:
                found.append(subject)
        return found

    @cached_property
    def dumps(self) -> list[float | None]:
        """Times of the dumps in which tasks were listed."""
        times: dict[int, float | None] = {}
        for subject in self.subjects:
            for view in subject.views:
                if view.sighting.origin.startswith(("sysrq", "proc", "vmcore")):
                    times.setdefault(view.sighting.snapshot, view.sighting.time)
        return list(times.values())

    @cached_property
    def persistent(self) -> list[Waiter]:
        """Seen in the same wait in dumps at least ten seconds apart, or reported by khungtaskd."""
        last = self.evidence.last_time
        return [
            one
            for one in self.waiters
            if one.blocked_for is not None
            or (one.since is not None and last is not None and last - one.since >= 10)
        ]

    @cached_property
    def fragment(self) -> bool:
        """Hardly more than backtraces: no report around them says what was going on."""
        evidence = self.evidence
        return not (
            evidence.hung
            or evidence.ooms
            or evidence.kills
            or evidence.sysrqs
            or evidence.meminfos
            or evidence.lockups
            or evidence.live
            or self.dumps
        )

    def resource(self, key: str | None) -> Resource | None:
        return load().resource(key)

    def root_kinds(self) -> dict[str, list[str]]:
        """Kinds of the resources at which the chains end: kind -> node ids."""
        kinds: dict[str, list[str]] = {}
        for ident in self.roots:
            row = self.resource(ident.removeprefix("resource:")) if ident.startswith("resource:") else None
            kind = row.kind if row else ("lock" if ident.startswith("resource:") else "task")
            kinds.setdefault(kind, []).append(ident)
        return kinds


def by_function(waiters: Iterable[Waiter]) -> list[tuple[str, list[Waiter]]]:
    """Waiters grouped by the function they sleep in, the largest group first."""
    groups: dict[str, list[Waiter]] = {}
    for one in waiters:
        groups.setdefault(one.function or "an unknown function", []).append(one)
    return sorted(groups.items(), key=lambda item: -len(item[1]))


def names(waiters: Sequence[Waiter], limit: int = 4) -> str:
    """`e1/96, e4/104 and 5 more`; of an excerpt that has backtraces only, how many."""
    if all(one.pid is None for one in waiters):
        return "the task of a backtrace" if len(waiters) == 1 else f"the tasks of {len(waiters)} backtraces"
    shown = [f"{one.comm or '?'}/{one.pid if one.pid is not None else '?'}" for one in waiters[:limit]]
    rest = len(waiters) - len(shown)
    if rest:
        return ", ".join(shown) + f" and {rest} more"
    return ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else "".join(shown)


def verb(members: Sequence[Waiter], one: str, many: str) -> str:
    return one if len(members) == 1 else many
