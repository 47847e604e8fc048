"""A whole audit of a small kernel, and of Linux where a tree is given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.ksource.kernel import write
from tests.ksource.small_kernel import BOX_C, FILES
from tests.ksource.test_gfp import HEADER
from unkillable.errors import UserError
from unkillable.ksource.audit import Options, audit
from unkillable.ksource.audit_types import Audit, Site
from unkillable.ksource.tree import Tree

ALL = {**FILES, "include/linux/gfp.h": HEADER}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write(tmp_path / "linux", ALL)


def audited(root: Path, *within: str, entries: tuple[str, ...] = ()) -> Audit:
    return audit(Tree(root), Options(within=within, entries=entries, arch=None))


def site(found: Audit, function: str, line: int | None = None) -> Site:
    (one,) = [one for one in found.sites if one.function == function and line in (None, one.line)]
    return one


def line_of(text: str) -> int:
    return BOX_C[: BOX_C.index(text)].count("\n") + 1


def test_what_is_read(root: Path) -> None:
    found = audited(root, "fs/box")
    assert found.kernel == "6.1.192"
    assert found.within == ("fs/box",)
    assert found.coverage.files == len(ALL)
    assert {one.file for one in found.sites} == {"fs/box/box.c"}


def test_worst_first(root: Path) -> None:
    ranks = [one.rank for one in audited(root, "fs/box").sites]
    assert ranks == sorted(ranks, key=("red", "amber", "green", "grey").index)


def test_red_for_a_holder_that_may_wait_for_memory(root: Path) -> None:
    one = site(audited(root, "fs/box"), "take")
    assert (one.line, one.primitive, one.task_state, one.killable, one.rank) == (
        line_of("rest(box->lounge"), "rest", "TASK_UNINTERRUPTIBLE", False, "red",
    )  # fmt: skip
    assert (one.resource, one.kind) == ("box.lounge", "other")
    assert [(step.function, step.through) for step in one.path] == [
        ("filemap_fault", None), ("box_read", "ops.read"), ("take", None),
    ]  # fmt: skip
    assert one.path[1].line == 4
    assert one.scope == ("nofs",)
    (holder,) = one.holders
    assert (holder.function, holder.acquired, holder.released) == (
        "box_read", line_of("take(box);\n\tfill"), line_of("give(box);"),
    )  # fmt: skip
    assert [(each.function, each.call, each.waits, each.kills) for each in holder.allocations] == [
        ("fill", "page_of(GFP_NOIO)", True, False)
    ]
    assert one.convention.primitive == "rest_killable"


def test_a_scope_takes_the_right_to_kill(root: Path) -> None:
    path = root / "fs/box/box.c"
    path.write_text(path.read_text().replace("GFP_NOIO", "GFP_KERNEL"))
    (holder,) = site(audited(root, "fs/box"), "take").holders
    assert [(each.waits, each.kills, each.scope) for each in holder.allocations] == [(True, False, ("nofs",))]
    (root / "mm/filemap.c").write_text(FILES["mm/filemap.c"].replace("memalloc_nofs_save();", ""))
    (holder,) = site(audited(root, "fs/box"), "take").holders
    assert [(each.waits, each.kills, each.scope) for each in holder.allocations] == [(True, True, ())]


def test_lock_held_over_an_allocation(root: Path) -> None:
    one = site(audited(root, "fs/box"), "fill")
    assert (one.rank, one.resource, one.kind) == ("red", "box.guard", "lock")
    assert [holder.function for holder in one.holders] == ["fill"]
    assert (one.convention.primitive, one.convention.function) == ("hatch_lock_killable", "box_open")


def test_what_an_amber_one_lacks(root: Path) -> None:
    assert site(audited(root, "fs/box"), "take").missing == ()
    path = root / "fs/box/box.c"
    whole = path.read_text()
    path.write_text(whole.replace("page_of(GFP_NOIO)", "page_of(mapping_gfp_mask(box) | GFP_NOIO)"))
    one = site(audited(root, "fs/box"), "take")
    assert (one.rank, one.missing) == ("amber", ("flags",))
    path.write_text(whole.replace("page_of(GFP_NOIO)", "page_of(GFP_NOWAIT)"))
    one = site(audited(root, "fs/box"), "take")
    assert (one.rank, one.missing) == ("amber", ("holder",))
    path.write_text(whole.replace(".read = box_read", ".open = box_read"))
    one = site(audited(root, "fs/box"), "take")
    assert (one.rank, one.missing, one.entries) == ("amber", ("fault",), ("lookup",))


def test_least_missing_first_then_the_shortest_way(root: Path) -> None:
    path = root / "fs/box/box.c"
    more = "int {name}(struct box *box)\n{{\n\t{body};\n}}\n"
    path.write_text(
        path.read_text().replace("take(box);\n\tfill", "take(box);\n\tfar(box);\n\tonly_waits(box);\n\tfill")
        + more.format(name="far", body="farther(box)")
        + more.format(name="farther", body="rest(box->lounge, box->free)")
        + more.format(name="only_waits", body="rest(box->nowhere, 1)")
    )
    found = [one for one in audited(root, "fs/box").sites if one.rank in ("red", "amber")]
    assert [one.function for one in found] == ["take", "fill", "farther", "only_waits"]
    assert [len(one.path) for one in found] == [3, 3, 4, 3]
    assert [one.missing for one in found] == [(), (), (), ("holder",)]


def test_green_for_what_sigkill_ends(root: Path) -> None:
    one = site(audited(root, "fs/box"), "box_open")
    assert (one.rank, one.killable, one.entries, one.holders) == ("green", True, ("lookup",), ())


def test_grey_for_what_no_entry_leads_to(root: Path) -> None:
    one = site(audited(root, "fs/box"), "written_out")
    assert (one.rank, one.open_coded, one.primitive, one.path) == ("grey", True, "schedule", ())
    assert site(audited(root, "fs/box"), "by_either").task_state is None


def test_only_from_what_is_asked_for(root: Path) -> None:
    found = audited(root, "fs/box", entries=("lookup",))
    assert [one.key for one in found.entries] == ["lookup"]
    assert site(found, "take").rank == "grey"
    assert site(audited(root, "fs/box", entries=("written_out",)), "written_out").rank == "red"


def test_fingerprint_stays_when_the_wait_becomes_killable(root: Path) -> None:
    before = site(audited(root, "fs/box"), "take")
    path = root / "fs/box/box.c"
    path.write_text("\n\n" + path.read_text().replace("rest(box->lounge", "rest_killable(box->lounge"))
    after = site(audited(root, "fs/box"), "take")
    assert (after.line, after.task_state, after.rank) == (before.line + 2, "TASK_KILLABLE", "green")
    assert after.fingerprint == before.fingerprint
    assert len({one.fingerprint for one in audited(root, "fs/box").sites}) > 4


def test_no_such_directory(root: Path) -> None:
    with pytest.raises(UserError, match="has no fs/nobody"):
        audited(root, "fs/nobody")


def test_progress_only_grows(root: Path) -> None:
    seen: list[tuple[str, float]] = []
    audit(Tree(root), Options(within=("fs/box",), arch=None), lambda what, share: seen.append((what, share)))
    assert {what for what, _ in seen} >= {"looking for what sleeps", "looking for sleeps", "judging"}
    for kind in {what for what, _ in seen}:
        shares = [share for what, share in seen if what == kind]
        assert shares == sorted(shares)


SQUASHFS = {
    "5.10": {("cache.c", 77), ("cache.c", 152), ("decompressor_multi.c", 56), ("decompressor_multi.c", 133),
             ("decompressor_multi.c", 175), ("decompressor_single.c", 69), ("block.c", 119), ("file.c", 54), ("file.c", 93),
             ("file.c", 150)},
    "6.1": {("cache.c", 77), ("cache.c", 152), ("decompressor_multi.c", 56), ("decompressor_multi.c", 133),
            ("decompressor_multi.c", 175), ("decompressor_single.c", 69), ("block.c", 116), ("file.c", 55), ("file.c", 94),
            ("file.c", 151)},
    "6.12": {("cache.c", 77), ("cache.c", 152), ("decompressor_multi.c", 55), ("decompressor_multi.c", 132),
             ("decompressor_multi.c", 174), ("decompressor_single.c", 69), ("block.c", 136), ("block.c", 239), ("file.c", 55),
             ("file.c", 94), ("file.c", 151)},
    "7.2": {("cache.c", 77), ("cache.c", 152), ("decompressor_multi.c", 55), ("decompressor_multi.c", 132),
            ("decompressor_multi.c", 174), ("decompressor_single.c", 69), ("block.c", 144), ("block.c", 266), ("file.c", 56),
            ("file.c", 95), ("file.c", 152)},
    "7.3": {("cache.c", 154), ("cache.c", 256), ("decompressor_multi.c", 55), ("decompressor_multi.c", 132),
            ("decompressor_multi.c", 174), ("decompressor_single.c", 69), ("block.c", 144), ("block.c", 266), ("file.c", 56),
            ("file.c", 95), ("file.c", 152)},
}  # fmt: skip
"""Every sleep of fs/squashfs that a page fault leads to, read in the source by people; mount-time ones are left out."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", SQUASHFS)
def test_squashfs_of_linux(version: str) -> None:
    variable = f"UNKILLABLE_TREE_{version.replace('.', '_')}"
    if variable not in os.environ:
        pytest.skip(f"{variable} names no unpacked Linux {version}")
    found = audit(Tree(Path(os.environ[variable])), Options(within=("fs/squashfs",)))
    fault = [one for one in found.sites if "fault" in one.entries]
    places = {(one.file.rpartition("/")[2], one.line) for one in fault}
    assert places == SQUASHFS[version]
    assert all(one.killable is False for one in fault)
    # Who reads a block in waits for the disk alone; everybody else may wait for who waits for memory.
    assert {one.rank for one in fault if one.file == "fs/squashfs/block.c"} == {"amber"}
    assert {one.rank for one in fault if one.file != "fs/squashfs/block.c"} == {"red"}
    for one in fault:
        assert one.path[0].function == "filemap_fault"
        assert one.path[-1].function == one.function


