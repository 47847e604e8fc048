"""Writes the constructed samples of tests/samples/framing: `python tests/klog/make_samples.py`.

Each is the excerpt printk.txt as another tool or device would have written it; the layouts are those of the
sources named in tests/samples/framing/README.md. Samples made by running the real tool are not touched.
"""

from __future__ import annotations

import html
import json
import quopri
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "samples" / "framing"


def excerpt() -> list[tuple[int, str, str]]:
    """(level, timestamp, text) of each line of the excerpt."""
    lines = []
    for line in (FOLDER / "dmesg-raw.txt").read_text().splitlines():
        found = re.fullmatch(r"<(\d)>\[ *(\d+\.\d{6})\] (.*)", line)
        assert found is not None
        lines.append((int(found[1]), found[2], found[3]))
    return lines


LINES = excerpt()


def each(layout: Callable[[int, str, str], str], end: str = "\n") -> str:
    return "".join(layout(level, time, text) + end for level, time, text in LINES)


def stamp(time: str, text: str) -> str:
    return f"[{time:>12}] {text}"


def micro(time: str) -> int:
    return round(float(time) * 1_000_000)


def clock(time: str) -> str:
    return f"12:{int(float(time)) // 60:02}:{float(time) % 60:06.3f}"


def wrap(lines: list[str], width: int, lead: str = "") -> str:
    out = []
    for line in lines:
        out += textwrap.wrap(
            line, width, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
        ) or [""]
    return "".join(lead + line + "\n" for line in out)


def kmsg(level: int, time: str, text: str, sequence: int, fields: str = "") -> str:
    return f"{level},{sequence},{micro(time)},-{fields};{text}"


def fragments(level: int, time: str, text: str, sequence: int, size: int) -> list[str]:
    return [
        kmsg(level, time, text[at : at + size], sequence, f",ncfrag={at}/{len(text)}")
        for at in range(0, len(text), size)
    ]


STAMPED = [stamp(time, text) for _, time, text in LINES]
MAIL = "From: A User <user@example.org>\nTo: list@example.org\nSubject: hang\nMessage-ID: <1@example.org>\n"


def netconsole() -> str:
    """Extended netconsole with a long message in fragments, neighbours swapped as UDP does."""
    out = []
    for sequence, (level, time, text) in enumerate(LINES, 400):
        out += (
            fragments(level, time, text, sequence, 100)
            if len(text) > 150
            else [kmsg(level, time, text, sequence)]
        )
    for at in range(1, len(out) - 1, 4):
        out[at], out[at + 1] = out[at + 1], out[at]
    return "".join(line + "\n" for line in out)


def serial() -> str:
    """A raw console: returns in all forms, a shell's echo and colours, zero bytes, merged lines."""
    ends = ["\r\n", "\r\r\n", "\n", "\n\r"]
    out = ["U-Boot 2022.01 (Jan 01 2024)\r\n", "\0\0\x1b[0mStarting kernel ...\r\n\r\n"]
    for at, line in enumerate(STAMPED):
        if at == 3:
            out.append("\x1b[1;32mroot@box\x1b[0m:~# lz\x08s -l" + line + "\r\n")
        elif at == 5:
            out.append(line)  # its line end was lost: the next one follows at once
        elif at == 7:
            out.append("10%\r20%\r100%\r" + line + "\r\n")
        else:
            out.append(line + ends[at % 4])
    return "".join(out)


def write(name: str, content: str | bytes) -> None:
    (FOLDER / name).write_bytes(content.encode() if isinstance(content, str) else content)


