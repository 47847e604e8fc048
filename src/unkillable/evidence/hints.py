"""What tells cheaply of nearly every line that it says nothing: the words of which each row without literals, each sign of an
architecture and each form of an era has one.

One search finds them all, in a line or in many at once; only what they point to is tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

import msgspec

from unkillable.evidence.archsigns import ADDRESS_WORD, SIGNS
from unkillable.evidence.formats import table
from unkillable.evidence.kernelinfo import ERAS
from unkillable.evidence.table import Format
from unkillable.klog.scan import Words

Search = Callable[[str], "re.Match[str] | None"]


class Told(msgspec.Struct, frozen=True, eq=False):
    """What the words of a line point to, in the order of the tables."""

    rows: tuple[tuple[Format, Search], ...] = ()
    """Rows without literals, and how their patterns are tried."""
    eras: tuple[tuple[Search, str | None, str | None], ...] = ()
    signs: tuple[tuple[str, Search], ...] = ()
    """Architecture and sign."""
    address: bool = False
    """The line may begin with an address."""


class Hints:
    """The words of the tables."""

    def __init__(self, rows: Iterable[Format], votes: bool) -> None:
        """`votes`: signs of architectures and forms of eras, too."""
        self._rows = [(row, row.matcher) for row in rows]
        self._words: dict[str, list[tuple[int, int]]] = {}
        """Word -> which tables, and which of their rows."""
        self._add(0, (row.guard for row, _ in self._rows))
        if votes:
            self._add(1, (words for words, *_ in ERAS))
            self._add(2, (words for _, words, _ in SIGNS))
            self._add(3, ((ADDRESS_WORD,),))
        self._places = tuple(self._words.values())
        scanner = Words([word.encode() for word in self._words])
        self.starts = scanner.starts
        """Of a block of lines: where words begin; every line that has one has one of these."""
        self._within = scanner.within
        self._told = lru_cache(maxsize=4096)(self._look_up)

    def _add(self, table: int, rows: Iterable[tuple[str, ...]]) -> None:
        for number, words in enumerate(rows):
            for word in words:
                self._words.setdefault(word, []).append((table, number))

    def told(self, text: str) -> Told:
        """What the words of a line point to."""
        hits = self._within(text)
        return self._told(hits) if hits else _NOTHING

    def _look_up(self, hits: tuple[int, ...]) -> Told:
        places = sorted({place for hit in hits for place in self._places[hit]})
        return Told(
            tuple(self._rows[number] for table, number in places if table == 0),
            tuple(
                (pattern.search, since, until)
                for table, number in places
                if table == 1
                for _, pattern, since, until in (ERAS[number],)
            ),
            tuple((SIGNS[number][0], SIGNS[number][2].search) for table, number in places if table == 2),
            any(table == 3 for table, _ in places),
        )


_NOTHING = Told()


@cache
def hints(votes: bool) -> Hints:
    """The hints of the format table, with or without what votes for the kernel."""
    return Hints((row for row in table() if not row.literals), votes)
