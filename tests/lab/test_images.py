"""Images are built by the real tools and read back by others: mounted where that is allowed, unpacked else."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unkillable import commands
from unkillable.errors import UserError
from unkillable.lab import images
from unkillable.lab.setup import COMPRESSORS, Root

PROGRAMS = {"squashfs": "mksquashfs", "ext4": "mkfs.ext4", "erofs": "mkfs.erofs"}


def need(fs: str) -> None:
    if shutil.which(PROGRAMS[fs], path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
        pytest.skip(f"needs {PROGRAMS[fs]}")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> images.Tree:
    folder = tmp_path_factory.mktemp("tree")
    content = random.Random(1)  # noqa: S311
    (folder / "churn").write_bytes(content.randbytes(300_000) + b"words " * 100_000)
    (folder / "churn").chmod(0o700)
    packages = folder / "packages"
    (packages / "usr/lib/deep").mkdir(parents=True)
    (packages / "usr/sbin").mkdir()
    (packages / "usr/sbin/init").write_bytes(b"\x7fELF init")
    (packages / "usr/sbin/init").chmod(0o755)
    (packages / "usr/lib/deep/libx.so.1.2").write_bytes(content.randbytes(5001))
    (packages / "usr/lib/deep/libx.so.1.2").chmod(0o600)
    (packages / "usr/lib/deep/libx.so.1").symlink_to("libx.so.1.2")
    (packages / "lib").symlink_to("usr/lib")
    (packages / "sbin").symlink_to("/usr/sbin")
    (packages / "etc").mkdir()
    (packages / "etc/empty").touch()
    return {"/": packages, "/bin/churn1": folder / "churn", "/lib/other": folder / "churn"}


def expected(tree: images.Tree) -> dict[str, str | bytes | None]:
    churn = tree["/bin/churn1"].read_bytes()
    packages = tree["/"]
    return {
        **dict.fromkeys(("dev", "proc", "run", "sys", "tmp", "bin", "etc", "usr", "usr/lib", "usr/lib/deep", "usr/sbin")),
        "bin/churn1": churn,
        "usr/lib/other": churn,
        "usr/sbin/init": b"\x7fELF init",
        "usr/lib/deep/libx.so.1.2": (packages / "usr/lib/deep/libx.so.1.2").read_bytes(),
        "usr/lib/deep/libx.so.1": "libx.so.1.2",
        "lib": "usr/lib",
        "sbin": "/usr/sbin",
        "etc/empty": b"",
    }  # fmt: skip


def content(root: Path) -> dict[str, str | bytes | None]:
    """Path -> target of a link, bytes of a file, None for a directory."""
    found: dict[str, str | bytes | None] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return {name: data for name, data in found.items() if name != "lost+found"}


def unpack(image: Path, fs: str, into: Path) -> None:
    into.mkdir()
    argv = {
        "squashfs": ["unsquashfs", "-q", "-n", "-f", "-d", str(into), str(image)],
        "ext4": ["debugfs", "-R", f'rdump / "{into}"', str(image)],
        "erofs": ["fsck.erofs", f"--extract={into}", "--overwrite", str(image)],
    }[fs]
    if shutil.which(argv[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
        pytest.skip(f"needs {argv[0]}")
    subprocess.run(
        argv, check=True, capture_output=True, timeout=60,
        env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
    )  # fmt: skip


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "mounted"
    place.mkdir()
    yield place
    subprocess.run(["umount", place], check=False, capture_output=True, timeout=60)


ROOTS = (
    *(Root(compressor=name) for name in COMPRESSORS),
    Root(block_kib=4),
    Root(block_kib=1024),
    Root(fragments=False),
    Root(tail_ends=True),
    Root(fs="ext4"),
    Root(fs="erofs"),
    Root(fs="erofs", compressor="none"),
)


def name(root: Root) -> str:
    return f"{root.fs}-{root.compressor}-{root.block_kib}-{root.fragments:d}{root.tail_ends:d}"


@pytest.mark.parametrize("root", ROOTS, ids=name)
def test_what_goes_in_comes_out(root: Root, tree: images.Tree, tmp_path: Path) -> None:
    need(root.fs)
    image = images.build(root, tree, "6.1.0")
    unpack(image, root.fs, tmp_path / "out")
    assert content(tmp_path / "out") == expected(tree)


@pytest.mark.parametrize("root", ROOTS, ids=name)
def test_the_kernel_mounts_it(root: Root, tree: images.Tree, mounted: Path) -> None:
    need(root.fs)
    if os.geteuid() != 0 or root.fs not in Path("/proc/filesystems").read_text().split():
        pytest.skip(f"needs root and a kernel with {root.fs}")
    image = images.build(root, tree, "6.1.0")
    shown = subprocess.run(
        ["mount", "-t", root.fs, "-o", "loop,ro", image, mounted],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if shown.returncode != 0:
        pytest.skip(f"mount does not work here: {shown.stderr.strip()}")
    assert content(mounted) == expected(tree)
    for path in mounted.rglob("*"):
        status = path.lstat()
        if path.name != "lost+found" and not path.is_symlink():
            wanted = 0o755 if path.is_dir() or path.name in ("churn1", "other", "init") else 0o644
            assert status.st_mode & 0o7777 == wanted, path
        assert (status.st_uid, status.st_gid) == (0, 0)


@pytest.mark.parametrize("root", ROOTS, ids=name)
def test_the_same_files_make_the_same_bytes(
    root: Root, tree: images.Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(root.fs)
    first = images.build(root, tree, "6.1.0")
    assert images.build(root, tree, "6.1.0") == first, "from the cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    old_mask = os.umask(0o077)
    try:
        again = images.build(root, tree, "6.1.0")
    finally:
        os.umask(old_mask)
    assert again != first
    assert again.read_bytes() == first.read_bytes()
    less = {place: path for place, path in tree.items() if place != "/lib/other"}
    assert images.build(root, less, "6.1.0").read_bytes() != first.read_bytes()


FLAGS = struct.Struct("<24xH")


@pytest.mark.parametrize("root", [root for root in ROOTS if root.fs == "squashfs"], ids=name)
def test_the_options_are_in_the_superblock(root: Root, tree: images.Tree) -> None:
    need("squashfs")
    image = images.build(root, tree)
    info = images.inspect(image)
    assert (info.fs, info.compressor, info.block_size) == ("squashfs", root.compressor, root.block_kib << 10)
    assert info.configs == images.configs(root)
    assert info.made_at == 0
    (flags,) = FLAGS.unpack(image.read_bytes()[:26])
    plain, no_fragments, always_fragments = 0x1 | 0x2 | 0x8, 0x10, 0x20
    assert flags & plain == (plain if root.compressor == "none" else 0)
    assert bool(flags & no_fragments) is not root.fragments
    assert bool(flags & always_fragments) is root.tail_ends


def test_erofs_has_clusters_like_squashfs_where_the_kernel_reads_them(tree: images.Tree) -> None:
    need("erofs")
    old, new = (images.build(Root(fs="erofs"), tree, version) for version in ("5.10.251", "6.1.192"))
    assert (images.inspect(old).since, images.inspect(new).since) == ("5.4", "5.13")
    assert images.mountable(images.inspect(old), "5.10.251")
    assert not images.mountable(images.inspect(new), "5.10.251")
    assert images.mountable(images.inspect(new), "6.1.192")
    plain = images.inspect(images.build(Root(fs="erofs", compressor="none"), tree, "6.1.192"))
    assert (plain.compressor, plain.since, plain.configs) == ("none", "5.4", ("EROFS_FS",))


def test_ext4_is_small_and_has_no_journal(tree: images.Tree) -> None:
    need("ext4")
    image = images.build(Root(fs="ext4"), tree)
    info = images.inspect(image)
    assert (info.fs, info.compressor, info.configs) == ("ext4", "none", ("EXT4_FS",))
    assert info.bytes_used == info.file_size
    used = sum(len(data) for data in expected(tree).values() if isinstance(data, bytes))
    assert used < info.file_size < used + (2 << 20)
    shown = commands.run(["dumpe2fs", "-h", image], "e2fsprogs")
    assert "has_journal" not in shown
    assert "extent" in shown


@pytest.mark.parametrize("fs", PROGRAMS)
def test_names_are_found_through_the_links_of_the_image(fs: str, tree: images.Tree) -> None:
    need(fs)
    image = images.build(Root(fs=fs), tree)
    for path in (
        "/sbin/init",
        "usr/sbin/init",
        "/bin/churn1",
        "/usr",
        "/lib/deep/libx.so.1",
        "/lib/../sbin/./init",
        "/",
    ):
        assert images.has_path(image, path), path
    for path in (
        "/init",
        "/sbin/ini",
        "/sbin/init/x",
        "/bin/churn",
        "/bin/churn*",
        "/lib/deep/none",
        "/../nothing",
    ):
        assert not images.has_path(image, path), path


@pytest.mark.parametrize("fs", PROGRAMS)
def test_links_that_lead_nowhere_or_far(fs: str, tmp_path: Path) -> None:
    need(fs)
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True)
    (root / "a/loop").symlink_to("../a/loop")
    (root / "gone").symlink_to("/nothing")
    (root / "host").symlink_to("/" + "a/../" * 30 + "a/file")
    (root / "a/file").touch()
    for number in range(500):  # more than a block of a directory
        (root / "a" / f"name-{number:05}").touch()
    (root / "a/we[i]rd *\\?").touch()
    image = images.build(Root(fs=fs), {"/": root})
    assert images.has_path(image, "/host")
    assert images.has_path(image, "/a/name-00499")
    assert images.has_path(image, "/a/we[i]rd *\\?")
    assert not images.has_path(image, "/a/name-00500")
    assert not images.has_path(image, "/a/weird *\\?")
    assert not images.has_path(image, "/a/loop")
    assert not images.has_path(image, "/gone")
    with pytest.raises(UserError, match="no name"):
        images.has_path(image, "/a\nb")


@pytest.mark.parametrize("fs", PROGRAMS)
def test_a_damaged_image_is_refused_or_has_nothing(fs: str, tree: images.Tree, tmp_path: Path) -> None:
    need(fs)
    good = images.build(Root(fs=fs), tree).read_bytes()
    noise = random.Random(fs)  # noqa: S311
    refused = 0
    for attempt in range(6):
        bad = bytearray(good)
        # The superblock stays, so that the tools get as far as what it points to.
        for _ in range(20_000 if attempt else len(good)):
            at = noise.randrange(1024 + 128 if fs == "erofs" else 4096, len(bad))
            bad[at] = noise.randrange(256)
        (tmp_path / "bad").write_bytes(bad)
        try:
            images.has_path(tmp_path / "bad", "/lib/deep/libx.so.1")
        except UserError:
            refused += 1
    assert refused > 0


def squashfs(**changed: int | bytes) -> bytes:
    """A superblock with nothing behind it."""
    fields: dict[str, int | bytes] = {
        "magic": b"hsqs", "inodes": 1, "made": 0, "block": 131072, "fragments": 0, "compressor": 5, "log": 17,
        "flags": 0, "ids": 1, "major": 4, "minor": 0, "root": 0, "used": 4096,
    }  # fmt: skip
    return struct.pack("<4s4I6H2Q", *(fields | changed).values()).ljust(4096, b"\0")


def erofs(incompatible: int = 0, algorithms: int = 0, blocks: int = 1, log: int = 12) -> bytes:
    head = bytearray(4096)
    struct.pack_into("<I", head, 1024, 0xE0F5E1E2)
    head[1036] = log
    struct.pack_into("<I", head, 1024 + 36, blocks)
    struct.pack_into("<IH", head, 1024 + 80, incompatible, algorithms)
    return bytes(head)


def ext4(incompatible: int = 0, blocks: int = 1, log: int = 2, high: int = 0) -> bytes:
    head = bytearray(4096)
    struct.pack_into("<2I", head, 1024, 16, blocks)
    struct.pack_into("<I", head, 1024 + 0x18, log)
    struct.pack_into("<H", head, 1024 + 0x38, 0xEF53)
    struct.pack_into("<I", head, 1024 + 0x60, incompatible)
    struct.pack_into("<I", head, 1024 + 0x150, high)
    return bytes(head)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (squashfs(major=3, minor=1), "is squashfs 3.1: the kernel reads only 4.0"),
        (squashfs(magic=b"sqsh"), "a big-endian squashfs"),
        (squashfs(magic=b"shsq"), "vendor's format"),
        (squashfs(magic=b"qshs"), "vendor's format"),
        (squashfs(compressor=2), "lzma, which the mainline kernel never supported"),
        (squashfs(compressor=7), "unknown compressor (7)"),
        (squashfs(block=1 << 21, log=21), "block size of 2097152"),
        (squashfs(log=16), "block size of 131072 and its logarithm 16"),
        (squashfs(used=4097), "squashfs says that it has 4097 bytes, the file has 4096"),
        (squashfs(used=1 << 63), "truncated"),
        (squashfs(used=0), "truncated"),
        (squashfs()[:40], "truncated"),
        (ext4(incompatible=0x4), "run e2fsck"),
        (ext4(incompatible=0x8), "a journal of ext4"),
        (ext4(log=7), "block size is beyond"),
        (ext4(log=0xFFFFFFFF), "block size is beyond"),
        (ext4(blocks=2), "truncated"),
        (ext4(incompatible=0x80, high=1), "truncated"),
        (ext4()[:1100], "truncated"),
        (erofs(blocks=2), "truncated"),
        (erofs(log=40), "block size is out of range"),
        (erofs(incompatible=0x8000), "no known kernel reads (0x8000)"),
        (erofs()[:1030], "truncated"),
        (b"", "no squashfs, ext4 or erofs image"),
        (b"hsq", "no squashfs, ext4 or erofs image"),
        (bytes(8192), "no squashfs, ext4 or erofs image"),
        (b"\x1f\x8b" + bytes(8192), "no squashfs, ext4 or erofs image"),
    ],
)
def test_what_no_kernel_mounts_is_refused(head: bytes, complaint: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(head)
    with pytest.raises(UserError) as error:
        images.inspect(image)
    assert complaint in str(error.value)
    assert str(image) in str(error.value)


def test_the_smallest_images_that_pass(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(squashfs(inodes=3, made=7))
    assert images.inspect(image) == images.ImageInfo(
        "squashfs", "lz4", 131072, 4096, 4096, 3, 7, ("SQUASHFS", "SQUASHFS_LZ4")
    )
    image.write_bytes(ext4())
    assert images.inspect(image).fs == "ext4"
    image.write_bytes(erofs(incompatible=0x33, algorithms=0x3))
    info = images.inspect(image)
    assert (info.compressor, info.since) == ("lz4+lzma", "6.1")
    assert info.configs == ("EROFS_FS", "EROFS_FS_ZIP", "EROFS_FS_ZIP_LZMA")
    image.write_bytes(erofs(blocks=8, log=9))
    assert images.inspect(image).since == "6.4"


GOOD = {"squashfs": squashfs(), "ext4": ext4(), "erofs": erofs(0x133, 0xF)}


@settings(deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_any_superblock_is_read_or_refused(fs: str, data: st.DataObject) -> None:
    head = bytearray(GOOD[fs])
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=40)):
        head[at] = byte
    image = Path(os.environ["XDG_CACHE_HOME"]).parent / "fuzzed"
    image.write_bytes(head)
    try:
        info = images.inspect(image)
    except UserError:
        pass
    else:
        assert 0 < info.bytes_used <= len(head)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(UserError, match="is no file"):
            images.inspect(path)
    with pytest.raises(UserError, match="No such file"):
        images.inspect(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("root", "complaint"),
    [
        (Root(fs="xfs"), "no such file system"),
        (Root(compressor="brotli"), "no such compressor"),
        (Root(fs="erofs", compressor="xz"), "lz4 or none"),
        (Root(block_kib=100), "power of two"),
        (Root(block_kib=2), "power of two"),
        (Root(block_kib=2048), "power of two"),
        (Root(fragments=False, tail_ends=True), "both or none"),
    ],
)
def test_a_root_that_cannot_be_built(root: Root, complaint: str, tree: images.Tree) -> None:
    with pytest.raises(UserError, match=complaint):
        images.build(root, tree)


@pytest.mark.parametrize(
    ("fs", "package"), [("squashfs", "squashfs-tools"), ("ext4", "e2fsprogs"), ("erofs", "erofs-utils")]
)
def test_a_missing_tool_names_its_package(
    fs: str, package: str, tree: images.Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    images.identity.cache_clear()
    with pytest.raises(UserError, match=f"{PROGRAMS[fs]} is not installed: apt-get install {package}$"):
        images.build(Root(fs=fs), tree)


def test_a_link_does_not_lead_the_builder_out_of_the_image(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/bin").symlink_to(outside)
    (tmp_path / "program").touch()
    (tmp_path / "staged").mkdir()
    with pytest.raises(UserError, match="out of the image"):
        images.stage({"/": tmp_path / "tree", "/bin/x": tmp_path / "program"}, tmp_path / "staged")
    assert list(outside.iterdir()) == []


def test_a_tree_that_is_no_tree_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree/fifo")
    (tmp_path / "staged").mkdir()
    with pytest.raises(UserError, match="neither a file nor a directory"):
        images.stage({"/": tmp_path / "tree"}, tmp_path / "staged")
    (tmp_path / "tree/fifo").unlink()
    (tmp_path / "tree/big").write_bytes(bytes(2 << 20))
    monkeypatch.setattr(images, "MAX_MIB", 1)
    shutil.rmtree(tmp_path / "staged")
    (tmp_path / "staged").mkdir()
    with pytest.raises(UserError, match="more than 1 MiB"):
        images.stage({"/": tmp_path / "tree"}, tmp_path / "staged")


def test_a_tool_that_fails_hangs_or_babbles_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\ncase $1 in fail) echo one >&2; printf 'two\\033[1m\\n' >&2; exit 3;;\n"
                      "hang) exec sleep 60;; babble) exec yes;; esac\necho fine\n")  # fmt: skip
    script.chmod(0o755)
    assert commands.run([script, "ok"], "p") == "fine\n"
    with pytest.raises(UserError, match=r"tool failed: two\?\[1m$"):
        commands.run([script, "fail"], "p")
    with pytest.raises(UserError, match="did not finish within 0 s"):
        commands.run([script, "hang"], "p", seconds=0.3)
    with pytest.raises(UserError, match="printed more than 1 MiB"):
        commands.run([script, "babble"], "p")
    assert len(commands.run([script, "babble"], "p", head_only=True)) == commands.OUTPUT
