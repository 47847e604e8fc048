"""Who was killed: the choice (`Kill process 1 (x) score 2 or sacrifice child`) and the kill (`Killed process`).

Up to 5.0 the chosen process may be spared and a child of it killed, so two lines tell two processes; since 5.1
there is one line, with the message in front: `Out of memory: Killed process 1 (x) total-vm:..`.
"""

from __future__ import annotations

import re

import msgspec

from unkillable.evidence.builder import Builder
from unkillable.evidence.numbers import before, integer, pid_number
from unkillable.evidence.types import OomKill
from unkillable.klog.record import Record

# `Out of memory: kill process 176 (a) score 2389 or a child` (to 2.6.35), `.. Kill process 1 (a) score 2 or sacrifice
# child` (to 5.0); 2.6.36's release candidates had `with score`.
CHOICE = re.compile(
    r"[Kk]ill process (?P<pid>\d{1,10}) \((?P<comm>.{0,64}?)\) "
    r"(?:with )?score (?P<score>-?\d{1,19})(?: or (?:sacrifice|a) child)?"
)
# `Killed process 192 (malloc) vsz:19376kB, ..` (2.6.35); `.., UID 1000, total-vm:` and `Killed process 5, UID 6, (a) total-vm:`
# are Red Hat's; 2.6.2x has nothing behind the name, or a full stop.
KILLED = re.compile(
    r"Killed process (?P<pid>\d{1,10})(?:, UID (?P<uid>\d{1,10}),)? "
    r"\((?P<comm>.{0,64}?)\)(?P<rest>[,.]? *(?:(?:total-vm|vsz|anon-rss|UID|adj|score)\b.*)?$)"
)
# What stands before either: `Out of memory: `, `Memory cgroup out of memory: `, `Out of memory (oom_kill_allocating_task): `.
_MESSAGE = re.compile(r"(?:Memory cgroup out|Out) of [Mm]emory(?: \(\w{1,40}\))?:$")
_FIELD = re.compile(r"([a-zA-Z][\w-]{1,20})[: ](-?\d{1,19})(?:kB)?")
_REASONS = (("Memory cgroup", "memcg"), ("oom_kill_allocating_task", "allocating-task"))


class Choice(msgspec.Struct, frozen=True):
    """The process the OOM killer chose, not necessarily the one that is killed."""

    pid: int
    comm: str
    score: int | None
    message: str


def _message(match: re.Match[str]) -> str:
    found = _MESSAGE.search(before(match, 100))
    return found[0] if found else ""


def read_choice(match: re.Match[str]) -> Choice | None:
    pid = pid_number(match["pid"])
    if pid is None:
        return None
    return Choice(pid, match["comm"], integer(match["score"]), _message(match))


def _reason(message: str) -> str:
    return next((reason for sign, reason in _REASONS if sign in message), "oom")


def read_kill(
    match: re.Match[str], record: Record, choice: Choice | None = None, reason: str | None = None
) -> OomKill | None:
    """The kill, with the choice that came before it; `reason` overrides what the message says."""
    pid = pid_number(match["pid"])
    if pid is None:
        return None
    found = {name.lower(): integer(number) for name, number in _FIELD.findall(match["rest"])}
    message = _message(match) or (choice.message if choice else "")
    other = choice is not None and choice.pid != pid
    return OomKill(
        line=record.number,
        text=record.text,
        time=record.time,
        pid=pid,
        comm=match["comm"],
        reason=reason or ("ancestor-choice" if other else _reason(message)),
        score=choice.score if choice else None,
        chosen_pid=choice.pid if choice is not None and other else None,
        chosen_comm=choice.comm if choice is not None and other else None,
        total_vm=found.get("total-vm", found.get("vsz")),
        anon_rss=found.get("anon-rss"),
        file_rss=found.get("file-rss"),
        shmem_rss=found.get("shmem-rss"),
        pgtables=found.get("pgtables"),
        uid=integer(match["uid"]) if match["uid"] else found.get("uid"),
        oom_score_adj=found.get("oom_score_adj"),
    )


class ChoiceSection:
    """A choice outside a report (the report is rate-limited, the choice is not): waits for the kill."""

    patience = 8

    def __init__(self, builder: Builder, choice: Choice) -> None:
        self.builder = builder
        self.choice: Choice | None = choice

    def feed(self, record: Record) -> bool:
        match = KILLED.search(record.text) if self.choice is not None else None
        fact = read_kill(match, record, self.choice) if match is not None else None
        if fact is None:
            return False
        self.builder.add_kill(fact)
        self.choice = None
        self.patience = 0
        return True

    def close(self) -> None:
        """A choice without a kill: the process was exiting already; nothing was sent to it."""
