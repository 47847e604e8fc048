"""docs/measurements.md says what the recorded runs say."""

import json
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


def test_the_runs_of_a_kernel_are_all_of_one_version_which_the_page_names() -> None:
    found: dict[str, set[str]] = {}
    for path in (ROOT / "docs" / "measurements" / "runs").glob("*.json"):
        stored = json.loads(path.read_bytes())
        package, version, _ = stored["identity"].split("; ")[0].split()
        assert package.startswith(("linux-image-", "linux-binary-"))
        found.setdefault(stored["setup"]["kernel"], set()).add(version)
    text = (ROOT / "docs" / "measurements.md").read_text()
    assert len(found) == 4
    for kernel, versions in found.items():
        assert len(versions) == 1, f"{kernel}: runs of {versions} are not to be mixed"
        assert versions.pop() in text, f"{kernel}: say which version was run"
