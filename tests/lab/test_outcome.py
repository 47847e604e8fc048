"""Which facts make which outcome."""

from __future__ import annotations

import msgspec
import pytest

from unkillable.lab.observe import Stall
from unkillable.lab.outcome import Activity, Facts, decide, last_words

GOOD = Facts(
    ready=True, fatal=None, measured_s=60.0, longest=Stall(10.0, 0.4), activity=None, panic=None, guest_ended=None,
    qemu_status=None, complaint="",
)  # fmt: skip
FROZEN = Stall(12.0, 130.0, ended=False)

CASES = [
    ("survived", {}),
    ("survived", {"longest": Stall(1, 4.9)}),
    ("survived", {"longest": Stall(58, 2.9, ended=False)}),
    ("stalled", {"longest": Stall(1, 5.1)}),
    ("stalled", {"longest": Stall(1, 300.0)}),
    ("stalled", {"longest": Stall(50, 60.0, ended=False)}),
    ("livelock", {"longest": FROZEN, "activity": Activity(30, 900, 20.0, 4000)}),
    ("livelock", {"longest": FROZEN, "activity": Activity(30, 0, 40.0, None)}),
    ("livelock", {"longest": FROZEN, "activity": Activity(30, 0, 1.0, 10)}),
    ("livelock", {"longest": FROZEN}),
    ("deadlock", {"longest": FROZEN, "activity": Activity(30, 0, 0.9, 0)}),
    ("deadlock", {"longest": FROZEN, "activity": Activity(30, 0, 0.9, None)}),
    ("panic", {"panic": "Out of memory: system-wide panic_on_oom is enabled", "guest_ended": "guest-reset"}),
    ("panic", {"guest_ended": "guest-reset"}),
    ("boot-failed", {"ready": False, "panic": "VFS: Unable to mount root fs"}),
    ("boot-failed", {"ready": False, "fatal": "root squashfs /dev/vda: No such device"}),
    ("boot-failed", {"ready": False, "silent_port": True}),
    ("boot-failed", {"ready": False}),
    ("harness-failed", {"ready": False, "qemu_status": 1, "complaint": "could not open disk image"}),
    ("harness-failed", {"qemu_status": -9}),
    ("harness-failed", {"longest": None}),
    ("harness-failed", {"longest": Stall(1, 20.0), "clock_gap": 19.0}),
]


@pytest.mark.parametrize(("outcome", "changes"), CASES)
def test_decisions(outcome: str, changes: dict[str, object]) -> None:
    decided, why = decide(msgspec.structs.replace(GOOD, **changes))
    assert decided == outcome
    assert why


def test_a_short_pause_of_the_host_does_not_spoil_a_long_stall() -> None:
    facts = msgspec.structs.replace(GOOD, longest=Stall(1, 40.0), clock_gap=6.0)
    assert decide(facts)[0] == "stalled"


def test_what_could_not_be_told_is_never_survival() -> None:
    for changes in ({"longest": None}, {"ready": False}, {"qemu_status": 0}):
        assert decide(msgspec.structs.replace(GOOD, **changes))[0] != "survived"


def test_last_words() -> None:
    console = b"x\r\n[    9.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000007\r\n"
    assert last_words(console) == "Attempted to kill init! exitcode=0x00000007"
    assert last_words(b"[    9.1] all is well\r\n") is None
