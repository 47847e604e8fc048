"""One excerpt in every framing that klog reads: whatever wraps the lines, the diagnosis is the same."""

import pytest

from tests.samples_file import SAMPLES
from unkillable.pipeline import inspect

FRAMINGS = sorted(path for path in (SAMPLES / "framing").iterdir() if path.suffix != ".md")


@pytest.mark.parametrize("path", FRAMINGS, ids=lambda path: path.name)
def test_the_same_kill_in_every_framing(path):
    found = inspect([str(path)])
    assert [(one.pid, one.comm) for one in found.victims] == [(112, "e5")]
    assert found.verdict.kind == "no-hang"
    assert len(found.ooms) == 1
    assert found.ooms[0].stack is not None


def test_there_are_framings():
    assert len(FRAMINGS) > 60
