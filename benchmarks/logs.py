"""The logs to measure with, made anew from a seed: `python -m benchmarks.logs bulk 10G | unkillable diagnose -`.

`bulk` is synthetic: ordinary lines of many kinds, with an incident of the bundled logs every 50 MB (`sparse`: every
500 MB). `dense` is nothing but the dumps and OOM reports of the bundled captures, over and over, as one boot;
`boots` is the captures as they are, one boot after another; `line` is a log without any line end. Messages of
incidents are real; their times are moved so that time does not run backwards.
"""

from __future__ import annotations

import lzma
import random
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from tests.samples_file import SAMPLES, load

ROOT = Path(__file__).resolve().parent.parent
SEED = 5
BLOCK = 4_000_000
"""Bytes of ordinary lines made at once; eight different blocks take turns."""

_STAMP = re.compile(rb"^(?:<\d{1,3}>)?\[ *(\d+)\.(\d{6})\]")
_SECONDS = b"@@@@"
"""Stands for all but the last three digits of the seconds of a block, which is a thousand seconds long."""
_DUMP = re.compile(
    rb"sysrq: |blocked for more than|invoked oom-killer|soft lockup|SQUASHFS error|locks held|Show "
)


def _hex(rng: random.Random, digits: int) -> str:
    return f"{rng.randrange(16**digits):0{digits}x}"


def _packet(r: random.Random) -> str:
    source = ".".join(str(r.randrange(256)) for _ in range(3))
    ports = f"SPT={r.randrange(65536)} DPT={r.randrange(1024)}"
    return (
        f"[UFW BLOCK] IN=eth{r.randrange(4)} OUT= MAC={_hex(r, 12)} SRC=10.{source} DST=192.168.0.{r.randrange(256)} "
        f"LEN={r.randrange(1500)} TOS=0x00 TTL={r.randrange(256)} ID={r.randrange(65536)} PROTO=TCP {ports} WINDOW=1024 RES=0x00 SYN"
    )


def _audit(r: random.Random) -> str:
    return (
        f'audit: type=1400 audit({r.randrange(10**9)}.{r.randrange(1000):03}:{r.randrange(10**5)}): apparmor="ALLOWED" '
        f'operation="open" profile="snap.a{r.randrange(9)}" name="/proc/{r.randrange(32768)}/stat" comm="w{r.randrange(99)}"'
    )


_KINDS: tuple[tuple[int, Callable[[random.Random], str]], ...] = (
    (30, _packet),
    (20, _audit),
    (15, lambda r: f"usb {r.randrange(1, 5)}-{r.randrange(1, 9)}: new high-speed USB device number {r.randrange(127)} using xhci_hcd"),
    (10, lambda r: f"usb 1-{r.randrange(1, 9)}: New USB device found, idVendor={_hex(r, 4)}, idProduct={_hex(r, 4)}, bcdDevice= 1.00"),
    (15, lambda r: f"eth{r.randrange(4)}: link up, 1000Mbps, full-duplex, lpa 0x{_hex(r, 4)}"),
    (10, lambda r: f"eth{r.randrange(4)}: link down"),
    (10, lambda r: f"br-lan: port {r.randrange(8)}(wlan{r.randrange(2)}) entered forwarding state"),
    (12, lambda r: f"wlan0: associate with {_hex(r, 12)} (try {r.randrange(1, 4)}/3)"),
    (8, lambda r: f"mmc0: new high speed SDHC card at address {_hex(r, 4)}"),
    (8, lambda r: f"systemd[1]: Started Session {r.randrange(9999)} of user u{r.randrange(99)}."),
    (8, lambda r: f"perf: interrupt took too long ({r.randrange(9999)} > {r.randrange(9999)}), lowering the rate to 50000"),
    (6, lambda r: f"pci 0000:00:{_hex(r, 2)}.0: reg 0x10: [mem 0x{_hex(r, 8)}-0x{_hex(r, 8)} 64bit pref]"),
    (6, lambda r: f"ACPI: button: Power Button [PWR{_hex(r, 1)}]"),
    (6, lambda r: f"nfs: server 10.0.0.{r.randrange(256)} OK"),
    (5, lambda r: f"TCP: request_sock_TCP: Possible SYN flooding on port {r.randrange(65536)}. Sending cookies."),
    (5, lambda r: f"loop{r.randrange(64)}: detected capacity change from 0 to {r.randrange(10**6)}"),
    (5, lambda r: f"thermal thermal_zone{r.randrange(4)}: temperature {r.randrange(20, 90)} C"),
    (5, lambda r: f"ath10k_pci 0000:01:00.0: received event id {r.randrange(10**5)} not handled, vdev {r.randrange(4)}"),
    (5, lambda r: f"random: crng reseeded on system resumption {_hex(r, 16)}"),
    (4, lambda r: f"device veth{_hex(r, 7)} entered promiscuous mode"),
    (4, lambda r: f"cfg80211: World regulatory domain updated: {r.randrange(99)}"),
    (2, lambda r: f"zram0: {r.randrange(10**6)} pages written, ratio {r.randrange(100)}.{r.randrange(10)}"),
)  # fmt: skip
_ODD: tuple[Callable[[random.Random], str], ...] = (
    # What happens without a hang and holds a literal of the format table all the same: one line in 500.
    lambda r: f"usb 1-{r.randrange(1, 9)}: device descriptor read/64, error -71",
    lambda r: f"EXT4-fs (sda{r.randrange(1, 9)}): mounted filesystem with ordered data mode. Opts: (null)",
    lambda r: f"a{r.randrange(99)}[{r.randrange(32768)}]: segfault at {_hex(r, 8)} ip {_hex(r, 12)} sp {_hex(r, 12)} error 4 in libc.so",
    lambda r: f"blk_update_request: I/O error, dev sr0, sector {r.randrange(10**6)} op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
)  # fmt: skip


