"""Scenarios: the content they know, what they ask of the guest and of QEMU, and what they make of what they see."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from unkillable.errors import UserError
from unkillable.lab import images, programs, scenarios
from unkillable.lab.arch import find
from unkillable.lab.machine import Machine
from unkillable.lab.scenarios import content, faults, guest, runner
from unkillable.lab.scenarios.agent import Agent, NotStartedError
from unkillable.lab.scenarios.errors import BAD
from unkillable.lab.scenarios.play import Finding
from unkillable.lab.scenarios.store import Store
from unkillable.lab.scenarios.table import SCENARIOS
from unkillable.lab.scenarios.types import ENDS, TaskSeen
from unkillable.lab.setup import Emulator, Module, Prepared, Root, Setup

BY_NAME = {one.name: one for one in SCENARIOS}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_each_scenario_has_a_name_a_question_and_a_configuration() -> None:
    assert len(BY_NAME) == len(SCENARIOS) == len(scenarios.NAMES)
    for one in SCENARIOS:
        assert one.question.endswith("?")
        assert one.module.patches is None, "patches come from the variant"


def test_a_page_is_known_by_its_sum(cache: Path) -> None:
    path = content.tree()["/"] / "blocks"
    assert path.stat().st_size == content.BLOCKS * content.BLOCK
    # FNV-1a of 64 bits, whose offset and prime are published with test vectors: that of "a" is af63dc4c8601ec8c.
    (path.parent / "a").write_bytes(b"a")
    assert content.page_sum("/a", 0) == "af63dc4c8601ec8c"
    assert len({content.page_sum("/blocks", page) for page in range(0, 2048, 64)}) == 32


def test_small_files_share_a_fragment_by_six(cache: Path) -> None:
    sizes = {path.stat().st_size for path in (content.tree()["/"] / "tails").iterdir()}
    assert sizes == {content.TAIL}
    assert content.TAIL * content.SHARE <= content.BLOCK < content.TAIL * (content.SHARE + 1)
    assert [content.tail(0), content.tail(0, 5), content.tail(1)] == [
        "/tails/000",
        "/tails/005",
        "/tails/006",
    ]
    last = content.tree()["/"] / content.tail(content.FRAGMENTS - 1, content.SHARE - 1).lstrip("/")
    assert last.is_file()


@pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="needs apt-get install squashfs-tools")
def test_the_sector_that_cannot_be_read_is_of_the_first_block(cache: Path) -> None:
    """mksquashfs puts the data first: of the first file's first block, compressed to more than half."""
    image = images.build(Root(), content.tree())
    raw = image.read_bytes()
    own = (content.tree()["/"] / "blocks").read_bytes()
    assert own[:16] in raw[96:160], "lz4 begins a block with what it cannot compress"
    second = raw.index(own[content.BLOCK : content.BLOCK + 16])
    assert second >= BAD * 512 + 512


def test_fault_scenarios_reach_as_far_as_the_content_does() -> None:
    for pairs in (faults.blocks, faults.fragments):
        places = [place for number in range(1, faults.MOST + 1) for place in pairs(number)]
        assert len(set(places)) == len(places)
    assert max(page for (_, page), _ in map(faults.blocks, range(1, faults.MOST + 1))) < (
        content.BLOCKS * content.PAGES
    )
    assert faults.MOST < content.FRAGMENTS


def task(who: str, end: str, signal: int = 0) -> TaskSeen:
    assert end in ENDS
    return TaskSeen(who=who, does="", end=end, signal=signal, seconds=0.1)


def fault(function: str, reader: TaskSeen, bystander: TaskSeen) -> faults.Fault:
    return faults.Fault(function, reader, bystander)


def test_bystanders_that_all_get_their_data_are_no_defect() -> None:
    found = faults._finding([fault("squashfs_bio_read", task("A1", "signal", 7), task("B1", "data"))] * 3)
    assert found.defect is False
    assert found.seen == (
        "each of 3 allocations of a read failed once, and of the bystanders 3 got their data; "
        "3 of the readers themselves did not get their data"
    )


