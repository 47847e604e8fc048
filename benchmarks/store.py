"""How fast the store of a fleet is written and asked: `python -m benchmarks.store [LOGS]`, for docs/performance.md.

The logs are made up: 20,000 devices, 40 releases, 300 causes of which few are frequent, three of five logs hung, three of a
hundred copies.  Wall seconds, the best of three, and beside it what all threads took of the processors.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import msgspec

from unkillable.fleet.store import Store
from unkillable.fleet.types import Finding, Input, Log, Signature

LOGS = 1_000_000
COMMITS = 1_000
GROWN = 10_000
DEVICES, RELEASES, CAUSES = 20_000, 40, 300
START = 1.7e9
ROUNDS = 3


def signatures(draw: Random) -> list[Signature]:
    """Three variants of each cause."""
    found: list[Signature] = []
    for i in range(CAUSES):
        cause = f"{draw.getrandbits(48):012x}"
        found += [
            Signature(
                cause, f"{draw.getrandbits(48):012x}", f"reclaim-livelock in function_{i}", f"way {j}, file pages gone",
                "reclaim-livelock", "D page lock", f"function_{i}", "page fault", ("page lock", "kswapd"), "short",
            )
            for j in range(3)
        ]  # fmt: skip
    return found


def logs(count: int, first: int = 0) -> Iterator[Log]:
    draw = Random(5)  # noqa: S311 - figures of no secret
    known = signatures(draw)
    draw.seed(first)
    for i in range(first, first + count):
        device = draw.randrange(DEVICES)
        signature = known[int(draw.random() ** 3 * len(known))] if draw.random() < 0.6 else None
        original = i - 100 if i >= 100 and draw.random() < 0.03 else i
        kind = signature.kind if signature else "no-hang"
        yield Log(
            f"uploads/2026/{i % 365:03d}/device-{device:05d}/console-{i}.log.gz",
            hashlib.blake2b(b"%d" % original, digest_size=16).hexdigest(),
            5_000 + i % 1000,
            f"device-{device:05d}",
            f"fw-{draw.randrange(RELEASES)}.0",
            START + draw.random() * 365 * 86400,
            (
                Finding(
                    0, signature, kind, "high", f"proc/{i % 30000} sleeps in function, reached from a page fault",
                    f"6.1.{draw.randrange(100)}", "x86_64", 1, 90, 17,
                    f"INFO: task proc:{i % 30000} blocked for more than {120 + i % 600} seconds.",
                ),
            ),
            None if i % 1000 else "cut off in the middle of a compressed block",
        )  # fmt: skip


def source(log: Log) -> Input:
    return Input(log.name, log.size, 1_700_000_000_000_000_000 + log.size)


def timed(what: str, ask: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Prints the best round, wall and processor."""
    best = (float("inf"), 0.0)
    for _ in range(rounds):
        wall, processor = time.perf_counter(), time.process_time()
        ask()
        best = min(best, (time.perf_counter() - wall, time.process_time() - processor))
    print(f"{what:46} {best[0]:8.3f} s {best[1]:8.3f} s of the processors", flush=True)
    return best[0]


def write(store: Store, count: int) -> None:
    begin, spent = time.perf_counter(), time.process_time()
    for _ in map(source, logs(count)):
        pass
    making, made = time.perf_counter() - begin, time.process_time() - spent
    begin, spent = time.perf_counter(), time.process_time()
    with store.writer() as writer:
        for log in logs(count):
            writer.add(log)
            writer.done(source(log))
    wall, processor = time.perf_counter() - begin - making, time.process_time() - spent - made
    size = sum(file.stat().st_size for file in store.root.rglob("*.parquet"))
    print(
        f"{count:,} logs written: {wall / count * 1e6:.1f} us each, {processor / count * 1e6:.1f} us of the processors; "
        f"{size / count:.0f} bytes each on the disk"
    )


def ask(store: Store) -> None:
    with store.questions() as fresh:
        timed("first question (totals), with opening", fresh.totals, rounds=1)
        top = fresh.signatures()[0].cause
        some = fresh.logs(limit=1)[0]
        month = (START + 90 * 86400, START + 120 * 86400)
        timed("totals", fresh.totals)
        timed("signatures, the first 50", fresh.signatures)
        timed("signatures of a month", lambda: fresh.signatures(*month))
        timed("signatures of a release", lambda: fresh.signatures(release="fw-3.0"))
        timed("signatures of a device", lambda: fresh.signatures(device="device-00007"))
        timed("one signature", lambda: fresh.signature(top))
        timed("trend", fresh.trend)
        timed("trend of a signature", lambda: fresh.trend(top))
        timed("logs, the first 50", fresh.logs)
        timed("logs of a signature", lambda: fresh.logs(cause=top))
        timed("one log", lambda: fresh.log(some.content))
        timed("problems", fresh.problems)
        timed("compare, by device", lambda: fresh.compare("fw-1.0", "fw-2.0"))
        timed("compare, by log", lambda: fresh.compare("fw-1.0", "fw-2.0", "log"))
        timed(
            "--sql, the view signatures",
            lambda: fresh.sql("SELECT * FROM signatures ORDER BY logs DESC LIMIT 20"),
        )


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LOGS
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        store = Store.open(str(Path(folder) / "store"), create=True)
        write(store, count)
        ask(store)
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB at most so far")
        inputs = [source(log) for log in logs(count)]
        timed(f"unchanged, {count:,} inputs", lambda: store.unchanged(inputs))
        contents = [log.content for log in logs(count)]
        timed("known, 500 contents, the first time", lambda: store.known(contents[:500]), rounds=1)
        timed("known, 500 contents", lambda: store.known(contents[:500]))
        names = [one.name for one in inputs[:: max(1, count // GROWN)]]
        timed(f"earlier, {len(names):,} names", lambda: store.earlier(names))
        with store.writer() as writer:
            for log in islice(logs(count), 0, count, max(1, count // GROWN)):
                content = hashlib.blake2b(log.content.encode(), digest_size=16).hexdigest()
                writer.add(msgspec.structs.replace(log, content=content, outgrown=log.content))
        print(f"{len(names):,} logs grown")
        ask(store)
        with store.writer() as writer:
            begin = time.perf_counter()
            for i in range(COMMITS):
                for log in logs(10, count + i * 10):
                    writer.add(log)
                writer.commit()
            print(
                f"{COMMITS:,} commits of 10 logs: {(time.perf_counter() - begin) / COMMITS * 1e3:.1f} ms each"
            )
            with store.questions() as fresh:
                timed(f"first question, {COMMITS:,} commits more", fresh.totals, rounds=1)
                timed("signatures, the first 50", fresh.signatures)
                timed("logs, the first 50", fresh.logs)
            begin = time.perf_counter()
        print(f"merged in {time.perf_counter() - begin:.1f} s")
        timed("compact", store.compact, rounds=1)
        ask(store)
    return 0


if __name__ == "__main__":
    sys.exit(main())