def main() -> None:
    write("printk-caller.txt", each(lambda level, time, text: f"[{time:>12}][{'T112':>6}] {text}"))
    write("printk-caller-notime.txt", each(lambda level, time, text: f"[{'C0':>6}] {text}"))
    write("printk-cpu.txt", each(lambda level, time, text: f"<{level}>[{time:>12},1] {text}"))
    write("printk-level.txt", each(lambda level, time, text: f"<{level}>{text}"))
    write("printk-level-cpu.txt", each(lambda level, time, text: f"[1] <{level}>{stamp(time, text)}"))
    write("mediatek.txt", each(lambda level, time, text: f"<{level}>[{time:>12}]  (1)[112:e5]{text}"))
    write("mediatek-cpu.txt", each(lambda level, time, text: f"<c1><{level}>{stamp(time, text)}"))
    write(
        "samsung.txt",
        each(lambda level, time, text: f"<{level}>[{time:>12}]  [1:             e5:  112] {text}"),
    )
    write("spreadtrum.txt", each(lambda level, time, text: f"<{level}>[{time:>12}] c1    112 (e5) {text}"))
    numbered = list(enumerate(LINES, 400))
    write("kmsg.txt", "".join(
        kmsg(level, time, text.replace("\\", "\\x5c"), n, ",caller=T112") + "\n SUBSYSTEM=block\n DEVICE=b8:0\n"
        for n, (level, time, text) in numbered))  # fmt: skip
    write("netconsole-extended.txt", netconsole())
    write("logread.txt", each(lambda level, time, text:
        f"Mon Jan  1 {clock(time)[:8]} 2024 kern.{'emerg alert crit err warn notice info debug'.split()[level]} "
        f"kernel: {stamp(time, text)}"))  # fmt: skip
    write("asuswrt.txt", each(lambda level, time, text: f"Jan  1 {clock(time)[:8]} kernel: {text}"))
    write("logcat-kernel.txt", "--------- beginning of kernel\n" + each(lambda level, time, text:
        f"01-01 {clock(time)}     0     0 {'FFFEWIID'[level]} kernel  : {text}"))  # fmt: skip
    write("logcat-brief.txt", each(lambda level, time, text: f"{'FFFEWIID'[level]}/kernel  (    0): {text}"))
    write("docker-json.txt", each(lambda level, time, text: json.dumps(
        {"log": stamp(time, text) + "\r\n", "stream": "stdout", "time": f"2024-01-01T{clock(time)}456Z"})))  # fmt: skip
    write(
        "cri.txt",
        each(lambda level, time, text: f"2024-01-01T{clock(time)}456789Z stdout F {stamp(time, text)}"),
    )
    write("lava-yaml.txt", each(lambda level, time, text: "- " + json.dumps(
        {"dt": f"2024-01-01T{clock(time)}456", "lvl": "target", "msg": stamp(time, text)})))  # fmt: skip
    write("lava.txt", each(lambda level, time, text: f"2024-01-01T{clock(time)}456 {stamp(time, text)}"))
    write("labgrid.txt", each(lambda level, time, text: f"SerialDriver-main< {stamp(time, text)}"))
    write(
        "terminal-bracket.txt",
        each(lambda level, time, text: f"[2024-01-01 {clock(time)}] {stamp(time, text)}", "\r\n"),
    )
    write(
        "terminal-zulu.txt",
        each(lambda level, time, text: f"2024-01-01T{clock(time)}Z {stamp(time, text)}", "\r\n"),
    )
    write("terminal-clock.txt", each(lambda level, time, text: f"{clock(time)}> {stamp(time, text)}", "\r\n"))
    write("terminal-tio.txt", each(lambda level, time, text: f"[{clock(time)}] {stamp(time, text)}", "\r\n"))
    write(
        "teraterm.txt",
        each(lambda level, time, text: f"[Mon Jan 01 {clock(time)} 2024] {stamp(time, text)}", "\r\n"),
    )
    write("ts.txt", each(lambda level, time, text: f"Jan 01 {clock(time)[:8]} {stamp(time, text)}"))
    write(
        "grabserial.txt",
        each(lambda level, time, text: f"[{float(time) + 3:.6f} 0.000100] {stamp(time, text)}"),
    )
    write("grep.txt", "".join(f"{n}:{line}\n" for n, line in enumerate(STAMPED, 100)))
    write("cat-n.txt", "".join(f"{n:6}\t{line}\n" for n, line in enumerate(STAMPED, 1)))
    write("quote.txt", "".join(f"> > {line}\n" for line in STAMPED))
    write("quote-bar.txt", "".join(f"| {line}\n" for line in STAMPED))
    write("mail-wrapped.txt", MAIL + "\nHello,\n\nit hangs:\n\n" + wrap(STAMPED, 72))
    write("mail-quoted-wrapped.txt", "A User wrote:\n" + wrap(STAMPED, 72, "> "))
    write("mail-printable.txt", (MAIL + "Content-Transfer-Encoding: quoted-printable\n\n").encode()
          + quopri.encodestring("".join(line + "\n" for line in STAMPED).encode()))  # fmt: skip
    write("mail-flowed.txt", MAIL + 'Content-Type: text/plain; charset="utf-8"; format=flowed\n\n' + "".join(
        re.sub(r"(.{40,66} )(?=.)", r"\1\n", line).replace(" \n\n", "\n") + "\n" for line in STAMPED))  # fmt: skip
    write(
        "html.txt", "<html><body><pre><code>\n" + "".join(html.escape(line) + "<br/>\n" for line in STAMPED)
    )
    write("forum.txt", "<p>It hangs:</p><p>" + "".join(
        html.escape(line).replace("  ", "&nbsp;&nbsp;") + "<br>" for line in STAMPED) + "</p>\n")  # fmt: skip
    write("collapsed.txt", "".join(re.sub(" +", " ", line) + "\n" for line in STAMPED))
    write("nonbreaking.txt", "".join(line.replace(" ", "\u00a0") + "\n" for line in STAMPED))
    write("utf-16.bin", "".join(line + "\r\n" for line in STAMPED).encode("utf-16"))
    write("utf-16-nobom.bin", "".join(line + "\r\n" for line in STAMPED).encode("utf-16-le"))
    write("latin-1.bin", "".join(line + " \u00e9\u00fc\n" for line in STAMPED).encode("latin-1"))
    write("returns.txt", "".join(line + "\r" for line in STAMPED))
    write("serial.bin", serial())
    write(
        "ramoops.txt",
        "====1704067295.123456-D\nPanic#1 Part1\n"
        + each(lambda level, time, text: f"<{level}>{stamp(time, text)}"),
    )


if __name__ == "__main__":
    main()
