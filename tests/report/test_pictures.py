"""Folding, layout and the SVG pictures."""

import time
from itertools import combinations

import msgspec
import pytest

from tests.report import given
from unkillable.diagnosis.types import Diagnosis, Edge, Event, Graph, Node, Verdict
from unkillable.evidence.types import KernelInfo
from unkillable.report import pictures
from unkillable.report.html import layout

SVG = "{http" + "://www.w3.org/2000/svg}"


def drawn(nodes: list[Node], edges: list[Edge], **more: object) -> Diagnosis:
    return Diagnosis(
        source="x", verdict=Verdict("deadlock", "s", "low"), kernel=KernelInfo(), graph=Graph(tuple(nodes), tuple(edges)), **more  # type: ignore[arg-type]
    )  # fmt: skip


def test_tasks_alike_share_a_box() -> None:
    picture = pictures.fold(given.deadlock())
    titles = [box.title for box in picture.boxes]
    assert titles == [
        "5 tasks: e10/10, e11/11, e12/12, …",
        "init/1",
        "hog/2",
        "squashfs block-cache entry",
        "mutex of hog",
    ]
    assert picture.boxes[0].members == ("e10/10", "e11/11", "e12/12", "e13/13", "e14/14")
    assert picture.boxes[2].tag == "killed, does not die, in the cycle"
    assert sum(link.critical for link in picture.links) == 4
    assert [link.words for link in picture.links if link.inferred] == ["held by"]


def test_tasks_that_differ_in_what_is_drawn_do_not_share_a_box() -> None:
    nodes = [Node(f"task:{n}", "task", f"t/{n}", "D in f") for n in range(4)]
    nodes += [Node("resource:a", "resource", "a"), Node("resource:b", "resource", "b")]
    edges = [
        Edge("task:0", "resource:a", "waits-for"),
        Edge("task:1", "resource:b", "waits-for"),
        Edge("task:2", "resource:a", "waits-for", inferred=True),
        Edge("task:3", "resource:a", "waits-for"),
    ]
    titles = [box.title for box in pictures.fold(drawn(nodes, edges)).boxes]
    assert titles == ["2 tasks: t/0, t/3", "t/1", "t/2", "a", "b"]


def test_a_task_that_waits_for_nothing_known_is_counted_not_drawn() -> None:
    nodes = [
        Node("task:1", "task", "a/1"),
        Node("task:2", "task", "b/2"),
        Node("resource:a", "resource", "a"),
    ]
    picture = pictures.fold(drawn(nodes, [Edge("task:1", "resource:a", "waits-for")]))
    assert picture.loose == 1
    assert len(picture.boxes) == 2


def test_edges_to_nodes_that_are_not_there_are_ignored() -> None:
    picture = pictures.fold(
        drawn([Node("task:1", "task", "a/1")], [Edge("task:1", "resource:gone", "waits-for")])
    )
    assert (len(picture.boxes), len(picture.links)) == (1, 0)


def test_a_picture_has_few_boxes_and_loses_no_task() -> None:
    nodes = [Node(f"task:{n}", "task", f"t/{n}", f"D in f{n}", critical=n == 399) for n in range(400)]
    nodes.append(Node("resource:a", "resource", "a"))
    picture = pictures.fold(drawn(nodes, [Edge(node.id, "resource:a", "waits-for") for node in nodes[:-1]]))
    assert len(picture.boxes) <= pictures.MAX_BOXES
    assert sum(len(box.members) for box in picture.boxes) == 401
    assert any(box.title == "t/399" for box in picture.boxes), "the critical one is kept"
    assert any(box.title.endswith("more tasks") for box in picture.boxes)


HOSTILE_GRAPHS = {
    "everybody waits for everybody": list(combinations(range(400), 2))[:40000],
    "one long chain": [(n, n + 1) for n in range(399)],
    "a chain with short cuts": [(n, n + 1) for n in range(399)] + [(0, n) for n in range(2, 400)],
    "a ring with spokes": [(n, (n + 1) % 400) for n in range(400)] + [(n, 0) for n in range(1, 400)],
    "both ways": [(n, 400 - n - 1) for n in range(400) if n != 200],
}


@pytest.mark.parametrize("pairs", HOSTILE_GRAPHS.values(), ids=HOSTILE_GRAPHS.keys())
def test_no_graph_can_hang_the_layout(pairs: list[tuple[int, int]]) -> None:
    nodes = [Node(f"n{n}", "task" if n % 2 else "resource", f"t/{n}", f"D in f{n}") for n in range(400)]
    started = time.monotonic()
    svg = pictures.wait_graph(drawn(nodes, [Edge(f"n{a}", f"n{b}", "waits-for") for a, b in pairs if a != b]))
    assert time.monotonic() - started < 10, "measured: below half a second"
    given.parsed(svg)
    assert len(svg) < 500_000


