"""From inputs to a diagnosis: every log, every boot, the worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from unkillable.diagnosis import KINDS, Diagnosis, diagnose
from unkillable.diagnosis.types import BootSummary, Problem
from unkillable.errors import UserError
from unkillable.evidence.bundle import read_bundle
from unkillable.evidence.episodes import split
from unkillable.evidence.reader import EvidenceReader
from unkillable.evidence.types import Evidence
from unkillable.klog import Bundle, Source, find_sources
from unkillable.klog import Problem as InputProblem

_OTHERS = 1000
_CONFIDENCE = {"high": 0, "medium": 1, "low": 2}
# What a person with several boots wants to see first.
_RANK = {kind: rank for rank, kind in enumerate(KINDS)} | {
    "insufficient-evidence": 6,
    "zombie": 7,
    "no-hang": 8,
}


def inspect(
    paths: Sequence[str],
    progress: Callable[[Source, int], None] | None = None,
    boot: int | None = None,
    judge: Callable[[Evidence], Diagnosis] = diagnose,
) -> Diagnosis:
    """Diagnoses every boot of every log below these paths, and every episode of a boot; the worst is returned, the
    others are summed up in it.  `judge` is `diagnose` with what is known of the logs' kernel.

    Raises UserError if nothing at all could be read.
    """
    return choose(find_sources(paths), paths, progress, boot, judge)


def choose(
    sources: Iterable[Source | Bundle | InputProblem],
    named: Sequence[str],
    progress: Callable[[Source, int], None] | None = None,
    boot: int | None = None,
    judge: Callable[[Evidence], Diagnosis] = diagnose,
) -> Diagnosis:
    """The same of sources that were found already.  `named` are the names of those that the user gave, which must be logs."""
    problems: list[Problem] = []
    found = best(every(sources, named, problems, progress, judge), boot)
    if found is None:
        raise UserError(nothing(named, problems, boot))
    return msgspec.structs.replace(found, problems=tuple(problems))


def best(diagnoses: Iterable[Diagnosis], boot: int | None = None) -> Diagnosis | None:
    """The diagnosis to show, with all others as summaries."""
    chosen: Diagnosis | None = None
    others: list[BootSummary] = []
    for one in diagnoses:
        if boot is not None and one.boot != boot:
            loser: Diagnosis | None = one
        elif chosen is None or _key(one) <= _key(chosen):
            loser, chosen = chosen, one
        else:
            loser = one
        if loser is not None and len(others) < _OTHERS:
            others.append(_summary(loser))
    if chosen is None:
        return None
    others.sort(key=lambda other: (other.source, other.boot))
    return msgspec.structs.replace(chosen, others=tuple(others))


def _key(one: Diagnosis) -> tuple[int, int]:
    return _RANK[one.verdict.kind], _CONFIDENCE.get(one.verdict.confidence, 3)


def _summary(one: Diagnosis) -> BootSummary:
    verdict = one.verdict
    return BootSummary(
        one.source,
        one.boot,
        verdict.kind,
        verdict.summary,
        verdict.confidence,
        one.kernel.release,
        one.first_line,
        one.last_line,
    )


def every(
    sources: Iterable[Source | Bundle | InputProblem],
    named: Sequence[str],
    problems: list[Problem],
    progress: Callable[[Source, int], None] | None = None,
    judge: Callable[[Evidence], Diagnosis] = diagnose,
) -> Iterator[Diagnosis]:
    """One diagnosis for each episode of each boot of each source; what could not be read is added to `problems`."""
    for source in sources:
        if isinstance(source, InputProblem):
            problems.append(Problem(source.name, source.reason))
            continue
        if isinstance(source, Bundle):
            yield from map(judge, _collected(source, problems, source.name in named))
            continue
        for evidence in _evidence(source, problems, progress, source.name in named):
            for episode in split(evidence):
                yield judge(episode)


def _collected(bundle: Bundle, problems: list[Problem], named: bool) -> Iterator[Evidence]:
    try:
        found = read_bundle(bundle)
    except UserError as error:
        problems.append(Problem(bundle.name, str(error), failed=named))
        return
    problems.extend(Problem(bundle.name, reason, failed=False) for reason in found.unread)
    problems.extend(Problem(bundle.name, note, failed=False, note=True) for note in found.notes)
    yield found.evidence


def _evidence(
    source: Source, problems: list[Problem], progress: Callable[[Source, int], None] | None, named: bool
) -> Iterator[Evidence]:
    reader = EvidenceReader(source, (lambda count: progress(source, count)) if progress else None)
    useful = 0
    for evidence in reader.boots():
        if is_kernel_log(evidence):
            useful += 1
            yield evidence
    problems.extend(Problem(source.name, reason) for reason in reader.reader.problems)
    if not useful:
        found = reader.reader.summary or "text without a single kernel message"
        problems.append(Problem(source.name, f"no kernel text in it: found {found}", failed=named))


def is_kernel_log(evidence: Evidence) -> bool:
    """Whether anything in it came from a kernel."""
    facts = (
        evidence.tasks,
        evidence.hung,
        evidence.ooms,
        evidence.kills,
        evidence.meminfos,
        evidence.fs_errors,
        evidence.lockups,
        evidence.crashes,
        evidence.sysrqs,
        evidence.allocs,
        evidence.io,
        evidence.reaps,
        evidence.locks,
        evidence.blockers,
    )
    return any(facts) or evidence.kernel.release is not None or evidence.first_time is not None


def nothing(paths: Sequence[str], problems: Sequence[Problem], boot: int | None) -> str:
    """Why there is no diagnosis."""
    if boot is not None and not problems:
        return f"there is no boot {boot + 1}, counted from 1, in the input; without a choice, the report lists the boots there are"
    expected = "expected a kernel log (serial console, dmesg, journal, pstore, mail)"
    reasons: dict[str, list[str]] = {}
    for problem in problems:
        reasons.setdefault(problem.name, []).append(problem.reason)
    for name, why in reasons.items():
        head = "" if len(reasons) == 1 else f"none of {len(reasons)} inputs could be used, e.g. "
        return f"{head}{name}: {'; '.join(why)}; {expected}"
    return f"no input found in {', '.join(paths)}; {expected}"
