"""What is said of several runs; the runs are made by hand."""

import platform
from signal import Signals

import msgspec

from tests.lab import made
from unkillable.lab import signals
from unkillable.lab.setup import Setup
from unkillable.lab.stats import Time
from unkillable.lab.summary import counted, kill_latencies, seconds_words, stalls, summarise, versus
from unkillable.lab.types import Exit, Run, Sample, Spread

FIVE = (22.7, 38.2, 57.5, 30.0, 40.0)


def test_the_sentence_is_the_answer() -> None:
    found = summarise([made.run(stall) for stall in FIVE], Setup())
    assert found.outcome == "stalled"
    assert found.sentence.startswith(
        "stalled: 5 of 5 runs; the longest time without an answer was 38.2 s (22.7-57.5); 2 OOM kills (2-2); "
        "SIGKILL to exit took 1.8 s (0.5-3.0)"
    )
    assert found.outcomes == {"stalled": 5}
    assert "5 runs a side" in str(found.needs)


def test_one_run_has_no_range() -> None:
    found = summarise([made.run(30.0, kills=(made.kill(91, 20.0, 21.0),))], Setup())
    assert found.sentence == (
        "stalled: 1 of 1 run; the longest time without an answer was 30.0 s; 1 OOM kill; SIGKILL to exit took 1.0 s"
    )


def test_the_worst_outcome_leads_and_the_others_are_counted() -> None:
    runs = [made.run(1.0), made.run(1.2), made.run(30.0), made.run(121, open_end=True)]
    found = summarise(runs, Setup())
    assert found.outcome == "livelock"
    assert found.sentence.startswith("livelock: 1 of 4 runs, stalled: 1, survived: 2; ")
    assert list(found.outcomes) == ["survived", "stalled", "livelock"]


def test_stalls_that_did_not_end_are_lower_bounds() -> None:
    runs = [made.run(121 + n, open_end=True) for n in range(5)]
    found = summarise(runs, Setup())
    assert "at least 123 s (121 to more than 125, 5 of 5 had not ended)" in found.sentence
    assert stalls(runs)[0] == Time(121, open=True)


def test_what_says_nothing_about_the_guest_is_said_and_not_counted() -> None:
    runs = [
        made.run(30.0), made.failed(), made.failed("boot-failed", "no init"), made.run(300.0, looked=True), made.run(1.0, looked=True),
    ]  # fmt: skip
    found = summarise(runs, Setup())
    assert found.sentence.startswith("stalled: 1 of 1 run; ")
    assert found.longest_stall_s.high == 30.0
    for words in (
        "1 run did not get to the workload (boot-failed)",
        "1 run failed in the harness",
        "2 runs were looked at on purpose and not counted",
    ):
        assert words in found.sentence
    assert found.outcomes == {"stalled": 1, "boot-failed": 1, "harness-failed": 1}


def test_could_not_tell_is_not_survived() -> None:
    found = summarise([made.failed(), made.failed()], Setup())
    assert found.outcome == "harness-failed"
    assert found.sentence.startswith("could not tell: ")
    assert (found.longest_stall_s, found.oom_kills, found.beats, found.needs) == (None, None, None, None)
    assert summarise([made.failed("boot-failed")], Setup()).outcome == "boot-failed"
    assert summarise([made.run(1.0, looked=True)], Setup()).outcome == "harness-failed"
    assert summarise([], Setup()).outcome == "harness-failed"
    assert counted([made.failed(), made.run(1.0, looked=True)]) == ()


def test_a_victim_that_never_exits_is_a_lower_bound() -> None:
    run = made.run(
        30.0, kills=(made.kill(91, 20.0, 20.5), made.kill(92, 22.0, None), made.kill(93, 5.0, 6.0, "user"))
    )
    assert kill_latencies([run]) == (Time(0.5), Time(40.0, open=True)), (
        "2 s + 60 s is the end of the observation"
    )
    found = summarise([run], Setup())
    assert found.kill_latency_s.open == 1
    assert found.oom_kills.median == 2, "what a daemon killed is no OOM kill"


