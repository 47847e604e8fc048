"""What gives back, and what wakes, by its name."""

from __future__ import annotations

import pytest

from unkillable.ksource.kinds import kind_of
from unkillable.ksource.releases import family, release, shares, wakes


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
        ("mutex_trylock", "mutex_unlock"),
        ("trylock_page", "unlock_page"),
        ("down_trylock", "up"),
        ("percpu_down_read_trylock", "percpu_up_read"),
        ("mmap_write_trylock", "mmap_write_unlock"),
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


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("inode_lock_shared", "inode_lock_killable", True),
        ("mmap_read_lock", "mmap_write_lock_killable", True),
        ("down_read_nested", "down_write", True),
        ("i_mmap_lock_read", "filemap_invalidate_lock_shared", False),
        ("kmap", "lock_page", False),
    ],
)
def test_family(one: str, other: str, same: bool) -> None:
    assert (family(one) == family(other)) == same


@pytest.mark.parametrize(
    "name", ["down_read", "up_read", "inode_lock_shared", "mmap_read_trylock", "percpu_down_read"]
)
def test_shares(name: str) -> None:
    assert shares(name)


@pytest.mark.parametrize(
    "name", ["down_write", "mutex_lock", "inode_lock", "readahead_lock", "downgrade_write"]
)
def test_does_not_share(name: str) -> None:
    assert not shares(name)


def test_kinds() -> None:
    assert kind_of("mutex_lock", "include/linux/mutex.h") == "lock"
    assert kind_of("lock_page", "include/linux/pagemap.h") == "page"
    assert kind_of("inode_lock", "include/linux/fs.h") == "lock"
    assert kind_of("iget_locked", "include/linux/nobody.h") == "other"
