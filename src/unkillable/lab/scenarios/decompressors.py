"""Tasks that wait for a decompressor.

How long a decompressor works, and how long it takes to allocate one, is set by parameters that an experiment adds to lz4's:
a sleep that stands for a page fault, a busy processor, or an allocation that waits for memory.  Nothing else is changed, and
that in the same way for every variant.
"""

from __future__ import annotations

from unkillable.lab.scenarios import content
from unkillable.lab.scenarios.play import Finding, Play
from unkillable.lab.squashfssource import Edit

WORK_MS = 8000
"""How long a decompressor works while a task waits for it."""
BRIEF_MS = 3000
INIT_MS = 8000
"""How long it takes to allocate one."""

_FILE = "lz4_wrapper.c"
DELAYS = (
    Edit(
        _FILE,
        r"#include \"page_actor\.h\"\n",
        """
#include <linux/delay.h>
#include <linux/moduleparam.h>

static unsigned int lab_work_ms, lab_init_ms;
module_param(lab_work_ms, uint, 0644);
module_param(lab_init_ms, uint, 0644);

static int lab_sleep(unsigned int ms)
{
	if (ms)
		msleep(ms);
	return 0;
}
""",
    ),
    # A declaration, for the body of both begins with others.
    Edit(
        _FILE,
        r"^static void \*lz4_init\([^{]*\{\n",
        "\tint slept __maybe_unused = lab_sleep(lab_init_ms);\n",
    ),
    Edit(
        _FILE,
        r"^static int lz4_uncompress\([^{]*\{\n",
        "\tint slept __maybe_unused = lab_sleep(lab_work_ms);\n",
    ),
)
_PARAMETERS = "/sys/module/squashfs/parameters"
_WORKS = ("lz4_uncompress", "lab_sleep", "msleep")


async def _delays(play: Play, work_ms: int, init_ms: int) -> None:
    for name, value in (("lab_work_ms", work_ms), ("lab_init_ms", init_ms)):
        await play.agent.ask("write", f"{_PARAMETERS}/{name}", value)


def _block(number: int) -> tuple[str, int]:
    return content.blocks(), number * content.PAGES


async def killed(play: Play, readers: int, waits: tuple[str, ...]) -> Finding:
    """SIGKILL for a task that waits while all decompressors work."""
    await play.read("first", "reads what describes the file", *_block(0))
    await _delays(play, WORK_MS, 0)
    names = [f"A{n}" for n in range(1, readers + 1)]
    for number, who in enumerate(names, 2):
        await play.start(who, "decompresses for long", *_block(number))
    for who in names:
        if not await play.waits(who, *_WORKS):
            return Finding(None, f"{who} did not come to decompress")
    await play.start("B", "waits for a decompressor", *_block(readers + 2))
    if not await play.waits("B", *waits):
        return Finding(None, "B did not come to wait for a decompressor")
    await play.kill("B")
    await _delays(play, 0, 0)
    await play.ended(*names, "B")
    ends = [play.ended_at(who) for who in ("B", *names)]
    early = None not in ends and min(end for end in ends if end) == ends[0]
    await play.read("C", "reads afterwards what B wanted", *_block(readers + 2))
    tasks = tuple(play.seen(who) for who in (*names, "B", "C"))
    latency = tasks[-2].kill_latency_s
    told = "B never ended" if latency is None else f"B ended {1000 * latency:.0f} ms after SIGKILL"
    lost = [task.who for task in tasks if task.who != "B" and task.end != "data"]
    if lost:
        return Finding(True, f"{told}; {', '.join(lost)} did not get their data", tasks)
    return Finding(
        not early, f"{told}, {'' if early else 'not '}before one of the others had finished", tasks
    )


async def mutex(play: Play) -> Finding:
    """One task has finished with the only decompressor while another one allocates a second."""
    await play.read("first", "reads what describes the file", *_block(0))
    await _delays(play, BRIEF_MS, INIT_MS)
    await play.start("A", f"has the only decompressor, for {BRIEF_MS} ms", *_block(2))
    if not await play.waits("A", *_WORKS):
        return Finding(None, "A did not come to decompress")
    await play.start("B", f"allocates another one, for {INIT_MS} ms", *_block(3))
    if not await play.waits("B", "lz4_init", "lab_sleep", "msleep"):
        return Finding(None, "B did not come to allocate a decompressor")
    if await play.look("A") is None:
        return Finding(None, "A had finished before B came to allocate a decompressor")
    await play.ended("A", "B")
    tasks = tuple(play.seen(who) for who in ("A", "B"))
    lost = [task.who for task in tasks if task.end != "data"]
    if lost or tasks[0].seconds is None:
        return Finding(True, f"{', '.join(lost)} did not get their data", tasks)
    return Finding(
        tasks[0].seconds > (BRIEF_MS + INIT_MS) / 2000,
        f"A needed {tasks[0].seconds:.1f} s for a block that it decompressed in {BRIEF_MS / 1000:.1f} s",
        tasks,
    )