def test_one_bystander_that_dies_or_waits_is_a_defect() -> None:
    good = fault("squashfs_bio_read", task("A1", "data"), task("B1", "data"))
    for end, signal, words in (
        ("signal", 7, "ended by signal 7"),
        ("stuck", 0, "not ended"),
        ("wrong-data", 0, "wrong"),
    ):
        found = faults._finding(
            [good, fault("squashfs_page_actor_init_special", good.reader, task("B2", end, signal))]
        )
        assert found.defect is True
        assert words in found.seen
        assert "squashfs_page_actor_init_special" in found.seen


def test_the_function_in_which_an_allocation_failed() -> None:
    dump = [
        "FAULT_INJECTION: forcing a failure.",
        "Call Trace:",
        " dump_stack_lvl+0x45/0x5b",
        " should_fail_alloc_page+0x40/0x50",
        " __alloc_pages+0x1a4/0x310",
        " squashfs_bio_read+0x9b/0x210",
        " squashfs_read_data+0x1/0x2",
    ]
    assert faults._function(dump) == "squashfs_bio_read"
    assert faults._function(dump[:-2]) == "", "another subsystem's"
    assert faults._function([" ? read_indexes+0x9b/0x210"]) == "read_indexes"


def test_the_damaged_disk_has_its_error_and_no_spawned_helper() -> None:
    words = guest._damaged(find("x86_64"), Path("/a,b"))
    assert "file.driver=blkdebug" in words[1]
    assert "filename=/a,,b" in words[1]
    assert f"sector={BAD}" in words[1]


def test_a_guest_is_told_what_to_load_and_what_to_mount() -> None:
    assert guest._conf(find("x86_64"), ("virtio_blk.ko", "squashfs.ko")) == (
        "port /dev/ttyS1\nmodule /mods/virtio_blk.ko\nmodule /mods/squashfs.ko\nroot squashfs /dev/vda\n"
    )


def test_a_users_fragment_is_kept_beside_the_options_for_faults(cache: Path) -> None:
    (cache / "own.config").write_text("CONFIG_KASAN=y\n# CONFIG_DEBUG_FS is not set\n")
    text = Path(guest._config(str(cache / "own.config"))).read_text()
    assert "CONFIG_KASAN=y\n" in text
    assert "CONFIG_DEBUG_FS=y\n" in text
    assert "DEBUG_FS is not set" not in text


def test_of_a_setup_only_the_kernel_and_how_it_is_run_count() -> None:
    wanted = Setup(
        kernel="debian:5.10", emulator=Emulator(accelerator="tcg", memory_mib=64, disk_iops=9), zram_mib=64
    )
    own = guest._setup(wanted, BY_NAME["killed-waiter-block"], "/some/patches")
    assert own.module == Module("cache", "single", "/some/patches")
    assert (own.kernel, own.emulator.accelerator, own.zram_mib) == ("debian:5.10", "tcg", 0)
    assert (own.emulator.memory_mib, own.emulator.disk_iops) == (256, 0)


def test_an_unknown_scenario_is_refused_and_one_that_cannot_be_played_says_why(cache: Path) -> None:
    with pytest.raises(UserError, match=r"nonsense: no such scenario; there are killed-waiter-block, "):
        scenarios.run(Setup(), ["killed-waiter-block", "nonsense"])
    (found,) = scenarios.run(Setup(kernel="debian:6.1"), ["leaked-lock"])
    assert (found.defect, found.variant) == (None, "stock")
    assert "source:TREE" in found.seen
    assert not (cache / "cache").exists(), "nothing is fetched for it"


class Port(Machine):
    """The guest's end of a port, without a machine."""

    def __init__(self, lines: list[bytes]) -> None:
        self.left = lines
        self.sent: list[str] = []

    @property
    def running(self) -> bool:
        return True

    async def lines(self) -> AsyncIterator[bytes]:
        for line in self.left:
            yield line

    async def command(self, text: str) -> None:
        self.sent.append(text)


def heard(*rows: object) -> Agent:
    agent = Agent(Port([row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]))
    asyncio.run(agent.listen())
    return agent


