"""What `reproduce` and `compare` are given alike: changes of a setup, and files that are written in the end."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.lab.setup import Setup


def changed(setup: Setup, texts: Iterable[str]) -> Setup:
    """The setup with the changes of each --set FIELD=VALUE."""
    from unkillable.lab.fields import change

    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set {text}: write it as FIELD=VALUE, such as emulator.cpus=1")
        setup = change(setup, {field: value}, f"--set {text}")
    return setup


def check_targets(*files: str | None) -> None:
    """Complains about a file that could not be written before what goes into it is measured, not hours after."""
    for file in filter(None, files):
        folder = Path(file).parent
        if not folder.is_dir():
            raise UserError(f"{file}: cannot write there: {folder} is no directory")
        if not os.access(folder, os.W_OK):
            raise UserError(f"{file}: cannot write there: no right to write to {folder}")
        if Path(file).is_dir():
            raise UserError(f"{file}: cannot write there: it is a directory")
