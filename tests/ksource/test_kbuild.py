"""Makefiles: which files a configuration builds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ksource.kernel import write
from unkillable.ksource.configuration import Configuration
from unkillable.ksource.configured import apply, usual
from unkillable.ksource.kbuild import built
from unkillable.ksource.load import load
from unkillable.ksource.makefiles import MAYBE, UNKNOWN, Makefile
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree

CONFIG = Configuration('CONFIG_Y=y\nCONFIG_M=m\nCONFIG_64BIT=y\nCONFIG_STRING="s"\n', ".config")


def those(root: Path, makefile: str, names: str = "a b c", **more: str) -> str:
    """Of fs/x/a.c and so on: those that are built."""
    write(root, {"fs/x/Makefile": makefile, **more})
    return " ".join(
        name.removeprefix("fs/x/").removesuffix(".c")
        for name in these(root, *(f"fs/x/{name}.c" for name in names.split()))
    )


def these(root: Path, *paths: str) -> list[str]:
    """Of these paths those that are built."""
    return [path for path, is_built in zip(paths, built(Tree(root), CONFIG, paths), strict=True) if is_built]


@pytest.mark.parametrize(
    ("makefile", "found"),
    [
        ("obj-y := a.o\nobj-$(CONFIG_M) += b.o\nobj-$(CONFIG_N) += c.o", "a b"),
        ("obj-$(CONFIG_N) += a.o", "b c"),
        ("obj-n += a.o\nobj-m := b.o", "b c"),
        ("obj-y = c.o \\\n\ta.o # b.o\nobj-${CONFIG_N} += b.o", "a c"),
        ("obj-$(CONFIG_M) += x.o\nx-y := a.o\nx-$(CONFIG_N) += b.o\nx-objs += c.o", "a c"),
        ("obj-$(CONFIG_N) += x.o\nx-y := a.o b.o", "c"),
        ("obj-$(CONFIG_N) += x.o\nobj-$(CONFIG_Y) += y.o\nx-y := a.o\ny-objs := a.o b.o", "a b c"),
        ("x-y := a.o\nx-$(CONFIG_N) += b.o", "a c"),
        ("ifeq ($(CONFIG_Y),y)\nobj-y += a.o\nelse\nobj-y += b.o\nendif\nobj-$(CONFIG_N) += a.o b.o", "a c"),
        ('ifneq "$(CONFIG_Y)" "y"\nobj-y += a.o\nelse ifdef CONFIG_N\nobj-y += b.o\nelse\nobj-y += c.o\nendif\nobj- += a.o b.o c.o', "c"),
        ("ifdef CONFIG_N\nifdef CONFIG_Y\nobj-y += a.o\nendif\nelse\nobj-y += b.o\nendif\nobj- += a.o b.o", "b c"),
        ("ifndef CONFIG_N\nobj-y += a.o\nendif\nobj-$(CONFIG_N) += a.o b.o", "a c"),
        ("ifdef OTHER\nobj-y += a.o\nelse\nobj-y += b.o\nendif\nobj- += a.o b.o c.o", "a b"),
        ("ifeq ($(shell uname),x)\nobj-y := a.o\nendif\nobj- += a.o b.o", "a c"),
        ("obj-$(OTHER) += a.o\nobj- += a.o b.o c.o", "a"),
        ("obj-$(subst m,y,$(CONFIG_M)) += a.o\nobj-$(subst m,y,$(CONFIG_N)) += b.o", "a c"),
        ("obj-y += $(addprefix sub/../,a.o b.o) $(addsuffix .o,c)\nobj-n += a.o b.o c.o", "a b c"),
        ("list := a.o b.o\nobj-$(CONFIG_N) += $(list)\nobj-y += $(patsubst c%,d%,c.o)", "c"),
        ("list = a b\nobj-n += $(list:=.o) $(list:a=c.o)", ""),
        ("obj-y += $(filter-out b.o,a.o b.o)\nobj-n += $(filter %.o,a.o b.o)", "a c"),
        ("obj-y += $(if $(CONFIG_N),a.o,b.o)\nobj-n += a.o b.o c.o", "b"),
        ("obj-y := a.o\nobj-y := b.o\nobj-n := a.o", "b c"),
        ("obj-y ?= a.o\nobj-y ?= b.o\nobj-n := b.o c.o", "a"),
        ("all:\n\tobj-n += a.o\nobj-n += b.o\n\tobj-n += c.o", "a"),
        ("define x\nobj-n += a.o\nendef\nobj-n += b.o", "a c"),
        ("$(obj)/a.o: KBUILD_CFLAGS += -DX\nCFLAGS_b.o := -O0\nobj-n += c.o", "a b"),
        ("obj-n += a_$(BITS).o\nobj-n += b$$.o $", "a b c"),
        ("include $(srctree)/$(src)/more.mk\nobj-n += b.o", "b c"),
        ("include $(OTHER)/more.mk\ninclude /etc/passwd ../../../x\nobj-n += b.o", "a c"),
        ("obj-n += ./a.o ../x/b.o ../../../../c.o", "c"),
        ("x-y := x.o\ny-y := z.o\nz-y := y.o a.o\nobj-y := y.o", "a b c"),
        ("", "a b c"),
    ],
)  # fmt: skip
def test_files(tmp_path: Path, makefile: str, found: str) -> None:
    more = {"fs/x/more.mk": "obj-n += a.o\nobj-y += b.o\n"}
    assert those(tmp_path, makefile, **more) == found


def test_bits(tmp_path: Path) -> None:
    assert those(tmp_path, "obj-y += a_$(BITS).o\nobj-n += a_32.o", "a_32 a_64") == "a_64"


def test_directories(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "fs/Makefile": "obj-$(CONFIG_N) += off/ part/deep/\nobj-$(CONFIG_M) += on/",
            "fs/off/Makefile": "obj-y += a.o",
            "fs/on/Makefile": "obj-y += on.o\non-y := lib/a.o\non-$(CONFIG_N) := lib/b.o",
            "arch/x86/Kbuild": "obj-$(CONFIG_N) += kvm/",
            "arch/x86/Makefile": "drivers-$(CONFIG_N) += arch/x86/pci/\ncore-y += arch/x86/mm/",
        },
    )
    names = "fs/off/a.c fs/off/sub/b.c fs/off/a.h fs/on/lib/a.c fs/on/lib/b.c fs/on/c.c fs/part/deep/a.c fs/part/a.c arch/x86/kvm/a.c arch/x86/pci/a.c arch/x86/mm/a.c"
    assert set(names.split()) - set(these(root, *names.split())) == {
        "fs/off/a.c", "fs/off/sub/b.c", "fs/on/lib/b.c", "fs/part/deep/a.c", "arch/x86/kvm/a.c", "arch/x86/pci/a.c",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("own", "other", "above", "found"),
    [
        ("", "obj-y += ../y/a.o ../y/b.o", "", "x/x y/a y/b y/c"),
        ("", "obj-$(CONFIG_N) += ../y/a.o", "", "x/x y/b y/c"),
        ("obj-$(CONFIG_N) += a.o b.o", "obj-m += ../y/a.o", "", "x/x y/a y/c"),
        ("obj-y += a.o", "obj-$(CONFIG_N) += ../y/a.o", "", "x/x y/a y/b y/c"),
        ("obj-$(CONFIG_N) += a.o", "obj-y += z.o\nz-y += ../y/a.o\nz-$(CONFIG_N) += ../y/b.o", "", "x/x y/a y/c"),
        ("obj-$(CONFIG_N) += a.o", "obj-y += ../y/a.o", "obj-$(CONFIG_N) += y/", "x/x y/a"),
        ("obj-$(CONFIG_N) += a.o", "obj-y += ../y/a.o", "obj-$(CONFIG_N) += x/", "y/b y/c"),
        ("", "obj-y += ../y/a.o", "obj-$(CONFIG_N) += x/", "y/b y/c"),
        ("", "obj-y += ../../../../../a.o ../y/", "obj-$(CONFIG_N) += y/", "x/x"),
    ],
)  # fmt: skip
def test_objects_of_another_directory(tmp_path: Path, own: str, other: str, above: str, found: str) -> None:
    makefiles = {"fs/x/Makefile": other, "fs/y/Makefile": own, "fs/Makefile": above}
    root = write(tmp_path, makefiles)
    assert these(root, "fs/x/x.c", "fs/y/a.c", "fs/y/b.c", "fs/y/c.c") == [
        f"fs/{one}.c" for one in found.split()
    ]


def test_makefile_that_is_no_file(tmp_path: Path) -> None:
    root = write(tmp_path, {"fs/a/x.c": "", "fs/b/x.c": "", "fs/c/x.c": ""})
    (root / "fs/a/Makefile").symlink_to("/dev/zero")
    (root / "fs/b/Makefile").mkdir()
    (root / "fs/c/Makefile").write_bytes(b"obj-n += x.o\n" + b"#" * (1 << 20))
    assert len(these(root, "fs/a/x.c", "fs/b/x.c", "fs/c/x.c")) == 3


def test_marks() -> None:
    made = Makefile("a := x $(OTHER)\nifdef OTHER\na += y\nendif\nb := $(a:x=z)", lambda _name: None)
    assert made.variables["b"].split() == ["z", UNKNOWN, f"y{MAYBE}"]


PARTS = st.sampled_from(
    ["obj-y", "$(CONFIG_Y)", "$(", ")", "${", "}", ":=", "+=", "=", "a.o", "b/", "ifeq (", ",", "ifdef X", "else", "endif", "\\\n", "\n",
     "\n\t", "define x", "endef", "$(a)", "$(subst a,b,", "$(addprefix ", "$(if ", "$$", "$", "a", " ", "#", ":", "include ", "%"]
)  # fmt: skip


@given(st.lists(PARTS).map("".join))
def test_any_text_is_a_makefile(text: str) -> None:
    for value in Makefile(text, lambda name: "y" if name == "CONFIG_Y" else None).variables.values():
        assert isinstance(value, str)


@given(st.text())
def test_any_characters(text: str) -> None:
    assert isinstance(Makefile(text, lambda _name: None).variables, dict)


@pytest.mark.parametrize(
    "text",
    [
        "a0 := " + "x " * 1000 + "".join(f"\na{n + 1} := $(a{n}) $(a{n})" for n in range(500)),
        "a := $(addprefix " + "x" * 100_000 + "," + "y " * 100_000 + ")",
        "a := x\n" + "a += $(a)\n" * 5000,
        "a := " + "$(" * 100_000 + ")" * 100_000,
        "a := " + "$(" * 100_000,
        "a := " + "$(a)" * 100_000,
        "include x\n" * 1000,
    ],
    ids=range(7),
)
@pytest.mark.timeout(20)
def test_bounded(text: str) -> None:
    made = Makefile(text, lambda _name: None, lambda _path: "a += $(a)x\ninclude x\ninclude x\n")
    assert sum(map(len, made.variables.values())) < 40 << 20


C = """void early(void)
{
#ifdef CONFIG_N
	helper(1);
	ops->run(1);
#endif
	helper(2);
	ops->run(2);
#ifdef CONFIG_N
	gone();
	ops->gone();
#endif
}
#ifdef CONFIG_N
void off(void)
{
	helper(3);
}
struct ops one = { .run = off };
#define both(x) off(x)
#else
struct ops one = { .run = early };
#define both(x) early(x)
#endif
"""


def test_apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = {
        "fs/Makefile": "obj-$(CONFIG_N) += off.o",
        "fs/a.c": "void first(void)\n{\n\tearly();\n}\n",
        "fs/off.c": "void other(void)\n{\n\tearly();\n}\n",
        "fs/on.c": C,
    }
    tree = Tree(write(tmp_path / "linux", files))
    index = apply(load(tree, ["fs"]), tree, CONFIG)
    assert index.paths == ["fs/a.c", "fs/on.c"]
    assert [(index.name(n), index.path(n), index.line(n)) for n in range(len(index.functions))] == [
        ("first", "fs/a.c", 1), ("early", "fs/on.c", 1), ("both", "fs/on.c", 23),
    ]  # fmt: skip
    names = index.names
    assert [(index.name(row[0]), names[row[1]], row[2]) for row in index.calls.tolist()] == [
        ("first", "early", 3), ("early", "helper", 7), ("both", "early", 23),
    ]  # fmt: skip
    assert [(names[row[2]], row[3]) for row in index.members.tolist()] == [("run", 8)]
    assert [(names[row[2]], index.paths[row[4]], row[3]) for row in index.values.tolist()] == [
        ("early", "fs/on.c", 22)
    ]
    assert index.left_out == {"fs/on.c": ((4, 5), (10, 11), (15, 20))}
    (early,) = index.defined("early").tolist()
    assert {index.name(one) for one in index.callers(["early"])} == {"first", "both"}
    assert [call.arguments for call in Sources(tree, index).calls(early)] == [("2",), ("2",)]


def test_apply_to_nothing(tmp_path: Path) -> None:
    tree = Tree(write(tmp_path, {"fs/Makefile": ""}))
    assert apply(load(tree, ["fs"]), tree, CONFIG).paths == []


def test_alternatives_that_few_kernels_have_do_not_count_beside_what_they_replace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    body = "int one(void)\n{\n\treturn two();\n}\n"
    usual_ones = {"mm/memory.c": body, "arch/x86/mm/fault.c": body, "arch/um/kernel/trap.c": body}
    others = {"mm/nommu.c": body, "fs/proc/task_nommu.c": body, "arch/x86/um/mem.c": body}
    tree = Tree(write(tmp_path / "linux", {**usual_ones, **others}))
    index = load(tree, ["mm", "fs", "arch"])
    found = usual(index, tree)
    assert set(found.paths) == set(usual_ones)
    assert {found.path(one) for one in found.callers(["two"]).tolist()} == set(usual_ones)
    assert set(usual(index, tree, ["mm/nommu.c", "fs"]).paths) == {*usual_ones, "mm/nommu.c"}
