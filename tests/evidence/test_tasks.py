"""Task lines, hung task reports, blockers, lock lists, lockups and traces around them."""

import pytest

from tests.evidence.driving import read
from unkillable.evidence.tasklines import parse_task_line

TASK_LINES = [
    # examples/frozen-5.10.log.xz
    ("task:run             state:S stack:    0 pid:    1 ppid:     0 flags:0x00000002", ("run", "S", 1, 0)),
    (
        "task:e1              state:R  running task     stack:    0 pid:   96 ppid:    95 flags:0x00004002",
        ("e1", "R", 96, 95),
    ),
    # examples/frozen-6.1.log.xz
    (
        "task:e6              state:D stack:0     pid:116   ppid:113    flags:0x00000000",
        ("e6", "D", 116, 113),
    ),
    # 6.9: tgid; 6.14: task_flags (samples of KERNEL.md §6b)
    (
        "task:kworker/u8:0    state:D stack:0     pid:11    tgid:11    ppid:2      flags:0x00004000",
        ("kworker/u8:0", "D", 11, 2),
    ),
    (
        "task:kworker/u385:17 state:D stack:0     pid:8393  tgid:8393  ppid:2      task_flags:0x4248060 flags:0x00080000",
        ("kworker/u385:17", "D", 8393, 2),
    ),
    # glued: a name that fills its column
    (
        "task:kworker/u4:1state:D stack:    0 pid:   61 ppid:     2 flags:0x00004000",
        ("kworker/u4:1", "D", 61, 2),
    ),
    # 32-bit with PC: reports/2010-09; 64-bit with PC; 4.9-5.9 without
    ("apt-get       D 000033e1     0  1493   1485 0x00000000", ("apt-get", "D", 1493, 1485)),
    ("munin-html    D 0000000000000000     0 10187   9796 0x00000000", ("munin-html", "D", 10187, 9796)),
    ("kswapd0         D    0   328      2 0x80004000", ("kswapd0", "D", 328, 2)),
    ("kworker/0:1H    R  running task        0   213      2 0x80000000", ("kworker/0:1H", "R", 213, 2)),
    ("Web Content     S    0 12345   1201 0x00000000", ("Web Content", "S", 12345, 1201)),
    # a vendor's: reports/2011-12-23
    (
        "ramswap.sh      [1] D [e8fbea80] c03bdca8     0   175 0x00000000     46    191     176              (user thread)",
        ("ramswap.sh", "D", 175, None),
    ),
]


@pytest.mark.parametrize(("line", "expected"), TASK_LINES)
def test_task_line(line, expected):
    fields = parse_task_line(line)
    assert fields is not None
    assert (fields["comm"], fields["state"], fields["pid"], fields.get("ppid")) == expected


@pytest.mark.parametrize(
    "line",
    [
        "[    103]     0   103      565       13    28672        0             0 run",
        " S             run   114      3809.717276         2   120         0.000000         9.891382",
        "Node 0 DMA free:572kB min:208kB low:260kB high:312kB",
        "A note with a D in it 12 13 14",
        "task: nothing follows",
        "e109 4096 KiB",
    ],
)
def test_other_lines_are_no_task_lines(line):
    assert parse_task_line(line) is None


def test_hung_task_of_2_6_32():
    builder = read(
        """[  481.296035] INFO: task apt-get:1493 blocked for more than 120 seconds.
[  481.296041] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
[  481.296046] apt-get       D 000033e1     0  1493   1485 0x00000000
[  481.296055]  f678dc64 00000086 f69b8000 000033e1 00000000 c0849760 f69368ac c0849760
[  481.296090] Call Trace:
[  481.296103]  [<c058b16a>] io_schedule+0x3a/0x60
[  481.296109]  [<c022d2c8>] sync_buffer+0x38/0x40
[  481.296160]  [<f829f30b>] squashfs_read_data+0x30b/0x720 [squashfs]"""
    ).finish()
    (hung,) = builder.hung
    assert (hung.pid, hung.comm, hung.seconds, hung.time) == (1493, "apt-get", 120.0, 481.296035)
    (task,) = builder.tasks
    assert (task.origin, task.state, task.ppid) == ("hung-task", "D", 1485)
    assert [frame.function for frame in task.stack.frames] == [
        "io_schedule",
        "sync_buffer",
        "squashfs_read_data",
    ]


@pytest.mark.parametrize(
    ("line", "pid", "comm", "seconds", "io_wait"),
    [
        ("INFO: task kworker/0:1H:213 blocked for more than 143 seconds.", 213, "kworker/0:1H", 143, False),
        # constructed from 7.3 kernel/hung_task.c hung_task_info()
        ("INFO: task dd:77 blocked in I/O wait for more than 122 seconds.", 77, "dd", 122, True),
        ("INFO: task Web Content:9 blocked for more than 120 seconds.", 9, "Web Content", 120, False),
    ],
)
def test_hung_task_heads(line, pid, comm, seconds, io_wait):
    (hung,) = read(line).finish().hung
    assert (hung.pid, hung.comm, hung.seconds, hung.io_wait) == (pid, comm, seconds, io_wait)


