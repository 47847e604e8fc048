"""`unkillable doctor`: each optional tool, what it is for, how to install it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
from collections.abc import Callable

import click
import msgspec

from unkillable.cli.given import format_option
from unkillable.lab.arch import ARCHES


class Tool(msgspec.Struct, frozen=True):
    name: str
    kind: str
    """program, module (of Python) or device."""
    purpose: str
    install: str


_EXTRA = "pip install 'unkillable[lab]'"
_FLEET = "pip install 'unkillable[fleet]'"

TOOLS = (
    Tool(
        "drgn",
        "module",
        "diagnose --vmcore and --qmp: memory dumps and running guests",
        "pip install 'unkillable[drgn]'",
    ),
    Tool(
        "numpy",
        "module",
        "audit: the tables of a kernel tree's functions and calls",
        "pip install 'unkillable[source]'",
    ),
    *(
        Tool(name, "module", f"serve: {purpose}", "pip install 'unkillable[web]'")
        for name, purpose in (
            ("starlette", "the pages"),
            ("uvicorn", "their server"),
            ("python_multipart", "uploads"),
        )
    ),
    Tool("distributed", "module", "triage: reading with several processes, or on a cluster", _FLEET),
    Tool("duckdb", "module", "triage and serve: the store, and questions to it", _FLEET),
    Tool(
        "cc",
        "program",
        "explain: compiling its search; without it Python searches, which is slower",
        "apt-get install gcc",
    ),
    Tool("spin", "program", "explain: the tests hold its search against SPIN's", "apt-get install spin"),
    Tool("dot", "program", "drawing the graph that --format dot prints", "apt-get install graphviz"),
    Tool("chromium", "program", "the browser tests of the HTML report", "apt-get install chromium"),
    Tool("rg", "program", "the yardstick of the benchmarks (make bench)", "apt-get install ripgrep"),
    *(
        Tool(
            f"qemu-system-{arch.qemu}",
            "program",
            f"reproduce and compare: virtual machines of {arch.name}",
            f"apt-get install {arch.package}",
        )
        for arch in ARCHES
    ),
    Tool(
        "/dev/kvm",
        "device",
        "reproduce and compare at the speed of the processor, where a probe shows that a guest boots with it",
        "needs a processor with virtualisation and the right to open it; without it QEMU emulates in software",
    ),
    Tool("qemu.qmp", "module", "reproduce and compare: driving QEMU", _EXTRA),
    Tool("scipy", "module", "reproduce and compare: rank tests of the runs", _EXTRA),
    Tool("matplotlib", "module", "compare: pictures", _EXTRA),
    Tool(
        "gcc",
        "program",
        "reproduce and compare: the programs in guests of this machine's architecture; without it ziglang does",
        "apt-get install gcc",
    ),
    Tool(
        "ziglang",
        "module",
        "reproduce and compare: the programs in guests of every architecture, where Debian's cross compilers are not",
        "pip install 'unkillable[zig]'",
    ),
    *(
        Tool(name, "program", f"reproduce and compare: {purpose}", f"apt-get install {package}")
        for name, purpose, package in (
            ("make", "building squashfs.ko, or a kernel from source", "make"),
            ("patch", "patches to squashfs.ko, and fix --check", "patch"),
            ("flex", "building a kernel from source (with libelf-dev)", "flex libelf-dev"),
            ("bison", "building a kernel from source", "bison"),
            ("bc", "building a kernel from source", "bc"),
            ("lzop", "reading a kernel image that is compressed with LZO", "lzop"),
        )
    ),
    Tool("apt-get", "program", "reproduce and compare: Debian's kernels and packages", "part of Debian"),
    Tool("dpkg-deb", "program", "reproduce and compare: unpacking Debian's packages", "part of Debian"),
    Tool(
        "mksquashfs",
        "program",
        "reproduce and compare: squashfs images",
        "apt-get install squashfs-tools",
    ),
    Tool("spatch", "program", "fix: semantic patches", "apt-get install coccinelle"),
    Tool("git", "program", "fix: patches as mails, and --apply", "apt-get install git"),
    Tool("perl", "program", "fix --check: the tree's scripts/checkpatch.pl", "apt-get install perl"),
    Tool("mkfs.ext4", "program", "compare: the ext4 control", "apt-get install e2fsprogs"),
    Tool("mkfs.erofs", "program", "compare: the erofs control", "apt-get install erofs-utils"),
)


def _program(name: str) -> bool:
    # Debian keeps mkfs.* out of the PATH of ordinary users.
    return bool(shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin"))


def _module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def _device(name: str) -> bool:
    return os.access(name, os.R_OK | os.W_OK)


_PRESENT: dict[str, Callable[[str], bool]] = {"program": _program, "module": _module, "device": _device}


def present(tool: Tool) -> bool:
    return _PRESENT[tool.kind](tool.name)


@click.command(name="doctor", epilog="Example: unkillable doctor")
@format_option("text", "json")
@click.option("--exit-code", is_flag=True, help="Exit with 1 if anything is missing.")
def command(form: str, exit_code: bool) -> None:
    """Show what optional tools are missing on this machine, what each is for and how to install it."""
    found = [(tool, present(tool)) for tool in TOOLS]
    if form == "json":
        rows = [
            {"name": t.name, "present": there, "purpose": t.purpose, "install": t.install}
            for t, there in found
        ]
        click.echo(json.dumps({"schema": "unkillable.doctor/1", "tools": rows}, indent=2))
    else:
        missing = [tool.name for tool, there in found if not there]
        click.echo(f"missing: {', '.join(missing)}" if missing else "nothing is missing")
        for tool, there in found:
            click.echo(
                f"  {'ok     ' if there else 'missing'}  {tool.name}: {tool.purpose}"
                + ("" if there else f"; {tool.install}")
            )
    if exit_code and not all(there for _, there in found):
        raise click.exceptions.Exit(1)
