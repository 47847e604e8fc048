"""A log is given and its diagnosis read; what cannot be read is said in a sentence, and nothing is left."""

from __future__ import annotations

import html
import io
import json
import re
import tarfile

import pytest

from tests.report.given import HOSTILE
from tests.web.given import FROZEN, client, form, uploads, zip_bomb
from unkillable.pipeline import inspect
from unkillable.report.html import render
from unkillable.web.limits import Limits
from unkillable.web.receiving import safe_name

HUNG = """[  245.1] INFO: task dd:77 blocked for more than 120 seconds.
[  245.1]       Not tainted 6.1.0 #1
[  245.1] task:dd              state:D stack:0     pid:77    ppid:1      flags:0x00004000
[  245.1] Call Trace:
[  245.1]  <TASK>
[  245.1]  __schedule+0x35a/0x9e0
[  245.1]  schedule+0x5e/0xd0
[  245.1]  io_schedule+0x46/0x70
[  245.1]  __wait_on_buffer+0x13d/0x350
[  245.1]  filemap_fault+0x5c2/0x9e0
[  245.1]  </TASK>
"""


def headline(page: str) -> str:
    (found,) = re.findall(r"<h1>(.*?)</h1>", page)
    return html.unescape(found)


def sentence(page: str) -> str:
    (found,) = re.findall(r'<p class="summary">(.*?)</p>', page)
    return html.unescape(found)


def test_a_file_and_its_diagnosis() -> None:
    with client() as visitor:
        answer = visitor.post(form(visitor), files={"log": (FROZEN.name, FROZEN.read_bytes())})
    assert answer.status_code == 200
    assert headline(answer.text) == "Reclaim livelock"
    assert "<dd>frozen-6.1.log.xz, boot 1</dd>" in answer.text
    assert 'class="picture graph' in answer.text
    assert 'class="picture timeline' in answer.text
    assert uploads() == []


def test_it_looks_like_the_report() -> None:
    """From the headline to the input, the page is the report."""
    with client() as visitor:
        page = visitor.post(form(visitor), files={"log": ("one.log", FROZEN.read_bytes())}).text
    report = render(inspect([str(FROZEN)])).replace(str(FROZEN), "one.log")
    begin, end = '<header class="bad">', "</main>"
    assert page[page.index(begin) : page.index(end)] == report[report.index(begin) : report.index(end)]


def test_pasted_text() -> None:
    with client() as visitor:
        answer = visitor.post(
            form(visitor), data={"text": HUNG.replace("\n", "\r\n")}, files={"log": ("", b"")}
        )
    assert headline(answer.text) == "I/O stall"
    assert "<dd>pasted-text, boot 1</dd>" in answer.text


def test_several_files_and_the_worst_of_them() -> None:
    calm = b"[    0.000000] Linux version 6.1.0\n[    1.0] systemd[1]: hello\n" * 40
    with client() as visitor:
        answer = visitor.post(
            form(visitor), files=[("log", ("a.log", calm)), ("log", ("b.log", HUNG.encode())), ("log", ("c.txt", b"\0" * 99))]
        )  # fmt: skip
    assert headline(answer.text) == "I/O stall"
    assert "a.log, boot 1" in answer.text
    assert "<strong>c.txt</strong>" in answer.text, "what could not be read is named"


def test_an_archive() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in ("../../etc/passwd", "/var/log/kern.log"):
            member = tarfile.TarInfo(name)
            member.size = len(HUNG)
            archive.addfile(member, io.BytesIO(HUNG.encode()))
    with client() as visitor:
        answer = visitor.post(form(visitor), files={"log": ("logs.tgz", out.getvalue())})
    assert headline(answer.text) == "I/O stall"
    assert "logs.tgz!" in answer.text


def test_rotated_files_are_one_log() -> None:
    text = FROZEN.read_bytes()
    with client() as visitor:
        answer = visitor.post(
            form(visitor), data={"answer": "json"}, files=[("log", ("kern.log", HUNG.encode())), ("log", ("kern.log.1.xz", text))]
        )  # fmt: skip
    assert "kern.log.1" not in answer.json()["source"]


