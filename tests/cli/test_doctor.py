"""`unkillable doctor` says what is here and what is not, and how to get it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from unkillable.cli import doctor
from unkillable.cli.doctor import TOOLS, Tool
from unkillable.lab.arch import ARCHES


def row(name: str) -> Tool:
    (tool,) = (tool for tool in TOOLS if tool.name == name)
    return tool


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(doctor.command, args)
    return result.exit_code, result.stdout


def test_every_tool_is_named_once_with_a_purpose_and_a_way_to_get_it() -> None:
    names = [tool.name for tool in TOOLS]
    assert len(set(names)) == len(names)
    for tool in TOOLS:
        assert tool.purpose
        assert tool.install
        assert "\n" not in tool.purpose + tool.install


@pytest.mark.parametrize("arch", ARCHES, ids=lambda arch: arch.name)
def test_every_architecture_has_its_emulator(arch) -> None:
    tool = row(f"qemu-system-{arch.qemu}")
    assert arch.package in tool.install
    assert arch.name in tool.purpose


def test_programs_are_looked_for_in_the_path_and_where_root_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not doctor.present(row("mksquashfs"))
    (tmp_path / "mksquashfs").write_text("#!/bin/sh\n")
    assert not doctor.present(row("mksquashfs")), "not executable"
    (tmp_path / "mksquashfs").chmod(0o755)
    assert doctor.present(row("mksquashfs"))
    if Path("/usr/sbin/mkfs.ext4").exists():
        assert doctor.present(row("mkfs.ext4"))


def test_modules_are_found_without_importing_them() -> None:
    assert doctor.present(Tool("json.decoder", "module", "", ""))
    assert not doctor.present(Tool("json.nothing", "module", "", ""))
    assert not doctor.present(Tool("nothing_of_that_name.inside", "module", "", ""))


def test_a_device_that_cannot_be_opened_is_missing(tmp_path: Path) -> None:
    assert doctor.present(Tool("/dev/null", "device", "", ""))
    assert not doctor.present(Tool(str(tmp_path / "kvm"), "device", "", ""))


@pytest.mark.parametrize("there", [True, False])
def test_text_document_and_exit_status(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "present", lambda tool: there or tool.name != "scipy")
    status, text = run()
    assert status == 0
    first, *lines = text.splitlines()
    assert first == ("nothing is missing" if there else "missing: scipy")
    assert len(lines) == len(TOOLS)
    (shown,) = (line for line in lines if " scipy: " in line)
    assert shown.startswith("  ok" if there else "  missing")
    assert ("pip install 'unkillable[lab]'" in shown) is not there

    status, text = run("--format", "json")
    assert status == 0
    document = json.loads(text)
    assert document["schema"] == "unkillable.doctor/1"
    assert [tool["name"] for tool in document["tools"]] == [tool.name for tool in TOOLS]
    assert [tool["name"] for tool in document["tools"] if not tool["present"]] == ([] if there else ["scipy"])

    assert run("--exit-code")[0] == (0 if there else 1)
