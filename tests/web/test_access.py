"""Who is let in, from where, and what every answer says to the browser."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.web.given import FROZEN, TOKEN, client, form
from unkillable.web.access import Access, is_token

LOCKED = Access(token=TOKEN, cookie="unkillable-8399")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8399", "localhost:1", "LOCALHOST", "[::1]:8399"])
def test_its_own_names(host: str) -> None:
    with client() as visitor:
        assert visitor.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8399", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.2", "", "localhost@evil.example",
     "localhost:80:80", "127.0.0.1/", "a b", "[::1", "0x7f.1", "localhost\u00e9"],
)  # fmt: skip
def test_other_names_are_not_answered(host: str) -> None:
    """DNS rebinding: a stranger's name that leads here."""
    with client() as visitor:
        answer = visitor.get("/", headers={b"host": host.encode()})
        upload = visitor.post("/api/diagnose", content=b"x", headers={b"host": host.encode()})
    assert answer.status_code == upload.status_code == 421
    assert "form" not in answer.text


def test_names_beyond_loopback() -> None:
    access = Access(loopback=False, names=frozenset(["box.lan"]), token=TOKEN)
    with client(access=access) as visitor:
        status = {
            host: visitor.get("/", headers={"host": host, "authorization": f"Bearer {TOKEN}"}).status_code
            for host in ("box.lan:8399", "192.168.1.2:8399", "[fe80::1]", "other.lan", "192.168.1.256")
        }
    assert status == {
        "box.lan:8399": 200,
        "192.168.1.2:8399": 200,
        "[fe80::1]": 200,
        "other.lan": 421,
        "192.168.1.256": 421,
    }


@pytest.mark.parametrize("path", ["/", "/signatures", "/api/signatures", "/nothing", "/static/x.css"])
def test_nothing_without_the_token(path: str) -> None:
    with client(access=LOCKED) as visitor:
        answer = visitor.get(path)
    assert answer.status_code == 401
    assert TOKEN not in answer.text
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer \u00e9",
        "Bearer None",
    ],
)
def test_a_wrong_token(header: str) -> None:
    with client(access=LOCKED) as visitor:
        assert visitor.get("/", headers={b"authorization": header.encode()}).status_code == 401
        assert visitor.get("/", params={"token": f"{header} "}).status_code == 401
        assert (
            visitor.get(
                "/", headers={"cookie": f"unkillable-8399={header.encode('ascii', 'replace').decode()}"}
            ).status_code
            == 401
        )


def test_the_token_of_a_program() -> None:
    with client(access=LOCKED) as visitor:
        answer = visitor.post(
            "/api/diagnose", content=FROZEN.read_bytes(), headers={"authorization": f"bearer {TOKEN}"}
        )
    assert answer.json()["verdict"]["kind"] == "reclaim-livelock"


def test_the_token_of_an_address_becomes_a_cookie() -> None:
    with client(access=LOCKED) as visitor:
        first = visitor.get(f"/?token={TOKEN}&a=b%26")
        assert first.status_code == 303
        assert first.headers["location"] == "/?a=b%26"
        cookie = first.headers["set-cookie"]
        assert cookie.startswith("unkillable-8399=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert visitor.get("/").status_code == 200
        assert visitor.post(form(visitor), files={"log": ("x", FROZEN.read_bytes())}).status_code == 200
        assert visitor.get("/?token=wrong").status_code == 401
        visitor.cookies.clear()
        assert visitor.get("/").status_code == 401


def test_a_cookie_is_of_one_token() -> None:
    with client(access=LOCKED) as visitor:
        visitor.get(f"/?token={TOKEN}")
        ticket = visitor.cookies["unkillable-8399"]
    with client(access=Access(token=f"{TOKEN}2", cookie="unkillable-8399")) as other:
        assert other.get("/", headers={"cookie": f"unkillable-8399={ticket}"}).status_code == 401


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "/\\evil.example", "///evil.example", "/%2f/evil.example", "/%0d%0aSet-Cookie:x=y"],
)
def test_the_way_on_stays_here(path: str) -> None:
    with client(access=LOCKED) as visitor:
        answer = visitor.get(f"http://127.0.0.1{path}?token={TOKEN}")
    assert answer.status_code == 303
    assert re.fullmatch(r"/([^/\\].*)?", answer.headers["location"])
    assert list(answer.cookies) == ["unkillable-8399"]


