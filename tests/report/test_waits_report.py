"""The ways to sleep as text, page and JSON."""

from __future__ import annotations

import base64
import hashlib
import html as escaping
import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from tests.report import waits_given as given
from tests.report.test_browser import MEASURE, PHONE, browse
from tests.report.test_html import Page
from unkillable.ksource.waits_types import CHANGES, KINDS, ROLES
from unkillable.report import waits_html
from unkillable.report.schema import json_schema, to_json
from unkillable.report.waits_text import render

PAGES = {
    "waits": lambda: waits_html.render(given.waits()),
    "against": lambda: waits_html.render(given.against()),
    "hostile": lambda: waits_html.render(given.hostile()),
    "nothing": lambda: waits_html.render(given.waits((), kernel="")),
    "long": lambda: waits_html.render(given.hostile("x" * 100_000, 20)),
}


def said(found, **more) -> str:
    return " ".join(render(found, columns=160, **more).split())


def test_the_answer_comes_first() -> None:
    first = render(given.waits()).splitlines()[0]
    assert first == (
        "Linux 6.1.192 offers 5 ways to sleep: SIGKILL does not end 2 of them, ends 1, and with 2 the caller decides"
    )
    assert render(given.waits((), kernel="")).startswith("this tree: nothing was found that sleeps")
    assert " ways to sleep in gate.h: " in render(given.waits((given.OTHER,)), families=("gate",))


def test_rows() -> None:
    text = said(given.waits())
    assert "rest TASK_UNINTERRUPTIBLE does not - include/linux/lounge.h:15" in text
    assert "rest_killable TASK_KILLABLE ends it timeout exclusive killable include/linux/lounge.h:21" in text
    assert "rest_in the caller's the caller decides" in text
    assert "rest_somehow not known not known" in text
    assert "enter stores the caller's the caller decides" in text
    assert "other headers" in text, "one row is no table of its own"
    assert "__rest" not in text


def test_full() -> None:
    text = said(given.waits(), full=True)
    assert "__rest TASK_UNINTERRUPTIBLE" in text
    assert "killable TASK_KILLABLE: of all signals only a pending SIGKILL ends it." in text
    assert "gate.h" in text


def test_what_has_changed() -> None:
    text = said(given.against())
    assert "against 6.1.100: 1 appeared, 1 changed, 1 vanished" in text
    assert (
        "changed rest (include/linux/lounge.h:15): task_state TASK_KILLABLE -> TASK_UNINTERRUPTIBLE; traits -killable"
        in text
    )
    assert "appeared rest_killable (include/linux/lounge.h:21): TASK_KILLABLE, SIGKILL: ends it" in text
    assert "include/linux/x.h: Permission denied" in text
    assert "the same ways to sleep as in 6.1.100" in said(given.waits(against="6.1.100"))


def test_hostile_text_reaches_no_terminal() -> None:
    for full in (False, True):
        text = render(given.hostile(), full=full)
        assert all(char.isprintable() or char == "\n" for char in text)
    assert len(render(given.hostile("x" * 100_000, 20), full=True)) < 400_000


@pytest.mark.parametrize("found", [given.waits(), given.against(), given.waits(()), given.hostile("x")])
def test_json_follows_its_schema(found) -> None:
    document = json.loads(to_json(found))
    jsonschema_rs.validator_for(json_schema("waits")).validate(document)
    assert document["schema"] == "unkillable.waits/1"


def test_lists_of_the_schema_are_closed() -> None:
    parts = json_schema("waits")["$defs"]
    assert parts["Wait"]["properties"]["kind"]["enum"] == list(KINDS)
    assert parts["Wait"]["properties"]["role"]["enum"] == list(ROLES)
    assert parts["WaitChange"]["properties"]["kind"]["enum"] == list(CHANGES)
    assert len(parts["Traits"]["properties"]) == 10


@pytest.fixture(scope="module", params=PAGES)
def html(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]()


def test_the_page_needs_nothing_from_anywhere(html: str) -> None:
    for tag, attributes in Page(html).elements:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base", "form"}, tag
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("href", "src"):
            value = attributes.get(name) or "#"
            assert value.startswith("#") or value == "data:,"
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in html.replace("&#39;", "'")


def test_its_structure_is_accessible(html: str) -> None:
    page = Page(html)
    tags = [tag for tag, _ in page.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1, landmark
    idents = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(idents) == len(set(idents))
    for tag, attributes in page.elements:
        if tag == "a":
            assert (attributes["href"] or "").removeprefix("#") in idents
        if tag == "label":
            assert attributes["for"] in idents
        if attributes.get("role") == "region":
            assert attributes.get("aria-label")


def test_no_control_character_is_in_it(html: str) -> None:
    assert all(char.isprintable() or char == "\n" for char in html)
    assert len(html) < 4_000_000


def test_the_page_says_everything() -> None:
    seen = " ".join(Page(PAGES["against"]()).everything().split())
    for words in (
        "Linux 6.1.192", "offers 5 ways to sleep", "What has changed since 6.1.100 (3)", "traits -killable", "lounge.h",
        "rest_killable include/linux/lounge.h:21 TASK_KILLABLE ends it timeout, exclusive, killable ___rest > schedule",
        "stores the caller's", "of all signals only a pending SIGKILL ends it", "include/linux/x.h: Permission denied",
    ):  # fmt: skip
        assert words in seen, (words, seen)


def test_hostile_text_stays_text() -> None:
    html = PAGES["hostile"]()
    assert "<script" not in html
    assert "<script>alert('x')</script>" in Page(html).everything()


def test_the_page_says_what_it_leaves_out() -> None:
    page = waits_html.render(given.hostile("x", 2100))
    assert "100 rows left out here" in page
    assert "1,600 changes left out here" in page


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_it_without_complaint(name: str, tmp_path: Path) -> None:
    dom, log = browse(PAGES[name](), tmp_path)
    assert "CONSOLE" not in log, log
    assert "<main>" in dom


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_does_not_scroll_sideways(name: str, tmp_path: Path) -> None:
    dom, _ = browse(MEASURE % (escaping.escape(PAGES[name]()), PHONE), tmp_path)
    (found,) = re.findall(r"MEASURED (\{.*?\})<", dom)
    assert '"scroll":390,"client":390,"wide":[]' in found, found
