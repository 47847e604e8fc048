"""The scenarios."""

from __future__ import annotations

from functools import partial

from unkillable.lab.scenarios import decompressors, errors, faults, waits
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
        name="killed-waiter-decompressor",
        question="Does a task stay after SIGKILL that waits for one of several decompressors, all in use?",
        module=Module(file="direct", decompressors="multi"),
        play=partial(decompressors.killed, readers=4, waits=("squashfs_decompress", "get_decomp_stream")),
        edits=decompressors.DELAYS,
    ),
    Scenario(
        name="killed-waiter-single",
        question="Does a task stay after SIGKILL that waits for the only decompressor?",
        module=Module(file="direct", decompressors="single"),
        play=partial(decompressors.killed, readers=1, waits=("squashfs_decompress",)),
        edits=decompressors.DELAYS,
    ),
    Scenario(
        name="allocation-under-mutex",
        question="Does a task that has finished wait for another one's allocation of a decompressor?",
        module=Module(file="direct", decompressors="multi"),
        play=decompressors.mutex,
        edits=decompressors.DELAYS,
    ),
    Scenario(
        name="pending-signal",
        question="Does a task spin that waits while a signal with a handler is pending?",
        module=Module(file="cache", decompressors="single"),
        play=partial(waits.signalled, cast=waits.BLOCKS),
    ),
    Scenario(
        name="poisoned-block",
        question="Does a task get an error because another one was given no memory, which read the same block before?",
        module=Module(file="cache", decompressors="single"),
        play=partial(faults.sweep, pairs=faults.blocks),
        faults=True,
    ),
    Scenario(
        name="poisoned-fragment",
        question="Does it get one where the block is one of fragments, as it also is with FILE_DIRECT?",
        module=Module(file="direct", decompressors="percpu"),
        play=partial(faults.sweep, pairs=faults.fragments),
        faults=True,
    ),
    Scenario(
        name="leaked-lock",
        question="Does a task wait for ever for a page that another one locked, which was given no memory?",
        module=Module(file="direct", decompressors="percpu"),
        play=partial(faults.sweep, pairs=faults.blocks),
        since="6.0",
        faults=True,
    ),
    Scenario(
        name="io-error",
        question="Is an I/O error lost, for those who need the block or for the log?",
        module=Module(file="cache", decompressors="single"),
        play=errors.damaged,
        damaged=True,
    ),
)
