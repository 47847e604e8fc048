"""A figure of matplotlib as SVG that obeys the page: its colours in light and dark, its fonts, its content security policy."""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unkillable.errors import UserError
from unkillable.report.plain import clean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "house", "svg"]

COLOURS = {
    "ink": "#1c2024",
    "soft": "#5b6470",
    "line": "#7b8592",
    "face": "#f4f6f8",
    "page": "#ffffff",
    "bad": "#b3261e",
    "warn": "#8a5200",
    "cool": "#1f5fa8",
    "good": "#1b6e3c",
}
"""The names and light values of picture.css.  A figure is drawn in these, and each becomes a class that the style sheet colours."""
_NAMES = {value: name for name, value in COLOURS.items()}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_PX = re.compile(r"([\d.]+)px")


@contextmanager
def house(**more: object) -> Iterator[None]:
    """Figures are made and drawn in here: the same whatever a user's matplotlibrc says, and a dollar sign is a dollar sign."""
    try:
        import matplotlib.style as mpl_style
    except ImportError:
        raise UserError("matplotlib is not installed: pip install 'unkillable[lab]'") from None
    own = {"text.parse_math": False, "svg.fonttype": "none"} | more
    with mpl_style.context(["default", own]), warnings.catch_warnings():
        # The reader's fonts draw the text, not those that matplotlib measures it with.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def svg(figure: Figure, ident: str, title: str, description: str, css: str = "") -> str:
    """The figure as an element for a page or, with the style sheets that it needs, as a file.

    `ident` sets its ids apart from those of the page's other pictures.
    """
    data = io.BytesIO()
    with house(**{"svg.hashsalt": ident}):
        figure.savefig(data, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ET.fromstring(data.getvalue())  # noqa: S314  our own output
    for one in list(root):
        if one.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}defs") and not one.findall(f".//{{{_SVG}}}path"):
            root.remove(one)  # who made it, and a style element that the page's policy forbids
    for one in root.iter():
        _restyle(one)
    head = {
        "class": "picture lab",
        "viewBox": root.get("viewBox", ""),
        "width": root.get("width", "").removesuffix("pt"),
        "height": root.get("height", "").removesuffix("pt"),
        "role": "img",
        "aria-labelledby": f"{ident}-title {ident}-desc",
    }
    root.attrib.clear()
    root.attrib.update(head)
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        note = ET.Element(tag, {"id": f"{ident}-{tag}"})
        note.text = clean(text)
        root.insert(place, note)
    if css:
        root.set("xmlns", _SVG)
        sheet = ET.Element("style")
        sheet.text = css
        root.insert(2, sheet)
    return ET.tostring(root, encoding="unicode")


def _restyle(one: ET.Element) -> None:
    """Style attributes, which the policy forbids, become presentation attributes and classes."""
    one.tag = one.tag.removeprefix(f"{{{_SVG}}}")
    target = one.attrib.pop(f"{{{_XLINK}}}href", None)
    if target is not None:
        one.set("href", target)
    if "id" in one.attrib and one.tag == "g":
        del one.attrib["id"]  # figure_1, axes_2: nothing refers to them, and every figure has them
    classes = []
    for declaration in one.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            size = _PX.search(value)
            if size:
                classes.append(f"t-{float(size[1]):.0f}")
        elif name in ("fill", "stroke") and value.lower() in _NAMES:
            classes.append(f"{name[0]}-{_NAMES[value.lower()]}")
        elif name:
            one.set(name, value)
    if classes:
        one.set("class", " ".join(classes))