def test_no_two_shapes_overlap_and_all_are_inside() -> None:
    for one in (given.deadlock(), given.hostile(), *(given.of_log(log) for log in given.LOGS)):
        picture = pictures.fold(one)
        if not picture.boxes:
            continue
        drawing = layout.place(picture)
        for shape in drawing.shapes:
            assert shape.x >= 0
            assert shape.y >= 0
            assert shape.x + shape.width <= drawing.width
            assert shape.y + shape.height <= drawing.height
        for a, b in combinations(drawing.shapes, 2):
            apart = (
                a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            )
            assert apart, (a.box.title, b.box.title)


def test_an_arrow_goes_from_its_source_to_its_target() -> None:
    """Bends of a long arrow belong to that arrow (igraph 1.0 mixes up its own)."""
    nodes = [Node(f"task:{n}", "task", f"t/{n}", f"D in f{n}") for n in range(3)]
    nodes += [Node("resource:a", "resource", "a"), Node("resource:b", "resource", "b")]
    edges = [
        Edge("task:0", "resource:a", "waits-for"),
        Edge("task:1", "resource:b", "waits-for"),
        Edge("task:2", "resource:a", "waits-for"),
        Edge("resource:a", "resource:b", "needs"),
    ]
    drawing = layout.place(pictures.fold(drawn(nodes, edges)))
    for arrow in drawing.arrows:
        numbers = [float(word) for word in arrow.path.replace("M", "").replace("C", "").split()]
        ends = numbers[:2], numbers[-2:]
        source, target = drawing.shapes[arrow.link.source], drawing.shapes[arrow.link.target]
        assert ends[0] == pytest.approx([source.x + source.width, source.middle], abs=0.2)
        assert ends[1] == pytest.approx([target.x, target.middle], abs=0.2)
        xs = numbers[::2]
        assert xs == sorted(xs), "an arrow does not turn back"


@pytest.mark.parametrize("draw", [pictures.wait_graph, pictures.timeline], ids=["graph", "timeline"])
def test_pictures_stand_alone_as_xml_and_are_described(draw) -> None:
    for one in (given.deadlock(), given.hostile(), given.of_log(given.EXAMPLES / "frozen-6.1.log.xz")):
        root = given.parsed(draw(one))
        assert root.tag == SVG + "svg"
        assert root.get("role") == "img"
        named = {element.get("id") for element in root if element.tag in (SVG + "title", SVG + "desc")}
        assert set((root.get("aria-labelledby") or "").split()) == named
        assert not any(element.tag.endswith("script") for element in root.iter())


def test_inferred_arrows_are_dashed_and_marked_in_words() -> None:
    svg = pictures.wait_graph(given.deadlock())
    root = given.parsed(svg)
    (group,) = [one for one in root.iter(SVG + "g") if "inferred" in (one.get("class") or "").split()]
    assert "(inferred)" in (group.findtext(SVG + "title") or "")
    assert (group.findtext(SVG + "text") or "").endswith("?")
    assert "stroke-dasharray" in svg


def test_the_timeline_tells_fates_apart_by_lane() -> None:
    root = given.parsed(pictures.timeline(given.deadlock()))
    lanes = [one.text for one in root.iter(SVG + "text") if one.get("class") == "lane"]
    assert lanes == ["Boot", "OOM killer called", "Killed, does not die", "Hung: init/1"]


def test_no_timeline_without_two_times() -> None:
    assert pictures.timeline(drawn([], [], timeline=(Event(None, "oom", "x"), Event(3.0, "oom", "y")))) == ""
    assert pictures.wait_graph(drawn([], [])) == ""


@pytest.mark.parametrize(
    "times",
    [
        (0.0, 1e300),
        (float("nan"), 1.0, 2.0),
        (float("-inf"), float("inf"), 1.0, 2.0),
        (5.0, 5.0000001),
        (-3.0, 4e9),
    ],
)
def test_odd_times_draw_or_do_not_but_never_fail(times: tuple[float, ...]) -> None:
    events = tuple(
        Event(when, kind, "x", 1, when, number)
        for number, when in enumerate(times)
        for kind in ("oom", "hung")
    )
    svg = pictures.timeline(drawn([], [], timeline=events))
    if svg:
        given.parsed(svg)
        assert "nan" not in svg
        assert len(svg) < 50_000


def test_events_at_one_place_become_one_mark() -> None:
    events = (*(Event(n / 1000, "error", f"error {n}", n) for n in range(300)), Event(900.0, "oom", "late"))
    svg = pictures.timeline(msgspec.structs.replace(given.deadlock(), timeline=events))
    assert svg.count('class="mark') == 2
    assert ">300<" in svg
