"""Bundles that collect.sh took out of frozen guests, with the facts that their heads say are true."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import msgspec
import pytest

from tests import samples_file
from unkillable.pipeline import inspect

BUNDLES = samples_file.find("bundles")


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name.split(".sample")[0])
def test_bundle(path: Path, tmp_path: Path) -> None:
    head, data = samples_file.load(path)
    file = tmp_path / "bundle.tar"
    file.write_bytes(data)
    document = json.loads(msgspec.json.encode(inspect([str(file)])))
    for key, value in head["expect"].items():
        assert samples_file.shows(document, {key: value}), f"{key}: expected {value!r}: {head['truth']}"
    for key, value in head["reject"].items():
        assert not samples_file.shows(document, {key: value}), f"{key} must not be {value!r}: {head['truth']}"
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert not [name for name in names if name.endswith(("environ", "maps"))]
    assert names[0] == "unkillable-collect/VERSION"


def test_there_are_bundles() -> None:
    assert len(BUNDLES) >= 2
