"""Writes the wait_event family, as `unkillable waits` finds it in kernel trees, for `unkillable explain --wait`.

python scripts/bundle_wait_events.py linux-source-5.10 linux-source-6.1 ... > src/unkillable/model/data/wait_events.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def main(trees: list[str]) -> None:
    found: dict[str, dict[str, Any]] = {}
    for tree in trees:
        command = [sys.executable, "-m", "unkillable", "waits", tree, "--family", "wait", "--format", "json"]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for one in answer["primitives"]:
            if (
                "wait_event" in one["name"]
                and one["kind"] == "macro"
                and one["name"][0] != "_"
                and one["role"] == "sleep"
            ):
                row = found.setdefault(
                    one["name"],
                    {
                        "name": one["name"],
                        "task_state": one["task_state"],
                        "traits": [name for name, has in one["traits"].items() if has],
                        "kernels": [],
                    },
                )
                row["kernels"].append(
                    answer["kernel"]["version"] if isinstance(answer["kernel"], dict) else answer["kernel"]
                )
    rows = (json.dumps(found[name]) for name in sorted(found))
    print("[\n" + ",\n".join(rows) + "\n]")


if __name__ == "__main__":
    main(sys.argv[1:])
