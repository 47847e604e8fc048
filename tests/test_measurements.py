"""docs/measurements.md says what the recorded runs say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_tables_are_those_of_the_runs() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/measurements.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr or "run scripts/measurements.py and look at the difference"
    text = (ROOT / "docs" / "measurements.md").read_text()
    assert "| stock |" in text, "there are tables"
