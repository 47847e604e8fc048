"""What changed from one release to another, and how sure that is.

Logs of one device are not independent: a device that hangs hangs again, and sends a log each time.  So devices are
counted where they are known: on how many of those that run a release a cause was seen.  Fisher's exact test needs no
large numbers; its p values are corrected for the number of causes by Benjamini and Hochberg's method, so that of the
differences said to be shown, about one in twenty is none.
"""

from __future__ import annotations

from typing import Any

from unkillable.errors import UserError
from unkillable.fleet.answers import Change

ALPHA = 0.05
"""Below this adjusted p a difference is said to be shown."""
COUNTS = """
SELECT f.release, f.cause, count(DISTINCT f.{unit}) AS count, (SELECT min(title) FROM findings WHERE cause = f.cause) AS title
FROM facts AS f WHERE f.release IN ($before, $after) AND f.device <> '' OR f.release IN ($before, $after) AND '{unit}' = 'log'
GROUP BY GROUPING SETS ((f.release), (f.release, f.cause))
"""


def compare(rows: dict[str, list[dict[str, Any]]], before: str, after: str) -> list[Change]:
    raise UserError(f"{before}, {after}: comparing is not there yet")
