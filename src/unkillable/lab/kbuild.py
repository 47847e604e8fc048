"""A minimal kernel from a source tree: tinyconfig, what the lab's guest needs, and the user's own fragment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from importlib import resources
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import kconfig, kmake, kmodule, ktree, sourcetree, squashfssource
from unkillable.lab.arch import Arch
from unkillable.lab.cache import digest, entry, root
from unkillable.lab.kernels import Kernel
from unkillable.lab.kmake import Need
from unkillable.lab.progress import Progress, silent
from unkillable.lab.setup import Module
from unkillable.lab.squashfssource import Change, Edit

_VERSION = 1
"""Of this recipe; a new number builds again what is in the cache."""
_CONFIGURE = 600.0
_BUILD = 4 * 3600.0
"""Seconds.  A minimal kernel takes 7 minutes of one processor; a user's fragment may ask for much more."""


_KIND = "built-kernel"
"""Of entries of the cache."""
_OBJECTS = 1300
"""Of a minimal kernel: 1270 of 6.1 on x86_64, by its Makefiles and the lab's fragments.  Where one was built already, its
number is known."""


class Recipe(msgspec.Struct, frozen=True):
    target: str
    """Of make; what boots in QEMU."""
    image: str
    """Where it is then, in the build directory."""
    fragment: str
    """File in data/ for this architecture alone."""


RECIPES = {
    "x86_64": Recipe("bzImage", "arch/x86/boot/bzImage", "minimal-x86_64.config"),
    "arm64": Recipe("Image", "arch/arm64/boot/Image", "minimal-arm64.config"),
    "arm": Recipe("zImage", "arch/arm/boot/zImage", "minimal-arm.config"),
}
"""By Arch.name."""

_NEEDS = (
    Need("make", "make"),
    Need("gcc", "gcc"),
    Need("flex", "flex"),
    Need("bison", "bison"),
    Need("bc", "bc"),
)
_OPTION_NEEDS = {
    # objtool; STACK_VALIDATION was its only reason before 5.19 gave it an option of its own.
    "OBJTOOL": Need("gelf.h", "libelf-dev"),
    "STACK_VALIDATION": Need("gelf.h", "libelf-dev"),
    "SYSTEM_TRUSTED_KEYRING": Need("openssl/opensslv.h", "libssl-dev"),
    "MODULE_SIG": Need("openssl/opensslv.h", "libssl-dev"),
    "DEBUG_INFO_BTF": Need("pahole", "pahole"),
    "KERNEL_LZ4": Need("lz4", "lz4"),
    "KERNEL_ZSTD": Need("zstd", "zstd"),
    "KERNEL_XZ": Need("xz", "xz-utils"),
}
"""What an option of the final configuration needs on this machine."""


class Fragments(msgspec.Struct, frozen=True):
    """What a configuration is made of; option (without CONFIG_) to value."""

    needed: dict[str, str] = {}
    """Without it no guest of the lab runs."""
    wished: dict[str, str] = {}
    own: dict[str, str] = {}
    """The user's."""

    def text(self) -> str:
        # In a choice the last that is set counts: the user's come last, and the lab's word on the same option is left out.
        lab = {name: value for name, value in (self.wished | self.needed).items() if name not in self.own}
        return kconfig.write(lab | self.own)


class Built(msgspec.Struct, frozen=True):
    """What is known of a kernel in the cache, beside its files."""

    release: str
    notes: tuple[str, ...]
    objects: int = 0
    """How many were compiled; 0 where nobody counted."""


class _Counter:
    """Tells how far make is."""

    def __init__(self, what: str, expected: int, progress: Progress) -> None:
        self.what, self.expected, self.progress = what, expected, progress
        self.done = 0

    def report(self, done: int, name: str) -> None:
        self.done = done
        if done < self.expected:
            words = f"{done} of about {self.expected} objects"
            self.progress(f"{self.what}: {words}, {name}", done / self.expected)
        else:  # more than was thought, and nobody knows how many more
            self.progress(f"{self.what}: {done} objects, {name}", None)


def build(
    tree: Path,
    arch: Arch,
    config: Path | None = None,
    progress: Progress = silent,
    module: Module | None = None,
    edits: tuple[Edit, ...] = (),
) -> Kernel:
    """The minimal kernel of a source tree, which is not written to.

    `config` is a fragment that comes last.  What of it does not come out as it is written ends the build; an option that
    this version does not know is told in the kernel's provenance.  `module` says how squashfs is built, which stays built
    in, and with which patches; `edits` are made after them.
    """
    version = sourcetree.version(tree)
    recipe = RECIPES.get(arch.name)
    if recipe is None:
        raise UserError(
            f"source:{tree}: a minimal kernel can be built for {', '.join(RECIPES)}, not for {arch.name}; give --kernel an image"
        )
    own = kconfig.read(config) if config else {}
    fragments = Fragments(
        needed=fragment("minimal.config") | fragment(recipe.fragment),
        wished=fragment("observe.config"),
        own=own,
    )
    chosen = _chosen(tree, module) if module else {}
    series: tuple[Change, ...] = (*squashfssource.patches(module.patches), *edits) if module else ()
    kmake.require(_NEEDS)
    gcc = kmake.compiler(arch)
    progress(f"reading {tree}", None)
    content = sourcetree.content(tree)
    base = (_VERSION, content, arch.name, fragments.text(), gcc.identity)
    fragments = msgspec.structs.replace(fragments, own=own | chosen)
    key = digest(
        *base[:3], fragments.text(), gcc.identity, *([squashfssource.identity(series)] if series else [])
    )

    def make(path: Path) -> None:
        log = root() / f"kernel-{key}.log"
        progress(f"configuring Linux {version}", None)
        counter = _Counter(f"compiling Linux {version}", usual_objects(arch), progress)
        with ExitStack() as stack:
            source, out = tree.resolve(), path.parent / "build"
            if module:
                place = digest(tree.resolve(), *base)
                source, out = stack.enter_context(ktree.patched(tree, series, version, place))
            # Of a tree that others have built in only what differs is compiled, which says nothing of the next kernel.
            _Build(source, out, arch, gcc, log, counter).run(path, recipe, fragments, count=module is None)

    folder = entry(_KIND, f"{version}-{arch.name}-{key}", make)
    built = msgspec.json.decode((folder / "built.json").read_bytes(), type=Built)
    modules = folder / "lib" / "modules" / built.release
    return Kernel(
        spec=f"source:{tree}",
        release=built.release,
        version=version,
        arch=arch.name,
        image=folder / "image",
        modules=modules if modules.is_dir() else None,
        config=folder / "config",
        provenance=(
            ("source", f"{tree.resolve().name} {version} {content}"),
            ("configuration", f"minimal {version} {digest(fragments.text())}"),
            ("compiler", gcc.identity),
            *((("squashfs", _told(module, series)),) if module else ()),
            *(("note", note) for note in built.notes),
        ),
    )


