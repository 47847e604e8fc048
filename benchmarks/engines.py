"""What a distributed engine costs on one machine: Dask, Ray and Daft at the same work.

    python -m benchmarks.engines dask ray daft processes

Needs what is named to be installed.  Each engine runs in a process of its own, with two workers; wall time, processor time and
memory (the largest sum of the proportional set sizes of all its processes) are those of everything it started.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.watched import watch

SAMPLES = Path(__file__).parent.parent / "tests" / "samples" / "captures"
WORKERS, BATCH = 2, 200


def corpus(place: Path, logs: int) -> list[str]:
    """Logs of some 5 KB, cut from the samples; each differs from every other in its last line."""
    texts = [
        data[-5000:] for file in sorted(SAMPLES.glob("*.sample")) if len(data := file.read_bytes()) > 5000
    ]
    names = []
    for number in range(logs):
        folder = place / f"{number // 1000:03}"
        folder.mkdir(exist_ok=True)
        file = folder / f"{number:06}.log"
        file.write_bytes(texts[number % len(texts)] + b"\n%d\n" % number)
        names.append(str(file))
    return names


def read(names: list[str]) -> list[str]:
    """The work: the verdict of each log."""
    from unkillable.diagnosis import diagnose
    from unkillable.evidence.reader import EvidenceReader
    from unkillable.klog import Source, find_sources

    return [
        diagnose(evidence).verdict.kind
        for source in find_sources(names)
        if isinstance(source, Source)
        for evidence in EvidenceReader(source).boots()
    ]


Run = Callable[[list[list[str]]], int]


def _dask() -> Iterator[Run]:
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(
            n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.submit(read, [], pure=False))
        yield lambda batches: sum(
            len(found) for _, found in as_completed(client.map(read, batches, pure=False), with_results=True)
        )


def _ray() -> Iterator[Run]:
    import ray

    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    remote: Any = ray.remote(read)
    ray.get(remote.remote([]))
    yield lambda batches: sum(len(found) for found in ray.get([remote.remote(batch) for batch in batches]))
    ray.shutdown()


def _daft() -> Iterator[Run]:
    import daft

    def count(text: str) -> int:
        return len(read(text.split("\n")))

    counted = daft.func(count, return_dtype=daft.DataType.int64(), use_process=True)

    def run(batches: list[list[str]]) -> int:
        frame = daft.from_pydict({"names": ["\n".join(batch) for batch in batches]})
        frame = frame.into_batches(1).with_column("count", counted(daft.col("names")))
        return sum(frame.to_pydict()["count"])

    yield run


def _processes() -> Iterator[Run]:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(WORKERS) as pool:
        pool.submit(read, []).result()
        yield lambda batches: sum(len(found) for found in pool.map(read, batches))


ENGINES: dict[str, Callable[[], Iterator[Run]]] = {
    "dask": _dask,
    "ray": _ray,
    "daft": _daft,
    "processes": _processes,
}


def child(engine: str, names: list[str]) -> None:
    began = time.perf_counter()
    context = ENGINES[engine]()
    run = next(context)
    ready = time.perf_counter()
    count = run([names[at : at + BATCH] for at in range(0, len(names), BATCH)])
    done = time.perf_counter()
    print(json.dumps({"start": ready - began, "work": done - ready, "verdicts": count}), flush=True)
    next(context, None)


def measure(engine: str, file: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engines", "--child", engine, "--names", str(file)]
    seen = watch(command)
    lines = [line for line in seen.printed.splitlines() if line.startswith("{")]
    found: dict[str, float] = json.loads(lines[-1])
    return found | {"whole": seen.wall, "cpu": seen.cpu, "mib": seen.most()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=", ".join(ENGINES))
    parser.add_argument("--logs", type=int, default=20_000)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--names", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, Path(given.names).read_text().splitlines())
        return
    with tempfile.TemporaryDirectory(prefix="unkillable-engines-") as place:
        names = corpus(Path(place), given.logs)
        file = Path(place, "names")
        file.write_text("\n".join(names))
        print(
            "| engine | start | logs/s | processor time | memory | from start to end |\n|---|---|---|---|---|---|"
        )
        for engine in given.engines or ENGINES:
            one = measure(engine, file)
            print(
                f"| {engine} | {one['start']:.1f} s | {len(names) / one['work']:,.0f} | {one['cpu']:.0f} s"
                f" | {one['mib']:,.0f} MiB | {one['whole']:.1f} s |",
                flush=True,
            )


if __name__ == "__main__":
    main()
