"""The page of an audit: what it says, that it needs no network, and that no text of a kernel becomes markup."""

import base64
import hashlib
import html as escaping
import re
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from tests.report import audit_given as given
from tests.report.test_browser import MEASURE, PHONE, browse
from tests.report.test_html import Page
from unkillable.report.audit_html import excerpts, render

SOURCES = {
    ("fs/toyfs/cache.c", 77): tuple(f"line {number} <b>" for number in range(73, 81)),
    ("fs/toyfs/block.c", 93): ("alloc;",),
}
PAGES = {
    "audit": lambda: render(given.audit(), SOURCES),
    "against": lambda: render(given.against()),
    "hostile": lambda: render(given.hostile()),
    "nothing": lambda: render(given.audit((), within=(), kernel="", configuration=None)),
    "long": lambda: render(given.hostile("x" * 1_000_000, 30)),
}


@pytest.fixture(scope="module", params=PAGES)
def html(request: pytest.FixtureRequest) -> str:
    return PAGES[request.param]()


def test_it_needs_nothing_from_anywhere(html: str) -> None:
    page = Page(html)
    for tag, attributes in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "img", "base", "form"}, tag
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        for name in ("href", "src"):
            value = attributes.get(name) or "#"
            assert value.startswith("#") or value == "data:,"
    assert "@import" not in html
    assert "url(" not in html


def test_its_policy_allows_its_style_and_nothing_else(html: str) -> None:
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


def test_it_says_everything() -> None:
    page = Page(PAGES["audit"]())
    seen = " ".join(page.everything().split())
    for words in (
        "6.1.192 fs/toyfs", "1 sleep that SIGKILL does not wake can be reached from a page fault; there a holder",
        "Sleeps in wait_event, TASK_UNINTERRUPTIBLE, for toyfs_cache.queue.", "line 77 <b>", "From a page fault",
        "address_space_operations.read_folio toyfs_read mm/readahead.c:181", "Also from read(2)", "memalloc_nofs_save",
        "toyfs_fill fs/toyfs/cache.c:90\N{EN DASH}120", "bio_alloc(n, GFP_NOIO) waits for memory, may not call the OOM killer",
        "waits for memory or not, as its caller says", "wait_event_killable , as otherfs_get does fs/otherfs/cache.c:40",
        "TASK_KILLABLE", "a loop around schedule(), state not known", "9,501 files", "fs/x.c: larger than 32 MiB", ".config",
    ):  # fmt: skip
        assert words in seen, (words, seen)
    assert [one for tag, one in page.elements if one.get("class") == "here"], "the line it is about is marked"


def test_what_has_changed_comes_first() -> None:
    seen = " ".join(Page(PAGES["against"]()).everything().split())
    assert seen.index("What has changed since 6.1.100") < seen.index("Findings (2)")
    assert "killable yes -> no" in seen


def test_hostile_text_stays_text() -> None:
    html = PAGES["hostile"]()
    assert "<script" not in html
    assert "<script>alert('x')</script>" in Page(html).everything()


def test_it_says_what_it_leaves_out() -> None:
    html = render(given.audit(tuple(given.site(line=line) for line in range(300)) + (given.GREY,) * 700))
    assert "100 findings left out here" in html
    assert "200 sleeps left out here" in html


def test_excerpts(tmp_path: Path) -> None:
    text = "".join(f"\tline {number}\r\n" for number in range(1, 200))
    root = write(
        tmp_path / "linux",
        {"fs/toyfs/cache.c": text, "fs/toyfs/block.c": "only\n", "fs/otherfs/cache.c": "x" * 9999},
    )
    (tmp_path / "secret").write_text("s\n" * 99)
    (root / "fs/link.c").symlink_to(tmp_path / "secret")
    audit = given.audit(
        (given.site(), given.site(file="fs/link.c", line=5), given.site(file="../secret", line=5))
    )
    found = excerpts(root, audit)
    assert sorted(found) == [("fs/toyfs/cache.c", 77), ("fs/toyfs/cache.c", 90), ("fs/toyfs/cache.c", 99)]
    assert found["fs/toyfs/cache.c", 77][0] == "        line 73"
    assert len(found["fs/toyfs/cache.c", 77]) == 8
    hostile = given.hostile("\x00")
    assert excerpts(root, hostile) == {}


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_it_without_complaint(name: str, tmp_path: Path) -> None:
    page = PAGES[name]()
    dom, log = browse(page, tmp_path)
    assert "CONSOLE" not in log, log
    assert len(re.findall("<article", dom)) == len(re.findall("<article", page))


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_does_not_scroll_sideways(name: str, tmp_path: Path) -> None:
    dom, _ = browse(MEASURE % (escaping.escape(PAGES[name]()), PHONE), tmp_path)
    (found,) = re.findall(r"MEASURED (\{.*?\})<", dom)
    assert '"scroll":390,"client":390,"wide":[]' in found, found
