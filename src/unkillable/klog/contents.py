"""What an input is when it is not a log, in words a user understands."""

from __future__ import annotations

import re

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x7fELF", "binary data (ELF: a program, a kernel module or a memory dump)"),
    (b"KDUMP   ", "a memory dump (kdump-compressed)"),
    (b"makedumpfile", "a memory dump (makedumpfile -F)"),
    (b"LPKSHHRH", "a systemd journal file: export it with `journalctl --file FILE -k -o export`"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture (pcap)"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture (pcap)"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture (pcapng)"),
    (b"hsqs", "a squashfs image"),
    (b"sqsh", "a squashfs image"),
    (b"\xd0\x0d\xfe\xed", "a device tree"),
    (b"\x27\x05\x19\x56", "a U-Boot image"),
    (b"MZ", "binary data (PE: a program or a kernel image)"),
    (b"\x89PNG", "a picture (PNG): type the text or take a serial console's log"),
    (b"\xff\xd8\xff", "a picture (JPEG): type the text or take a serial console's log"),
    (b"GIF8", "a picture (GIF)"),
    (b"%PDF", "a PDF document: paste its text instead"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"\x02\x21\x4c\x18", "lz4 data of the old format: decompress it first"),
    (b"\x1f\x9d", "compress (.Z) data: decompress it first"),
    (b"\x5d\x00\x00", "lzma data: decompress it first"),
    (b"SQLite format 3", "an SQLite database"),
    (b"!<arch>", "an ar archive"),
    (b"070701", "a cpio archive"),
    (b"\xed\xab\xee\xdb", "an RPM package"),
)
_BEGINNINGS = tuple(magic for magic, _ in _MAGIC)

_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x0b\x0c\x08\x07\x1b"))
_TIMESTAMP = re.compile(rb"\[ {0,8}\d{1,10}\.\d{6}\]")


def describe(head: bytes) -> str | None:
    """What the bytes are if they are not text, or None where they may be a log."""
    if not head:
        return "an empty file"
    if head.startswith(_BEGINNINGS):
        return next(words for magic, words in _MAGIC if head.startswith(magic))
    if len(head) > 512 and head[257:262] == b"ustar":
        return "a tar archive"
    if not head.strip(b"\0"):
        return "nothing but zero bytes"
    if not head.strip(b"\xff"):
        return "nothing but erased flash (0xff)"
    control = len(head) - len(head.translate(None, _CONTROL))
    if not control:
        return None if head.strip() else "nothing but blanks"
    if control > len(head) * 0.3 and not _TIMESTAMP.search(head):
        return "binary data"
    noise = control - head.count(
        0
    )  # a serial line may be full of NULs, but not of other control codes and high bytes
    high = len(head) - len(head.translate(None, bytes(range(128, 256))))
    if noise > len(head) * 0.05 and high > len(head) * 0.25 and not _TIMESTAMP.search(head):
        return "binary data"
    if not head.strip():
        return "nothing but blanks"
    return None
