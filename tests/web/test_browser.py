"""The pages in a real browser: a file dropped, a store browsed with the keyboard, a phone; nothing complained of, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.made import log, sign
from tests.fleet.test_store import filled
from tests.web.browser import Browser
from tests.web.given import FROZEN, TOKEN, Serving, serving
from tests.web.test_diagnosing import HUNG

pytestmark = pytest.mark.browser

PHONE = 390
"""CSS pixels."""


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of a store."""
    folder = tmp_path_factory.mktemp("serving")
    logs = [
        log(i, sign(i % 3, i % 2) if i % 4 else None, release=f"fw-{1 + i // 100}", device=f"device-{i % 90}")
        for i in range(200)
    ]
    filled(folder / "store", logs)
    with serving(folder, "--store", str(folder / "store")) as found:
        yield found


@pytest.fixture
def browser(tmp_path: Path, one: Serving) -> Iterator[Browser]:
    """Complains itself at the end if the browser complained, or asked for anything from elsewhere."""
    with Browser(tmp_path) as found:
        yield found
        assert found.complaints == []
        assert [
            each for each in found.requests if not each.startswith((one.address, "data:", "about:", "file:"))
        ] == []


def text(browser: Browser, selector: str) -> str:
    found: str = browser.ask(f"document.querySelector({selector!r})?.innerText ?? ''")
    return found


def test_a_file_is_dropped_and_the_verdict_read(browser: Browser, one: Serving) -> None:
    browser.open(one.address)
    assert text(browser, "h1") == "Why did it hang?"
    browser.drop("#log", FROZEN)
    assert browser.ask("document.querySelector('#log').files[0].name") == FROZEN.name
    browser.leads_on(browser.ask, "document.querySelector('form button').click()")
    assert text(browser, "h1") == "Reclaim livelock"
    assert "frozen-6.1.log.xz, boot 1" in text(browser, "header")
    assert browser.ask("document.querySelectorAll('svg.graph, svg.timeline').length") == 2
    assert browser.ask("getComputedStyle(document.querySelector('header h1')).color") == "rgb(179, 38, 30)", (
        "styled"
    )


def test_text_is_pasted_with_the_keyboard_alone(browser: Browser, one: Serving) -> None:
    browser.open(one.address)
    browser.press("Tab")
    assert text(browser, ":focus") == "Skip to the content"
    assert browser.ask("document.activeElement.getBoundingClientRect().left >= 0"), (
        "it is seen once it has the focus"
    )
    browser.tab_to("#text")
    browser.write(HUNG)
    browser.tab_to("button[type=submit]")
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.leads_on(browser.press, "Enter")
    assert text(browser, "h1") == "I/O stall"


def test_no_log(browser: Browser, one: Serving, tmp_path: Path) -> None:
    picture = tmp_path / "<img src=x onerror=alert(1)>.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    browser.open(one.address)
    browser.drop("#log", picture)
    browser.leads_on(browser.ask, "document.querySelector('form button').click()")
    assert text(browser, "h1") == "No diagnosis"
    assert "<img src=x onerror=alert(1)>.png: no kernel text in it: found a picture" in text(browser, "main")
    assert len(browser.complaints) == 1
    assert "422" in browser.complaints.pop()


def test_a_store_is_browsed_with_the_keyboard_alone(browser: Browser, one: Serving) -> None:
    browser.open(one.address)
    browser.tab_to("nav a[href='/signatures']")
    browser.leads_on(browser.press, "Enter")
    assert text(browser, "h1") == "What hangs"
    browser.tab_to("#device")
    browser.write("device-1")
    browser.leads_on(browser.press, "Enter")
    assert "device=device-1" in browser.ask("location.search")
    assert browser.ask("document.querySelectorAll('tbody tr[role=row]').length") == 1
    browser.tab_to("thead a[href*='sort=title']")
    browser.leads_on(browser.press, "Enter")
    assert browser.ask("document.querySelector('[aria-sort]').innerText.trim()").startswith("Signature")
    browser.tab_to("tbody th a")
    browser.leads_on(browser.press, "Enter")
    assert text(browser, "h1").startswith("reclaim-livelock in function_")
    browser.tab_to("summary")
    browser.press("Enter")
    assert browser.ask("document.querySelector('details').open") is True
    browser.tab_to("a[rel=next], #logs ~ table tbody th a")
    browser.leads_on(browser.press, "Enter")
    assert "No timeline and no graph here: the file is not there any more" in text(browser, "main")


