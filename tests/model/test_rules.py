"""The rules: what they never do, and that Python and machine code make the same of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unkillable.errors import UserError
from unkillable.model import native, reading
from unkillable.model.eras import era_of, eras, parameters, variant_of, variants
from unkillable.model.experiments import EXPERIMENTS, find
from unkillable.model.language import Actor
from unkillable.model.machine import Machine
from unkillable.model.parameters import Parameters
from unkillable.model.rows import UNTIL
from unkillable.model.search import explore, way
from unkillable.model.state import FIELDS, At, Page, Sleep, State

SMALL = [
    (era.key, variant.key, experiment.key)
    for era, variant, experiment in (
        (era_of("4.5"), variant_of("stock"), find("block")),
        (era_of("5.10"), variant_of("article"), find("signal")),
        (era_of("6.1"), variant_of("series"), find("shortage")),
        (era_of("7.3"), variant_of("stock"), find("signal")),
        (era_of("7.3"), variant_of("article"), find("decompressors")),
    )
]
needs_compiler = pytest.mark.skipif(native.compiler() is None, reason="no C compiler")


def system(era: str, variant: str, experiment: str, **changes: int) -> Machine:
    sizes = {**find(experiment).sizes, **changes}
    return Machine(parameters(era_of(era), variant_of(variant), sizes))


@needs_compiler
@pytest.mark.parametrize(("era", "variant", "experiment"), SMALL)
def test_both_engines_find_the_same(era: str, variant: str, experiment: str) -> None:
    machine = system(era, variant, experiment)
    slow, fast = explore(machine, engine="python"), explore(machine, engine="native")
    assert (slow.count, slow.edges, slow.depth, slow.complete) == (fast.count, fast.edges, fast.depth, True)
    assert [bool(one >= 0) for one in slow.first] == [bool(one >= 0) for one in fast.first]
    for number in range(0, fast.count, max(1, fast.count // 50)):
        row = fast.row(number)
        assert fast.number(row) == number
        assert slow.number(row) >= 0
        # Breadth first: both have shortest ways.
        assert len(way(fast, number)) == len(way(slow, slow.number(row)))
    for name in UNTIL:
        for task in range(machine.parameters.tasks):
            ends = [space.lasting(name, task) for space in (slow, fast)]
            assert (ends[0] >= 0) == (ends[1] >= 0)
            if ends[0] >= 0:
                assert len(way(slow, ends[0])) == len(way(fast, ends[1]))


ANY = st.builds(
    Parameters,
    tasks=st.integers(1, 3), memory=st.integers(1, 5), want=st.integers(0, 2), work=st.integers(0, 2), entries=st.integers(1, 2),
    blocks=st.integers(1, 2), pages_per_block=st.integers(1, 2), kills=st.integers(0, 1), signals=st.integers(0, 1),
    site_a=st.integers(1, 4), site_b=st.sampled_from([2, 3]), site_c=st.sampled_from([2, 3]), site_d=st.sampled_from([2, 3]),
    site_e=st.sampled_from([2, 3]), exclusive=st.integers(0, 1), timeout=st.integers(0, 1),
    hand_on=st.integers(0, 1), on_kill=st.integers(0, 1), on_signal=st.integers(0, 1), transient=st.integers(0, 1),
    leak=st.integers(0, 1), direct=st.integers(0, 1), decompressors=st.integers(0, 2), streams=st.integers(1, 2),
    under_mutex=st.integers(0, 1), readahead=st.integers(0, 1), gfp_fill_ahead=st.integers(0, 2), gfp_fill=st.integers(0, 2),
    gfp_copy=st.integers(0, 2), gfp_actor=st.integers(0, 2), gfp_stream_ahead=st.integers(0, 2), reaper=st.integers(0, 1),
    mmap_writer=st.integers(0, 1), drops_mmap_lock=st.integers(0, 1), panic_on_oom=st.integers(0, 1),
    kill_allocating=st.integers(0, 1), commit=st.sampled_from([0, 2]), protected=st.integers(0, 7), kill_early=st.integers(0, 1),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(parameters=ANY, picks=st.lists(st.integers(0, 1000), max_size=80))
def test_no_step_loses_memory_or_leaves_its_bounds(parameters: Parameters, picks: list[int]) -> None:
    machine = Machine(parameters)
    row = machine.initial()
    for pick in picks:
        steps = list(machine.next(row))
        if not steps:
            break
        row = steps[pick % len(steps)][1]
        sound(machine, row)


def sound(machine: Machine, row: bytes) -> None:
    """What is true in every state, whatever the kernel does."""
    p, now = machine.parameters, machine.describe(row)
    pages = now["cached"].count(Page.LOCKED) + now["cached"].count(Page.UPTODATE)
    made = now["streams"] - (1 if p.decompressors == 2 else 0)
    asked = now["at"].count(At.NEW_STREAM)
    # The first decompressor was allocated when the file system was mounted, and one that is asked for is counted already.
    held = now["free"] + sum(now["anon"]) + pages + sum(now["buffer"]) + made - asked
    assert held == p.memory
    assert now["mapped"] == sum(now["anon"])
    assert 0 <= now["idle_streams"] <= now["streams"]
    for i in range(p.entries):
        assert now["refs"][i] == now["entry"].count(i + 1)
        assert now["refs"][i] > 0 or not now["pending"][i]
    for task in range(p.tasks):
        if now["state"][task] != Sleep.RUNNING:
            assert now["at"][task] in (
                At.WAIT_ENTRY,
                At.WAIT_FILL,
                At.WAIT_PAGE,
                At.WAIT_STREAM,
                At.STREAM,
                At.PUT_STREAM,
            )
        if now["at"][task] in (At.USER, At.EXIT, At.ZOMBIE, At.GONE):
            assert now["entry"][task] == now["buffer"][task] == now["more"][task] == 0
    places = sorted(one for one in now["place"] if one)
    assert places == list(range(1, len(places) + 1))
    limits = {"task": p.tasks, "entry": p.entries, "page": p.pages}
    for field in FIELDS:
        most = int(field.most) if field.most.isdigit() else max(getattr(p, field.most), 1)
        values = now[field.name] if field.each else [now[field.name]]
        assert len(values) == limits.get(field.each, 1)
        assert max(values) <= most, field.name


@pytest.mark.parametrize("era", [one.key for one in eras()])
@pytest.mark.parametrize("variant", [one.key for one in variants()])
def test_every_experiment_begins(era: str, variant: str) -> None:
    for experiment in EXPERIMENTS:
        machine = system(era, variant, experiment.key)
        assert list(machine.next(machine.initial()))


@needs_compiler
def test_every_rule_is_used_somewhere() -> None:
    """A rule that can never be applied says something about no kernel."""
    left = {rule.name for rule, _ in reading.system().rules}
    systems = [system(*one) for one in SMALL] + [
        system("4.5", "stock", "shortage"),
        system("6.1", "stock", "direct"),
        system("6.1", "series", "direct"),
        system("6.1", "series", "block"),
        system("5.10", "stock", "block"),
        system("6.1", "stock", "shortage", panic_on_oom=1),
        system("6.1", "stock", "shortage", kill_allocating=1),
        system("6.1", "stock", "shortage", kill_early=1),
        system("5.5", "stock", "shortage", mmap_writer=1),
        system("6.1", "series", "decompressors", decompressors=1),
        system("6.1", "series", "decompressors", under_mutex=1),
        system("6.1", "series", "decompressors", gfp_stream=0, streams=1),
        system("6.1", "stock", "signal", timeout=1),
        system("6.1", "series", "queue", tasks=2, blocks=2),
        system("7.3", "series", "queue", tasks=2, blocks=2),
        system("7.3", "article", "signal"),
        system(
            "6.1", "series", "decompressors", tasks=3, entries=3, blocks=3, memory=7, want=0, under_mutex=1
        ),
        system(
            "6.1",
            "stock",
            "decompressors",
            tasks=3,
            entries=3,
            blocks=3,
            memory=7,
            want=0,
            streams=1,
            kills=0,
        ),
        system("7.3", "stock", "queue", tasks=3, blocks=2, pages_per_block=2, kills=0),
        system("6.1", "stock", "queue", tasks=3, blocks=2, pages_per_block=2, kills=0, exclusive=1),
    ]
    for machine in systems:
        space = explore(machine, states=2_000_000)
        for number in range(0, space.count, max(1, space.count // 20_000)):
            for step, _after in machine.next(space.row(number)) if left else ():
                left.discard(machine.rules[step.rule].name)
    assert not left


def test_a_space_that_has_no_room_is_not_complete() -> None:
    for engine in ("python", "native") if native.compiler() else ("python",):
        space = explore(system("6.1", "stock", "shortage"), states=1000, engine=engine)
        assert not space.complete
        assert space.count == 1000


@needs_compiler
def test_more_states_than_there_is_memory_for_is_refused_at_once() -> None:
    with pytest.raises(
        UserError, match=r"100,000,000,000,000 states need up to .* GiB, and .* are available: --states \d+"
    ):
        explore(system("6.1", "stock", "shortage"), states=10**14)


def test_the_search_says_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    space = explore(system("6.1", "stock", "crowd"), tell=lambda found, done: told.append((found, done)))
    assert told
    assert all(done <= found <= space.count for found, done in told)
    assert any(done < found for found, done in told)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tasks": 0}, "0 tasks: the model takes 1 to 8"),
        ({"tasks": 9}, "9 tasks"),
        ({"entries": 0}, "0 cache entries"),
        ({"memory": 0}, "0 pages of memory"),
        ({"pages_per_block": 3}, "3 pages in a block"),
    ],
)
def test_impossible_systems_are_refused(changes: dict[str, int], words: str) -> None:
    with pytest.raises(UserError, match=words):
        system("6.1", "stock", "shortage", **changes)


def wrong_return(s: State, p: Parameters) -> int:
    s.free = 1
    return 1


def wrong_while(s: State, p: Parameters) -> None:
    while s.free:
        s.free -= 1


def wrong_require(s: State, p: Parameters) -> None:
    s.free = 0
    require(s.free == 0)  # type: ignore[name-defined] # noqa: F821 - it is read, not run


@pytest.mark.parametrize("function", [wrong_return, wrong_while, wrong_require])
def test_what_is_not_in_the_language_is_refused(function: object) -> None:
    with pytest.raises(reading.Misread):
        reading.read(function)  # type: ignore[arg-type]


def test_every_process_is_somebody() -> None:
    machine = system("6.1", "stock", "shortage")
    for step in machine.steps:
        own = machine.rules[step.rule].actor is Actor.TASK
        assert (
            step.process == step.task if own else machine.parameters.tasks <= step.process < machine.processes
        )
