"""The store: what was committed is there once, whoever wrote it and however often."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import msgspec
import pytest

from tests.fleet.made import content, finding, log, sign, source
from unkillable.errors import UserError
from unkillable.fleet import merging
from unkillable.fleet.store import Store
from unkillable.fleet.types import Finding, Input, Log
from unkillable.fleet.views import Window


def filled(path: Path, logs: list[Log], **options: int) -> Store:
    store = Store.open(str(path), create=True)
    with store.writer(**options) as writer:
        for one in logs:
            writer.add(one)
            writer.done(source(one))
    return store


def test_what_was_written_is_answered(tmp_path: Path) -> None:
    logs = [log(i, sign(i % 3) if i % 4 else None) for i in range(100)]
    store = filled(tmp_path / "s", logs)
    with store.questions() as ask:
        totals = ask.totals()
        assert (totals.logs, totals.copies, totals.hung, totals.devices) == (100, 0, 75, 10)
        assert [(one.cause, one.count) for one in ask.signatures()] == [
            (sign(i).cause, sum(1 for k in range(100) if k % 4 and k % 3 == i)) for i in range(3)
        ]
        one = ask.signature(sign(1).cause)
        assert one.title == "reclaim-livelock in function_1"
        assert one.holders == ("page lock", "kswapd")
        assert [(share.name, share.count, share.logs) for share in one.per_release] == [("fw-1", 25, 100)]
        assert ask.whole(ask.signatures()) == [ask.signature(each.cause) for each in ask.signatures()]
        assert ask.whole([]) == []
        assert ask.signature("no such") is None
        assert [row.name for row in ask.logs(cause=sign(1).cause, limit=2)] == [
            "logs/00097.log",
            "logs/00094.log",
        ]
        assert [row.name for row in ask.log(content(5))] == ["logs/00005.log"]
        assert ask.log("nonsense") == ask.log("x" * 32) == []
        bins = ask.trend(bins=4)
        assert [one.logs for one in bins] == [25, 25, 25, 25]
        assert sum(one.hung for one in bins) == 75


def test_releases_and_several_trends_at_once(tmp_path: Path) -> None:
    logs = [log(i, sign(i % 2) if i % 4 else None, release=f"fw-{i // 50}") for i in range(100)]
    logs.append(log(200, sign(1), release=""))
    store = filled(tmp_path / "s", logs)
    with store.questions() as ask:
        assert [(one.name, one.count, one.logs) for one in ask.releases()] == [
            ("fw-1", 38, 50),
            ("fw-0", 37, 50),
        ]
        assert len(ask.releases(limit=1)) == 1
        causes = [sign(0).cause, sign(1).cause]
        for release in (None, "fw-1"):
            assert ask.trends([*causes, "no such"], 7, release) == {
                one: tuple(part.hung for part in ask.trend(one, 7, release)) for one in [*causes, "no such"]
            }
        assert ask.trends([], 7) == {}
    with filled(tmp_path / "empty", []).questions() as ask:
        assert (ask.totals().logs, ask.totals().hung, ask.totals().broken, ask.totals().older) == (0, 0, 0, 0)
        assert ask.releases() == []
        assert ask.trends(["a"]) == {}
        assert ask.trend() == []


def test_the_same_log_again_changes_nothing(tmp_path: Path) -> None:
    logs = [log(i, sign(i % 3)) for i in range(50)]
    store = filled(tmp_path / "s", logs)
    with store.questions() as ask:
        before = (ask.totals(), ask.signatures(), ask.logs())
        filled(tmp_path / "s", logs[20:])
        assert (ask.totals(), ask.signatures(), ask.logs()) == before


def test_the_same_content_under_another_name_is_a_copy(tmp_path: Path) -> None:
    first = log(1, sign(1))
    known = msgspec.structs.replace(first, name="zcopy.log", device="other", findings=())
    store = filled(tmp_path / "s", [first, log(2, sign(1))])
    filled(tmp_path / "s", [known])
    with store.questions() as ask:
        assert (ask.totals().logs, ask.totals().copies) == (2, 1)
        assert ask.signatures()[0].count == 2
        assert ask.signatures()[0].devices == 2
        assert [row.copies for row in ask.logs()] == [0, 1]
        assert [row.name for row in ask.log(first.content)] == [first.name, "zcopy.log"]


def test_a_log_with_several_episodes_is_one_log(tmp_path: Path) -> None:
    findings = (
        finding(None),
        finding(sign(1), 1),
        finding(sign(1, 1), 2),
        finding(sign(2), 3),
        finding(sign(1), 4),
    )
    several = msgspec.structs.replace(log(1), findings=findings)
    with filled(tmp_path / "s", [several, log(2, sign(1))]).questions() as ask:
        assert (ask.totals().logs, ask.totals().hung) == (2, 2)
        assert [(one.cause, one.count) for one in ask.signatures()] == [
            (sign(1).cause, 2),
            (sign(2).cause, 1),
        ]
        variants = ask.signature(sign(1).cause).variants
        assert [(one.id, one.count) for one in variants] == [(sign(1).variant, 2), (sign(1, 1).variant, 1)]
        (part,) = ask.trend(bins=1)
        assert (part.logs, part.hung) == (2, 2)
        assert [(row.name, row.episode) for row in ask.logs(cause=sign(2).cause)] == [(several.name, 3)]
        assert [(row.name, row.episode) for row in ask.logs(variant=sign(1, 1).variant)] == [
            (several.name, 2)
        ]
        assert [row.episode for row in ask.log(several.content)] == [0, 1, 2, 3, 4]


def test_what_is_not_committed_is_as_if_it_had_not_been_read(tmp_path: Path) -> None:
    store = filled(tmp_path / "s", [log(1, sign(1))])

    def interrupted() -> None:
        with store.writer() as writer:
            writer.add(log(2, sign(1)))
            writer.commit()
            writer.add(log(3, sign(1)))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    with store.questions() as ask:
        assert ask.totals().logs == 2
    assert not list((tmp_path / "s" / "commits").glob(".*"))


def test_inputs_that_have_not_changed_and_contents_that_are_known(tmp_path: Path) -> None:
    one, two = log(1, sign(1)), log(2)
    store = filled(tmp_path / "s", [one, two])
    changed = msgspec.structs.replace(source(two), changed=5)
    new = Input("new\udcff.log", 1, 2)
    assert store.unchanged([source(one), changed, new]) == {one.name}
    other = content("other")
    assert store.known([one.content, other]) == {one.content}
    assert store.known([]) == set()
    with Store.open(str(tmp_path / "s")).writer() as writer:
        writer.add(msgspec.structs.replace(log(3), content=other))
    assert store.known([one.content, other]) == {one.content, other}
    store.compact()
    assert store.known([other, content("third"), one.content]) == {one.content, other}
    with store.writer() as writer:
        writer.done(changed)
        writer.done(new)
    assert store.unchanged([source(one), source(two), changed, new]) == {one.name, two.name, new.name}


def test_many_commits_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MANY", 5)
    logs = [log(i, sign(i % 3)) for i in range(24)]
    store = filled(tmp_path / "s", logs, logs_per_commit=1)
    assert len(list((tmp_path / "s" / "commits").iterdir())) < 5
    with store.questions() as ask:
        assert ask.totals().logs == 24
        store.compact()
        assert len(list((tmp_path / "s" / "commits").iterdir())) == 1
        assert ask.totals().logs == 24
    assert store.unchanged([source(one) for one in logs]) == {one.name for one in logs}


def test_pruned_logs_stay_away_and_are_not_read_again(tmp_path: Path) -> None:
    logs = [log(i, sign(1 if i < 10 else 2)) for i in range(20)]
    store = filled(tmp_path / "s", logs)
    assert store.prune(logs[10].seen) == 10
    assert store.prune(logs[10].seen) == 0
    merged = sorted((tmp_path / "s" / "commits").iterdir())
    assert len(merged) == 1
    assert store.prune(logs[10].seen - 1) == 0
    assert sorted((tmp_path / "s" / "commits").iterdir()) == merged
    with store.questions() as ask:
        assert ask.totals().logs == 10
        assert [one.cause for one in ask.signatures()] == [sign(2).cause]
    assert store.unchanged([source(one) for one in logs]) == {one.name for one in logs}
    filled(tmp_path / "s", logs)
    with store.questions() as ask:
        assert ask.totals().logs == 10


def test_logs_from_before_a_prune_that_found_none_do_not_count_either(tmp_path: Path) -> None:
    store = filled(tmp_path / "s", [log(i, sign(1)) for i in range(10, 20)])
    (whole,) = (tmp_path / "s" / "commits").iterdir()
    assert store.prune(log(10).seen) == 0
    assert whole.exists()
    filled(tmp_path / "s", [log(i, sign(1)) for i in range(15)])
    with store.questions() as ask:
        assert ask.totals().logs == 10
        store.compact()
        assert ask.totals().logs == 10
        assert ask.sql("SELECT count(*) FROM findings").rows == ((10,),)


def test_a_newer_store_and_no_store_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no store here"):
        Store.open(str(tmp_path / "none"))
    store = filled(tmp_path / "s", [log(1, sign(1))])
    with Store.open(str(tmp_path / "s"), scheme=2).writer() as writer:
        writer.add(log(2, sign(1)))
    with pytest.raises(UserError, match="scheme 2, this version makes 1"):
        store.writer()
    (tmp_path / "s" / "store.json").write_text('{"schema": "unkillable.store/2"}')
    with pytest.raises(UserError, match=r"another version \(unkillable.store/2"):
        Store.open(str(tmp_path / "s"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(UserError, match="not a store and not empty"):
        Store.open(str(tmp_path / "other"), create=True)


def test_signatures_of_an_older_scheme_are_left_out_until_read_again(tmp_path: Path) -> None:
    old, new = log(1, sign(1)), log(2, sign(2))
    filled(tmp_path / "s", [old])
    store = Store.open(str(tmp_path / "s"), scheme=2)
    with store.writer() as writer:
        writer.add(new)
    assert store.known([old.content, new.content]) == {new.content}
    assert store.unchanged([source(old)]) == set()
    with store.questions() as ask:
        assert [one.cause for one in ask.signatures()] == [sign(2).cause]
        assert (ask.totals().logs, ask.totals().older, ask.totals().scheme) == (2, 1, 2)
        with store.writer() as writer:
            writer.add(msgspec.structs.replace(old, findings=(finding(sign(2)),)))
        assert [(one.cause, one.count) for one in ask.signatures()] == [(sign(2).cause, 2)]
        assert ask.totals().older == 0


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    store = filled(tmp_path / "s", [log(i, sign(1)) for i in range(50)])
    filled(tmp_path / "s", [log(i, sign(1)) for i in range(50, 60)])
    path = min((tmp_path / "s" / "commits").iterdir()) / "logs.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with (
        store.questions() as ask,
        pytest.raises(UserError, match=rf"{path}: damaged .*; remove {path.parent}"),
    ):
        ask.totals()
    path.unlink()
    with store.questions() as ask, pytest.raises(UserError, match=f"{path}: damaged"):
        ask.totals()
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    with store.questions() as ask:
        assert ask.totals().logs == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * FROM read_text('/etc/passwd')", "disabled by configuration"),
        ("COPY (SELECT 1) TO '/tmp/x.csv'", "give one SELECT"),
        ("SELECT 1; SELECT 2", "give one SELECT"),
        ("ATTACH '/tmp/x.db'", "give one SELECT"),
        ("INSTALL httpfs", "give one SELECT"),
        ("SET enable_external_access = true", "give one SELECT"),
        ("SELECT * FROM glob('/etc/*')", "disabled by configuration"),
        ("SELECT * FROM 'https://example.org/x.csv'", "disabled by configuration"),
        (
            "SELECT * FROM enable_logging(storage='file', storage_path='/tmp/x')",
            "configuration has been locked",
        ),
        ("SELECT * FROM enable_profiling(save_location='/tmp/x')", "configuration has been locked"),
        ("SELECT * FROM statements", "statements does not exist"),
        ("SELECT * FROM nowhere", "nowhere does not exist"),
        ("", "give one SELECT"),
        (
            "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 7",
            "stopped after",
        ),
    ],
)
def test_sql_can_do_nothing_but_read(tmp_path: Path, text: str, said: str) -> None:
    store = filled(tmp_path / "s", [log(1, sign(1))])
    with store.questions() as ask, pytest.raises(UserError, match=said) as raised:
        ask.sql(text, seconds=1)
    assert "\n" not in str(raised.value)


def test_sql_answers_with_a_bound_on_rows(tmp_path: Path) -> None:
    store = filled(tmp_path / "s", [log(i, sign(i)) for i in range(5)])
    with store.questions() as ask:
        table = ask.sql("SELECT cause, logs FROM signatures ORDER BY cause", limit=3)
        assert table.columns == ("cause", "logs")
        assert table.rows == tuple((sign(i).cause, 1) for i in range(3))
        assert table.cut
        assert not ask.sql("SELECT name FROM logs").cut
        assert ask.sql(f"SELECT content FROM logs WHERE content = '{content(3)}'").rows == ((content(3),),)  # noqa: S608


def test_a_question_that_is_stopped(tmp_path: Path) -> None:
    store = filled(tmp_path / "s", [log(i, sign(1)) for i in range(3)])
    with store.questions() as ask:
        timer = threading.Timer(0.3, ask.stop)
        timer.start()
        with pytest.raises(UserError, match="nobody waits"):
            # A trillion rows: it would take hours.
            ask._all(
                "SELECT count(*) AS n FROM range(1000000) AS a, range(1000000) AS b WHERE a.range + b.range = 7"
            )
        with pytest.raises(UserError, match="nobody waits"):
            ask.totals()
        timer.join()


def test_odd_names_times_and_numbers_are_kept(tmp_path: Path) -> None:
    odd = [
        msgspec.structs.replace(log(1, sign(1)), name="a\0b\n\x1b[31m", problem="\udcff\0", seen=math.nan),
        msgspec.structs.replace(log(2, sign(1)), name="\udcff.log", device="\ud800", seen=1e18),
        msgspec.structs.replace(
            log(3, sign(1)), name="ü" * 3000, release="☃", seen=946_688_400.0, size=2**64
        ),
        msgspec.structs.replace(
            log(4, sign(1)), findings=(msgspec.structs.replace(finding(sign(1)), line=2**40),)
        ),
    ]
    store = filled(tmp_path / "s", odd)
    late = Input("late", 1, 2**63 + 5)
    with store.writer() as writer:
        writer.done(late)
    assert store.unchanged([late]) == {"late"}
    assert store.unchanged([msgspec.structs.replace(late, changed=2**63 + 6)]) == set()
    assert store.unchanged([source(one) for one in odd]) == {one.name for one in odd}
    with store.questions() as ask:
        assert {row.name: row.seen for row in ask.logs()} == {
            "a\0b\n\x1b[31m": 0.0, "\\xff.log": 0.0, "ü" * 3000: 0.0, odd[3].name: odd[3].seen,
        }  # fmt: skip
        assert ask.logs(limit=1)[0].line == 2**40
        assert sum(part.logs for part in ask.trend(bins=3)) == 1


def test_a_hang_stands_for_its_log_whatever_comes_before(tmp_path: Path) -> None:
    kinds = ("zombie", "cached-error", "deadlock")
    for expected, chosen in (((1, 0), kinds), ((0, 1), kinds[:2]), ((0, 0), kinds[:1])):
        findings = tuple(
            Finding(i, msgspec.structs.replace(sign(i), kind=kind), kind, "high", "")
            for i, kind in enumerate(chosen)
        )
        store = Store.open(str(tmp_path / str(len(chosen))), create=True)
        with store.writer() as writer:
            writer.add(Log("a", f"{1:032x}", 1, findings=findings))
        with store.questions() as ask:
            assert (ask.totals().hung, ask.totals().failing) == expected
            assert len(ask.signatures()) == len(chosen)


def test_a_window_answers_as_a_store_of_its_logs_alone(tmp_path: Path) -> None:
    logs = [log(i, sign(i % 3) if i % 4 else None, release=f"fw-{i % 2}") for i in range(100)]
    timeless = [msgspec.structs.replace(log(200 + i, sign(7)), seen=0.0) for i in range(3)]
    copies = [msgspec.structs.replace(logs[i], name=f"copies/{i}.log") for i in (5, 50)]
    store = filled(tmp_path / "s", [*logs, *timeless, *copies])
    since, until = logs[20].seen, logs[60].seen
    for window, wanted in (
        (Window(since, until), [*logs[20:60], copies[1]]),
        (Window(since), [*logs[20:], copies[1]]),
        (Window(None, until), [*logs[:60], *copies]),
    ):
        with store.questions(window) as some, filled(tmp_path / f"{window}", wanted).questions() as alone:
            assert some.totals() == alone.totals()
            assert some.whole(some.signatures()) == alone.whole(alone.signatures())
            assert some.trend() == alone.trend()
            assert some.compare("fw-0", "fw-1") == alone.compare("fw-0", "fw-1")
            assert some.logs(limit=200) == alone.logs(limit=200)
