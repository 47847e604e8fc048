"""Rows for everything that kills to get memory back: the OOM killer, its reaper, and killers of other makes."""

from __future__ import annotations

import re

from unkillable.evidence.builder import Builder
from unkillable.evidence.numbers import before, integer, pid_number
from unkillable.evidence.oom_kill import CHOICE, KILLED, ChoiceSection, read_choice, read_kill
from unkillable.evidence.oom_report import HEAD, SUMMARY, OomSection
from unkillable.evidence.table import Format, Section
from unkillable.evidence.types import OomKill, OomReap
from unkillable.klog.record import Record

# 4.6 to 4.8 printed `shmem-rss:0lulB`.
_REAPED = re.compile(
    r"oom_reaper: reaped process (?P<pid>\d{1,10}) \((?P<comm>.{0,64}?)\),? ?(?:now )?anon-rss:(?P<anon>\d{1,15})kB"
    r"(?:, file-rss:(?P<file>\d{1,15})kB)?(?:, shmem-rss:(?P<shmem>\d{1,15})(?:kB|lulB))?"
)
_NOT_REAPED = re.compile(r"oom_reaper: unable to reap pid:(?P<pid>\d{1,10}) \((?P<comm>.{0,64}?)\)")
_PINNED = re.compile(
    r"oom killer (?P<pid>\d{1,10}) \((?P<comm>.{0,64}?)\) has mm pinned by (?P<by>\d{1,10}) \(.{0,64}?\)"
)
# Android's driver (drivers/staging/android/lowmemorykiller.c to 4.11); the first form is its oldest.
_LMK_OLD = re.compile(
    r"send sigkill to (?P<pid>\d{1,10}) \((?P<comm>.{0,64}?)\), adj (?P<adj>-?\d{1,5}), size (?P<size>\d{1,15})"
)
_LMK = re.compile(
    r"Killing '(?P<comm>.{0,64}?)' \((?P<pid>\d{1,10})\)(?: \(tgid \d{1,10}\))?,? \(?adj (?P<adj>-?\d{1,5})\b"
)
_LMKD = re.compile(
    r"Kill(?:ing)? '(?P<comm>.{0,128}?)' \((?P<pid>\d{1,10})\), uid (?P<uid>\d{1,10}), oom(?:_score)?_adj (?P<adj>-?\d{1,5}) to free"
)
_OOMD = re.compile(
    r"Killed (?P<comm>/\S{1,400}) due to memory (?:used|pressure)|: (?P<unit>systemd-oomd killed) \d{1,9} process"
)
_EARLYOOM = re.compile(
    r"sending (?P<signal>SIGTERM|SIGKILL) to process (?P<pid>\d{1,10}) uid (?P<uid>\d{1,10}) \"(?P<comm>[^\"]{0,64})\": "
    r"(?P<rest>.*)$"
)
_ADJ = re.compile(r"oom_score_adj (-?\d{1,5})\b")
_SCORE = re.compile(r"(?:badness|oom_score) (\d{1,9})\b")


def _report(builder: Builder, match: re.Match[str], record: Record) -> Section:
    section = OomSection(builder, record)
    section.head(match)
    return section


def _summary(builder: Builder, match: re.Match[str], record: Record) -> Section:
    """The head was lost; what is left of the report still tells the constraint and the victim."""
    section = OomSection(builder, record)
    section.feed(record)
    return section


def _choice(builder: Builder, match: re.Match[str], record: Record) -> Section | None:
    choice = read_choice(match)
    return ChoiceSection(builder, choice) if choice is not None else None


def _killed(builder: Builder, match: re.Match[str], record: Record) -> None:
    fact = read_kill(match, record)
    if fact is not None:
        builder.add_kill(fact)


def _reaped(builder: Builder, match: re.Match[str], record: Record) -> None:
    pid = pid_number(match["pid"])
    if pid is not None:
        builder.add_reap(
            OomReap(
                line=record.number, text=record.text, time=record.time, pid=pid, comm=match["comm"], success=True,
                anon_rss=int(match["anon"]), file_rss=integer(match["file"]), shmem_rss=integer(match["shmem"]),
            )
        )  # fmt: skip


def _not_reaped(builder: Builder, match: re.Match[str], record: Record) -> None:
    """Since 5.10 the victim's task line and stack follow: they are read as any task's, marked by their origin."""
    pid = pid_number(match["pid"])
    if pid is None:
        return
    by = match.groupdict().get("by")
    builder.add_reap(
        OomReap(
            line=record.number, text=record.text, time=record.time, pid=pid, comm=match["comm"], success=False,
            pinned_by=pid_number(by),
        )
    )  # fmt: skip
    if by is None:
        builder.begin_snapshot("reaper-victim")


