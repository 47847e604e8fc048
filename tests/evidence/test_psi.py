"""Pressure, zones, mounts and options as /proc prints them."""

from __future__ import annotations

import gzip

from hypothesis import given
from hypothesis import strategies as st

from unkillable.evidence.psi import architecture, parse_config, parse_mounts, parse_pressure, parse_zoneinfo


@given(st.text(max_size=400))
def test_any_system_file(text: str) -> None:
    parse_pressure("memory", text)
    parse_zoneinfo(text)
    parse_mounts(text)
    parse_config(text.encode("utf-8", "replace"))


def test_pressure_of_cpu_before_5_13_has_one_line() -> None:
    fact = parse_pressure("cpu", "some avg10=12.34 avg60=1.00 avg300=0.10 total=5\n", 1.0)
    assert fact is not None
    assert (fact.some_avg10, fact.full_avg10) == (12.34, None)


def test_page_size_follows_from_the_free_memory() -> None:
    text = "Node 0, zone   Normal\n  pages free     1000\n        min      10\n        low      20\n        high     30\n"
    assert [zone.free for zone in parse_zoneinfo(text, 4_000)] == [4_000]
    assert [zone.min for zone in parse_zoneinfo(text, 63_000)] == [640]
    assert [zone.high for zone in parse_zoneinfo(text)] == [120]


def test_a_mount_over_the_root_counts() -> None:
    root, types = parse_mounts(
        "rootfs / rootfs rw 0 0\n/dev/root / squashfs ro 0 0\nproc /proc proc rw 0 0\n"
    )
    assert (root, types) == ("squashfs", ["squashfs"])


def test_config_gz() -> None:
    packed = gzip.compress(b"#\nCONFIG_SQUASHFS=m\n# CONFIG_PSI is not set\nrubbish\n")
    assert parse_config(packed) == {"SQUASHFS": "m", "PSI": "n"}
    assert parse_config(packed[:20]) in ({}, {"SQUASHFS": "m"})


def test_architectures_by_what_uname_prints() -> None:
    names = {
        "x86_64": "x86_64",
        "i686": "i386",
        "aarch64": "arm64",
        "armv7l": "arm",
        "mips64": "mips",
        "riscv64": "riscv",
    }
    assert {machine: architecture(machine) for machine in names} == names
    assert architecture("vax") is None
