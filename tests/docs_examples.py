"""The documentation as data: its examples run, its excerpts are looked up, its links and file names followed.

An example is a fenced block with the word `console`. A line that begins with `$ ` is run from the root of the
repository; what follows it up to the next such line is its output.

* A line `[...]` in the output stands for any number of lines.
* A last line `# exit status 2` tells the status of the last program that failed; without one, none may fail.
* A command is `unkillable` or one of a few standard tools, joined by `|`; `< FILE` feeds the first one. No shell runs.
* What a command writes goes below `build/`, which is there.

An excerpt is a fenced block whose first line is three backticks, `text` and `FILE:LINE`: its lines stand in that file
from that line on. A `.xz` file is decompressed first. `[...]` leaves lines out; ` [...]` at the end of a line leaves out
the rest of it.
"""

from __future__ import annotations

import difflib
import lzma
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GAP = "[...]"
TOOLS = frozenset({"cat", "cut", "grep", "gzip", "head", "sort", "tail", "wc", "xz"})
SECONDS = 100
COLUMNS = 100

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_STATUS = re.compile(r"^# exit status (\d+)$")
_EXCERPT = re.compile(r"^text (?P<file>\S+):(?P<line>\d+)$")
# The name that the help and the messages print is argv[0]'s.
_UNKILLABLE = "import sys; sys.argv[0] = 'unkillable'; from unkillable.cli.main import main; main()"


def pages() -> list[Path]:
    """README.md and everything below docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Number of its first line after the fence, 1-based."""
    info: str
    lines: list[str]
    indent: int = 0


@dataclass(frozen=True)
class Run:
    """One command of an example and what it must print."""

    page: Path
    line: int
    """Line number of the command."""
    command: str
    output: list[str] = field(default_factory=list)
    status: int = 0

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Excerpt:
    """Lines of a file of this repository that a page shows."""

    page: Path
    line: int
    file: str
    start: int
    lines: list[str]

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    begun: tuple[int, str, int] | None = None
    inside: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if begun is None and fence is not None:
            begun, inside = (number + 1, fence["info"].strip(), len(fence["indent"])), []
        elif begun is not None and fence is not None and not fence["info"]:
            yield Block(page, begun[0], begun[1], inside, begun[2])
            begun = None
        elif begun is not None:
            inside.append(line[begun[2] :] if line[: begun[2]].isspace() else line)
    if begun is not None:
        raise ValueError(f"{page}:{begun[0] - 1}: this block does not end")


def runs(page: Path) -> list[Run]:
    """The commands of a page's console blocks."""
    return [run for block in blocks(page) if block.info == "console" for run in commands(block)]


def commands(block: Block) -> list[Run]:
    """The commands of one block, each with the output below it."""
    found: list[Run] = []
    for offset, line in enumerate(block.lines):
        if line.startswith("$ "):
            found.append(Run(block.page, block.line + offset, line[2:]))
        elif not found:
            raise ValueError(f"{block.page}:{block.line}: a console block begins with a line `$ COMMAND`")
        elif (status := _STATUS.match(line)) is not None:
            last = found.pop()
            found.append(Run(last.page, last.line, last.command, last.output, int(status[1])))
        else:
            found[-1].output.append(line)
    return found


def excerpts(page: Path) -> list[Excerpt]:
    """The excerpts of a page."""
    return [
        Excerpt(page, block.line, match["file"], int(match["line"]), block.lines)
        for block in blocks(page)
        if (match := _EXCERPT.match(block.info)) is not None
    ]


def pipeline(command: str) -> tuple[list[list[str]], str | None]:
    """The programs of a command with their arguments, and the file that feeds the first one."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|<>;&()")
    lexer.whitespace_split = True
    programs: list[list[str]] = [[]]
    feed: str | None = None
    words = iter(lexer)
    for word in words:
        if word == "|":
            programs.append([])
        elif word == "<":
            feed = next(words)
        elif set(word) <= set("|<>;&()"):
            raise ValueError(f"{word} is not for examples: {command}")
        else:
            programs[-1].append(word)
    for program in programs:
        if not program or program[0] not in TOOLS | {"unkillable"}:
            raise ValueError(f"only unkillable and {', '.join(sorted(TOOLS))} are run: {command}")
    return programs, feed


def missing_tool(command: str) -> str | None:
    """A tool of the command that this machine does not have."""
    programs = pipeline(command)[0]
    needed = [one[0] for one in programs if one[0] in TOOLS]
    if any(one[:2] == ["unkillable", "fix"] and "--mitigations" not in one for one in programs):
        needed += ["spatch", "git"]
    return next((name for name in needed if shutil.which(name) is None), None)


def execute(command: str) -> tuple[list[str], int]:
    """What a command prints, both streams together as on a terminal, and the status of the last program that failed."""
    programs, feed = pipeline(command)
    environment = os.environ | {
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
    }
    (ROOT / "build").mkdir(exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    source: int | None = subprocess.DEVNULL
    try:
        for number, words in enumerate(programs):
            last = number == len(programs) - 1
            argv = [sys.executable, "-c", _UNKILLABLE, *words[1:]] if words[0] == "unkillable" else words
            entry = (ROOT / feed).open("rb") if feed and not number else None
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=environment,
                stdin=entry or source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if last else None,
            )
            for used in (entry, started[-1].stdout if started else None):
                if used is not None:
                    used.close()  # ours; the process has its own
            started.append(process)
            source = process.stdout.fileno() if process.stdout else None
        printed, _ = started[-1].communicate(timeout=SECONDS)
        for process in started:
            process.wait(timeout=SECONDS)
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()
    statuses = [process.returncode for process in started if process.returncode not in (0, -signal.SIGPIPE)]
    return tidy(printed.decode("utf-8", "replace").splitlines()), statuses[-1] if statuses else 0


def tidy(lines: Sequence[str]) -> list[str]:
    """Without blanks at the ends of lines and empty lines at the end."""
    found = [line.rstrip() for line in lines]
    while found and not found[-1]:
        found.pop()
    return found


def segments(lines: Sequence[str]) -> list[list[str]]:
    """The runs of lines between gaps."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip() == GAP:
            found.append([])
        else:
            found[-1].append(line)
    return found


