"""Ends of processes: the kernel's, init systems' and shells' words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.driving import kept, read
from unkillable.evidence.types import Exit


def one(text: str) -> Exit:
    found = kept(read(text), "exits")
    assert len(found) == 1
    fact = found[0]
    assert isinstance(fact, Exit)
    return fact


def test_init_was_killed() -> None:
    # constructed from formats of 5.10 kernel/exit.c:836 and lib/dump_stack.c
    builder = read(
        "[ 9.5] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000007\n"
        "[ 9.5] CPU: 0 PID: 1 Comm: init Not tainted 5.10.90 #0\n"
        "[ 9.5] Call Trace:\n[ 9.5]  dump_stack+0x6b/0x83\n[ 9.5]  panic+0x101/0x2d7\n"
    )
    (fact,) = kept(builder, "exits")
    assert (fact.pid, fact.signal, fact.exitcode) == (1, 7, 7)
    (crash,) = kept(builder, "crashes")
    assert (crash.kind, crash.pid) == ("panic", 1)
    assert crash.title.startswith("Attempted to kill init!")
    fact = one("Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100")
    assert (fact.signal, fact.exitcode) == (None, 0x100)
    assert one("Kernel panic - not syncing: Attempted to kill init!").exitcode is None


@pytest.mark.parametrize(
    ("text", "pid", "comm", "signal"),
    [
        # constructed from formats of 2.6.35 and 3.10 kernel/signal.c, 5.10:1248 and 6.12:1260
        ("sh/123: potentially unexpected fatal signal 7.", 123, "sh", 7),
        ("potentially unexpected fatal signal 7.\nCPU: 0 PID: 9 Comm: sh Not tainted 5.10.90 #0", 9, "sh", 7),
        ("/bin/busybox: sh: potentially unexpected fatal signal 11.", None, "sh", 11),
        # constructed from formats of 7.3: arch/x86/mm/fault.c:766, arch/arm/mm/fault.c:182, arch/arm64/kernel/traps.c:251,
        # arch/riscv/kernel/traps.c:120, arch/powerpc/kernel/traps.c:324, arch/mips/mm/fault.c:262
        (
            "e5[112]: segfault at 0 ip 00000000004721a0 sp 00007ffce29df178 error 4 in e5[401000+200000]",
            112,
            "e5",
            11,
        ),
        ("Web Content[112]: segfault at 7f0dd161d010 ip 1 sp 2 error 4", 112, "Web Content", 11),
        ("e5: unhandled page fault (7) at 0xb6f00000, code 0x017", None, "e5", 7),
        (
            "e5[112]: unhandled exception: DABT (lower EL), ESR 0x92000007, level 3 translation fault in e5",
            112,
            "e5",
            None,
        ),
        ("e5[112]: unhandled signal 7 code 0x2 at 0x0000003f8c1b2000 in e5[10000+200000]", 112, "e5", 7),
        (
            "e5[112]: bus error (7) at 10001000 nip 10001000 lr 1000 code 2 in e5[10000000+200000]",
            112,
            "e5",
            7,
        ),
        ("do_page_fault() #3: sending SIGBUS to e5 for invalid read access from", None, "e5", 7),
        ("do_page_fault(): sending SIGSEGV to e5 for invalid read access from 00000000", None, "e5", 11),
        # constructed from format of 4.4 arch/arm64/mm/fault.c
        ("e5[112]: unhandled level 3 translation fault (11) at 0x00000000, esr 0x92000007", 112, "e5", 11),
        # constructed from format of 7.3 arch/x86/kernel/traps.c:326
        ("traps: e5[112] trap invalid opcode ip:401000 sp:7ffe error:0 in e5[401000+1000]", 112, "e5", None),
        # constructed from systemd's, Android init's and upstart's messages
        ("systemd[1]: a@b.service: Main process exited, code=killed, status=9/KILL", None, "a@b.service", 9),
        ("a.service: main process exited, code=dumped, status=7/BUS", None, "a.service", 7),
        ("a.service: A process of this unit has been killed by the OOM killer.", None, "a.service", 9),
        ("init: Service 'zygote' (pid 321) killed by signal 9", 321, "zygote", 9),
        ("init: Service 'zygote' (pid 321) received signal 9", 321, "zygote", 9),
        ("init: cron main process (744) killed by KILL signal", 744, "cron", 9),
        # 2011-12-23 linux-mm report
        ("##### send signal from KERNEL, SIG : 9, malloc, PID:192, force_sig_info", 192, "malloc", 9),
        # shells; the first from the openbmc report, the second from the Debian 6.1 capture
        ("Bus error", None, None, 7),
        ("Killed", None, None, 9),
        ("Segmentation fault (core dumped)", None, None, 11),
        ("./run.sh: line 3:   123 Killed                  ./eater", 123, "./eater", 9),
        ("[1]+  Bus error               ./eater", None, "./eater", 7),
    ],
)
def test_ends(text: str, pid: int | None, comm: str | None, signal: int | None) -> None:
    fact = one(text)
    assert (fact.pid, fact.comm, fact.signal) == (pid, comm, signal)


@pytest.mark.parametrize(
    "line",
    [
        "Killed by nobody",
        "The Bus error counter is 0",
        "systemd[1]: a.service: Main process exited, code=exited, status=1/FAILURE",
        "unhandled irq 9",
        "mydev: unhandled event at 5",
        "init: Service 'zygote' (pid 321) exited with status 0",
        "pcieport 0000:00:1c.0: AER: Bus error counter",
        "session killed by user",
    ],
)
def test_other_lines(line: str) -> None:
    assert kept(read(line), "exits") == []


def test_the_senders_stack_is_the_invokers() -> None:
    # 2011-12-23 linux-mm report, 2.6.35.14, ARM
    builder = read(
        "[   90.280000] ##### send signal from KERNEL, SIG : 9, malloc, PID:192, force_sig_info\n"
        "[   90.288000] Backtrace(CPU 1):\n"
        "[   90.320000] [<c00870c0>] (force_sig+0x0/0x24) from [<c0111978>] (oom_kill_task+0xc4/0xe4)\n"
        "[   90.352000] [<c0111bdc>] (__out_of_memory+0x0/0x190) from [<c0111e34>] (out_of_memory+0xc8/0x124)\n"
    )
    (task,) = kept(builder, "tasks")
    assert (task.pid, task.origin) == (None, "oom-invoker")


@given(
    st.text(max_size=60),
    st.sampled_from(["segfault at", "unhandled ", "Killed", "killed by", "Bus error", "sending SIG"]),
)
def test_any_text_raises_nothing(text: str, word: str) -> None:
    read(
        [
            text,
            text + word,
            word + text,
            f"{text}[1]: {word} {text}",
            f"Attempted to kill init! exitcode={text}",
        ]
    )
