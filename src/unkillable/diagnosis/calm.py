"""The rules for logs that show no hang, and for those that do not show enough."""

from __future__ import annotations

from unkillable.diagnosis import statements as say
from unkillable.diagnosis.case import Case, by_function, names
from unkillable.diagnosis.types import Quote, Statement, Verdict


def zombies(case: Case) -> Verdict | None:
    """Zombies, and nothing else that does not move or was killed."""
    dead = [
        (one, one.views[-1].sighting)
        for one in case.subjects
        if one.views and (one.views[-1].sighting.state or "").upper() == "Z"
    ]
    if not dead or case.stuck or case.hung or case.victims:
        return None
    first, sighting = dead[0]
    parent = next((one for one in case.subjects if one.pid == sighting.ppid), None) if sighting.ppid else None
    if len(dead) > 1:
        owner = "their parents have not called wait() for them"
    elif parent or sighting.ppid:
        owner = f"its parent {parent.name if parent else sighting.ppid} has not called wait() for it"
    else:
        owner = "its parent has not called wait() for it"
    number = (
        f"{first.name} is a zombie"
        if len(dead) == 1
        else f"{len(dead)} zombies ({', '.join(one.name for one, _ in dead[:4])})"
    )
    summary = f"{number}: dead already, memory freed, harmless; {owner}"
    because = [
        Statement(f"{one.name} is in state {seen.state}", False, (Quote(seen.line, seen.text.strip()),))
        for one, seen in dead[:6]
    ]
    because.append(
        Statement(
            "a zombie has given back its memory in exit_mm(); only its entry in the process table is left",
            True,
            (),
            "6.1.192 kernel/exit.c:874",
        )
    )
    return Verdict("zombie", summary, "high", tuple(because))


def no_hang(case: Case) -> Verdict | None:
    """Something was looked at closely enough to say that nothing was stuck: a dump, an OOM kill that worked, a crash."""
    evidence = case.evidence
    if case.hung or case.persistent:
        return None
    if evidence.crashes and not (case.stuck and case.dumps):
        crash = next(
            (one for one in evidence.crashes if one.kind not in ("warning", "lockdep")), evidence.crashes[0]
        )
        kills = (
            f", after {len(case.victims)} OOM kill{'s' if len(case.victims) != 1 else ''}"
            if case.victims
            else ""
        )
        summary = f"nothing shows a hang; the kernel reports {_article(crash.kind)}{kills}: {crash.title or crash.text.strip()}"
        return Verdict(
            "no-hang",
            summary,
            "medium",
            (Statement(crash.text.strip(), False, (say.quoted(crash),)), *say.kills(case)),
        )
    if case.victims and not case.stuck:
        return _after_kills(case)
    if evidence.ooms and not case.stuck:
        report = evidence.ooms[-1]
        summary = f"nothing shows a hang: {report.comm} ran into the OOM killer" + (
            f" in memory cgroup {report.memcg}" if report.memcg else ""
        )
        return Verdict(
            "no-hang", summary + "; the log does not show whom it killed", "low", tuple(say.memory(case))
        )
    if case.dumps and not case.stuck and not case.reclaimers:
        plenty = ", memory is not short" if case.memory.short is False else ""
        seen = sum(1 for one in case.subjects if one.views)
        summary = f"no task sleeps where SIGKILL cannot wake it ({seen} task{'s' if seen != 1 else ''} listed{plenty})"
        return Verdict(
            "no-hang",
            summary,
            "high" if len(case.dumps) > 1 or case.memory.short is False else "medium",
            tuple(say.memory(case)),
        )
    if case.dumps and case.stuck and case.memory.short is not True:
        return _brief_sleep(case)
    if (
        not case.waiters
        and not evidence.tasks
        and (evidence.kernel.release or evidence.coverage.kernel_lines > 20)
    ):
        if evidence.io or evidence.fs_errors:
            return None
        if evidence.allocs:
            failed = evidence.allocs[-1]
            summary = f"nothing shows a hang: an allocation failed for {failed.comm or 'a task'}, which its caller was told"
            return Verdict(
                "no-hang", summary, "low", (Statement(failed.text.strip(), False, (say.quoted(failed),)),)
            )
        return Verdict("no-hang", "no hung task, OOM kill, lockup or crash is in this log", "low", ())
    return None


