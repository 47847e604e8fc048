"""The tree's own scripts/checkpatch.pl on the patches."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from unkillable.errors import UserError
from unkillable.remedies.types import Step

_SCRIPT = "scripts/checkpatch.pl"
_SECONDS = 120.0
_COMPLAINT = re.compile(r"^\S*?:(\d+): ((?:ERROR|WARNING|CHECK): .{1,300})$", re.MULTILINE)


def available(tree: Path) -> bool:
    return (tree / _SCRIPT).is_file() and shutil.which("perl") is not None


def complaints(tree: Path, patches: Iterable[Step]) -> list[tuple[str, tuple[str, ...]]]:
    """(name of a patch, what the script says of it); it ends with status 1 where it says anything."""
    found = []
    for step in patches:
        with tempfile.NamedTemporaryFile("w", suffix=".patch", encoding="utf-8") as file:
            file.write(step.patch or "")
            file.flush()
            argv = ["perl", str(tree / _SCRIPT), f"--root={tree}", "--terse", "--no-summary", file.name]
            try:
                done = subprocess.run(
                    argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False,
                    encoding="utf-8", errors="replace",
                )  # fmt: skip
            except subprocess.TimeoutExpired as error:
                raise UserError(f"{tree}/{_SCRIPT} did not finish within {_SECONDS:.0f} s") from error
        said = tuple(f"line {line}: {text}" for line, text in _COMPLAINT.findall(done.stdout))
        if done.returncode not in (0, 1) or (done.returncode and not said):
            reason = (done.stderr.strip().splitlines() or ["it says nothing"])[-1][:200]
            raise UserError(f"{tree}/{_SCRIPT} failed: {reason}")
        found.append((step.name or "", said))
    return found
