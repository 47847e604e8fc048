"""What every input is promised, and the real logs that the tests of this folder damage."""

from __future__ import annotations

import io
import json
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema_rs

from tests.samples_file import SAMPLES, find, load
from unkillable.cli import diagnose as command
from unkillable.diagnosis import Diagnosis, diagnose
from unkillable.errors import UserError
from unkillable.evidence.reader import EvidenceReader
from unkillable.evidence.types import Evidence
from unkillable.klog.streams import Part, Source
from unkillable.pipeline import inspect
from unkillable.report import schema

EXAMPLES = SAMPLES.parent.parent / "examples"
CORPUS = Path(__file__).parent / "corpus"


@cache
def validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema.json_schema())


@cache
def real_logs() -> tuple[bytes, ...]:
    """Every bundled log, decompressed, without the heads of samples."""
    captures = [load(path)[1] for path in find("captures")]
    reports = [path.read_bytes() for path in sorted((SAMPLES / "reports").glob("*.txt"))]
    framings = [path.read_bytes() for path in sorted((SAMPLES / "framing").iterdir()) if path.suffix != ".md"]
    return (*captures, *reports, *framings)


def keep_file(data: bytes, name: str = "console.log") -> Diagnosis | None:
    """Diagnoses the bytes as a file, by the way of the command; None where the user is told they are no log."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            found = inspect([str(path)])
        except UserError as error:
            message = str(error)
            assert message
            assert "\n" not in message
            return None
    keep_reports(found)
    return found


def evidence_of(data: bytes, close: bool) -> Iterator[Evidence]:
    """The evidence of each boot; `close`: every line is examined, else those that the fast scan points to."""
    reader = EvidenceReader(
        Source("input", [Part("input", lambda: io.BytesIO(data))], len(data) if close else None)
    )
    yield from reader.boots()


def keep_evidence(data: bytes, close: bool) -> None:
    """Every boot's evidence leads to a diagnosis that every report can show, whatever it is worth."""
    for evidence in evidence_of(data, close):
        assert 0 <= evidence.first_line <= evidence.last_line
        keep_reports(diagnose(evidence))


def keep_reports(found: Diagnosis, *forms: str) -> None:
    """Text, JSON and `forms` (all if none is named) can be written, and what a terminal shows is clean."""
    keep_clean(_render(found, "text", full=True))
    keep_clean(_render(found, "text"))
    validator().validate(json.loads(_render(found, "json")))
    for form in forms or command.FORMATS:
        printed = _render(found, form)
        if form in ("dot", "mermaid"):
            keep_clean(printed)
        elif form == "sarif":
            assert json.loads(printed)["version"] == "2.1.0"
        elif form == "html":
            keep_page(printed)


def _render(found: Diagnosis, form: str, full: bool = False) -> str:
    return command._render(found, form, full=full, colour=False)


def keep_page(page: str) -> None:
    """It ends, can be encoded, and its pictures are well-formed XML."""
    page.encode()
    assert page.rstrip().endswith("</html>")
    assert page.count("<script") == page.count("</script>")
    for picture in page.split("<svg")[1:]:
        ET.fromstring("<svg" + picture.split("</svg>")[0] + "</svg>")  # noqa: S314  our own output, without a DTD


def keep_clean(printed: str) -> None:
    odd = {char for char in printed if char != "\n" and not char.isprintable()}
    assert not odd, f"unprintable in the output: {sorted(map(ascii, odd))}"
    printed.encode()
