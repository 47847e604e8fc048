"""The import contract: which room of the package may import which.

import-linter's own contracts come close. `layers` also forbids what is reached through a third room, so it
cannot say "diagnosis may use evidence, which uses klog, but not klog itself"; `protected` and `forbidden` can,
but they fail for as long as one of the rooms they name has not been written. Hence this one, which reads a
single table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from importlinter import Contract, ContractCheck, fields, output

if TYPE_CHECKING:
    from grimp import ImportGraph

__all__ = ["RoomsContract", "find_violations", "parse_rooms"]

FACE = "library"
"""The one room that the root package may import."""


def parse_rooms(rows: Iterable[str]) -> dict[str, frozenset[str]]:
    """Read rows such as `evidence: errors klog` into the set of rooms that each room may import.

    Raises ValueError for a row that names a room which no row above it defines; that is what makes a cycle
    impossible to write down.
    """
    allowed: dict[str, frozenset[str]] = {}
    for row in rows:
        room, colon, names = row.partition(":")
        room = room.strip()
        if not colon or not room or room in allowed:
            raise ValueError(f"rooms: {row!r} is not 'room: names', or its room has a row already")
        wanted = frozenset(allowed if names.strip() == "*" else names.split())
        if unknown := sorted(wanted - allowed.keys()):
            raise ValueError(f"rooms: {row!r} names {', '.join(unknown)}, which no row above it defines")
        allowed[room] = wanted
    return allowed


def find_violations(
    graph: ImportGraph, root: str, allowed: Mapping[str, frozenset[str]]
) -> tuple[list[str], list[str]]:
    """Return the forbidden imports, each as `importer:line -> imported`, and the rooms without a row."""
    prefix = f"{root}."

    def room_of(module: str) -> str:
        return module.removeprefix(prefix).partition(".")[0]

    forbidden: list[str] = []
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            # The root package itself is nobody's room: it holds the version, and hands on what `library` offers.
            if imported == root or room_of(imported) == room_of(importer):
                continue
            if importer == root and room_of(imported) == FACE:
                continue
            if room_of(imported) not in allowed.get(room_of(importer), frozenset()):
                lines = sorted(
                    str(detail["line_number"])
                    for detail in graph.get_import_details(importer=importer, imported=imported)
                )
                forbidden.append(f"{importer}:{','.join(lines)} -> {imported}")
    homeless = sorted(child for child in graph.find_children(root) if room_of(child) not in allowed)
    return forbidden, homeless


class RoomsContract(Contract):
    """A room imports only the rooms that its row names; every room that exists has a row."""

    type_name = "rooms"

    rooms = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        del verbose  # there is nothing more to say than the violations
        root = self.session_options["root_packages"][0]
        forbidden, homeless = find_violations(graph, root, parse_rooms(self.rooms))  # type: ignore[arg-type]
        return ContractCheck(
            kept=not forbidden and not homeless, metadata={"forbidden": forbidden, "homeless": homeless}
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        for link in check.metadata["forbidden"]:
            output.print_error(f"- {link}: not in that room's row", bold=False)
        for room in check.metadata["homeless"]:
            output.print_error(
                f"- {room}: has no row in pyproject.toml's import contract; give it its place", bold=False
            )
