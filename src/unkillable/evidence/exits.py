"""Ends of processes that a log shows: fatal signals named by the kernel, by init systems and by shells.

On an out-of-memory hang a SIGBUS tells a bystander of a failed page fault from a victim (SIGKILL).
"""

from __future__ import annotations

import re
import signal

from unkillable.evidence.backtrace import StackReader
from unkillable.evidence.builder import Builder
from unkillable.evidence.numbers import before, hexadecimal, integer, pid_number
from unkillable.evidence.table import Format, Section
from unkillable.evidence.trace import COMM, TraceSection, note_release
from unkillable.evidence.types import Crash, Exit, TaskSighting
from unkillable.klog.record import Record

_TERMSIG = 0x7F  # the signal's bits of a wait status
_SIGNAL_MAX = 64

# Signals by name as shells and init systems write them; numbers are those of the architectures that follow
# asm-generic (SIGBUS is 10 on MIPS, Alpha and PA-RISC: a log's own number is believed instead).
_NAMED = {sig.name.removeprefix("SIG"): int(sig) for sig in signal.Signals}
_SHELL = {
    "Bus error": "BUS",
    "Killed": "KILL",
    "Segmentation fault": "SEGV",
    "Illegal instruction": "ILL",
    "Aborted": "ABRT",
    "Terminated": "TERM",
}


def _exit(
    builder: Builder,
    record: Record,
    pid: str | None,
    comm: str | None,
    number: int | None,
    code: int | None = None,
    ended: bool = True,
) -> None:
    if number is not None and not 0 < number <= _SIGNAL_MAX:
        number = None
    name = comm.strip() if comm else None
    builder.add_exit(
        Exit(
            line=record.number, text=record.text, time=record.time, pid=pid_number(pid), comm=name or None,
            signal=number, exitcode=code, ended=ended,
        )
    )  # fmt: skip


# kernel/exit.c:836 of 5.10, :940 of 7.3; the exit code is there since 2.6.33.
_INIT = re.compile(r"Attempted to kill init!(?: exitcode=(?P<code>0x[0-9a-fA-F]{1,8}))?")


def _init(builder: Builder, match: re.Match[str], record: Record) -> Section:
    code = hexadecimal(match["code"])
    _exit(builder, record, "1", None, code & _TERMSIG if code is not None else None, code)
    builder.add_crash(
        Crash(
            line=record.number, text=record.text, time=record.time, kind="panic", pid=1,
            title=record.text[match.start() :][:200],
        )
    )  # fmt: skip
    return TraceSection(builder, record, "crash")


# print_fatal_signals: `x/123: potentially ..` to 3.x, bare in 4.x-6.1 (kernel/signal.c:1248 of 5.10; CPU and Comm follow),
# `x: ..` or `/bin/x: x: ..` since (kernel/signal.c:1260 of 6.12).
_FATAL = re.compile(r"potentially unexpected fatal signal (?P<signal>\d{1,3})")
_FATAL_NAME = re.compile(r"(?P<comm>[^:/]{1,64})(?:/(?P<pid>\d{1,10}))?:$")


class FatalSignalSection:
    """The head, then dump_stack's line with pid and name."""

    patience = 2

    def __init__(self, builder: Builder, record: Record, match: re.Match[str]) -> None:
        self.builder = builder
        self.record = record
        name = _FATAL_NAME.search(before(match, 80))
        self.pid: str | None = name["pid"] if name else None
        self.comm: str | None = name["comm"] if name else None
        self.signal = integer(match["signal"])
        self.done = False

    def feed(self, record: Record) -> bool:
        if record.text.startswith("code at "):
            return True
        head = COMM.search(record.text) if not self.done else None
        if head is None:
            return False
        self.done = True
        self.pid, self.comm = head["pid"], head["comm"]
        note_release(self.builder, head["rest"], head["taint"])
        return True

    def close(self) -> None:
        _exit(self.builder, self.record, self.pid, self.comm, self.signal)


