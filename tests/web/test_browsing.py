"""A store looked through: what it says, in which order, and that a log's file is opened only as the store knows it."""

from __future__ import annotations

import gzip
import html
import io
import os
import re
import tarfile
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest

from tests.fleet.made import START, content, finding, log, sign
from tests.fleet.test_store import filled
from tests.report.given import HOSTILE
from tests.web.given import FROZEN, client
from tests.web.test_diagnosing import HUNG, headline
from unkillable.fleet.answers import Totals
from unkillable.fleet.given import Given
from unkillable.fleet.questions import Questions
from unkillable.fleet.types import Finding, Input, Log, Signature
from unkillable.fleet.work import read_logs

CALM = "[    0.000000] Linux version 6.1.0\n[    1.0] systemd[1]: hello\n"


def cells(page: str, name: str) -> list[str]:
    """The text of a column."""
    found = re.findall(rf'data-name="{name}"[^>]*>(.*?)</td>', page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", one)).strip() for one in found]


def rows(page: str) -> list[str]:
    found = re.findall(r'<th role="rowheader"[^>]*><a [^>]*>(.*?)</a>', page)
    return [html.unescape(one) for one in found]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory):
    """A visitor of a store: 120 logs of ten devices and two releases, three causes."""
    folder = tmp_path_factory.mktemp("fleet")
    logs = [
        log(i, sign((i % 7) % 3, i % 2) if i % 4 else None, release=f"fw-{9 + i // 60}") for i in range(120)
    ]
    logs.append(msgspec.structs.replace(log(500), findings=(), problem="no kernel text in it"))
    filled(folder / "store", logs)
    with client(store=str(folder / "store")) as visitor:
        yield visitor


def test_without_a_store_there_are_no_such_pages() -> None:
    with client() as visitor:
        for path in ("/signatures", "/compare", "/broken", "/api/signatures", f"/log/{content(1)}"):
            assert visitor.get(path).status_code == 404
        assert "Signatures" not in visitor.get("/").text


def test_signatures(fleet: httpx.Client) -> None:
    page = fleet.get("/signatures").text
    assert headline(page) == "What hangs"
    assert "90 logs of 121 show a hang; 10 devices, 3 releases, 2023-11-14 to 2023-12-05" in page
    assert sorted(rows(page)) == [f"reclaim-livelock in function_{i}" for i in (0, 1, 2)]
    assert [int(one) for one in cells(page, "Logs")] == sorted(
        (int(one) for one in cells(page, "Logs")), reverse=True
    )
    assert sum(int(one) for one in cells(page, "Logs")) == 90
    assert page.count('class="spark"') == 3
    assert page.count('class="picture trend"') == 1


def test_filters(fleet: httpx.Client) -> None:
    def hung(query: str) -> int:
        return sum(int(one) for one in cells(fleet.get(f"/signatures?{query}").text, "Logs"))

    assert hung("") == 90
    assert hung("release=fw-9") == hung("release=fw-10") == 45
    assert hung("device=device-1") == 12
    assert hung("device=device-1&release=fw-9") == 6
    assert hung("device=nobody") == 0
    assert hung("since=2023-11-15") + hung("until=2023-11-14") == 90
    assert 0 < hung("until=2023-11-14") < 2
    assert "No hang that fits" in fleet.get("/signatures?device=nobody").text
    kept = fleet.get("/signatures?device=device-1&since=2023-11-15&release=fw-9").text
    assert 'value="device-1"' in kept
    assert 'value="2023-11-15"' in kept
    assert '<option value="fw-9" selected>' in kept


def test_orders(fleet: httpx.Client) -> None:
    down = rows(fleet.get("/signatures?sort=count").text)
    for sort in ("devices", "releases", "first", "last", "title"):
        page = fleet.get(f"/signatures?sort={sort}").text
        assert sorted(rows(page)) == sorted(down)
        assert page.count("aria-sort") == 1
    assert rows(fleet.get("/signatures?sort=title").text) == sorted(down)
    assert rows(fleet.get("/signatures?sort=nonsense").text) == down
    last = cells(fleet.get("/signatures?sort=last").text, "Last seen")
    assert last == sorted(last, reverse=True)


