"""Squashfs errors, fresh and cached; other file systems' errors; devices and servers that err or do not answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evidence.driving import kept, read

# MIPS, 3.10.90, squashfs on mtdblock (reports/mips_3.10.90_cached-error-repeats.txt).
CACHED = """\
[  321.370000] SQUASHFS error: xz_dec_run error, data probably corrupt
[  321.380000] SQUASHFS error: squashfs_read_data failed to read block 0x7c612
[  321.380000] SQUASHFS error: Unable to read data cache entry [7c612]
[  321.390000] SQUASHFS error: Unable to read page, block 7c612, size be50
[  321.400000] SQUASHFS error: Unable to read data cache entry [7c612]
"""


def test_a_fresh_error_and_its_repetitions() -> None:
    found = kept(read(CACHED), "fs_errors")
    assert [(fact.kind, fact.cache, fact.block) for fact in found] == [
        ("decompress", None, None),
        ("read", None, 0x7C612),
        ("cache-entry", "data", 0x7C612),
        ("page", None, 0x7C612),
        ("cache-entry", "data", 0x7C612),
    ]
    assert {fact.fs for fact in found} == {"squashfs"}
    assert found[1].time == 321.38


@pytest.mark.parametrize(
    ("text", "kind", "cache", "block", "error"),
    [
        # OpenWrt, ARM, 5.x (reports/2023-07_openwrt-98d325aaf8be_arm-ipq40xx_cached-io-error.txt)
        ("Failed to read block 0x2bb912: -5", "read", None, 0x2BB912, -5),
        ("Unable to read fragment cache entry [2bb912]", "cache-entry", "fragment", 0x2BB912, None),
        ("Unable to read page, block 2bb912, size 14e6c", "page", None, 0x2BB912, None),
        # constructed from formats of 7.3 fs/squashfs: cache.c:266, dir.c:214, symlink.c:57, inode.c:448, file.c:180,
        # decompressor_multi.c:193, zstd_wrapper.c:132, file.c:170
        ("Unable to read metadata cache entry [ffffffffff]", "cache-entry", "metadata", 0xFFFFFFFFFF, None),
        ("Unable to read directory block [1a2b:30]", "metadata", None, 0x1A2B, None),
        ("Unable to read symlink [1a2b:30]", "metadata", None, 0x1A2B, None),
        ("Unable to read inode 0x12003f", "metadata", None, 0x12003F, None),
        ("read_indexes: reading block [1a2b:30]", "metadata", None, 0x1A2B, None),
        ("zlib decompression failed, data probably corrupt", "decompress", None, None, None),
        ("zstd decompression error: 20", "decompress", None, None, None),
        ("read_indexes: Failed to allocate block_list", "other", None, None, None),
        # constructed from formats of 2.6.35 fs/squashfs/zlib_wrapper.c and block.c
        ("zlib_inflate error, data probably corrupt", "decompress", None, None, None),
        (
            "zlib_inflateInit returned unexpected result 0xfffffffc, srclength 3",
            "decompress",
            None,
            None,
            None,
        ),
        ("Failed to read bl", "other", None, None, None),
    ],
)
def test_squashfs_lines(
    text: str, kind: str, cache: str | None, block: int | None, error: int | None
) -> None:
    (fact,) = kept(read("SQUASHFS error: " + text), "fs_errors")
    assert (fact.kind, fact.cache, fact.block, fact.error) == (kind, cache, block, error)


def test_a_prompt_before_and_two_errors_in_a_line() -> None:
    # openbmc issue 236, 2016 (the prompt); the second half is the same line after a lost newline
    line = "root@barreleye:~# SQUASHFS error: Unable to read fragment cache entry [59daf0]"
    found = kept(read(line + "SQUASHFS error: Unable to read page, block 59daf0, size adbc"), "fs_errors")
    assert [(fact.kind, fact.block) for fact in found] == [("cache-entry", 0x59DAF0), ("page", 0x59DAF0)]


@pytest.mark.parametrize(
    ("line", "fs", "kind"),
    [
        # constructed from formats of 7.3: fs/ext4/super.c:830, fs/erofs/zdata.c:1317 and :1871, fs/ubifs/misc.c:33,
        # fs/jffs2/debug.h:79, drivers/md/dm-verity-target.c, fs/f2fs/super.c:461
        ("EXT4-fs error (device vda1): ext4_find_entry:1455: inode #2: comm ls: reading directory lblock 0", "ext", "read"),
        ("EXT4-fs error (device vda1) in ext4_setattr:5: Journal has aborted", "ext", "other"),
        ("erofs (device loop0): failed to decompress (lz4) -5 @ pa 4096 size 4096 => 8192", "erofs", "decompress"),
        ("erofs (device loop0): read error -5 @ 12 of nid 36", "erofs", "read"),
        ("UBIFS error (ubi0:0 pid 123): ubifs_read_node: bad node type (255 but expected 1)", "ubifs", "read"),
        ("jffs2: error: (123) jffs2_get_inode_nodes: short read at 0x1: 0 instead of 68", "jffs2", "other"),
        ("device-mapper: verity: 179:2: data block 5 is corrupted", "verity", "read"),
        ("F2FS-fs (mmcblk0p3): checkpoint error flag", "f2fs", "other"),
        ("BTRFS error (device sda1): bdev /dev/sda1 errs: wr 0, rd 1, flush 0, corrupt 0, gen 0", "btrfs", "other"),
    ],
)  # fmt: skip
def test_other_file_systems(line: str, fs: str, kind: str) -> None:
    (fact,) = kept(read(line), "fs_errors")
    assert (fact.fs, fact.kind) == (fs, kind)


@pytest.mark.parametrize(
    ("line", "device", "kind"),
    [
        # the same OpenWrt report
        ("spi-nor spi0.0: SPI transfer failed: -110", "spi-nor spi0.0", "timeout"),
        ("spi_master spi0: failed to transfer one message from queue", "spi_master spi0", "timeout"),
        # constructed from formats of 5.10 block/blk-core.c:229, 6.12 block/blk-mq.c:866 and blk-core.c:140, 7.3 fs/buffer.c:126
        ("blk_update_request: I/O error, dev sda, sector 5 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0", "sda", "error"),
        ("print_req_error: I/O error, dev mmcblk0, sector 2048", "mmcblk0", "error"),
        ("end_request: I/O error, dev sr0, sector 9", "sr0", "error"),
        ("I/O error, dev loop3, sector 7 op 0x0:(READ) flags 0x80700 phys_seg 4 prio class 2", "loop3", "error"),
        ("critical medium error, dev sdb, sector 7 op 0x0:(READ)", "sdb", "error"),
        ("timeout error, dev vda, sector 7 op 0x0:(READ)", "vda", "timeout"),
        ("Buffer I/O error on dev vda1, logical block 3, lost async page write", "vda1", "error"),
        ("Buffer I/O error on device sda1, logical block 3", "sda1", "error"),
        # constructed from formats of 7.3 net/sunrpc/clnt.c:2576 and fs/smb/client/connect.c:713
        ("nfs: server 10.0.0.1 not responding, still trying", "10.0.0.1", "server"),
        ("nfs: server nas not responding, timed out", "nas", "server"),
        ("CIFS: VFS: \\\\nas has not responded in 180 seconds. Reconnecting...", "nas", "server"),
        # constructed from formats of 7.3 drivers/mtd/ubi/io.c:180; drivers/nvme, drivers/ata and drivers/mmc of 4.x
        ("ubi0 error: ubi_io_read: error -74 (ECC error) while reading 64 bytes from PEB 12:0, read 64 bytes", "ubi0", "error"),
        ("mmcblk0: error -110 sending status command, retrying", "mmcblk0", "error"),
        ("mmc0: Timeout waiting for hardware interrupt.", "mmc0", "timeout"),
        ("nvme nvme0: I/O 123 QID 4 timeout, aborting", "nvme0", "timeout"),
        ("nvme nvme0: I/O tag 5 (1005) opcode 0x2 (I/O Cmd) QID 4 timeout, reset controller", "nvme0", "timeout"),
        ("ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen", "ata1.00", "error"),
        ("ata1: hard resetting link", "ata1", "reset"),
        ("sd 0:0:0:0: [sda] tag#3 FAILED Result: hostbyte=DID_TIME_OUT driverbyte=DRIVER_OK", "sda", "error"),
        ("usb 1-1.2: reset high-speed USB device number 3 using xhci_hcd", "1-1.2", "reset"),
        ("block nbd0: Connection timed out", "nbd0", "timeout"),
    ],
)  # fmt: skip
def test_devices_and_servers(line: str, device: str, kind: str) -> None:
    (fact,) = kept(read(line), "io")
    assert (fact.device, fact.kind) == (device, kind)


@pytest.mark.parametrize(
    "line",
    [
        "squashfs: version 4.0 (2009/01/31) Phillip Lougher",
        "EXT4-fs (vda1): mounted filesystem with ordered data mode",
        "usb 1-1.2: new high-speed USB device number 3 using xhci_hcd",
        "probe of 1-0050 failed with error -22",
        "mmc0: new high speed SDHC card at address 0001",
        "nfs: server nas OK",
        "printk: timeout, nothing else",
        "overlayfs: using multiple workdirs",
    ],
)
def test_other_lines(line: str) -> None:
    builder = read(line)
    assert kept(builder, "io") == []
    assert kept(builder, "fs_errors") == []


@given(st.sampled_from(CACHED.splitlines()), st.text(max_size=60), st.integers(0, 80))
def test_any_text_raises_nothing(line: str, text: str, cut: int) -> None:
    read(
        [
            line[:cut] + text + line[cut:],
            "SQUASHFS error:" + text,
            "EXT4-fs error (device " + text,
            text + " error, dev " + text,
        ]
    )