def _other_killer(
    reason: str, builder: Builder, match: re.Match[str], record: Record, group: str | None = None
) -> None:
    found = match.groupdict()
    pid = pid_number(found.get("pid")) if found.get("pid") else 0
    if pid is None:
        return
    rest = found.get("rest") or ""
    adj = _ADJ.search(rest)
    score = _SCORE.search(rest)
    builder.add_kill(
        OomKill(
            line=record.number,
            text=record.text,
            time=record.time,
            pid=pid,
            comm=found.get("comm") or group or "",
            reason=reason,
            score=integer(score[1]) if score else None,
            uid=integer(found.get("uid")),
            oom_score_adj=integer(found.get("adj")) if found.get("adj") else integer(adj[1]) if adj else None,
        )
    )


def _lowmemorykiller(builder: Builder, match: re.Match[str], record: Record) -> None:
    _other_killer("lowmemorykiller", builder, match, record)


def _lmkd(builder: Builder, match: re.Match[str], record: Record) -> None:
    _other_killer("lmkd", builder, match, record)


def _oomd(builder: Builder, match: re.Match[str], record: Record) -> None:
    group = before(match, 200).rpartition(" ")[2] if match["unit"] else None
    _other_killer("systemd-oomd", builder, match, record, group)


def _earlyoom(builder: Builder, match: re.Match[str], record: Record) -> None:
    reason = "earlyoom" if match["signal"] == "SIGKILL" else "earlyoom-term"
    _other_killer(reason, builder, match, record)


# "Kill" serves all lines that have Kill, Killed or Killing. Rows without a literal are rare (2.6.35's `kill process`) and
# tried on small inputs only.
FORMATS = (
    Format(
        "oom-invoked",
        ("oom-killer: ",),
        HEAD,
        _report,
        "2.6.11-7.3",
        "captures/amd64-5.10-oom-allocating-task.sample",
    ),
    Format(
        "oom-summary",
        ("oom-kill:constraint",),
        SUMMARY,
        _summary,
        "5.0-7.3",
        "captures/amd64-5.10-oom-allocating-task.sample",
    ),
    Format("oom-choice", ("Kill",), CHOICE, _choice, "2.6.36-5.0", "formats/oom-choice.sample"),
    Format(
        "oom-choice-old",
        (),
        CHOICE,
        _choice,
        "2.6.11-2.6.35",
        "reports/2011-12-23_linux-mm_ajeet-yadav_2.6.35.14_arm.txt",
        guard=("ill process",),
    ),
    Format(
        "oom-killed",
        ("Kill",),
        KILLED,
        _killed,
        "2.6.0-7.3",
        "captures/amd64-5.10-oom-allocating-task.sample",
    ),
    Format(
        "oom-reaped",
        ("oom_reaper: ",),
        _REAPED,
        _reaped,
        "4.6-7.3",
        "captures/amd64-6.1-victim-in-wait-event.sample.xz",
    ),
    Format(
        "oom-not-reaped",
        ("oom_reaper: ",),
        _NOT_REAPED,
        _not_reaped,
        "4.6-7.3",
        "captures/amd64-6.1-victim-holds-mmap-lock.sample.xz",
    ),
    Format(
        "oom-pinned",
        (),
        _PINNED,
        _not_reaped,
        "4.7-7.3",
        "formats/oom-pinned.sample",
        guard=("has mm pinned by",),
    ),
    Format("lmkd", ("Kill",), _LMKD, _lmkd, "Android 8 and later", "formats/lmkd.sample"),
    Format(
        "lowmemorykiller",
        ("Kill",),
        _LMK,
        _lowmemorykiller,
        "Android 3.4-4.14",
        "formats/lowmemorykiller.sample",
    ),
    Format(
        "lowmemorykiller-old",
        (),
        _LMK_OLD,
        _lowmemorykiller,
        "Android 2.6.27-3.4",
        "formats/lowmemorykiller-old.sample",
        guard=("send sigkill to",),
    ),
    Format("systemd-oomd", ("Kill",), _OOMD, _oomd, "systemd 247 and later", "formats/systemd-oomd.sample"),
    Format(
        "systemd-oomd-unit",
        (),
        _OOMD,
        _oomd,
        "systemd 252 and later",
        "formats/systemd-oomd-unit.sample",
        guard=("due to memory ", "systemd-oomd killed"),
    ),
    Format(
        "earlyoom",
        ("sending SIG",),
        _EARLYOOM,
        _earlyoom,
        "earlyoom 1.3 and later",
        "formats/earlyoom.sample",
    ),
)
