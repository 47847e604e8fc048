"""Makes the pictures of docs/how-it-hangs.md: scenes of what `unkillable explain` tells, photographed in a headless Chromium.

    python scripts/explain_pictures.py          all of them (apt-get install chromium)
    python scripts/explain_pictures.py NAME...  only these

A picture is a scene of the page of `unkillable explain --html`, without the page around it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops

from unkillable.model.eras import era_of, variant_of
from unkillable.model.types import Story
from unkillable.model.verdicts import explain
from unkillable.report.explain_html import picture

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "images"
WIDTH, HEIGHT, SCALE, COLOURS, MARGIN = 780, 1200, 2, 64, 24


class Picture(NamedTuple):
    """A scene: of the story of a property's violation, in an experiment."""

    name: str
    era: str
    variant: str
    experiment: str
    property: str
    step: int | None
    """None: the last before what goes on for ever."""


PICTURES = (
    Picture("hang-kill", "4.5", "stock", "crowd", "dying", 10),
    Picture("hang-deadlock", "4.5", "stock", "crowd", "dying", None),
    Picture("hang-livelock", "5.10", "stock", "shortage", "starving", None),
    Picture("hang-site-b", "6.1", "article", "block", "dying", None),
    Picture("hang-sigbus", "6.1", "article", "shortage", "sigbus", None),
)


def story(one: Picture) -> Story:
    found = explain(era_of(one.era), variant_of(one.variant), only=one.experiment)
    return next(each.story for each in found.verdicts if each.property == one.property and each.story)


def take(one: Picture) -> None:
    told = story(one)
    step = len(told.events) if one.step is None else one.step
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "scene.html", Path(folder) / "scene.png"
        page.write_text(picture(told, step), encoding="utf-8")
        subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                "--disable-background-networking",
                "--disable-component-update", "--disable-sync", f"--user-data-dir={folder}/profile", f"--window-size={WIDTH},{HEIGHT}",
                f"--force-device-scale-factor={SCALE}", f"--screenshot={shot}", page.as_uri(),
            ],
            check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        file = FOLDER / f"{one.name}.png"
        cut(Image.open(shot).convert("RGB")).quantize(COLOURS, dither=Image.Dither.NONE).save(
            file, optimize=True
        )
    print(
        f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes; step {step}: {told.events[step - 1].text}"
    )


def cut(image: Image.Image) -> Image.Image:
    """Without the empty page below and beside the scene."""
    box = ImageChops.difference(image, Image.new("RGB", image.size, image.getpixel((0, 0)))).getbbox()
    if box is None:
        raise SystemExit("the browser has drawn nothing")
    left, top, right, bottom = box
    return image.crop(
        (
            max(left - MARGIN, 0),
            max(top - MARGIN, 0),
            min(right + MARGIN, image.width),
            min(bottom + MARGIN, image.height),
        )
    )


def main() -> None:
    for one in PICTURES:
        if one.name in (sys.argv[1:] or [one.name]):
            take(one)


if __name__ == "__main__":
    main()
