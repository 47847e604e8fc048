"""lab.conf: its words come back as the guest reads them, and its directives come in an order that works."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unkillable.errors import UserError
from unkillable.lab import labconf, run
from unkillable.lab.setup import Root, Setup, Workload

GUEST = Path(labconf.__file__).parent / "guest"


def split(line: str) -> list[str]:
    """Words as docs/dev/lab.md defines them."""
    return [
        re.sub(r"\\(.)", r"\1", quoted) if whole.startswith('"') else whole
        for whole, quoted in re.findall(r'("((?:[^"\\]|\\.)*)"|[^ \t\r"][^ \t\r]*)(?:[ \t\r]+|$)', line)
    ]


def directives(setup: Setup, *modules: str) -> list[list[str]]:
    text = labconf.lines(setup, "/dev/ttyS1", modules)
    assert text.endswith("\n")
    return [split(line) for line in text.splitlines()]


WORDS = st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(st.lists(WORDS | st.text('\\" \tx\r', max_size=8), min_size=1, max_size=6))
def test_words_come_back(words: list[str]) -> None:
    assert split(" ".join(map(labconf.quote, words))) == words


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """The guest's own reader, compiled for this machine."""
    if shutil.which("gcc") is None or not (GUEST / "conf.c").exists():
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("conf")
    (folder / "main.c").write_text(
        '#include "watcher.h"\n#include <stdio.h>\n'
        "static char line[1 << 16], *words[WORDS];\n"
        "int main(void) { int n; if (fread(line, 1, sizeof(line) - 1, stdin) == 0) return 3;\n"
        "n = split(line, words); if (n < 0) return 2;\n"
        'for (int i = 0; i < n; i++) printf("%s%c", words[i], 0); return 0; }\n'
    )
    subprocess.run(
        ["gcc", "-I", GUEST, "-o", folder / "conf", folder / "main.c", GUEST / "conf.c"],
        check=True,
        timeout=60,
    )

    def read(line: str) -> list[str]:
        shown = subprocess.run(
            [folder / "conf"], input=line.encode(), capture_output=True, check=True, timeout=10
        ).stdout
        return [word.decode() for word in shown.split(b"\0")[:-1]]

    return read


def test_the_guest_reads_the_same_words(reader: Callable[[str], list[str]]) -> None:
    words = ["run", "", "a b", '"', '\\"', "\\", 'a"b', "\tx\r", "x\\y z", "ü", '"x y"', "=", " "]
    assert reader(" ".join(map(labconf.quote, words))) == words
    assert split(" ".join(map(labconf.quote, words))) == words
    with pytest.raises(subprocess.CalledProcessError):
        reader('run "open')


def test_the_guest_has_room_for_what_is_allowed(reader: Callable[[str], list[str]]) -> None:
    assert len(reader(" ".join(["x"] * labconf.MAX_WORDS))) == labconf.MAX_WORDS
    with pytest.raises(subprocess.CalledProcessError):
        reader(" ".join(["x"] * (labconf.MAX_WORDS + 1)))
    header = (GUEST / "watcher.h").read_text()
    assert f"PROGRAMS = {labconf.MAX_PROGRAMS}" in header
    watcher = (GUEST / "init.c").read_text()
    assert f"CONF = {labconf.MAX_TEXT + 1}" in watcher
    assert f"%{labconf.MAX_INIT}s" in watcher
    known = set(re.findall(r'\{ "(\w+)", \d', watcher))
    blind = msgspec.structs.replace(EVERYTHING, blind=True)
    used = {directive[0] for setup in (EVERYTHING, blind) for directive in directives(setup, "zram.ko")}
    assert used == known


def test_the_usual_run() -> None:
    setup = Setup(workload=Workload(programs=2))
    assert labconf.lines(setup, "/dev/ttyS1", ("virtio_blk.ko", "squashfs.ko")) == (
        "port /dev/ttyS1\n"
        "module /mods/virtio_blk.ko\n"
        "module /mods/squashfs.ko\n"
        "speed\n"
        "trace\n"
        "root squashfs /dev/vda\n"
        "canary 1000 0 plain /bin/canary once\n"
        "run churn1 0 5000 /bin/churn1 4 1 2020\n"
        "run churn2 0 5000 /bin/churn2 4 1 2022\n"
        "room 65536\n"
        "go\n"
    )
    assert labconf.PERIOD_MS == run.PERIOD * 1000


EVERYTHING = Setup(
    root=Root(fs="ext4"),
    workload=Workload(kind="hog", programs=1, restart_s=0.25),
    settings=(
        ("/sys/fs/cgroup/workload/memory.high", "1000000"),
        ("/proc/sys/vm/min_free_kbytes", "8192"),
        ("/sys/block/zram0/comp_algorithm", "zstd"),
        ("/proc/sys/kernel/core_pattern", "|/bin/x y"),
    ),
    zram_mib=64,
    cgroup_mib=80,
    canary=("/bin/sh", "-c", "echo hello"),
    canary_mlock=True,
    oom_score_adj=-500,
    daemons=("/usr/bin/earlyoom -m 10 -p 'a b'",),
    init="/sbin/init",
    read_back=True,
    room_mib=32,
)


