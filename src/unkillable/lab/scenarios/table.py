"""The scenarios."""

from __future__ import annotations

from functools import partial

from unkillable.lab.scenarios import errors, waits
from unkillable.lab.scenarios.play import Scenario
from unkillable.lab.setup import Module

SCENARIOS = (
    Scenario(
        name="killed-waiter-block",
        question="Does a task stay after SIGKILL that waits for a block which another one reads, or for a free entry?",
        module=Module(file="cache", decompressors="single"),
        play=partial(waits.killed, cast=waits.BLOCKS),
    ),
    Scenario(
        name="killed-waiter-fragment",
        question="Does it stay where the block is one of fragments, as it also is with FILE_DIRECT?",
        module=Module(file="direct", decompressors="percpu"),
        play=partial(waits.killed, cast=waits.FRAGMENTS),
    ),
    Scenario(
        name="pending-signal",
        question="Does a task spin that waits while a signal with a handler is pending?",
        module=Module(file="cache", decompressors="single"),
        play=partial(waits.signalled, cast=waits.BLOCKS),
    ),
    Scenario(
        name="io-error",
        question="Is an I/O error lost, for those who need the block or for the log?",
        module=Module(file="cache", decompressors="single"),
        play=errors.damaged,
        damaged=True,
    ),
)
