"""Two audits held against each other, and findings that were accepted before."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.report import audit_given as given
from unkillable.errors import UserError
from unkillable.ksource import baseline
from unkillable.ksource.baseline import Accepted, Baseline
from unkillable.ksource.compare_audits import changes, compared, findings, is_bad_news, without, worse

KILLABLE = {
    "primitive": "wait_event_killable", "task_state": "TASK_KILLABLE", "killable": True, "rank": "green", "holders": (),
}  # fmt: skip


def told(before, after) -> list[tuple[str, int, tuple[str, ...]]]:
    return [(one.kind, one.site.line, one.what) for one in changes(given.audit(before), given.audit(after))]


def test_moved_lines_are_no_change() -> None:
    assert told((given.site(), given.AMBER), (given.AMBER, given.site(line=700))) == []


def test_one_wait_made_killable_is_one_change() -> None:
    what = (
        "primitive wait_event -> wait_event_killable",
        "task_state TASK_UNINTERRUPTIBLE -> TASK_KILLABLE",
        "killable no -> yes",
        "rank red -> green",
    )
    assert told((given.site(), given.AMBER), (given.site(**KILLABLE), given.AMBER)) == [("changed", 77, what)]
    # A wait for what has no name has its primitive in the fingerprint.
    other = given.site(fingerprint="other", **KILLABLE)
    assert told((given.site(),), (other,)) == [("changed", 77, what)]
    (change,) = changes(given.audit((given.site(),)), given.audit((other,)))
    assert change.before == given.site()


def test_what_is_not_known_is_told() -> None:
    assert told((given.GREY,), (msgspec.structs.replace(given.GREY, task_state="TASK_IDLE", killable=False),)) == [
        ("changed", 220, ("task_state unknown -> TASK_IDLE", "killable unknown -> no")),
    ]  # fmt: skip


def test_several_of_one_fingerprint_are_matched_in_order() -> None:
    before = tuple(given.site(line=line) for line in (10, 20, 30))
    after = (given.site(line=12), given.site(line=25, rank="amber"), given.site(line=35))
    assert told(before, after) == [("changed", 25, ("rank red -> amber",))]
    assert [(kind, line) for kind, line, _ in told(before[:1], after)] == [("appeared", 35), ("appeared", 25)]
    assert [(kind, line) for kind, line, _ in told(before, after[:1])] == [("vanished", 20), ("vanished", 30)]


def test_worse_comes_first() -> None:
    found = given.against().changes
    assert [(one.kind, one.site.function, worse(one)) for one in found] == [
        ("changed", "toyfs_get", True),
        ("appeared", "toyfs_put", True),
        ("vanished", "toyfs_gone", False),
        ("changed", "toyfs_wait", False),
    ]
    assert given.against().against == "6.1.100"
    assert compared(given.audit(kernel=""), given.audit()).against == "another tree"


@pytest.mark.parametrize(
    ("audit", "bad"),
    [
        (given.audit(), True),
        (given.audit((given.AMBER,)), True),
        (given.audit((given.GREEN, given.GREY)), False),
        (given.against(), True),
        (compared(given.audit(), given.audit()), False),
        (compared(given.audit(), given.audit((given.site(**KILLABLE),))), False),
        (compared(given.audit((given.site(rank="amber"),)), given.audit((given.site(),))), True),
    ],
)
def test_bad_news(audit, bad: bool) -> None:
    assert is_bad_news(audit) is bad


def test_accepted_findings_are_left_out() -> None:
    found = without(given.audit(), ["65a91301f29dc6f0", "b2", "nobody"])
    assert [one.fingerprint for one in found.sites] == ["a1", "b2", "c3"], "only findings can be accepted"
    assert found.accepted == 1


def test_one_more_of_an_accepted_kind_is_new() -> None:
    sites = tuple(given.site(line=line) for line in (30, 10, 20))
    found = without(given.audit(sites), ["65a91301f29dc6f0"] * 2)
    assert [one.line for one in found.sites] == [30]
    assert found.accepted == 2


def test_accepted_changes_are_no_news() -> None:
    found = without(given.against(), ["65a91301f29dc6f0", "a1"])
    assert [one.kind for one in found.changes] == ["vanished", "changed"]
    assert not is_bad_news(found)


def test_a_baseline_that_is_written_accepts_everything(tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    before = Baseline(accepted=(Accepted("a1", why="we know"), Accepted("gone", why="x")))
    file.write_bytes(baseline.made(given.audit(), before))
    read = baseline.read(file)
    assert read.schema == "unkillable.baseline/1"
    assert [(one.fingerprint, one.function, one.primitive, one.why) for one in read.accepted] == [
        ("65a91301f29dc6f0", "toyfs_get", "wait_event", ""),
        ("a1", "toyfs_put", "mutex_lock", "we know"),
    ]
    assert findings(without(given.audit(), read.fingerprints)) == ()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no baseline"),
        (b"[]", "no baseline"),
        (b'{"schema": "unkillable.baseline/1", "accepted": [{"why": "x"}]}', "no baseline.*fingerprint"),
        (b'{"schema": "unkillable.baseline/2"}', "schema 'unkillable.baseline/2' is not known"),
        (b'{"schema": "\xff"}', "no baseline"),
        (b"[" * 100_000, "no baseline"),
        (b"x" * 300_000, "larger than 0 MiB"),
    ],
    ids=range(7),
)
def test_what_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, says: str) -> None:
    monkeypatch.setattr(baseline, "LARGEST", 200_000)
    file = tmp_path / "b.json"
    file.write_bytes(data)
    with pytest.raises(UserError, match=says):
        baseline.read(file)
    with pytest.raises(UserError, match="cannot read the baseline: No such file"):
        baseline.read(tmp_path / "none")