@pytest.mark.parametrize(
    "path", ["/", "/signatures", "/signatures?device=x", f"/signature/{sign(1).cause}", "/compare", "/broken"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_does_not_scroll_sideways(browser: Browser, one: Serving, path: str, scheme: str) -> None:
    browser.size(PHONE, 844, phone=True)
    browser.media(prefers_color_scheme=scheme)
    browser.open(one.address + path)
    assert browser.too_wide() == []
    assert browser.ask("document.documentElement.clientWidth") == PHONE
    page = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert page == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 29)")


def test_a_diagnosis_on_a_phone(browser: Browser, one: Serving) -> None:
    browser.size(PHONE, 844, phone=True)
    browser.open(one.address)
    browser.drop("#log", FROZEN)
    browser.leads_on(browser.ask, "document.querySelector('form button').click()")
    assert text(browser, "h1") == "Reclaim livelock"
    assert browser.too_wide() == []


@pytest.mark.parametrize(
    "path", ["/", "/signatures", f"/signature/{sign(1).cause}", "/compare", "/broken", "/nothing"]
)
def test_what_a_screen_reader_relies_on(browser: Browser, one: Serving, path: str) -> None:
    browser.open(one.address + path)
    assert browser.ask("document.documentElement.lang") == "en"
    assert browser.ask("document.querySelectorAll('h1').length") == 1
    assert browser.ask("document.querySelectorAll('main').length") == 1
    assert browser.ask("!!document.querySelector('#content')")
    unnamed = "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')].filter(one => !one.labels.length).length"
    assert browser.ask(unnamed) == 0
    assert (
        browser.ask(
            "[...document.querySelectorAll('table')].filter(one => !one.querySelector('th[scope=col]')).length"
        )
        == 0
    )
    assert (
        browser.ask(
            "[...document.querySelectorAll('svg')].filter(one => !one.closest('[aria-hidden]') && one.getAttribute('role') !== 'img').length"
        )
        == 0
    )
    idents = browser.ask("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(idents) == len(set(idents))
    browser.complaints[:] = [each for each in browser.complaints if path != "/nothing" or "404" not in each]


def test_motion_is_not_forced_on_anybody(browser: Browser, one: Serving) -> None:
    browser.media(prefers_reduced_motion="reduce")
    browser.open(one.address)
    assert browser.ask("getComputedStyle(document.querySelector('#log')).transitionDuration") == "0s"


def test_contrast(browser: Browser, one: Serving) -> None:
    """Texts against the page, by the formula of WCAG 2: at least 4.5, in both colour schemes."""
    measure = """(() => {
      const light = colour => { const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b; };
      const behind = one => { while (one) { const c = getComputedStyle(one).backgroundColor; if (!c.endsWith(", 0)")) return c; one = one.parentElement; } };
      return [...document.querySelectorAll("p, a, th, td, dt, dd, label, button, h1, h2, summary, text")].filter(one => one.innerText?.trim()).map(one => {
        const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((x, y) => y - x);
        return [(a + .05) / (b + .05), one.tagName + ": " + one.innerText.slice(0, 40)]; }).filter(one => one[0] < 4.5);
    })()"""
    for scheme in ("light", "dark"):
        browser.media(prefers_color_scheme=scheme)
        for path in ("/", "/signatures", f"/signature/{sign(1).cause}", "/compare"):
            browser.open(one.address + path)
            assert browser.ask(measure) == [], (scheme, path)


def test_the_browser_is_watched(browser: Browser, one: Serving) -> None:
    """What the tests above rely on: a script or a style that is not the page's own is stopped, and seen to be."""
    browser.open(one.address)
    browser.ask(
        "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p><img src=x onerror=\"document.title=1\">')"
    )
    browser.ask("new Promise(done => setTimeout(done, 200))")
    assert browser.ask("document.title") != "1"
    assert any("Content Security Policy" in each for each in browser.complaints)
    browser.complaints.clear()


def test_another_site_cannot_send_a_form(browser: Browser, one: Serving, tmp_path: Path) -> None:
    """A page of elsewhere, in the same browser."""
    page = tmp_path / "evil.html"
    page.write_text(
        f'<form method=post enctype=multipart/form-data action="{one.address}/diagnose"><textarea name=text>x</textarea><button>go</button></form>'
    )
    browser.open(page.as_uri())
    browser.leads_on(browser.ask, "document.querySelector('button').click()")
    assert text(browser, "h1") == "Not allowed"
    assert (f"{one.address}/diagnose", 403) in browser.answers
    page.write_text(f'<iframe src="{one.address}/"></iframe>')
    browser.open(page.as_uri())
    assert any("frame-ancestors" in each for each in browser.complaints)
    browser.complaints.clear()


def test_a_token_in_the_address(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, "--token", TOKEN) as locked:
        browser.open(locked.address)
        assert text(browser, "h1") == "A token is needed"
        browser.open(f"{locked.address}/?token={TOKEN}")
        assert text(browser, "h1") == "Why did it hang?"
        assert browser.ask("location.href") == f"{locked.address}/"
        assert browser.ask("document.cookie") == "", "no script can read it"
        browser.drop("#log", FROZEN)
        browser.leads_on(browser.ask, "document.querySelector('form button').click()")
        assert text(browser, "h1") == "Reclaim livelock"
    assert len(browser.complaints) == 1
    assert re.search(r"\b401\b", browser.complaints.pop())
    browser.requests.clear()
