"""What one file says, packed: tables of numbers over a list of names, so that a kernel of 55,000 files fits in memory."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

STATIC = 1
"""Seen only in its file, or where that is included."""
MACRO = 2
"""#define name(...), or another name for one thing: #define name other."""
HANDED = "()"
"""The name that stands for a macro's own parameter, called as a function: what that is, its caller says.  With a number behind
it, as in "()2", it is a function's own parameter at that position, the first is 0."""
HEADER = 4
"""Defined in a header."""
ASKS = 8
"""Flags of memory requests are written in it."""
OPEN = 16
"""No brace closes it: what follows it in the file was read as a part of it."""

Table = NDArray[np.int32]


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """Each table is rows of int32; a column called *name* is an index into `names`."""

    names: tuple[str, ...]
    functions: bytes
    """name, line, offset of the head, offset behind the body, flags."""
    calls: bytes
    """Row of the caller in `functions`, name of the called, line of the first such call in it."""
    members: bytes
    """Calls through a pointer in a structure: caller's row, name of what it was reached by (a variable or a member; 0 if
    that is an expression), name of the member called, line, name of the structure if the variable is declared here, else 0."""
    values: bytes
    """Functions stored in a structure: name of the structure (0 if not known), member, value, line."""
    fields: bytes
    """Members of structures: structure, member, name of the structure that it points to or is (0 for another type), 1 if
    it is a pointer to a function."""
    handed: bytes
    """Functions that are arguments: caller's row, name of the called (or structure.member), position, name handed, line."""
    conditions: tuple[tuple[int, str, str], ...]
    """Line, directive and expression of #if to #endif, where a CONFIG_ symbol occurs in the file's; else empty."""

    def table(self, which: str) -> Table:
        """A table by its field's name."""
        return np.frombuffer(getattr(self, which), np.int32).reshape(-1, COLUMNS[which])


COLUMNS = {"functions": 5, "calls": 3, "members": 5, "values": 4, "fields": 4, "handed": 5}
"""Tables and the number of their columns."""
