"""The table of framings. A new one is a row here and a sample in tests/samples/framing.

Patterns are bounded repetitions of character classes that do not overlap, so that matching is linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from unkillable.klog import clock
from unkillable.klog.common import ALONE, DATE, DAY, MONTH, TIME
from unkillable.klog.framing import EXTRA, LOG, PRINTK, WRAPPER, Line, Row, by_stage

LEVELS = {
    "emerg": 0, "panic": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warn": 4, "warning": 4, "notice": 5,
    "info": 6, "debug": 7,
}  # fmt: skip
_LOGCAT = {"V": 7, "D": 7, "I": 6, "W": 4, "E": 3, "F": 2, "S": 7}

_PRINTK_AHEAD = r"(?=(?:<\d{1,3}>)?\[ {0,8}\d{1,10}\.\d{6}[\],])"
_FACILITY = (
    "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]|ntp|security|console"
)
_SEVERITY = "emerg|panic|alert|crit|err|error|warn|warning|notice|info|debug"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|GMT)| ?[+-]\d\d:?\d\d)?"
_HOST = r"(?P<host>[\w.\-/@]{1,255}(?::[0-9a-f:]{1,60})?)"
_TAG = r"(?P<tag>[^\s:\[\]<>]{1,64})(?P<pid>\[[\w.]{0,12}\])?:(?: |$)"
_KERNEL = r"[A-Za-z][\w.-]{0,60} kernel: "
_DIGITS = "0123456789"
_MONTHS = "JFMASOND"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _level(text: str | None) -> int | None:
    """`<30>`: facility * 8 + level."""
    if text is None:
        return None
    number = int(text)
    return number & 7 if number < 192 else None


def _seconds(m: re.Match[str], line: Line) -> bool:
    line.time = float(m[1])
    line.kernel = True  # relayed by a program (a netconsole receiver, klogd under another name) or not
    return True


def _printk(m: re.Match[str], line: Line) -> bool:
    line.time = float(m[2])
    line.kernel = True
    if m[1] is not None:
        line.level = _level(m[1])
    if m.lastindex is not None and m.lastindex > 2:
        line.caller = m[4] or (f"C{m[3]}" if m[3] else None)
    return True


def _caller(m: re.Match[str], line: Line) -> bool:
    line.caller = m[1]
    return True


def _vendor(m: re.Match[str], line: Line) -> bool:
    pid = m.groupdict().get("pid")
    line.caller = f"T{pid}" if pid and pid != "0" else f"C{m['cpu']}"
    return True


def _only_level(m: re.Match[str], line: Line) -> bool:
    line.level = _level(m[1])
    return True


def _delta(m: re.Match[str], line: Line) -> bool:
    line.time = float(m[1])
    return True


def _human_time(m: re.Match[str], line: Line) -> bool:
    line.wall = clock.syslog(f"{m[2]} {m[1]}")
    line.caller = m[3]
    return True


def _decoded_priority(m: re.Match[str], line: Line) -> bool:
    line.level = LEVELS.get(m[2])
    line.kernel = m[1] == "kern"
    return True


def _kmsg(m: re.Match[str], line: Line) -> bool:
    priority = int(m[1])
    line.level = priority & 7
    line.kernel = priority < 8
    line.time = int(m[2]) / 1e6
    line.caller = m[3]
    return True


def _nothing(m: re.Match[str], line: Line) -> bool:
    return True


def _drop(m: re.Match[str], line: Line) -> bool:
    line.drop = True
    return True


def _boot_mark(m: re.Match[str], line: Line) -> bool:
    line.drop = True
    line.mark = m[1] or ""
    return True


def _header(wall: Callable[[str], float | None]) -> Callable[[re.Match[str], Line], bool]:
    """A logger's header with date, host and tag."""

    def read(m: re.Match[str], line: Line) -> bool:
        return _tagged(m, line, wall(m["date"]))

    return read


def _tagged(m: re.Match[str], line: Line, wall: float | None) -> bool:
    fields = m.groupdict()
    tag, host = m["tag"], fields.get("host")
    kernel = tag in ("kernel", "vmunix") or fields.get("facility") == "kern"
    if kernel or fields.get("pid") or fields.get("facility"):
        line.host = host
    elif host is None or host != line.host:
        return False  # `Jan  1 00:00:00 usb 1-1: new device`: a time in front of a message, not a header
    line.wall = wall
    line.kernel = kernel
    if fields.get("severity"):
        line.level = LEVELS.get(m["severity"])
    elif fields.get("pri"):
        line.level = _level(m["pri"])
    return True


