"""Damage as logs meet it: lost and repeated lines, flipped bits, interleaved writers, cuts."""

from __future__ import annotations

import random

HEADS = [
    b"INFO: task a:1 blocked for more than 120 seconds.\n", b"INFO: task ", b"Mem-Info:\n", b"task:", b"#0: (", b"Call Trace:\n",
    b" [<0>] f+0x1/0x2\n", b" f+0x1/0x2\n", b"(f+0x1/0x2) from [<c0>] (g+0x", b"sysrq: Show Blocked State\n", b"sysrq: Show State\n",
    b"task:a state:D stack:0 pid:1 ppid:2 flags:0x0\n", b"a               D 0000000000000000     0     1      2 0x00000000\n",
    b"a invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0\n", b"oom-kill:constraint=CONSTRAINT_NONE,",
    b"Out of memory: Killed process 1 (a) total-vm:1kB, anon-rss:1kB, file-rss:1kB, shmem-rss:1kB\n", b"Killed process ",
    b"oom_reaper: reaped process 1 (a), now anon-rss:0kB\n", b"oom_reaper: unable to reap pid:1 (a)\n", b"[  pid  ]   uid  tgid total_vm",
    b"[    1]     0     1      1      1        1        1             0 a\n", b"Tasks state (memory values in pages):\n",
    b"Showing all locks held in the system:\n", b"1 lock held by a/1:\n", b" #0: ffff (&mm->mmap_lock){++++}-{3:3}, at: f+0x1/0x2\n",
    b"INFO: task a:1 is blocked on a mutex likely owned by task b:2.\n", b"SQUASHFS error: Unable to read page, block 1, size 1\n",
    b"Kernel panic - not syncing: Out of memory\n", b"BUG: soft lockup - CPU#0 stuck for 22s! [a:1]\n", b"rcu: INFO: rcu_sched self-detected stall\n",
    b"Linux version 5.10.0 (a@b) #1\n", b"[    0.000000] Linux version 9.9\n", b"CPU: 0 PID: 1 Comm: a Not tainted 5.10.0 #1\n",
    b"PID: 1  TASK: ffff  CPU: 0  COMMAND: \"a\"\n", b"/proc/1/stack\n", b"Node 0 DMA free:1kB min:1kB low:1kB high:1kB ",
    b"active_anon:1 inactive_anon:1", b"a: page allocation failure: order:0, mode:0x0\n", b"Kernel attempted to kill init! exitcode=0x00000007\n",
    b"Content-Transfer-Encoding: quoted-printable\n", b"=0A", b"&#10;", b"=3D=3D=\n", b"=====\r\n", b"<br>", b"-- Boot 0123456789abcdef0123456789abcdef --\n",
    b"6,1,2,-;a invoked oom-killer: gfp_mask=0x0, order=0\n SUBSYSTEM=x\n", b"[    1.000000][   T48] ", b'{"MESSAGE":"INFO: task a:1"}\n',
]  # fmt: skip
"""Beginnings of what the format table knows, most without the rest."""

NUMBERS = [
    b"0",
    b"-1",
    b"1",
    b"99999999999999999999",
    b"18446744073709551615",
    b"4294967296",
    b"0x" + b"f" * 40,
    b"1e309",
    b"nan",
]
"""Where a number stood."""


def mutated(rng: random.Random, logs: tuple[bytes, ...], limit: int) -> bytes:
    """A piece of up to `limit` bytes of a real log, damaged in one to six ways."""
    data = piece(rng, logs, limit)
    for _ in range(rng.randint(1, 6)):
        data = rng.choice(WAYS)(rng, data, logs)
    return data[: 2 * limit]


def piece(rng: random.Random, logs: tuple[bytes, ...], limit: int) -> bytes:
    data = rng.choice(logs)
    at = rng.randrange(max(1, len(data) - limit + 1)) if rng.random() < 0.7 else 0
    return data[at : at + limit]


def _lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True) or [b""]


def _flip(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    out = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 1 + len(out) // 50)):
        out[rng.randrange(len(out))] = rng.randrange(256)
    return bytes(out)


def _drop(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    share = rng.random() / 2
    return b"".join(line for line in _lines(data) if rng.random() > share)


def _repeat(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    return b"".join(
        line * (rng.choice((1, 1, 1, 2, 9)) if rng.random() < 0.3 else 1) for line in _lines(data)
    )


def _shuffle(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    lines = _lines(data)
    at, length = rng.randrange(len(lines)), rng.choice((2, 10, len(lines)))
    part = lines[at : at + length]
    rng.shuffle(part)
    lines[at : at + length] = part
    return b"".join(lines)


def _cut(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    """The end of every line, or of one line in a few, is lost; or the whole breaks off."""
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data) + 1)]
    share, width = rng.random(), rng.randrange(1, 120)
    return b"".join(line[:width] + b"\n" if rng.random() < share else line for line in _lines(data))


def _splice(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    other = piece(rng, logs, max(len(data), 1))
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _interleave(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    """Two processors print at once, line by line or within lines."""
    mine, other = _lines(data), _lines(piece(rng, logs, max(len(data), 1)))
    if rng.random() < 0.5:
        other = [line.rstrip(b"\n") for line in other]
    out: list[bytes] = []
    while mine or other:
        source = mine if mine and (not other or rng.random() < 0.5) else other
        out.append(source.pop(0))
    return b"".join(out)


def _insert(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    lines = _lines(data)
    for _ in range(rng.randint(1, 8)):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(HEADS) * rng.choice((1, 1, 1, 3)))
    return b"".join(lines)


def _renumber(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    """Numbers that no kernel prints, where it prints some."""
    import re

    share = rng.random() / 5
    return re.sub(rb"\d+", lambda found: rng.choice(NUMBERS) if rng.random() < share else found[0], data)


def _reframe(rng: random.Random, data: bytes, logs: tuple[bytes, ...]) -> bytes:
    """Other line ends, other prefixes, NULs between the bytes."""
    change = rng.choice((
        lambda: data.replace(b"\n", b"\r\n"), lambda: data.replace(b"\n", b"\r"), lambda: data.replace(b"\n", b" "),
        lambda: b"".join(b"> " + line for line in _lines(data)), lambda: data.decode("latin-1").encode("utf-16"),
        lambda: b"".join(line.partition(b"] ")[2] or line for line in _lines(data)), lambda: data.replace(b" ", b""),
        lambda: data.replace(b" ", b"\t"), lambda: data.upper(), lambda: data.replace(b"0", b"\xd9\xa3"),
    ))  # fmt: skip
    return change()


WAYS = (_flip, _drop, _repeat, _shuffle, _cut, _splice, _interleave, _insert, _renumber, _reframe)
