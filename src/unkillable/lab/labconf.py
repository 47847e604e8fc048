"""The text of /lab.conf: what the watcher in the guest is to do, in the order in which it works (docs/dev/lab.md)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from unkillable.errors import UserError
from unkillable.lab.setup import Setup, Workload

PERIOD_MS = 1000
"""Between two canaries."""
COMMAND_LIMIT_MS = 30_000
"""After which a canary of the user's is killed: a command that never ends is no freeze.  The lab's own always ends."""
DISK = "/dev/vda"
PLACE = "/bin"
"""Where the lab's programs are in an image that it built."""
MAX_WORDS = 63
"""Words of a line; this and the next are sizes of the watcher's buffers (guest/watcher.h, guest/init.c)."""
MAX_PROGRAMS = 64
MAX_TEXT = 65535
"""Bytes of the whole file."""
MAX_INIT = 255
"""Bytes of the path of an init, which the watcher reads before it takes the file apart: no quotes, no blanks."""

_BLANKS = " \t\r"
_EARLY = "/sys/block/zram"
"""A compressed RAM disk takes its compressor only before its size."""
_LATE = "/sys/fs/cgroup/"
"""The workload's control group exists only once it was asked for."""


def quote(word: str) -> str:
    """A word of a directive; in double quotes where it would not be taken for one word else."""
    if "\n" in word or "\0" in word:
        raise UserError(f"{word!r}: a line break or a NUL cannot be handed to the guest")
    if word and not word.startswith('"') and not any(blank in word for blank in _BLANKS):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


def programs(workload: Workload, place: str = PLACE) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(name, argument vector) of each program of a workload.  Built programs are files of that name in `place`; a command
    of the user's runs once."""
    if workload.kind == "command":
        if not workload.command:
            raise UserError("a workload of kind `command` needs a command")
        return (("command", workload.command),)
    if not 1 <= workload.programs <= MAX_PROGRAMS:
        raise UserError(f"{workload.programs} programs: the lab runs 1 to {MAX_PROGRAMS}")
    if workload.kind not in ("churn", "hog", "mix", "threads"):
        raise UserError(f"{workload.kind}: no such workload; known are churn, hog, mix, threads, command")
    numbers = range(1, workload.programs + 1)
    return tuple(_program(workload, number, place) for number in numbers)


def _program(workload: Workload, number: int, place: str) -> tuple[str, tuple[str, ...]]:
    if workload.kind == "hog" or (workload.kind == "mix" and number % 2 == 0):
        return f"hog{number}", (f"{place}/hog{number}",)
    threads = max(2, workload.threads) if workload.kind == "threads" else workload.threads
    # Generators whose seeds differ only in the lowest bit are the same (guest/churn.c), hence the factor.
    seed = (workload.seed * 1009 + number) * 2 % (1 << 31)
    argv = (f"{place}/churn{number}", str(workload.calls_per_page), str(threads), str(seed))
    return f"churn{number}", argv


def lines(setup: Setup, port: str, modules: Sequence[str] = (), disk: str = DISK, place: str = PLACE) -> str:
    """The directives of a setup.

    `port` is the device of the watcher's serial port; `modules` are the names of files in /mods, in the order in which they
    are loaded; `place` is the directory of the lab's programs in the image.
    """
    text = "".join(_line(directive) for directive in _directives(setup, port, modules, disk, place))
    if len(text.encode()) > MAX_TEXT:
        raise UserError(f"commands and settings of {len(text)} characters; the guest takes {MAX_TEXT}")
    return text


def _directives(
    setup: Setup, port: str, modules: Sequence[str], disk: str, place: str
) -> Iterable[tuple[str | int, ...]]:
    early, usual, late = _settings(setup)
    yield "port", port
    for name in modules:
        yield "module", f"/mods/{name}"
    # Before anything is set, so that it is of the machine and not of the variation.
    yield ("speed",)
    yield from early
    if setup.zram_mib:
        yield "zram", _positive("zram_mib", setup.zram_mib) * 1024
    # Before the room is made: vm.min_free_kbytes and the like change how much there is.
    yield from usual
    yield ("blind" if setup.blind else "trace",)
    yield ("root", "tmpfs", "-") if setup.root.fs == "tmpfs" else ("root", setup.root.fs, disk)
    if setup.init is not None:
        yield "init", _init(setup.init)
    if setup.read_back:
        yield ("readback",)
    for daemon in setup.daemons:
        yield "daemon", *_split(daemon)
    limit = COMMAND_LIMIT_MS if setup.canary else 0
    lock = "mlock" if setup.canary_mlock else "plain"
    # In an image without the lab's own program the watcher takes a shell.
    yield "canary", PERIOD_MS, limit, lock, *(setup.canary or (f"{place}/canary", "once"))
    # What is started after this directive belongs to the group: the workload, not the daemons.
    if setup.cgroup_mib:
        yield "cgroup", _positive("cgroup_mib", setup.cgroup_mib) * 1024
    yield from late
    yield from _runs(setup, place)
    if setup.room_mib:
        yield "room", _positive("room_mib", setup.room_mib) * 1024
    yield ("go",)


def _runs(setup: Setup, place: str) -> Iterable[tuple[str | int, ...]]:
    if not -1000 <= setup.oom_score_adj <= 1000:
        raise UserError(f"oom_score_adj {setup.oom_score_adj}: the kernel takes -1000 to 1000")
    restart = setup.workload.restart_s
    if not 0 <= restart < 1_000_000:
        raise UserError(f"restart_s {restart}: 0 to a million seconds")
    for who, argv in programs(setup.workload, place):
        yield "run", who, setup.oom_score_adj, round(restart * 1000), *argv


_Write = tuple[str, str, str]


def _settings(setup: Setup) -> tuple[list[_Write], list[_Write], list[_Write]]:
    """The files to write: before the swap disk is made, with the rest, and once the control group is there."""
    early: list[_Write] = []
    usual: list[_Write] = []
    late: list[_Write] = []
    for path, value in setup.settings:
        if not path.startswith(("/proc/sys/", "/sys/")) or ".." in path.split("/"):
            raise UserError(f"{path}: a setting is a file below /proc/sys or /sys")
        stage = early if path.startswith(_EARLY) else late if path.startswith(_LATE) else usual
        stage.append(("write", path, value))
    return early, usual, late


def _split(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"{command!r} is no command line: {error}") from None
    if not words or not words[0].startswith("/"):
        raise UserError(f"{command!r}: a command begins with the path of a program in the image")
    return words


def _init(path: str) -> str:
    if (
        not path.startswith("/")
        or len(path.encode()) > MAX_INIT
        or quote(path) != path
        or len(path.split()) != 1
    ):
        raise UserError(
            f"{path!r}: an init is a path in the image, without blanks, of at most {MAX_INIT} characters"
        )
    return path


def _positive(name: str, value: int) -> int:
    if not 0 < value < 1 << 21:
        raise UserError(f"{name} {value}: it must be positive and below 2 TiB")
    return value


def _line(directive: tuple[str | int, ...]) -> str:
    if len(directive) > MAX_WORDS:
        raise UserError(f"{directive[0]}: {len(directive) - 1} words; the guest takes {MAX_WORDS - 1}")
    return " ".join(quote(str(word)) for word in directive) + "\n"
