"""Reads a backtrace, line by line, in every architecture's form."""

from __future__ import annotations

import re

from unkillable.evidence.frames import parse_bare, parse_decoded, parse_frames, salvage
from unkillable.evidence.types import Frame, Stack
from unkillable.klog.record import Record

_LIMIT = 256  # frames; a real kernel stack has fewer than 100, junk on it included

# A line that starts a backtrace.
START = re.compile(
    r"^\s*(?:Call [Tt]race|Backtrace|Stack [Tt]race|Stack backtrace|Trace)(?:\(CPU \d+\))?:?(?P<rest>.*)$"
)
# Interrupt stacks on top of the task's own: what lies above is not the task's.
_INTERRUPT_END = re.compile(r"^\s*(?:</(?:IRQ|NMI|SOFTIRQ|#?[A-Z]{2,3})>|<EOI>|<<EOE>>)")
_INTERRUPT = re.compile(r"^\s*<(?:IRQ|NMI|SOFTIRQ|#[A-Z]{2,3})>")
_USER_PC = re.compile(r"^\s*(?:RIP: 00(?:33|23|2b):|EIP: )(?:\[<)?(?P<pc>(?:0x)?[0-9a-f]{5,16})")
# The user's program counter: the trace reached user space.  0033/0023/002b are x86's user code segments.
_USER = re.compile(
    r"^\s*(?:RIP: 00(?:33|23|2b):|EIP: 00(?:73|23):|Exception stack\(|(?:EIP|RIP): 0x[0-9a-f]+|--- (?:interrupt|Exception|syscall): "
    r"(?:c00|300|400|3000))"
)
_KERNEL_PC = re.compile(r"^\s*(?:RIP: 0010:|EIP: 00(?:60|10):|EIP: \w+\+0x)")
# What else is printed inside a trace: registers, code bytes, raw stack words, markers.
NOISE = re.compile(
    r"""^\s*(?:
      $ | \.\.\.$ | </?TASK> | ={2,} | -{10,}$
    | (?:R[A-Z0-9]{1,2}|E[A-Z]{2}|[DEFGCS]S|CR\d|DR\d|EFLAGS|ORIG_RAX|RFLAGS|ESI|FS|GS|PKRU)\s?: | (?:RIP|EIP|RSP|ESP):
    | Code: | Code\s:\s | Stack\s?: | Modules\ linked | Hardware\ name: | Unable\ to\ access\ opcode
    | [rx]\d{1,2}\s?: | (?:sp|pc|lr|ip|fp|psr|ra|gp|tp|epc|status|badaddr|cause|[sta]\d{1,2}|pstate|PSTATE|xPSR|sl)\s?[:=]
    | [0-9a-f]{2,8}:\ [0-9a-f ]+$ | (?:[0-9a-f]{8,16}[ ]?){1,8}$ | \$\ ?\d+\s*: | (?:Hi|Lo|epc|ra|Status|Cause|BadVA|PrId)\s*:
    | Exception\ stack\( | ---\ (?:interrupt|Exception|syscall) | (?:NIP|LR|MSR|CFAR|GPR\d\d|REGS|CTR|XER|DAR|TRAP|CR|IRQMASK|SOFTE)\s?[:\[]
    | Krnl\ (?:PSW|Code|GPRS) | User\ (?:PSW|Code|GPRS) | [#>]?[0-9a-f]{8,16}:\ [0-9a-f]{4,} | [0-9a-f]{16}\ [0-9a-f]{16}
    | Last\ Breaking-Event | \[<[0-9a-f]+>\]\s*$ | \(\[<[0-9a-f]+>\]\s*[0-9a-f]*x?[0-9a-f]*\)$ | INFO:\ lockdep\ is\ turned\ off
    | (?:era|ERA|CRMD|PRMD|EUEN|ECFG|ESTAT)\s*: | \[<0>\]\ 0xffffffffffffffff | \[<[0-9a-f]+>\]\ 0x[0-9a-f]+
    | (?:\?\ )?0x[0-9a-f]+$ | Flags:\  | Process\ .*\(pid | Call\ Trace:\s*$ | Insn\ dump | tpidr
    )""",
    re.VERBOSE,
)
# Register lines of x86, the bulk of a dump of all tasks: told by their first four characters.
_REGISTERS = frozenset(
    "RAX: RDX: RBP: R10: R13: RSP: EAX: ESI: EDX: ECX: EBX: CR2: DR0: DR3: DR6: Code".split()
)
# A letter may be doubled: QEMU's log file does that when its reader is slow.
_TASK = re.compile(r"^\s*<{1,2}(?P<end>/{0,2})T{1,2}A{1,2}S{1,2}K{1,2}>{1,2}\s*$")
_plain: dict[str, tuple[Frame, ...]] = {}
"""Lines that are frames and nothing else: the same few thousand again and again in a dump of all tasks."""
_PLAIN_LIMIT = 50_000
_SLEEPERS = frozenset({"__schedule", "schedule", "__switch_to", "context_switch"})
_OUTERMOST = frozenset(
    "ret_from_fork ret_from_fork_asm ret_from_exception ret_fast_syscall asm_exc_page_fault error_code page_fault "
    "entry_SYSCALL_64_after_hwframe el0_sync el0t_64_sync el0_da el0_svc_naked system_call_fastpath syscall_call "
    "ret_from_syscall handle_sys system_call pgm_check_handler sysenter_do_call kernel_thread_helper "
    "ret_from_kernel_thread kernel_thread_starter ret_from_kernel_user_thread".split()
)
# Of these, those that are never in the middle of a trace, as a fault in the kernel's own code is.
_LAST = frozenset(
    "entry_SYSCALL_64_after_hwframe ret_fast_syscall el0t_64_sync el0_sync el0_svc_naked ret_from_fork_asm "
    "ret_from_kernel_thread ret_from_kernel_user_thread".split()
)