def _monotonic(m: re.Match[str], line: Line) -> bool:
    if not _tagged(m, line, None):
        return False
    line.time = float(m["time"])
    return True


def _unix(m: re.Match[str], line: Line) -> bool:
    return _tagged(m, line, float(m["date"]))


def _rfc5424(m: re.Match[str], line: Line) -> bool:
    priority = int(m[1])
    line.level = priority & 7
    line.kernel = m[4] == "kernel" or (priority < 8 and m[4] == "-")
    line.host = m[3]
    line.wall = clock.iso(m[2])
    return True


def _logcat_kernel(m: re.Match[str], line: Line) -> bool:
    line.wall = clock.iso(f"{_this_year()}-{m[1]}") if m[1] else None
    line.level = _LOGCAT.get(m[2])
    return True


def _logcat(m: re.Match[str], line: Line) -> bool:
    _logcat_kernel(m, line)
    line.kernel = m[3].strip() == "kernel"
    return True


def _this_year() -> int:
    from datetime import UTC, datetime

    return datetime.now(UTC).year


def _wall_iso(m: re.Match[str], line: Line) -> bool:
    line.wall = clock.iso(m[1])
    return True


def _wall_syslog(m: re.Match[str], line: Line) -> bool:
    line.wall = clock.syslog(m[1])
    return True


def _ramoops(m: re.Match[str], line: Line) -> bool:
    line.wall = float(m[1])
    line.drop = True
    return True


def _row(
    name: str,
    stage: int,
    begins: str,
    pattern: str,
    read: Callable[[re.Match[str], Line], bool],
    repeats: bool = False,
    form: str | None = None,
    alone: str | None = None,
) -> Row:
    single = re.compile(alone, re.ASCII) if alone is not None else None
    return Row(name, stage, begins, re.compile(pattern, re.ASCII), read, repeats, form, single)


