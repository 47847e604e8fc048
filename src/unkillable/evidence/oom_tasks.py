"""The OOM report's task table, by its header's names, since the columns change with nearly every era.

| era          | columns between `[ pid ]` and `name`                                                          |
|--------------|------------------------------------------------------------------------------------------------|
| to 2.6.35    | uid tgid total_vm rss cpu oom_adj                                                             |
| 2.6.36-3.6   | uid tgid total_vm rss cpu oom_adj oom_score_adj                                               |
| 3.7-3.19     | uid tgid total_vm rss nr_ptes swapents oom_score_adj                                          |
| 4.0-4.14     | uid tgid total_vm rss nr_ptes nr_pmds (nr_puds 4.14) swapents oom_score_adj                   |
| 4.15-6.7     | uid tgid total_vm rss pgtables_bytes swapents oom_score_adj; `[  pid  ]` since 4.19           |
| 6.8-7.3      | uid tgid total_vm rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj       |
"""

from __future__ import annotations

import heapq
import re

from unkillable.evidence.numbers import integer, pid_number
from unkillable.evidence.types import OomTask

KEEP = 200
"""Rows kept of one table: the largest by rss. A report of a big machine has thousands."""

_HEADER = re.compile(r"^\s*\[ *(?:pid|tid) *\](?P<columns>(?: +[a-z_]{2,24}){2,16}) +name\b")
_ROW = re.compile(r"^\s*\[ *(?P<pid>\d{1,10})\](?P<rest> +-?\d.*)$")
_TITLE = re.compile(r"Tasks state \(memory values in pages\):")
# A row whose header was lost: the first four columns are the same in every era, the last is the adjustment.
_BARE = re.compile(
    r"^ +(?P<uid>-?\d{1,10}) +(?P<tgid>\d{1,10}) +(?P<vm>\d{1,15}) +(?P<rss>\d{1,15})(?P<more>(?: +-?\d{1,19}){2,9}) +(?P<comm>\S.{0,63})$"
)
# Samsung's table has `oom_adj(oom_score_adj)` in one column: `  0(   0)`.
_BRACKETED = re.compile(r"(-?\d{1,6})\( *(-?\d{1,6})\)")


class TaskTable:
    """Takes the lines of one table."""

    def __init__(self) -> None:
        self.columns: tuple[str, ...] = ()
        self.count = 0
        self.started = False
        self._largest: list[tuple[int, int, OomTask]] = []

    def feed(self, text: str) -> bool:
        if _TITLE.search(text):
            self.started = True
            return True
        header = _HEADER.match(text)
        if header is not None:
            self.started = True
            self.columns = tuple(header["columns"].split())
            return True
        row = _ROW.match(text)
        if row is None:
            return False
        task = self._full(row) if self.columns else self._bare(row)
        if task is None:
            return False
        self.started = True
        self.count += 1
        # Ties are told apart by the row's number, so tasks are never compared.
        entry = (task.rss or 0, -self.count, task)
        if len(self._largest) < KEEP:
            heapq.heappush(self._largest, entry)
        else:
            heapq.heappushpop(self._largest, entry)
        return True

    def _full(self, row: re.Match[str]) -> OomTask | None:
        rest = _BRACKETED.sub(r"\1", row["rest"])
        parts = rest.split(None, len(self.columns))
        if len(parts) < len(self.columns):
            return None  # cut before the name
        numbers = [integer(part) for part in parts[: len(self.columns)]]
        fields = {
            name: number for name, number in zip(self.columns, numbers, strict=True) if number is not None
        }
        if len(fields) < len(self.columns) - 1:
            return None
        comm = parts[len(self.columns)].rstrip() if len(parts) > len(self.columns) else ""
        return _task(row, fields, comm)

    def _bare(self, row: re.Match[str]) -> OomTask | None:
        bare = _BARE.match(row["rest"])
        if bare is None:
            return None
        named = {"uid": bare["uid"], "tgid": bare["tgid"], "total_vm": bare["vm"], "rss": bare["rss"]}
        fields = {name: number for name, text in named.items() if (number := integer(text)) is not None}
        adjustment = integer(bare["more"].split()[-1])
        if adjustment is not None and -1000 <= adjustment <= 1000:
            fields["oom_score_adj"] = adjustment
        return _task(row, fields, bare["comm"].rstrip())

    @property
    def omitted(self) -> int:
        return self.count - len(self._largest)

    def finish(self) -> tuple[OomTask, ...]:
        """The rows kept, in the table's order."""
        return tuple(task for _, _, task in sorted(self._largest, key=lambda entry: -entry[1]))


def _task(row: re.Match[str], fields: dict[str, int], comm: str) -> OomTask | None:
    pid = pid_number(row["pid"])
    if pid is None:
        return None
    return OomTask(
        pid=pid,
        comm=comm[:64],
        uid=fields.get("uid"),
        tgid=fields.get("tgid"),
        total_vm=fields.get("total_vm"),
        rss=fields.get("rss"),
        swapents=fields.get("swapents"),
        oom_score_adj=fields.get("oom_score_adj"),
        fields=fields,
    )
