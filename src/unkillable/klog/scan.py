"""Literals in blocks of bytes, at memory speed."""

from __future__ import annotations

from collections.abc import Sequence

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from unkillable.klog.limits import MAX_LITERALS_PER_PASS

Match = tuple[int, int, int]
"""Index of the literal, first byte, byte after the last."""


class Scanner:
    """Finds which literals occur where."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self.literals = tuple(literals)
        numbered = [(index, literal) for index, literal in enumerate(literals) if literal]
        self.always = tuple(index for index, literal in enumerate(literals) if not literal)
        """Literals that are empty: they occur in every line."""
        self._first = {literal: index for index, literal in reversed(numbered)}
        unique = list(self._first)
        step = MAX_LITERALS_PER_PASS
        # LeftmostFirst is what the vectorised search offers; it skips matches that overlap an earlier one.
        self._passes = [
            (at, BytesAhoCorasick(unique[at : at + step], matchkind=MatchKind.LeftmostFirst))
            for at in range(0, len(unique), step)
        ]
        self._index = [self._first[literal] for literal in unique]
        self._same = {
            index: tuple(other for other, literal in numbered if literal == self.literals[index])
            for index in self._index
        }
        self._duplicates = any(len(same) > 1 for same in self._same.values())
        self._renumber = self._index != list(range(len(self._index)))
        self._all = BytesAhoCorasick(unique) if unique else None
        self.clear = self._find_clear(unique)
        """Literals whose match cannot hide another one: a line with only such matches needs no second look."""

    def _find_clear(self, unique: list[bytes]) -> frozenset[int]:
        if self.always:
            return frozenset()
        return frozenset(
            self._first[a]
            for a in unique
            if len(self._same[self._first[a]]) == 1
            and not any(
                a is not b
                and (
                    b in a or b.startswith(a) or any(a.endswith(b[:n]) for n in range(1, min(len(a), len(b))))
                )
                for b in unique
            )
        )

    def find(self, data: bytes) -> list[Match]:
        """Matches in order of position, no two overlapping within a pass: every line with a literal has one."""
        if not self._passes:
            return []
        found: list[Match] = self._passes[0][1].find_matches_as_indexes(data)
        if self._renumber:
            index = self._index
            found = [(index[which], start, end) for which, start, end in found]
        if len(self._passes) > 1:
            for at, automaton in self._passes[1:]:
                found += [
                    (self._index[at + which], start, end)
                    for which, start, end in automaton.find_matches_as_indexes(data)
                ]
            found.sort(key=lambda match: match[1])
        return found

    def all_in(self, text: bytes) -> tuple[int, ...]:
        """Indices of all literals in a line, ascending."""
        if self._all is None:
            return self.always
        found = {
            self._index[which] for which, _, _ in self._all.find_matches_as_indexes(text, overlapping=True)
        }
        if self._duplicates:
            found.update(other for index in tuple(found) for other in self._same[index])
        return tuple(sorted(found.union(self.always)))


class Words:
    """Finds which of many words occur in small inputs: one automaton however many they are, and however short."""

    def __init__(self, words: Sequence[bytes]) -> None:
        self._some = BytesAhoCorasick(
            words, matchkind=MatchKind.LeftmostFirst, implementation=Implementation.DFA
        )
        self._all = BytesAhoCorasick(words, implementation=Implementation.DFA)

    def starts(self, data: bytes) -> list[int]:
        """Where words begin, in order: every line with a word has one."""
        return [start for _, start, _ in self._some.find_matches_as_indexes(data)]

    def within(self, text: str) -> tuple[int, ...]:
        """Indices of all words that occur in a line, ascending."""
        found = self._all.find_matches_as_indexes(text.encode("utf-8", "replace"), overlapping=True)
        if len(found) < 2:
            return (found[0][0],) if found else ()
        return tuple(sorted({which for which, _, _ in found}))
