"""All runs of one setup in a sentence and some figures, and two setups against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from unkillable.lab import hosts, signals
from unkillable.lab.setup import Setup
from unkillable.lab.stats import (
    ALPHA,
    Group,
    Quotient,
    Time,
    closed,
    least_runs,
    needs,
    p_words,
    quotient,
    rank_test,
    smallest_p,
    spread,
    superiority,
)
from unkillable.lab.table_types import Versus
from unkillable.lab.types import OUTCOMES, Exit, Run, Spread, Summary

_OF_THE_GUEST = OUTCOMES[: OUTCOMES.index("panic") + 1]
"""Outcomes that say how the guest fared."""

_OF_THE_LAB = frozenset({"canary", "keep"})
"""Programs whose ends are told beside those of the workload."""


def counted(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The runs whose figures count: the workload ran, nothing disturbed it and the harness held."""
    return tuple(run for run in runs if not run.looked and run.outcome in _OF_THE_GUEST)


def stalls(runs: Sequence[Run]) -> tuple[Time, ...]:
    """The longest stall of each run that counts; a machine that gave up has none that could stand among the others."""
    return tuple(
        Time(run.longest_stall_s, run.open_end)
        for run in counted(runs)
        if run.longest_stall_s is not None and run.outcome != "panic"
    )


def kill_latencies(runs: Sequence[Run]) -> tuple[Time, ...]:
    """SIGKILL to exit of each victim of the OOM killer; open where it had not exited when the observation ended."""
    found = []
    for run in counted(runs):
        end = (run.began or 0.0) + run.measured_s
        for kill in run.kills:
            if kill.by == "user":
                continue
            if kill.latency is None:
                found.append(Time(max(end - kill.killed_at, 0.0), open=True))
            else:
                found.append(Time(kill.latency))
    return tuple(found)


def summarise(runs: Sequence[Run], setup: Setup) -> Summary:
    """What the runs of one setup showed.  A run that says nothing about the guest counts for nothing, least of all `survived`."""
    good = counted(runs)
    stalled = stalls(runs)
    outcomes = Counter(run.outcome for run in runs if not run.looked)
    # Without a trace nobody counted: that is not 0.
    kills = None if setup.blind else spread(closed(run.oom_kills for run in good))
    latency = spread(kill_latencies(runs))
    ends = other_ends(good, setup.arch)
    bystanders = sum(_bystanders(run, setup.arch) for run in good)
    return Summary(
        outcome=_worst(outcomes),
        sentence=_sentence(runs, good, spread(stalled), kills, ends, latency, bystanders),
        outcomes={name: outcomes[name] for name in OUTCOMES if outcomes[name]},
        longest_stall_s=spread(stalled),
        oom_kills=kills,
        other_ends=ends,
        kill_latency_s=latency,
        beats=spread(closed(len(run.beats) for run in good)),
        bystanders=bystanders,
        needs=needs(stalled),
    )


def _worst(outcomes: Counter[str]) -> str:
    for name in (*reversed(_OF_THE_GUEST), "boot-failed"):
        if outcomes[name]:
            return name
    return "harness-failed"


def other_ends(runs: Sequence[Run], arch: str) -> dict[str, Spread]:
    """What else than the OOM killer ended programs of the workload: name of a signal to how many it ended in a run."""
    counts = [Counter(signals.name(one.signal, arch) for one in _others(run, arch)) for run in runs]
    total = sum(counts, Counter[str]())
    spreads = {name: spread(closed(count[name] for count in counts)) for name, _ in total.most_common()}
    return {name: found for name, found in spreads.items() if found is not None}


def _others(run: Run, arch: str) -> Iterator[Exit]:
    """Of SIGKILL only where the trace saw a program send it: without a trace (`blind`) it may be the OOM killer's."""
    killed = {kill.pid: kill for kill in run.kills}
    for one in run.exits:
        # A daemon of the setup goes by its path.
        if not one.signal or one.who in _OF_THE_LAB or one.who.startswith("/"):
            continue
        kill = killed.get(one.pid)
        if kill is not None and kill.killed_at <= one.at:
            if kill.by == "user":
                yield one
        elif signals.name(one.signal, arch) != signals.KILL:
            yield one


def killed_ends(runs: Sequence[Run], arch: str) -> Counter[str]:
    """What ended those who had been sent SIGKILL: name of a signal, or `exit`, to how many.  Who was not seen to end is left out."""
    found: Counter[str] = Counter()
    for run in counted(runs):
        killed = {kill.pid: kill.killed_at for kill in run.kills}
        for one in run.exits:
            if one.pid in killed and killed[one.pid] <= one.at:
                found[signals.name(one.signal, arch) if one.signal else "exit"] += 1
    return found


def _bystanders(run: Run, arch: str) -> int:
    killed = {kill.pid: kill.killed_at for kill in run.kills}
    return sum(
        signals.name(one.signal, arch) in signals.FAULTS
        and not (one.pid in killed and killed[one.pid] <= one.at)
        for one in run.exits
    )


