"""Coverage-guided fuzzing of klog: any bytes, whole and in pieces, as a source of lines. `make fuzz` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["unkillable"]):
    from tests.fuzz.seeds import run
    from tests.klog.klog_samples import read_bytes
    from unkillable.evidence.formats import literals

LITERALS = tuple(name.encode() for name in literals())


def target(data: bytes) -> None:
    """Nothing raises, numbers grow, and where the reads were cut does not matter."""
    for want in (True, False):
        whole, records = read_bytes(data, literals=LITERALS, want=want)
        half = len(data) // 2
        parts, again = read_bytes(data[:half], data[half:], literals=LITERALS, want=want)
        if records != again or whole.problems != parts.problems:
            raise AssertionError(f"a read that ends at {half} changes the records")
        for record in records:
            if "\n" in record.text or "\0" in record.text or record.number < 1:
                raise AssertionError(f"not one line of text: {record!r}")


if __name__ == "__main__":
    run(target)
