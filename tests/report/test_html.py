"""The HTML page: what it says, that it needs no network, and that no text of a log becomes markup."""

import base64
import hashlib
import re
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.report import given
from unkillable.diagnosis.types import KINDS, Diagnosis, Event, Memory, Verdict
from unkillable.evidence.types import KernelInfo
from unkillable.report.html import render
from unkillable.report.html.words import KINDS as TITLES

VOID = {"meta", "link", "br", "hr", "img", "input"}
PAGES: dict[str, Callable[[], Diagnosis]] = {"deadlock": given.deadlock, "hostile": given.hostile}
PAGES |= {log.name: partial(given.of_log, log) for log in given.LOGS}


class Page(HTMLParser):
    """Elements and texts of a page; fails on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.comments = 0
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def handle_comment(self, data: str) -> None:
        self.comments += 1

    def text(self, tag: str) -> list[str]:
        return [text for parent, text in self.texts if parent == tag]

    def everything(self) -> str:
        return " ".join(text for parent, text in self.texts if parent != "style")


@pytest.fixture(scope="module", params=list(PAGES))
def html(request: pytest.FixtureRequest) -> str:
    return render(PAGES[request.param]())


def test_it_needs_nothing_from_anywhere(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base", "form", "input"}, tag
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            if name in {"href", "src", "action", "data", "xlink:href"}:
                assert (value or "").startswith("#") or value == "data:,", f"{tag} {name}={value}"
    css = "".join(page.text("style"))
    assert "@import" not in css
    assert "url(" not in css
    assert not re.search(r"(?:href|src)=.?\w+:/", html)


def test_its_policy_allows_its_style_and_nothing_else(html: str) -> None:
    page = Page(html)
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert (
        policy
        == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not [tag for tag, attributes in page.elements if "style" in attributes], (
        "the policy forbids style attributes"
    )


def test_its_structure_is_accessible(html: str) -> None:
    page = Page(html)
    tags = [tag for tag, _ in page.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1, landmark
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), "no level is skipped"
    idents = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(idents) == len(set(idents))
    for tag, attributes in page.elements:
        if tag == "a":
            assert (attributes["href"] or "").removeprefix("#") in idents
        for reference in (attributes.get("aria-labelledby") or "").split():
            assert reference in idents
        if tag == "th":
            assert attributes.get("scope") in {"col", "row"}
        if tag == "svg":
            assert attributes.get("role") == "img" or attributes.keys() >= {"width", "height"}
        if attributes.get("role") == "region":
            assert attributes.get("aria-label")
            assert attributes.get("tabindex") == "0", "what scrolls can be scrolled with keys"
    assert dict(page.elements)["html"] == {"lang": "en"}


def test_its_pictures_are_xml(html: str) -> None:
    for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        given.parsed(svg)


def test_no_control_character_and_no_override_is_in_it(html: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in html)
    html.encode()


def test_hostile_text_stays_text() -> None:
    html = render(given.hostile())
    page = Page(html)
    assert "<script" not in html
    assert page.comments == 0
    assert "<script>alert('x')</script>" in page.everything()
    assert "{{7*7}}" in page.everything(), "not run as a template"
    assert "\\x1b[31m" in page.everything(), "shown, not sent"


def test_the_page_of_a_deadlock_says_everything() -> None:
    page = Page(render(given.deadlock()))
    assert page.text("h1") == ["Deadlock"]
    seen = " ".join(page.everything().split())
    for words in (
        "init/1 and hog/2 wait for each other", "high:", "Linux 6.1.0-56", "arm64", "serial console.log",
        "mutex_lock+0x1/0x2", "inferred", "Linux 6.1.192 fs/squashfs/cache.c:77",
        "5 tasks: e10/10", "squashfs block-cache entry", "TASK_UNINTERRUPTIBLE", "page fault", "stack (2)",
        "stuck: does not die", "64.0 MiB", "There is no swap", "GFP_KERNEL", "CONSTRAINT_NONE", "16,384 pages",
        "the lock's owner", "echo d > /proc/sysrq-trigger", "It does not end by itself.", "2 tasks", "lines 61\N{EN DASH}99", "core.bin",
    ):  # fmt: skip
        assert words in seen, words
    for line in ("7", "8", "101"):
        assert line in page.text("span")


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_has_a_title_and_a_meaning(kind: str) -> None:
    title, meaning = TITLES[kind]
    html = render(msgspec.structs.replace(given.deadlock(), verdict=Verdict(kind, "sum", "low")))
    assert Page(html).text("h1") == [title]
    assert meaning.rstrip(".") in html.replace("&#39;", "'")


def test_a_diagnosis_of_nothing_is_a_page() -> None:
    empty = Diagnosis(
        source="-", verdict=Verdict("insufficient-evidence", "nothing", "low"), kernel=KernelInfo()
    )
    page = Page(render(empty))
    assert page.text("h2") == ["Why", "The input"]


def test_the_page_of_the_flagship_case() -> None:
    html = render(given.of_log(given.EXAMPLES / "frozen-5.10.log.xz"))
    page = Page(html)
    assert page.text("h1") == ["Reclaim livelock"]
    assert "squashfs_cache_get" in page.text("code")
    assert 'class="picture graph' in html
    assert 'class="picture timeline' in html


def test_pages_stay_small_and_say_what_they_leave_out() -> None:
    one = given.hostile("x" * 1_000_000, 2)
    assert len(render(one)) < 1_000_000
    many = msgspec.structs.replace(
        given.deadlock(),
        waiters=given.deadlock().waiters * 100,
        victims=given.deadlock().victims * 1000,
        ooms=given.deadlock().ooms * 500,
        timeline=tuple(Event(float(n), "error", "e", n) for n in range(20_000)),
        others=given.deadlock().others * 5000,
    )
    html = render(many)
    assert len(html) < 1_000_000
    seen = " ".join(Page(html).everything().split())
    for words in (
        "640 tasks left out",
        "900 victims left out",
        "480 reports left out",
        "19,800 events left out",
        "4,950 boots left out",
    ):
        assert words in seen, words


def test_memory_without_figures_draws_no_bars() -> None:
    none = msgspec.structs.replace(given.deadlock(), memory=Memory(None))
    assert 'id="memory"' not in render(none)
    zero = msgspec.structs.replace(given.deadlock(), memory=Memory(None, 0, 0, 0, 0, 0, 0, 0))
    assert 'id="memory"' not in render(zero)


def test_it_can_be_read_in_the_dark_on_a_phone_and_on_paper(html: str) -> None:
    css = "".join(Page(html).text("style"))
    assert "prefers-color-scheme: dark" in css
    assert "@media print" in css
    assert 'name="viewport"' in html


def _luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("sheet", ["page.css", "picture.css"])
def test_text_has_contrast_in_both_schemes(sheet: str) -> None:
    """WCAG AA: 4.5 to 1 for text on each ground it stands on."""
    import unkillable.report.html as room

    css = (Path(room.__file__).parent / sheet).read_text()
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r"--ink:.*?\}", css, re.DOTALL)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        grounds = [colours[name] for name in ("page", "face", "round", "bad-face") if name in colours]
        for name in ("ink", "soft", "link", "bad", "good", "unsure"):
            for ground in grounds:
                if name not in colours or (name in {"soft", "good"} and ground == colours.get("bad-face")):
                    continue
                light, dark = sorted((_luminance(colours[name]), _luminance(ground)), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)
