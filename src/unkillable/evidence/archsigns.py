"""Text that only one architecture's kernel prints: registers, entry functions, addresses."""

from __future__ import annotations

import re

_WORDS: dict[str, tuple[str | tuple[tuple[str, ...], str], ...]] = {
    "x86_64": (
        (("[<ffffffff",), r"\[<ffffffff[0-9a-f]{8}>\] \? "),
        (("RIP: ",), r"\bRIP: "),
        (("RAX: ",), r"\bRAX: "),
        "entry_SYSCALL_64",
        "asm_exc_page_fault",
        "system_call_fastpath",
        "__x64_sys_",
        "x86_64",
    ),
    "i386": (
        ((">] ? ",), r"\[<[0-9a-f]{8}>\] \? "),
        (("error_code+0x",), r"\berror_code\+0x"),
        (("EIP: ",), r"\bEIP: "),
        (("EAX: ",), r"\bEAX: "),
        "entry_INT80_32",
        "sysenter_do_call",
        "sysenter_past_esp",
        "__ia32_sys_",
        (("i386", "i486", "i586", "i686"), r"\bi[3-6]86\b"),
    ),
    "arm64": (
        (
            tuple(f"el{level}{letters}_" for level in "01" for letters in ("", "h", "t", "ht")),
            r"\bel[01]h?t?_(?:64_)?(?:sync|irq|svc|da|ia)|\bel[01]_",
        ),
        "__arm64_sys_",
        (("Booting Linux on physical CPU 0x",), r"Booting Linux on physical CPU 0x[0-9a-f]{10}"),
        (("x29: ",), r"\bx29: "),
        "do_mem_abort",
    ),
    "arm": (
        "do_PrefetchAbort",
        "do_DataAbort",
        "ret_fast_syscall",
        (("PC is at ",), r"\bPC is at "),
        "__irq_svc",
        "unwind_backtrace",
        (("ARMv",), "ARMv[4-7]"),
        (("from [<",), r"\bfrom \[<"),
    ),
    "riscv": (
        (("epc : ", "epc: "), r"\bepc ?: [0-9a-f]{8}(?:[0-9a-f]{8})? ra"),
        "riscv",
        "do_trap_ecall_u",
        "handle_exception+0x",
    ),
    "s390": (
        "Krnl PSW",
        "pgm_check_handler",
        "__do_pgm_check",
        "__s390",
        "io_int_handler",
        (("s390",), r"\bs390x?\b"),
    ),
    "powerpc": (
        (("NIP:", "NIP[", "NIP :", "NIP ["), r"\bNIP ?[:\[]"),
        "--- interrupt: ",
        "hash__do_page_fault",
        "system_call_common",
        (("ppc",), r"\bppc"),
        "PowerPC",
        "powerpc",
        "pSeries",
    ),
    "mips": (
        (("$ 0  ",), r"\$ 0   ?:"),
        "CPU0 revision is",
        "do_ri+0x",
        (("MIPS",), r"\bMIPS\b"),
        (("handle_tlb",), "handle_tlb[lms]"),
        "handle_sys+0x",
    ),
    "loongarch": (
        (("CRMD: ",), r"\bCRMD: "),
        "loongarch",
        "LoongArch",
        (("tlb_do_page_fault_",), "tlb_do_page_fault_[01]"),
    ),
}
"""By architecture: words, and patterns with the words of which one is in all that they match."""


def _sign(word: str | tuple[tuple[str, ...], str]) -> tuple[tuple[str, ...], re.Pattern[str]]:
    return ((word,), re.compile(re.escape(word))) if isinstance(word, str) else (word[0], re.compile(word[1]))


SIGNS = tuple((arch, *_sign(word)) for arch, words in _WORDS.items() for word in words)
"""Architecture, words of which one is in every line that has the sign, and the sign itself."""

# Where kernel text lies: MIPS in kseg0, 32-bit ARM above its 3G split (as x86, which prints `? ` too), LoongArch.
_ADDRESS = re.compile(r"^\s*\(?\[<(?P<address>[0-9a-f]{8}|[0-9a-f]{16})>\]")
_PLACES = (("8", 8, "mips"), ("c", 8, "arm"), ("9000", 16, "loongarch"))
ADDRESS_WORD = "[<"
"""In every line that begins with an address."""
STRONG = 4


def placed(text: str) -> tuple[str, int] | None:
    """The architecture that an address at the beginning of a line speaks for, with a weight."""
    match = _ADDRESS.match(text)
    if match is not None:
        address = match["address"]
        for prefix, width, arch in _PLACES:
            if len(address) == width and address.startswith(prefix):
                return arch, 1
    return None
