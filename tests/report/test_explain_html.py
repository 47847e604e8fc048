"""The page of a story: its parts, and stepping through it in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from tests.report import explain_given as given
from tests.report.given import HOSTILE
from tests.report.test_html import Page
from unkillable.model.types import Arrow, Story
from unkillable.report.explain_html import page, picture
from unkillable.report.explain_html.arrows import LANES, PORTS, circle, paths
from unkillable.report.explain_html.stage import shots

PAGES = {
    "two": given.two,
    "holds": lambda: given.explanation(given.verdict("dying"), given.verdict("leaks"), variant="series"),
    "undetermined": lambda: given.explanation(given.verdict("dying", result="undetermined")),
    "nothing": given.explanation,
    "real": lambda: given.real("5.10", "stock", "shortage"),
    "direct": lambda: given.real("6.1", "article", "direct"),
    "hostile": lambda: given.hostile(HOSTILE),
    "long": lambda: given.hostile("x" * 5000),
}


@pytest.fixture(scope="module", params=PAGES)
def html(request: pytest.FixtureRequest) -> str:
    return page(PAGES[request.param]())


def words(html: str) -> str:
    return " ".join(Page(html).everything().split())


def test_the_answer_comes_first() -> None:
    seen = words(page(given.two()))
    assert (
        "Deadlock Victim has been killed and cannot end. Kernels Linux up to 4.5 Patches as released" in seen
    )
    assert "Question dying violated 1,234 within 46 steps Deadlock: 3 steps" in seen
    assert "Question leaks holds 1,234 within 46 steps -" in seen
    assert "Question sigbus violated 1,234 within 46 steps A bystander dies: 1 step" in seen


def test_what_holds_is_not_said_to_be_more() -> None:
    seen = words(page(PAGES["holds"]()))
    assert "No hang in the model" in seen
    assert "with the series of patches" in seen
    assert "It is no promise about larger systems" in seen
    seen = words(page(PAGES["undetermined"]()))
    assert "Not decided Not every state could be looked at" in seen
    assert "No hang in the model" not in seen


def test_everything_is_there_without_a_script() -> None:
    html = re.sub(r"<script>.*?</script>", "", page(given.two()), flags=re.DOTALL)
    seen = words(html)
    for one in (
        "The OOM killer chooses Victim", "oom_scan_process_thread", "And this goes on for ever", "For ever, step 2 of 2",
        "asleep; SIGKILL cannot wake it TASK_UNINTERRUPTIBLE", "killed by the OOM killer", "Holder has the cache entry",
        "entry 1 block 2, being read, in use by 1 task", "4 pages: 2 of programs, 2 of code that is being read, none free",
        "running, asks again and again TASK_RUNNING", "A task that has ended and whose parent has not asked",
    ):  # fmt: skip
        assert one in seen, (one, seen)


def test_a_step_marks_what_it_has_changed() -> None:
    shown = shots(given.deadlock())
    assert [one.again for one in shown] == [False] * 4 + [True] * 2
    assert shown[2].boxes[0].new == {"mark"}
    assert shown[3].boxes[0].new == {"where", "state", "waits"}
    assert shown[3].said == ("Victim: waits for a free cache entry (site A), asleep; SIGKILL cannot wake it",)
    assert [one.new for one in shown[1].squares] == [True] * 4, "own, own, locked, locked: all were free"
    assert [one.killed for one in shown[2].squares] == [True, True, False, False]
    assert [box.acts for box in shown[2].boxes] == [False, True, False]
    assert not any(box.new for box in shown[4].boxes)
    assert shown[4].still
    assert not shown[0].still, "the beginning is no step"


def test_only_a_circle_that_lasts_is_drawn_as_one() -> None:
    shown = shots(given.deadlock())
    assert not any(one.circle for one in shown[2].paths)
    marked = {one.said.split(":")[0] for one in shown[3].paths if one.circle}
    assert marked == {"Victim to Holder", "Holder to memory", "memory to Victim"}
    assert {one.said.split(":")[0] for one in shown[3].paths} - marked == {"Hog to memory"}
    ends = given.sigbus()
    assert not any(one.circle for shot in shots(ends) for one in shot.paths)


def test_circles() -> None:
    arrows = [Arrow("a", "b", ""), Arrow("b", "c", ""), Arrow("c", "b", ""), Arrow("c", "d", "")]
    assert circle(arrows) == {("b", "c"), ("c", "b")}
    assert circle(arrows[:2]) == frozenset()


def test_arrows_do_not_lie_on_each_other() -> None:
    rows = {"a": 1, "b": 2, "c": 3, "memory": 5}
    arrows = [Arrow(a, b, "why") for a in rows for b in rows if a != b]
    found = paths(arrows, rows, closed=True)
    assert len(found) == len(arrows)
    for side in ("up", "down"):
        taken: list[tuple[int, int, int]] = []
        for one in (each for each in found if each.side == side):
            begin, end = one.top * PORTS + one.top_port, one.bottom * PORTS + one.bottom_port
            assert 0 <= one.lane < LANES
            assert 0 <= one.top_port < PORTS
            assert begin < end
            assert all(lane != one.lane or end < a or b < begin for a, b, lane in taken), one
            taken.append((begin, end, one.lane))


def test_arrows_that_lead_nowhere_are_left_out() -> None:
    arrows = [Arrow("a", "a", ""), Arrow("a", "nobody", ""), Arrow("nobody", "a", "")]
    assert paths(arrows, {"a": 1, "memory": 3}, closed=True) == []


def test_many_tasks_are_cut_and_counted() -> None:
    crowd = given.scene(
        *(given.task(f"t{n}") for n in range(11)),
        arrows=tuple(Arrow(f"t{n}", "memory", "") for n in range(11)),
    )
    (shot,) = shots(Story(title="", kind="deadlock", begin=crowd, events=()))
    assert len(shot.boxes) == 8
    assert "3 tasks left out" in words(picture(Story(title="", kind="deadlock", begin=crowd, events=()), 0))


def test_the_page_needs_nothing_from_anywhere(html: str) -> None:
    for tag, attributes in Page(html).elements:
        assert tag not in {"iframe", "object", "embed", "img", "base", "form"}, tag
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("href", "src"):
            value = attributes.get(name) or "#"
            assert value.startswith("#") or value == "data:,"
    hashes = []
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashes.append(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'")
    policy = f"default-src 'none'; style-src {hashes[0]}; script-src {hashes[1]}; img-src data:; base-uri 'none'; form-action 'none'"
    assert policy in html.replace("&#39;", "'")


def test_the_script_makes_nothing_of_text() -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page(given.two()), re.DOTALL)
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval",
        "Function(",
        "fetch",
        "XMLHttp",
        "import",
    ):
        assert word not in script


def test_its_structure_is_accessible(html: str) -> None:
    found = Page(html)
    tags = [tag for tag, _ in found.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1, landmark
    idents = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(idents) == len(set(idents))
    for tag, attributes in found.elements:
        if tag in {"a", "use"}:
            assert (attributes["href"] or "").removeprefix("#") in idents
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in idents
        if attributes.get("role") in {"region", "group"}:
            assert attributes.get("aria-label")


def test_no_control_character_is_in_it(html: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in html)
    assert len(html) < 2_000_000


def test_hostile_text_stays_text() -> None:
    html = page(PAGES["hostile"]())
    assert html.count("<script") == 1
    assert "<script>alert('x')</script>" in Page(html).everything()
    assert "<!--" not in html


def _brightness(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_brightness(one), _brightness(other)))
    return (light + 0.05) / (dark + 0.05)


ON = {
    "face": "ink soft run ask wait stuck end link".split(),
    "page": "ink soft stuck link good bad unsure ask".split(),
    "new": "ink soft run ask wait stuck end".split(),
    "own": ["own-ink"],
    "code": ["code-ink"],
    "kernel": ["kernel-ink"],
    "killed": ["killed-ink"],
    "link": ["page"],
}
"""What is written on what."""


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(dark: bool) -> None:
    css = re.findall(r"<style>(.*?)</style>", page(given.two()), re.DOTALL)[0]
    colours: dict[str, str] = {}
    for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        for name, value in re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block):
            if dark or name not in colours:
                colours[name] = value
    for ground, inks in ON.items():
        for ink in inks:
            assert _contrast(colours[ground], colours[ink]) >= 4.5, (
                ground,
                ink,
                _contrast(colours[ground], colours[ink]),
            )