def _article(kind: str) -> str:
    words = {
        "panic": "a panic",
        "oops": "an oops",
        "ubsan": "undefined behaviour",
        "warning": "a warning",
        "lockdep": "a possible deadlock (lockdep)",
        "page-fault": "a bad memory access",
        "gpf": "a general protection fault",
        "bug": "a bug",
    }
    return words.get(kind, f"a {kind.upper()} finding")


def _after_kills(case: Case) -> Verdict:
    kills = case.victims
    last = kills[-1]
    exited = sum(one.fate in ("exited", "reaped") for one in kills)
    if len(kills) == 1:
        what = f"{'the memory cgroup ran out of memory and ' if last.reason == 'memcg' else ''}{last.comm}/{last.pid} was killed"
        what += {"exited": " and exited", "reaped": " and its memory was freed"}.get(
            last.fate, "; nothing shows it stuck"
        )
    else:
        what = f"{len(kills)} OOM kills, last {last.comm}/{last.pid}; {exited} victims seen gone, none stuck"
    confidence = "high" if exited == len(kills) else "medium"
    return Verdict("no-hang", f"nothing is stuck: {what}", confidence, (*say.kills(case), *say.memory(case)))


def _brief_sleep(case: Case) -> Verdict:
    """Uninterruptible sleepers in one dump: every busy machine has some."""
    groups = by_function(case.stuck)
    function, members = groups[0]
    summary = (
        f"nothing shows a hang: {names(members)} {'was' if len(members) == 1 else 'were'} asleep in {function} when the tasks were listed, "
        "which is normal for a moment; nothing shows that it lasted"
    )
    return Verdict("no-hang", summary, "low", (*say.waiting(case), *say.memory(case)))


def insufficient(case: Case) -> Verdict:
    """Always holds: what the input does show, and that it is not enough."""
    because = [*say.waiting(case), *say.chain(case), *say.memory(case), *say.kills(case)]
    if case.waiters:
        function, members = by_function(case.waiters)[0]
        one = members[0]
        them = "it" if len(members) == 1 else "them"
        kill = {
            False: "where SIGKILL cannot wake " + them,
            True: "where SIGKILL wakes " + them,
            None: "in a state the log does not tell",
        }[one.killable]
        who = names(members)
        verb = "sleeps" if len(members) == 1 else "sleep"
        summary = (
            f"{who} {verb} in {function}{say.entered(one)}, {kill}; not enough to say why: {_lacking(case)}"
        )
        return Verdict("insufficient-evidence", summary, "low", tuple(because))
    if case.evidence.io or case.evidence.fs_errors or case.evidence.allocs:
        facts = [*case.evidence.io, *case.evidence.fs_errors, *case.evidence.allocs]
        summary = f"the log has {len(facts)} error line{'s' if len(facts) > 1 else ''} ({facts[0].text.strip()}) but no hung task"
        return Verdict(
            "insufficient-evidence",
            summary,
            "low",
            (Statement(facts[0].text.strip(), False, (say.quoted(facts[0]),)),),
        )
    return Verdict(
        "insufficient-evidence",
        "the log shows no hung task, no OOM kill and no list of tasks",
        "low",
        tuple(because),
    )


def _lacking(case: Case) -> str:
    lacking = []
    if not case.hung and not case.persistent:
        lacking.append("how long")
    if case.memory.short is None:
        lacking.append("whether memory ran out")
    if not case.holders:
        lacking.append("who holds it")
    if not lacking:
        return "nothing ties it to a hang"
    return "the log does not show " + (
        " or ".join(lacking) if len(lacking) < 3 else f"{lacking[0]}, {lacking[1]} or {lacking[2]}"
    )
