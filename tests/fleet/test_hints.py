"""What is said to do about a cause."""

from __future__ import annotations

from unkillable.fleet.answers import Bucket, Share
from unkillable.fleet.hints import hint


def bucket(owner: str, *kernels: str) -> Bucket:
    return Bucket(
        "0" * 12, f"reclaim-livelock: readers of {owner} wait for memory", "reclaim-livelock", 9, 1, 1, 0.0, 0.0,
        site=owner, per_kernel=tuple(Share(name, 9, 9) for name in kernels),
    )  # fmt: skip


def test_what_a_kernel_does_not_have_is_not_advised() -> None:
    new, old, unknown = hint(bucket("ext4", "6.1.0-56", "5.10.0-46")), hint(bucket("ext4", "5.10.0-46")), hint(bucket("ext4", ""))  # fmt: skip
    assert new is not None
    assert new == unknown
    assert "min_ttl_ms" in new.text
    assert old is not None
    assert "min_ttl_ms" not in old.text


def test_squashfs_is_told_the_patches_and_the_series() -> None:
    found = hint(bucket("squashfs", "", "5.10.0-46"))
    assert found is not None
    assert found.commands == ("unkillable fix TREE", "unkillable fix --mitigations 5.10")
    bare = hint(bucket("squashfs"))
    assert bare is not None
    assert bare.commands[1] == "unkillable fix --mitigations RELEASE"
