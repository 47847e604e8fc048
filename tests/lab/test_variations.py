"""Variations: their spelling, what they change, and what is said of those that make no sense."""

from pathlib import Path

import pytest

from unkillable.errors import UserError
from unkillable.lab.fields import change
from unkillable.lab.setup import Module, Setup
from unkillable.lab.variations import Kernel, Variation, builtin, parse, plan, read, setup, why_not

EXAMPLE = """
runs = 7
seed = 3
kernels = ["debian:5.10", "debian:6.1"]
variations = ["stock", "zram", "min_ttl_ms=1000", "small:root.block_kib=4,room_mib=64"]

[base]
seconds = 30
[base.workload]
programs = 4

[[kernel]]
kernel = "boot/bzImage"
name = "ours"
version = "6.6"
set = { modules = "boot/modules", "emulator.memory_mib" = 256 }

[[variation]]
name = "polite"
why = "a reserve"
until = "6.0"
set = { "vm.min_free_kbytes" = 8192, root = { fs = "erofs" } }
"""


def test_every_built_in_variation_fits() -> None:
    known = builtin()
    assert {
        "stock", "min_ttl_ms=1000", "zram", "min_free_kbytes=16384", "panic_on_oom", "oom_kill_allocating_task", "overcommit=2",
        "oom_score_adj=1000", "cgroup", "canary-mlock", "earlyoom", "block-4k", "block-1m", "uncompressed", "file-cache-single",
        "file-direct-multi", "ext4", "erofs", "tmpfs", "1-cpu", "disk-2M", "icount-1",
    } <= known.keys()  # fmt: skip
    seen: dict[Setup, str] = {}
    for name, one in known.items():
        assert one.why
        own = change(Setup(), one.set, name)
        assert own not in seen, f"{name} is the same as {seen.get(own)}"
        seen[own] = name
    assert change(Setup(), known["stock"].set, "stock") == Setup()


def test_a_built_in_changes_what_it_says() -> None:
    own = change(Setup(), builtin()["min_ttl_ms=1000"].set, "x")
    assert own.settings == (
        ("/sys/kernel/mm/lru_gen/enabled", "y"),
        ("/sys/kernel/mm/lru_gen/min_ttl_ms", "1000"),
    )
    assert change(Setup(), builtin()["file-cache-single"].set, "x").module == Module("cache", "single")
    assert change(Setup(), builtin()["earlyoom"].set, "x").packages == ("earlyoom",)


def test_variations_on_the_command_line() -> None:
    assert parse("zram") is builtin()["zram"]
    one = parse(
        "mine:root.block_kib=4,vm.panic_on_oom=1,module.file=cache,kernel_args=a=b;c,canary_mlock=true,seconds=12.5"
    )
    assert one.name == "mine"
    own = change(Setup(), one.set, "mine")
    assert own.root.block_kib == 4
    assert own.settings == (("/proc/sys/vm/panic_on_oom", "1"),)
    assert own.module == Module("cache", "percpu")
    assert own.kernel_args == ("a=b", "c")
    assert own.canary_mlock
    assert own.seconds == 12.5
    assert change(Setup(), parse("x:kernel=debian:6.12").set, "x").kernel == "debian:6.12"


def test_a_value_may_be_taken_away() -> None:
    rebuilt = Setup(module=Module("cache"))
    assert change(rebuilt, {"module": "none"}, "x").module is None
    assert change(Setup(init="/sbin/init"), {"init": "none"}, "x").init is None


def test_two_variations_together() -> None:
    both = parse("min_ttl_ms=1000+zram")
    assert both.name == "min_ttl_ms=1000+zram"
    assert both.since == "6.1"
    own = change(Setup(), both.set, "x")
    assert own.zram_mib == 32
    assert len(own.settings) == 2


