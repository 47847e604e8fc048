"""A minimal kernel from a source tree: tinyconfig, what the lab's guest needs, and the user's own fragment."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import kconfig, kmake, sourcetree
from unkillable.lab.arch import Arch
from unkillable.lab.cache import digest, entry, root
from unkillable.lab.kernels import Kernel
from unkillable.lab.kmake import Need, Progress

_VERSION = 1
"""Of this recipe; a new number builds again what is in the cache."""
_CONFIGURE = 600.0
_BUILD = 4 * 3600.0
"""Seconds.  A minimal kernel takes 7 minutes of one processor; a user's fragment may ask for much more."""


class Recipe(msgspec.Struct, frozen=True):
    target: str
    """Of make; what boots in QEMU."""
    image: str
    """Where it is then, in the build directory."""
    fragment: str
    """File in data/ for this architecture alone."""


RECIPES = {
    "x86_64": Recipe("bzImage", "arch/x86/boot/bzImage", "minimal-x86_64.config"),
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


class Built(msgspec.Struct, frozen=True):
    """What is known of a kernel in the cache, beside its files."""

    release: str
    notes: tuple[str, ...]


def build(tree: Path, arch: Arch, config: Path | None = None, progress: Progress | None = None) -> Kernel:
    """The minimal kernel of a source tree, which is not written to.

    `config` is a fragment that comes last.  What of it does not come out as it is written ends the build; an option that
    this version does not know is told in the kernel's provenance.
    """
    version = sourcetree.version(tree)
    recipe = RECIPES.get(arch.name)
    if recipe is None:
        raise UserError(
            f"source:{tree}: a minimal kernel can be built for {', '.join(RECIPES)}, not for {arch.name}; give --kernel an image"
        )
    needed = fragment("minimal.config") | fragment(recipe.fragment)
    wished = fragment("observe.config")
    own = kconfig.read(config) if config else {}
    kmake.require(_NEEDS)
    gcc = kmake.compiler(arch)
    content = sourcetree.content(tree)
    options = wished | needed | own
    text = kconfig.write(options)
    key = digest(_VERSION, content, arch.name, text, gcc.identity)

    def make(path: Path) -> None:
        _Build(tree.resolve(), path.parent / "build", arch, gcc, root() / f"kernel-{key}.log", progress).run(
            path, recipe, text, (needed, wished, own)
        )

    folder = entry("built-kernel", f"{version}-{arch.name}-{key}", make)
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
            ("configuration", f"minimal {version} {digest(text)}"),
            ("compiler", gcc.identity),
            *(("note", note) for note in built.notes),
        ),
    )


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
    progress: Progress | None

    def run(
        self,
        path: Path,
        recipe: Recipe,
        text: str,
        parts: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]],
    ) -> None:
        self.log.unlink(missing_ok=True)
        self.out.mkdir()
        got = self._configure(text)
        notes = check(self.tree, got, *parts)
        kmake.require(
            {_OPTION_NEEDS[name] for name, value in got.items() if value == "y" and name in _OPTION_NEEDS}
        )
        modular = got.get("MODULES", "n") == "y"
        self._make(recipe.target, *(["modules"] if modular else []), seconds=_BUILD)
        path.mkdir()
        if modular:
            # Only the files are wanted: the guest has no modprobe that would read depmod's tables.
            self._make("modules_install", f"INSTALL_MOD_PATH={path}", "DEPMOD=true", seconds=_CONFIGURE)
        shutil.copyfile(self.out / recipe.image, path / "image")
        shutil.copyfile(self.out / ".config", path / "config")
        shutil.copyfile(self.out / "System.map", path / "System.map")
        release = (self.out / "include" / "config" / "kernel.release").read_text().strip()
        (path / "built.json").write_bytes(msgspec.json.encode(Built(release, notes)))
        self.log.unlink()

    def _configure(self, text: str) -> dict[str, str]:
        self._make("tinyconfig", seconds=_CONFIGURE)
        final = self.out / ".config"
        # Of an option that is there twice the last counts, also in a choice.
        with final.open("a") as file:
            file.write(text)
        self._make("olddefconfig", seconds=_CONFIGURE)
        return kconfig.read(final)

    def _make(self, *targets: str, seconds: float) -> None:
        arguments = (
            "-C", str(self.tree), f"O={self.out}", f"ARCH={self.arch.make}", f"CROSS_COMPILE={self.gcc.prefix}",
            # Set but empty, it keeps scripts/setlocalversion from adding `+` to the release of a changed git tree.
            "LOCALVERSION=", *targets,
        )  # fmt: skip
        kmake.run(arguments, self.log, seconds=seconds, progress=self.progress)


def check(
    tree: Path,
    got: Mapping[str, str],
    needed: Mapping[str, str],
    wished: Mapping[str, str],
    own: Mapping[str, str],
) -> tuple[str, ...]:
    """Compares a final configuration with the fragments it was made of; what is worth telling of it.

    An error for options of the user's fragment, and for those without which no guest runs, that came out otherwise.
    """
    needed = {name: value for name, value in needed.items() if name not in own}
    wished = {name: value for name, value in wished.items() if name not in own}
    of_own, of_needed, of_wished = (kconfig.missed(part, got) for part in (own, needed, wished))
    known = kconfig.symbols(tree, {one.name for one in (*of_own, *of_needed, *of_wished)})
    for missed, whose in ((of_own, "the fragment"), (of_needed, "the lab")):
        if wrong := [one for one in missed if one.name in known]:
            raise UserError(
                f"{whose} wants of {tree} what it does not give: "
                + "; ".join(one.told(known) for one in wrong)
            )
    return tuple(one.told(known) for one in (*of_own, *of_needed, *of_wished))
