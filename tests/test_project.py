"""The project's own rules that no linter holds: pins, names of hosts, the rooms, the length of files."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

import unkillable
from tools.import_rooms import find_violations, parse_rooms

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "unkillable"
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
MAX_LINES = 400

ROOMS = {
    "klog", "collect", "evidence", "waits", "ksource", "diagnosis", "lab", "remedies", "model", "fleet", "report", "cli",
}  # fmt: skip

# Put together from parts, so that this file passes its own check.
HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pypi", "python", "org"),
            ("python" + "hosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("crates", "io"),
            ("proxy", "golang", "org"),
            ("deb", "debian", "org"),
            ("security", "debian", "org"),
            ("snapshot", "debian", "org"),
            ("archive", "ubuntu", "com"),
        )
    )
    + r"|debian\.org/" + "debian",
    re.IGNORECASE,
)  # fmt: skip
HOST_OR_PATH = re.compile(
    r"://|(?<![\w.])/(?:home|work|root|tmp|opt|usr)\b|--(?:extra-)?index-url|--find-links|@ file:"
)


def _import_rows() -> list[str]:
    """The rows of the import contract in pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rows: list[str] = next(contract["rooms"] for contract in contracts if contract["type"] == "rooms")
    return rows


def _pins(lock: Path) -> set[tuple[str, str]]:
    """The name and version of each requirement in a lock file; one name can have two, each for other Pythons."""
    return set(re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;]+)", lock.read_text(), re.MULTILINE))


def _files_of_the_project() -> list[Path]:
    """Every file that is in git or would be added to it."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git work tree")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout.decode()  # fmt: skip
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def test_installed_version_is_the_one_in_the_source() -> None:
    assert importlib.metadata.version("unkillable") == unkillable.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", unkillable.__version__)


def test_licence_is_in_the_metadata_and_in_the_tree() -> None:
    assert importlib.metadata.metadata("unkillable")["License-Expression"] == "GPL-2.0-or-later"
    assert "Version 2, June 1991" in (ROOT / "COPYING").read_text()


def test_changelog_has_an_entry_for_what_is_not_released() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## Unreleased\n\n### \w+\n\n- ", changelog, re.MULTILINE)


def test_there_is_a_lock_for_every_use() -> None:
    assert {lock.stem for lock in LOCKS} == {"runtime", "package", "dev", "fuzz", "lock"}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_names_no_host_and_no_path_and_hashes_every_pin(lock: Path) -> None:
    text = lock.read_text()
    assert not HOST_OR_PATH.search(text)
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_pins(lock)) > 0
    assert [
        block.split()[0] for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", block)
    ] == []


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https" + "://example.org/simple",
        "x @ file:///" + "srv/x.whl",
        "--find-links wheels",
        "# via /" + "root/x",
    ],
)
def test_the_check_of_locks_sees_hosts_and_paths(line: str) -> None:
    assert HOST_OR_PATH.search(line)


def test_locks_agree_on_versions() -> None:
    runtime, package, dev = (
        _pins(ROOT / "requirements" / f"{use}.txt") for use in ("runtime", "package", "dev")
    )
    assert runtime
    assert runtime | package <= dev


def test_every_dependency_is_pinned_and_explained() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[^\w-]", requirement)[0] for requirement in metadata["project"]["dependencies"]}
    pinned = {name for name, _ in _pins(ROOT / "requirements" / "runtime.txt")}
    explained = (ROOT / "docs" / "dependencies.md").read_text()
    assert wanted
    assert wanted <= pinned
    assert {name for name in pinned if f"\n| {name} " not in explained} == set()


def test_every_room_has_a_row_in_the_import_contract() -> None:
    allowed = parse_rooms(_import_rows())
    assert allowed.keys() >= ROOMS
    present = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert present
    assert present <= allowed.keys()


def test_the_import_contract_sees_every_module() -> None:
    graph = grimp.build_graph("unkillable", cache_dir=None)
    on_disk = {
        ".".join(("unkillable", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        for path in PACKAGE.rglob("*.py")
    }
    assert on_disk - graph.modules == set(), "a folder without __init__.py is invisible to the contract"
    assert find_violations(graph, "unkillable", parse_rooms(_import_rows())) == ([], [])


def test_the_import_contract_finds_what_it_forbids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room, source in {
        "low": "",
        "middle": "from roomsample.low import __name__ as _",
        "high": "import roomsample.middle\nimport roomsample.low",
        "stray": "",
    }.items():
        folder = tmp_path / "roomsample" / room
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(source + "\n")
    (tmp_path / "roomsample" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    graph = grimp.build_graph("roomsample", cache_dir=None)
    allowed = parse_rooms(["low:", "middle: low", "high: middle"])

    assert find_violations(graph, "roomsample", allowed) == (
        ["roomsample.high:2 -> roomsample.low"],
        ["roomsample.stray"],
    )


@pytest.mark.parametrize("rows", [["a: b", "b:"], ["a: a"], ["a:", "a:"], ["a"]])
def test_an_import_contract_that_is_not_one_way_is_refused(rows: list[str]) -> None:
    with pytest.raises(ValueError, match="rooms: "):
        parse_rooms(rows)


def test_no_file_names_a_registry_host() -> None:
    files = _files_of_the_project()
    assert ROOT / "pyproject.toml" in files
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if b"\0" not in (content := path.read_bytes())
        for number, line in enumerate(content.decode(errors="replace").splitlines(), 1)
        if HOSTS.search(line)
    ]
    assert named == []


def test_the_check_of_hosts_sees_one() -> None:
    assert HOSTS.search("see https://" + "py" + "pi.org/simple/click")
    assert HOSTS.search("deb http://ftp.xx.debian" + ".org/debian bookworm main")
    assert not HOSTS.search("https://bugs.debian" + ".org/123456")


def test_no_module_outgrows_its_file() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")
    }
    assert lengths
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_the_command_and_the_module_run_the_same_main() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="unkillable")
    assert script.value == "unkillable.cli.main:main"
    assert script.load() is importlib.import_module("unkillable.cli.main").main
    shown = subprocess.run(
        [sys.executable, "-m", "unkillable", "--help"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "diagnose" in shown
