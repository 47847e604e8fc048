"""collect.sh in a guest that is frozen: its bundle must tell what the console tells.

A held disk always; storms of memory, which take minutes, with UNKILLABLE_TEST_STORM naming the kernels:
`UNKILLABLE_TEST_STORM="debian:5.10 debian:7.3" pytest tests/collect/test_frozen_guest.py -s`.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.collect.frozen import Taken, freeze, names
from unkillable.diagnosis import Diagnosis
from unkillable.pipeline import inspect

STORMS = os.environ.get("UNKILLABLE_TEST_STORM", "").split()
pytestmark = [pytest.mark.vm, pytest.mark.slow]


def site(found: Diagnosis) -> str | None:
    """Where most tasks sleep that SIGKILL cannot wake."""
    places = Counter(one.function for one in found.waiters if one.killable is False)
    return places.most_common(1)[0][0] if places else None


def both(taken: Taken) -> tuple[Diagnosis, Diagnosis]:
    bundle, console = inspect([str(taken.bundle)]), inspect([str(taken.console)])
    for name, one in (("bundle", bundle), ("console", console)):
        print(f"{name}: {one.verdict.kind} ({one.verdict.confidence}): {one.verdict.summary}")
    before = [one.oom_kills for one in taken.samples if one.at <= taken.asked][-1]
    print(f"{taken.release}: asked {taken.stalled:.0f} s into the stall at {taken.asked:.0f} s, whole after {taken.took:.1f} s, "
        f"{taken.bundle.stat().st_size >> 10} KiB, looks at {taken.uptimes()}; OOM kills {before}, then {taken.samples[-1].oom_kills}")  # fmt: skip
    for line in taken.records:
        if "invoked oom-killer" in line:
            print(line)
    assert bundle.verdict.kind == console.verdict.kind
    assert bundle.kernel.release == console.kernel.release == taken.release
    assert [one for one in bundle.problems if one.failed] == []
    return bundle, console


@pytest.mark.timeout(240)
def test_a_disk_that_does_not_answer(tmp_path: Path) -> None:
    taken = freeze("debian:6.1", tmp_path, storm=False, stall=5)
    bundle, console = both(taken)
    assert bundle.verdict.kind == "io-stall"
    assert site(bundle) == site(console) is not None
    first, second = taken.uptimes()
    assert second - first >= 10
    found = names(taken.bundle)
    stuck = [name for name in found if name.startswith("again/") and name.endswith("/stack")]
    assert len(stuck) >= 3, "the readers are looked at twice"
    assert "dmesg" in found, "what needs programs comes from RAM"
    assert taken.samples[-1].oom_kills == 0


@pytest.mark.timeout(900)
@pytest.mark.skipif(not STORMS, reason="UNKILLABLE_TEST_STORM names no kernel")
@pytest.mark.parametrize("kernel", STORMS or ["debian:5.10"])
def test_a_storm_of_memory(kernel: str, tmp_path: Path) -> None:
    taken = freeze(kernel, tmp_path, storm=True, stall=40 if kernel == "debian:5.10" else 8)
    for one in both(taken):
        assert one.verdict.kind == "reclaim-livelock"
        # Who waits and who looks for memory changes from second to second; that it is below squashfs does not.
        assert any(frame.startswith("squashfs_") for waiter in one.waiters for frame in waiter.stack)
    first = taken.uptimes()[0]
    kills = [line for line in taken.records if "busybox invoked oom-killer" in line]
    assert not [line for line in kills if float(line.split("[", 1)[1].split("]")[0]) < first], kills
