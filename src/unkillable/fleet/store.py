"""A store: what was read of a fleet's logs, on disk, for any number of readers and writers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from uuid import UUID

from unkillable.errors import UserError
from unkillable.fleet import database, layout, merging, views
from unkillable.fleet.columns import COLUMNS, input_row
from unkillable.fleet.contents import Contents
from unkillable.fleet.given import unread
from unkillable.fleet.layout import INPUTS, LOGS
from unkillable.fleet.name_fields import printable
from unkillable.fleet.questions import Questions
from unkillable.fleet.signature import SCHEME
from unkillable.fleet.types import Earlier, Input
from unkillable.fleet.views import Window
from unkillable.fleet.writer import LOGS_PER_COMMIT, Rows, Writer


class Store:
    """A directory of commits, see `fleet.layout`."""

    def __init__(self, root: Path, scheme: int) -> None:
        self.root = root
        self._scheme = scheme
        self._contents: Contents | None = None

    @staticmethod
    def open(path: str, create: bool = False, scheme: int = SCHEME) -> Store:
        """Opens the store in a directory; with `create`, makes an empty or missing directory one.

        Raises UserError where there is no store, or one of another version.
        """
        root = Path(path)
        if create:
            layout.create(root)
        layout.check(root)
        return Store(root, scheme)

    def writer(self, logs_per_commit: int = LOGS_PER_COMMIT) -> Writer:
        """What appends to the store.  Raises UserError if the store has signatures of a newer scheme than this
        program makes: then it would add logs that nobody asks for."""
        newest = max((one.scheme for one in layout.commits(self.root)), default=0)
        if newest > self._scheme:
            raise UserError(
                f"{self.root}: has signatures of scheme {newest}, this version makes {self._scheme}; upgrade unkillable"
            )
        layout.sweep(self.root)
        return Writer(self.root, self._scheme, logs_per_commit)

    def unchanged(self, inputs: Sequence[Input]) -> set[str]:
        """Names of those inputs that were read already as they are, by this scheme of signatures."""
        if not inputs:
            return set()
        kinds = {"i": "INTEGER", **COLUMNS[INPUTS]}
        # By way of a file, as that is what DuckDB reads fastest.
        with layout.aside(self.root) as folder, database.connect() as db:
            with Rows(folder / "given.rows") as rows:
                for i, one in enumerate(inputs):
                    rows.write({"i": i, **input_row(one)})
            given = database.read_rows(folder / "given.rows", kinds)

            def ask(commits: tuple[layout.Commit, ...]) -> list[tuple[int]]:
                views.raw(db, self.root, commits, (INPUTS,))
                return db.execute(
                    f"""SELECT i FROM {given} AS given ANTI JOIN all_inputs AS past ON given.name = past.name
                    AND given.size = past.size AND given.changed = past.changed AND past.scheme = $scheme""",
                    {"scheme": self._scheme},
                ).fetchall()

            changed = {row[0] for row in views.steady(self.root, ask)}
        return {one.name for i, one in enumerate(inputs) if i not in changed}

    def earlier(self, names: Collection[str]) -> dict[str, Earlier]:
        """Of those names of logs that the store has, what each had when it was read last."""
        if not names or not layout.commits(self.root):
            return {}
        with layout.aside(self.root) as folder, database.connect() as db:
            with Rows(folder / "given.rows") as rows:
                for name in names:
                    rows.write({"name": printable(name)})
            given = database.read_rows(folder / "given.rows", {"name": "VARCHAR"})

            def ask(commits: tuple[layout.Commit, ...]) -> list[tuple[str, UUID, int, str | None]]:
                views.raw(db, self.root, commits, (LOGS,))
                return db.execute(
                    f"""SELECT DISTINCT ON (name) name, content, size, problem
                    FROM all_logs SEMI JOIN {given} AS given USING (name) ORDER BY written DESC"""
                ).fetchall()

            found = views.steady(self.root, ask)
        return {
            name: Earlier(content.hex, size, unread(name, content.hex, problem))
            for name, content, size, problem in found
        }

    def known(self, contents: Collection[str]) -> set[str]:
        """Those of the content hashes whose findings are in the store already, of this scheme of signatures."""
        if self._contents is None:
            self._contents = Contents(self.root, self._scheme)
        return self._contents.among(list(contents))

    def questions(self, window: Window | None = None) -> Questions:
        """What can be asked; it answers from the commits of now and of later."""
        return Questions(self.root, window)

    def prune(self, before: float) -> int:
        """Forgets the logs that were seen before a time, and keeps that they were read; returns how many there were.

        It stays so: logs from before that time that are added later do not count either.
        """
        with layout.alone(self.root, wait=True):
            return views.steady(self.root, lambda commits: merging.prune(self.root, commits, before))

    def compact(self) -> None:
        """Makes one commit of all."""
        with layout.alone(self.root, wait=True):
            if len(layout.commits(self.root)) > 1:
                views.steady(self.root, lambda commits: merging.merge(self.root, commits))
            merging.tidy(self.root)
        layout.sweep(self.root)
