"""Runs collect.sh with the shells and tools that devices have."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.evidence.test_proc import unpack
from unkillable.collect import script

SHELLS = {
    "dash": (("dash",), None),
    "busybox": (("busybox", "sh"), "busybox"),
    "toybox": (("dash",), "toybox"),
    "bash": (("bash", "--posix"), None),
    "mksh": (("mksh",), "toybox"),
}
"""Name: the shell, and whose `sed`, `grep` ... come first."""
TOOLS = "cat cp df dmesg grep id ls mkdir mkfifo rm sed sleep tail tr uname wc zcat".split()


class Device:
    """A directory with the script, a copy of a /proc, and a place for bundles."""

    def __init__(self, place: Path, shell: str) -> None:
        self.place = place
        self.argv, box = SHELLS[shell]
        if (
            missing := next((name for name in (self.argv[0], box) if name and not shutil.which(name)), None)
        ) is not None:
            pytest.skip(f"needs {missing}")
        self.script = place / "collect.sh"
        self.script.write_text(script())
        self.root = place / "root"
        self.ram = place / "ram"
        self.bundle = place / "bundle.tar"
        unpack("debian-6.1-stuck", self.root / "proc")
        (self.root / "proc/dmesg").rename(self.root / "dmesg")
        self.path = place / "bin"
        self.path.mkdir()
        for tool in TOOLS if box else ():
            if subprocess.run([str(box), tool, "--help"], capture_output=True, check=False).returncode == 0:
                (self.path / tool).symlink_to(str(shutil.which(str(box))))

    def command(self, *words: str) -> list[str]:
        """A command of the script.  A copied tree is the same at a second look: so there is none unless it is asked for."""
        once = ("--again", "0") if words[0] == "now" and "--again" not in words else ()
        return [*self.argv, str(self.script), words[0], *once, *words[1:], "--dir", str(self.ram)]

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.path}:{os.environ['PATH']}", "MY_TOKEN": "hunter2"}

    def run(self, *words: str, status: int = 0) -> str:
        """Carries out a command of the script; what it said on both streams."""
        done = subprocess.run(
            self.command(*words), env=self.environment, capture_output=True, text=True, errors="replace", timeout=60, check=False
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def now(self, *words: str) -> str:
        """`now` of the copied tree."""
        return self.run("now", "--root", str(self.root), "-o", str(self.bundle), *words)

    def put(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
