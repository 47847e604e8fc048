"""An init of the user's own image (`--init`): checked before anything boots, asked for in lab.conf, and process 1 in a guest."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab import cpio_reader
from tests.lab.test_guest import Guest
from unkillable.errors import UserError
from unkillable.lab import programs, toolchain
from unkillable.lab.arch import find
from unkillable.lab.machine import Machine
from unkillable.lab.prepare import prepare
from unkillable.lab.programs import Programs
from unkillable.lab.qemu import Files, arguments
from unkillable.lab.setup import Emulator, Prepared, Root, Setup, Workload

pytestmark = pytest.mark.skipif(
    shutil.which("mksquashfs") is None, reason="needs apt-get install squashfs-tools"
)

EAT = Workload(kind="command", command=("/bin/eat",))


def image(folder: Path, program: bytes) -> Path:
    """As on a device with busybox: /sbin/init and /bin/sh are links."""
    root = folder / "root"
    for name in ("bin", "sbin", "etc", "dev", "proc", "sys"):
        (root / name).mkdir(parents=True)
    (root / "bin/eat").write_bytes(program)
    (root / "bin/eat").chmod(0o755)
    (root / "bin/sh").symlink_to("eat")
    (root / "sbin/init").symlink_to("../bin/eat")
    (root / "etc/init").symlink_to("/lib/nothing")
    subprocess.run(
        ["mksquashfs", root, folder / "image", "-all-root", "-quiet", "-no-progress"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder / "image"


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    """An image, and a kernel and programs that only look like them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "kernel").write_bytes(b"Linux version 6.6.6 (nobody) fake\n\0" + bytes(4096))
    (tmp_path / "program").write_bytes(b"\x7fELF")
    one = tmp_path / "program"
    monkeypatch.setattr(programs, "build", lambda arch, workload: Programs(one, one, one, (), "no compiler"))
    return Setup(
        kernel=str(tmp_path / "kernel"),
        root=Root(image=str(image(tmp_path, b"\x7fELF eat"))),
        workload=EAT,
        init="/sbin/init",
        daemons=("/bin/eat all",),
    )


def changed(setup: Setup, init: str | None) -> Setup:
    return Setup(kernel=setup.kernel, root=setup.root, workload=setup.workload, init=init)


def test_lab_conf_starts_the_init_once_the_root_is_there_and_all_else_after_it(setup: Setup) -> None:
    prepared = prepare(setup)
    conf = cpio_reader.read(Path(prepared.initramfs).read_bytes())["lab.conf"][1].decode()
    assert conf.splitlines() == [
        "port /dev/ttyS1",
        "speed",
        "trace",
        "root squashfs /dev/vda",
        "init /sbin/init",
        "daemon /bin/eat all",
        "canary 1000 30000 plain /bin/sh -c :",
        "run command 0 5000 /bin/eat",
        "room 65536",
        "go",
    ]
    assert prepared.disk == setup.root.image, "nothing is added to the image"
    without = prepare(changed(setup, None))
    assert b"\ninit " not in Path(without.initramfs).read_bytes()


@pytest.mark.parametrize("init", ["/init", "/sbin/nothing", "/etc/init", "/bin/eat/init"])
def test_an_init_that_the_image_has_not_is_told_before_it_boots(setup: Setup, init: str) -> None:
    with pytest.raises(
        UserError, match=f"has no {init}; name the program it starts with, or leave --init out"
    ):
        prepare(changed(setup, init))


def test_a_path_that_the_guest_could_not_read_is_refused(setup: Setup) -> None:
    with pytest.raises(UserError, match="an init is a path in the image, without blanks"):
        prepare(changed(setup, "sbin/init"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The watcher with a main of its own, which prints whom process 1 would become."""
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("init")
    (folder / "main.c").write_text(
        "#define main watcher_main\n"
        f'#include "{programs.SOURCES / "init.c"}"\n'
        "#undef main\n"
        "int main(void) { char *path; fread(conf, 1, sizeof(conf) - 1, stdin); path = init_path();\n"
        'printf("%s", path ? path : "none"); return 0; }\n'
    )
    others = [programs.SOURCES / name for name in programs._WATCHER if name != "init.c"]
    subprocess.run(
        ["gcc", "-std=gnu11", "-pthread", "-I", programs.SOURCES, folder / "main.c", *others, "-o", folder / "main"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return folder / "main"


@pytest.mark.parametrize(
    ("conf", "path"),
    [
        ("port /dev/ttyS1\ninit /sbin/init\ngo\n", "/sbin/init"),
        ("init /sbin/" + "x" * 249 + "\n", "/sbin/" + "x" * 249),
        ("port /dev/ttyS1\nrun init 0 0 /bin/x init /y\ngo\n", "none"),
        ("daemon /bin/init /y\n", "none"),
    ],
)
def test_the_watcher_finds_it_before_it_takes_the_file_apart(reader: Path, conf: str, path: str) -> None:
    shown = subprocess.run([reader], input=conf, capture_output=True, text=True, timeout=10, check=True)
    assert shown.stdout == path


PROGRAM = r"""
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	FILE *kmsg = getpid() == 1 ? fopen("/dev/kmsg", "w") : NULL;

	if (kmsg) {
		fprintf(kmsg, "%s of the image is process 1\n", argv[0]);
		fclose(kmsg);
	}
	while (argc == 1) /* as /bin/sh -c : it ends at once */
		pause();
	return 0;
}
"""


async def boot(prepared: Prepared, files: Files) -> Guest:
    async with Machine(arguments(prepared, files, "tcg"), files) as machine:
        guest = Guest(machine)
        reading = asyncio.create_task(guest.read())
        try:
            await guest.until(lambda: guest.all("fail") or len(guest.all("beat")) >= 2)
            await machine.command("kmsg")
            await guest.until(lambda: guest.all("done", what="kmsg"))
        finally:
            reading.cancel()
        return guest


@pytest.mark.vm
@pytest.mark.slow
def test_the_images_init_is_process_1_and_the_watcher_goes_on(tmp_path: Path) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs apt-get install qemu-system-x86")
    (tmp_path / "eat.c").write_text(PROGRAM)
    try:
        compiler = toolchain.compiler(find("x86_64"))
        toolchain.compile_program(compiler, (tmp_path / "eat.c",), tmp_path / "eat")
        own = Root(image=str(image(tmp_path, (tmp_path / "eat").read_bytes())))
        setup = Setup(
            root=own, workload=EAT, init="/sbin/init", room_mib=0, emulator=Emulator(memory_mib=256)
        )
        prepared = prepare(setup)
    except UserError as error:
        pytest.skip(str(error))
    guest = asyncio.run(boot(prepared, Files(sockets=tmp_path, logs=tmp_path)))
    assert guest.all("fail") == []
    assert "/sbin/init of the image is process 1" in [line["text"].strip() for line in guest.all("kmsg")]
    assert len(guest.all("start", who="command")) == 1, "the workload runs beside it"
    assert {line["status"] for line in guest.all("beat")} == {0}, "and the image's shell answers"
