"""The wait-for graph: task -> what it waits for -> who holds it.

An edge is certain where the input names the owner (a BLOCKER line, lockdep's list of held locks) and inferred
where frames or the kernel's known behaviour suggest it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from unkillable.diagnosis.types import Edge, Graph, Node, Quote, Victim
from unkillable.diagnosis.waiters import Chosen
from unkillable.evidence.types import Evidence, HeldLock
from unkillable.waits.catalogue import load

_LOCK_KEYS = frozenset({"mutex", "rwsem", "semaphore", "inode-lock", "mmap-lock", "percpu-rwsem"})
NODE_LIMIT = 400


class Builder:
    """Nodes and edges by identity, in the order they were added."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str, str], Edge] = {}

    def node(self, ident: str, kind: str, label: str, detail: str | None = None) -> str:
        if ident not in self.nodes and len(self.nodes) < NODE_LIMIT:
            self.nodes[ident] = Node(ident, kind, label, detail)
        return ident

    def edge(self, source: str, target: str, kind: str, inferred: bool, lines: Iterable[Quote] = ()) -> None:
        if source in self.nodes and target in self.nodes and source != target:
            key = (source, target, kind)
            known = self.edges.get(key)
            if known is None or (known.inferred and not inferred):
                self.edges[key] = Edge(source, target, kind, inferred, tuple(lines)[:3])

    def task(self, pid: int | None, comm: str | None, detail: str | None = None, number: int = 0) -> str:
        ident = f"task:{pid}" if pid is not None else f"trace:{number}"
        name = f"{comm or '?'}/{pid}" if pid is not None else (comm or f"backtrace {number}")
        return self.node(ident, "task", name, detail)

    def resource(self, key: str, instance: str = "") -> str:
        row = load().resource(key)
        title = row.title if row else key.replace("-", " ")
        return self.node(
            f"resource:{key}{instance}", "resource", title + (f" {instance[1:]}" if instance else "")
        )

    def graph(self, critical: set[str]) -> Graph:
        return Graph(
            tuple(
                msgspec.structs.replace(node, critical=node.id in critical) for node in self.nodes.values()
            ),
            tuple(self.edges.values()),
        )


def task_ids(chosen: Sequence[Chosen]) -> list[str]:
    """Node id of each chosen task."""
    return [
        f"task:{one.waiter.pid}" if one.waiter.pid is not None else f"trace:{number}"
        for number, one in enumerate(chosen, 1)
    ]


def build(evidence: Evidence, chosen: Sequence[Chosen], victims: Sequence[Victim]) -> Builder:
    graph = Builder()
    for number, one in enumerate(chosen, 1):
        waiter = one.waiter
        detail = f"{waiter.state or '?'} in {waiter.function}" if waiter.function else None
        graph.task(waiter.pid, waiter.comm, detail, number)
    _blockers(graph, evidence)
    _locks(graph, evidence, chosen)
    ids = task_ids(chosen)
    for ident, one in zip(ids, chosen, strict=True):
        _waits(graph, ident, one)
    for ident, one in zip(ids, chosen, strict=True):
        for held in one.waiter.holds:
            target = f"resource:{held}"
            if target in graph.nodes and (ident, target, "waits-for") not in graph.edges:
                graph.edge(target, ident, "held-by", inferred=True, lines=one.waiter.lines[-1:])
    _memory(graph, victims)
    _needs(
        graph, {*evidence.kernel.filesystems, *(key.split("-")[0] for one in chosen for key in _keys(one))}
    )
    return graph


def _waits(graph: Builder, ident: str, one: Chosen) -> None:
    waiter = one.waiter
    if waiter.resource is None or waiter.role == "runs":
        return
    if any(source == ident and kind == "waits-for" for source, _, kind in graph.edges):
        return  # a BLOCKER line or a lock list named it already
    target = graph.resource(waiter.resource)
    graph.edge(ident, target, "waits-for", inferred=waiter.inferred, lines=waiter.lines[-1:])


def _last_locks(evidence: Evidence) -> dict[int, HeldLock]:
    """Each task's last lock in the latest list of it."""
    last: dict[int, HeldLock] = {}
    for lock in evidence.locks:
        if lock.pid is not None:
            known = last.get(lock.pid)
            if known is None or lock.snapshot > known.snapshot or lock.index >= known.index:
                last[lock.pid] = lock
    return last


def _blockers(graph: Builder, evidence: Evidence) -> None:
    last = _last_locks(evidence)
    for fact in evidence.blockers:
        waiter = graph.task(fact.pid, fact.comm)
        owner = f"{fact.owner_comm}/{fact.owner_pid}" if fact.owner_pid is not None else None
        name = (
            f"{fact.lock} {last[fact.pid].name}"
            if fact.pid in last
            else f"{fact.lock} of {owner or 'an unknown owner'}"
        )
        lock = graph.node(f"resource:{fact.lock}#{owner or f'unknown-{fact.pid}'}", "resource", name)
        lines = (Quote(fact.line, fact.text.strip()),)
        graph.edge(waiter, lock, "waits-for", inferred=False, lines=lines)
        if fact.owner_pid is not None:
            graph.edge(
                lock, graph.task(fact.owner_pid, fact.owner_comm), "held-by", inferred=False, lines=lines
            )


