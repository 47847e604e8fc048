"""Measures, prints tables and JSON: `python -m benchmarks [--quick] [--only bulk] [--json FILE]`; `make bench`.

This process stays small: until it executes, a child counts its parent's memory as its own (getrusage(2)).

The methods take turns within each round, so that a busy machine is unkind to all of them alike; the best and the
median of the rounds are given. What is compared is their ratio in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "unkillable"]

IN_PROCESS = {
    "bulk": ("read", "prefilter", "scan", "klog", "evidence", "re-lines", "in-lines"),
    "dense": ("prefilter", "scan", "klog", "klog-all", "evidence", "diagnosis"),
    "boots": ("klog", "evidence", "diagnosis"),
    "engines": (
        "prefilter", "prefilter-frames", "prefilter-more", "prefilter-standard", "re2-blocks", "re2-set", "hyperscan",
        "re-lines", "in-lines",
    ),
}  # fmt: skip


def run(command: Sequence[str], feed: Sequence[str] | None = None) -> dict[str, float]:
    """Wall and processor time and the largest resident size of a command, its standard input a file or a pipe."""
    feeder = subprocess.Popen(feed, stdout=subprocess.PIPE, cwd=ROOT) if feed else None
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        child = subprocess.Popen(
            command,
            stdin=feeder.stdout if feeder else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        if feeder is not None and feeder.stdout is not None:
            feeder.stdout.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - begin
        out.seek(0)
        printed = out.read()
    if feeder is not None:
        feeder.kill()
        feeder.wait()
    result = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "MB": usage.ru_maxrss / 1000,
        "status": child.returncode,
    }
    if command[1:3] == ["-m", "benchmarks.methods"]:
        result |= json.loads(printed or "{}")
    return result


def prepared(folder: Path, kind: str, size: int) -> Path:
    """A log in the folder, written unless it is there."""
    path = folder / f"{kind}-{size // 1_000_000}.log"
    if not path.exists():
        aside = path.with_suffix(".part")
        with aside.open("wb") as file:
            subprocess.run(
                [sys.executable, "-m", "benchmarks.logs", kind, str(size)], stdout=file, cwd=ROOT, check=True
            )
        aside.replace(path)
    return path


def commands(kind: str, path: Path, folder: Path) -> dict[str, list[str]]:
    """Name of a method -> its command."""
    found: dict[str, list[str]] = {}
    if kind != "engines":
        found["unkillable diagnose"] = [*COMMAND, "diagnose", str(path)]
    for name in IN_PROCESS[kind]:
        found[name] = [sys.executable, "-m", "benchmarks.methods", name, str(path)]
    if shutil.which("rg"):
        words, regex = folder / "literals", folder / "regex"
        words.write_bytes(
            subprocess.check_output([sys.executable, "-m", "benchmarks.methods", "table"], cwd=ROOT)
        )
        regex.write_bytes(b"|".join(_escaped(name) for name in words.read_bytes().splitlines()) + b"\n")
        found["ripgrep -F -c"] = ["rg", "--no-config", "-a", "-c", "-F", "-f", str(words), str(path)]
        found["ripgrep -c (regex)"] = ["rg", "--no-config", "-a", "-c", "-f", str(regex), str(path)]
    return found


def _escaped(name: bytes) -> bytes:
    return b"".join(
        bytes([byte]) if chr(byte).isalnum() or byte == 32 else b"\\x%02x" % byte for byte in name
    )


def measured(kind: str, path: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Every method on one log, in turns."""
    size = path.stat().st_size
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)  # into the page cache
    results: dict[str, list[dict[str, float]]] = {}
    todo = commands(kind, path, folder)
    for turn in range(rounds):
        for name, command in todo.items():
            if turn and results[name][0].get("cpu", 0) > 60:
                continue  # once is enough to know
            results.setdefault(name, []).append(run(command))
    return {name: summed(found, size) for name, found in results.items()}


def summed(found: list[dict[str, float]], size: int) -> dict[str, Any]:
    if "missing" in found[0]:
        return {"missing": found[0]["missing"]}
    cpu = [one.get("bytes", size) / one["cpu"] / 1e6 for one in found if one["cpu"]]
    wall = [one.get("bytes", size) / one["wall"] / 1e6 for one in found]
    return {
        "cpu_best": max(cpu, default=0), "cpu_median": statistics.median(cpu or [0]),
        "wall_best": max(wall), "wall_median": statistics.median(wall),
        "peak_MB": max(one["MB"] for one in found), "rounds": len(found), "seen": found[0].get("seen"), "status": found[0]["status"],
    }  # fmt: skip


