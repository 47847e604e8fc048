"""Tasks as the diagnosis sees them: all sightings of one pid and name, classified."""

from __future__ import annotations

import msgspec

from unkillable.diagnosis.types import Quote
from unkillable.evidence.types import Evidence, Frame, TaskSighting
from unkillable.versions import version_key
from unkillable.waits import states
from unkillable.waits.classify import Call, Classifier, Wait, classifier
from unkillable.waits.generated import Generated


class View(msgspec.Struct, frozen=True):
    """One sighting and what its stack says."""

    sighting: TaskSighting
    wait: Wait | None

    @property
    def asleep_for_good(self) -> bool:
        """Asleep where SIGKILL does not wake it, and not an idle kernel thread."""
        wait = self.wait
        return wait is not None and wait.asleep and wait.killable is False and wait.task_state != states.IDLE


class Subject(msgspec.Struct):
    """A task: its sightings in the order of the log."""

    pid: int | None
    comm: str | None
    views: list[View] = []
    hung_seconds: float | None = None
    hung_at: float | None = None
    hung_quotes: list[Quote] = []

    @property
    def name(self) -> str:
        """`comm/pid`, as lockdep prints it; what is known of it."""
        if self.pid is None:
            return self.comm or "a task"
        return f"{self.comm or '?'}/{self.pid}"

    @property
    def hung(self) -> bool:
        return self.hung_seconds is not None

    @property
    def hung_since(self) -> float | None:
        """Seconds since boot at which it last moved, by khungtaskd's count."""
        if self.hung_seconds is None or self.hung_at is None:
            return None
        return self.hung_at - self.hung_seconds


def kernel_version(evidence: Evidence) -> str | None:
    """The version whose catalogue rows apply: the log's own, else the newest its formats allow."""
    if evidence.kernel.version is not None:
        return evidence.kernel.version
    if evidence.kernel.until is None:
        return None
    major, minor, *_ = version_key(evidence.kernel.until)
    # 2.6.36 and its like: two numbers do not tell them apart, and the catalogue has nothing between them.
    return f"{major}.{minor}" if major == 2 else f"{major}.{minor - 1}"


def view(sighting: TaskSighting, known: Classifier) -> View:
    stack = sighting.stack
    if stack is None:
        if sighting.wchan:
            asleep = (Call("schedule"), Call(sighting.wchan))
            return View(sighting, known.classify(asleep, sighting.state))
        return View(sighting, None)
    calls = tuple(Call(frame.function, frame.reliable) for frame in stack.frames)
    if sighting.text.startswith("[<0>]") or "/stack" in sighting.text:
        calls = (Call("schedule"), *calls)  # /proc/PID/stack leaves the scheduler's own frames out
    letter = sighting.state
    if letter is None and sighting.origin == "hung-task":
        letter = "D"  # khungtaskd looks at TASK_UNINTERRUPTIBLE sleepers only (kernel/hung_task.c)
    # A dump shows a killable sleeper as K, so its D is the other one.
    plain = sighting.origin == "hung-task" or (sighting.origin == "vmcore" and letter == "D")
    wait = known.classify(calls, letter, stack.interrupted, plain)
    if stack.mixed and wait is not None:
        wait = msgspec.structs.replace(wait, inferred=True)
    return View(sighting, wait)


def quote(sighting: TaskSighting, wait: Wait | None = None) -> tuple[Quote, ...]:
    """The task's own line, and the line range of its stack with the function it sleeps in."""
    quotes = [Quote(sighting.line, sighting.text.strip())] if sighting.line else []
    stack = sighting.stack
    if stack is not None and wait is not None and wait.function:
        for frame, line in zip(stack.frames, stack.frame_lines, strict=False):
            if frame.function == wait.function:
                quotes.append(Quote(line, _frame_text(frame)))
                break
    return tuple(quotes)


def _frame_text(frame: Frame) -> str:
    text = frame.symbol
    if frame.offset is not None:
        text += f"+0x{frame.offset:x}" + (f"/0x{frame.size:x}" if frame.size is not None else "")
    if frame.module:
        text += f" [{frame.module}]"
    return text


def collect(evidence: Evidence, catalogue: Generated | None = None) -> list[Subject]:
    """All tasks of the evidence, in the order they are first seen.  `catalogue` is that of the log's own kernel, if it was made."""
    subjects: dict[tuple[int | None, str | None, int], Subject] = {}
    if evidence.tasks:
        known = classifier(kernel_version(evidence), catalogue)
        for number, sighting in enumerate(evidence.tasks):
            key = (sighting.pid, sighting.comm, number if sighting.pid is None else 0)
            subject = subjects.setdefault(key, Subject(sighting.pid, sighting.comm))
            subject.views.append(view(sighting, known))
    for hung in evidence.hung:
        subject = subjects.setdefault((hung.pid, hung.comm, 0), Subject(hung.pid, hung.comm))
        if subject.hung_seconds is None or hung.seconds >= subject.hung_seconds:
            subject.hung_seconds, subject.hung_at = hung.seconds, hung.time
        if len(subject.hung_quotes) < 3:
            subject.hung_quotes.append(Quote(hung.line, hung.text.strip()))
    for subject in subjects.values():
        if subject.hung:
            subject.views = _settled(subject.views)
    return list(subjects.values())


def _settled(views: list[View]) -> list[View]:
    """khungtaskd's word on a wait holds for every sighting of the task in the same function."""
    places = {
        view.wait.function for view in views if view.wait is not None and view.sighting.origin == "hung-task"
    }
    return [
        View(
            view.sighting,
            msgspec.structs.replace(view.wait, task_state=states.UNINTERRUPTIBLE, killable=False),
        )
        if view.wait is not None
        and view.wait.asleep
        and view.wait.killable is None
        and view.wait.function in places
        else view
        for view in views
    ]