def _fatal(builder: Builder, match: re.Match[str], record: Record) -> Section:
    return FatalSignalSection(builder, record, match)


# Architectures' words on a user's fault:
#   x86      `x[1]: segfault at 0 ip .. error 4` (arch/x86/mm/fault.c:766 of 7.3), `traps: x[1] trap invalid opcode ip:..`
#   arm      `x: unhandled page fault (7) at 0x.., code 0x017` (user_debug=; arch/arm/mm/fault.c:182)
#   arm64    `x[1]: unhandled level 3 translation fault (11) at 0x..` (to 4.x), `x[1]: unhandled exception: DABT ..`
#   riscv    `x[1]: unhandled signal 7 code 0x2 at 0x..`; powerpc to 4.17 the same without 0x
#   powerpc  `x[1]: bus error (7) at .. nip .. lr .. code 2` (arch/powerpc/kernel/traps.c:324)
#   mips     `do_page_fault() #3: sending SIGBUS to x for invalid read access from` (arch/mips/mm/fault.c:262); loongarch
_FAULT = re.compile(
    r"(?:\[(?P<pid>\d{1,10})\])?: (?:(?P<segv>segfault)|bus error|illegal instruction|unhandled (?P<what>[\w ,-]{1,60}?))"
    r"(?: ?\(?(?P<signal>\d{1,3})\)?)?(?: at |: | code )|"
    r"\[(?P<trap>\d{1,10})\] (?:trap |general protection)[^:]{0,60} ip:|"
    r"sending SIG(?P<name>[A-Z]{3,4}) to (?P<comm>\S.{0,15}?) for invalid "
)


def _fault(builder: Builder, match: re.Match[str], record: Record) -> None:
    # The name is what stands before `[pid]:`, after another program's or the kernel's own `traps: `.
    comm = match["comm"] or before(match, 16).rpartition(": ")[2]
    number = integer(match["signal"])
    named_by_driver = (
        match["what"] and match["pid"] is None and number is None
    )  # `mydev: unhandled event at 5`
    if not comm or named_by_driver:
        return
    if number is None:
        number = _NAMED.get("SEGV" if match["segv"] else match["name"] or "")
    _exit(builder, record, match["pid"] or match["trap"], comm, number)


# `x.service: Main process exited, code=killed, status=9/KILL`; `Failed with result 'oom-kill'` follows it.
_SYSTEMD = re.compile(
    r": (?:[Mm]ain|[Cc]ontrol) process exited, code=(?:killed|dumped), status=(?P<signal>\d{1,3})(?:/\w+)?"
    r"|: A process of this unit has been killed by the OOM killer"
)
# Android's init: `init: Service 'x' (pid 1) killed by signal 9`, `.. received signal 9` since 10; upstart: `init: x main
# process (1) killed by KILL signal`.
_INITS = re.compile(
    r"\b(?:Service|Untracked) '?(?P<comm>[^'()]{1,64}?)'? \(pid:? (?P<pid>\d{1,10})\) (?:killed by|received) signal (?P<signal>\d{1,3})\b"
    r"|\binit: (?P<job>.{1,64}?) (?:main|pre-start|post-start) process \((?P<jobpid>\d{1,10})\) killed by (?P<name>[A-Z]{3,6}) signal"
)


def _unit(builder: Builder, match: re.Match[str], record: Record) -> None:
    unit = before(match, 200).rpartition(" ")[2]
    _exit(builder, record, None, unit, integer(match["signal"]) if match["signal"] else int(signal.SIGKILL))


def _inits(builder: Builder, match: re.Match[str], record: Record) -> None:
    if match["job"]:
        _exit(builder, record, match["jobpid"], match["job"], _NAMED.get(match["name"]))
    else:
        _exit(builder, record, match["pid"], match["comm"], integer(match["signal"]))