# fmt: off
ROWS: tuple[Row, ...] = (
    # --- lines that are framing themselves
    _row("journal", WRAPPER, "-", r"-- Boot ([0-9a-f]{32})(?: \([^)]{0,64}\))? --\s*$", _boot_mark),  # since 246
    _row("journal", WRAPPER, "-", r"-- (Reboot) --\s*$", _boot_mark),
    _row("journal", WRAPPER, "-", r"-- (?:Logs begin|Journal begins|No entries|cursor:).*$", _drop),
    _row("pstore", WRAPPER, "=", r"====(\d{1,12}\.\d{1,9})-[A-Z]\s*$", _ramoops),  # RAMOOPS_KERNMSG_HDR
    _row("pstore", WRAPPER, "OPUESHRL", r"(?:Oops|Panic|Unknown|Emergency|Shutdown|Halt|Restart|Poweroff|Lockup)"
         r"#\d{1,9} Part\d{1,9}\s*$", _drop),  # pstore_dump()
    # --- loggers' headers
    _row("rfc5424", LOG, "<", rf"<(\d{{1,3}})>1 ({_ISO}|-) (\S{{1,255}}) (\S{{1,48}}) \S{{1,128}} \S{{1,32}} "
         r"(?:-|(?:\[[^\]]{0,1024}\]){1,8})(?: {1,2}(?=<?\d?>?\[)| \ufeff?|$)", _rfc5424),
    _row("syslog", LOG, "<" + _MONTHS, rf"(?:<(?P<pri>\d{{1,3}})>)?(?P<date>{MONTH} [ \d]\d \d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?"
         rf"(?: \d{{4}})?) (?:(?!kernel:){_HOST} )?(?:(?P<facility>{_FACILITY})\.(?P<severity>{_SEVERITY}) )?{_TAG}",
         _header(clock.syslog), form=rf"{DATE} {_KERNEL}"),
    _row("logread", LOG, "MTWFS", rf"{DAY} (?P<date>{MONTH} [ \d]\d \d\d:\d\d:\d\d \d{{4}})"
         rf"(?: {_HOST})? (?P<facility>{_FACILITY})\.(?P<severity>{_SEVERITY}) {_TAG}", _header(clock.syslog)),
    _row("iso-syslog", LOG, "<" + _DIGITS, rf"(?:<(?P<pri>\d{{1,3}})>)?(?P<date>{_ISO}) {_HOST} {_TAG}", _header(clock.iso),
         form=rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,9}})?(?:Z|[+-]\d\d:\d\d)? {_KERNEL}"),
    _row("journal-full", LOG, "MTWFS", rf"{DAY} (?P<date>\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})?) [A-Z]\S{{1,5}} "
         rf"{_HOST} {_TAG}", _header(clock.iso)),
    _row("journal-unix", LOG, _DIGITS, rf"(?P<date>\d{{9,10}}\.\d{{6}}) {_HOST} {_TAG}", _unix),
    _row("journal-monotonic", LOG, "[", rf"\[ {{0,8}}(?P<time>\d{{1,10}}\.\d{{6}})(?: <[^>]{{1,24}}>| {{10,30}})?\] "
         rf"{_HOST} {_TAG}", _monotonic),
    _row("journal-verbose", LOG, " ", r" {4}MESSAGE=", _nothing),
    _row("dmesg-decode", LOG, "kumdaslnfc", rf"({_FACILITY}) {{0,6}}:({_SEVERITY}) {{0,6}}: ", _decoded_priority),
    _row("logcat", LOG, _DIGITS, r"(?:\d{4}-)?(\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6})(?: [+-]\d{4})? {1,5}(?:root {1,5}|kernel {1,5})?"
         r"0 {1,5}\d{1,7} ([VDIWEFS]) (?:kernel {0,8}: )?", _logcat_kernel),
    _row("logcat", LOG, _DIGITS, r"(?:\d{4}-)?(\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,6})(?: [+-]\d{4})? {1,5}(?:[\w.]{1,24} {1,5})?"
         r"\d{1,7} {1,5}\d{1,7} ([VDIWEFS]) ([^:]{1,64}): ", _logcat),
    _row("logcat-brief", LOG, "VDIWEFS", r"()([VDIWEFS])/([^(:]{1,64})\( {0,6}\d{1,7}\): ", _logcat),
    # --- what a transport puts in front
    _row("dmesg-iso", WRAPPER, _DIGITS, r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:\d\d) ", _wall_iso),
    _row("bom", WRAPPER, "\ufeff", "\ufeff", _nothing, True),
    _row("quote", WRAPPER, ">|", rf"(?:[>|] ?){{1,16}}{_PRINTK_AHEAD}", _nothing, True),
    _row("quote", WRAPPER, ">|", rf"(?:[>|] ?){{1,16}}(?=(?:<\d{{1,3}}>)?{MONTH} [ \d]\d \d\d:)", _nothing, True),
    _row("quote", WRAPPER, ">|", r"(?:[>|] ){1,16}", _nothing, True),
    _row("indent", WRAPPER, " \t", rf"[ \t]{{1,40}}{_PRINTK_AHEAD}", _nothing, True),
    _row("indent", WRAPPER, " \t", rf"[ \t]{{1,40}}(?={MONTH} [ \d]\d \d\d:\d\d:\d\d \S{{1,255}} kernel:)", _nothing, True),
    _row("cri", WRAPPER, _DIGITS, rf"({_ISO}) (?:stdout|stderr) [FP] ", _wall_iso, True),
    _row("terminal-time", WRAPPER, "[", rf"\[({_ISO})\](?: |: |(?=[\[<]))", _wall_iso, True),
    _row("terminal-time", WRAPPER, "[", rf"\[{DAY} ({MONTH} [ \d]\d \d\d:\d\d:\d\d\.\d{{1,6}} \d{{4}})\] ", _wall_syslog, True),
    _row("terminal-time", WRAPPER, "[", r"\[\d\d:\d\d:\d\d(?:[.:,]\d{1,9})?\](?: |: |(?=[\[<]))", _nothing, True),
    _row("terminal-time", WRAPPER, _DIGITS, rf"({_ISO})(?:[:>|]| [:>|]| ->| -)?(?: |\t|(?=\[))", _wall_iso, True),
    _row("terminal-time", WRAPPER, _DIGITS, r"\d\d:\d\d:\d\d(?:[.:,]\d{1,9})?(?:[>|]| [>|]| ->)?(?: |\t|(?=\[))", _nothing, True),
    _row("ts", WRAPPER, _MONTHS, rf"({MONTH} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{{1,9}})?) ", _wall_syslog, True),
    _row("grabserial", WRAPPER, "[", r"\[ {0,5}\d{1,7}\.\d{6} {1,8}\d{1,7}\.\d{6}\] ?", _nothing, True),
    _row("labgrid", WRAPPER, _LETTERS, rf"[A-Za-z][\w@.:-]{{0,60}}[<>|] {_PRINTK_AHEAD}", _nothing, True),
    _row("grep", WRAPPER, _DIGITS + " \t", rf"[ \t]{{0,8}}\d{{1,9}}[:\t-] ?{_PRINTK_AHEAD}", _nothing, True),
    # --- dmesg and printk
    _row("kmsg", PRINTK, _DIGITS, r"(?:\d{1,2}\.\d{1,3}[\w.+~-]{0,64},)?(\d{1,4}),\d{1,20},(\d{1,18}),[-c+]"
         r"(?:,caller=([TC]\d{1,10})|,[^;,]{1,64}){0,8};", _kmsg),
    _row("dmesg-time", PRINTK, "<[", rf"(?:<\d{{1,3}}>)?\[{DAY} ({MONTH} [ \d]\d \d\d:\d\d:\d\d) (\d{{4}})\](?:\[ {{0,8}}"
         r"([TC]\d{1,10})\])? ?", _human_time),
    _row("dmesg-delta", PRINTK, "[", r"\[ {0,8}(\d{1,10}\.\d{6}) < {0,8}\d{1,10}\.\d{6} ?>\] ?", _delta),
    _row("dmesg-reltime", PRINTK, "[", r"\[ {0,8}\+ {0,8}\d{1,10}\.\d{6}\] ?", _nothing),
    _row("dmesg-reltime", PRINTK, "[", rf"\[{MONTH} ?[ \d]\d \d\d:\d\d\] ", _nothing),
    _row("printk", PRINTK, "[", r"\[ {0,12}(\d{1,12}\.\d{6})\](?! [\w.-]{1,64} kernel:)(?: (?: (?=[(\[]\d))?|(?!\[))(?!\[ {0,8}[TC]\d)",
         _seconds, form=TIME, alone=ALONE),  # most logs
    _row("printk", PRINTK, "<[", r"(?:\[\d{1,3}\] ?(?=<))?(?:<c\d{1,2}> ?)?(?:<(\d{1,3})> ?)?\[ {0,12}(\d{1,12}\.\d{6})"
         r"(?:,(\d{1,3}))?\](?! [\w.-]{1,64} kernel:)(?:\[ {0,8}([TC]\d{1,10})[^\]\n]{0,40}\])?(?: (?: (?=[(\[]\d))?)?", _printk,
         form=r"(?:<\d{1,3}>)?" + TIME),
    _row("printk-level", PRINTK, "<", r"<(\d{1,3})>", _only_level),
    _row("printk-level", PRINTK, "[", r"\[\d{1,3}\] ?<(\d)>", _only_level),
    # --- what stands behind printk's own prefix
    _row("caller", EXTRA, "[", r"\[ {0,8}([TC]\d{1,10})(?:@[^\]]{1,8})?\] ?", _caller),
    _row("level", EXTRA, "<", r"<([0-7])>(?! )", _only_level),  # KERN_* within a continued line, up to 3.4
    _row("cpu", EXTRA, "<", r"<c(?P<cpu>\d{1,2})> ?", _vendor),
    _row("samsung", EXTRA, "[IDWE", r"[IDWE]?\[(?P<cpu>\d{1,2}): {0,20}[^:\]]{1,24}: {0,8}(?P<pid>\d{1,7})\] ?", _vendor),
    _row("mediatek", EXTRA, "(-", r"-?\((?P<cpu>\d{1,2})\)\[(?P<pid>\d{1,7}):[^\]]{1,32}\]", _vendor),
    _row("spreadtrum", EXTRA, "c", r"c(?P<cpu>\d) {1,5}(?P<pid>\d{1,6}) (?:\([^)]{1,16}\) )?", _vendor),
)
# fmt: on

TABLE = by_stage(ROWS)
"""The rows as a Framer looks them up."""
