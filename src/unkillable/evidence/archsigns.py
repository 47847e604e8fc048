"""Text that only one architecture's kernel prints: registers, entry functions, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORDS = {
    "x86_64": (
        r"\[<ffffffff[0-9a-f]{8}>\] \? ",
        r"\bRIP: ",
        r"\bRAX: ",
        "entry_SYSCALL_64",
        "asm_exc_page_fault",
        "system_call_fastpath",
        "__x64_sys_",
        "x86_64",
    ),
    "i386": (
        r"\[<[0-9a-f]{8}>\] \? ",
        r"\berror_code\+0x",
        r"\bEIP: ",
        r"\bEAX: ",
        "entry_INT80_32",
        "sysenter_do_call",
        "sysenter_past_esp",
        "__ia32_sys_",
        r"\bi[3-6]86\b",
    ),
    "arm64": (
        r"\bel[01]h?t?_(?:64_)?(?:sync|irq|svc|da|ia)",
        r"\bel[01]_",
        "__arm64_sys_",
        r"Booting Linux on physical CPU 0x[0-9a-f]{10}",
        r"\bx29: ",
        "do_mem_abort",
    ),
    "arm": (
        "do_PrefetchAbort",
        "do_DataAbort",
        "ret_fast_syscall",
        r"\bPC is at ",
        "__irq_svc",
        "unwind_backtrace",
        "ARMv[4-7]",
        r"\bfrom \[<",
    ),
    "riscv": (
        r"\bepc ?: [0-9a-f]{8}(?:[0-9a-f]{8})? ra",
        "riscv",
        "do_trap_ecall_u",
        r"handle_exception\+0x",
    ),
    "s390": ("Krnl PSW", "pgm_check_handler", "__do_pgm_check", "__s390", "io_int_handler", r"\bs390x?\b"),
    "powerpc": (
        r"\bNIP ?[:\[]",
        "--- interrupt: ",
        "hash__do_page_fault",
        "system_call_common",
        r"\bppc",
        "PowerPC",
        "powerpc",
        "pSeries",
    ),
    "mips": (
        r"\$ 0   ?:",
        "CPU0 revision is",
        r"do_ri\+0x",
        r"\bMIPS\b",
        "handle_tlb[lms]",
        r"handle_sys\+0x",
    ),
    "loongarch": (r"\bCRMD: ", "loongarch", "LoongArch", "tlb_do_page_fault_[01]"),
}
_SIGNS = tuple((arch, re.compile("|".join(words))) for arch, words in _WORDS.items())

# Where kernel text lies: MIPS in kseg0, 32-bit ARM above its 3G split (as x86, which prints `? ` too), LoongArch.
_ADDRESS = re.compile(r"^\s*\(?\[<(?P<address>[0-9a-f]{8}|[0-9a-f]{16})>\]")
_PLACES = (("8", 8, "mips"), ("c", 8, "arm"), ("9000", 16, "loongarch"))
_STRONG = 4


def arch_signs(text: str) -> Iterator[tuple[str, int]]:
    """The architectures a line speaks for, each with a weight."""
    for arch, pattern in _SIGNS:
        if pattern.search(text):
            yield arch, _STRONG
    match = _ADDRESS.match(text)
    if match is not None:
        address = match["address"]
        for prefix, width, arch in _PLACES:
            if len(address) == width and address.startswith(prefix):
                yield arch, 1
