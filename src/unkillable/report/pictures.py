"""The wait-for graph as it is drawn: few boxes, however many tasks, and the pictures made of it.

Tasks that wait for the same thing in the same function become one box; what is still too much is summed up.
`dot`, `mermaid` and the SVG draw the same boxes.  Sizes are bounded here, before anything is laid out: the
layout of the largest picture takes a fraction of a second (a test measures it), so no log can hang a report.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from unkillable.diagnosis.types import Diagnosis, Node
from unkillable.report.plain import clean, cut

__all__ = ["Box", "Link", "Picture", "fold", "sentence", "timeline", "wait_graph"]

MAX_BOXES = 60
MAX_LINKS = 200
_NAMES = 3
"""Names in a folded box."""
_NAME = 64
_DETAIL = 120


class Box(msgspec.Struct, frozen=True):
    """One shape of the picture: a task, several tasks alike, or a resource."""

    kind: str
    """task or resource."""
    title: str
    detail: str = ""
    tag: str = ""
    """Why it stands out, in words: part of a cycle, root, victim."""
    critical: bool = False
    members: tuple[str, ...] = ()
    """Labels of the nodes it stands for."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Its lines of text that are not empty."""
        return tuple(text for text in (self.title, self.detail, self.tag) if text)


class Link(msgspec.Struct, frozen=True):
    """One arrow, from the box at index `source` to that at `target`."""

    source: int
    target: int
    kind: str
    inferred: bool = False
    critical: bool = False
    """Part of the cycle."""

    @property
    def words(self) -> str:
        return {"waits-for": "waits for", "held-by": "held by", "needs": "may need"}.get(self.kind, self.kind)


class Picture(msgspec.Struct, frozen=True):
    boxes: tuple[Box, ...] = ()
    links: tuple[Link, ...] = ()
    links_left_out: int = 0
    loose: int = 0
    """Tasks not drawn because nothing is known of what they wait for."""


def fold(diagnosis: Diagnosis, limit: int = MAX_BOXES) -> Picture:
    """The boxes and arrows of a diagnosis' graph."""
    nodes = {node.id: node for node in diagnosis.graph.nodes}
    edges = [
        (edge.source, edge.target, edge.kind, edge.inferred)
        for edge in diagnosis.graph.edges
        if edge.source in nodes and edge.target in nodes
    ]
    linked = {end for source, target, _, _ in edges for end in (source, target)}
    loose = (
        [ident for ident, node in nodes.items() if ident not in linked and not node.critical]
        if linked
        else []
    )
    for ident in loose:
        del nodes[ident]
    tags = _tags(diagnosis, nodes)
    groups = _groups(nodes, edges, tags, set(diagnosis.cycle))
    boxes = [_box([nodes[ident] for ident in group], tags.get(group[0], "")) for group in groups]
    place = {ident: index for index, group in enumerate(groups) for ident in group}
    links = _links(edges, place, diagnosis.cycle)
    if len(boxes) > limit:
        boxes, links = _bounded(boxes, links, limit)
    links.sort(key=lambda link: not link.critical)
    return Picture(tuple(boxes), tuple(links[:MAX_LINKS]), max(len(links) - MAX_LINKS, 0), len(loose))


def _tags(diagnosis: Diagnosis, nodes: Mapping[str, Node]) -> dict[str, str]:
    """Node id to the words that say why it stands out."""
    words: dict[str, list[str]] = defaultdict(list)
    for victim in diagnosis.victims:
        if victim.fate == "stuck":
            words[f"task:{victim.pid}"].append("killed, does not die")
    for ident in diagnosis.cycle:
        words[ident].append("in the cycle")
    for ident, node in nodes.items():
        if node.critical and ident not in diagnosis.cycle:
            words[ident].append("where the chain ends")
    return {ident: ", ".join(dict.fromkeys(texts)) for ident, texts in words.items() if ident in nodes}


