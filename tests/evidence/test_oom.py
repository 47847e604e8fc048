"""OOM reports of every era, who was chosen and who was killed, and the reaper's word."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence.driving import kept, read
from unkillable.evidence import oom_tasks
from unkillable.evidence.types import OomKill, OomReap, OomReport

# A Debian 6.1.192 kernel in a virtual machine with 128 MiB; the table is shortened.
DEBIAN_6_1 = """\
[   44.357181] run invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0
[   44.368689] CPU: 0 PID: 1 Comm: run Not tainted 6.1.0-56-cloud-amd64 #1  Debian 6.1.192-2
[   44.372128] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[   44.372367] Call Trace:
[   44.373720]  <TASK>
[   44.373720]  dump_stack_lvl+0x44/0x5c
[   44.373720]  dump_header+0x4c/0x22b
[   44.373720]  oom_kill_process.cold+0xb/0x10
[   44.373720]  out_of_memory+0x1fd/0x4c0
[   44.373720]  __alloc_pages_slowpath.constprop.0+0x67f/0xe70
[   44.373720]  __alloc_pages+0x305/0x330
[   44.373720]  filemap_fault+0x139/0x910
[   44.373720]  asm_exc_page_fault+0x22/0x30
[   44.373720] RIP: 0033:0x52f152
[   44.373720] Code: Unable to access opcode bytes at 0x52f128.
[   44.373720] RAX: 00000000005b5570 RBX: 00007ffd98a3a578 RCX: 0000000000000000
[   44.373720]  </TASK>
[   44.384567] Mem-Info:
[   44.384655] active_anon:8 inactive_anon:16012 isolated_anon:0
[   44.384655]  free:620 free_pcp:9 free_cma:0
[   44.391634] Node 0 DMA free:472kB boost:0kB min:208kB low:260kB high:312kB present:15992kB managed:15360kB
[   44.433627] Free swap  = 0kB
[   44.433954] Total swap = 0kB
[   44.435701] 32635 pages RAM
[   44.440064] 8999 pages reserved
[   44.440203] Tasks state (memory values in pages):
[   44.440281] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name
[   44.440632] [    103]     0   103      565       13    28672        0             0 run
[   44.442621] [    108]     0   108     2550     1592    57344        0             0 e1
[   44.463544] [    112]     0   112     5377     4461    77824        0             0 e5
[   44.497557] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=e5,pid=112,uid=0
[   44.499031] Out of memory: Killed process 112 (e5) total-vm:21508kB, anon-rss:17844kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:76kB oom_score_adj:0
Killed
"""


def report(text: str) -> OomReport:
    found = kept(read(text), "ooms")
    assert len(found) == 1
    fact = found[0]
    assert isinstance(fact, OomReport)
    return fact


def kill(text: str) -> OomKill:
    found = kept(read(text), "kills")
    assert len(found) == 1
    fact = found[0]
    assert isinstance(fact, OomKill)
    return fact


def test_a_report_of_today() -> None:
    builder = read(DEBIAN_6_1)
    fact = kept(builder, "ooms")[0]
    assert (fact.comm, fact.pid, fact.cpu, fact.order, fact.oom_score_adj) == ("run", 1, 0, 0, 0)
    assert fact.gfp_mask == 0x140CCA
    assert fact.gfp_flags == ("GFP_HIGHUSER_MOVABLE", "__GFP_COMP")
    assert fact.gfp_decoded is False
    assert (fact.constraint, fact.nodemask, fact.cpuset) == ("CONSTRAINT_NONE", "(null)", "/")
    assert (fact.task_memcg, fact.memcg, fact.trigger) == ("/", None, None)
    assert fact.lines == (1, 32)
    assert [frame.function for frame in fact.stack.frames][3:5] == ["out_of_memory", "__alloc_pages_slowpath"]
    assert fact.meminfo.pages["free"] == 620
    assert fact.meminfo.swap_total == 0
    assert [(task.pid, task.comm, task.rss) for task in fact.tasks] == [
        (103, "run", 13),
        (108, "e1", 1592),
        (112, "e5", 4461),
    ]
    assert fact.tasks[2].fields["pgtables_bytes"] == 77824
    (killed,) = fact.kills
    assert (killed.pid, killed.comm, killed.reason, killed.line, killed.time) == (
        112,
        "e5",
        "oom",
        32,
        44.499031,
    )
    assert (killed.total_vm, killed.anon_rss, killed.file_rss, killed.shmem_rss) == (21508, 17844, 0, 0)
    assert (killed.uid, killed.pgtables, killed.oom_score_adj, killed.chosen_pid) == (0, 76, 0, None)
    assert kept(builder, "kills") == [killed]
    assert kept(builder, "meminfos") == [fact.meminfo]
    assert builder.kernel["release"] == "6.1.0-56-cloud-amd64"
    (sighting,) = kept(builder, "tasks")
    assert (sighting.pid, sighting.comm, sighting.origin) == (1, "run", "oom-invoker")
    (shell,) = kept(builder, "exits")
    assert (shell.line, shell.signal) == (33, 9)


# 2.6.35.14, ARM, from the list mail of 2011-12-23 (the head was not posted).
CHILD_OF_THE_CHOSEN = """\
[   90.264000] Out of memory: kill process 176 (ramswap.sh) score 2389 or a child
[   90.272000] Killed process 192 (malloc) vsz:19376kB, anon-rss:13452kB, file-rss:0kB
"""


def test_the_chosen_and_the_killed_are_kept_apart() -> None:
    fact = kill(CHILD_OF_THE_CHOSEN)
    assert (fact.pid, fact.comm, fact.score) == (192, "malloc", 2389)
    assert (fact.chosen_pid, fact.chosen_comm, fact.reason) == (176, "ramswap.sh", "ancestor-choice")
    assert (fact.total_vm, fact.anon_rss, fact.file_rss) == (19376, 13452, 0)


def test_a_choice_without_a_kill_is_no_kill() -> None:
    builder = read("Out of memory: Kill process 5 (a) score 9 or sacrifice child\nlogin: \n")
    assert kept(builder, "kills") == []


@pytest.mark.parametrize(
    ("line", "pid", "comm", "reason", "uid", "total_vm"),
    [
        # constructed from format of 2.6.18 mm/oom_kill.c (`%s: Killed process %d (%s).`)
        ("Out of Memory: Killed process 2592 (mysql).", 2592, "mysql", "oom", None, None),
        # constructed from format of 4.4 mm/oom_kill.c (pr_err("Killed process %d (%s) total-vm:..))
        ("Killed process 9 (a b) total-vm:40kB, anon-rss:4kB, file-rss:0kB", 9, "a b", "oom", None, 40),
        # constructed from RHEL 7's form of the same line
        ("Killed process 21945 (tidb), UID 1000, total-vm:33027492kB, anon-rss:3kB, file-rss:0kB, shmem-rss:0kB",
         21945, "tidb", "oom", 1000, 33027492),
        # constructed from RHEL 6's form of the same line
        ("Killed process 215701, UID 679, (java) total-vm:11017300kB, anon-rss:7152432kB, file-rss:1232kB",
         215701, "java", "oom", 679, 11017300),
        # constructed from format of 6.12 mm/oom_kill.c:955
        (("Memory cgroup out of memory: Killed process 77 ((sd-pam)) total-vm:88kB, anon-rss:4kB, file-rss:0kB, "
         "shmem-rss:0kB, UID:5 pgtables:1kB oom_score_adj:100"), 77, "(sd-pam)", "memcg", 5, 88),
        (("Out of memory (oom_kill_allocating_task): Killed process 7 (x) total-vm:1kB, anon-rss:1kB, file-rss:0kB, "
         "shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0"), 7, "x", "allocating-task", 0, 1),
    ],
)  # fmt: skip
def test_kill_lines(
    line: str, pid: int, comm: str, reason: str, uid: int | None, total_vm: int | None
) -> None:
    fact = kill(line)
    assert (fact.pid, fact.comm, fact.reason, fact.uid, fact.total_vm) == (pid, comm, reason, uid, total_vm)


@pytest.mark.parametrize(
    "line",
    [
        "Killed by nobody",
        "systemd[1]: x.service: Killing process 123 (x) with signal SIGKILL.",
        "Killed process 99999999999 (x) total-vm:1kB",  # no pid
        "docker: oom-killer: disabled",
        "oom-kill: constraint",
        "Kill the process first",
    ],
)
def test_lines_that_are_no_kill(line: str) -> None:
    builder = read(line)
    assert kept(builder, "kills") == []
    assert kept(builder, "ooms") == []


# constructed from formats of 2.6.27 mm/oom_kill.c (oomkilladj) and lib/dump_stack.c of that time
OLD_HEAD = """\
httpd invoked oom-killer: gfp_mask=0x1201d2, order=0, oomkilladj=0
Pid: 2376, comm: httpd Not tainted 2.6.27 #4
Out of memory: kill process 300 (x) score 5 or a child
Killed process 300 (x)
"""
# constructed from formats of 3.10.30 mm/oom_kill.c (dump_header, dump_tasks) and kernel/cpuset.c
HEAD_3_10 = """\
apache2 invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=-17
apache2 cpuset=/ mems_allowed=0-1
CPU: 1 PID: 774 Comm: apache2 Not tainted 3.10.30 #0
[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
[ 1046]  1066  1046   228537    95491     311        0             0 Web Content
[  107]     0   107      565       13       4        0         -1000 sshd
Out of memory: Kill process 1046 (Web Content) score 512 or sacrifice child
Killed process 1046 (Web Content) total-vm:914148kB, anon-rss:381964kB, file-rss:0kB
"""
# constructed from formats of 4.9 mm/oom_kill.c:408 (dump_header)
HEAD_4_9 = """\
kworker/u4:1 invoked oom-killer: gfp_mask=0x24200ca(GFP_HIGHUSER_MOVABLE), nodemask=0-1,3, order=2, oom_score_adj=300
"""


def test_heads_of_older_eras() -> None:
    fact = report(OLD_HEAD)
    assert (fact.comm, fact.pid, fact.fields["oom_adj"], fact.oom_score_adj) == ("httpd", 2376, "0", None)
    assert fact.gfp_flags == ("GFP_HIGHUSER_MOVABLE", "__GFP_COLD")
    assert fact.gfp_decoded is True
    assert fact.kills[0].reason == "oom"
    fact = report(HEAD_3_10)
    assert (fact.cpuset, fact.fields["mems_allowed"], fact.oom_score_adj) == ("/", "0-1", -17)
    assert [(task.comm, task.oom_score_adj) for task in fact.tasks] == [("Web Content", 0), ("sshd", -1000)]
    assert fact.kills[0].score == 512
    fact = report(HEAD_4_9)
    assert (fact.nodemask, fact.order, fact.gfp_decoded) == ("0-1,3", 2, False)
    assert fact.kills == ()


# constructed from formats of 2.6.35 mm/oom_kill.c (dump_tasks), 4.4, 6.12:429 and Samsung's 3.10.30
TABLES = {
    "2.6.35": (
        "[ pid ]   uid  tgid total_vm      rss cpu oom_adj name",
        "[  192]     0   192     4844     3363   1       0 malloc",
        {"cpu": 1, "oom_adj": 0},
    ),
    "4.4": (
        "[ pid ]   uid  tgid total_vm      rss nr_ptes nr_pmds swapents oom_score_adj name",
        "[  192]     0   192     4844     3363      14       3        5             0 malloc",
        {"nr_pmds": 3, "swapents": 5},
    ),
    "6.12": (
        "[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name",
        "[    192]     0   192     4844     3363     3300       63         0    53248        0             0 malloc",
        {"rss_anon": 3300, "pgtables_bytes": 53248},
    ),
    "samsung": (
        "[ pid ]   uid  tgid total_vm      rss  rss_max   swap cpu       oom_adj   name",
        "[  192]     0   192     4844     3363     3400      0   1       0(   0)  malloc",
        {"rss_max": 3400, "oom_adj": 0},
    ),
    "header lost": ("Tasks state (memory values in pages):", "[  192]     0   192     4844     3363      14       3        5             0 malloc", {}),
}  # fmt: skip


@pytest.mark.parametrize("era", TABLES)
def test_task_tables(era: str) -> None:
    header, row, fields = TABLES[era]
    fact = report(f"x invoked oom-killer: order=0\n{header}\n{row}\n[  19")
    (task,) = fact.tasks
    assert (task.pid, task.comm, task.tgid, task.total_vm, task.rss) == (192, "malloc", 192, 4844, 3363)
    assert {name: task.fields[name] for name in fields} == fields


def test_a_huge_table_keeps_the_largest() -> None:
    rows = [
        f"[{pid:5}]     0 {pid:5}      565 {pid:8}    28672        0             0 t{pid}"
        for pid in range(1, 1001)
    ]
    header = "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name"
    fact = report("\n".join(["x invoked oom-killer: order=0", header, *rows]))
    assert fact.tasks_omitted == 1000 - oom_tasks.KEEP
    assert [task.pid for task in fact.tasks] == list(range(1001 - oom_tasks.KEEP, 1001))


# constructed from formats of 6.12 mm/memcontrol.c (mem_cgroup_print_oom_meminfo, mem_cgroup_print_oom_group) and oom_kill.c
MEMCG_V2 = """\
stress invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0
memory: usage 102400kB, limit 102400kB, failcnt 181
swap: usage 0kB, limit 9007199254740988kB, failcnt 0
Memory cgroup stats for /a/b:
anon 104857600
file 4096
workingset_refault_file 12
Tasks state (memory values in pages):
[  pid  ]   uid  tgid total_vm      rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name
[    400]     0   400    26000    25000    24900      100         0   245760        0             0 stress
oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,y,mems_allowed=0-1,3,oom_memcg=/a,task_memcg=/a/b,task=str,ess,pid=400,uid=0
Memory cgroup out of memory: Killed process 400 (str,ess) total-vm:104000kB, anon-rss:99600kB, file-rss:400kB, shmem-rss:0kB, UID:0 pgtables:240kB oom_score_adj:0
Tasks in /a/b are going to be killed due to memory.oom.group set
Memory cgroup out of memory: Killed process 401 (sh) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0
Memory cgroup out of memory: Killed process 402 (sh) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0
"""
# constructed from formats of 3.10 mm/memcontrol.c (mem_cgroup_print_oom_info)
MEMCG_V1 = """\
java invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0
Task in /1/2 killed as a result of limit of /1
memory: usage 102400kB, limit 102400kB, failcnt 3
memory+swap: usage 102400kB, limit 204800kB, failcnt 0
kmem: usage 0kB, limit 9007199254740991kB, failcnt 0
Memory cgroup stats for /1: cache:188KB rss:1048388KB mapped_file:16KB
Memory cgroup out of memory: Kill process 5 (java) score 1001 or sacrifice child
Killed process 5 (java) total-vm:4kB, anon-rss:4kB, file-rss:0kB
"""


def test_memory_cgroups() -> None:
    fact = report(MEMCG_V2)
    assert (fact.trigger, fact.memcg, fact.task_memcg, fact.constraint) == (
        "memcg",
        "/a",
        "/a/b",
        "CONSTRAINT_MEMCG",
    )
    assert fact.cpuset == "x,y"
    assert fact.fields["victim"] == "str,ess"
    assert fact.fields["stat.workingset_refault_file"] == "12"
    assert fact.memcg_usage["memory"] == (102400, 102400)
    assert [(one.pid, one.reason) for one in fact.kills] == [
        (400, "memcg"),
        (401, "cgroup-sibling"),
        (402, "cgroup-sibling"),
    ]
    fact = report(MEMCG_V1)
    assert (fact.memcg, fact.task_memcg, fact.trigger) == ("/1", "/1/2", "memcg")
    assert fact.memcg_usage["memory+swap"] == (102400, 204800)
    assert fact.fields["stat.rss"] == "1048388KB"
    assert (fact.kills[0].reason, fact.kills[0].score) == ("memcg", 1001)


CAPTURES = Path(__file__).parent.parent / "samples" / "captures"


@pytest.mark.parametrize(
    ("name", "invoker", "trigger", "reason", "pid", "tasks"),
    [
        ("amd64-6.1-oom", "h", None, "oom", 120, 2),
        ("amd64-6.1-oom-two", "h", None, "oom", 132, 4),
        ("amd64-6.1-oom-allocating-task", "h", None, "allocating-task", 124, 2),
        ("amd64-6.1-oom-memcg-v2", "h", "memcg", "memcg", 137, 1),
        ("amd64-6.1-oom-sysrq-f", "kworker/1:2", "sysrq", "sysrq-f", 128, 4),
        ("amd64-6.1-panic-on-oom", "h", None, None, None, 1),
    ],
)
def test_logs_of_virtual_machines(
    name: str, invoker: str, trigger: str | None, reason: str | None, pid: int | None, tasks: int
) -> None:
    text = (CAPTURES / f"{name}.sample").read_text(encoding="utf-8", errors="replace")
    fact = report(text)
    assert (fact.comm, fact.trigger, len(fact.tasks)) == (invoker, trigger, tasks)
    assert fact.stack is not None
    assert [(one.pid, one.reason) for one in fact.kills] == ([(pid, reason)] if reason else [])
    assert ("panic" in fact.fields) is (reason is None)


def test_unreclaimable_slab() -> None:
    # constructed from format of 7.3 mm/slab_common.c (dump_unreclaimable_slab)
    fact = report(
        "x invoked oom-killer: order=0\nUnreclaimable slab info:\nName                      Used          Total\n"
        "task_struct               1234KB       2000KB\nkmalloc-4k                  64KB         64KB\n"
    )
    assert fact.unreclaimable_slab == {"task_struct": (1234, 2000), "kmalloc-4k": (64, 64)}


def test_sysrq_f() -> None:
    # constructed from formats of 6.12 drivers/tty/sysrq.c:411 and mm/oom_kill.c:462
    fact = report(
        "sysrq: Manual OOM execution\n"
        "kworker/0:1 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=-1, oom_score_adj=0\n"
        "Out of memory: Killed process 7 (x) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB "
        "oom_score_adj:0\n"
    )
    assert (fact.trigger, fact.order, fact.kills[0].reason) == ("sysrq", -1, "sysrq-f")


def test_panics_and_no_victim() -> None:
    # constructed from formats of 6.12 mm/oom_kill.c:1169 and :1176
    builder = read(
        "x invoked oom-killer: order=0\nOut of memory and no killable processes...\n"
        "Kernel panic - not syncing: System is deadlocked on memory\n"
    )
    (fact,) = kept(builder, "ooms")
    assert "no_killable" in fact.fields
    assert fact.fields["panic"] == "System is deadlocked on memory"
    assert [crash.kind for crash in kept(builder, "crashes")] == ["panic"]


def test_a_report_whose_head_was_lost() -> None:
    fact = report("\n".join(DEBIAN_6_1.splitlines()[-3:]))
    assert (fact.comm, fact.constraint, fact.kills[0].pid) == ("", "CONSTRAINT_NONE", 112)


def test_a_summary_in_pieces() -> None:
    fact = report(
        "x invoked oom-killer: order=0\noom-kill:constraint=CONSTRAINT_NONE,nodemask=(null)\n"
        "LAB: beat 3\n,cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=e5,pid=112,uid=0\n"
    )
    assert (fact.cpuset, fact.fields["victim_pid"]) == ("/", "112")


def test_a_name_glued_to_user_output() -> None:
    fact = report(
        "LAB: beat 2 16.32 3664 8460 run invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GF\n"
        "CPU: 0 PID: 1 Comm: run Not tainted 6.1.0-56-cloud-amd64 #1\n"
    )
    assert (fact.comm, fact.gfp_decoded) == ("run", True)


@pytest.mark.parametrize("end", range(1, len(DEBIAN_6_1.splitlines())))
def test_a_report_cut_anywhere_gives_what_is_there(end: int) -> None:
    lines = DEBIAN_6_1.splitlines()[:end]
    fact = report("\n".join(lines))
    assert fact.comm == "run"
    assert fact.lines == (1, min(end, 32))


# constructed from formats of 4.9 mm/oom_kill.c:550, 6.12:599 and :626, :982
REAPS = """\
oom_reaper: reaped process 112 (e5), now anon-rss:0kB, file-rss:4kB, shmem-rss:0lulB
oom_reaper: unable to reap pid:113 (a b)
oom killer 114 (x) has mm pinned by 1 (init)
"""


def test_the_reaper() -> None:
    found = kept(read(REAPS), "reaps")
    assert all(isinstance(fact, OomReap) for fact in found)
    assert [(fact.pid, fact.comm, fact.success, fact.anon_rss, fact.pinned_by) for fact in found] == [
        (112, "e5", True, 0, None),
        (113, "a b", False, None, None),
        (114, "x", False, None, 1),
    ]


def test_the_unreaped_victims_task_is_marked() -> None:
    # constructed from formats of 6.1 mm/oom_kill.c:629 and kernel/sched/core.c (sched_show_task)
    builder = read(
        "oom_reaper: unable to reap pid:113 (e5)\n"
        "task:e5              state:D stack:0     pid:113   ppid:1      flags:0x00004000\n"
        "Call Trace:\n __schedule+0x2d1/0x870\n schedule+0x55/0xd0\n squashfs_cache_get+0x120/0x380 [squashfs]\n"
    )
    (task,) = kept(builder, "tasks")
    assert (task.pid, task.state, task.origin) == (113, "D", "reaper-victim")


@pytest.mark.parametrize(
    ("line", "pid", "comm", "reason", "adj"),
    [
        # constructed from formats of drivers/staging/android/lowmemorykiller.c of 2.6.35, 3.10 and 3.18 vendor trees
        ("send sigkill to 2613 (d.games.ui), adj 12, size 5196", 2613, "d.games.ui", "lowmemorykiller", 12),
        ("lowmemorykiller: Killing 'd.play.games.ui' (2613), adj 1000,", 2613, "d.play.games.ui", "lowmemorykiller", 1000),
        ("lowmemorykiller: Killing 'x y' (2) (tgid 1), adj 900,", 2, "x y", "lowmemorykiller", 900),
        # constructed from lmkd's, systemd-oomd's and earlyoom's sources
        ("lowmemorykiller: Kill 'com.app' (3847), uid 10100, oom_score_adj 905 to free 123kB rss", 3847, "com.app", "lmkd", 905),
        ("systemd-oomd[5]: Killed /user.slice/a.scope due to memory pressure for /user.slice being 76.4% > 50.0% for > 20s",
         0, "/user.slice/a.scope", "systemd-oomd", None),
        ("a.service: systemd-oomd killed 12 process(es) in this unit.", 0, "a.service", "systemd-oomd", None),
        ('earlyoom[1]: sending SIGKILL to process 12 uid 0 "fire fox": oom_score 800, oom_score_adj 5, VmRSS 3 MiB',
         12, "fire fox", "earlyoom", 5),
        ('sending SIGTERM to process 12 uid 0 "x": badness 800, VmRSS 3 MiB', 12, "x", "earlyoom-term", None),
    ],
)  # fmt: skip
def test_other_killers(line: str, pid: int, comm: str, reason: str, adj: int | None) -> None:
    fact = kill(line)
    assert (fact.pid, fact.comm, fact.reason, fact.oom_score_adj) == (pid, comm, reason, adj)


ALL = [
    line
    for text in (DEBIAN_6_1, HEAD_3_10, MEMCG_V1, MEMCG_V2, REAPS, CHILD_OF_THE_CHOSEN)
    for line in text.splitlines()
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(ALL), st.text(max_size=100)), max_size=40), st.data())
def test_shuffled_and_cut_lines_raise_nothing(lines: list[str], data: st.DataObject) -> None:
    mixed = []
    for line in lines:
        start = data.draw(st.integers(0, 3))
        mixed.append(line[start : len(line) - data.draw(st.integers(0, 30))])
    read([ALL[0], *mixed, *lines])


def test_long_lines_take_no_time() -> None:
    for line in (
        "Killed process " + "1" * 60000,
        "x invoked oom-killer: " + "gfp_mask=" * 9000,
        "(" * 60000 + " invoked oom-killer: ",
    ):
        read([line, "oom-kill:constraint=A" + ",task_memcg=" * 5000, "[ 1] " + "1 " * 30000])
