"""The series compiled and audited on a real kernel tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remedies.trees import EXAMPLE, VERSIONS, needs_programs, real
from unkillable.errors import UserError
from unkillable.lab.arch import find
from unkillable.lab.squashfsbuild import Version, compile_all, configurations
from unkillable.proof.check import check
from unkillable.remedies.series import make
from unkillable.remedies.types import Author

ADA = Author("Ada Example", "ada@example.org")
KCONFIG = """
config SQUASHFS_FILE_CACHE
config SQUASHFS_FILE_DIRECT
config SQUASHFS_DECOMP_SINGLE
config SQUASHFS_DECOMP_MULTI
"""


def _silent(_what: str, _share: float | None) -> None:
    pass


def test_the_configurations_are_those_of_the_kconfig() -> None:
    found = {(one.file, one.decompressors) for one in configurations(KCONFIG)}
    assert found == {("direct", "single"), ("direct", "multi"), ("cache", "single"), ("cache", "multi")}
    assert configurations("") == ()


def test_a_part_of_a_tree_is_not_compiled() -> None:
    with pytest.raises(UserError, match="incomplete kernel source tree"):
        compile_all(EXAMPLE, find("x86_64"), [Version("as it is", {})])


@needs_programs
@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_kernel(version: str) -> None:
    """Minutes of two processors: every patch in six configurations."""
    tree: Path = real(version)
    found = check(tree, make(tree, ADA, "series"), ADA, find("x86_64"), _silent)
    assert found.complaints == 0, found
    assert found.killable == 4
    assert len({one.configuration for one in found.compiled}) == 6
    changed = {(one.function, one.after) for one in found.changes}
    assert ("squashfs_decompress", "mutex_lock_killable TASK_KILLABLE") in changed
    assert ("get_decomp_stream", "wait_event_killable TASK_KILLABLE") in changed
    assert all(one.file.startswith("fs/squashfs/") for one in found.changes)
