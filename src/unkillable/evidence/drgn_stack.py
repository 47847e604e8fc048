"""Kernel stacks and locks as drgn unwinds them, brought to the form in which the kernel prints them.

The kernel prints one frame per return address; drgn adds one for each function that was inlined there. Those are
left out, so that a stack reads the same whether it comes from a console or a dump. `Frame.source` is the line in the
function that the frame names, of inlined code the place where it is called.

An ELF dump unwinds past the kernel's entry: for user tasks into frames at 0x0, more than a thousand of them (drgn
0.3.0, QEMU 7.2, x86_64). A stack therefore ends at the first address that is not the kernel's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from unkillable.evidence.frames import strip_suffix
from unkillable.evidence.types import Blocker, Frame, Stack

_DEEPEST = 256
_BUILD = re.compile(r"^/.*?/linux-[^/]+/|^/(?:usr/src|build|tmp)/[^/]+/|^(?:\./)+")
# Entries by which an interrupt gets onto the stack of the task it met.
_INTERRUPT = re.compile(
    r"^(?:asm_sysvec_\w+|asm_common_interrupt|asm_exc_nmi|common_interrupt|apic_timer_interrupt|ret_from_intr|el1h?_(?:64_)?irq"
    r"|__irq_svc|handle_int|call_on_irq_stack)$"
)
_LOCKERS = re.compile(r"^(?:_{0,3}(?:ww_)?mutex_lock|rwsem_down_|_{0,3}down)")
_LOCKS = {"struct mutex *": "mutex", "struct rw_semaphore *": "rwsem", "struct semaphore *": "semaphore"}
_INNERMOST = 16  # frames among which a lock's own functions lie


def read_stack(prog: Any, trace: Iterable[Any], running: bool) -> Stack | None:
    """The stack of a `drgn.StackTrace`; `running`: the task was on a processor."""
    frames: list[Frame] = []
    from_user = interrupted = False
    user_pc: str | None = None
    for count, frame in enumerate(trace):
        if count >= _DEEPEST:
            break
        if frame.is_inline:
            continue
        made = _frame(prog, frame)
        if made is None:
            from_user = frame.interrupted and bool(frames)
            user_pc = f"0x{frame.pc:x}" if from_user else None
            break
        if running and frame.interrupted and frames and _INTERRUPT.match(frames[-1].function):
            frames.clear()
            interrupted = True
        frames.append(made)
    if not frames:
        return None
    return Stack(tuple(frames), interrupted=interrupted, from_user=from_user, user_pc=user_pc)


def _frame(prog: Any, frame: Any) -> Frame | None:
    """None where the address is not the kernel's: user space, or nothing."""
    pc = frame.pc if frame.interrupted else frame.pc - 1
    if pc < 0:
        return None
    try:
        symbol = frame.symbol()
        name, offset, size = symbol.name, frame.pc - symbol.address, symbol.size or None
    except LookupError:
        name, offset, size = frame.function_name, None, None
    try:
        module = prog.module(pc).name
    except LookupError:
        module = None
    if name is None:
        if module is None:
            return None
        name = f"0x{frame.pc:x}"
    try:
        place = frame.source()
        source = f"{_BUILD.sub('', place.filename)}:{place.line}" if place.filename and place.line else None
    except LookupError:
        source = None
    return Frame(
        name, strip_suffix(name), offset, size, None if module == "kernel" else module, source=source
    )


def find_lock(trace: Iterable[Any]) -> tuple[str, Any, str | None] | None:
    """Kind, object and wanted role (reader, writer) of the lock in which this stack sleeps; None if there is none.

    Read from the variables `lock` and `sem` of the lock's own functions, which need DWARF; they may have been
    optimised away.
    """
    for count, frame in enumerate(trace):
        if count >= _INNERMOST:
            break
        name = frame.function_name
        if name is None or not _LOCKERS.match(name):
            continue
        for variable in ("lock", "sem"):
            try:
                lock = frame[variable]
                kind = _LOCKS.get(lock.type_.type_name())
                if kind is None or lock.absent_ or not lock.value_():
                    continue
            except (LookupError, ValueError):
                continue
            role = None
            if kind == "rwsem":
                role = "writer" if "write" in name else "reader"
            return kind, lock, role
    return None


def read_blocker(trace: Iterable[Any], pid: int, comm: str, time: float | None) -> Blocker | None:
    """Who owns the mutex or rw-semaphore this stack sleeps in. The last reader of a rw-semaphore is a guess.

    Raises drgn.FaultError where the lock's memory is not in the dump.
    """
    found = find_lock(trace)
    if found is None:
        return None
    kind, lock, role = found
    owner, owner_role = _owner(kind, lock)
    owner_pid = owner_comm = None
    if owner is not None:
        owner_pid, owner_comm = owner.pid.value_(), owner.comm.string_().decode("utf-8", "replace")
    text = f"task {comm}:{pid} is blocked on a {kind}"
    text += (
        f" owned by task {owner_comm}:{owner_pid}" if owner is not None else ", but the owner is not found"
    )
    return Blocker(
        text=text, time=time, pid=pid, comm=comm, lock=kind, role=role, owner_pid=owner_pid, owner_comm=owner_comm,
        owner_role=owner_role,
    )  # fmt: skip


def _owner(kind: str, lock: Any) -> tuple[Any, str | None]:
    from drgn.helpers.linux.locking import mutex_owner, rwsem_locked, rwsem_owner

    owner, role = None, None
    try:
        if kind == "mutex":
            owner = mutex_owner(lock)
        elif kind == "rwsem":
            owner = rwsem_owner(lock)
            role = {"READ_LOCKED": "reader", "WRITE_LOCKED": "writer"}.get(rwsem_locked(lock).name)
    except (AttributeError, LookupError):
        return None, None  # before 4.10 without CONFIG_MUTEX_SPIN_ON_OWNER; struct semaphore has no owner
    return (owner, role) if owner else (None, role)
