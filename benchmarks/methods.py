"""One way of reading a log, in a process of its own: `python -m benchmarks.methods NAME FILE [BYTES]` prints JSON.

`python -m benchmarks.methods table` prints the literals, one a line.

Its own time leaves out the start of Python and the imports; memory is the whole process's. BYTES reads the
beginning only, for methods too slow for the whole file.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from unkillable.evidence.formats import literals
from unkillable.evidence.reader import EvidenceReader
from unkillable.klog import Reader, Source, find_sources
from unkillable.klog.limits import CHUNK
from unkillable.klog.scan import Scanner
from unkillable.pipeline import inspect

Method = Callable[[str, int], int]
"""Reads so many bytes of a file and says how many matches, lines or facts it saw."""


def table() -> list[bytes]:
    """The literals that the reader looks for: those of the format table, and its own for boots and losses."""
    return [*Reader(Source("", []), _literals())._scanner.literals]  # noqa: SLF001  exactly what is searched for


def _literals() -> list[bytes]:
    return [name.encode() for name in literals()]


def _source(path: str) -> Source:
    (source,) = find_sources([path])
    if not isinstance(source, Source):
        raise TypeError(f"{path}: not a log")
    return source


def _blocks(path: str, size: int) -> Iterator[bytes]:
    with Path(path).open("rb", buffering=0) as file:
        while size > 0 and (data := file.read(min(CHUNK, size))):
            size -= len(data)
            yield data


def read(path: str, size: int) -> int:
    """Reading alone, and counting the line ends: below this nothing can go that says line numbers."""
    return sum(data.count(b"\n") for data in _blocks(path, size))


def prefilter(path: str, size: int) -> int:
    """ahocorasick-rs alone over blocks of the file."""
    from ahocorasick_rs import BytesAhoCorasick, MatchKind

    find = BytesAhoCorasick(table(), matchkind=MatchKind.LeftmostFirst).find_matches_as_indexes
    return sum(len(find(data)) for data in _blocks(path, size))


def prefilter_frames(path: str, size: int) -> int:
    """The same with `+0x`, which every frame of a backtrace has."""
    from ahocorasick_rs import BytesAhoCorasick, MatchKind

    find = BytesAhoCorasick(
        [*table()[:-1], b"+0x"], matchkind=MatchKind.LeftmostFirst
    ).find_matches_as_indexes
    return sum(len(find(data)) for data in _blocks(path, size))


def prefilter_more(path: str, size: int) -> int:
    """The same with more literals than one vectorised pass takes."""
    scanner = Scanner([*table(), *(f"no such text {n}".encode() for n in range(8))])
    return sum(len(scanner.find(data)) for data in _blocks(path, size))


def prefilter_standard(path: str, size: int) -> int:
    """The same with the library's default kind of match, which is not vectorised."""
    from ahocorasick_rs import BytesAhoCorasick

    find = BytesAhoCorasick(table()).find_matches_as_indexes
    return sum(len(find(data)) for data in _blocks(path, size))


def scan(path: str, size: int) -> int:
    """The project's reading (decompression recognised, blocks) and its scanner, and nothing of what follows."""
    scanner = Scanner(table())
    return sum(len(scanner.find(data)) for data in _source(path).blocks())


def klog(path: str, size: int) -> int:
    """The lines with a literal, without framing, numbered, by boot."""
    return sum(1 for _ in Reader(_source(path), _literals()))


def klog_all(path: str, size: int) -> int:
    """All lines, without framing."""
    reader = Reader(_source(path), _literals())
    reader.want = True
    return sum(1 for _ in reader)


def evidence(path: str, size: int) -> int:
    """The facts of every boot."""
    return sum(one.coverage.kernel_lines for one in EvidenceReader(_source(path)).boots())


def diagnosis(path: str, size: int) -> int:
    """All of it but the report."""
    return len(inspect([path]).waiters)


def _lines(path: str, size: int) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        yield from file.read(size).splitlines()


def re_lines(path: str, size: int) -> int:
    """CPython's re, one alternation, line by line."""
    search = re.compile(b"|".join(map(re.escape, table()))).search
    return sum(search(line) is not None for line in _lines(path, size))


def in_lines(path: str, size: int) -> int:
    """`literal in line` for each literal, line by line."""
    names = table()
    return sum(any(name in line for name in names) for line in _lines(path, size))


def re2_blocks(path: str, size: int) -> int:
    """google-re2, one alternation over blocks."""
    import re2

    pattern = re2.compile(b"|".join(map(re.escape, table())))
    return sum(sum(1 for _ in pattern.finditer(data)) for data in _blocks(path, size))


def re2_set(path: str, size: int) -> int:
    """google-re2's Set, line by line."""
    import re2

    patterns = re2.Set.SearchSet()
    for name in table():
        patterns.Add(re.escape(name).decode())
    patterns.Compile()
    return sum(bool(patterns.Match(line)) for line in _lines(path, size))


def hyperscan(path: str, size: int) -> int:
    """Hyperscan's literal matcher over blocks."""
    import hyperscan as hs

    names = table()
    database = hs.Database()
    database.compile(
        expressions=[re.escape(name) for name in names],
        ids=range(len(names)),
        elements=len(names),
        flags=[hs.HS_FLAG_SOM_LEFTMOST] * len(names),
    )
    found = 0

    def on_match(ident: int, start: int, end: int, flags: int, context: object) -> None:
        nonlocal found
        found += 1

    for data in _blocks(path, size):
        database.scan(data, match_event_handler=on_match)
    return found


METHODS: dict[str, Method] = {
    each.__name__.replace("_", "-"): each
    for each in (
        read, prefilter, prefilter_frames, prefilter_more, prefilter_standard, scan, klog, klog_all, evidence, diagnosis,
        re_lines, in_lines, re2_blocks, re2_set, hyperscan,
    )
}  # fmt: skip
SLOW = {"re-lines": 20_000_000, "in-lines": 20_000_000, "re2-set": 50_000_000}
"""Bytes that are enough to know how slow it is."""


def main() -> None:
    if sys.argv[1:] == ["table"]:
        sys.stdout.buffer.write(b"\n".join(table()) + b"\n")
        return
    name, path = sys.argv[1:3]
    size = min(Path(path).stat().st_size, int(sys.argv[3]) if len(sys.argv) > 3 else SLOW.get(name, 1 << 62))
    table()  # imports
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        seen = METHODS[name](path, size)
    except ImportError as error:
        print(json.dumps({"missing": str(error.name)}))
        return
    print(
        json.dumps(
            {
                "bytes": size,
                "wall": time.perf_counter() - wall,
                "cpu": time.process_time() - cpu,
                "seen": seen,
            }
        )
    )


if __name__ == "__main__":
    main()