def test_a_hung_task_without_a_trace_is_kept():
    evidence = read("INFO: task a:1 blocked for more than 120 seconds.\nsomething else\n").finish()
    assert len(evidence.hung) == 1
    assert evidence.tasks == ()


@pytest.mark.parametrize(
    ("line", "lock", "role", "owner"),
    [
        # KERNEL.md §6a; 7.3 kernel/hung_task.c debug_show_blocker()
        (
            "INFO: task cat:115 is blocked on a mutex likely owned by task cat:114.",
            "mutex",
            None,
            ("cat", 114),
        ),
        (
            "INFO: task cat:115 is blocked on a mutex, but the owner is not found.",
            "mutex",
            None,
            (None, None),
        ),
        ("INFO: task a:1 blocked on a semaphore likely last held by task b:2", "semaphore", None, ("b", 2)),
        (
            "INFO: task a:1 <writer> blocked on an rw-semaphore likely owned by task b:2 <reader>",
            "rwsem",
            "writer",
            ("b", 2),
        ),
    ],
)
def test_blockers(line, lock, role, owner):
    (blocker,) = read(line).finish().blockers
    assert (blocker.lock, blocker.role, (blocker.owner_comm, blocker.owner_pid)) == (lock, role, owner)


def test_locks_of_2_6_and_of_today():
    evidence = read(
        """1 lock held by ramswap.sh/175:
 #0:  (&mm->mmap_sem){......}, at: [<c03c3748>] do_page_fault+0xfc/0x368
2 locks held by kworker/0:1/12:
 #0: ffff88813bc3e0a0 ((wq_completion)events){+.+.}-{0:0}, at: process_one_work+0x1b6/0x350
 #1: ffffffff8e334f20 (rtnl_mutex){+.+.}-{4:4}, at: linkwatch_event+0xf/0x70
no locks held by init/1."""
    ).finish()
    assert [(lock.pid, lock.index, lock.name, lock.function) for lock in evidence.locks] == [
        (175, 0, "&mm->mmap_sem", "do_page_fault"),
        (12, 0, "(wq_completion)events", "process_one_work"),
        (12, 1, "rtnl_mutex", "linkwatch_event"),
    ]
    assert evidence.locks[1].address == "ffff88813bc3e0a0"


@pytest.mark.parametrize(
    ("line", "kind", "cpu", "seconds", "pid"),
    [
        ("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [hog:123]", "soft", 1, 22, 123),
        ("BUG: soft lockup - CPU#0 stuck for 67s! [kswapd0:35]", "soft", 0, 67, 35),
        ("watchdog: Watchdog detected hard LOCKUP on cpu 3", "hard", 3, None, None),
        ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu", None, None, None),
        ("INFO: rcu_sched self-detected stall on CPU", "rcu", None, None, None),
        (
            "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!",
            "workqueue",
            0,
            30,
            None,
        ),
    ],
)
def test_lockups(line, kind, cpu, seconds, pid):
    (lockup,) = read(line).finish().lockups
    assert (lockup.kind, lockup.cpu, lockup.seconds, lockup.pid) == (kind, cpu, seconds, pid)


def test_two_tasks_of_a_dump_stay_apart_and_share_its_number():
    evidence = read(
        """sysrq: Show Blocked State
task:a               state:D stack:    0 pid:   10 ppid:     1 flags:0x00000000
Call Trace:
 __schedule+0x282/0x870
 schedule+0x46/0xb0
e109 4096 KiB
 squashfs_cache_get+0x2d6/0x340 [squashfs]
task:b               state:D stack:    0 pid:   11 ppid:     1 flags:0x00000000
Call Trace:
 __schedule+0x282/0x870
sysrq: Show Blocked State
task:a               state:D stack:    0 pid:   10 ppid:     1 flags:0x00000000
Call Trace:
 __schedule+0x282/0x870"""
    ).finish()
    assert [(task.pid, task.snapshot, len(task.stack.frames)) for task in evidence.tasks] == [
        (10, 1, 3),
        (11, 1, 1),
        (10, 2, 1),
    ]
    assert {task.origin for task in evidence.tasks} == {"sysrq-w"}


def test_an_interrupt_on_top_is_cut_and_said():
    (task,) = (
        read(
            """task:k state:R  running task     stack:    0 pid:   52 ppid:     2 flags:0x00004000
Call Trace:
 <IRQ>
 sched_show_task.cold+0xad/0xbd
 </IRQ>
 common_interrupt+0xb0/0x130
RIP: 0010:vp_notify+0x12/0x20 [virtio_pci]
 virtqueue_notify+0x1b/0x40 [virtio_ring]
 virtio_queue_rq+0x4a5/0x520 [virtio_blk]"""
        )
        .finish()
        .tasks
    )
    assert task.stack.interrupted
    assert [frame.function for frame in task.stack.frames] == ["virtqueue_notify", "virtio_queue_rq"]


