"""Where a stack sleeps, in which state, for what, how it got there, what it holds."""

import pytest

from unkillable.waits import states
from unkillable.waits.classify import Call, classifier
from unkillable.waits.contexts import allocation_context

FAULT = "filemap_fault __do_fault handle_mm_fault do_user_addr_fault exc_page_fault asm_exc_page_fault"
ARM_FAULT = "filemap_fault __do_fault handle_mm_fault do_page_fault do_PrefetchAbort ret_from_exception"
READ = "filemap_read vfs_read ksys_read do_syscall_64 entry_SYSCALL_64_after_hwframe"


def calls(text):
    return tuple(Call(name.lstrip("?"), not name.startswith("?")) for name in text.split())


CASES = [
    # (stack, letter, kernel, function, state, killable, resource, entered by)
    (
        f"__schedule schedule squashfs_cache_get squashfs_readpage_block squashfs_readpage read_pages {FAULT}",
        "D", "5.10.251", "squashfs_cache_get", states.UNINTERRUPTIBLE, False, "squashfs-cache-entry", "page-fault",
    ),
    (
        f"schedule squashfs_cache_get squashfs_get_datablock squashfs_readpage {ARM_FAULT}",
        None, "2.6", "squashfs_cache_get", states.UNINTERRUPTIBLE, False, "squashfs-cache-entry", "page-fault",
    ),
    (
        f"__schedule schedule schedule_timeout io_schedule_timeout __wait_for_common submit_bio_wait squashfs_bio_read {FAULT}",
        "D", "6.1.192", "submit_bio_wait", states.UNINTERRUPTIBLE, False, "block-io", "page-fault",
    ),
    # 7.3: the function that submits and waits is another (captures/amd64-7.3-io-stall-squashfs)
    (
        f"__schedule schedule schedule_timeout io_schedule_timeout wait_for_completion_io_timeout bio_await squashfs_bio_read {READ}",
        "D", "7.3", "bio_await", states.UNINTERRUPTIBLE, False, "block-io", "read",
    ),
    (f"__schedule schedule io_schedule folio_wait_bit_common __folio_lock_killable {FAULT}",
     "D", "6.1.192", "filemap_fault", states.KILLABLE, True, "folio-lock", "page-fault"),
    (f"__schedule schedule schedule_preempt_disabled rwsem_down_read_slowpath down_read walk_component {READ}",
     "D", "6.1.192", "walk_component", states.UNINTERRUPTIBLE, False, "inode-lock", "read"),
    (f"__schedule schedule schedule_preempt_disabled __mutex_lock_killable_slowpath some_driver_read {READ}",
     "D", "6.1.192", "some_driver_read", states.KILLABLE, True, "mutex", "read"),
    ("__schedule schedule schedule_timeout __wait_for_common wait_for_completion_state kernel_clone __do_sys_vfork do_syscall_64",
     "D", "6.1.192", "kernel_clone", states.KILLABLE, True, "child-exit", "fork"),
    ("__schedule schedule worker_thread kthread ret_from_fork", "I", "6.1.192", "worker_thread", states.IDLE, False, None, "kthread"),
    ("__schedule schedule do_wait kernel_wait4 do_syscall_64", "S", "6.1.192", "do_wait", states.INTERRUPTIBLE, True, "child-exit",
     "syscall"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stack", "letter", "kernel", "function", "state", "killable", "resource", "entry"),
    CASES,
    ids=[case[3] for case in CASES],
)
def test_sleepers(stack, letter, kernel, function, state, killable, resource, entry):
    wait = classifier(kernel).classify(calls(stack), letter)
    assert wait.asleep
    assert (wait.function, wait.task_state, wait.killable, wait.entered_by) == (
        function,
        state,
        killable,
        entry,
    )
    if resource is not None:
        assert wait.resource == resource


def test_filling_an_entry_is_holding_it():
    filler = classifier("5.10.251").classify(
        calls(f"__schedule schedule io_schedule_timeout __wait_for_common submit_bio_wait squashfs_bio_read squashfs_read_data "
              f"squashfs_cache_get squashfs_readpage_block {FAULT}"), "D")  # fmt: skip
    assert "squashfs-cache-entry" in {hold.resource for hold in filler.holds}
    waiter = classifier("5.10.251").classify(
        calls(f"__schedule schedule squashfs_cache_get squashfs_readpage_block {FAULT}"), "D"
    )
    assert "squashfs-cache-entry" not in {hold.resource for hold in waiter.holds}


def test_running_and_preempted_tasks_do_not_sleep():
    preempted = classifier().classify(
        calls(f"__schedule _cond_resched shrink_page_list shrink_node try_to_free_pages {FAULT}"), "R"
    )
    assert not preempted.asleep
    assert preempted.reclaims
    assert preempted.killable is None
    interrupted = classifier().classify(calls("virtqueue_notify virtio_queue_rq"), "R", interrupted=True)
    assert not interrupted.asleep
    assert interrupted.task_state == states.RUNNING


def test_a_woken_task_counts_as_asleep_until_it_runs():
    wait = classifier("5.10.251").classify(
        calls(f"__schedule schedule squashfs_cache_get squashfs_readpage {FAULT}"), "R"
    )
    assert wait.asleep


def test_a_stack_of_guesses_is_read_from_the_first_known_site():
    wait = classifier("5.10.251").classify(
        calls("?psi_group_change ?__schedule ?schedule ?add_wait_queue_exclusive ?squashfs_cache_get ?squashfs_readpage "
              "?filemap_fault ?handle_mm_fault ?exc_page_fault"), "D")  # fmt: skip
    assert wait.inferred
    assert wait.function == "squashfs_cache_get"
    assert wait.entered_by == "page-fault"


def test_khungtaskd_settles_the_state():
    stack = calls(
        "__schedule schedule schedule_preempt_disabled __mutex_lock linkwatch_event process_one_work kthread"
    )
    assert classifier("6.8").classify(stack, "D").killable is None
    assert classifier("6.8").classify(stack, "D", plain=True).killable is False


@pytest.mark.parametrize(
    ("path", "kernel", "frame"),
    [
        ("__alloc_pages squashfs_bio_read squashfs_read_data", "6.1.192", "squashfs_bio_read"),
        (
            "shrink_node try_to_free_pages __alloc_pages folio_alloc page_cache_ra_unbounded filemap_fault",
            "6.1.192",
            "page_cache_ra_unbounded",
        ),
        (
            "__alloc_pages_nodemask page_cache_ra_unbounded filemap_fault",
            "5.4",
            None,
        ),  # NOFS scope came with 5.8
        ("submit_bio_wait squashfs_bio_read", "6.1.192", None),  # not an allocation
        (
            "__alloc_pages folio_alloc __filemap_get_folio filemap_fault",
            "6.1.192",
            None,
        ),  # may call the OOM killer
    ],
)
def test_allocations_that_may_not_kill(path, kernel, frame):
    context = allocation_context(path.split(), kernel)
    if frame is None:
        assert context is None or context.may_oom
    else:
        assert context is not None
        assert (context.frame, context.may_oom) == (frame, False)