BETTER = {
    ("fs/fuse/dev.c", 115): ("fuse_get_req", "TASK_KILLABLE"),
    ("fs/fuse/dev.c", 372): ("request_wait_answer", "TASK_INTERRUPTIBLE"),
    ("fs/fuse/dev.c", 386): ("request_wait_answer", "TASK_KILLABLE"),
    ("fs/fuse/dev.c", 407): ("request_wait_answer", "TASK_UNINTERRUPTIBLE"),
    ("fs/nfs/read.c", 390): ("nfs_read_folio", "TASK_KILLABLE"),
    ("fs/nfs/inode.c", 1336): ("nfs_clear_invalid_mapping", "TASK_KILLABLE"),
}
"""Of 6.1, read in the source by people.  FUSE waits so that SIGKILL ends it until a request is handed to user space, then not."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_file_systems_that_are_better_in_linux() -> None:
    if "UNKILLABLE_TREE_6_1" not in os.environ:
        pytest.skip("UNKILLABLE_TREE_6_1 names no unpacked Linux 6.1")
    tree = Tree(Path(os.environ["UNKILLABLE_TREE_6_1"]))
    found = audit(tree, Options(within=("fs/fuse", "fs/nfs"), entries=("fault", "read")))
    places = {(one.file, one.line): one for one in found.sites}
    assert {
        place: (places[place].function, places[place].task_state) for place in BETTER if place in places
    } == BETTER
    for place, (_, state) in BETTER.items():
        assert places[place].killable == (state != "TASK_UNINTERRUPTIBLE")
        assert places[place].rank == ("green" if places[place].killable else "amber")
