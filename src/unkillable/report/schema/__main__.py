"""`python -m unkillable.report.schema` writes the schemas anew, after a type has changed."""

from __future__ import annotations

from pathlib import Path

from unkillable.report.schema import DOCUMENTS, file_name, generate

for name in DOCUMENTS:
    (Path(__file__).parent / file_name(name)).write_bytes(generate(name))
