"""Stepping through a story in a real browser: keys, buttons, addresses, a phone's width."""

from __future__ import annotations

import html as escaping
import json
import re
from pathlib import Path

import pytest

from tests.report import explain_given as given
from tests.report.test_browser import browse
from tests.report.test_explain_html import PAGES
from unkillable.report.explain_html import page

pytestmark = pytest.mark.browser

PHONE = 360

# The page in a frame, whose own script is what a reader's hands would do.
DRIVE = """<!DOCTYPE html><title>wait</title><body>
<iframe id="f" src="%s" style="width:1200px;height:1500px;border:0"></iframe>
<script>
f.onload = async () => {
  const view = f.contentWindow, page = f.contentDocument, seen = [];
  const key = (name, more) => page.activeElement.dispatchEvent(new view.KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true, ...more}));
  const press = name => page.querySelector(".story.current .controls ." + name).click();
  const pause = time => new Promise(done => setTimeout(done, time));
  const shown = () => {
    const all = [...page.querySelectorAll(".scene")].filter(one => one.getBoundingClientRect().height > 0).map(one => one.id);
    return all.join(" ");
  };
  const look = what => seen.push([what, shown(), view.location.hash, page.getElementById("said").textContent]);
  const current = () => [...page.querySelectorAll(".steps a[aria-current=step]")].filter(one => one.getBoundingClientRect().height > 0).map(one => one.hash).join(" ");
  const off = name => page.querySelector(".story.current .controls ." + name).getAttribute("aria-disabled");
  try { %s } catch (error) { seen.push(["error", String(error)]); }
  document.body.textContent = "SEEN " + JSON.stringify(seen) + " END";
};
</script>"""


def drive(steps: str, folder: Path, html: str | None = None, hash_: str = "") -> list[list[str]]:
    (folder / "explained.html").write_text(html or page(given.two()))
    dom, log = browse(
        DRIVE % (f"explained.html{hash_}", steps),
        folder,
        "--allow-file-access-from-files",
        "--virtual-time-budget=60000",
    )
    assert "CONSOLE" not in log, log
    (found,) = re.findall(r"SEEN (\[.*\]) END", dom)
    seen: list[list[str]] = json.loads(escaping.unescape(found))
    assert "error" not in [one[0] for one in seen], seen
    return seen


def test_keys(tmp_path: Path) -> None:
    seen = drive(
        """
        look("start");
        key("ArrowRight"); look("right");
        key("ArrowRight"); key("ArrowLeft"); look("right left");
        key("ArrowLeft"); key("ArrowLeft"); look("not before the beginning");
        key("End"); look("End is the page's");
        page.querySelector(".controls .forward").focus();
        key("End"); look("End"); key("Home"); look("Home");
        key("ArrowRight", {altKey: true}); look("the browser's own");
        """,
        tmp_path,
    )
    assert [one[1] for one in seen] == ["s1-0", "s1-1", "s1-1", "s1-0", "s1-0", "s1-5", "s1-0", "s1-0"]
    assert [one[2] for one in seen] == ["", "#s1-1", "#s1-1", "#s1-0", "#s1-0", "#s1-5", "#s1-0", "#s1-0"]
    assert seen[0][3] == ""
    assert seen[1][3].startswith(
        "Step 1 of 3. Holder takes the entry. squashfs_cache_get. Victim: has 2 pages of memory and the lock of page 1. Hog: "
    )
    assert "Memory: 4 pages: 2 of programs" in seen[1][3]


def test_buttons_and_the_loop(tmp_path: Path) -> None:
    seen = drive(
        """
        seen.push(["off", off("first"), off("back"), off("forward"), off("last")]);
        press("forward"); look("next"); press("back"); look("back");
        press("last"); look("last"); press("forward"); look("round"); press("forward"); press("forward"); look("third");
        press("back"); press("back"); look("back in the second");
        press("first"); look("first");
        page.querySelectorAll(".story.current .steps a")[2].click(); look("a step"); seen.push(["current", current()]);
        """,
        tmp_path,
    )
    assert seen[0] == ["off", "true", "true", "false", "false"]
    assert [one[1] for one in seen[1:-1]] == ["s1-1", "s1-0", "s1-5", "s1-4", "s1-4", "s1-4", "s1-0", "s1-2"]
    said = {one[0]: one[3] for one in seen[1:-1]}
    assert said["last"].startswith("For ever, step 2 of 2. Holder asks again.")
    assert said["last"].endswith("Afterwards all is as it was before.")
    assert said["round"].startswith("For ever, step 1 of 2, round 2. ")
    assert said["third"].startswith("For ever, step 1 of 2, round 3. ")
    assert said["back in the second"].startswith("For ever, step 1 of 2, round 2. ")
    assert seen[-1] == ["current", "#s1-2"]


