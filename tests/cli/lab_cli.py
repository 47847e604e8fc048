"""`unkillable reproduce` and `unkillable compare` as processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import kernels
from unkillable.lab.arch import find

X86 = find("x86_64")


def run(
    *words: object, cwd: Path, seconds: float = 110, **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command's two streams and its status."""
    return subprocess.run(
        [sys.executable, "-m", "unkillable", *map(str, words)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


def complaint(done: subprocess.CompletedProcess[str], nothing_printed: bool = True) -> str:
    """The one line of an unusable argument or input."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("unkillable: ")
    assert not (nothing_printed and done.stdout)
    return lines[0]


def squashfs(folder: Path, *, size: int = 8, names: tuple[str, ...] = ("bin/eat", "bin/sh")) -> Path:
    """An image with programs of so many random bytes, which nobody can run."""
    if shutil.which("mksquashfs") is None:
        pytest.skip("needs apt-get install squashfs-tools")
    tree = folder / "tree"
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(os.urandom(size))
        (tree / name).chmod(0o755)
    image = folder / "image.squashfs"
    subprocess.run(["mksquashfs", tree, image, "-quiet", "-no-progress"], check=True, capture_output=True)
    return image


def emulator() -> None:
    """Skips where no guest can be started."""
    for program, package in (
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("mksquashfs", "squashfs-tools"),
        ("apt-get", "apt"),
    ):
        if shutil.which(program) is None:
            pytest.skip(f"needs apt-get install {package}")
    pytest.importorskip("qemu.qmp", reason="needs pip install 'unkillable[lab]'")


def debian_kernel() -> kernels.Kernel:
    """Debian's 6.1, from the cache or the mirror."""
    emulator()
    try:
        return kernels.resolve("debian:6.1", X86)
    except UserError as error:
        pytest.skip(f"needs a Debian mirror: {error}")
