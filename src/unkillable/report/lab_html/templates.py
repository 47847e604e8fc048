"""This folder's templates, filled as the diagnosis' page is: nothing reaches a page that was not made printable and escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from unkillable.report.html.templates import count
from unkillable.report.plain import clean, cut

__all__ = ["fill", "sheet"]

_LONGEST = 4000
"""Characters of one string."""


def _untrusted(value: object) -> object:
    if isinstance(value, Markup):
        return value
    return "" if value is None else cut(clean(str(value)[: _LONGEST + 1]), _LONGEST)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        finalize=_untrusted,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count)
    return environment


def _source(name: str) -> str:
    return (files("unkillable.report") / "lab_html" / name).read_text(encoding="utf-8")


@cache
def sheet(name: str) -> Markup:
    """A style sheet of this folder."""
    return Markup(_source(name))  # noqa: S704  our own file


def fill(name: str, **values: object) -> str:
    """A template of this folder with these values."""
    return _environment().get_template(name).render(**values)
