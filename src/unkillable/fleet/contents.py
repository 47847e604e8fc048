"""Which contents a store knows, in memory: asked for with every few hundred logs that are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unkillable.fleet import database, views
from unkillable.fleet.layout import FINDINGS, Commit


class Contents:
    """The content hashes that have findings of one scheme: 16 bytes each; what is committed later is added."""

    def __init__(self, root: Path, scheme: int) -> None:
        self._root = root
        self._scheme = scheme
        self._loaded: set[str] = set()
        self._db = database.connect()
        self._db.execute("CREATE TABLE contents (content UUID)")

    def among(self, contents: Sequence[str]) -> set[str]:
        """Those of the hashes that are known."""
        views.steady(self._root, self._load)
        rows = self._db.execute(
            "SELECT i FROM (SELECT generate_subscripts($asked, 1) AS i, unnest($asked)::UUID AS content) "
            "SEMI JOIN contents USING (content)",
            {"asked": contents},
        ).fetchall()
        return {contents[row[0] - 1] for row in rows}

    def _load(self, commits: Sequence[Commit]) -> None:
        for one in commits:
            # What was merged of commits that are loaded need not be loaded again.
            if one.name in self._loaded or (one.replaces and self._loaded.issuperset(one.replaces)):
                continue
            views.raw(self._db, self._root, (one,), (FINDINGS,))
            self._db.execute(
                "INSERT INTO contents SELECT DISTINCT content FROM all_findings WHERE scheme = ?",
                [self._scheme],
            )
            self._loaded.add(one.name)
        self._loaded |= {one.name for one in commits}
