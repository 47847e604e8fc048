"""Stacks made of drgn's frames: recorded values, so that drgn need not be there."""

from __future__ import annotations

from types import SimpleNamespace as Thing
from typing import Any

from unkillable.evidence.drgn_stack import find_lock, read_stack

KERNEL = 0xFFFFFFFF88000000


class RecordedFrame:
    """A frame with what drgn 0.3.0 gave for Debian 6.1.192."""

    def __init__(self, name: str | None, offset: int = 0, size: int = 0, *, inline: bool = False, pc: int | None = None,
                 source: str = "", interrupted: bool = False, locals_: dict[str, Any] | None = None) -> None:  # fmt: skip
        self.function_name = None if name and name.startswith("entry_") else name
        self.is_inline, self.interrupted = inline, interrupted
        self.pc = KERNEL + offset if pc is None else pc
        self._symbol = Thing(name=name, address=self.pc - offset, size=size)
        self._source, self._locals, self._known = source, locals_ or {}, name is not None

    def symbol(self) -> Any:
        if not self._known:
            raise LookupError
        return self._symbol

    def source(self) -> Any:
        if not self._source:
            raise LookupError
        name, _, line = self._source.partition(":")
        return Thing(filename=name, line=int(line))

    def __getitem__(self, name: str) -> Any:
        return self._locals[name]


class RecordedProgram:
    def module(self, address: int) -> Any:
        if address < 0:
            raise OverflowError("can't convert negative int to unsigned")
        if address < 1 << 63:
            raise LookupError
        return Thing(name="squashfs" if address >= 0xFFFFFFFFC0000000 else "kernel")


MUTEX = Thing(
    type_=Thing(type_name=lambda: "struct mutex *"), absent_=False, value_=lambda: 0xFFFFFFFFC02870C0
)
SLEEPER = [
    RecordedFrame("context_switch", 0x34D, 0x9F3, inline=True, source="kernel/sched/core.c:5257"),
    RecordedFrame("__schedule", 0x34D, 0x9F3, source="kernel/sched/core.c:6584"),
    RecordedFrame("__mutex_lock.constprop.0", 0x39D, 0x713, locals_={"lock": MUTEX}),
    RecordedFrame("squashfs_cache_get", 0x7E, 0xB5, pc=0xFFFFFFFFC0284EAE),
    RecordedFrame("entry_SYSCALL_64", 0xA6, 0x1AB, source="/build/reproducible-path/linux-6.1.192/arch/x86/entry/entry_64.S:121"),
    RecordedFrame(None, pc=0x47B7A0, interrupted=True),
    *[RecordedFrame(None, pc=0) for _ in range(1000)],
]  # fmt: skip


def test_a_stack_ends_where_the_kernel_does() -> None:
    stack = read_stack(RecordedProgram(), SLEEPER, running=False)
    assert stack is not None
    assert [frame.symbol for frame in stack.frames] == [
        "__schedule", "__mutex_lock.constprop.0", "squashfs_cache_get", "entry_SYSCALL_64",
    ]  # fmt: skip
    assert stack.from_user
    assert stack.user_pc == "0x47b7a0"
    assert [frame.module for frame in stack.frames] == [None, None, "squashfs", None]
    assert (stack.frames[0].offset, stack.frames[0].size) == (0x34D, 0x9F3)
    assert stack.frames[1].function == "__mutex_lock"
    assert stack.frames[0].source == "kernel/sched/core.c:6584"
    assert stack.frames[3].source == "arch/x86/entry/entry_64.S:121"


def test_a_kernel_threads_stack_does_not_come_from_user_space() -> None:
    frames = [SLEEPER[1], RecordedFrame("ret_from_fork", 0x22, 0x2D), RecordedFrame(None, pc=0)]
    stack = read_stack(RecordedProgram(), frames, running=False)
    assert stack is not None
    assert not stack.from_user
    assert len(stack.frames) == 2
    assert read_stack(RecordedProgram(), [RecordedFrame(None, pc=0)], running=False) is None


def test_an_interrupts_frames_on_a_running_task_are_cut() -> None:
    frames = [
        RecordedFrame("__sysvec_apic_timer_interrupt", 0x5C, 0x60, interrupted=True),
        RecordedFrame("asm_sysvec_apic_timer_interrupt", 0x16, 0x20),
        RecordedFrame("squashfs_readahead", 0x55A, 0x7E6, interrupted=True),
        RecordedFrame("filemap_fault", 0x54E, 0x910),
    ]
    stack = read_stack(RecordedProgram(), frames, running=True)
    assert stack is not None
    assert stack.interrupted
    assert [frame.symbol for frame in stack.frames] == ["squashfs_readahead", "filemap_fault"]


def test_a_fault_taken_in_the_kernel_is_not_an_interrupt() -> None:
    frames = [
        RecordedFrame("filemap_fault", 0x54E, 0x910),
        RecordedFrame("asm_exc_page_fault", 0x22, 0x27),
        RecordedFrame("copy_user_generic_string", 0x31, 0x40, interrupted=True),
    ]
    stack = read_stack(RecordedProgram(), frames, running=True)
    assert stack is not None
    assert len(stack.frames) == 3


def test_the_lock_a_stack_sleeps_in() -> None:
    found = find_lock(SLEEPER)
    assert found is not None
    assert found[0] == "mutex"
    assert found[2] is None
    gone = RecordedFrame(
        "__mutex_lock", locals_={"lock": Thing(type_=MUTEX.type_, absent_=True, value_=lambda: 0)}
    )
    assert find_lock([gone]) is None
    assert find_lock([RecordedFrame("vfs_write", locals_={"lock": MUTEX})]) is None
