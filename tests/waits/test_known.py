"""Which kernel speaks for a function of a log, and what is said of it then."""

from __future__ import annotations

import pytest

from unkillable.waits import states
from unkillable.waits.bundled import bundled, nearest
from unkillable.waits.catalogue import Catalogue, Internal, Site, load
from unkillable.waits.classify import Call, Classifier, classifier
from unkillable.waits.generated import Definition, Function, Generated, Inner, Kernel, Primitive, Sleep, pack
from unkillable.waits.known import Known

MUTEX = Primitive("lock", ("__mutex_lock_slowpath", "__mutex_lock", "schedule_preempt_disabled"))
MACROS = {
    name: Primitive("queue", ("___wait_event", "schedule")) for name in ("wait_event", "wait_event_killable")
}


def one(file: str, *sleeps: Sleep, inlined: tuple[str, ...] = ()) -> Function:
    return Function((Definition(file, sleeps, inlined),))


def catalogue(version: str, functions: dict[str, Function]) -> Generated:
    inner = {
        "schedule": Function((), Inner("schedule", "caller")),
        "schedule_preempt_disabled": Function((), Inner("schedule", "caller")),
        "__mutex_lock": Function((), Inner("mutex_lock", "caller")),
        "mutex_lock": Function((), Inner("mutex_lock", states.UNINTERRUPTIBLE)),
    }
    return Generated(
        pack([Kernel(version, "test", {**inner, **functions}, {**MACROS, "mutex_lock": MUTEX})]), version
    )


ACME = "drivers/acme/acme.c"
VENDOR = catalogue(
    "6.1.0-vendor",
    {
        "acme_read": one(ACME, Sleep(10, "", states.UNINTERRUPTIBLE, "acme.queue")),
        "acme_open": one(
            ACME,
            Sleep(20, "mutex_lock", states.UNINTERRUPTIBLE, "acme.lock"),
            Sleep(30, "wait_event_killable", states.KILLABLE, "acme.queue"),
        ),
        "acme_close": one(
            ACME,
            Sleep(40, "wait_event", states.UNINTERRUPTIBLE, "acme.queue"),
            Sleep(50, "wait_event_killable", states.KILLABLE, "acme.queue"),
        ),
        "acme_flush": one(ACME, inlined=("acme_drain", "acme_elsewhere", "acme_helper")),
        "acme_drain": one(ACME, inlined=("acme_read", "acme_flush")),
        "acme_elsewhere": one("drivers/other.c", Sleep(1, "wait_event_killable", states.KILLABLE, None)),
        "acme_helper": one("drivers/acme/acme.h", Sleep(2, "mutex_lock", states.UNINTERRUPTIBLE, None)),
        "compat_sys_acme": one(ACME, Sleep(61, "", states.UNINTERRUPTIBLE, None)),
        "sys_acme": one(ACME, Sleep(60, "", states.KILLABLE, None)),
        "squashfs_cache_get": one(
            "fs/squashfs/cache.c",
            Sleep(99, "wait_event_killable", states.KILLABLE, "squashfs_cache.wait_queue"),
        ),
        "new_cache_get": one(
            "fs/squashfs/cache.c",
            Sleep(77, "wait_event", states.UNINTERRUPTIBLE, "squashfs_cache.wait_queue"),
        ),
    },
)


def wait(text: str, letter: str | None = "D"):
    tables = load()
    views = ((VENDOR, 0), *((bundled(), number) for number in range(len(bundled().kernels))))
    reader = Classifier(tables, Known(tables, views, "6.1.0"))
    return reader.classify(tuple(Call(name) for name in text.split()), letter)


def test_a_loop_that_is_written_out_in_a_vendors_driver() -> None:
    found = wait("__schedule schedule acme_read vfs_read ksys_read")
    assert (found.function, found.task_state, found.killable) == ("acme_read", states.UNINTERRUPTIBLE, False)
    assert [(one.kernel, one.file, one.line) for one in found.site.cite] == [("6.1.0-vendor", ACME, 10)]
    without = classifier("6.1.0").classify(tuple(Call(one) for one in ("schedule", "acme_read")), "D")
    assert without.killable is None
    assert without.site is None


def test_the_frames_above_choose_among_several() -> None:
    lock = wait("__schedule schedule schedule_preempt_disabled __mutex_lock acme_open vfs_open")
    assert (lock.primitive, lock.killable, lock.resource) == ("mutex_lock", False, "mutex")
    queue = wait("__schedule schedule acme_open vfs_open")
    assert (queue.primitive, queue.killable, queue.resource) == ("wait_event_killable", True, "event")


def test_a_lock_that_the_function_is_not_known_to_take_is_no_sleep_of_its_own() -> None:
    found = wait("__schedule schedule schedule_preempt_disabled __mutex_lock acme_close vfs_open")
    assert (found.site, found.killable, found.resource) == (None, None, "mutex")


def test_where_the_stack_leaves_two_states_none_is_claimed() -> None:
    found = wait("__schedule schedule acme_close vfs_release")
    assert (found.function, found.task_state, found.killable) == ("acme_close", None, None)


def test_a_printed_state_chooses_and_what_it_contradicts_is_not_claimed() -> None:
    assert wait("__schedule schedule acme_read", "S").task_state == states.INTERRUPTIBLE
    assert wait("__schedule schedule acme_read", "S").killable is True


