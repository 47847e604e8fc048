"""What can be found out of a series without running it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from unkillable.errors import UserError
from unkillable.ksource import audit, compare_audits
from unkillable.ksource.audit_types import Site
from unkillable.ksource.tree import Tree
from unkillable.lab import squashfsbuild
from unkillable.lab.arch import Arch
from unkillable.lab.squashfsbuild import Compiled, Version
from unkillable.proof.types import Check, SleepChange, Style
from unkillable.remedies import applying, checkpatch
from unkillable.remedies.scratch import FOLDER
from unkillable.remedies.types import Author, Series

Progress = Callable[[str, float | None], None]

_READ = (".c", ".h")
_ALSO = ("Makefile", "Kbuild", "Kconfig")


def check(tree: Path, series: Series, author: Author, arch: Arch, progress: Progress) -> Check:
    """Applies, compiles and audits a series; the tree is only read, but its build system and checkpatch.pl are run."""
    progress("applying the patches", None)
    applying.with_am(tree, series.patches, author)
    versions = _versions(tree, series)
    style, notes = None, []
    if checkpatch.available(tree):
        style = tuple(Style(*row) for row in checkpatch.complaints(tree, series.patches))
    else:
        notes.append("style not checked: the tree has no scripts/checkpatch.pl, or perl is not installed")
    compiled: tuple[Compiled, ...] = ()
    try:
        found = squashfsbuild.compile_all(tree, arch, versions, progress)
        compiled = tuple(one for one in found if one.version != versions[0].name)
        notes += [
            f"without any patch, {one.configuration}: does not compile: {one.error}"
            for one in found
            if one.version == versions[0].name and one.error
        ]
    except UserError as error:
        notes.append(f"not compiled: {error}")
    progress("auditing the tree with and without the patches", None)
    return Check(
        style=style,
        compiled=compiled,
        changes=_changes(tree, versions[-1], arch.make),
        notes=tuple(notes),
    )


def _versions(tree: Path, series: Series) -> list[Version]:
    """fs/squashfs as it is, and after each patch, applied by `patch -p1`."""
    names = ["as it is", *(step.name or "" for step in series.patches)]
    with applying.patched(tree, series.patches) as folders:
        return [
            Version(
                name, {path.name: path.read_bytes() for path in (folder / FOLDER).iterdir() if path.is_file()}
            )
            for name, folder in zip(names, folders, strict=True)
        ]


def _changes(root: Path, version: Version, arch: str) -> tuple[SleepChange, ...]:
    """Every sleep of fs/squashfs that differs.  The patched tree is a copy: links of a tree are not followed."""
    tree = Tree(root)
    own = arch if (root / "arch" / arch).is_dir() else None
    options = audit.Options(within=(FOLDER,), entries=(), arch=own or "all", drivers=False)
    with tempfile.TemporaryDirectory(prefix="unkillable-") as place:
        copy = Path(place)
        for name in tree.scope(own, drivers=False):
            shutil.copytree(root / name, copy / name, ignore=_unread, symlinks=True)
        shutil.copyfile(root / "Makefile", copy / "Makefile")
        for name, data in version.files.items():
            (copy / FOLDER / name).write_bytes(data)
        after = audit.audit(Tree(copy), options)
    before = audit.audit(tree, options)
    return tuple(
        SleepChange(
            file=one.site.file,
            function=one.site.function,
            line=one.site.line,
            before=_told(one.before if one.kind != "vanished" else one.site),
            after=_told(one.site if one.kind != "vanished" else None),
        )
        for one in compare_audits.changes(before, after)
    )


def _unread(folder: str, names: list[str]) -> set[str]:
    """What an audit does not read."""
    return {
        name
        for name in names
        if not name.endswith(_READ) and not name.startswith(_ALSO) and not (Path(folder) / name).is_dir()
    }


def _told(site: Site | None) -> str:
    return f"{site.primitive} {site.task_state or 'in an unknown state'}" if site else ""