def test_two_headless_traces_with_a_line_between_them_are_two():
    evidence = read(
        """[<c08394e4>] __schedule+0x2c8
[<c018df88>] squashfs_cache_get+0x108
see also the other list
[<c08394e4>] __schedule+0x2c8
[<c018df88>] squashfs_cache_get+0x108"""
    ).finish()
    assert [len(task.stack.frames) for task in evidence.tasks] == [2, 2]
    assert all(task.pid is None for task in evidence.tasks)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000007", "panic"),
        ("BUG: KASAN: slab-use-after-free in foo+0x1/0x2", "kasan"),
        ("BUG: unable to handle page fault for address: 0000000000001000", "page-fault"),
        ("Unable to handle kernel NULL pointer dereference at virtual address 00000000", "page-fault"),
        ("WARNING: CPU: 1 PID: 7 at fs/inode.c:10 drop_nlink+0x1/0x2", "warning"),
        ("WARNING: possible circular locking dependency detected", "lockdep"),
        ("general protection fault, probably for non-canonical address 0xdffffc0000000000", "gpf"),
    ],
)
def test_crash_headlines(line, kind):
    assert [crash.kind for crash in read(line).finish().crashes] == [kind]


def test_no_facts_from_ordinary_lines():
    evidence = read(
        """usb 1-1: new high-speed USB device number 2 using xhci_hcd
EXT4-fs (sda1): re-mounted. Opts: errors=remount-ro
IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready
random: crng init done"""
    ).finish()
    assert not any(
        (evidence.tasks, evidence.hung, evidence.crashes, evidence.lockups, evidence.locks, evidence.io)
    )


def test_a_stack_size_glued_to_the_state():
    # 4.9-5.9: "%-15.15s %c" then "%5lu" (kernel/sched/core.c sched_show_task() of 4.19)
    fields = parse_task_line("kworker/u16:5   D24912  7531      2 0x80000000")
    assert fields is not None
    assert (fields["comm"], fields["state"], fields["pid"], fields["ppid"]) == ("kworker/u16:5", "D", 7531, 2)


def test_inlined_lock_positions_are_one_lock():
    evidence = read(
        """1 lock held by a/12:
 #0: ffff88801 (&sb->s_type->i_mutex_key#9){+.+.}-{3:3}, at: inode_lock include/linux/fs.h:804 [inline]
 #0: ffff8880167ce0a0 (&sb->s_type->i_mutex_key#9){+.+.}-{3:3}, at: do_truncate+0x20c/0x310 fs/open.c:63"""
    ).finish()
    (lock,) = evidence.locks
    assert (lock.function, lock.name) == ("do_truncate", "&sb->s_type->i_mutex_key#9")


def test_traces_shortened_by_hand():
    evidence = read(
        """The writer sleeps in

    __schedule
    schedule
    rwsem_down_write_slowpath
    down_write()
    do_truncate

while the other one does

    schedule+0x46/0xb0
    squashfs_cache_get+0x2d6/0x340
"""
    ).finish()
    assert [[frame.function for frame in task.stack.frames] for task in evidence.tasks] == [
        ["__schedule", "schedule", "rwsem_down_write_slowpath", "down_write", "do_truncate"],
        ["schedule", "squashfs_cache_get"],
    ]


def test_proc_stack_and_crash_bt_name_their_task():
    evidence = read(
        """# cat /proc/1234/stack
[<0>] do_wait+0x1c1/0x220
[<0>] kernel_wait4+0xa6/0x140
PID: 2801   TASK: ffff9c4b41f8a680  CPU: 1   COMMAND: "kworker/1:2"
 #0 [ffffb07980527ca0] __schedule at ffffffff8e2b1234
 #1 [ffffb07980527d20] schedule at ffffffff8e2b1699
 #2 [ffffb07980527d30] squashfs_cache_get at ffffffffc049a1d6 [squashfs]
"""
    ).finish()
    first, second = evidence.tasks
    assert (first.pid, [frame.function for frame in first.stack.frames]) == (
        1234,
        ["do_wait", "kernel_wait4"],
    )
    assert (second.pid, second.comm) == (2801, "kworker/1:2")
    assert second.stack.frames[2].module == "squashfs"


def test_a_fault_inside_the_kernel_is_the_tasks_own():
    # x86, 6.1: a copy from user memory faults and sleeps
    (task,) = (
        read(
            """task:e1              state:D stack:0     pid:108   ppid:103    flags:0x00004002
Call Trace:
 <TASK>
 __schedule+0x34d/0xa00
 schedule+0x5a/0xd0
 squashfs_cache_get+0x2d6/0x340 [squashfs]
 filemap_fault+0x139/0x910
 exc_page_fault+0x70/0x170
 asm_exc_page_fault+0x22/0x30
RIP: 0010:fault_in_readable+0x51/0x90
RAX: 0000000000000000 RBX: 0000000000000001 RCX: 0000000000000001
 fault_in_iov_iter_readable+0x51/0x90
 generic_perform_write+0x10/0x20"""
        )
        .finish()
        .tasks
    )
    assert not task.stack.interrupted
    assert [frame.function for frame in task.stack.frames][2:4] == ["squashfs_cache_get", "filemap_fault"]
    assert task.stack.frames[-1].function == "generic_perform_write"