def test_everything_at_once_comes_in_an_order_that_works() -> None:
    assert directives(EVERYTHING, "zram.ko") == [
        ["port", "/dev/ttyS1"],
        ["module", "/mods/zram.ko"],
        ["speed"],
        ["write", "/sys/block/zram0/comp_algorithm", "zstd"],
        ["zram", "65536"],
        ["write", "/proc/sys/vm/min_free_kbytes", "8192"],
        ["write", "/proc/sys/kernel/core_pattern", "|/bin/x y"],
        ["trace"],
        ["root", "ext4", "/dev/vda"],
        ["init", "/sbin/init"],
        ["readback"],
        ["daemon", "/usr/bin/earlyoom", "-m", "10", "-p", "a b"],
        ["canary", "1000", "30000", "mlock", "/bin/sh", "-c", "echo hello"],
        ["cgroup", "81920"],
        ["write", "/sys/fs/cgroup/workload/memory.high", "1000000"],
        ["run", "hog1", "-500", "250", "/bin/hog1"],
        ["room", "32768"],
        ["go"],
    ]


def test_the_control_without_a_disk_has_its_root_in_the_initramfs() -> None:
    assert ["root", "tmpfs", "-"] in directives(Setup(root=Root(fs="tmpfs")))


def test_no_room_is_made_where_none_is_asked_for() -> None:
    words = [directive[0] for directive in directives(Setup(room_mib=0))]
    assert "room" not in words
    assert "zram" not in words
    assert "cgroup" not in words


@pytest.mark.parametrize(
    ("workload", "names"),
    [
        (Workload(programs=3), ["churn1", "churn2", "churn3"]),
        (Workload(kind="mix", programs=4), ["churn1", "hog2", "churn3", "hog4"]),
        (Workload(kind="threads", programs=1), ["churn1"]),
        (Workload(kind="command", command=("/bin/a", "b")), ["command"]),
    ],
)
def test_programs(workload: Workload, names: list[str]) -> None:
    found = labconf.programs(workload)
    assert [who for who, _ in found] == names
    assert all(argv[0] == f"/bin/{who}" or workload.kind == "command" for who, argv in found)


def test_threads_are_at_least_two_and_seeds_differ_beyond_the_lowest_bit() -> None:
    found = labconf.programs(Workload(kind="threads", programs=64, seed=2**40))
    assert {argv[2] for _, argv in found} == {"2"}
    seeds = [int(argv[3]) for _, argv in found]
    assert len({seed | 1 for seed in seeds}) == 64
    assert all(0 <= seed < 2**31 for seed in seeds), "a long of 32 bits holds it"
    assert labconf.programs(Workload(seed=1)) != labconf.programs(Workload(seed=2))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"settings": (("vm.panic_on_oom", "1"),)}, "below /proc/sys or /sys"),
        ({"settings": (("/etc/passwd", "1"),)}, "below /proc/sys or /sys"),
        ({"settings": (("/sys/../etc/passwd", "1"),)}, "below /proc/sys or /sys"),
        ({"settings": (("/proc/sys/vm/x", "1\ngo"),)}, "line break"),
        ({"daemons": ("/bin/x 'open",)}, "no command line"),
        ({"daemons": ("earlyoom",)}, "path of a program"),
        ({"daemons": ("",)}, "path of a program"),
        ({"canary": ("/bin/x", "a\0b")}, "NUL"),
        ({"canary": ("/bin/x",) * 70}, "canary: 73 words"),
        ({"settings": (("/proc/sys/a", "x" * 2000),) * 40}, "the guest takes 65535"),
        ({"init": "/sbin/" + "x" * 255}, "at most 255"),
        ({"init": "/my init"}, "without blanks"),
        ({"init": "init"}, "a path in the image"),
        ({"oom_score_adj": 1001}, "-1000 to 1000"),
        ({"zram_mib": -1}, "zram_mib -1"),
        ({"room_mib": -1}, "room_mib -1"),
        ({"cgroup_mib": -1}, "cgroup_mib -1"),
        ({"workload": Workload(programs=0)}, "1 to 64"),
        ({"workload": Workload(programs=65)}, "1 to 64"),
        ({"workload": Workload(kind="command")}, "needs a command"),
        ({"workload": Workload(kind="crunch")}, "no such workload"),
        ({"workload": Workload(restart_s=-1)}, "restart_s"),
    ],
)
def test_what_the_guest_could_not_do_is_refused(change: dict[str, object], complaint: str) -> None:
    labconf.lines(Setup(), "/dev/ttyS1")
    with pytest.raises(UserError, match=re.escape(complaint)):
        labconf.lines(msgspec.structs.replace(Setup(), **change), "/dev/ttyS1")