def test_settings_are_added_and_replaced() -> None:
    base = Setup(settings=(("/proc/sys/vm/panic_on_oom", "0"), ("/proc/sys/vm/swappiness", "10")))
    own = change(base, {"vm.panic_on_oom": True}, "x")
    assert own.settings == (("/proc/sys/vm/panic_on_oom", "1"), ("/proc/sys/vm/swappiness", "10"))
    assert change(base, {"settings": [["/sys/a", 1]]}, "x").settings == (("/sys/a", "1"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("zramm", ["zramm", "no such variation", "zram", "ext4"]),
        ("x:", ["NAME:field=value"]),
        ("x:zram_mib", ["NAME:field=value"]),
        (":zram_mib=1", ["NAME:field=value"]),
        ("x:root.blok=4", ["variation x: no field root.blok", "root.block_kib", "root.compressor"]),
        ("x:blok=4", ["no field blok", "room_mib", "root.*", "/proc/sys/*"]),
        ("x:root=4", ["no field root;"]),
        ("x:root.block_kib=four", ["root.block_kib", "expected `int`"]),
        ("x:root.block_kib=5", ["root.block_kib = 5: must be one of 4, 8, 16"]),
        ("x:root.fs=btrfs", ["root.fs = btrfs: must be one of squashfs, ext4, erofs, tmpfs"]),
        ("x:root.compressor=zst", ["must be one of lz4"]),
        ("x:module.file=catch", ["must be one of direct, cache"]),
        ("x:workload.kind=fork", ["must be one of churn"]),
        ("x:arch=sparc", ["must be one of x86_64, arm64"]),
        ("x:emulator.cpus=0", ["emulator.cpus = 0: must be 1 to 64"]),
        ("x:seconds=nan", ["seconds = nan"]),
        ("x:oom_score_adj=2000", ["-1000 to 1000"]),
        ("x:canary_mlock=maybe", ["canary_mlock", "bool"]),
        ("x:/etc/passwd=1", ["no field /etc/passwd"]),
        ("x:/sys/../etc/passwd=1", ["files below /proc/sys or /sys"]),
        ("x:settings=a", ["settings must be a list"]),
    ],
)  # fmt: skip
def test_nonsense_is_said_in_one_line(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        plan(Setup(), variations=[parse(text)])
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_plan_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(EXAMPLE)
    found = read(file)
    assert (found.runs, found.seed) == (7, 3)
    assert [row.title for row in found.kernels] == ["debian:5.10", "debian:6.1", "ours"]
    assert [one.name for one in found.variations] == ["stock", "zram", "min_ttl_ms=1000", "small", "polite"]
    assert (found.base.seconds, found.base.workload.programs) == (30.0, 4)
    own = setup(found, found.kernels[2], found.variations[4])
    assert (own.kernel, own.modules, own.emulator.memory_mib, own.root.fs) == (
        "boot/bzImage",
        "boot/modules",
        256,
        "erofs",
    )
    assert own.settings == (("/proc/sys/vm/min_free_kbytes", "8192"),)
    assert setup(found, found.kernels[1], found.variations[3]).root.block_kib == 4
    assert setup(found, found.kernels[0], found.variations[0]).kernel == "debian:5.10"


def test_a_variation_that_does_not_apply() -> None:
    ttl, old = builtin()["min_ttl_ms=1000"], Variation("old", until="6.1")
    assert why_not(Kernel("debian:5.10"), ttl) == "does not apply: only from Linux 6.1 on"
    assert why_not(Kernel("debian:6.1"), ttl) is None
    assert why_not(Kernel("debian:6.12"), ttl) is None
    assert why_not(Kernel("debian:6.1"), old) == "does not apply: only before Linux 6.1"
    assert why_not(Kernel("boot/bzImage"), ttl) is None, "not known, so it is tried"
    assert why_not(Kernel("boot/bzImage", version="5.15"), ttl) is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runs = 0", "runs = 0: must be 1 to 1000"),
        ("runs = 'x'", "runs"),
        ("rums = 1", "rums"),
        ("[", "not a plan"),
        ("variations = ['zram', 'zram']", "zram: this variation is given twice"),
        ("kernels = ['debian:6.1', 'debian:6.1']", "debian:6.1: this kernel is given twice"),
        ("[base]\nroom = 3", "base: no field room"),
        ("[[variation]]\nwhy = 'x'", "name"),
        ("[[kernel]]\nkernel = 'x'\n[kernel.set]\nrooom_mib = 1", "kernel x: no field rooom_mib"),
        ("\xff", "not a plan"),
    ],
)
def test_a_bad_plan_is_said_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError) as error:
        read(file)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(file))


def test_a_plan_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read it"):
        read(tmp_path / "none.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(UserError, match="larger than 1 MiB"):
        read(tmp_path / "large.toml")
    with pytest.raises(UserError, match="more than 1000 cells"):
        plan(Setup(), [Kernel(str(n)) for n in range(40)], [Variation(str(n)) for n in range(40)])