def _locks(graph: Builder, evidence: Evidence, chosen: Sequence[Chosen]) -> None:
    """lockdep's lists: a sleeping task's last lock is the one it waits for if its wait is for a lock."""
    waits_for_lock = {
        one.waiter.pid
        for one in chosen
        if one.waiter.resource in _LOCK_KEYS and one.waiter.role != "reclaims"
    }
    wanted = {pid: lock for pid, lock in _last_locks(evidence).items() if pid in waits_for_lock}
    named = {fact.pid for fact in evidence.blockers}
    idents = {_identity(lock) for pid, lock in wanted.items() if pid not in named}
    for pid, lock in wanted.items():
        if pid not in named:
            node = graph.node(f"resource:lock:{_identity(lock)}", "resource", lock.name, lock.address)
            graph.edge(
                f"task:{pid}", node, "waits-for", inferred=True, lines=(Quote(lock.line, lock.text.strip()),)
            )
    for lock in evidence.locks:
        if lock.pid is None or _identity(lock) not in idents:
            continue
        mine = wanted.get(lock.pid)
        if mine is not None and _identity(mine) == _identity(lock):
            continue
        owner = graph.task(lock.pid, lock.comm)
        lines = (Quote(lock.line, lock.text.strip()),)
        graph.edge(
            f"resource:lock:{_identity(lock)}", owner, "held-by", inferred=lock.address is None, lines=lines
        )


def _identity(lock: HeldLock) -> str:
    """By address; by class name where the kernel prints none (lockdep before 4.20)."""
    return lock.address or lock.name


def _memory(graph: Builder, victims: Sequence[Victim]) -> None:
    """Memory is held by the victim that cannot exit."""
    memory = "resource:memory"
    if memory not in graph.nodes:
        return
    for victim in victims:
        if victim.fate == "stuck":
            graph.edge(
                memory, graph.task(victim.pid, victim.comm), "held-by", inferred=False, lines=victim.lines
            )


def _keys(one: Chosen) -> tuple[str, ...]:
    return (*one.waiter.holds, one.waiter.resource or "")


_FILE_SYSTEMS = frozenset({"squashfs", "nfs", "fuse", "9p", "cifs", "ceph"})


def _needs(graph: Builder, present: set[str]) -> None:
    """Where nobody is seen to hold a waited-for resource: what its holder may need, from the catalogue.

    What only one file system's code needs is left out unless that file system occurs in the log.
    """
    catalogue = load()
    for ident in list(graph.nodes):
        if not ident.startswith("resource:") or any(source == ident for source, _, _ in graph.edges):
            continue
        row = catalogue.resource(ident.removeprefix("resource:"))
        for need in row.needs if row else ():
            owner = need.split("-")[0]
            if owner not in _FILE_SYSTEMS or owner in present:
                graph.edge(ident, graph.resource(need), "needs", inferred=True)


def cycles(graph: Builder) -> tuple[str, ...]:
    """One shortest cycle through tasks, as node ids in order, or nothing; `needs` edges do not count."""
    follow: dict[str, list[str]] = {}
    for source, target, kind in graph.edges:
        if kind != "needs":
            follow.setdefault(source, []).append(target)
    best: tuple[str, ...] = ()
    for start in graph.nodes:
        if not start.startswith("task:"):
            continue
        path = _back_to(start, follow)
        if path and (not best or len(path) < len(best)):
            best = path
    return best


def _back_to(start: str, follow: dict[str, list[str]]) -> tuple[str, ...]:
    came: dict[str, str] = {}
    queue = [start]
    for node in queue:
        for target in follow.get(node, ()):
            if target == start:
                path = [node]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return tuple(reversed(path))
            if target not in came:
                came[target] = node
                queue.append(target)
    return ()


def roots(graph: Builder, ids: Sequence[str]) -> list[str]:
    """Where the chains from these tasks end: nodes reached that nothing leads on from (`needs` aside)."""
    follow: dict[str, list[str]] = {}
    for source, target, kind in graph.edges:
        if kind != "needs":
            follow.setdefault(source, []).append(target)
    seen: dict[str, None] = {}
    ends: dict[str, None] = {}
    queue = [ident for ident in ids if ident in graph.nodes]
    for node in queue:
        if node in seen:
            continue
        seen[node] = None
        targets = follow.get(node, [])
        if not targets:
            ends[node] = None
        queue.extend(targets)
    return list(ends)
