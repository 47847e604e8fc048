"""From a part of a capture to as many different logs as are wanted: a template, filled in.

What tells one machine from another is changed, the same thing in the same way all through a log: pids, addresses, registers, the
names of programs, the time since boot, and what stands before each line.  Everything else is as it was captured.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import msgspec

STAMP = re.compile(rb"(?:<\d{1,3}>)?\[ *(\d+)\.(\d{6})\](\[ *[TC]\d+\])? ?")

_PROGRAMS = frozenset(
    "h sh touch mkdir cat exe busybox canary init run ps dd sleep ramswap.sh malloc apt-get e1 e2 e3 e4 e5 e6 e7 e8 "
    "churn1 churn2 churn3 churn4 churn5 churn6 churn7 churn8 churn9".split()
)
"""The captures' own programs."""
NAMES = (
    "camd mediasrv nginx dnsmasq mosquitto app-main ui-shell logrotate hostapd netifd snapd python3 node java chromium ffmpeg gst-launch "
    "upgraded telemetryd sensord bluetoothd dropbear avahi-daemon udhcpc procd rpcd uhttpd dockerd containerd influxd collectd ntpd "
    "wpa_supplicant pppd smbd nmbd cupsd weston Xorg kiosk qtapp plcd mqttd otad"
).split()

_TASK = re.compile(
    rb"task:(?P<comm>\S+)(?P<fill> *) state|pid:(?P<reapedpid>\d+) \((?P<reaped>[^)]+)\)|pid:(?P<lead> *)(?P<pid>\d+)(?P<pidfill> *)|"
    rb"\[(?P<tablefill> *)(?P<table>\d+)\] +\d+(?P<tgidfill> +)(?P<tgid>\d+) |"
    rb"\btask (?P<hung>[^:\s]+):(?P<hungpid>\d+)|PID: (?P<cpupid>\d+)(?: UID: \d+)? Comm: (?P<cpucomm>\S+)|"
    rb"[Pp]rocess (?P<killedpid>\d+) \((?P<killed>[^)]+)\)|"
    rb"task=(?P<victim>[^,]+),pid=(?P<victimpid>\d+)|^(?P<invoker>\S+)(?: invoked oom-killer|: page allocation failure)|"
    rb"(?<![\w/])(?P<name>[a-z][\w.-]*)/(?P<namepid>\d+)(?![\w/.]|:\d)|\bT(?P<caller>\d+)\]|"
    rb"^(?P<oldcomm>\S+)(?P<oldfill> +)(?:\[\d\] )?[DRSTZ] \[?[0-9a-f]{8,16}\]?(?: [0-9a-f]{8})? +\d+ +(?P<oldpid>\d+)|"
    rb"(?<=[ \d]0 )(?P<last>[a-z]\S*)$|(?<=-1000 )(?P<lastsafe>[a-z]\S*)$"
)
_ADDRESS = re.compile(rb"(?<![0-9a-fx+/.-])(?:[0-9a-f]{16}|(?=\d*[a-f])[0-9a-f]{8})(?![0-9a-f.kK-])")
_COMMS = (
    "comm",
    "reaped",
    "hung",
    "cpucomm",
    "killed",
    "victim",
    "invoker",
    "name",
    "oldcomm",
    "last",
    "lastsafe",
)
_PIDS = {"pid": "pidfill", "table": "tablefill", "tgid": "tgidfill"} | dict.fromkeys(
    ("reapedpid", "hungpid", "cpupid", "killedpid", "victimpid", "namepid", "oldpid", "caller"), ""
)
"""Groups with a pid, and the group with the blanks before or behind it."""
_WILD = 0x0FFFF000
"""Bits of an address that are changed: the page within the area it belongs to."""


class Slot(msgspec.Struct, frozen=True):
    """A place in a template: what comes there."""

    kind: str
    """pid, comm, address."""
    value: int
    """The captured pid or address, or the number of the program's name."""


class Line(msgspec.Struct, frozen=True):
    """A line of a template: a format for its slots."""

    time: int | None
    """Microseconds since boot; None for what a program printed."""
    caller: bytes
    text: bytes
    slots: tuple[Slot, ...]


class Framing(msgspec.Struct, frozen=True):
    """How a line is kept where the log comes from."""

    name: str
    share: int
    """Of a hundred logs."""
    before: bytes
    """Printed with what `fields` names."""
    fields: tuple[str, ...]
    """wall: date and time, as `date` formats it; s, us: since boot; all: microseconds since boot; n: number of the line."""
    date: str = ""
    after: bytes = b"\n"
    head: bytes = b""
    plain: bool = True
    """What programs print on the console is in it."""


FRAMINGS = (
    Framing("console", 40, b"[%5d.%06d]", ("s", "us")),
    Framing("console-crlf", 8, b"[%5d.%06d]", ("s", "us"), after=b"\r\n"),
    Framing("kmsg-level", 8, b"<6>[%5d.%06d]", ("s", "us"), plain=False),
    Framing("ramoops", 10, b"<6>[%5d.%06d]", ("s", "us"), head=b"Oops#1 Part1\n", plain=False),
    Framing("syslog", 14, b"%b HOST kernel: [%5d.%06d]", ("wall", "s", "us"), "%b %e %H:%M:%S", plain=False),
    Framing("journal", 8, b"%b HOST kernel:", ("wall",), "%b %d %H:%M:%S", plain=False),
    Framing("rsyslog-iso", 6, b"%b HOST kernel: [%5d.%06d]", ("wall", "s", "us"), "%Y-%m-%dT%H:%M:%S+00:00", plain=False),
    Framing("netconsole", 6, b"6,%d,%d,-;", ("n", "all"), plain=False),
)  # fmt: skip


