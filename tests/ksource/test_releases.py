"""What gives back, and what wakes, by its name."""

from __future__ import annotations

import pytest

from unkillable.ksource.kinds import kind_of
from unkillable.ksource.releases import release, wakes


@pytest.mark.parametrize(
    ("takes", "gives"),
    [
        ("mutex_lock", "mutex_unlock"),
        ("mutex_lock_killable", "mutex_unlock"),
        ("mutex_lock_killable_nested", "mutex_unlock"),
        ("down_read", "up_read"),
        ("down_write_killable", "up_write"),
        ("down", "up"),
        ("inode_lock_shared", "inode_unlock_shared"),
        ("lock_page_killable", "unlock_page"),
        ("folio_lock", "folio_unlock"),
        ("wait_event", None),
        ("countdown_wait", None),
        ("clock_wait", None),
        ("block_all", None),
    ],
)
def test_release(takes: str, gives: str | None) -> None:
    assert release(takes) == gives


@pytest.mark.parametrize(
    "name", ["wake_up", "wake_up_all", "__wake_up", "complete", "complete_all", "swake_up_one", "wake_up_bit"]
)
def test_wakes(name: str) -> None:
    assert wakes(name)


@pytest.mark.parametrize("name", ["awake", "completion_done", "incomplete", "wakeup_source"])
def test_does_not_wake(name: str) -> None:
    assert not wakes(name)


def test_kinds() -> None:
    assert kind_of("mutex_lock", "include/linux/mutex.h") == "lock"
    assert kind_of("lock_page", "include/linux/pagemap.h") == "page"
    assert kind_of("inode_lock", "include/linux/fs.h") == "lock"
    assert kind_of("iget_locked", "include/linux/nobody.h") == "other"
