"""From a Setup to the files that a virtual machine is started with; all of them come from the cache or go there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from unkillable.errors import UserError
from unkillable.lab import debs, images, initramfs, kernels, labconf, modules, ownimage, programs
from unkillable.lab.arch import Arch, find
from unkillable.lab.cache import digest
from unkillable.lab.kernels import Kernel
from unkillable.lab.modules import ModuleFile
from unkillable.lab.progress import Progress, silent
from unkillable.lab.setup import Prepared, Setup
from unkillable.lab.squashfssource import Edit

_ZRAM = ("zram",)
_DUMP = ("qemu_fw_cfg",)
_SHELL = ("/bin/sh", "-c", ":")
_FILE_SYSTEMS = {"squashfs": ("squashfs",), "ext4": ("ext4",), "erofs": ("erofs",), "tmpfs": ()}
"""Modules that mount a root, where they are not built in."""


def prepare(setup: Setup, *, dumpable: bool = False, progress: Progress = silent) -> Prepared:
    """Builds or finds the kernel, the guest's programs, the root image and the initramfs."""
    arch = find(setup.arch)
    progress("preparing the kernel", None)
    kernel = kernel_of(setup, arch, progress)
    progress("preparing the image and the programs of the guest", None)
    built = programs.build(arch, setup.workload)
    setup = _with_canary(_fitting(setup, arch))
    tree = _tree(setup, arch, built)
    disk = _disk(setup, kernel, tree, built)
    loaded, provenance = modules_of(setup, kernel, arch, _DUMP if dumpable else ())
    files = {f"{one.name}.ko": one.path for one in loaded}
    archive = initramfs.build(
        built.watcher,
        labconf.lines(setup, arch.port_device, tuple(files), place=_place(setup)),
        modules=files,
        files={"/bin/keep": built.keep, "/bin/canary": built.canary},
        newroot=tree if setup.root.fs == "tmpfs" else None,
    )
    return Prepared(
        setup=setup,
        release=kernel.release,
        version=kernel.version,
        kernel_image=str(kernel.image),
        initramfs=str(archive),
        disk=str(disk) if disk else None,
        files="" if disk else digest(*images.fingerprint(tree)),
        provenance=(
            *kernel.provenance,
            *provenance,
            *(debs.provenance(setup.packages, arch) if setup.packages else ()),
            ("compiler", built.compiler),
        ),
        notes=kernel.notes,
    )


def kernel_of(setup: Setup, arch: Arch, progress: Progress = silent, edits: tuple[Edit, ...] = ()) -> Kernel:
    """The kernel that a setup names; one of a source tree is built first."""
    if setup.kernel.startswith("source:"):
        config = Path(setup.config) if setup.config else None
        from unkillable.lab import kbuild

        return kbuild.build(
            Path(setup.kernel.removeprefix("source:")), arch, config, progress, setup.module, edits
        )
    return kernels.resolve(setup.kernel, arch, setup.modules)


def _tree(setup: Setup, arch: Arch, built: programs.Programs) -> images.Tree:
    """The files of a built image."""
    tree = {"/": debs.tree(setup.packages, arch)} if setup.packages else {}
    tree |= {"/bin/keep": built.keep, "/bin/canary": built.canary}
    return tree | {f"/bin/{name}": path for name, path in built.workload}


def _disk(setup: Setup, kernel: Kernel, tree: images.Tree, built: programs.Programs) -> Path | None:
    if setup.root.image is not None:
        return _own_image(setup, kernel, built)
    return None if setup.root.fs == "tmpfs" else images.build(setup.root, tree, kernel.version)


def _own_image(setup: Setup, kernel: Kernel, built: programs.Programs) -> Path:
    image = Path(str(setup.root.image))
    found = ownimage.check(image, kernel.version, lambda option: modules.config_value(kernel, option))
    if found.fs != setup.root.fs:
        raise UserError(f"{image}: is {found.fs}, not {setup.root.fs}; say --fs {found.fs}")
    if setup.init is not None and not images.has_path(image, setup.init):
        raise UserError(f"{image}: has no {setup.init}; name the program it starts with, or leave --init out")
    if setup.workload.kind == "command":
        return image
    own = {"keep": built.keep, "canary": built.canary, **dict(built.workload)}
    return ownimage.extend(image, own)


def _place(setup: Setup) -> str:
    """Where the lab's programs are on the root."""
    return "/bin" if setup.root.image is None else ownimage.PLACE


def _fitting(setup: Setup, arch: Arch) -> Setup:
    """With no more processors than the machine can have: what is recorded is what ran."""
    cpus = min(setup.emulator.cpus, arch.most_cpus)
    return msgspec.structs.replace(setup, emulator=msgspec.structs.replace(setup.emulator, cpus=cpus))


def _with_canary(setup: Setup) -> Setup:
    """A user's image that is left as it is has no canary of ours: its shell is what its user would feel."""
    if setup.root.image is None or setup.workload.kind != "command" or setup.canary:
        return setup
    if not images.has_path(setup.root.image, _SHELL[0]):
        raise UserError(
            f"{setup.root.image}: has no {_SHELL[0]}; name a program of it to start and time: --canary /sbin/true"
        )
    return msgspec.structs.replace(setup, canary=_SHELL)


def modules_of(
    setup: Setup,
    kernel: Kernel,
    arch: Arch,
    extra: tuple[str, ...] = (),
    edits: tuple[Edit, ...] = (),
) -> tuple[Sequence[ModuleFile], tuple[tuple[str, str], ...]]:
    """The modules in load order, with squashfs.ko replaced by a rebuilt one where the setup wants that."""
    wanted = (*arch.modules, *_FILE_SYSTEMS[setup.root.fs], *(_ZRAM if setup.zram_mib else ()), *extra)
    loaded = modules.plan(kernel, wanted)
    if setup.module is None or setup.root.fs != "squashfs" or setup.kernel.startswith("source:"):
        return loaded, ()
    if not any(one.name == "squashfs" for one in loaded):
        raise UserError(f"{kernel.release} has squashfs built in: its module cannot be replaced")
    from unkillable.lab import kmodule

    own = kmodule.rebuild(kernel, setup.module, edits)
    told = f"{setup.module.file} {setup.module.decompressors} {hashlib.sha256(own.read_bytes()).hexdigest()}"
    replaced = [ModuleFile("squashfs", own) if one.name == "squashfs" else one for one in loaded]
    return replaced, (("squashfs.ko", told),)


GUEST = 1
"""Raised when a change of the guest's programs changes what is measured: older runs then are of another experiment."""


def identity(prepared: Prepared) -> str:
    """What a Setup's words stand for: the kernel's packages, and the content of the root image.  Runs of one table belong
    together only if this is the same."""
    kernel = [told for what, told in prepared.provenance if what != "compiler"]
    # Built images are named after what they were built from; a user's own may change under its name.
    image = Path(prepared.disk).name if prepared.disk else prepared.files
    if prepared.disk and prepared.setup.root.image is not None:
        with Path(prepared.disk).open("rb") as file:
            image = hashlib.file_digest(file, "sha256").hexdigest()
    return "; ".join((*kernel, image, str(GUEST)))
