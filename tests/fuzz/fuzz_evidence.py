"""Coverage-guided fuzzing from bytes to reports, read closely and by the fast scan. `make fuzz` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["unkillable"]):
    from tests.fuzz.promises import evidence_of, keep_reports
    from tests.fuzz.seeds import run
    from unkillable.diagnosis import diagnose
    from unkillable.report import dot, html, mermaid, sarif, schema, text


__all__ = ["dot", "html", "mermaid", "sarif", "schema", "text"]  # imported here to be instrumented


def target(data: bytes) -> None:
    """The first byte chooses the reading and one format besides text and JSON; every boot is diagnosed."""
    choice = data[0] if data else 0
    for evidence in evidence_of(data[1:], close=choice % 4 != 0):
        keep_reports(diagnose(evidence), ("html", "sarif", "dot", "mermaid")[choice // 4 % 4])


if __name__ == "__main__":
    run(target, first=b"1")
