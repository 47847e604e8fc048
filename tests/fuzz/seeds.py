"""What coverage-guided fuzzing starts from: the bundled logs in pieces, the corpus of inputs that once failed."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

import atheris

from tests.fuzz.mutations import HEADS, mutated
from tests.fuzz.promises import CORPUS, real_logs

LENGTH = 6000
"""Bytes of a seed: enough for an OOM report or a few traces; the shorter, the more runs per second."""


def plant(folder: Path, first: bytes) -> None:
    """Writes the seeds that are not there yet; `first` is what the target reads before the log."""
    for index, log in enumerate(real_logs()):
        for at in range(0, min(len(log), 8 * LENGTH), LENGTH):
            file = folder / f"seed-{index}-{at // LENGTH}"
            if not file.exists():
                file.write_bytes(first + log[at : at + LENGTH])
    for kept in CORPUS.iterdir():
        (folder / f"corpus-{kept.name}").write_bytes(first + kept.read_bytes())


def _mutator(data: bytes, max_size: int, seed: int) -> bytes:
    """libFuzzer's own mutations, and every third time those that logs meet."""
    rng = random.Random(seed)  # noqa: S311  not for secrets
    if rng.random() < 0.6:
        return bytes(atheris.Mutate(data, max_size))
    return (data[:1] + mutated(rng, (data[1:] or b"\n",) if rng.random() < 0.7 else real_logs(), LENGTH))[
        :max_size
    ]


def run(target: Callable[[bytes], None], first: bytes = b"") -> None:
    """Hands over to libFuzzer; its options are the command's, the last one is the folder of the corpus."""
    folder = Path(sys.argv[-1])
    if folder.is_dir():
        plant(folder, first)
    words = folder.parent / "words.dict" if folder.is_dir() else None
    argv = [sys.argv[0], f"-max_len={2 * LENGTH}", "-timeout=20", "-rss_limit_mb=2048", *sys.argv[1:]]
    if words is not None:
        words.write_text("".join(f'"{_quoted(head)}"\n' for head in HEADS))
        argv.insert(1, f"-dict={words}")
    atheris.Setup(argv, target, custom_mutator=_mutator)
    atheris.Fuzz()


def _quoted(word: bytes) -> str:
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in word
    )