def shown(title: str, rows: dict[str, Any]) -> None:
    print(f"\n{title}")
    print(f"{'':24}{'cpu MB/s':>10}{'median':>9}{'wall MB/s':>11}{'median':>9}{'peak MB':>9}  rounds")
    for name, row in rows.items():
        if "missing" in row:
            print(f"{name:24}  not measured: {row['missing']} is not installed")
            continue
        print(
            f"{name:24}{row['cpu_best']:10,.1f}{row['cpu_median']:9,.1f}{row['wall_best']:11,.1f}{row['wall_median']:9,.1f}"
            f"{row['peak_MB']:9,.0f}  {row['rounds']}"
            + (f"  status {row['status']}" if row["status"] else "")
        )


def starts(folder: Path, times: int) -> dict[str, Any]:
    """Start-up, and small inputs."""
    example = str(ROOT / "examples/frozen-5.10.log.xz")
    small = prepared(folder, "bulk", 7_000_000)
    todo = {
        "python -c pass": ([sys.executable, "-c", "pass"], times),
        "unkillable --version": ([*COMMAND, "--version"], times),
        "diagnose of the 5.10 example": ([*COMMAND, "diagnose", example], times),
        "diagnose of 7 MB, every line": ([*COMMAND, "diagnose", str(small)], 3),
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in todo}
    for turn in range(times):
        for name, (command, often) in todo.items():
            if turn < often:
                results[name].append(run(command))
    return {
        name: {
            "wall_median_s": statistics.median(one["wall"] for one in found), "wall_best_s": min(one["wall"] for one in found),
            "cpu_median_s": statistics.median(one["cpu"] for one in found), "peak_MB": max(one["MB"] for one in found),
        }
        for name, found in results.items()
    }  # fmt: skip


def streams(sizes: dict[str, int]) -> dict[str, Any]:
    """Memory and time of long inputs from a pipe; nothing is written to disk."""
    found = {}
    for kind, size in sizes.items():
        feed = [sys.executable, "-m", "benchmarks.logs", kind, str(size)]
        one = run([*COMMAND, "diagnose", "-"], feed)
        found[f"{kind}, {size / 1e9:g} GB"] = one | {"cpu_MB_s": size / one["cpu"] / 1e6}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, two rounds")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*IN_PROCESS, "start", "streams"],
        help="measure this alone; repeatable",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "unkillable-bench",
        help="where logs are kept",
    )
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    given = parser.parse_args()
    chosen = given.only or [*IN_PROCESS, "start", "streams"]
    part = 10 if given.quick else 1
    rounds = 2 if given.quick else given.rounds
    given.folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    for kind, size in (
        ("bulk", 500_000_000),
        ("dense", 100_000_000),
        ("boots", 100_000_000),
        ("engines", 500_000_000),
    ):
        if kind in chosen:
            path = prepared(given.folder, "bulk" if kind == "engines" else kind, size // part)
            figures[kind] = measured(
                kind, path, given.folder, rounds if kind in ("bulk", "engines") else min(rounds, 3)
            )
            shown(f"{kind}: {path.stat().st_size / 1e6:,.0f} MB", figures[kind])
    if "start" in chosen:
        figures["start"] = starts(given.folder, 5 if given.quick else 20)
        print("\nstart")
        for name, row in figures["start"].items():
            print(
                f"{name:32}{row['wall_median_s']:8.3f} s median wall {row['cpu_median_s']:8.3f} s cpu {row['peak_MB']:8,.0f} MB"
            )
    if "streams" in chosen:
        sizes = {"sparse": 10_000_000_000, "dense": 2_000_000_000, "line": 1_000_000_000}
        figures["streams"] = streams({kind: size // part for kind, size in sizes.items()})
        print("\nthrough a pipe")
        for name, row in figures["streams"].items():
            print(
                f"{name:24}{row['wall']:8.1f} s wall {row['cpu']:8.1f} s cpu {row['cpu_MB_s']:9,.1f} MB/s cpu {row['MB']:8,.0f} MB"
                f"  status {row['status']}"
            )
    text = json.dumps(figures, indent=1)
    if given.json:
        given.json.write_text(text + "\n")
    print(f"\n{text}")


if __name__ == "__main__":
    main()
