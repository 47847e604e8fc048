"""Devices and servers that err or do not answer: the other reason why a task waits for ever under a file system."""

from __future__ import annotations

import re
from functools import partial

from unkillable.evidence.builder import Builder
from unkillable.evidence.table import Format
from unkillable.evidence.types import IoProblem
from unkillable.klog.record import Record


def _io(kind: str, builder: Builder, match: re.Match[str], record: Record) -> None:
    device = match.groupdict().get("device")
    builder.add_io(
        IoProblem(
            line=record.number,
            text=record.text,
            time=record.time,
            device=device.strip("\\:") if device else None,
            kind="timeout" if kind == "error" and "imeout error, dev" in record.text else kind,
        )
    )


def _row(
    name: str,
    literals: tuple[str, ...],
    kind: str,
    pattern: str,
    eras: str,
    sample: str | None = None,
    guard: tuple[str, ...] = (),
) -> Format:
    shown = sample or f"formats/{name}.sample"
    return Format(name, literals, re.compile(pattern), partial(_io, kind), eras, shown, guard)


_DEV = r"(?P<device>[\w./!-]{1,64})"

# Block layer: `end_request: I/O error, dev sda, sector 1` (to 4.0), `blk_update_request: ..` (4.1-5.16), `print_req_error: ..`
# (4.14-5.0), bare since 5.17; instead of I/O also critical medium, timeout, device offline, protection ... (the names in
# block/blk-core.c:152 of 7.3). Buffers: fs/buffer.c:126 of 7.3; `device` was spelt out to 4.2.
FORMATS = (
    _row(
        "block-error",
        (" error, dev ",),
        "error",
        r"(?:^|[:\s])(?:I/O|[a-z][a-z -]{3,40}) error, dev " + _DEV + r",? sector \d",
        "2.6.0-7.3",
        "captures/own-7.3-lockdep-squashfs-freeze.sample.xz",
    ),
    _row(
        "buffer-error",
        ("I/O error",),
        "error",
        r"Buffer I/O error on dev(?:ice)? " + _DEV + ", logical block",
        "2.6.0-7.3",
    ),
    _row(
        "fs-io-error",
        ("I/O error",),
        "error",
        r"(?:XFS|EXT4-fs|JBD2|Aborting journal|gfs2|jfs)\b.{0,80}?I/O error",
        "2.6.0-7.3",
    ),
    # net/sunrpc/clnt.c:2576 of 7.3 (`nfs: server x not responding, still trying`), fs/smb/client/connect.c:713.
    _row(
        "server",
        ("not respond",),
        "server",
        r"(?:\w{2,12}: )?server (?P<device>[\w.:%-]{1,255}) not responding, (?:still trying|timed out)",
        "2.6.0-7.3",
    ),
    _row(
        "cifs-server",
        ("not respond",),
        "server",
        r"(?:CIFS|cifs).{0,40}?(?P<device>\\\\[\w.:%-]{1,255}|[Ss]erver \S{1,255}) has not responded in \d",
        "2.6.30-7.3",
    ),
    # MTD: SPI flash controllers, NAND, UBI (drivers/mtd/ubi/io.c:174 and :180 of 7.3).
    _row(
        "ubi-read",
        ("error -",),
        "error",
        r"(?P<device>ubi\d{0,3})\b.{0,60}?error -\d{1,4}(?: \([^)]{1,40}\))? while (?:reading|writing|erasing)",
        "2.6.22-7.3",
    ),
    _row(
        "mmc-error",
        ("error -",),
        "error",
        r"(?P<device>mmc(?:blk)?\d{1,3}\w{0,8}): .{0,60}?error -\d{1,4}\b(?! whilst initialising)",
        "2.6.20-7.3",
    ),
    _row(
        "mmc-timeout",
        (),
        "timeout",
        r"(?P<device>mmc(?:blk)?\d{1,3}\w{0,8}): (?:Timeout waiting for hardware|timed out sending|Card stuck|Got data interrupt"
        r"|(?:running )?CQE|cache flush timed)",
        "2.6.20-7.3",
        guard=(
            "Timeout waiting for hardware",
            "timed out sending",
            "Card stuck",
            "Got data interrupt",
            "CQE",
            "cache flush timed",
        ),
    ),
    _row(
        "spi-nor",
        (),
        "timeout",
        r"(?P<device>spi-nor \S{1,32}|spi_master \S{1,32}|spi\d+\.\d+|m25p80 \S{1,32}): "
        r"(?:SPI transfer (?:failed|timed out)|failed to transfer one message|flash operation timed out|error -?\d+ reading)",
        "3.0-7.3",
        "reports/2023-07_openwrt-98d325aaf8be_arm-ipq40xx_cached-io-error.txt",
        guard=("SPI transfer ", "failed to transfer one message", "flash operation timed out", " reading"),
    ),
    _row(
        "nand",
        (),
        "error",
        r"(?P<device>nand\w{0,16}|mtd\d{0,3})\b.{0,60}?(?:uncorrectable (?:ECC )?error|timeout (?:while )?waiting|ECC error)",
        "2.6.20-7.3",
        guard=("timeout waiting", "timeout while waiting", "ECC error", "uncorrectable error"),
    ),
    # Disks.
    _row(
        "nvme-timeout",
        (" timeout, ",),
        "timeout",
        r"nvme (?P<device>nvme\d{1,3}): I/O (?:tag )?\d{1,9}.{0,60}? QID \d{1,5} timeout, ",
        "3.3-7.3",
    ),
    _row(
        "ata-exception",
        (),
        "error",
        r"(?P<device>ata\d{1,3}(?:\.\d{2})?): exception Emask 0x",
        "2.6.18-7.3",
        guard=("exception Emask",),
    ),
    _row(
        "ata-reset",
        (),
        "reset",
        r"(?P<device>ata\d{1,3}(?:\.\d{2})?): (?:hard|soft) resetting link",
        "2.6.18-7.3",
        guard=("resetting link",),
    ),
    _row(
        "scsi-failed",
        (),
        "error",
        r"\[(?P<device>\w{2,16})\](?: tag#\d+)? FAILED Result: hostbyte=",
        "2.6.26-7.3",
        guard=("FAILED Result",),
    ),
    _row(
        "scsi-offline",
        (),
        "error",
        r"\[?(?P<device>sd\w{1,8})?\]? ?rejecting I/O to offline device",
        "2.6.0-7.3",
        guard=("rejecting I/O",),
    ),
    _row(
        "usb-reset",
        (),
        "reset",
        r"usb (?P<device>\d[\d.-]{0,16}): reset [\w-]{4,16} USB device number",
        "2.6.0-7.3",
        guard=(": reset ",),
    ),
    _row(
        "nbd",
        (),
        "timeout",
        r"block (?P<device>nbd\d{1,3}): (?:Connection timed out|Dead connection|Possible stuck request)",
        "2.6.0-7.3",
        guard=("block nbd",),
    ),
)
