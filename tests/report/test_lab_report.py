"""Reports of the lab: what the first line says, what the pictures show, and that nothing of a guest becomes markup."""

import base64
import hashlib
import re
import sys
from collections.abc import Callable
from html import escape
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.lab import made
from tests.report import given, lab_given
from tests.report.test_browser import MEASURE, PHONE, browse
from tests.report.test_html import Page
from unkillable.errors import UserError
from unkillable.lab.setup import Emulator, Module, Root, Setup, Workload
from unkillable.lab.types import OUTCOMES, Beat, Exit, Look, Run, Spread
from unkillable.report import lab_html, lab_pictures, lab_text, lab_words

needs_pictures = pytest.mark.usefixtures("pictures")


@pytest.fixture
def pictures() -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("scipy")


PAGES: dict[str, Callable[[], str]] = {
    "reproduction": lambda: lab_html.reproduction_page(lab_given.reproduction()),
    "comparison": lambda: lab_html.comparison_page(lab_given.comparison()),
    "hostile reproduction": lambda: lab_html.reproduction_page(lab_given.hostile_reproduction()),
    "hostile comparison": lambda: lab_html.comparison_page(lab_given.hostile_comparison()),
    "long names": lambda: lab_html.comparison_page(lab_given.hostile_comparison("x" * 5000)),
    "no run": lambda: lab_html.reproduction_page(lab_given.reproduction(())),
}


def test_the_first_line_is_the_answer() -> None:
    found = lab_given.reproduction()
    text = lab_text.reproduction(found, columns=100)
    assert text.splitlines()[0] == found.summary.sentence
    assert text.startswith("stalled: 5 of 5 runs; the longest time without an answer was 38.2 s (22.7-57.5)")
    assert lab_text.comparison(lab_given.comparison()).splitlines()[0] == lab_given.comparison().sentence


def test_each_run_has_a_line_and_says_what_decided_it() -> None:
    text = lab_text.reproduction(lab_given.reproduction(), columns=110)
    lines = [line.split() for line in text.splitlines()]
    assert ["1", "stalled", "22.7", "s", "10.0", "s"] in [line[:6] for line in lines]
    assert ["7", "livelock", "(looked", "at)", ">", "121.0", "s"] in [line[:7] for line in lines]
    for words in (
        "no answer for 22.7 s", "the host was too busy", "Linux 6.1.0-56-cloud-amd64 (6.1.192)", "squashfs, lz4, 128 KiB blocks",
        "/proc/sys/vm/swappiness = 1", "run 1: logs/console.log", "With 5 runs a side", "The processor is emulated.",
        "software emulation (QEMU emulator version 7.2.22)", "run 5: reclaim-livelock (high confidence): all reclaim",
        "stuck in squashfs_readahead, try_to_free_pages", "the dump agrees with the measured outcome",
    ):  # fmt: skip
        assert words in text, words


def test_the_command_line_is_shown_when_asked_for() -> None:
    found = lab_given.reproduction((made.run(30.0, command_line=("qemu-system-x86_64", "-append", "a b")),))
    assert "qemu-system" not in lab_text.reproduction(found)
    full = lab_text.reproduction(found, full=True)
    assert "  qemu-system-x86_64 -append 'a b'\n" in full, "as a shell takes it"
    assert "kernel: linux-image-6.1.0-56-cloud-amd64 6.1.192-2" in full


def test_every_kill_and_exit_is_shown_when_asked_for() -> None:
    kills = (made.kill(91, 20.0, 20.5), made.kill(92, 30.0, None), made.kill(93, 40.0, 41.0, "user"))
    found = lab_given.reproduction(
        (made.run(30.0, kills=kills, exits=(Exit(50.0, "churn4", 94, 7), Exit(51.0, "sh", 95, 0, 2))),)
    )
    assert "churn1/91" not in lab_text.reproduction(found)
    full = lab_text.reproduction(found, full=True)
    for line in (
        "  run 1      18.000 s  churn1/91 was sent SIGKILL by the OOM killer, and was gone after 0.500 s",
        "  run 1      28.000 s  churn2/92 was sent SIGKILL by the OOM killer, and was not seen to exit",
        "  run 1      38.000 s  churn3/93 was sent SIGKILL by a program, and was gone after 1.000 s",
        "  run 1      48.000 s  churn4/94 died of signal 7",
        "  run 1      49.000 s  sh/95 exited with status 2",
    ):
        assert line + "\n" in full, line
    many = lab_given.reproduction((made.run(30.0, kills=kills * 100),))
    assert "100 more" in lab_text.reproduction(many, full=True)