class Template:
    """A part of a capture, cut into lines and slots."""

    def __init__(self, lines: list[bytes]) -> None:
        texts = [(STAMP.match(line), line) for line in lines]
        bare = [(stamp, line[stamp.end() :] if stamp else line) for stamp, line in texts]
        pids = {pid for _, line in bare for pid in _user_pids(line)}
        self.comms: dict[bytes, int] = {}
        self.lines: list[Line] = []
        for stamp, line in bare:
            time = int(stamp[1]) * 1_000_000 + int(stamp[2]) if stamp else None
            text, slots = self._cut(line, pids)
            self.lines.append(Line(time, (stamp[3] or b"") if stamp else b"", text, slots))
        times = [line.time for line in self.lines if line.time is not None]
        self.first = times[0] if times else 0

    def _cut(self, line: bytes, pids: set[int]) -> tuple[bytes, tuple[Slot, ...]]:
        found: list[tuple[int, int, bytes, Slot]] = []
        for match in _TASK.finditer(line):
            for group in _COMMS:
                name = match[group]
                if name is not None and name.decode("latin-1") in _PROGRAMS:
                    number = self.comms.setdefault(name, len(self.comms))
                    fill = {"comm": "fill", "oldcomm": "oldfill"}.get(group)
                    end = match.end(fill) if fill else match.end(group)
                    width = b"%%-%db" % (end - match.start(group)) if fill else b"%b"
                    found.append((match.start(group), end, width, Slot("comm", number)))
            for group, fill in _PIDS.items():
                if match[group] is None or (int(match[group]) not in pids):
                    continue
                start, end, width = match.start(group), match.end(group), b"%d"
                if fill == "pidfill":  # up to 6.1 printed to the right, since then to the left
                    start, end = match.start("lead"), match.end(fill) if not match["lead"] else end
                    width = b"%%%s%dd" % (b"" if match["lead"] else b"-", end - start)
                elif fill:
                    start = match.start(fill)
                    width = b"%%%dd" % (end - start)
                found.append((start, end, width, Slot("pid", int(match[group]))))
        for match in _ADDRESS.finditer(line):
            value = int(match[0], 16)
            if 0x10000 <= value < (1 << 4 * len(match[0])) - 0x10000:
                found.append((*match.span(), b"%%0%dx" % len(match[0]), Slot("address", value)))
        found.sort(key=lambda one: one[:2])
        text, slots, at = [], [], 0
        for start, end, width, slot in found:
            if start < at:
                continue
            text += [line[at:start].replace(b"%", b"%%"), width]
            slots.append(slot)
            at = end
        text.append(line[at:].replace(b"%", b"%%"))
        return b"".join(text), tuple(slots)


def _user_pids(line: bytes) -> set[int]:
    """Pids that stand beside the name of a program of the captures."""
    found = set()
    for match in _TASK.finditer(line):
        name = next((match[group] for group in _COMMS if match[group] is not None), b"")
        if name.decode("latin-1") not in _PROGRAMS:
            continue
        found |= {int(match[group]) for group in _PIDS if match[group] is not None}
        if match["comm"] is not None:
            found |= {int(one) for one in re.findall(rb" pid: *(\d+)", line)}
        if match["last"] is not None or match["lastsafe"] is not None:
            found |= {int(one) for one in re.findall(rb"^\[ *(\d+)\]", line)}
    return found - {0, 1}


class Filled:
    """A template in a framing, ready to be printed many times."""

    def __init__(self, template: Template, framing: Framing, banner: Line | None = None) -> None:
        self.framing = framing
        self.template = template
        self.plan: list[tuple[int | None, tuple[tuple[str, int], ...]]] = []
        formats = [framing.head]
        caller = framing.name.startswith("console")
        for number, line in enumerate(([banner] if banner else []) + template.lines):
            slots = tuple((slot.kind, slot.value) for slot in line.slots)
            if line.time is None:
                if not framing.plain and line.text.strip():
                    continue
                self.plan.append((None, slots))
                formats.append(line.text + framing.after)
                continue
            space = b"" if framing.name == "netconsole" else b" "
            self.plan.append((0 if line is banner else line.time, slots))
            formats.append(
                framing.before
                + (line.caller if caller and number else b"")
                + space
                + line.text
                + framing.after
            )
        self.format = b"".join(formats)

    def print(self, rng: random.Random, host: bytes, since: int, wall: Callable[[int], bytes]) -> bytes:
        """One log.  `since`: microseconds since boot at which the part begins; `wall`: from microseconds since boot to a date."""
        shift = since - self.template.first
        pids = rng.randrange(180, 28000)
        mask = rng.getrandbits(28) & _WILD
        names = rng.sample(NAMES, min(len(self.template.comms), len(NAMES)))
        comms = [name.encode() for name in names]
        fields = self.framing.fields
        values: list[int | bytes] = []
        number = rng.randrange(300, 90000)
        for time, slots in self.plan:
            if time is not None:
                time = time + shift if time else 0
                for field in fields:
                    if field == "s":
                        values.append(time // 1_000_000)
                    elif field == "us":
                        values.append(time % 1_000_000)
                    elif field == "wall":
                        values.append(wall(time))
                    elif field == "all":
                        values.append(time)
                    else:
                        values.append(number)
                number += 1
            for kind, value in slots:
                if kind == "address":
                    values.append(value ^ mask)
                elif kind == "pid":
                    values.append(value + pids)
                else:
                    values.append(comms[value % len(comms)])
        log = self.format % tuple(values)
        return log.replace(b"HOST", host) if "wall" in fields else log
