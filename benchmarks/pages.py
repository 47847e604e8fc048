"""How fast `unkillable serve` answers from a large store: `python -m benchmarks.pages [LOGS]`, for docs/performance.md.

The store is that of `benchmarks.store`, whose logs are made up.  For each page the wall time, as a browser on this machine waits
for it, of the first time, with what the server used of the processors, which says more on a busy machine; and the median of the
times after it, which the server answers from memory until the store changes.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.store import LOGS, write
from benchmarks.watched import spent
from unkillable.fleet.store import Store

ROUNDS = 7


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def measure(server: Path, port: int, name: str, path: str) -> None:
    rounds = []
    for _ in range(ROUNDS):
        begin, used = time.perf_counter(), spent(server)
        status, body = get(port, path)
        rounds.append((time.perf_counter() - begin, spent(server) - used))
        assert status == 200, (path, status)  # noqa: S101
    first, processors = rounds[0]
    again = statistics.median(one[0] for one in rounds[1:])
    print(
        f"{name:28} first {first:6.3f} s, {processors:5.2f} s of the processors; then {again:6.3f} s; {len(body) >> 10:4} KiB",
        flush=True,
    )


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else LOGS
    with tempfile.TemporaryDirectory(prefix="unkillable-") as folder:
        path = str(Path(folder) / "store")
        write(Store.open(path, create=True), count)
        begin = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, "-m", "unkillable", "serve", "--port", "0", "--store", path],
            stdout=subprocess.PIPE, text=True,
        ) as server:  # fmt: skip
            try:
                assert server.stdout is not None  # noqa: S101
                port = int(server.stdout.readline().split("/")[2].rpartition(":")[2])
                print(f"started, with the store opened: {time.perf_counter() - begin:.1f} s")
                found = json.loads(get(port, "/api/signatures")[1])["signatures"]
                cause, variant = found[0]["cause"], found[0]["variants"][0]["id"]
                for name, address in (
                    ("signatures", "/signatures"),
                    ("signatures of a release", "/signatures?release=fw-3.0"),
                    ("signatures of a device", "/signatures?device=device-00007"),
                    ("signatures of a month", "/signatures?since=2024-02-01&until=2024-02-29"),
                    ("one signature", f"/signature/{cause}"),
                    ("... one of its variants", f"/signature/{cause}?variant={variant}"),
                    ("... its logs, page 100", f"/signature/{cause}?page=100"),
                    ("two releases", "/compare?before=fw-1.0&after=fw-2.0"),
                    ("broken logs", "/broken"),
                    ("start page", "/"),
                ):
                    measure(Path(f"/proc/{server.pid}"), port, name, address)
            finally:
                server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