def test_a_token_is_not_taken_from_a_form() -> None:
    with client(access=LOCKED) as visitor:
        assert visitor.post(f"/api/diagnose?token={TOKEN}", content=b"x").status_code == 401


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("x" * 16, True),
        ("x" * 15, False),
        ("x" * 257, False),
        ("x" * 15 + "&", False),
        ("x" * 16 + "\n", False),
        ("\u00e9" * 16, False),
        ("A-z._~0123456789", True),
    ],
)
def test_what_a_token_is(text: str, good: bool) -> None:
    assert is_token(text) is good


def post(visitor: httpx.Client, address: str, **headers: str) -> int:
    return visitor.post(address, files={"log": ("", b"")}, headers=headers).status_code


def test_other_sites_cannot_send_forms() -> None:
    with client() as visitor:
        own = form(visitor)
        assert post(visitor, own) == 400, "let in: nothing was chosen"
        assert post(visitor, own, origin="http://127.0.0.1") == 400
        assert post(visitor, own, origin="null") == 400, (
            "this is what a browser sends, as no referrer is told"
        )
        assert post(visitor, "/diagnose") == 403
        assert post(visitor, "/diagnose?form=") == 403
        assert post(visitor, own + "x") == 403
        assert post(visitor, own, origin="http://evil.example") == 403
        assert post(visitor, own, origin="http://127.0.0.1:81") == 403
        assert post(visitor, own, origin="http://127.0.0.1.evil.example") == 403
        assert post(visitor, own, **{"sec-fetch-site": "cross-site"}) == 403
        assert post(visitor, own, **{"sec-fetch-site": "same-site"}) == 403
        assert post(visitor, own, **{"sec-fetch-site": "same-origin"}) == 400


def test_other_sites_cannot_use_the_programs_way() -> None:
    with client() as visitor:
        assert post(visitor, "/api/diagnose") == 422, "let in: a form is no log"
        for origin in ("http://evil.example", "null", "http://localhost:80", "file://"):
            assert post(visitor, "/api/diagnose", origin=origin) == 403
        assert post(visitor, "/api/diagnose", **{"sec-fetch-site": "cross-site"}) == 403


def test_what_every_answer_says() -> None:
    with client() as visitor:
        style = re.findall(r'href="(/static/[^"]+)"', visitor.get("/").text)[0]
        answers = [
            visitor.get("/"), visitor.get("/nothing"), visitor.get("/", headers={"host": "x"}), visitor.get(style), visitor.post("/diagnose"),
            visitor.post("/api/diagnose", content=b"x"), visitor.put("/"), visitor.options("/"),
        ]  # fmt: skip
    assert [one.status_code for one in answers] == [200, 404, 421, 200, 403, 422, 403, 405]
    for one in answers:
        policy = one.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in one.headers
        assert "server" not in one.headers
        if one is not answers[3]:
            assert one.headers["cache-control"] == "no-store"
        assert "<script" not in one.text
        assert " style=" not in one.text


@pytest.mark.parametrize(
    "path",
    ["/static/", "/static", "/static/../app.py", "/static/%2e%2e/app.py", "/..%2f..%2fetc/passwd", "/templates/base.html", "/log/../../etc/passwd",
     "/log/%2fetc%2fpasswd", "//etc/passwd", "/static/..%5capp.py", "/%00", "/static/.css"],
)  # fmt: skip
def test_no_file_is_reached_by_an_address(path: str) -> None:
    with client() as visitor:
        answer = visitor.get(f"http://127.0.0.1{path}")
    assert answer.status_code == 404
    assert "root:" not in answer.text
    assert "import" not in answer.text