def test_a_report_to_keep() -> None:
    with client() as visitor:
        answer = visitor.post(
            form(visitor), data={"answer": "file"}, files={"log": ("one.log", FROZEN.read_bytes())}
        )
    assert answer.headers["content-disposition"] == 'attachment; filename="diagnosis.html"'
    assert answer.text == render(inspect([str(FROZEN)])).replace(str(FROZEN), "one.log")


def test_json() -> None:
    with client() as visitor:
        by_form = visitor.post(
            form(visitor), data={"answer": "json"}, files={"log": ("one.log", FROZEN.read_bytes())}
        )
        by_program = visitor.post("/api/diagnose?name=one.log", content=FROZEN.read_bytes())
    assert by_form.headers["content-type"] == by_program.headers["content-type"] == "application/json"
    assert by_form.content == by_program.content
    assert by_program.json()["schema"] == "unkillable.diagnosis/1"
    assert by_program.json()["source"] == "one.log"


@pytest.mark.parametrize(
    ("data", "files", "status", "said"),
    [
        ({}, {}, 400, "A form with files was expected"),
        ({"text": "  \n"}, {"log": ("", b"")}, 400, "Nothing to read"),
        ({}, {"log": ("x.log", b"")}, 422, "x.log"),
        ({}, {"log": ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(99))}, 422, "found a picture (PNG)"),
        ({"text": "a shopping list"}, {"log": ("", b"")}, 422, "no kernel text in it"),
    ],
)  # fmt: skip
def test_what_is_no_log_gets_a_sentence(
    data: dict[str, str], files: dict[str, tuple[str, bytes]], status: int, said: str
) -> None:
    with client() as visitor:
        answer = visitor.post(form(visitor), data=data, files=files)
    assert answer.status_code == status
    assert said in sentence(answer.text)
    assert sentence(answer.text).endswith(".")
    assert uploads() == []


def test_a_program_gets_the_sentence_as_json() -> None:
    with client() as visitor:
        empty = visitor.post("/api/diagnose", content=b"")
        other = visitor.post("/api/diagnose", content=b"a shopping list")
        nowhere = visitor.get("/api/nothing")
        wrong = visitor.get("/api/diagnose")
    assert (empty.status_code, other.status_code, nowhere.status_code, wrong.status_code) == (
        400,
        422,
        404,
        405,
    )
    assert "the body is to be the log" in empty.json()["error"]
    assert "no kernel text" in other.json()["error"]
    assert nowhere.json() == {"error": "There is no such page."}


@pytest.mark.parametrize(
    "name", [HOSTILE.replace("\ud800", ""), "<img src=x onerror=alert(1)>.log", '"><script>alert(1)</script>']
)
def test_names_and_contents_of_strangers_are_text(name: str) -> None:
    task = '<b>"\x1b[31m\u202e'
    log = HUNG.replace("dd:77", f"{task}:77").replace("task:dd ", f"task:{task} ")
    with client() as visitor:
        page = visitor.post(form(visitor), files={"log": (name, log.encode())}).text
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "boot 1</dd>" in page


def test_names_are_only_names() -> None:
    assert safe_name("../../etc/passwd", []) == "passwd"
    assert safe_name("C:\\logs\\kern.log", []) == "kern.log"
    assert safe_name("a\0b\nc\x1b[31m", []) == "a_b_c_[31m"
    for odd in ("", ".", "..", "-", "/", "a/..", "  "):
        assert safe_name(odd, []) == "log"
    assert len(safe_name("ö" * 999, []).encode()) <= 255
    assert safe_name("kern.log", ["kern.log", "kern-2.log"]) == "kern-3.log"
    assert safe_name("\ud800x", []) == "_x"