def test_an_empty_note_is_none() -> None:
    assert lab_text.reproduction(lab_given.reproduction(notes=("", "one"))).endswith("\nOne\n")


def test_a_disagreement_is_not_hidden() -> None:
    look = Look("no-hang", "nothing hangs", "high", (), False, "the canary stood still for 30 s")
    text = lab_text.reproduction(lab_given.reproduction((made.run(30.0, look=look),)), columns=200)
    assert "THE DUMP DISAGREES with the measured outcome: the canary stood still for 30 s" in text
    neither = msgspec.structs.replace(look, agrees=None)
    assert "neither confirms nor contradicts" in lab_words.agreement(neither)


def test_the_headline_has_the_colour_of_its_outcome() -> None:
    def paint(role: str, text: str) -> str:
        return f"<{role}>{text}"

    for runs, role in (
        ((made.run(30.0),), "headline-bad"),
        ((made.run(1.0),), "headline-good"),
        ((made.failed(),), "headline-unsure"),
        ((made.failed("boot-failed"),), "headline-unsure"),
        ((), "headline-unsure"),
    ):
        assert lab_text.reproduction(lab_given.reproduction(runs), paint).startswith(f"<{role}>")


def test_a_comparison_has_a_table_for_each_kernel() -> None:
    text = lab_text.comparison(lab_given.comparison(), columns=220)
    for words in (
        "AGAINST stock",
        "  debian:6.1: stock: stalled; better: min_ttl_ms=1000",
        "does not apply: only from Linux 6.1 on",
        "better, 0.05 x, p = 0.0079",
        "worse, 3 x, p = 0.0079",
        "better, at most 0.93 x, p = 0.048",
        "> 123.0 (121.0->125.0)",
        "not compared: 5 of 5 runs of this cell ended in a panic",
        "not run yet",
        "Of 3 comparisons",
    ):
        assert words in text, words
    assert "RUN" not in text
    full = lab_text.comparison(lab_given.comparison(), columns=140, full=True)
    assert full.count("RUN  OUTCOME") == 6
    assert "  debian:6.1, stock: qemu-system-x86_64 -m 192" in full


def test_ends_that_are_not_the_oom_killers_have_a_column_where_there_are_any() -> None:
    plain = lab_given.comparison()
    assert "OTHER ENDS" not in lab_text.comparison(plain, columns=220)
    ends = tuple(Exit(10.0 + n, "churn1", 200 + n, 15) for n in range(3))
    base = plain.cells[4].runs
    runs = (made.run(1.0, exits=ends, kills=()), made.run(1.0, exits=ends[:1], kills=()))
    cells = (*plain.cells, lab_given.cell("debian:6.1", "earlyoom", runs, base))
    text = lab_text.comparison(msgspec.structs.replace(plain, cells=cells), columns=220)
    assert text.count("OTHER ENDS") == 2, "in the table of each kernel"
    head, *lines = text[text.index("\ndebian:6.1\n") :].splitlines()[2:]
    cell = {line.split()[0]: line[head.index("OTHER ENDS") :].split("  ")[0] for line in lines if line}
    assert (cell["earlyoom"], cell["block-4k"], cell["panic_on_oom"]) == ("SIGTERM 2 (1-3)", "0", "-")


@needs_pictures
def test_a_page_has_that_column_too() -> None:
    plain = lab_given.comparison()
    assert "Other ends" not in lab_html.comparison_page(plain)
    runs = (made.run(1.0, exits=(Exit(10.0, "churn1", 200, 15),), kills=()),)
    cells = (*plain.cells, lab_given.cell("debian:6.1", "earlyoom", runs, plain.cells[4].runs))
    page = Page(lab_html.comparison_page(msgspec.structs.replace(plain, cells=cells)))
    assert "SIGTERM 1" in page.everything()
    assert " ".join(page.everything().split()).count("Other ends Answers") == 2, "in the table of each kernel"
    assert "signal ended which the OOM killer did not send" in " ".join(page.everything().split())