@pytest.mark.parametrize(
    ("query", "status"),
    [("page=0", 404), ("page=-1", 404), ("page=x", 404), ("page=%C2%B2", 404), ("page=99999999999", 404), ("page=9", 200), ("page=", 200),
     ("since=yesterday", 400), ("until=2023-02-30", 400), ("since=9999-99-99", 400), (f"device={'x' * 400}", 400), ("nonsense=1", 200),
     ("release=%00", 200), ("device='%20OR%201=1", 200), ("until=9999-12-31", 200)],
)  # fmt: skip
def test_odd_queries(fleet: httpx.Client, query: str, status: int) -> None:
    answer = fleet.get(f"/signatures?{query}")
    assert answer.status_code == status
    assert fleet.get(f"/api/signatures?{query}").status_code == status


def test_one_signature(fleet: httpx.Client) -> None:
    cause = sign(1).cause
    page = fleet.get(f"/signature/{cause}").text
    assert headline(page) == "reclaim-livelock in function_1"
    assert "<dd>page lock, then kswapd</dd>" in page
    assert "<code>function_1</code>" in page
    assert "INFO: task a:1 blocked" in page
    releases = page.partition("By release</h2>")[2].partition("</table>")[0]
    assert rows(releases) == ["fw-10", "fw-9"], "10 is after 9"
    assert cells(releases, "All logs") == ["60", "60"]
    listed = page.partition('id="logs"')[2]
    assert len(rows(listed)) == int(cells(page, "Such logs")[0]) + int(cells(page, "Such logs")[1])
    narrowed = fleet.get(f"/signature/{cause}?release=fw-9&variant={sign(1, 1).variant}").text.partition(
        'id="logs"'
    )[2]
    assert set(cells(narrowed, "Release")) == {"fw-9"}
    assert set(cells(narrowed, "Variant")) == {"way 1"}
    assert 0 < len(rows(narrowed)) < len(rows(listed))


def test_pages(tmp_path: Path) -> None:
    filled(tmp_path / "s", [log(i, sign(1)) for i in range(120)])
    with client(store=str(tmp_path / "s")) as visitor:
        address, seen = f"/signature/{sign(1).cause}", []
        for expected in (50, 50, 20):
            page = visitor.get(address).text.partition('id="logs"')[2]
            seen += rows(page)
            assert len(rows(page)) == expected
            found = re.search(r'rel="next" href="([^"]+)"', page)
            address = f"/signature/{sign(1).cause}{html.unescape(found[1])}" if found else ""
        assert address == ""
        assert 'rel="prev"' in page
        assert len(set(seen)) == 120


def test_what_is_not_there(fleet: httpx.Client) -> None:
    for path in (
        "/signature/nothing",
        "/signature/",
        f"/log/{content('nothing')}",
        "/log/x",
        f"/log/{'g' * 32}",
        "/signature/a/b",
    ):
        assert fleet.get(path).status_code == 404, path


def test_broken(fleet: httpx.Client) -> None:
    page = fleet.get("/broken").text
    assert "1 log of 121 could not be read" in page
    assert rows(page) == ["logs/00500.log"]
    assert cells(page, "Why") == ["no kernel text in it"]


def test_what_programs_get(fleet: httpx.Client) -> None:
    found = fleet.get("/api/signatures?release=fw-9").json()
    assert found["schema"] == "unkillable.signatures/1"
    assert found["totals"]["logs"] == 121
    assert sum(one["count"] for one in found["signatures"]) == 45
    assert found["more"] is False


def test_two_releases(tmp_path: Path) -> None:
    logs = [log(i, sign(1) if i < 40 else sign(2), "fw-1", f"d{i}") for i in range(80)]
    logs += [log(i, sign(2) if i < 140 else None, "fw-2", f"d{i}") for i in range(100, 180)]
    filled(tmp_path / "s", logs)
    with client(store=str(tmp_path / "s")) as visitor:
        page = visitor.get("/compare").text
        same = visitor.get("/compare?before=fw-1&after=fw-2").text
        back = visitor.get("/compare?before=fw-2&after=fw-1").text
    assert page == same, "the last two releases are compared where none are named"
    said = dict(zip(rows(page), cells(page, "Verdict"), strict=True))
    assert said == {
        "reclaim-livelock in function_1": "gone",
        "reclaim-livelock in function_2": "no difference shown",
    }
    assert any(one.startswith("50.0 %") and "40 of 80" in one for one in cells(page, "fw-1"))
    assert (
        dict(zip(rows(back), cells(back, "Verdict"), strict=True))["reclaim-livelock in function_1"] == "new"
    )