def is_of_trace(text: str) -> bool:
    """Whether a line is certain to be of some trace, without a closer look: frames that were met before, x86's registers."""
    return text in _plain or text[:4] in _REGISTERS


class StackReader:
    """Takes the lines of one backtrace and gives the stack.

    `feed` says whether a line belongs to the trace; a line it refuses ends the trace or was put between its
    lines by somebody else, which the caller decides.
    """

    __slots__ = (
        "damaged",
        "ends",
        "first",
        "frames",
        "from_user",
        "interrupted",
        "last",
        "mixed",
        "numbers",
        "started",
        "tasked",
        "user_pc",
    )

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.numbers: list[int] = []
        self.first = 0
        self.last = 0
        self.started = False
        self.interrupted = False
        self.from_user = False
        self.user_pc: str | None = None
        self.damaged = 0
        self.tasked = False
        """The task's own part is marked: `<TASK>`, x86 since 5.16."""
        self.ends = 0
        """How often `</TASK>` was read; behind the first are no frames of this task."""
        self.mixed = False

    def feed(self, record: Record) -> bool:
        text = record.text
        frames = _plain.get(text)
        if frames is None:
            if text[:4] in _REGISTERS:
                return self._took(record.number)
            return self._feed_new(text, record.number)
        if self.ends or (frames[0].function in _SLEEPERS and self._starts_anew(frames)):
            return False
        if len(frames) == 1 and len(self.frames) < _LIMIT:
            self.frames.append(frames[0])
            self.numbers.append(record.number)
        else:
            self._push(frames, record.number)
        self.last = record.number
        self.first = self.first or self.last
        return True

    def _feed_new(self, text: str, number: int) -> bool:
        """A line not met before: works out what it is, and remembers the plain frames."""
        if "+0x" not in text:
            return self._feed_rest(text, number)
        frames = parse_frames(text)
        if not frames:
            if _KERNEL_PC.match(text):
                return self._kernel_pc(number)
            if NOISE.match(text):
                return self._took(number)
            frames = salvage(text)
            if not frames:
                return False
            self.damaged += 1
        elif "<" not in text or not _INTERRUPT_END.match(text):
            if len(_plain) >= _PLAIN_LIMIT:
                _plain.clear()
            _plain[text] = frames
        if self.ends or self._starts_anew(frames):
            return False
        if "<" in text and _INTERRUPT_END.match(text):
            self._cut_interrupt(number)
        self._push(frames, number)
        return self._took(number)

    def _feed_rest(self, text: str, number: int) -> bool:
        started = START.match(text)
        if started:
            if self.frames:
                return False
            self.started = True
            return self._took(number)
        if _INTERRUPT_END.match(text):
            return self._cut_interrupt(number)
        if _KERNEL_PC.match(text):
            return self._kernel_pc(number)
        if _INTERRUPT.match(text):
            return self._took(number)
        if _USER.match(text):
            self.from_user = self.from_user or bool(self.frames)
            counter = _USER_PC.match(text)
            if counter is not None and self.frames:
                self.user_pc = counter["pc"]
            return self._took(number)
        mark = _TASK.match(text)
        if mark is not None:
            self.tasked = True
            self.ends += bool(mark["end"])
            return self._took(number)
        if NOISE.match(text):
            return self._took(number)
        frames = (parse_decoded(text) or parse_bare(text)) if self.started or self.frames else ()
        if not frames or self.ends or self._starts_anew(frames):
            return False
        self._push(frames, number)
        return self._took(number)

    def _took(self, number: int) -> bool:
        if not self.first:
            self.first = number
        self.last = number
        return True

    def _kernel_pc(self, number: int) -> bool:
        """A program counter in kernel code: an interrupt came there, unless the frames above sleep.

        A page fault taken inside the kernel (a copy from user memory) sleeps like any other.
        """
        if self.frames and self.frames[0].function in _SLEEPERS:
            return self._took(number)
        return self._cut_interrupt(number)

    def _cut_interrupt(self, number: int) -> bool:
        """What was read so far ran on an interrupt's stack above the task's own frames."""
        self.frames.clear()
        self.numbers.clear()
        self.interrupted = True
        return self._took(number)

    def _push(self, frames: tuple[Frame, ...], number: int) -> None:
        if len(self.frames) >= _LIMIT:
            return
        if len(frames) == 2 and self.frames and self.frames[-1].function == frames[0].function:
            frames = frames[1:]  # ARM names the callee again, which the line before gave with its offset
        self.frames.extend(frames)
        self.numbers.extend([number] * len(frames))

    def _starts_anew(self, frames: tuple[Frame, ...]) -> bool:
        """Two traces without anything between them: the second starts in the scheduler again."""
        if not self.frames or not frames[0].reliable or frames[0].function not in _SLEEPERS:
            return False
        if len(self.frames) < 4:
            return False
        return self.frames[-1].function in _OUTERMOST or len(frames) == 2

    def finish(self) -> Stack | None:
        """The stack read so far, or None if no frame was seen."""
        if not self.frames:
            return None
        frames = tuple(self.frames)
        from_user = self.from_user or (
            frames[-1].function in _OUTERMOST and "fork" not in frames[-1].function
        )
        return Stack(
            frames,
            (self.first, self.last),
            tuple(self.numbers),
            self.interrupted,
            from_user,
            self.damaged,
            self.user_pc,
            self.mixed or self._goes_on(),
        )

    def _goes_on(self) -> bool:
        """Whether frames follow the one with which a task's trace ends: another trace's, unless a guess."""
        last = next((at for at, frame in enumerate(self.frames) if frame.function in _LAST), None)
        return last is not None and any(
            frame.reliable and frame.function not in _OUTERMOST for frame in self.frames[last + 1 :]
        )
