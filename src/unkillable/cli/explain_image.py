"""`unkillable explain --image`: what a page fault costs on a squashfs image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from unkillable import __version__
from unkillable.cli.given import emit
from unkillable.errors import UserError

if TYPE_CHECKING:
    from unkillable.model.image.types import ImageReport

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = {"SQUASHFS_FILE_DIRECT": "direct", "SQUASHFS_FILE_CACHE": "cache"}
_DECOMPRESSORS = {
    "SQUASHFS_DECOMP_SINGLE": "single",
    "SQUASHFS_DECOMP_MULTI": "multi",
    "SQUASHFS_DECOMP_MULTI_PERCPU": "percpu",
}
_ENTRIES = "SQUASHFS_FRAGMENT_CACHE_SIZE"
_MOST_ENTRIES = 10_000


def _bytes(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Bytes, also as 64K or 1M."""
    if value is None:
        return None
    text = value.upper().removesuffix("IB")
    shift = {"K": 10, "M": 20}.get(text[-1:], 0)
    digits = text[:-1] if shift else text
    if not digits.isdecimal() or len(digits) > 9:
        raise click.BadParameter(f"{value}: bytes, such as 131072, 128K or 1M")
    return int(digits) << shift


_OPTIONS = (
    click.option("--image", metavar="FILE", help="Instead: what a page fault costs on this squashfs image."),
    click.option(
        "--trace",
        metavar="FILE",
        default="every",
        show_default=True,
        help="--image: what was read, from ftrace, strace or a list; - is standard input, `every` reads every file once.",
    ),
    click.option("--config", metavar="FILE", help="--image: the kernel's .config, for the next three."),
    click.option(
        "--file", type=click.Choice(["direct", "cache"]), help="--image: SQUASHFS_FILE_*.  [default: direct]"
    ),
    click.option(
        "--decompressors",
        type=click.Choice(["single", "multi", "percpu"]),
        help="--image: SQUASHFS_DECOMP_*.  [default: percpu]",
    ),
    click.option(
        "--entries",
        type=click.IntRange(1, _MOST_ENTRIES),
        help="--image: SQUASHFS_FRAGMENT_CACHE_SIZE.  [default: 3]",
    ),
    click.option(
        "--cpus", type=click.IntRange(1, 4096), default=2, show_default=True, help="--image: processors."
    ),
    click.option(
        "--block-size",
        callback=_bytes,
        metavar="SIZE",
        help="--image: as if its files were in blocks of this size.",
    ),
    click.option(
        "--memory",
        "memory_kib",
        type=click.IntRange(min=1),
        metavar="KIB",
        help="--image: limit of the page cache.",
    ),
    click.option(
        "--readahead",
        "readahead_kib",
        type=click.IntRange(0, 1 << 20),
        metavar="KIB",
        default=128,
        show_default=True,
        help="--image: read_ahead_kb of the disk.",
    ),
    click.option(
        "--mounted-at",
        metavar="PATH",
        default="/",
        show_default=True,
        help="--image: where it was when it was traced.",
    ),
    click.option("--device", metavar="MAJOR:MINOR", help="--image: which device of an ftrace trace it is."),
)


def image_options(command: Command) -> Command:
    """Adds --image and what belongs to it to a command; `run` takes them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def run(given: dict[str, Any]) -> None:
    """Prints what a page fault costs on `given["image"]`.

    `given` has what `image_options` adds, and of the command `release` (of the kernel), `form` (text or json) and `output`.
    """
    found = report(given)

    def rendered(paint: Callable[[str, str], str]) -> str:
        if given["form"] == "json":
            from unkillable.report.schema import to_json

            return to_json(found).decode()
        from unkillable.report.image_text import render

        return render(found, paint)

    emit(given.get("output"), rendered)


def report(given: dict[str, Any]) -> ImageReport:
    """What a page fault costs, for the options of `image_options`."""
    from unkillable.model.image.analysis import DEFAULT, Options, examine

    configured = _configured(given["config"]) if given["config"] else {}
    for option in ("file", "decompressors", "entries"):
        if given[option] is not None:
            configured[option] = given[option]
    options = Options(
        release=given["release"] or DEFAULT,
        cpus=given["cpus"],
        block_size=given["block_size"],
        memory_kib=given["memory_kib"],
        readahead_kib=given["readahead_kib"],
        mounted_at=given["mounted_at"],
        device=given["device"],
        **configured,
    )
    return examine(given["image"], given["trace"], options, f"unkillable {__version__}")


def _configured(path: str) -> dict[str, Any]:
    """What a kernel's configuration says of squashfs."""
    from unkillable.lab.kconfig import read

    options = read(Path(path))
    if options.get("SQUASHFS", "n") == "n":
        raise UserError(f"{path}: this kernel has no squashfs (CONFIG_SQUASHFS)")
    found: dict[str, Any] = {}
    for key, names in (("file", _FILE), ("decompressors", _DECOMPRESSORS)):
        chosen = [value for name, value in names.items() if options.get(name) == "y"]
        if chosen:
            found[key] = chosen[0]
    if (entries := options.get(_ENTRIES, "")).isdecimal():
        found["entries"] = max(1, min(int(entries), _MOST_ENTRIES))
    return found