# A shell's word, alone on its line or as bash writes it for jobs and scripts: `./run: line 3:   123 Killed     ./x`.
_SHELL_LINE = re.compile(
    r"^\s*(?:\S{1,200}: line \d{1,9}: +)?(?:\[\d{1,5}\][+-]? +)?(?:(?P<pid>\d{1,10}) +)?"
    r"(?P<word>Bus error|Killed|Segmentation fault)(?: \(core dumped\))?(?: {2,}(?P<comm>\S.{0,200}))?\s*$"
)


def _shell(builder: Builder, match: re.Match[str], record: Record) -> None:
    _exit(builder, record, match["pid"], match["comm"], _NAMED[_SHELL[match["word"]]])


# A vendor's kernel (2.6.35, ARM) that says who gets a signal: `##### send signal from KERNEL, SIG : 9, malloc, PID:192`.
_VENDOR = re.compile(
    r"##### send signal from KERNEL, SIG : (?P<signal>\d{1,3}), (?P<comm>.{0,64}?), PID:(?P<pid>\d{1,10})"
)


class SentSignalSection:
    """The sender's stack follows: the task that invoked the OOM killer, which the line does not name."""

    patience = 2

    def __init__(self, builder: Builder, record: Record) -> None:
        self.builder = builder
        self.record = record
        self.stack = StackReader()

    def feed(self, record: Record) -> bool:
        return self.stack.feed(record)

    def close(self) -> None:
        stack = self.stack.finish()
        if stack is None:
            return
        by_oom = any(frame.function.endswith("out_of_memory") for frame in stack.frames)
        self.builder.add_task(
            TaskSighting(
                line=self.record.number, text=self.record.text, time=self.record.time, pid=None, comm=None,
                origin="oom-invoker" if by_oom else "trace", snapshot=self.builder.snapshot, stack=stack,
            )
        )  # fmt: skip


def _vendor(builder: Builder, match: re.Match[str], record: Record) -> Section:
    _exit(builder, record, match["pid"], match["comm"], integer(match["signal"]), ended=False)
    return SentSignalSection(builder, record)


FORMATS = (
    Format(
        "init-killed", ("Attempted to kill init",), _INIT, _init, "2.6.0-7.3", "formats/init-killed.sample"
    ),
    Format(
        "fatal-signal",
        ("unexpected fatal signal",),
        _FATAL,
        _fatal,
        "2.6.25-7.3",
        "formats/fatal-signal.sample",
    ),
    Format(
        "user-fault",
        ("segfault at", "unhandled ", "sending SIG"),
        _FAULT,
        _fault,
        "2.6.24-7.3",
        "captures/riscv64-6.12-squashfs-corrupt.sample",
    ),
    Format(
        "user-fault-rare",
        (),
        _FAULT,
        _fault,
        "2.6.24-7.3",
        "formats/user-fault-rare.sample",
        guard=("segfault", "bus error", "illegal instruction", "unhandled ", "trap ", "general protection"),
    ),
    Format(
        "systemd-exit",
        ("process exited, code=", "killed by"),
        _SYSTEMD,
        _unit,
        "systemd 38 and later",
        "formats/systemd-exit.sample",
    ),
    Format("init-service", ("killed by",), _INITS, _inits, "Android, upstart", "formats/init-service.sample"),
    Format(
        "init-service-rare",
        (),
        _INITS,
        _inits,
        "Android 10 and later",
        "formats/init-service-rare.sample",
        guard=(" signal",),
    ),
    Format(
        "shell",
        ("Kill", "Bus error"),
        _SHELL_LINE,
        _shell,
        "shells",
        "captures/amd64-5.10-oom-allocating-task.sample",
    ),
    Format(
        "shell-rare",
        (),
        _SHELL_LINE,
        _shell,
        "shells",
        "formats/shell-rare.sample",
        guard=("Bus error", "Killed", "Segmentation fault"),
    ),
    Format(
        "sent-signal",
        (),
        _VENDOR,
        _vendor,
        "a vendor's 2.6.35",
        "reports/2011-12-23_linux-mm_ajeet-yadav_2.6.35.14_arm.txt",
        guard=("send signal from",),
    ),
)