def test_another_story(tmp_path: Path) -> None:
    seen = drive(
        """
        page.querySelectorAll("a.tell")[1].click(); look("chosen");
        press("forward"); press("forward"); look("its end"); seen.push(["off", off("forward"), off("play"), off("last")]);
        view.location.hash = "#s1-3"; await pause(50); look("by address");
        """,
        tmp_path,
    )
    assert [one[1] for one in seen] == ["s3-0", "s3-1", "true", "s1-3"]
    assert seen[2] == ["off", "true", "true", "true"]


def test_the_address_says_which_step(tmp_path: Path) -> None:
    seen = drive('look("start"); seen.push(["current", current()]);', tmp_path, hash_="#s3-1")
    assert seen == [["start", "s3-1", "#s3-1", ""], ["current", "#s3-1"]]
    assert drive('look("odd");', tmp_path, hash_="#%22%3Cscript%3E")[0][1] == "s1-0"


def test_play(tmp_path: Path) -> None:
    seen = drive(
        """
        press("play"); const name = page.querySelector(".story.current .play span");
        seen.push(["name", name.textContent]);
        await pause(12000); look("later"); seen.push(["round", page.querySelector(".scene.current .round")?.textContent ?? ""]);
        press("play"); seen.push(["name", name.textContent]);
        const at = shown(); await pause(9000); seen.push(["stays", String(shown() === at)]);
        """,
        tmp_path,
        page(given.two()),
    )
    assert seen[0] == ["name", "Pause"]
    assert seen[1][1] in {"s1-4", "s1-5"}, "it goes round in what goes on for ever"
    assert seen[3:] == [["name", "Play"], ["stays", "true"]]


def test_a_script_that_is_not_ours_does_not_run(tmp_path: Path) -> None:
    html = page(given.two()).replace("</main>", "<script>document.title = 'other'</script></main>")
    assert "CONSOLE" in browse(html, tmp_path)[1]


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_does_not_scroll_sideways(name: str, tmp_path: Path) -> None:
    """Neither at the beginning nor at any step of any story; and the browser complains of nothing (`drive`)."""
    seen = drive(
        """
        f.style.width = "360px"; await pause(50);
        const root = page.documentElement;
        for (const one of page.querySelectorAll("details")) one.open = true;
        const measure = place => {
          const wide = [...page.querySelectorAll("main *, header *, nav *, footer *")].filter(one => one.getBoundingClientRect().right > root.clientWidth + 1);
          seen.push([place, root.clientWidth, root.scrollWidth, wide.slice(0, 5).map(one => one.tagName + "." + one.className)]);
        };
        measure("");
        for (const link of page.querySelectorAll(".steps a")) {
          view.location.hash = link.hash; await pause(20);
          measure(shown());
        }
        """,
        tmp_path,
        page(PAGES[name]()),
    )
    assert [one[1:] for one in seen] == [[PHONE, PHONE, []]] * len(seen)
    assert len({one[0] for one in seen}) == len(seen), "each step was looked at"


def test_arrows_end_at_their_boxes(tmp_path: Path) -> None:
    """An arrow begins and ends beside the boxes that it is between, and stays outside of all."""
    seen = drive(
        """
        press("last");
        const boxes = [...page.querySelectorAll(".scene.current .box")].map(one => one.getBoundingClientRect());
        for (const one of page.querySelectorAll(".scene.current .arrow")) {
          const at = one.getBoundingClientRect();
          const row = y => 1 + boxes.findIndex(box => box.top <= y && y <= box.bottom);
          const clear = boxes.every(box => at.right <= box.left + 1 || at.left >= box.right - 1);
          seen.push(["arrow", one.title.split(":")[0], row(at.top), row(at.bottom), clear]);
        }
        """,
        tmp_path,
    )
    assert sorted(seen) == [
        ["arrow", "Hog to memory", 2, 5, True],
        ["arrow", "Holder to memory", 3, 5, True],
        ["arrow", "Victim to Holder", 1, 3, True],
        ["arrow", "memory to Victim", 1, 5, True],
    ]
