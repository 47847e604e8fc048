"""Every bound of this room with its reason: input is hostile, memory and time are not."""

CHUNK = 1 << 16
"""Bytes asked of a file or a decompressor at once. Such a block stays in the processor's cache for the literal scan
and the newline count, and below malloc's mmap threshold (128 KiB): from 128 KiB on, each block came from the system
as fresh pages, and reading measured 1.0 instead of 1.5 GB/s."""

HEAD = 1 << 16
"""Bytes looked at to tell what an input is. A framing shows within a few lines; 64 KiB also holds a mail's
headers and its first quoted part."""

MAX_LINE = 1 << 16
"""Bytes of a line; a longer one is handed on in pieces and counted. printk itself ends a line after 1,024
(LOG_LINE_MAX; 2,048 since 6.4), so only binary data or a lost line end makes a longer one."""

MAX_ENCODED_LINE = 1 << 20
"""Bytes of a line of an encoded format (JSON, journal export): journald allows fields of 768 MiB, but a kernel
message with all its fields stays far below this."""

MAX_LITERALS_PER_PASS = 64
"""The scanner's vectorised search takes at most this many literals; with one more it is ten times slower, so a
larger set is scanned in several passes."""

RATIO = 1000
"""Decompressed bytes per compressed byte allowed beyond RATIO_FREE. Kernel logs shrink 10 to 100 times; a
deflate bomb reaches 1,030, other formats much more."""

RATIO_FREE = 64 << 20
"""Decompressed bytes before RATIO is looked at: a short input cannot do harm and often shrinks well."""

LZMA_MEMORY = 192 << 20
"""Bytes a .xz decoder may need: `xz -9` takes 65 MiB; dictionaries up to 1.5 GiB exist only to hurt."""

ZSTD_WINDOW = 128 << 20
"""Bytes of history of a .zst frame: what `zstd -d` itself accepts without --memory."""

MAX_MEMBERS = 100_000
"""Members of one archive. A sosreport has some ten thousand."""

MAX_MEMBER_NAME = 4096
"""Bytes of a member's name or of a pax header kept; PATH_MAX."""

MAX_TAR_HEADER = 1 << 20
"""Bytes of one extended tar header."""

MAX_ZIP_FROM_PIPE = 64 << 20
"""Bytes of a zip archive read from a pipe: its directory is at the end, so it must be held in memory."""

MAX_DEPTH = 64
"""Levels of directories."""

MAX_PARTS = 4096
"""Files joined into one log (rotated files, pstore parts)."""

PASTE_WINDOW = 8
"""Lines of a mail or forum post joined into one: a wrapped line of printk has at most 1,024 bytes at some 72
columns, and real ones have two or three parts."""

REORDER_WINDOW = 64
"""Messages held back to bring netconsole's datagrams into order; they overtake each other by a few."""

MAX_FRAGMENTS = 64
"""Incomplete netconsole messages kept; a lost fragment must not hold memory for ever."""

MAX_DATES = 4096
"""Dates remembered so that equal ones are converted once."""

MAX_NAMES = 1024
"""Distinct boot ids told apart."""

MAX_PROBLEMS = 100
"""Entries of a list of problems."""

PEEK = 4096
"""Bytes looked ahead to tell a new boot from a single garbled timestamp."""
