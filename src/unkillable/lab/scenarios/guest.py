"""The guest of a scenario: its image, its initramfs, and its disk."""

from __future__ import annotations

from pathlib import Path

from unkillable.lab import images, initramfs, kbuild, kconfig, prepare, programs
from unkillable.lab.arch import Arch, find
from unkillable.lab.cache import digest, entry
from unkillable.lab.labconf import DISK, quote
from unkillable.lab.progress import Progress, silent
from unkillable.lab.qemu import escape
from unkillable.lab.scenarios import content
from unkillable.lab.scenarios.errors import BAD
from unkillable.lab.scenarios.play import Scenario
from unkillable.lab.setup import Emulator, Module, Prepared, Root, Setup

ROOT = Root()
FAULTS = "faults.config"
"""File in data/."""


def make(
    setup: Setup, scenario: Scenario, patches: str | None, progress: Progress = silent
) -> tuple[Prepared, tuple[str, ...]]:
    """What the scenario is played in, and arguments for QEMU."""
    arch = find(setup.arch)
    own = _setup(setup, scenario, patches)
    progress("preparing the kernel", None)
    kernel = prepare.kernel_of(own, arch, progress, scenario.edits)
    loaded, provenance = prepare.modules_of(own, kernel, arch, (), scenario.edits)
    files = {f"{one.name}.ko": one.path for one in loaded}
    disk = images.build(ROOT, content.tree(), kernel.version)
    archive = initramfs.build(programs.agent(arch), _conf(arch, tuple(files)), modules=files)
    prepared = Prepared(
        setup=own,
        release=kernel.release,
        version=kernel.version,
        kernel_image=str(kernel.image),
        initramfs=str(archive),
        disk=None if scenario.damaged else str(disk),
        provenance=(*kernel.provenance, *provenance),
    )
    return prepared, _damaged(arch, disk) if scenario.damaged else ()


def _setup(setup: Setup, scenario: Scenario, patches: str | None) -> Setup:
    """Everything that makes a kernel or a machine slow or small is left out: nothing here is a storm."""
    emulator = Emulator(accelerator=setup.emulator.accelerator, cpus=min(2, find(setup.arch).most_cpus))
    module = Module(scenario.module.file, scenario.module.decompressors, patches)
    return Setup(
        kernel=setup.kernel,
        arch=setup.arch,
        config=_config(setup.config) if scenario.faults else setup.config,
        module=module,
        root=ROOT,
        emulator=emulator,
        kernel_args=setup.kernel_args,
    )


def _config(own: str | None) -> str:
    """The user's fragment, if there is one, and the options that make allocations fail."""
    options = (kconfig.read(Path(own)) if own else {}) | kbuild.fragment(FAULTS)
    text = kconfig.write(options)

    def write(path: Path) -> None:
        path.write_text(text)

    return str(entry("fragment", f"{digest(text)}.config", write))


def _conf(arch: Arch, modules: tuple[str, ...]) -> str:
    lines = [
        ("port", arch.port_device),
        *(("module", f"/mods/{name}") for name in modules),
        ("root", "squashfs", DISK),
    ]
    return "".join(" ".join(quote(word) for word in line) + "\n" for line in lines)


def _damaged(arch: Arch, image: Path) -> tuple[str, ...]:
    """The disk below QEMU's driver for errors."""
    drive = (
        "if=none,id=root,readonly=on,driver=raw,file.driver=blkdebug,file.image.driver=file,"
        f"file.image.filename={escape(image)},file.inject-error.0.event=read_aio,"
        f"file.inject-error.0.errno=5,file.inject-error.0.sector={BAD}"
    )
    return ("-drive", drive, "-device", f"{arch.disk},drive=root")
