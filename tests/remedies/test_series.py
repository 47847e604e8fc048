"""The series of a tree: what is patched, what is mended already, what is left alone and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.remedies.trees import EXAMPLE, VERSIONS, changed, needs_programs, real
from unkillable.errors import UserError
from unkillable.remedies import applying, checkpatch
from unkillable.remedies.recipes import load
from unkillable.remedies.series import make
from unkillable.remedies.types import STATUSES, Author, Series

pytestmark = needs_programs

AUTHOR = Author("Ada Example", "ada@example.org")
KEYS = (
    "page-locks",
    "transient-errors",
    "killable-cache",
    "decompressor-mutex",
    "killable-decompressor",
    "readahead-may-fail",
    "left-over-pages",
)


def _series(tree: Path, variant: str = "series") -> Series:
    return make(tree, AUTHOR, variant)


def _states(series: Series) -> dict[str, str]:
    return {step.key: step.status for step in series.steps}


def _patched(tree: Path, series: Series) -> dict[str, str]:
    with applying.patched(tree, series.patches) as folders:
        *_, last = folders
        return {path.name: path.read_text() for path in (last / "fs" / "squashfs").iterdir()}


def test_every_defect_of_the_example_is_patched() -> None:
    series = _series(EXAMPLE)
    assert _states(series) == dict.fromkeys(KEYS, "patched")
    assert series.whole
    assert series.version == "6.1.0-example"
    places = {step.key: [(one.file, one.text) for one in step.places] for step in series.steps}
    assert places["killable-cache"] == [
        ("fs/squashfs/cache.c", "wait_event(cache->wait_queue, cache->unused);"),
        ("fs/squashfs/cache.c", "wait_event(entry->wait_queue, !entry->pending);"),
    ]
    for step in series.steps:
        for place in step.places:
            lines = (EXAMPLE / place.file).read_text().splitlines()
            assert lines[place.line - 1].strip() == place.text


def test_what_the_patches_do() -> None:
    text = _patched(EXAMPLE, _series(EXAMPLE))
    assert "wait_event(" not in text["cache.c"] + text["decompressor_multi.c"]
    assert text["cache.c"].count("wait_event_killable(") == 2
    assert "mutex_lock_killable(&stream->mutex)" in text["decompressor_single.c"]
    # Who gives a decompressor back must not fail.
    assert "mutex_lock(&stream->mutex)" in text["decompressor_multi.c"]
    assert "goto mark_errored;" in text["file_direct.c"]
    assert "out:" not in text["file_direct.c"], "a label that nobody uses is a warning"
    assert "GFP_NOIO" not in text["block.c"]
    assert "entry->block = SQUASHFS_INVALID_BLK;" in text["cache.c"]
    multi = text["decompressor_multi.c"]
    begin, allocated = multi.index("stream->avail_decomp++;"), multi.index("->init(")
    assert "mutex_unlock(&stream->mutex);" in multi[begin:allocated]
    assert all(not line.endswith((" ", "\t")) for one in text.values() for line in one.splitlines())


def test_a_patch_is_a_mail_with_a_message_and_a_signature() -> None:
    step = _series(EXAMPLE).patches[0]
    assert step.name == "0001-squashfs-unlock-the-pages-when-the-page-actor-cannot.patch"
    assert step.patch is not None
    assert "Subject: [PATCH 1/7] squashfs: unlock the pages when the page actor cannot" in step.patch
    assert "Signed-off-by: Ada Example <ada@example.org>" in step.patch
    body = step.patch.split("\n\n", 1)[1].split("\n---", 1)[0]
    assert max(map(len, body.splitlines())) <= 75


def test_patches_apply_with_git_am_too() -> None:
    applying.with_am(EXAMPLE, _series(EXAMPLE).patches, AUTHOR)


def test_a_patched_tree_has_nothing_left_to_patch(tmp_path: Path) -> None:
    text = _patched(EXAMPLE, _series(EXAMPLE))
    tree = changed(tmp_path / "tree")
    for name, content in text.items():
        (tree / "fs" / "squashfs" / name).write_text(content)
    again = _series(tree)
    assert _states(again) == dict.fromkeys(KEYS, "fixed")
    assert again.patches == ()
    assert [one.text for one in again.steps[0].places] == ["goto mark_errored;"]


def test_a_tree_that_somebody_has_mended_in_part(tmp_path: Path) -> None:
    tree = changed(
        tmp_path / "tree", ("decompressor_single.c", "mutex_lock(&stream", "if (mutex_lock_killable(&stream")
    )
    path = tree / "fs/squashfs/decompressor_single.c"
    path.write_text(
        path.read_text().replace("killable(&stream->mutex);", "killable(&stream->mutex))\n\t\treturn -EINTR;")
    )
    (tree / "fs/squashfs/decompressor_multi.c").unlink()
    states = _states(_series(tree))
    assert states["killable-decompressor"] == "fixed"
    assert states["decompressor-mutex"] == "unaffected"
    assert states["killable-cache"] == "patched"


def test_an_unknown_shape_is_left_as_it_is_and_said(tmp_path: Path) -> None:
    """A vendor's cache that notes how long it waited."""
    tree = changed(
        tmp_path / "tree",
        (
            "cache.c",
            "wait_event(cache->wait_queue, cache->unused);",
            "note(cache);\n\t\t\t\twait_event(cache->wait_queue, cache->unused > 0);",
        ),
    )
    series = _series(tree)
    states = _states(series)
    assert states["killable-cache"] == "misfit"
    assert states["transient-errors"] == "patched"
    step = next(step for step in series.steps if step.key == "killable-cache")
    assert [one.text for one in step.remaining] == ["wait_event(cache->wait_queue, cache->unused > 0);"]
    assert not series.whole
    assert "wait_event(entry->wait_queue, !entry->pending);" in _patched(tree, series)["cache.c"]


