"""Signals by their numbers, which differ between architectures: the host's names are not the guest's."""

from __future__ import annotations

__all__ = ["FAULTS", "KILL", "name"]

_USUAL = """HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ
VTALRM PROF WINCH IO PWR SYS""".split()
"""From 1 on: include/uapi/asm-generic/signal.h."""
_MIPS = """HUP INT QUIT ILL TRAP ABRT EMT FPE KILL BUS SEGV SYS PIPE ALRM TERM USR1 USR2 CHLD PWR WINCH URG IO STOP TSTP CONT TTIN
TTOU VTALRM PROF XCPU XFSZ""".split()
"""arch/mips/include/uapi/asm/signal.h."""

KILL = "SIGKILL"
FAULTS = frozenset({"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"})
"""What a program dies of whose page could not be read."""


def name(number: int, arch: str) -> str:
    """`SIGTERM`; `signal 40` of one that has no name of its own."""
    names = _MIPS if arch == "mips" else _USUAL
    return f"SIG{names[number - 1]}" if 0 < number <= len(names) else f"signal {number}"