@pytest.mark.parametrize("columns", [60, 80, 110, 160])
def test_lines_are_as_wide_as_asked_where_they_can_be(columns: int) -> None:
    texts = (
        lab_text.reproduction(lab_given.reproduction(), columns=columns),
        lab_text.comparison(lab_given.comparison(), columns=columns),
    )
    for text in texts:
        for line in text.splitlines()[1:]:
            assert len(line) <= max(columns, 130), "a table with its last column is 130 wide"


def test_nothing_of_a_guest_reaches_a_terminal_unescaped() -> None:
    for text in (
        lab_text.reproduction(lab_given.hostile_reproduction(), full=True),
        lab_text.comparison(lab_given.hostile_comparison(), full=True),
    ):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert "\\x1b[31m" in text, "shown, not sent"


def test_figures_say_what_is_a_bound() -> None:
    assert lab_words.figure(Spread(3, 38.2, 22.7, 57.5)) == "38.2 (22.7-57.5)"
    assert lab_words.figure(Spread(3, 38.2, 22.7, 57.5, open=1)) == "38.2 (22.7->57.5)"
    assert lab_words.figure(Spread(2, 121, 121, 121, open=2, median_open=True)) == "> 121.0"
    assert lab_words.count(Spread(2, 2.5, 1, 4)) == "2.5 (1-4)"
    assert lab_words.figure(Spread(2, 0.031, 0.031, 0.031)) == "0.031"
    assert lab_words.figure(None) == lab_words.count(None) == "-"


def test_a_setup_in_words() -> None:
    setup = Setup(
        root=Root(compressor="none", fragments=False), module=Module("cache", "single", "patches"),
        workload=Workload("threads", threads=4), emulator=Emulator(cpus=1, disk_mib_s=2, icount_shift=3), zram_mib=32, cgroup_mib=64,
        canary_mlock=True, daemons=("/usr/bin/earlyoom -p",), oom_score_adj=500, room_mib=0,
    )  # fmt: skip
    found = dict(lab_words.setup_words(setup))
    assert found["Root"] == "squashfs, not compressed, 128 KiB blocks, no fragments"
    assert found["squashfs.ko"] == "rebuilt: FILE_CACHE, decompressors single, patched from patches"
    assert found["Machine"] == "x86_64, 1 CPU, 256 MiB, disk of 2 MiB/s, 125 million instructions a second"
    assert found["Workload"] == "threads: 8 programs of 4 threads"
    assert (found["Swap"], found["Canary"]) == ("zram, 32 MiB", "locked into memory")
    assert "Room" not in found
    assert dict(lab_words.setup_words(Setup(root=Root(fs="erofs"))))["Root"] == "erofs, lz4"
    assert dict(lab_words.setup_words(Setup(root=Root(fs="tmpfs"))))["Root"] == "tmpfs"


@needs_pictures
def test_bars_are_what_the_canary_felt() -> None:
    run = made.run(30.0)
    assert [(start, round(start + width, 1), colour) for start, width, colour in lab_pictures._bars(run, 2.0, 62.0)] == [
        (0.0, 9.1, "good"),
        (9.1, 40.0, "bad"),
        (40.0, 60.0, "good"),
    ]  # fmt: skip
    late = msgspec.structs.replace(
        run, beats=(Beat(2.0, 0.1), Beat(3.0, 3.5), Beat(7.0, 0.1)), measured_s=6.0
    )
    assert [colour for _, _, colour in lab_pictures._bars(late, 2.0, 8.0)] == ["good", "warn", "good"]
    frozen = made.run(121.0, open_end=True)
    start, width, colour = lab_pictures._bars(frozen, 2.0, 2.0 + frozen.measured_s)[-1]
    assert (colour, round(start + width)) == ("bad", 131), "to the end of the measurement"
    silent = msgspec.structs.replace(run, beats=())
    assert [colour for _, _, colour in lab_pictures._bars(silent, 2.0, 62.0)] == ["bad"]


