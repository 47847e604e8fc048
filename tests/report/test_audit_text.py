"""An audit as text: the answer first, and everything that it rests on."""

import pytest

from tests.report import audit_given as given
from unkillable.ksource.audit_types import Coverage, Holder
from unkillable.ksource.compare_audits import compared
from unkillable.report.audit_text import render
from unkillable.report.audit_words import headline


def lines(audit, **more) -> list[str]:
    return render(audit, columns=110, **more).splitlines()


def said(audit, **more) -> str:
    return " ".join(render(audit, columns=110, **more).split())


@pytest.mark.parametrize(
    ("sites", "says"),
    [
        (
            (given.site(), given.site(rank="amber"), given.site()),
            "3 sleeps that SIGKILL does not wake can be reached from a page fault; at 2 a holder may wait for memory",
        ),
        (
            (given.site(),),
            "1 sleep that SIGKILL does not wake can be reached from a page fault; there a holder may wait for memory",
        ),
        (
            (given.site(), given.AMBER),
            "1 sleep that SIGKILL does not wake can be reached from a page fault; there a holder may wait for memory; 1 more from elsewhere",
        ),
        (
            (given.site(), given.site(rank="amber")),
            "2 sleeps that SIGKILL does not wake can be reached from a page fault; at 1 a holder may wait for memory",
        ),
        ((given.AMBER,), "1 sleep that SIGKILL does not wake can be reached from a task's end"),
        (
            (given.GREEN, given.GREY),
            "no sleep was found that SIGKILL does not wake and that can be reached from a page fault, read(2) or a task's end",
        ),
    ],
)
def test_the_answer(sites, says: str) -> None:
    assert headline(given.audit(sites)) == f"6.1.192 fs/toyfs: {says}"


def test_the_answer_names_what_is_known() -> None:
    one = given.audit((), kernel="", within=("a", "b", "c", "d"), accepted=2)
    assert headline(one).startswith("kernel of an unknown version a b c ...: no other sleep was found")
    assert headline(one).endswith("; 2 others are accepted")
    assert "can be reached from an entry" in headline(given.audit((), entries=()))


def test_a_finding_in_full() -> None:
    text = lines(given.audit())
    assert text[0].startswith("6.1.192 fs/toyfs: 1 sleep")
    assert text[2:4] == [
        "  1 red   fs/toyfs/cache.c:77 toyfs_get",
        "          sleeps in wait_event, TASK_UNINTERRUPTIBLE, for toyfs_cache.queue",
    ]
    seen = said(given.audit())
    for words in (
        "from a page fault: filemap_fault -> read_pages -> (address_space_operations.read_folio) toyfs_read -> toyfs_get",
        "also from: read(2)",
        "in the scope of memalloc_nofs_save",
        "held by toyfs_fill (fs/toyfs/cache.c:90-120), which asks for memory:",
        "bio_alloc(n, GFP_NOIO) at fs/toyfs/block.c:93 in toyfs_bio: waits for memory, may not call the OOM killer",
        "kmalloc(n, flags) at fs/toyfs/cache.c:99 in toyfs_fill: waits for memory or not, as its caller says",
        "follow wait_event_killable, as otherfs_get does (fs/otherfs/cache.c:40)",
        "follow mutex_lock_killable",
        "green 1 SIGKILL wakes the task. (--full shows them)",
        "without what .config leaves out. 350 calls through pointers with unknown targets",
        "Not read: fs/x.c: larger than 32 MiB",
    ):
        assert words in seen, (words, seen)
    assert "toyfs_wait" not in seen


def test_full_shows_all_ranks() -> None:
    seen = said(given.audit(), full=True)
    assert "3 green fs/toyfs/cache.c:200 toyfs_wait" in seen
    assert "4 grey fs/toyfs/cache.c:220 toyfs_odd sleeps in a loop around schedule(), state not known" in seen
    assert "--full" not in seen


def test_what_is_left_out_is_said() -> None:
    holder = given.site().holders[0]
    many = given.site(holders=(Holder("h", "f.c", 1, 2, holder.allocations * 5),) * 9)
    one = given.audit(
        (many,) * 150, coverage=Coverage(1, 1, 1, 1, tuple(f"{n}: unreadable" for n in range(9)))
    )
    seen = said(one)
    for words in (
        "... 7 more (--full shows all)",
        "... 6 more holders (--full shows all)",
        "... 120 more findings",
        "Not read: 4 more",
    ):
        assert words in seen, words
    assert "more" not in said(one, full=True)


def test_changes_come_first() -> None:
    text = lines(given.against())
    assert text[0] == "6.1.192 fs/toyfs against 6.1.100: 1 appeared, 2 changed, 1 vanished; 2 for the worse"
    assert text[2].startswith("  ! changed: fs/toyfs/cache.c:77 toyfs_get: wait_event")
    seen = said(given.against())
    assert "task_state TASK_KILLABLE -> TASK_UNINTERRUPTIBLE; killable yes -> no; rank green -> red" in seen
    assert "vanished: fs/toyfs/cache.c:300 toyfs_gone" in seen
    same = compared(given.audit(), given.audit())
    assert lines(same)[0] == "6.1.192 fs/toyfs against 6.1.192: no sleep is another one"


def test_paint_marks_roles() -> None:
    text = render(given.against(), lambda role, text: f"<{role}>{text}</>", 110)
    assert text.startswith("<headline-bad>6.1.192")
    assert "<headline-unsure>amber</>" in text


def test_hostile_text_is_cleaned_and_bounded() -> None:
    text = render(given.hostile(), columns=80, full=True)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(render(given.hostile("x" * 1_000_000), columns=80)) < 30_000