def test_what_a_compiler_may_have_put_into_a_function() -> None:
    """By way of acme_drain, which is of the same file; not acme_elsewhere, which only has the same name as one that is."""
    found = wait("__schedule schedule acme_flush vfs_fsync")
    assert (found.function, found.killable) == ("acme_flush", False)
    assert (found.site.of, found.site.cite[0].line) == ("acme_read", 10)
    lock = wait("__schedule schedule schedule_preempt_disabled __mutex_lock acme_flush vfs_fsync")
    assert (lock.site.of, lock.site.file) == ("acme_helper", "drivers/acme/acme.h")


@pytest.mark.parametrize(
    "name", ["__x64_sys_acme", "__do_sys_acme", "SyS_acme", "__arm64_sys_acme", "sys_acme"]
)
def test_a_system_call_by_whatever_name(name: str) -> None:
    assert wait(f"__schedule schedule {name} do_syscall_64").killable is True


@pytest.mark.parametrize(
    "name", ["__do_compat_sys_acme", "compat_SyS_acme", "C_SYSC_acme", "compat_sys_acme"]
)
def test_a_system_call_of_32_bits(name: str) -> None:
    assert wait(f"__schedule schedule {name} do_syscall_64").killable is False


@pytest.mark.parametrize("name", ["x_sys_acme", "sys_acme2", "__x64_acme"])
def test_no_system_call(name: str) -> None:
    assert wait(f"__schedule schedule {name} do_syscall_64").killable is None


def test_what_this_kernel_says_holds_against_what_others_do() -> None:
    found = wait("__schedule schedule squashfs_cache_get squashfs_readahead")
    assert (found.task_state, found.killable, found.resource) == (
        states.KILLABLE,
        True,
        "squashfs-cache-entry",
    )


def test_the_words_know_a_resource_by_its_member() -> None:
    assert wait("__schedule schedule new_cache_get squashfs_readahead").resource == "squashfs-cache-entry"


def test_functions_that_this_kernel_has_not_are_looked_up_in_others() -> None:
    """__lock_page() went in 5.16, __folio_lock() came."""
    for name, version in (("__lock_page_killable", "6.1"), ("__folio_lock_killable", "5.15")):
        stack = tuple(Call(one) for one in ("__schedule", "schedule", "io_schedule", name, "some_fault"))
        found = classifier(version).classify(stack, "D")
        assert (found.function, found.killable, found.resource) == ("some_fault", True, "folio-lock")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("6.1.7", ["6.1.1", "5.10.2", "6.12.3", "7.3.4"]),
        ("6.1", ["6.1.1", "5.10.2", "6.12.3", "7.3.4"]),
        ("6.5.3", ["6.1.1", "5.10.2", "6.12.3", "7.3.4"]),
        ("9.0", ["7.3.4", "6.12.3", "6.1.1", "5.10.2"]),
        ("3.10", ["5.10.2", "6.1.1", "6.12.3", "7.3.4"]),
        (None, ["5.10.2", "6.1.1", "6.12.3", "7.3.4"]),
    ],
)
def test_nearest(version: str | None, expected: list[str]) -> None:
    kernels = ("5.10.2", "6.1.1", "6.12.3", "7.3.4")
    assert [kernels[one] for one in nearest(version, kernels)] == expected


def test_a_log_that_does_not_say_its_kernel_has_a_catalogue_all_the_same() -> None:
    stack = tuple(Call(one) for one in ("__schedule", "schedule", "squashfs_cache_get", "squashfs_readahead"))
    found = classifier(None).classify(stack, "D")
    assert (found.killable, found.site.cite[0].kernel) == (False, bundled().kernels[0])


def history(version: str | None) -> Known:
    rows = (
        Site("acme_read", "event", states.KILLABLE, until="5.0"),
        Site("acme_gone", "event", states.KILLABLE),
    )
    inner = tuple(
        Internal(name, "wait", "acme_wait", states.KILLABLE, until="5.0")
        for name in ("acme_wait", "acme_open")
    )
    return Known(Catalogue((), inner, rows, (), ()), ((VENDOR, 0),), version)


def test_history_holds_for_its_kernels_and_stands_in_where_nobody_knows() -> None:
    assert [row.state for row in history("4.9").sites("acme_read")] == [states.KILLABLE]
    assert [row.state for row in history("6.1").sites("acme_read")] == [states.UNINTERRUPTIBLE]
    assert [row.state for row in history(None).sites("acme_read")] == [states.UNINTERRUPTIBLE]
    assert [row.state for row in history(None).sites("acme_gone")] == [states.KILLABLE]
    assert history("6.1").internal("acme_wait") is None
    assert history("4.9").internal("acme_wait") is not None
    # A name that means something else today: sync_buffer() was a wait's until 3.17, and oprofile's later.
    assert history("4.9").internal("acme_open") is not None
    assert history(None).internal("acme_open") is not None
    assert history("6.1").internal("acme_open") is None


def test_those_that_come_with_the_package() -> None:
    several = bundled()
    assert [one.rpartition(".")[0] for one in several.kernels] == ["5.10", "6.1", "6.12", "7.2", "7.3"]
    for number in range(len(several.kernels)):
        found = several.function("squashfs_cache_get", number)
        assert {one.state for each in found.definitions for one in each.sleeps} == {states.UNINTERRUPTIBLE}
        # Whole: drivers, net and sound, and all architectures.
        for name in ("usb_kill_urb", "sk_stream_wait_memory", "snd_pcm_drain", "cmm_thread"):
            assert several.function(name, number) is not None, (several.kernels[number], name)