def test_one_release_is_not_compared(tmp_path: Path) -> None:
    filled(tmp_path / "s", [log(1, sign(1))])
    with client(store=str(tmp_path / "s")) as visitor:
        assert "There must be logs of two releases" in visitor.get("/compare").text


def test_an_empty_store(tmp_path: Path) -> None:
    filled(tmp_path / "s", [])
    with client(store=str(tmp_path / "s")) as visitor:
        assert "No hang in the store" in visitor.get("/signatures").text
        assert visitor.get("/compare").status_code == visitor.get("/broken").status_code == 200


def test_what_is_added_meanwhile_is_shown(tmp_path: Path) -> None:
    filled(tmp_path / "s", [log(1, sign(1))])
    with client(store=str(tmp_path / "s")) as visitor:
        assert cells(visitor.get("/signatures").text, "Logs") == ["1"]
        filled(tmp_path / "s", [log(2, sign(1))])
        assert cells(visitor.get("/signatures").text, "Logs") == ["2"]


def test_answers_are_remembered_until_the_store_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    totals = Questions.totals

    def counted(self: Questions) -> Totals:
        asked.append("totals")
        return totals(self)

    monkeypatch.setattr(Questions, "totals", counted)
    filled(tmp_path / "s", [log(1, sign(1))])
    with client(store=str(tmp_path / "s")) as visitor:
        at_start = len(asked)
        for _ in range(3):
            visitor.get("/signatures")
        assert len(asked) == at_start + 1
        filled(tmp_path / "s", [log(2, sign(1))])
        assert "2 logs of 2 show a hang" in visitor.get("/signatures").text
        assert len(asked) == at_start + 2
        for i in range(70):
            visitor.get(f"/signatures?device={i}")
        visitor.get("/broken")
        assert len(asked) == at_start + 2, "what is asked for often stays"


def test_a_store_that_breaks_meanwhile(tmp_path: Path) -> None:
    filled(tmp_path / "s", [log(1, sign(1))])
    with client(store=str(tmp_path / "s")) as visitor:
        filled(tmp_path / "s", [log(2, sign(2))])
        for file in (tmp_path / "s").glob("commits/*/logs.parquet"):
            file.write_bytes(b"PAR1 and nothing")
        answer = visitor.get("/signatures")
        assert answer.status_code == 500
        assert "damaged" in answer.text


def test_texts_of_strangers_are_text(tmp_path: Path) -> None:
    odd = HOSTILE.replace("\ud800", "")
    strange = Signature("c" * 12, "d" * 12, odd, odd, "io-stall", odd, odd, odd, (odd, odd), "short")
    found = Finding(0, strange, "io-stall", "high", odd, odd, odd, 1, 2, 1, odd)
    filled(
        tmp_path / "s", [Log(odd, content(1), 9, odd, odd, START, (found,), odd), log(2, sign(1), odd + "2")]
    )
    with client(store=str(tmp_path / "s")) as visitor:
        paths = ("/signatures", f"/signatures?device={quote(odd)}&release={quote(odd)}", f"/signature/{'c' * 12}", f"/log/{content(1)}",
                 "/compare", "/broken", f"/signature/{'c' * 12}?variant={quote(odd)}")  # fmt: skip
        for path in paths:
            answer = visitor.get(path)
            assert answer.status_code == 200, path
            assert "<script" not in answer.text
            assert "onerror=" not in answer.text
            for char in ("\x1b", "\x9b", "\u202e", "\x00"):
                assert char not in answer.text, path
            assert "{{7*7}}{%raw%}" in answer.text, path


def stored(folder: Path, *files: Path) -> list[Log]:
    """What `triage` keeps of files that are read as one, and the store with it."""
    inputs = tuple(Input(str(one), one.stat().st_size, one.stat().st_mtime_ns) for one in files)
    logs = list(read_logs(Given(inputs, tuple(map(str, files)))))
    filled(folder, logs)
    return logs