def _chosen(tree: Path, module: Module) -> dict[str, str]:
    """The options of squashfs."""
    text = (tree / squashfssource.FOLDER / "Kconfig").read_text(errors="replace")
    return {name: "y" if on else "n" for name, on in kmodule.options(text, module).items()}


def _told(module: Module, series: Sequence[Change]) -> str:
    return f"{module.file} {module.decompressors} {squashfssource.identity(series) if series else 'as it is'}"


def usual_objects(arch: Arch) -> int:
    """About how many objects a kernel has: as many as the last one that was built for this architecture."""
    found = []
    for path in (root() / _KIND).glob(f"*-{arch.name}-*/built.json"):
        with suppress(OSError, msgspec.DecodeError):  # an entry may go away at any time
            built = msgspec.json.decode(path.read_bytes(), type=Built)
            found.append((path.stat().st_mtime, built.objects))
    return max((one for one in found if one[1]), default=(0.0, _OBJECTS))[1]


def fragment(name: str) -> dict[str, str]:
    with resources.as_file(resources.files("unkillable.lab") / "data" / name) as path:
        return kconfig.read(path)


class _Build(msgspec.Struct, frozen=True):
    tree: Path
    out: Path
    """Build directory; a minimal kernel's has 150 MB."""
    arch: Arch
    gcc: kmake.Compiler
    log: Path
    counter: _Counter

    def run(self, path: Path, recipe: Recipe, fragments: Fragments, *, count: bool) -> None:
        self.log.unlink(missing_ok=True)
        self.out.mkdir(exist_ok=True)
        got = self._configure(fragments.text())
        notes = check(self.tree, got, fragments)
        kmake.require({need for name, need in _OPTION_NEEDS.items() if got.get(name) == "y"})
        modular = got.get("MODULES", "n") == "y"
        self._make(
            recipe.target, *(["modules"] if modular else []), seconds=_BUILD, progress=self.counter.report
        )
        path.mkdir()
        if modular:
            # Only the files are wanted: the guest has no modprobe that would read depmod's tables.
            self._make("modules_install", f"INSTALL_MOD_PATH={path}", "DEPMOD=true", seconds=_CONFIGURE)
        shutil.copyfile(self.out / recipe.image, path / "image")
        shutil.copyfile(self.out / ".config", path / "config")
        shutil.copyfile(self.out / "System.map", path / "System.map")
        release = (self.out / "include" / "config" / "kernel.release").read_text().strip()
        objects = self.counter.done if count else 0
        (path / "built.json").write_bytes(msgspec.json.encode(Built(release, notes, objects)))
        self.log.unlink()

    def _configure(self, text: str) -> dict[str, str]:
        self._make("tinyconfig", seconds=_CONFIGURE)
        final = self.out / ".config"
        # Of an option that is there twice the last counts, also in a choice.
        with final.open("a") as file:
            file.write(text)
        self._make("olddefconfig", seconds=_CONFIGURE)
        return kconfig.read(final)

    def _make(self, *targets: str, seconds: float, progress: kmake.Progress | None = None) -> None:
        arguments = (
            "-C", str(self.tree), f"O={self.out}", f"ARCH={self.arch.make}", f"CROSS_COMPILE={self.gcc.prefix}",
            # Set but empty, it keeps scripts/setlocalversion from adding `+` to the release of a changed git tree.
            "LOCALVERSION=", *targets,
        )  # fmt: skip
        kmake.run(arguments, self.log, seconds=seconds, progress=progress)


def check(tree: Path, got: Mapping[str, str], fragments: Fragments) -> tuple[str, ...]:
    """Compares a final configuration with the fragments it was made of; what is worth telling of it.

    An error for options of the user's fragment, and for those without which no guest runs, that came out otherwise.
    """
    own = fragments.own
    lab = (
        {n: value for n, value in part.items() if n not in own}
        for part in (fragments.needed, fragments.wished)
    )
    of_own, of_needed, of_wished = (kconfig.missed(part, got) for part in (own, *lab))
    known = kconfig.symbols(tree, {one.name for one in (*of_own, *of_needed, *of_wished)})
    for missed, whose in ((of_own, "the fragment"), (of_needed, "the lab")):
        if wrong := [one.told(known) for one in missed if one.name in known]:
            raise UserError(f"{whose} wants of {tree} what it does not give: {'; '.join(wrong)}")
    return tuple(one.told(known) for one in (*of_own, *of_needed, *of_wished))
