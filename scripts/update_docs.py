"""Writes what the documentation's examples print now into README.md and docs/*.md (`make docs`).

    python scripts/update_docs.py              the outputs of all `console` blocks
    python scripts/update_docs.py --pictures   also docs/images/verdict.png: the top and the wait-for graph of the HTML
                                               report of examples/frozen-5.10.log.xz, photographed in a headless
                                               Chromium (apt-get install chromium)

tests/test_docs.py checks what this writes; look at the difference before committing it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import docs_examples as docs  # noqa: E402

EXAMPLE = "examples/frozen-5.10.log.xz"
PICTURE = ROOT / "docs" / "images" / "verdict.png"
WIDTH = 1180
CLIPS = (("", 350), ("#graph", 315))
"""Places of the report and the height in pixels that is shown of each, one below the other."""


def renew(page: Path) -> int:
    """Rewrites the outputs of a page's examples; returns how many changed."""
    lines = page.read_text(encoding="utf-8").splitlines()
    changed = 0
    for block in reversed([one for one in docs.blocks(page) if one.info == "console"]):
        fresh: list[str] = []
        for run in docs.commands(block):
            printed, status = docs.execute(run.command)
            if status == 1 and "--exit-code" not in run.command:  # Python's status after a traceback
                raise SystemExit(
                    "\n".join(
                        [f"{run.name}: $ {run.command}: failed; {page.name} is left as it is", *printed]
                    )
                )
            output = docs.renew(run.output, printed)
            changed += output != run.output or status != run.status
            fresh += [f"$ {run.command}", *output, *([f"# exit status {status}"] if status else [])]
            if output != run.output or status != run.status:
                print(f"{run.name}: $ {run.command}")
        start = block.line - 1
        lines[start : start + len(block.lines)] = [
            " " * block.indent + line if line else "" for line in fresh
        ]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return changed


def take_picture() -> None:
    """Parts of the HTML report of the example as a reader's browser shows them."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        command = f"unkillable diagnose --format html --output {page} {EXAMPLE}"
        printed, status = docs.execute(command)
        if status:
            raise SystemExit("\n".join([f"$ {command}", *printed]))
        clips = "".join(
            f'<iframe src="report.html{place}" height="{height}"></iframe>' for place, height in CLIPS
        )
        album = Path(folder) / "album.html"
        style = f"body {{ margin: 0 }} iframe {{ border: 0; display: block; width: {WIDTH}px }}"
        album.write_text(f"<!doctype html><style>{style}</style>{clips}", encoding="utf-8")
        size = f"{WIDTH},{sum(height for _, height in CLIPS)}"
        subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                f"--user-data-dir={folder}/profile", f"--window-size={size}", f"--screenshot={PICTURE}",
                album.as_uri(),
            ],
            check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description="Bring the documentation's examples up to date.")
    parser.add_argument(
        "--pictures", action="store_true", help="also take the pictures anew (needs chromium)"
    )
    options = parser.parse_args()
    changed = sum(renew(page) for page in docs.pages())
    print(f"{changed} example{'' if changed == 1 else 's'} changed")
    if options.pictures:
        take_picture()


if __name__ == "__main__":
    main()
