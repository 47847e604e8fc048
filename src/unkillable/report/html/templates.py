"""The templates, and what stands between them and text from a log.

Whatever a template prints passes `_untrusted` first: control characters and bidirectional overrides become
visible escapes, endless strings are cut, and Jinja escapes the rest.  A template cannot forget it.
"""

from __future__ import annotations

import base64
import hashlib
import math
from functools import cache, partial
from importlib.resources import files

import jinja2
from markupsafe import Markup

from unkillable.report.plain import clean, count, cut

__all__ = ["document", "environment", "fill", "style"]

HERE = "html"
"""The folder with the diagnosis' page."""
_ROOM = "unkillable.report"
_DOCUMENT = "document.html"
"""What the pages of every folder extend: a page that can be mailed and read anywhere."""
_LONGEST = 4000
"""Characters of one string."""


def _untrusted(value: object) -> object:
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    return cut(clean(str(value)[: _LONGEST + 1]), _LONGEST)


@cache
def environment(folder: str, room: str = _ROOM) -> jinja2.Environment:
    """What fills the templates of a folder of a room; whatever they print is made harmless."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(partial(_source, room, folder)),
        autoescape=True,
        finalize=_untrusted,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(seconds=seconds, kib=kib, count=count, csp_hash=csp_hash)
    return made


def _source(room: str, folder: str, name: str) -> str:
    if name == _DOCUMENT:
        room, folder = _ROOM, HERE
    return (files(room) / folder / name).read_text(encoding="utf-8")


@cache
def style(*names: str, folder: str = HERE, room: str = _ROOM) -> Markup:
    """Our own style sheets, one after the other; they hold no text from a log."""
    return Markup("\n".join(_source(room, folder, name) for name in names))  # noqa: S704


def fill(name: str, folder: str = HERE, /, **values: object) -> str:
    """A template of a folder of this room with these values."""
    return environment(folder).get_template(name).render(**values)


def document(name: str, folder: str = HERE, /, *, css: Markup, tool: str, **values: object) -> str:
    """A template that extends `document.html`: a whole page with its style sheet, which may load nothing else."""
    return fill(name, folder, css=css, tool=tool, **values)


def csp_hash(text: str) -> str:
    """What a content security policy allows this style sheet, or this script, by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def seconds(value: float | None) -> str:
    """`12.345 s`; a dash where the log has no time."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.3f} s" if abs(value) < 1e9 else f"{value:.3g} s"


def kib(value: int | None) -> str:
    """`512 KiB`, `34.5 MiB`, `1.25 GiB`."""
    if value is None:
        return "-"
    size = abs(value)
    if size < 10 * 1024:
        return f"{value:,} KiB"
    return f"{value / 1024:.1f} MiB" if size < 10 * 1024**2 else f"{value / 1024**2:.2f} GiB"