def matches(expected: Sequence[str], actual: Sequence[str]) -> bool:
    """Whether the output is as a page shows it: `[...]` stands for any number of lines."""
    parts = segments(tidy(expected))
    lines = list(actual)
    if len(parts) == 1:
        return parts[0] == lines
    first, *middle, last = parts
    if lines[: len(first)] != first:
        return False
    at = len(first)
    for part in middle:
        place = _find(lines, part, at)
        if place is None:
            return False
        at = place + len(part)
    return len(lines) - at >= len(last) and (not last or lines[-len(last) :] == last)


def _find(lines: Sequence[str], part: Sequence[str], start: int) -> int | None:
    for at in range(start, len(lines) - len(part) + 1):
        if list(lines[at : at + len(part)]) == list(part):
            return at
    return None


def renew(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    """The output to show now: with gaps where the page had them, around the lines most like those it showed."""
    if matches(expected, actual):
        return list(expected)
    parts = segments(tidy(expected))
    lines = list(actual)
    if len(parts) == 1:
        return lines
    first, *middle, last = parts
    shown = lines[: len(first)]
    at = len(shown)
    end = max(len(lines) - len(last), at)
    for part in middle:
        start = next(
            (
                lines.index(found[0], at, end)
                for line in part
                if line.strip() and (found := difflib.get_close_matches(line, lines[at:end], 1, 0.5))
            ),
            None,
        )
        if start is not None:
            shown += [GAP, *lines[start : start + len(part)]]
            at = min(start + len(part), end)
    return [*shown, GAP, *lines[end:]] if last else [*shown, GAP]


@cache
def content(file: str) -> list[str]:
    """The lines of a file of this repository as `xz -dc FILE | sed -n LINEp` shows them."""
    data = (ROOT / file).read_bytes()
    if file.endswith(".xz"):
        data = lzma.decompress(data)
    return [line.rstrip("\r") for line in data.decode("utf-8", "replace").split("\n")]


def shows(excerpt: Excerpt) -> str | None:
    """What is wrong with an excerpt, or None."""
    lines = content(excerpt.file)
    at = excerpt.start - 1
    anywhere = False
    for line in excerpt.lines:
        if line.strip() == GAP:
            anywhere = True
            continue
        places = range(at, len(lines)) if anywhere else range(at, min(at + 1, len(lines)))
        place = next((number for number in places if _like(line, lines[number])), None)
        if place is None:
            return f"{excerpt.file} does not have in line {at + 1}{' or later' if anywhere else ''}: {line}"
        at, anywhere = place + 1, False
    return None


def _like(shown: str, line: str) -> bool:
    if shown.endswith(f" {GAP}"):
        return line.startswith(shown.removesuffix(GAP).rstrip())
    return shown.rstrip() == line.rstrip()


_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(
    r"(?<![\w/.-])((?:docs|examples|requirements|scripts|src|tests|tools)/[\w./*{},-]*\w[/]?|"
    r"(?:README|CHANGELOG)\.md|COPYING|Makefile|pyproject\.toml|packages\.debian\.txt)"
)


def prose(page: Path) -> list[tuple[int, str]]:
    """The lines of a page that are in no block, with their numbers."""
    text = page.read_text(encoding="utf-8").splitlines()
    inside = {
        number
        for block in blocks(page)
        for number in range(block.line - 1, block.line + len(block.lines) + 1)
    }
    return [(number, line) for number, line in enumerate(text, 1) if number not in inside]


def links(page: Path) -> list[tuple[int, str]]:
    """Targets of links and pictures, with line numbers."""
    return [(number, target) for number, line in prose(page) for target in _LINK.findall(_CODE.sub("", line))]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and most others make them."""
    found = set()
    for _, line in prose(page):
        if line.startswith("#"):
            words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
            found.add(words.replace(" ", "-"))
    return found


def files_named(page: Path) -> list[tuple[int, str]]:
    """Files of this repository that a page names in `code`, in links or in a block."""
    return [
        (number, name)
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        for name in _PATH.findall(line)
    ]


def exists(name: str) -> bool:
    """Whether a name, perhaps with `*` or `{a,b}`, is a file or folder here."""
    spread = re.match(r"(.*)\{([^}]*)\}(.*)", name)
    if spread is not None:
        return all(exists(spread[1] + part + spread[3]) for part in spread[2].split(","))
    if "*" in name:
        return any(True for _ in ROOT.glob(name.rstrip("/")))
    return (ROOT / name).exists()
