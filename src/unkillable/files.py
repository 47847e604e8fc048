"""Files that are there whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Where to write a file that takes the target's place at the end.  After an exception nothing of it is left.

    Others may read the target, or replace it, meanwhile.  Raises OSError.
    """
    # A directory of its own, so that whoever writes there makes a new file with the usual rights.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as place:
        aside = Path(place, target.name)
        yield aside
        aside.replace(target)
