"""The series for one tree: each recipe tried on a copy, in turn, and told what became of it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from unkillable.ksource.tree import Tree
from unkillable.remedies import edits, spatch
from unkillable.remedies.recipes import Recipe, load
from unkillable.remedies.scratch import FOLDER, Scratch, scratch
from unkillable.remedies.types import Author, Place, Series, Step

_MADE = ("patched", "fixed")


def make(root: Path, author: Author, variant: str) -> Series:
    """The patches of `variant` for the kernel tree at `root`, which is only read.  Raises UserError if it is none."""
    tree = Tree(root)
    recipes = load(variant)
    if not (root / FOLDER / "cache.c").is_file():
        absent = tuple(
            Step(
                key=one.key, subject=one.subject, status="misfit", reason=f"the tree has no {FOLDER}/cache.c"
            )
            for one in recipes
        )
        return Series(tree=str(root), version=tree.version, variant=variant, steps=absent)
    with scratch(root, author) as copy:
        found = {one.key: _look(one, copy) for one in recipes}
        steps: list[Step] = []
        for recipe in recipes:
            steps.append(_step(recipe, copy, found[recipe.key], steps, author))
        return Series(tree=str(root), version=tree.version, variant=variant, steps=_with_mails(steps, copy))


class _Seen(msgspec.Struct, frozen=True):
    """A recipe's subject in the tree as it was."""

    defect: tuple[Place, ...]
    cure: tuple[Place, ...]
    applies: bool


def _look(recipe: Recipe, copy: Scratch) -> _Seen:
    defect = _find(recipe, "defect.cocci", copy)
    cure = () if defect else _find(recipe, "cure.cocci", copy)
    applies = not recipe.only or bool(_find(recipe, "only.cocci", copy))
    return _Seen(defect, cure, applies)


def _find(recipe: Recipe, kind: str, copy: Scratch) -> tuple[Place, ...]:
    match, names = recipe.part(kind), _names(recipe, copy)
    return spatch.find(match, copy.folder, names, f"{FOLDER}/") if match and names else ()


def _names(recipe: Recipe, copy: Scratch) -> list[str]:
    return [name for name in recipe.files if (copy.folder / name).is_file()]


def _step(recipe: Recipe, copy: Scratch, seen: _Seen, before: list[Step], author: Author) -> Step:
    def told(status: str, reason: str = "", remaining: tuple[Place, ...] = ()) -> Step:
        return Step(
            key=recipe.key,
            subject=recipe.subject,
            status=status,
            reason=reason,
            places=seen.defect or seen.cure,
            remaining=remaining,
        )

    if not seen.defect:
        return told("fixed" if seen.cure else "unaffected")
    if not seen.applies:
        return told("left-alone", recipe.only)
    there = {step.key for step in before if step.status in _MADE}
    if missing := [key for key in recipe.needs if key not in there]:
        return told("misfit", f"it builds on {', '.join(missing)}, which does not fit this tree")
    reason = _change(recipe, copy)
    remaining = _find(recipe, "defect.cocci", copy) or _find(recipe, "after.cocci", copy)
    if not reason and not copy.changed():
        reason = "the code has another shape than in any kernel that the recipe knows"
    elif not reason and remaining:
        reason = "a part of the code has another shape than in any kernel that the recipe knows"
    if reason:
        copy.restore()
        return told("misfit", reason, remaining)
    copy.commit(_message(recipe, author))
    return told("patched")


def _change(recipe: Recipe, copy: Scratch) -> str:
    """Applies a recipe to the copy; what was in the way, or ""."""
    for one in recipe.insert:
        path = copy.folder / one.file
        text = edits.insert(path.read_text(errors="surrogateescape"), one) if path.is_file() else None
        if text is None:
            return f"{FOLDER}/{one.file} has no place for what the patch adds"
        path.write_text(text, errors="surrogateescape")
    names = _names(recipe, copy)
    texts = {name: (copy.folder / name).read_text(errors="surrogateescape") for name in names}
    spatch.apply(recipe.part("cocci") or "", copy.folder, names)
    for name, text in texts.items():
        path = copy.folder / name
        changed = path.read_text(errors="surrogateescape")
        if changed != text:
            path.write_text(edits.tidy(text, changed), errors="surrogateescape")
    return ""


def _message(recipe: Recipe, author: Author) -> str:
    body = (recipe.part("txt") or "").strip()
    return f"squashfs: {recipe.subject}\n\n{body}\n\nSigned-off-by: {author.name} <{author.email}>\n"


def _with_mails(steps: list[Step], copy: Scratch) -> tuple[Step, ...]:
    made = [step for step in steps if step.status == "patched"]
    mails = iter(copy.mails(len(made)) if made else ())
    done = []
    for step in steps:
        name, text = next(mails) if step.status == "patched" else (None, None)
        done.append(msgspec.structs.replace(step, name=name, patch=text))
    return tuple(done)
