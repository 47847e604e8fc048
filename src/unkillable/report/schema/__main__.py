"""`python -m unkillable.report.schema` writes diagnosis-1.json anew, after a type has changed."""

from __future__ import annotations

from pathlib import Path

from unkillable.report.schema import generate

(Path(__file__).parent / "diagnosis-1.json").write_bytes(generate())