def ordinary_lines(rng: random.Random, count: int) -> Iterator[str]:
    """Lines of all ordinary kinds, as often as each is seen."""
    for kind in rng.choices([kind for _, kind in _KINDS], [weight for weight, _ in _KINDS], k=count):
        yield kind(rng)


def _ordinary(seed: int) -> bytes:
    """One block of lines, a thousand seconds of them."""
    rng = random.Random(seed)  # noqa: S311  a seed is what makes the log the same every time
    kinds = [kind for _, kind in _KINDS]
    weights = [weight for weight, _ in _KINDS]
    lines: list[str] = []
    size = 0
    mark = _SECONDS.decode()
    for kind in rng.choices(kinds, weights, k=BLOCK // 75):
        if rng.random() < 1 / 500:
            kind = rng.choice(_ODD)
        line = kind(rng)
        lines.append(line)
        size += len(line) + 18
        if size >= BLOCK:
            break
    step = 999.0 / len(lines)
    return "".join(
        f"[{mark}{int(index * step):03}.{int(index * step * 1e6) % 10**6:06}] {line}\n"
        for index, line in enumerate(lines)
    ).encode()


@cache
def _captures() -> tuple[bytes, ...]:
    samples = map(load, sorted((SAMPLES / "captures").iterdir()))
    return tuple(body for head, body in samples if head.get("arch") == "x86_64")


@cache
def _boot() -> bytes:
    """The first lines of the example: a kernel's banner, its command line, its memory."""
    log = lzma.decompress((ROOT / "examples/frozen-5.10.log.xz").read_bytes())
    return b"".join(log.splitlines(keepends=True)[:60])


def _moved(log: bytes) -> bytes:
    """A log from its first incident on, as a block: its times begin with the block and never go back."""
    found = _DUMP.search(log)
    lines = log[log.rfind(b"\n", 0, found.start()) + 1 if found else 0 :].splitlines(keepends=True)
    begin: float | None = None
    out = []
    for line in lines:
        if b"Linux version " in line:
            break  # a panic rebooted the box
        stamp = _STAMP.match(line)
        if stamp is not None:
            seconds = float(stamp[1]) + float(stamp[2]) / 1e6
            begin = seconds if begin is None else begin
            after = min(max(seconds - begin, 0.0), 999.0)
            line = b"[%s%03d.%06d]" % (_SECONDS, after, int(after * 1e6) % 10**6) + line[stamp.end() :]
        out.append(line if line.endswith(b"\n") else line + b"\n")
    return b"".join(out)


@cache
def _incidents() -> tuple[bytes, ...]:
    """The frozen box of the example, and one capture of each kind."""
    example = _moved(lzma.decompress((ROOT / "examples/frozen-5.10.log.xz").read_bytes()))
    return (example, *(_moved(log) for log in _captures() if _DUMP.search(log) is not None))


def bulk(size: int, every: int = 50_000_000) -> Iterator[bytes]:
    """Ordinary lines with an incident per `every` bytes, the example's first."""
    blocks = [_ordinary(SEED + index) for index in range(min(8, size // BLOCK + 1))]
    incidents = _incidents()
    yield _boot()
    made, met, count = len(_boot()), 0, 1000
    while made < size:
        if made >= every * (met + 0.5):
            data = incidents[met * 7 % len(incidents)]
            met += 1
        else:
            data = blocks[count % len(blocks)]
        data = data.replace(_SECONDS, b"%d" % count)
        count += 1
        made += len(data)
        yield data


def dense(size: int) -> Iterator[bytes]:
    """Dumps of tasks, OOM reports, hung tasks of all captures, again and again."""
    yield _boot()
    made, count = len(_boot()), 1000
    while made < size:
        for incident in _incidents():
            data = incident.replace(_SECONDS, b"%d" % count)
            count += 1
            made += len(data)
            yield data


def boots(size: int) -> Iterator[bytes]:
    """The captures as they are: a boot every 35 KB."""
    made = 0
    while made < size:
        for log in _captures():
            made += len(log)
            yield log


def line(size: int) -> Iterator[bytes]:
    """A log whose line ends were lost, all of them."""
    made = 0
    for data in bulk(size, 5_000_000):
        joined = data.replace(b"\n", b" ")[: size - made]
        made += len(joined)
        yield joined


KINDS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "bulk": bulk,
    "sparse": lambda size: bulk(size, 500_000_000),
    "dense": dense,
    "boots": boots,
    "line": line,
}


def size_of(text: str) -> int:
    """`10G`, `500M`, `1000` in bytes, as disk makers count."""
    return int(float(text.rstrip("kMG")) * {"k": 1e3, "M": 1e6, "G": 1e9}.get(text[-1], 1))


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in KINDS:
        sys.exit(f"usage: python -m benchmarks.logs {'|'.join(KINDS)} SIZE")
    for data in KINDS[sys.argv[1]](size_of(sys.argv[2])):
        sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