def test_without_a_trace_nobody_counted_kills() -> None:
    found = summarise([made.run(30.0, kills=())], Setup(blind=True))
    assert found.oom_kills is None
    assert "OOM kill" not in found.sentence


def test_bystanders_are_those_that_nobody_killed() -> None:
    exits = (Exit(30.0, "churn1", 91, 7), Exit(30.0, "churn4", 94, 7), Exit(30.0, "churn5", 95, 11), Exit(30.0, "churn6", 96, 9),
             Exit(30.0, "churn7", 97, 0, 1))  # fmt: skip
    run = made.run(30.0, exits=exits, kills=(made.kill(91, 20.0, 30.0),))
    assert summarise([run], Setup()).bystanders == 2
    assert "2 programs died of a fault without being killed" in summarise([run], Setup()).sentence
    bus_on_mips = made.run(30.0, exits=(Exit(30.0, "churn4", 94, 10),))
    assert summarise([bus_on_mips], Setup(arch="mips")).bystanders == 1
    assert summarise([bus_on_mips], Setup()).bystanders == 0, "10 is SIGUSR1 there"


def test_what_else_ended_programs_is_told_by_signal() -> None:
    def run(*exits: Exit) -> Run:
        kills = (made.kill(91, 20.0, 21.0), made.kill(92, 20.0, 21.0, "user"))
        return made.run(30.0, exits=exits, kills=kills)

    terminated = tuple(Exit(10.0 + n, "churn1", 200 + n, 15) for n in range(4))
    by_others = run(
        Exit(21.0, "churn1", 91, 9), Exit(21.0, "churn2", 92, 9), Exit(21.0, "churn3", 93, 7), *terminated
    )
    found = summarise([by_others, run(*terminated[:2]), run(*terminated)], Setup())
    assert found.other_ends == {
        "SIGTERM": Spread(3, 4, 2, 4), "SIGKILL": Spread(3, 0, 0, 1), "SIGBUS": Spread(3, 0, 0, 1),
    }, "the most frequent first, and none that the OOM killer sent"  # fmt: skip
    assert "; 1 OOM kill (1-1); 4 ended by SIGTERM (2-4); 0 ended by SIGKILL (0-1); " in found.sentence
    assert "SIGBUS" not in found.sentence, "a fault, which the sentence tells already"
    assert summarise([run(*terminated)], Setup()).sentence.count("4 ended by SIGTERM; ") == 1


def test_what_is_no_other_end() -> None:
    exits = (
        Exit(30.0, "churn4", 94, 9),  # nobody saw who sent it
        Exit(30.0, "churn5", 95, 0, 1),
        Exit(30.0, "/usr/bin/earlyoom", 96, 15),
        Exit(30.0, "keep", 97, 15),
        Exit(30.0, "churn1", 91, 15),  # already killed
    )
    assert summarise([made.run(30.0, exits=exits)], Setup()).other_ends == {}
    before = made.run(30.0, exits=(Exit(19.0, "churn1", 91, 15),))
    assert summarise([before], Setup()).other_ends.keys() == {"SIGTERM"}, "another of the same pid"
    assert summarise([made.failed()], Setup()).other_ends == {}


def test_signals_have_the_names_of_the_guests_architecture() -> None:
    assert [signals.name(number, "x86_64") for number in (1, 7, 9, 10, 15, 31, 40)] == [
        "SIGHUP", "SIGBUS", "SIGKILL", "SIGUSR1", "SIGTERM", "SIGSYS", "signal 40",
    ]  # fmt: skip
    assert [signals.name(number, "mips") for number in (7, 9, 10, 12, 15, 31)] == [
        "SIGEMT", "SIGKILL", "SIGBUS", "SIGSYS", "SIGTERM", "SIGXFSZ",
    ]  # fmt: skip
    for one in Signals if platform.machine() == "x86_64" else ():
        if one < 32:
            assert Signals[signals.name(one, "x86_64")] == one