def test_a_file_that_is_called_like_a_module_is_not_run() -> None:
    """The worker's working directory is full of strangers' files."""
    trap = b"raise SystemExit(7)\n"
    names = ("msgspec.py", "jinja2.py", "igraph.py", "sitecustomize.py", "unkillable.py", "encodings.py")
    with client() as visitor:
        answer = visitor.post(
            form(visitor), files=[*(("log", (name, trap)) for name in names), ("log", ("k.log", HUNG.encode()))]
        )  # fmt: skip
    assert headline(answer.text) == "I/O stall"


def test_too_large() -> None:
    limits = Limits(upload=1 << 20, paste=4096, files=3)
    with client(limits) as visitor:
        address = form(visitor)
        declared = visitor.post(address, files={"log": ("x", bytes(3 << 20))})
        streamed = visitor.post("/api/diagnose", content=(bytes(1 << 18) for _ in range(12)))
        pasted = visitor.post(address, data={"text": "x" * 5000}, files={"log": ("", b"")})
        many = visitor.post(address, files=[("log", (f"{i}.log", b"x")) for i in range(4)])
        fits = visitor.post(address, files={"log": ("x", (HUNG * 1000).encode())})
    assert [one.status_code for one in (declared, streamed, pasted, many, fits)] == [413, 413, 413, 413, 200]
    assert "More than 1 MiB" in sentence(declared.text)
    assert "More than 1 MiB" in streamed.json()["error"]
    assert "pasted text" in sentence(pasted.text)
    assert "More than 3 files" in sentence(many.text)
    assert uploads() == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=" + "x" * 300, b"x"),
        ("multipart/form-data; boundary=x", b"no form at all"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--\r\n"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=log; filename=y\r\n\r\nabc",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 99999 + b"\r\n\r\n"),
        ("application/x-www-form-urlencoded", b"text=abc"),
    ],
)
def test_damaged_forms(kind: str, body: bytes) -> None:
    with client() as visitor:
        answer = visitor.post(form(visitor), content=body, headers={"content-type": kind})
    assert answer.status_code in (400, 422), answer.text
    assert uploads() == []


def test_a_zip_bomb() -> None:
    with client() as visitor:
        answer = visitor.post(form(visitor), files={"log": ("bomb.zip", zip_bomb())})
    assert answer.status_code == 422
    assert "bomb.zip" in sentence(answer.text)
    assert uploads() == []


def test_a_log_that_takes_too_long() -> None:
    with client(Limits(seconds=0)) as visitor:
        answer = visitor.post(form(visitor), files={"log": ("k.log", HUNG.encode())})
    assert answer.status_code == 504
    assert "took more than 0 s" in sentence(answer.text)
    assert uploads() == []


def test_a_log_that_needs_too_much_memory() -> None:
    """The worker cannot even start to answer in so little: what it says or how it ends, it is a sentence."""
    with client(Limits(memory=64 << 20)) as visitor:
        answer = visitor.post(form(visitor), files={"log": ("k.log", FROZEN.read_bytes())})
    assert answer.status_code == 422
    assert "memory" in sentence(answer.text).lower()


def test_no_more_uploads_than_there_is_room_for() -> None:
    with client(Limits(waiting=0)) as visitor:
        answer = visitor.post(form(visitor), files={"log": ("k.log", HUNG.encode())})
    assert answer.status_code == 503
    assert "try again" in sentence(answer.text)


def test_a_fault_of_ours_is_told_to_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from unkillable.web.workers import Workers

    async def broken(*_: object) -> None:
        raise RuntimeError("a bug\x1b[31m")

    monkeypatch.setattr(Workers, "run", broken)
    with client() as visitor:
        answer = visitor.post("/api/diagnose", content=b"x")
    assert answer.status_code == 500
    assert "fault of the program" in answer.json()["error"]
    assert "unkillable: /api/diagnose: RuntimeError: a bug\\x1b[31m" in capsys.readouterr().err
    assert json.dumps(answer.json()).count("bug") == 0
