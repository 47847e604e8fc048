"""fs/squashfs out of a source archive, and patches on it."""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab import squashfssource
from unkillable.lab.apt import Package


def _tar(members: dict[str, str | None]) -> io.BytesIO:
    """A tar archive; None makes a symbolic link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            if text is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(info)
            else:
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text.encode()))
    out.seek(0)
    return out


GOOD: dict[str, str | None] = {
    "linux/Makefile": "no",
    "linux/fs/smb/cache.c": "no",
    "linux/fs/squashfs/Makefile": "yes",
    "linux/fs/squashfs/Kconfig": "yes",
    "linux/fs/squashfs/cache.c": "yes",
    "linux/fs/stat.c": "no",
}


def test_only_squashfs_is_taken_and_the_rest_not_read(tmp_path: Path) -> None:
    archive = _tar(GOOD | {f"linux/net/{n}.c": "no" * 9000 for n in range(50)})
    squashfssource.unpack(archive, tmp_path, "x.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Kconfig", "Makefile", "cache.c"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"yes"}
    assert archive.tell() < len(archive.getvalue()) / 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"linux/fs/squashfs/cache.c": None}, "is no source file"),
        ({"linux/fs/squashfs/cache.c": "x" * (2 << 20)}, "is no source file"),
        ({f"linux/fs/squashfs/f{n}.c": "" for n in range(201)}, "is no source file"),
        ({"linux/fs/squashfs/cache.c": "x"}, "has no fs/squashfs with"),
        ({"linux/fs/squashfs/../../../x": "x"}, "has no fs/squashfs with"),
    ],
)  # fmt: skip
def test_a_strange_archive_is_refused(tmp_path: Path, members: dict[str, str | None], message: str) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match=message):
        squashfssource.unpack(_tar(members), tmp_path / "a", "x.tar")
    assert not (tmp_path / "x").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    whole = _tar(GOOD).getvalue()
    for data in (b"", b"not a tar archive" * 100, whole[: 512 * 7 + 100]):
        with pytest.raises(UserError, match=r"x\.tar: "):
            squashfssource.unpack(io.BytesIO(data), tmp_path, "x.tar")


def test_the_archive_of_a_package_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache/unkillable/deb/linux-source-6.1_1_amd64" / "usr/src"
    folder.mkdir(parents=True)
    (folder / "linux-source-6.1.tar.xz").write_bytes(lzma.compress(_tar(GOOD).getvalue()))
    package = Package("linux-source-6.1", "1", "all", "")
    found = squashfssource.fetch("suite", "amd64", package)
    assert (found / "cache.c").read_text() == "yes"
    (folder / "linux-source-6.1.tar.xz").unlink()
    assert squashfssource.fetch("suite", "amd64", package) == found


# Patches

TEXT = "".join(f"line {n}\n" for n in range(1, 31))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "cache.c").write_text(TEXT)
    return folder


def patched(tmp_path: Path, source: Path, *texts: str) -> Path:
    folder = tmp_path / "patches"
    folder.mkdir()
    for number, text in enumerate(texts, 1):
        (folder / f"{number:04}-x.patch").write_text(text)
    return squashfssource.copy(source, tmp_path / "work", squashfssource.patches(str(folder)), "6.1.9")


def change(old: int, new: str, *, at: int | None = None, context: str = "line") -> str:
    at = at or old
    return (
        "--- a/fs/squashfs/cache.c\n+++ b/fs/squashfs/cache.c\n"
        f"@@ -{at - 1},3 +{at - 1},3 @@\n {context} {old - 1}\n-line {old}\n+{new}\n line {old + 1}\n"
    )


def test_patches_are_applied_in_order_to_a_copy(tmp_path: Path, source: Path) -> None:
    created = "diff --git a/fs/squashfs/new.h b/fs/squashfs/new.h\nnew file mode 100644\n--- /dev/null\n+++ b/fs/squashfs/new.h\n@@ -0,0 +1 @@\n+new\n"
    # The second one's line is found three lines further.
    found = patched(
        tmp_path,
        source,
        change(5, "five"),
        change(20, "twenty", at=17),
        created,
        change(6, "six").replace("line 5", "five"),
    )
    text = (found / "cache.c").read_text()
    assert text == TEXT.replace("line 5\n", "five\n").replace("line 20\n", "twenty\n").replace(
        "line 6\n", "six\n"
    )
    assert (found / "new.h").read_text() == "new\n"
    assert sorted(path.name for path in found.iterdir()) == ["cache.c", "new.h"]
    assert (source / "cache.c").read_text() == TEXT


def test_a_hunk_that_does_not_fit_is_named(tmp_path: Path, source: Path) -> None:
    second = (
        change(9, "nine")
        + change(12, "twelve", context="other").partition("cache.c\n+++ b/fs/squashfs/cache.c\n")[2]
    )
    with pytest.raises(
        UserError,
        match=r"0002-x\.patch: does not fit fs/squashfs of 6\.1\.9: hunk 2 of fs/squashfs/cache\.c, at line 11$",
    ):
        patched(tmp_path, source, change(5, "five"), second)


def test_a_patch_that_is_there_already_is_refused(tmp_path: Path, source: Path) -> None:
    with pytest.raises(UserError, match=r"0002-x\.patch: does not fit"):
        patched(tmp_path, source, change(5, "five"), change(5, "five"))


def test_a_file_that_is_not_there_is_told(tmp_path: Path, source: Path) -> None:
    with pytest.raises(UserError, match=r"0001-x\.patch: does not fit fs/squashfs of 6\.1\.9: "):
        patched(tmp_path, source, change(5, "five").replace("cache.c", "gone.c"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "--- a/mm/oom_kill.c\n+++ b/mm/oom_kill.c\n@@ -1 +1 @@\n-a\n+b\n",
            "changes a/mm/oom_kill.c; only fs/squashfs",
        ),
        (
            "--- a/fs/squashfs/../../x\n+++ b/fs/squashfs/../../x\n@@ -1 +1 @@\n-a\n+b\n",
            r"changes a/fs/squashfs/\.\./",
        ),
        ("--- a/fs/squashfs/cache.c\n+++ /etc/passwd\n@@ -1 +1 @@\n-a\n+b\n", "changes /etc/passwd"),
        ("1d\n!touch /tmp/x\n", "no patch in the unified format"),
        ("", "no patch in the unified format"),
        ("x" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_what_is_no_patch_of_squashfs_is_refused(
    tmp_path: Path, source: Path, text: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        patched(tmp_path, source, text)


def test_no_script_for_ed_is_run(tmp_path: Path, source: Path) -> None:
    script = change(5, "five") + f"\n--- a/fs/squashfs/cache.c\n1c\nx\n.\n!touch {tmp_path}/run\n.\nw\n"
    folder = patched(tmp_path, source, script)
    assert not (tmp_path / "run").exists()
    assert "five" in (folder / "cache.c").read_text()


def test_a_directory_without_patches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such directory"):
        squashfssource.patches(str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"has no file \*\.patch"):
        squashfssource.patches(str(tmp_path))
    assert squashfssource.patches(None) == ()


def test_the_content_and_order_of_patches_count(tmp_path: Path) -> None:
    def series(*texts: str) -> str:
        return squashfssource.identity([squashfssource.Patch(tmp_path, text.encode()) for text in texts])

    assert len({series(), series("a"), series("a", "b"), series("b", "a"), series("ab")}) == 5
    assert series("a") == series("a")
