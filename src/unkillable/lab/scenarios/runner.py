"""Scenarios played one after the other, each with every variant, each in a guest of its own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from unkillable.errors import UserError
from unkillable.lab import accel
from unkillable.lab.consoles import SHOWN
from unkillable.lab.machine import Machine
from unkillable.lab.progress import Progress, silent
from unkillable.lab.qemu import QUIET, Files, arguments
from unkillable.lab.scenarios import guest
from unkillable.lab.scenarios.agent import Agent, NotStartedError
from unkillable.lab.scenarios.play import Finding, Play, Scenario
from unkillable.lab.scenarios.store import Store
from unkillable.lab.scenarios.table import SCENARIOS
from unkillable.lab.scenarios.types import Result, Variant
from unkillable.lab.setup import Prepared, Setup
from unkillable.versions import within

NAMES = tuple(one.name for one in SCENARIOS)
STOCK = Variant("stock")
BOOT_S = 180.0
"""Wall seconds in which the guest must be ready; the slowest measured takes 15 on a quiet host."""
BOOTS = 2
"""How often a guest is started: now and then one stands still before its first program."""
PLAY_S = 3600.0
"""Wall seconds for one scenario."""
Played = tuple[str, Finding, tuple[str, ...]]
"""Outcome, what was found, and squashfs's error lines."""


def run(
    setup: Setup,
    names: Sequence[str] = NAMES,
    variants: Sequence[Variant] = (STOCK,),
    logs: Path | None = None,
    progress: Progress = silent,
) -> tuple[Result, ...]:
    """Plays scenarios on the kernel of a setup, of which else only the architecture, the accelerator and the kernel's
    arguments count.

    Debian's kernels get squashfs.ko rebuilt for each variant; a source:TREE is built for each.  A scenario that cannot be
    played on this kernel has a Result that says why; a variant that cannot be built is a UserError.  What was played before
    is not played again where `logs` has its result.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f"{unknown[0]}: no such scenario; there are {', '.join(NAMES)}")
    wanted = [one for one in SCENARIOS if one.name in names]
    pairs = [(scenario, variant) for scenario in wanted for variant in variants]
    with tempfile.TemporaryDirectory(prefix="unkillable-") as aside:
        found = []
        for number, (scenario, variant) in enumerate(pairs):
            progress(f"{scenario.name}, {variant.name}", number / len(pairs))
            place = (logs or Path(aside)) / f"{scenario.name}-{variant.name}"
            found.append(_one(setup, scenario, variant, place, kept=logs is not None))
        return tuple(found)


def _one(setup: Setup, scenario: Scenario, variant: Variant, logs: Path, *, kept: bool) -> Result:
    def told(outcome: str, finding: Finding, **more: object) -> Result:
        return Result(
            scenario=scenario.name,
            variant=variant.name,
            question=scenario.question,
            outcome=outcome,
            defect=finding.defect,
            seen=finding.seen,
            module=scenario.module,
            held_s=finding.held_s,
            tasks=finding.tasks,
            **more,  # type: ignore[arg-type]
        )

    def lacks(why: str, release: str = "") -> Result:
        return told("not-applicable", Finding(None, why), release=release)

    if scenario.faults and not setup.kernel.startswith("source:"):
        return lacks("needs a kernel that can make allocations fail: a source:TREE")
    prepared, extra = guest.make(setup, scenario, variant.patches)
    if not within(prepared.version, scenario.since, scenario.until):
        return lacks(f"Linux {prepared.version} has no such code", prepared.release)
    store = Store(logs, prepared) if kept else None
    if store and (before := store.read()):
        return before
    outcome, finding, errors = asyncio.run(_started(prepared, extra, scenario, logs))
    found = told(
        outcome,
        finding,
        release=prepared.release,
        errors=len(errors),
        error_lines=errors[:SHOWN],
        provenance=prepared.provenance,
        console=str(logs / "console.log") if kept else None,
    )
    if store and outcome != "harness-failed":
        store.keep(found)
    return found


async def _started(prepared: Prepared, extra: tuple[str, ...], scenario: Scenario, logs: Path) -> Played:
    """Played by the first guest that starts."""
    why = ""
    for _ in range(BOOTS):
        try:
            return await _play(prepared, extra, scenario, logs)
        except NotStartedError as error:
            why = f"{error}; {BOOTS} were started"
    return "harness-failed", Finding(None, why), ()


async def _play(prepared: Prepared, extra: tuple[str, ...], scenario: Scenario, logs: Path) -> Played:
    accelerator, _ = await accel.choose(prepared)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as sockets:
        files = Files(Path(sockets), logs)
        argv = arguments(prepared, files, accelerator, loglevel=QUIET, extra=extra)
        async with Machine(argv, files) as machine:
            agent = Agent(machine)
            listener = asyncio.create_task(agent.listen())
            try:
                await agent.boot(BOOT_S)
                finding = await asyncio.wait_for(scenario.play(Play(agent, machine)), PLAY_S)
                errors = await agent.errors()
            except NotStartedError:
                raise
            except TimeoutError:
                return "could-not-tell", Finding(None, f"it did not end within {PLAY_S:.0f} s"), ()
            except UserError as error:  # such as a guest that answers no more: other scenarios still can
                return "could-not-tell", Finding(None, str(error)), ()
            finally:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)
    return "played" if finding.defect is not None else "could-not-tell", finding, errors
