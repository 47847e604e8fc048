"""From evidence to a verdict: the wait-for graph, the rules, the advice."""

from __future__ import annotations

from unkillable import __version__
from unkillable.diagnosis.advice import advise
from unkillable.diagnosis.case import Case
from unkillable.diagnosis.missing import missing
from unkillable.diagnosis.rules import decide
from unkillable.diagnosis.timeline import events
from unkillable.diagnosis.types import KINDS, Advice, Diagnosis, Event, Missing, Verdict
from unkillable.evidence.types import Evidence
from unkillable.waits.generated import Generated

__all__ = ["KINDS", "Diagnosis", "diagnose", "judge"]

_KEEP = 200
"""Waiters and reports in a diagnosis; a dump of ten thousand tasks is summed up, not listed."""


def diagnose(evidence: Evidence, catalogue: Generated | None = None) -> Diagnosis:
    """What the evidence of one boot leads to.  `catalogue` is that of its kernel (`unkillable catalogue build`); without one,
    the bundled one that is nearest is used."""
    case = Case(evidence, catalogue)
    verdict = decide(case)
    return _diagnosis(
        case,
        verdict,
        timeline=events(evidence, case.victims),
        missing_evidence=missing(case, verdict),
        advice=advise(case, verdict),
    )


def judge(evidence: Evidence, catalogue: Generated | None = None) -> Diagnosis:
    """As `diagnose`, without what is for a person who reads one report: `timeline`, `missing_evidence` and `advice` are empty.
    For many logs, of which only the verdicts and what they rest on are compared."""
    case = Case(evidence, catalogue)
    return _diagnosis(case, decide(case))


def _diagnosis(
    case: Case,
    verdict: Verdict,
    timeline: tuple[Event, ...] = (),
    missing_evidence: tuple[Missing, ...] = (),
    advice: tuple[Advice, ...] = (),
) -> Diagnosis:
    evidence = case.evidence
    return Diagnosis(
        tool=f"unkillable {__version__}",
        source=evidence.source,
        boot=evidence.boot,
        first_line=evidence.first_line,
        last_line=evidence.last_line,
        clock=evidence.clock,
        verdict=verdict,
        kernel=evidence.kernel,
        victims=case.victims[:_KEEP],
        waiters=case.waiters[:_KEEP],
        graph=case.graph.graph({*case.cycle, *case.roots}),
        cycle=case.cycle,
        memory=case.memory,
        timeline=timeline,
        ooms=evidence.ooms[:_KEEP],
        allocs=evidence.allocs[:_KEEP],
        hung=evidence.hung[:_KEEP],
        lockups=evidence.lockups[:_KEEP],
        crashes=evidence.crashes[:_KEEP],
        fs_errors=evidence.fs_errors[:_KEEP],
        missing_evidence=missing_evidence,
        advice=advice,
        coverage=evidence.coverage,
    )