def test_seconds_in_words() -> None:
    assert seconds_words(Spread(1, 0.034, 0.034, 0.034)) == "0.034 s"
    assert seconds_words(Spread(3, 2.0, 0.5, 120.4)) == "2.0 s (0.5-120)"
    assert (
        seconds_words(Spread(1, 121, 121, 121, open=1, median_open=True))
        == "at least 121 s (1 of 1 had not ended)"
    )


def test_better_and_worse_need_a_rank_test() -> None:
    stock = [made.run(stall) for stall in FIVE]
    better = versus("stock", stock, [made.run(stall) for stall in (1.0, 2.0, 3.0, 4.0, 8.2)])
    assert (better.verdict, better.superiority) == ("better", 1.0)
    assert (better.ratio or 1) < 0.1
    assert better.words == "better with 5 runs (p = 0.0079)"
    worse = versus("stock", stock, [made.run(121 + n, open_end=True) for n in range(5)])
    assert (worse.verdict, worse.bound) == ("worse", "at least")
    assert (worse.ratio or 0) > 3
    same = versus("stock", stock, [made.run(stall) for stall in (25.0, 33.0, 50.0, 60.0, 21.0)])
    assert same.verdict == "no difference shown"
    assert same.words.startswith("no difference shown with 5 runs (p = ")


def test_few_runs_can_show_nothing() -> None:
    found = versus("stock", [made.run(60.0)] * 3, [made.run(1.0)] * 3)
    assert found.verdict == "no difference shown"
    assert found.words == "no difference can be shown with 3 runs; that takes 4 a side"
    uneven = versus("stock", [made.run(60.0 + n) for n in range(5)], [made.run(1.0 + n) for n in range(4)])
    assert uneven.words == "better with 4 against 5 runs (p = 0.016)"


def test_two_bounds_have_no_ratio() -> None:
    frozen = [made.run(121.0, open_end=True)] * 5
    found = versus("stock", frozen, frozen)
    assert (found.ratio, found.p) == (None, 1.0)
    ended = versus("stock", frozen, [made.run(stall) for stall in FIVE])
    assert (ended.bound, ended.verdict) == ("at most", "better")


def test_a_panic_is_not_ranked_among_stalls() -> None:
    stock = [made.run(stall) for stall in FIVE]
    panics = [made.run(3.0, outcome="panic", why="the kernel gave up", measured_s=12.2, kills=())] * 5
    assert (
        summarise(panics, Setup()).sentence
        == "panic: 5 of 5 runs; the kernel gave up after 12.2 s (12.2-12.2); 0 OOM kills (0-0)"
    )
    assert summarise(panics, Setup()).longest_stall_s is None
    found = versus("stock", stock, panics)
    assert (found.verdict, found.p) == ("not compared", None)
    assert found.words == "not compared: 5 of 5 runs of this cell ended in a panic"
    assert "runs of stock ended" in versus("stock", panics, stock).words
    nothing = versus("stock", [made.failed()], stock)
    assert nothing.words == "not compared: no run of stock says anything about the guest"
    assert nothing.verdict == "not compared"


def test_a_run_in_which_memory_never_ran_short_says_so() -> None:
    """It survived, and that means nothing."""
    calm = Sample(1.0, 9000, 90000, 1000, 0, 5, 0, 0, 0, 0, 0)
    easy = Run(
        outcome="survived", why="", samples=(calm, msgspec.structs.replace(calm, at=9.0)), longest_stall_s=0.1
    )
    pressed = msgspec.structs.replace(easy, samples=(calm, msgspec.structs.replace(calm, at=9.0, scanned=4)))
    assert "in no run did memory run short at all" in summarise([easy], Setup()).sentence
    assert "in 1 of them did memory run short" in summarise([easy, pressed], Setup()).sentence
    assert "run short" not in summarise([pressed], Setup()).sentence
