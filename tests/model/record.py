"""What a real kernel fills: a guest reads files of a squashfs image, and ftrace says which blocks were decompressed.

    python -m tests.model.record debian:6.1 [--module cache,single] [--raw FILE] > tests/samples/image/6.1.fills

A line is an access (see recorder/init.c), and after a colon the addresses of the blocks that squashfs_read_data() was
called for; after `d`, the pages that the page cache lost then, as inode number and page.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.model import sample
from unkillable.lab import cpio, kernels, kmodule, modules, qemu, toolchain
from unkillable.lab.arch import find
from unkillable.lab.setup import Module

SOURCE = Path(__file__).parent / "recorder" / "init.c"
SECONDS = 400
_MARK = re.compile(r"tracing_mark_write: (?P<text>.*)")
_FILL = re.compile(r"squashfs_read: .* index=(?P<at>\d+) length=")
_GONE = re.compile(r"mm_filemap_delete_from_page_cache: dev \S+ ino (?P<ino>[0-9a-f]+) .*ofs=(?P<at>\d+)")


def record(kernel: str, image: Path, accesses: str, module: Module | None = None) -> str:
    """What the guest printed that made `accesses`; the image is mounted at /mnt."""
    arch = find("x86_64")
    found = kernels.resolve(kernel, arch)
    own = {"squashfs": kmodule.rebuild(found, module)} if module else {}
    loaded = modules.plan(found, (*arch.modules, "squashfs"))
    with tempfile.TemporaryDirectory(prefix="unkillable-") as name:
        folder = Path(name)
        toolchain.compile_program(toolchain.compiler(arch), (SOURCE,), folder / "init")
        entries = [
            cpio.character_device("dev/console", 5, 1),
            cpio.file("init", folder / "init"),
            cpio.file("accesses", accesses.encode()),
            cpio.file("modules", "".join(f"/mods/{one.name}.ko\n" for one in loaded).encode()),
            *(cpio.file(f"mods/{one.name}.ko", own.get(one.name, one.path)) for one in loaded),
        ]
        with (folder / "initrd").open("wb") as out:
            cpio.write(out, entries)
        command = [
            "nice", "-n", "5", qemu.program(arch), *qemu.machine(arch, "tcg"), "-accel", "tcg,thread=multi",
            "-smp", "1", "-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot",
            "-serial", f"file:{folder}/console", "-serial", f"file:{folder}/trace",
            "-kernel", str(found.image), "-initrd", str(folder / "initrd"),
            "-drive", f"if=none,id=root,format=raw,readonly=on,file={qemu.escape(image)}",
            "-device", f"{arch.disk},drive=root", "-append", "console=ttyS0 quiet panic=-1 no_timer_check",
        ]  # fmt: skip
        subprocess.run(command, check=True, timeout=SECONDS)
        trace = (folder / "trace").read_text(errors="replace").replace("\r\n", "\n")
        if not trace.endswith("done\n") or "fail " in trace:
            console = (folder / "console").read_text(errors="replace")
            raise RuntimeError(f"the guest did not finish: {console[-2000:]}{trace[-500:]}")
    return f"# kernel {found.version}\n{trace}"


def fills(raw: str) -> str:
    """The lines of a sample, of what a guest printed."""
    head = [line for line in raw.splitlines() if re.match(r"# (kernel|read_ahead_kb|before|after) ", line)]
    rows: list[tuple[str, list[str]]] = []
    for line in raw.splitlines():
        if mark := _MARK.search(line):
            rows.append((mark["text"].strip().replace(" /mnt/", " /"), []))
        elif rows and (fill := _FILL.search(line)):
            rows[-1][1].append(fill["at"])
        elif rows and rows[-1][0].startswith("d ") and (gone := _GONE.search(line)):
            rows[-1][1].append(f"{int(gone['ino'], 16)}/{int(gone['at']) // 4096}")
    return "\n".join([*head, *(f"{access}: {' '.join(what)}".rstrip() for access, what in rows)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernel")
    parser.add_argument("--module")
    parser.add_argument("--raw", type=Path)
    given = parser.parse_args()
    module = Module(*given.module.split(",")) if given.module else None
    raw = record(given.kernel, sample.IMAGE, sample.accesses("/mnt"), module)
    if given.raw:
        given.raw.write_text(raw)
    sys.stdout.write(fills(raw))


if __name__ == "__main__":
    main()