def _sentence(
    runs: Sequence[Run],
    good: Sequence[Run],
    stall: Spread | None,
    kills: Spread | None,
    ends: Mapping[str, Spread],
    latency: Spread | None,
    bystanders: int,
) -> str:
    parts = [_outcomes(good) if good else "could not tell: no run says anything about the guest"]
    gave_up = spread(closed(run.measured_s for run in good if run.outcome == "panic"))
    if gave_up is not None:
        parts.append(f"the kernel gave up after {seconds_words(gave_up)}")
    if stall is not None:
        parts.append(f"the longest time without an answer was {seconds_words(stall)}")
    if kills is not None:
        parts.append(f"{_number(kills.median)} OOM {'kill' if kills.median == 1 else 'kills'}{_range(kills)}")
    parts += [
        f"{_number(found.median)} ended by {name}{_range(found)}"
        for name, found in ends.items()
        if name not in signals.FAULTS  # told below, as a program's own end
    ]
    if latency is not None:
        parts.append(f"SIGKILL to exit took {seconds_words(latency)}")
    if bystanders:
        parts.append(
            f"{bystanders} {'program' if bystanders == 1 else 'programs'} died of a fault without being killed"
        )
    easy = sum(run.pressed is False for run in good)
    if easy:
        parts.append(
            f"in {'no run' if easy == len(good) else f'{len(good) - easy} of them'} did memory run short at all"
        )
    parts += _not_counted(runs)
    return "; ".join(parts)


def _outcomes(good: Sequence[Run]) -> str:
    count = Counter(run.outcome for run in good)
    names = [name for name in reversed(_OF_THE_GUEST) if count[name]]
    runs = "run" if len(good) == 1 else "runs"
    first = f"{names[0]}: {count[names[0]]} of {len(good)} {runs}"
    return ", ".join([first, *(f"{name}: {count[name]}" for name in names[1:])])


def _not_counted(runs: Sequence[Run]) -> list[str]:
    """The runs that were left out, each with its reason."""
    undisturbed = [run for run in runs if not run.looked]
    looked = len(runs) - len(undisturbed)
    reasons = (
        (
            sum(run.outcome == "boot-failed" for run in undisturbed),
            "did not get to the workload (boot-failed)",
        ),
        (sum(run.outcome == "harness-failed" for run in undisturbed), "failed in the harness"),
        (looked, f"{'was' if looked == 1 else 'were'} looked at on purpose and not counted"),
    )
    return [f"{n} {'run' if n == 1 else 'runs'} {what}" for n, what in reasons if n]


def seconds_words(found: Spread) -> str:
    """`38.2 s (22.7-57.5)`; `at least 40.1 s (22.7 to more than 121, 2 of 5 had not ended)`."""
    middle = f"{'at least ' if found.median_open else ''}{seconds_digits(found.median)} s"
    low, high = seconds_digits(found.low), seconds_digits(found.high)
    if found.open:
        reach = f"{low} to more than {high}, " if found.n > 1 else ""
        return f"{middle} ({reach}{found.open} of {found.n} had not ended)"
    return f"{middle} ({low}-{high})" if found.n > 1 else middle


def seconds_digits(value: float) -> str:
    """Three significant digits at most: `121`, `14.4`, `0.043`."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _number(value: float) -> str:
    return f"{value:g}"


def _range(found: Spread) -> str:
    return f" ({_number(found.low)}-{_number(found.high)})" if found.n > 1 else ""


def versus(name: str, base: Sequence[Run], runs: Sequence[Run]) -> Versus:
    """How the longest stalls of `runs` compare with those of the baseline, called `name`."""
    for who, these in (("this cell", counted(runs)), (name, counted(base))):
        panics = sum(run.outcome == "panic" for run in these)
        if panics:
            return Versus(
                name, words=f"not compared: {panics} of {len(these)} runs of {who} ended in a panic"
            )
    left, right = stalls(base), stalls(runs)
    here, there = spread(right), spread(left)
    if here is None or there is None:
        which = name if there is None else "this cell"
        return Versus(name, words=f"not compared: no run of {which} says anything about the guest")
    groups = _by_host(runs, base)
    p, chance = rank_test(*groups), superiority(*groups)
    assert p is not None  # noqa: S101  both sides have values
    assert chance is not None  # noqa: S101
    verdict = "no difference shown" if p >= ALPHA else "better" if chance > 0.5 else "worse"
    sizes = _sizes(groups)
    words = f"{verdict} with {sizes} (p = {p_words(p)})".replace("p = below", "p below")
    if smallest_p(*((len(one), len(other)) for one, other in groups)) >= ALPHA:
        words = f"no difference can be shown with {sizes}; that takes {least_runs()} a side"
    ratio = quotient(*groups) if len(groups) > 1 else _ratio(here, there)
    return Versus(
        name,
        ratio=ratio.value if ratio else None,
        bound=ratio.bound if ratio else "",
        p=p,
        superiority=chance,
        verdict=verdict,
        hosts=len(groups),
        words=words,
    )


def _by_host(runs: Sequence[Run], base: Sequence[Run]) -> list[Group]:
    """The stalls of `runs` and of the baseline, host by host; all together where no host has both."""
    groups = [(stalls(one), stalls(other)) for one, other in hosts.by_host(runs, base)]
    return [(one, other) for one, other in groups if one and other] or [(stalls(runs), stalls(base))]


def _sizes(groups: Sequence[Group]) -> str:
    """`5 runs`, `3 against 8 runs on 2 hosts`."""
    here, there = (sum(len(group[side]) for group in groups) for side in (0, 1))
    runs = "run" if there == 1 else "runs"
    sizes = f"{here} {runs}" if here == there else f"{here} against {there} {runs}"
    return f"{sizes} on {len(groups)} hosts" if len(groups) > 1 else sizes


def _ratio(here: Spread, there: Spread) -> Quotient | None:
    """Of two medians, which may be lower bounds."""
    if (here.median_open and there.median_open) or there.median <= 0:
        return None
    bound = "at least" if here.median_open else "at most" if there.median_open else ""
    return Quotient(here.median / there.median, bound)