@needs_pictures
def test_a_run_of_days_is_drawn_in_bounds() -> None:
    beats = tuple(Beat(float(second), 0.1 + 3 * (second % 4 == 0)) for second in range(0, 90_000, 5))
    long = made.run(30.0, beats=beats, began=0.0, measured_s=90_000.0, stalled_at=10.0)
    page = lab_html.reproduction_page(lab_given.reproduction((long,)))
    assert len(page) < 2_000_000


@needs_pictures
def test_pictures_of_a_comparison() -> None:
    page = lab_html.comparison_page(lab_given.comparison())
    found = {
        re.findall(r'aria-labelledby="(\w+)-title', svg)[0]: svg
        for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    }
    assert found.keys() == {"longest", "timelines", "latencies"}
    for svg in found.values():
        given.parsed(svg)
    texts = {name: re.findall(r"<text[^>]*>([^<]*)</text>", svg) for name, svg in found.items()}
    for name in ("longest", "timelines"):
        for words in (
            "debian:5.10",
            "debian:6.1",
            "stock",
            "min_ttl_ms=1000",
            "block-4k",
            "does not apply",
            "not run yet",
        ):
            assert words in texts[name], (name, words)
    assert "panic" in texts["longest"]
    assert "no answer" in texts["timelines"]
    assert "debian:5.10: 5 killed, 5 never seen to exit" in texts["latencies"]
    assert "debian:6.1: 10 killed" in texts["latencies"]
    assert found["longest"].count("f-good") > 5, "the better cell is green"
    assert "debian:6.1, min_ttl_ms=1000: 1.9 (1.1-2.9) s." in found["longest"], "for those who do not see it"
    assert not re.search(r"#[0-9a-f]{6}", " ".join(found.values())), "every colour has a dark counterpart"


@needs_pictures
def test_names_are_drawn_as_they_are() -> None:
    name = "$x^2$ \N{CJK UNIFIED IDEOGRAPH-6F22}"
    cell = lab_given.cell(name, name, (made.run(30.0),))
    page = lab_html.comparison_page(
        msgspec.structs.replace(lab_given.comparison(), cells=(cell,), baseline=name)
    )
    assert page.count(f">{name}</text>") == 4, "title and row of two pictures"


@needs_pictures
def test_nobody_killed_is_no_picture() -> None:
    assert lab_pictures.latencies([("6.1", [made.run(30.0, kills=())])]) is None
    assert 'id="latencies-s"' not in lab_html.reproduction_page(
        lab_given.reproduction((made.run(30.0, kills=()),))
    )
    assert (
        lab_pictures.latencies([("6.1", [made.run(30.0)]), ("6.12", [made.run(30.0, kills=())])]) is not None
    )


@needs_pictures
def test_every_name_has_a_line_and_is_named_above_the_lines() -> None:
    figure = lab_pictures.latencies([(f"kernel {number}", [made.run(30.0)]) for number in range(11)])
    assert figure is not None
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert [one.get_text().partition(":")[0] for one in legend.get_texts()] == [
        f"kernel {i}" for i in range(11)
    ]
    figure.draw_without_rendering()
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1
    assert legend.get_window_extent().y1 <= figure.bbox.y1


@needs_pictures
def test_a_picture_alone_brings_its_colours() -> None:
    files = lab_html.drawings(lab_given.comparison())
    assert files.keys() == {"longest.svg", "timelines.svg", "latencies.svg"}
    for text in files.values():
        root = given.parsed(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in text
        assert ".f-bad { fill: var(--bad); }" in text


def test_without_the_extra_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"matplotlib is not installed: pip install 'unkillable\[lab\]'"):
        lab_html.reproduction_page(lab_given.reproduction((made.run(30.0, kills=()),)))


