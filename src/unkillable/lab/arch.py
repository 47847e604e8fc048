"""Architectures: what Debian, QEMU and the compilers call them, and which machine boots them."""

from __future__ import annotations

import msgspec

from unkillable.errors import UserError


class Arch(msgspec.Struct, frozen=True):
    name: str
    """As in evidence: x86_64, arm64, arm, mips, riscv."""
    debian: str
    flavours: tuple[str, ...]
    """Kernel flavours of Debian, the preferred first: linux-image-SERIES-...-FLAVOUR."""
    qemu: str
    """Program, without `qemu-system-`."""
    machine: tuple[str, ...]
    """Arguments of QEMU for a machine under software emulation."""
    console: str
    """console= of the kernel."""
    port: tuple[str, ...]
    """Arguments of QEMU that add the watcher's serial port, whose chardev is `watch`."""
    port_device: str
    """The port inside the guest."""
    disk: str
    """Device of virtio-blk."""
    target: str
    """Target triple of the static guest programs."""
    make: str
    """ARCH= of a kernel build."""
    package: str
    """Debian package of the emulator."""
    modules: tuple[str, ...] = ("virtio_pci", "virtio_blk")
    """Modules to load before the root can be read, where they are not built in."""
    most_cpus: int = 64
    """Processors beyond which the machine does not boot."""


_PCI_PORT = ("-device", "pci-serial,chardev=watch")

ARCHES = (
    Arch(
        "x86_64", "amd64", ("cloud-amd64", "amd64"), "x86_64", ("-machine", "q35", "-cpu", "qemu64,-cx16"), "ttyS0",
        ("-serial", "chardev:watch"), "/dev/ttyS1", "virtio-blk-pci", "x86_64-linux-musl", "x86_64", "qemu-system-x86",
    ),
    Arch(
        "arm64", "arm64", ("cloud-arm64", "arm64"), "aarch64", ("-machine", "virt", "-cpu", "cortex-a57"), "ttyAMA0",
        _PCI_PORT, "/dev/ttyS0", "virtio-blk-pci", "aarch64-linux-musl", "arm64", "qemu-system-arm",
    ),
    Arch(
        "arm", "armhf", ("armmp",), "arm", ("-machine", "virt,highmem=off", "-cpu", "cortex-a15"), "ttyAMA0",
        _PCI_PORT, "/dev/ttyS0", "virtio-blk-pci", "arm-linux-musleabihf", "arm", "qemu-system-arm",
    ),
    Arch(
        "mips", "mipsel", ("4kc-malta",), "mipsel", ("-machine", "malta", "-cpu", "24Kf"), "ttyS0",
        ("-serial", "chardev:watch"), "/dev/ttyS1", "virtio-blk-pci", "mipsel-linux-musleabi", "mips", "qemu-system-mips",
        most_cpus=1,
    ),
    Arch(
        "riscv", "riscv64", ("riscv64",), "riscv64", ("-machine", "virt"), "ttyS0",
        _PCI_PORT, "/dev/ttyS1", "virtio-blk-pci", "riscv64-linux-musl", "riscv", "qemu-system-misc",
    ),
)  # fmt: skip
"""`-cpu qemu64,-cx16`: QEMU 7.2 emulates cmpxchg16b with garbage in EFLAGS, and kernels from 6.12 on, whose slab allocator
uses it, die of random faults within seconds.  Without the instruction the same kernels run.

`highmem=off`: a kernel without LPAE (armmp) cannot reach the PCI window above 4 GiB, and finds neither disk nor port.

malta with one processor: with two, a 24Kf, which has a single thread, does not boot, and on a 34Kf, whose two threads 6.1
finds, the kernel stops just before it starts init: an RCU stall in an interprocessor call."""


def find(name: str) -> Arch:
    """The row of an architecture, by our name or Debian's."""
    for row in ARCHES:
        if name in (row.name, row.debian):
            return row
    raise UserError(f"{name}: no such architecture; known are {', '.join(row.name for row in ARCHES)}")
