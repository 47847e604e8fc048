"""What semantic patches cannot do: text for headers, and blank lines as the kernel's style has them."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from unkillable.remedies.recipes import Insert


def insert(text: str, what: Insert) -> str | None:
    """The header with the text in it; None where the anchor is not there."""
    found = re.search(what.anchor, text)
    if found is None:
        return None
    place = found.start() if what.before else found.end()
    added = what.text.lstrip("\n") if what.before else what.text
    return text[:place] + added + text[place:]


def tidy(before: str, after: str) -> str:
    """spatch leaves an indentation where a patch adds a blank line, and adds one beside another; what was there stays."""
    old, new = before.splitlines(), after.splitlines()
    kept: list[str] = []
    mine = False
    for tag, _, _, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        added = tag != "equal"
        for line in new[start:end]:
            blank = not line.strip()
            if blank and kept and not kept[-1].strip():
                if added:
                    continue
                if mine:
                    kept.pop()
            kept.append("" if blank and added else line)
            mine = added
    return "\n".join(kept) + "\n"
