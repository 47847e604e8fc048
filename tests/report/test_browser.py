"""The page in a real browser: what it shows, that it complains of nothing, that it fits a phone."""

import html as markup
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report import given
from unkillable.diagnosis.types import Diagnosis
from unkillable.report.html import render

pytestmark = pytest.mark.browser

PHONE = 390
"""CSS pixels; a headless window cannot be this narrow, an inner frame can."""

MEASURE = """<!DOCTYPE html><title>wait</title><body>
<iframe id="f" srcdoc="%s" style="width:%dpx;height:2000px;border:0"></iframe>
<script>
f.onload = () => {
  const page = f.contentDocument, root = page.documentElement;
  for (const one of page.querySelectorAll("details")) one.open = true;
  const inside = one => { while ((one = one.parentElement)) if (one.classList.contains("scroll")) return true; return false; };
  const wide = [...page.querySelectorAll("main *, header *, nav *, footer *")].filter(
    one => one.getBoundingClientRect().right > root.clientWidth + 1 && !inside(one)).map(one => one.tagName + "." + one.className);
  document.body.textContent = "MEASURED " + JSON.stringify(
    {scroll: root.scrollWidth, client: root.clientWidth, wide: wide.slice(0, 5), display: f.contentWindow.getComputedStyle(root).colorScheme});
};
</script>"""


def browse(page: str, folder: Path, *flags: str) -> tuple[str, str]:
    """The document as the browser holds it after loading, and what it logged."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium is installed")
    file = folder / "page.html"
    file.write_text(page)
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage", f"--user-data-dir={folder / 'profile'}",
            "--window-size=1280,2000", "--virtual-time-budget=5000", "--enable-logging=stderr", *flags, "--dump-dom", file.as_uri(),
        ],
        capture_output=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(), done.stderr.decode(errors="replace")


PAGES: dict[str, Callable[[], Diagnosis]] = {
    "frozen-5.10": lambda: given.of_log(given.EXAMPLES / "frozen-5.10.log.xz"),
    "frozen-6.1": lambda: given.of_log(given.EXAMPLES / "frozen-6.1.log.xz"),
    "hostile": given.hostile,
    "long names": lambda: given.hostile("x" * 5000),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_browser_shows_it_without_complaint(name: str, tmp_path: Path) -> None:
    one = PAGES[name]()
    dom, log = browse(render(one), tmp_path)
    assert "CONSOLE" not in log, log
    assert "Content Security Policy" not in log
    assert re.findall(r"<h1>(.*?)</h1>", dom) == [
        "Reclaim livelock" if name.startswith("frozen") else "Lock contention"
    ]
    assert "<script" not in dom
    if name.startswith("frozen"):
        assert markup.escape(one.verdict.summary, quote=False) in dom


def test_the_console_is_watched(tmp_path: Path) -> None:
    """What the test above relies on: a page that breaks its policy is seen to."""
    page = render(given.deadlock()).replace("<h1>", '<h1 style="color: red">')
    assert "CONSOLE" in browse(page, tmp_path)[1]


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_does_not_scroll_sideways(name: str, tmp_path: Path) -> None:
    page = MEASURE % (markup.escape(render(PAGES[name]())), PHONE)
    dom, _ = browse(page, tmp_path)
    (found,) = re.findall(r"MEASURED (\{.*?\})<", dom)
    assert '"scroll":390,"client":390,"wide":[]' in found, found
