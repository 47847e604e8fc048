"""Logs of a fleet that never was, for tests of the store."""

from __future__ import annotations

import hashlib

from unkillable.fleet.types import Finding, Input, Log, Signature

HOUR = 3600.0
START = 1.7e9


def content(key: object) -> str:
    return hashlib.blake2b(str(key).encode(), digest_size=16).hexdigest()


def sign(cause: int, variant: int = 0) -> Signature:
    return Signature(
        f"{cause:012x}",
        f"{cause:06x}{variant:06x}",
        f"reclaim-livelock in function_{cause}",
        f"way {variant}",
        "reclaim-livelock",
        wait="D page lock",
        site=f"function_{cause}",
        entered_by="page fault",
        holders=("page lock", "kswapd"),
        memory="short",
    )


def finding(signature: Signature | None, episode: int = 0) -> Finding:
    return Finding(
        episode,
        signature,
        signature.kind if signature else "no-hang",
        "high",
        "a/1 sleeps",
        kernel="6.1.20",
        arch="x86_64",
        first_line=1,
        last_line=90,
        line=7,
        quote="INFO: task a:1 blocked for more than 120 seconds.",
    )


def log(i: int, signature: Signature | None = None, release: str = "fw-1", device: str | None = None) -> Log:
    """Log number i: by itself in its name, content, device and time."""
    return Log(
        f"logs/{i:05d}.log",
        content(i),
        5000 + i,
        f"device-{i % 10}" if device is None else device,
        release,
        START + i * HOUR,
        (finding(signature),),
    )


def source(of: Log) -> Input:
    return Input(of.name, of.size, 1_700_000_000_000_000_000)