def test_a_guest_may_say_what_it_likes() -> None:
    agent = heard(
        b"", b"{", b"[]", b'{"t":"x","ev":"end"}', b'{"t":1,"ev":"end","who":7}', {"t": 1, "ev": "unheard of"},
        *({"t": 2, "ev": "kmsg", "text": "x" * 9000} for _ in range(20000)),
        {"t": 3, "ev": "end", "who": "A", "at": 2.9, "took": 0.5, "whole": True, "sum": "00"},
    )  # fmt: skip
    assert (len(agent.messages), len(agent.messages[0])) == (10000, 500)
    assert agent.ends["A"].took == 0.5
    assert agent.now == 3


def test_a_command_that_the_guest_could_not_carry_out_is_an_error() -> None:
    async def boot(*rows: object) -> Agent:
        agent = Agent(Port([json.dumps(row).encode() for row in rows]))
        await agent.listen()
        await agent.boot(1)
        return agent

    done = {"t": 1, "ev": "done", "what": "port /dev/ttyS1"}
    assert asyncio.run(boot(done, {"t": 1, "ev": "ready"})).ready
    with pytest.raises(UserError, match="could not do `root squashfs /dev/vda`: Invalid argument"):
        asyncio.run(
            boot(
                done,
                {"t": 1, "ev": "fail", "what": "root squashfs /dev/vda", "why": "Invalid argument"},
                {"t": 1, "ev": "ready"},
            )
        )
    with pytest.raises(UserError, match="did not start its agent"):
        asyncio.run(boot(done))


PREPARED = Prepared(
    setup=Setup(kernel="debian:6.1"),
    release="6.1.0-1",
    version="6.1.9",
    kernel_image="/boot/vmlinuz",
    initramfs="/cache/initramfs/1",
    disk="/cache/image/1",
    provenance=(("kernel", "linux-image 6.1.9-1"),),
)


@pytest.mark.parametrize(
    ("failures", "outcome"), [(0, "played"), (1, "played"), (2, "harness-failed"), (9, "harness-failed")]
)
def test_a_guest_that_does_not_start_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, outcome: str
) -> None:
    started = []

    async def play(*_: object) -> runner.Played:
        started.append(1)
        if len(started) <= failures:
            raise NotStartedError("the guest did not start its agent within 180 s")
        return "played", Finding(False, "gone"), ()

    monkeypatch.setattr(runner, "_play", play)
    found, finding, _ = asyncio.run(runner._started(PREPARED, (), BY_NAME["io-error"], tmp_path))
    assert (found, len(started)) == (outcome, min(failures + 1, runner.BOOTS))
    assert (finding.defect is None) == (outcome == "harness-failed")
    assert ("did not start its agent" in finding.seen) == (outcome == "harness-failed")


def test_a_result_is_kept_for_the_same_kernel_and_guest_only(tmp_path: Path) -> None:
    result = scenarios.Result(scenario="a", variant="stock", question="?", defect=True, seen="it stays")
    store = Store(tmp_path, PREPARED)
    assert store.read() is None
    store.keep(result)
    assert Store(tmp_path, PREPARED).read() == result
    for other in (
        msgspec.structs.replace(PREPARED, provenance=(("kernel", "linux-image 6.1.10-1"),)),
        msgspec.structs.replace(PREPARED, initramfs="/cache/initramfs/2"),
        msgspec.structs.replace(PREPARED, disk="/cache/image/2"),
    ):
        assert Store(tmp_path, other).read() is None
    store.path.write_text("{")
    assert store.read() is None


def test_the_agent_is_a_static_program(cache: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    assert programs.agent(find("x86_64")).read_bytes()[:4] == b"\x7fELF"


@pytest.mark.vm
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_stock_squashfs_keeps_a_killed_waiter_and_an_io_error() -> None:
    """Positive and negative control at once: what is known of an unpatched kernel."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs QEMU")
    try:
        waiter, error = scenarios.run(Setup(kernel="debian:6.1"), ["killed-waiter-block", "io-error"])
    except UserError as wrong:
        pytest.skip(str(wrong))
    assert waiter.defect is True, waiter.seen
    by = {one.who: one for one in waiter.tasks}
    assert "squashfs_cache_get" in by["B"].stack
    assert (by["B"].signal, by["C"].signal) == (9, 9)
    assert min(by["B"].kill_latency_s or 0, by["C"].kill_latency_s or 0) > 3
    assert {by[who].end for who in "ADEF"} == {"data"}
    assert error.defect is False, error.seen
    assert error.errors > 0
