"""How fast a kernel tree is read: `python -m benchmarks.source TREE`, for docs/audit.md.

Everything runs in one go and is told as a ratio, so that a slow machine slows all alike.  TREE is an unpacked kernel; it is
not written to: the file that changes between two runs is in a copy made of hard links.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

READ = """
import sys, resource, time
from pathlib import Path
from unkillable.ksource.graph import Graph
from unkillable.ksource.load import load
from unkillable.ksource.tree import Tree

if __name__ == "__main__":
    tree = Tree(Path(sys.argv[1]))
    index = load(tree, tree.scope("x86", sys.argv[2] == "all") if sys.argv[2] in ("all", "core") else sys.argv[2:])
    graph = Graph(index)
    peak = sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(len(index.paths), len(index.functions), len(graph.targets), peak // 1024, time.process_time())
"""
CHANGED = {"core": ("fs/squashfs/cache.c",), "all": ("fs/squashfs/cache.c", "drivers/gpu/drm/drm_drv.c")}
"""The directory of the last is the largest of those that are kept in one piece."""
SEMANTIC = """@a@
expression Q, C;
position p;
@@
wait_event@p(Q, C)
@script:python@
p << a.p;
@@
print(p[0].file, p[0].line)
"""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or not Path(arguments[0], "Makefile").is_file():
        print("usage: python -m benchmarks.source TREE (an unpacked kernel)", file=sys.stderr)
        return 2
    tree = Path(arguments[0]).resolve()
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        for what, seconds, told in rows(tree, Path(folder)):
            print(f"{what:58} {seconds:8.1f} s  {told}", flush=True)
    return 0


def rows(tree: Path, folder: Path) -> Iterator[tuple[str, float, str]]:
    with copied(tree) as copy:
        for scope in ("core", "all"):
            cache = folder / scope
            seconds, out = read(copy, cache, scope)
            files, functions, edges, peak, _ = out.split()
            yield (
                f"{scope}, first time",
                seconds,
                f"{files} files, {functions} functions, {edges} edges, {peak} MiB",
            )
            yield again(f"{scope}, again", copy, cache, scope)
            for path in CHANGED[scope]:
                touch(copy / path)
                yield again(f"{scope}, {path} changed", copy, cache, scope)
    if shutil.which("cscope"):
        argv = ["cscope", "-b", "-k", "-R", "-f", str(folder / "cscope.out"), "-s", str(tree)]
        yield "cscope -b -k, all", timed(lambda: run(argv, folder))[0], "calls by name only"
    if shutil.which("spatch"):
        script = folder / "wait.cocci"
        script.write_text(SEMANTIC)
        for where in ("fs/squashfs", "mm"):
            argv = [
                "spatch",
                "--very-quiet",
                "--no-includes",
                "--sp-file",
                str(script),
                "--dir",
                str(tree / where),
            ]
            seconds, out = timed(lambda argv=argv: run(argv, folder))  # type: ignore[misc]
            yield f"spatch wait_event, {where}", seconds, f"{len(out.splitlines())} places"
            yield f"{where}, first time", read(tree, folder / where.replace("/", "-"), where)[0], ""


def again(what: str, tree: Path, cache: Path, scope: str) -> tuple[str, float, str]:
    """A run in one process, so that its processor time is the whole."""
    seconds, out = read(tree, cache, scope)
    *_, peak, processor = out.split()
    return what, seconds, f"{float(processor):.1f} s of processor time, {peak} MiB"


def read(tree: Path, cache: Path, *scope: str) -> tuple[float, str]:
    script = cache.parent / "read.py"
    script.write_text(READ)
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": os.pathsep.join(sys.path)}
    return timed(lambda: run([sys.executable, str(script), str(tree), *scope], cache.parent, environment))


def run(argv: Sequence[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    return subprocess.run(
        argv, check=True, capture_output=True, text=True, cwd=folder, env=environment
    ).stdout


def timed(work: Callable[[], str]) -> tuple[float, str]:
    began = time.monotonic()
    out = work()
    return time.monotonic() - began, out


@contextmanager
def copied(tree: Path) -> Iterator[Path]:
    """A copy of hard links beside the tree."""
    with tempfile.TemporaryDirectory(prefix=".unkillable-", dir=tree.parent) as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(tree, copy, copy_function=os.link, symlinks=True)
        yield copy


def touch(path: Path) -> None:
    """Changes a file of the copy, and not the tree's."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
