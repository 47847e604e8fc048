"""What `explain` found out, as text: the first line is the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unkillable.model.types import Answer, Event, Explanation, Scene, Sites, SiteSets, Story, Swaps, TaskView
from unkillable.report.plain import clean, width, wrap
from unkillable.report.text import Style, plain_style

__all__ = ["headline", "render", "render_sites", "render_swaps"]

_VARIANTS = {
    "stock": "",
    "article": ", with the article's patch",
    "series": ", with the patches of unkillable fix",
}
_RESULTS = {"holds": "holds", "violated": "VIOLATED", "undetermined": "not known"}


def render(
    found: Explanation, paint: Style = plain_style, columns: int | None = None, full: bool = False
) -> str:
    """The answer, the story of the first violation (`full`: of all), and all verdicts."""
    wide = columns or width()
    told = [one for one in found.verdicts if one.story]
    parts: list[list[str]] = [wrap(clean(headline(found)), "", 10_000)]
    parts[0][0] = paint(
        "headline-bad" if told else "headline-good" if _whole(found) else "headline-unsure", parts[0][0]
    )
    for verdict in told if full else told[:1]:
        if verdict.story:
            parts += _story(verdict, verdict.story, paint, wide, alone=not full or len(told) == 1)
    parts.append(_verdicts(found, paint, wide))
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def headline(found: Explanation) -> str:
    """The answer in a line."""
    first = next((one for one in found.verdicts if one.story), None)
    kernel = found.title.partition(":")[0] + _VARIANTS[found.variant]
    if first and first.story:
        return f"{kernel}: {first.story.kind} after {len(first.story.events)} steps. {first.story.title}"
    states = sum({one.property: one.states for one in found.verdicts}.values())
    if _whole(found):
        return f"{kernel}: nothing of this hangs, in any order of events (within the bound below)"
    return f"{kernel}: no violation was found, but not everything was looked at ({states:,} states)"


def _whole(found: Explanation) -> bool:
    return all(one.result == "holds" for one in found.verdicts)


def _story(verdict: Answer, story: Story, paint: Style, wide: int, *, alone: bool) -> Iterable[list[str]]:
    head = "How it comes about, step by step"
    lines = [paint("head", head if alone else f"{verdict.question}: violated. {clean(story.title)}")]
    lines += [
        line
        for number, event in enumerate(story.events, 1)
        for line in _event(event, f"{number:3}. ", wide, paint)
    ]
    yield lines
    if story.cycle:
        yield [
            paint("head", "From here on, for ever"),
            *(line for event in story.cycle for line in _event(event, "  -  ", wide, paint)),
        ]
    last = story.events[-1].scene if story.events else story.begin
    yield [paint("head", "In the end"), *_scene(last, wide)]


def _event(event: Event, mark: str, wide: int, paint: Style) -> list[str]:
    lines = wrap(clean(event.text), " " * len(mark), wide, mark)
    if event.kernel:
        lines[-1] += "  " + paint("dim", f"[{event.kernel}]")
    return lines


def _scene(scene: Scene, wide: int) -> list[str]:
    names = max(len(clean(one.name)) for one in scene.tasks)
    states = max(len(one.task_state) for one in scene.tasks)
    lines: list[str] = []
    for one in scene.tasks:
        head = f"  {clean(one.name):{names}}  {one.task_state:{states}}  "
        lines += wrap(_doing(one), " " * len(head), wide, head)
    memory = scene.memory
    kinds = (
        (memory.own, "of programs"),
        (memory.locked, "locked code"),
        (memory.code, "code"),
        (memory.kernel, "of the kernel"),
        (memory.free, "free"),
    )
    lines.append(
        "  memory: "
        + ", ".join(f"{count} {what}" for count, what in kinds if count)
        + f" (of {memory.total} pages)"
    )
    for arrow in scene.arrows:
        lines.append(f"  {clean(arrow.source)} -> {clean(arrow.target)}: {arrow.why}")
    return lines


def _doing(one: TaskView) -> str:
    words = [one.where]
    if one.holds:
        words.append("holds " + " and ".join(one.holds))
    if one.pages:
        words.append(f"has {one.pages} page{'s' * (one.pages > 1)} of memory")
    if one.killed and not one.ended_by:
        words.append("SIGKILL is pending" + (", from the OOM killer" if one.by_oom_killer else ""))
    if one.signal:
        words.append("a signal is pending")
    if one.ended_by:
        words.append(f"ended by {one.ended_by}")
    return "; ".join(words)


def _verdicts(found: Explanation, paint: Style, wide: int) -> list[str]:
    lines = [paint("head", "What holds, in every order of events")]
    words = max(len(_RESULTS[one.result]) for one in found.verdicts)
    for one in found.verdicts:
        told = f", {len(one.story.events)} steps" if one.story else ""
        lines += wrap(
            f"{one.question}  ({one.states:,} states{told})",
            " " * (words + 4),
            wide,
            f"  {_RESULTS[one.result]:{words}}  ",
        )
    lines += ["", paint("head", "The bound: what every order of events was tried of")]
    for system in found.bound:
        lines += wrap(system, "    ", wide, "  - ")
    return lines


def render_sites(found: Sites, paint: Style = plain_style, columns: int | None = None) -> str:
    """The minimal sets."""
    wide = columns or width()
    parts = [[paint("headline-unsure", clean(_sites_headline(found)))]]
    for one in found.sets:
        lines = [paint("head", f"{one.decompressors}: {_sets(one)}")]
        lines += wrap(f"{one.tried} systems, {one.states:,} states, {one.seconds:.1f} s", "  ", wide)
        if one.undetermined:
            lines += wrap("not known for " + ", ".join(_set(each) for each in one.undetermined), "  ", wide)
        parts.append(lines)
    letters = {letter: what for one in found.sets for letter, what in one.sites.items()}
    parts.append(
        [
            paint("head", "The sites"),
            *(
                line
                for letter, what in letters.items()
                for line in wrap(f"{letter}  {what}", "     ", wide, "  ")
            ),
        ]
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _sites_headline(found: Sites) -> str:
    first = found.sets[0]
    return f"{first.title.partition(':')[0]}: a killed task ends if these can be killed: " + "; ".join(
        f"{one.decompressors} {_sets(one)}" for one in found.sets
    )


def _sets(one: SiteSets) -> str:
    if not one.minimal:
        return "not known" if one.undetermined else "nothing of this is enough"
    return " or ".join(_set(each) for each in one.minimal)


def _set(letters: Sequence[str]) -> str:
    return "+".join(letters) or "none"


def render_swaps(found: Swaps, paint: Style = plain_style, columns: int | None = None) -> str:
    """What another wait at site A does."""
    wide = columns or width()
    first = found.swaps[0]
    parts: list[list[str]] = []
    for swap in found.swaps:
        bad = [one for one in swap.explanation.verdicts if one.story]
        lines = [
            paint(
                "head",
                f"{swap.wait}(), its return {'ignored' if swap.returned == 'ignored' else 'taken for an error'}: "
                f"{len(bad)} of {len(swap.explanation.verdicts)} properties violated",
            )
        ]
        for one in swap.explanation.verdicts:
            told = f"  {clean(one.story.title)} ({len(one.story.events)} steps)" if one.story else ""
            lines += wrap(
                f"{one.question}{'.' if told else ''}{told}", " " * 14, wide, f"  {_RESULTS[one.result]:12}"
            )
        parts.append(lines)
    traits = ", ".join(first.traits) or "no traits"
    head = f"{first.wait}() at site A ({first.task_state}; {traits}): {_swapped(found)}"
    return "\n\n".join(["\n".join(part) for part in ([paint("headline-unsure", clean(head))], *parts)]) + "\n"


def _swapped(found: Swaps) -> str:
    """What it comes to, beside what stays as bad as it is."""
    said = []
    for swap in found.swaps:
        kinds = [one.story.kind for one in swap.explanation.verdicts if one.story]
        said.append(f"return {swap.returned}: {', '.join(dict.fromkeys(kinds)) or 'nothing is violated'}")
    return "; ".join(said)