@needs_pictures
@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_from_elsewhere(name: str) -> None:
    html = PAGES[name]()
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "base", "form", "img", "image"}
    (policy,) = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    (css,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert (
        policy
        == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert not [tag for tag, attributes in page.elements if "style" in attributes], (
        "the policy forbids style attributes"
    )
    assert not re.search(r"(?:href|src)=.?\w+:/", html)
    assert page.comments == 0
    assert all(char.isprintable() or char == "\n" for char in html)


@needs_pictures
@pytest.mark.parametrize("name", PAGES)
def test_its_structure_is_accessible(name: str) -> None:
    page = Page(PAGES[name]())
    tags = [tag for tag, _ in page.elements]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert tags.count(landmark) == 1, landmark
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels)), "no level is skipped"
    idents = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(idents) == len(set(idents))
    for tag, attributes in page.elements:
        if tag == "a":
            assert (attributes["href"] or "").removeprefix("#") in idents
        if tag == "use":
            assert (attributes["href"] or "").removeprefix("#") in idents
        for reference in (attributes.get("aria-labelledby") or "").split():
            assert reference in idents
        if tag == "th":
            assert attributes.get("scope") in {"col", "row"}
        if tag == "svg":
            assert attributes.get("role") == "img"
        if attributes.get("role") == "region":
            assert attributes.get("aria-label")
            assert attributes.get("tabindex") == "0", "what scrolls can be scrolled with keys"


@needs_pictures
def test_hostile_text_stays_text() -> None:
    for html in (PAGES["hostile reproduction"](), PAGES["hostile comparison"]()):
        page = Page(html)
        assert "<script" not in html
        assert "<script>alert('x')</script>" in page.everything()
        assert "{{7*7}}" in page.everything(), "not run as a template"


@needs_pictures
def test_what_is_left_out_is_said() -> None:
    many = lab_given.reproduction((made.run(30.0, kills=()),) * 150)
    page = " ".join(Page(lab_html.reproduction_page(many)).everything().split())
    assert "50 runs left out here" in page


@needs_pictures
def test_a_page_says_everything() -> None:
    page = " ".join(Page(lab_html.reproduction_page(lab_given.reproduction())).everything().split())
    for words in (
        "Stalled", "stalled: 5 of 5 runs", "Linux 6.1.0-56-cloud-amd64 (6.1.192)", "no answer for 22.7 s", "looked at",
        "squashfs_readahead, try_to_free_pages", "the dump agrees", "With 5 runs a side", "qemu-system-x86_64 -m 192",
        "linux-image-6.1.0-56-cloud-amd64 6.1.192-2", "The processor is emulated.", "A run with * was looked at",
    ):  # fmt: skip
        assert words in page, words
    table = " ".join(Page(lab_html.comparison_page(lab_given.comparison())).everything().split())
    for words in (
        "What helps", "5; 5 still missing", "does not apply: only from Linux 6.1 on", "worse, 3 x, p = 0.0079", "to see whether it helps",
        "> 123.0 (121.0->125.0)", "not run yet", "squashfs, lz4, 4 KiB blocks", "interleaved, seed 1",
    ):  # fmt: skip
        assert words in table, words


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_a_meaning(outcome: str) -> None:
    assert lab_words.MEANING[outcome].endswith(".")


@needs_pictures
def test_a_page_for_every_outcome() -> None:
    for outcome in OUTCOMES:
        run: Run = made.failed(outcome) if outcome.endswith("failed") else made.run(30.0, outcome=outcome)
        assert Page(lab_html.reproduction_page(lab_given.reproduction((run,)))).text("h1") == [
            outcome.capitalize()
        ]


@needs_pictures
@pytest.mark.browser
@pytest.mark.parametrize("name", ["reproduction", "comparison", "hostile comparison", "long names"])
def test_a_browser_shows_it_without_complaint_and_a_phone_does_not_scroll(name: str, tmp_path: Path) -> None:
    html = PAGES[name]()
    dom, log = browse(html, tmp_path)
    assert "CONSOLE" not in log, log
    assert "Content Security Policy" not in log
    dom, _ = browse(MEASURE % (escape(html), PHONE), tmp_path)
    (found,) = re.findall(r"MEASURED (\{.*?\})<", dom)
    assert '"scroll":390,"client":390,"wide":[]' in found, found