def test_a_log_is_read_again_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "console.log.gz"
    file.write_bytes(gzip.compress(HUNG.encode()))
    (one,) = stored(tmp_path / "s", file)
    with client(store=str(tmp_path / "s")) as visitor:
        page = visitor.get(f"/log/{one.content}").text
        assert headline(page) == "I/O stall"
        assert 'class="picture graph' in page
        file.write_bytes(gzip.compress(CALM.encode()))
        changed = visitor.get(f"/log/{one.content}").text
        assert "the file has changed since it was read" in changed
        file.unlink()
        gone = visitor.get(f"/log/{one.content}").text
        assert "the file is not there any more" in gone
    for shown in (page, changed, gone):
        assert one.findings[0].signature.title in shown
        assert str(file) in shown


def test_a_member_of_an_archive_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "logs!1.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name, text in (("a.log", CALM * 50), ("deep/b!.log", HUNG)):
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    logs = stored(tmp_path / "s", file)
    assert len(logs) == 2
    with client(store=str(tmp_path / "s")) as visitor:
        pages = [visitor.get(f"/log/{one.content}").text for one in logs]
    assert [headline(page) for page in pages] == ["No hang", "I/O stall"]


def test_rotated_files_are_read_again_together(tmp_path: Path) -> None:
    new, old = tmp_path / "kern.log", tmp_path / "kern.log.1"
    old.write_text(CALM * 40)
    new.write_text(HUNG)
    (tmp_path / "kern.log.txt").write_text("something else\n")
    (one,) = stored(tmp_path / "s", old, new)
    assert one.name == str(new)
    with client(store=str(tmp_path / "s")) as visitor:
        page = visitor.get(f"/log/{one.content}").text
        assert headline(page) == "I/O stall"
        old.write_text(CALM)
        assert "the file has changed since it was read" in visitor.get(f"/log/{one.content}").text


def test_what_could_not_be_read_is_not_read_again(tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (one,) = stored(tmp_path / "s", file)
    with client(store=str(tmp_path / "s")) as visitor:
        assert str(file) in visitor.get("/broken").text
        page = visitor.get(f"/log/{one.content}").text
    assert (one.problem or "-") in html.unescape(page)
    assert "nothing in it that could be read" in page


def test_nothing_but_what_the_store_knows_is_opened(tmp_path: Path) -> None:
    """A store that somebody else wrote names files that are none of a log's business."""
    secret, pipe = tmp_path / "secret", tmp_path / "pipe"
    secret.write_text("[ 1.0] the secret\n")
    os.mkfifo(pipe)
    names = [
        str(secret),
        str(pipe),
        "/dev/zero",
        "/proc/self/environ",
        str(tmp_path),
        "../../etc/passwd",
        "-",
        "x" * 9999,
        "a\0b",
    ]
    logs = [
        msgspec.structs.replace(log(i, sign(1)), name=name, findings=(finding(None),))
        for i, name in enumerate(names)
    ]
    filled(tmp_path / "s", logs)
    with client(store=str(tmp_path / "s")) as visitor:
        for one in logs:
            answer = visitor.get(f"/log/{one.content}")
            assert answer.status_code == 200
            assert "No timeline and no graph here" in answer.text
            assert "the secret" not in answer.text
        for path in (secret, "/etc/passwd"):
            assert visitor.get(f"/log/{quote(str(path), safe='')}").status_code == 404
            assert visitor.get(f"/log/{content(99)}?name={quote(str(path))}").status_code == 404


def test_a_trend_has_dates(fleet: httpx.Client) -> None:
    page = fleet.get(f"/signature/{sign(1).cause}").text
    shown = re.findall(r"<td>(\d{4}-\d\d-\d\d \d\d:\d\d)</td>", page)
    assert len(shown) >= 20
    assert shown[0] == "2023-11-14 22:13"


def test_frozen_again(tmp_path: Path) -> None:
    """An example log under a store's roof is the same page as when it is dropped."""
    file = tmp_path / FROZEN.name
    file.write_bytes(FROZEN.read_bytes())
    (one,) = stored(tmp_path / "s", file)
    with client(store=str(tmp_path / "s")) as visitor:
        page = visitor.get(f"/log/{one.content}").text
    assert headline(page) == "Reclaim livelock"
    assert 'class="picture timeline' in page