def test_a_caller_that_would_not_notice_the_error_stops_the_patch(tmp_path: Path) -> None:
    tree = changed(
        tmp_path / "tree",
        ("cache.c", "int squashfs_read_metadata(", "int peek(struct super_block *sb, struct squashfs_cache *cache)\n{\n\tstruct squashfs_cache_entry *one;\n\n\tone = squashfs_cache_get(sb, cache, 0, 0);\n\treturn one->length;\n}\n\nint squashfs_read_metadata("),
    )  # fmt: skip
    series = _series(tree)
    step = next(step for step in series.steps if step.key == "killable-cache")
    assert step.status == "misfit"
    assert [one.text for one in step.remaining] == ["return one->length;"]


def test_what_builds_on_a_patch_that_does_not_fit_is_not_made(tmp_path: Path) -> None:
    tree = changed(tmp_path / "tree", ("squashfs.h", "#define WARNING", "#define VENDOR_WARNING"))
    series = _series(tree)
    states = _states(series)
    assert states["transient-errors"] == "misfit"
    assert states["killable-cache"] == "misfit"
    assert states["page-locks"] == "patched"
    reasons = {step.key: step.reason for step in series.steps}
    assert "squashfs.h has no place" in reasons["transient-errors"]
    assert "transient-errors" in reasons["killable-cache"]


def test_decompressors_that_own_buffer_heads_are_left_alone(tmp_path: Path) -> None:
    """The interface before 5.7."""
    tree = changed(
        tmp_path / "tree",
        ("decompressor_single.c", "struct bio *bio", "struct buffer_head **bh, int b"),
        ("decompressor_single.c", "bio,\n", "bh, b,\n"),
        ("decompressor_multi.c", "struct bio *bio", "struct buffer_head **bh, int b"),
        ("decompressor_multi.c", "bio,", "bh, b,"),
    )
    series = _series(tree)
    step = next(step for step in series.steps if step.key == "killable-decompressor")
    assert step.status == "left-alone"
    assert "buffer heads" in step.reason
    assert [one.file for one in step.places] == [
        "fs/squashfs/decompressor_multi.c",
        "fs/squashfs/decompressor_single.c",
    ]


def test_a_tree_without_squashfs(tmp_path: Path) -> None:
    (tmp_path / "fs").mkdir()
    series = _series(tmp_path)
    assert set(_states(series).values()) == {"misfit"}
    assert "no fs/squashfs/cache.c" in series.steps[0].reason


def test_what_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such directory"):
        _series(tmp_path / "absent")


def test_broken_source_gives_no_patch_and_no_crash(tmp_path: Path) -> None:
    """A merge conflict, and bytes that are no text."""
    tree = changed(tmp_path / "tree")
    path = tree / "fs/squashfs/cache.c"
    text = path.read_bytes()
    middle = text.index(b"while (1)")
    path.write_bytes(
        text[:middle] + b"<<<<<<< HEAD\n\xff\xfe\n=======\n" + text[middle:] + b">>>>>>> vendor\n"
    )
    series = _series(tree)
    assert _states(series)["page-locks"] == "patched"
    assert all(step.status in STATUSES for step in series.steps)


def test_a_link_in_the_tree_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.c"
    secret.write_text("wait_event(a, b);\n")
    tree = changed(tmp_path / "tree")
    (tree / "fs/squashfs/symlink.c").symlink_to(secret)
    assert _states(_series(tree))["killable-cache"] == "patched"
    assert secret.read_text() == "wait_event(a, b);\n"


def test_the_articles_approach_is_there_for_comparison() -> None:
    series = _series(EXAMPLE, "article")
    assert [step.status for step in series.steps] == ["patched"]
    text = _patched(EXAMPLE, series)["cache.c"]
    assert "wait_event_interruptible(cache->wait_queue" in text
    assert "wait_event(entry->wait_queue, !entry->pending);" in text, "its second wait is not touched"
    assert "COMPARISON ONLY" in (series.patches[0].patch or "")


def test_every_recipe_has_its_parts() -> None:
    for variant in ("series", "article"):
        for recipe in load(variant):
            assert recipe.part("cocci")
            assert recipe.part("defect.cocci")
            assert recipe.part("cure.cocci")
            assert bool(recipe.part("only.cocci")) == bool(recipe.only)
            assert all(len(line) <= 75 for line in (recipe.part("txt") or "").splitlines())


@pytest.mark.parametrize("version", VERSIONS)
def test_a_real_kernel(version: str) -> None:
    tree = real(version)
    series = _series(tree)
    expected = dict.fromkeys(KEYS, "patched")
    if (
        version == "5.10"
    ):  # until 6.0 the page actor came before the pages were locked, and knew no missing ones
        expected |= {"page-locks": "unaffected", "left-over-pages": "left-alone"}
    assert _states(series) == expected
    applying.with_am(tree, series.patches, AUTHOR)
    with applying.patched(tree, series.patches) as folders:
        assert len(list(folders)) == len(series.patches) + 1
    assert [said for _, said in checkpatch.complaints(tree, series.patches) if said] == []
    assert _states(_series(tree, "article")) == {"article": "patched"}