def _groups(
    nodes: Mapping[str, Node],
    edges: Sequence[tuple[str, str, str, bool]],
    tags: Mapping[str, str],
    apart: set[str],
) -> list[list[str]]:
    """Node ids that share a box; tasks alike in everything that is drawn do."""
    out: dict[str, set[tuple[str, str, bool]]] = defaultdict(set)
    into: dict[str, set[tuple[str, str, bool]]] = defaultdict(set)
    for source, target, kind, inferred in edges:
        out[source].add((target, kind, inferred))
        into[target].add((source, kind, inferred))
    groups: dict[object, list[str]] = defaultdict(list)
    for ident, node in nodes.items():
        alike: object = ident
        if node.kind == "task" and ident not in apart:
            alike = (
                node.detail,
                node.critical,
                tags.get(ident),
                frozenset(out[ident]),
                frozenset(into[ident]),
            )
        groups[alike].append(ident)
    return list(groups.values())


def _box(group: Sequence[Node], tag: str) -> Box:
    first = group[0]
    names = tuple(_text(node.label, _NAME) for node in group)
    return Box(
        first.kind,
        _title(names),
        _text(first.detail or "", _DETAIL),
        tag,
        any(node.critical for node in group),
        names,
    )


def _title(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return f"{len(names)} tasks: {', '.join(names[:_NAMES])}{', …' if len(names) > _NAMES else ''}"


def _text(text: str, limit: int) -> str:
    return cut(clean(text[: limit + 1]), limit)


def _links(
    edges: Iterable[tuple[str, str, str, bool]], place: Mapping[str, int], cycle: Sequence[str]
) -> list[Link]:
    around = set(zip(cycle, (*cycle[1:], *cycle[:1]), strict=True))
    found: dict[tuple[int, int, str], Link] = {}
    for source, target, kind, inferred in edges:
        if source not in place or target not in place or place[source] == place[target]:
            continue
        key = (place[source], place[target], kind)
        known = found.get(key)
        critical = (source, target) in around or (known is not None and known.critical)
        found[key] = Link(*key, inferred and (known is None or known.inferred), critical)
    return list(found.values())


def _bounded(boxes: list[Box], links: list[Link], limit: int) -> tuple[list[Box], list[Link]]:
    """The most telling boxes; the rest become one box of tasks and one of resources."""
    degree = [0] * len(boxes)
    for link in links:
        degree[link.source] += 1
        degree[link.target] += 1

    def rank(index: int) -> tuple[bool, bool, bool, int, int]:
        box = boxes[index]
        return (not box.critical, not box.tag, box.kind == "task", -degree[index] - len(box.members), index)

    ranked = sorted(range(len(boxes)), key=rank)
    kept = sorted(ranked[: max(limit - 2, 0)])
    place = {index: number for number, index in enumerate(kept)}
    result = [boxes[index] for index in kept]
    for kind in ("task", "resource"):
        rest = [index for index in range(len(boxes)) if index not in place and boxes[index].kind == kind]
        if rest:
            place.update(dict.fromkeys(rest, len(result)))
            members = tuple(name for index in rest for name in boxes[index].members)
            result.append(Box(kind, f"{len(members)} more {kind}s", members=members))
    found: dict[tuple[int, int, str], Link] = {}
    for link in links:
        key = (place.get(link.source, -1), place.get(link.target, -1), link.kind)
        if -1 in key or key[0] == key[1]:
            continue
        known = found.get(key)
        found[key] = Link(
            *key,
            link.inferred and (known is None or known.inferred),
            link.critical or (known is not None and known.critical),
        )
    return result, list(found.values())


def sentence(picture: Picture, link: Link) -> str:
    """The arrow in words, for those who do not see it."""
    inferred = " (inferred)" if link.inferred else ""
    source, target = picture.boxes[link.source].title, picture.boxes[link.target].title
    return f"{source} {_VERBS.get(link.kind, link.kind)} {target}{inferred}"


_VERBS = {"waits-for": "→ waits for →", "held-by": "→ is held by →", "needs": "→ may need →"}


def wait_graph(diagnosis: Diagnosis, standalone: bool = True) -> str:
    """The wait-for graph as SVG; nothing without a graph.  `standalone` adds styles and the XML namespace."""
    from unkillable.report.html import graph  # igraph is loaded only where a picture is drawn

    return graph.draw(fold(diagnosis), standalone)


def timeline(diagnosis: Diagnosis, standalone: bool = True) -> str:
    """The timeline as SVG, or nothing where the log has no times."""
    from unkillable.report.html import chart

    return chart.draw(diagnosis, standalone)
