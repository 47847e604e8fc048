"""Who signs the patches: who is told, else who git says is working here."""

from __future__ import annotations

import re
from pathlib import Path

from unkillable import commands
from unkillable.errors import UserError
from unkillable.remedies.types import Author

_FORM = re.compile(r" *([^<>\x00-\x1f]{1,200}?) *<([^<>\s\x00-\x1f]{1,200}@[^<>\s]{1,200})> *")

NOBODY = Author("nobody", "nobody@localhost")
"""Signs what is only looked at."""


def author(told: str | None, tree: Path) -> Author:
    """`told` is "Name <mail>".  Raises UserError if it is not, and if neither says anything."""
    if told is None:
        name, email = (_configured(tree, key) for key in ("user.name", "user.email"))
        if not (name and email):
            raise UserError(
                "who signs the patches? say it with --author 'Name <mail>', or git config --global user.name and user.email"
            )
        told = f"{name} <{email}>"
    found = _FORM.fullmatch(told)
    if found is None:
        raise UserError(f"--author {told}: write it as 'Name <mail@example.org>'")
    return Author(found[1], found[2])


def _configured(tree: Path, key: str) -> str:
    try:
        return commands.run(["git", "-C", tree, "config", "--get", key], "git", seconds=30.0).strip()
    except UserError:
        return ""
