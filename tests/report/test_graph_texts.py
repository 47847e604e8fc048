"""The graph as DOT and as Mermaid."""

import re
import shutil
import subprocess

import pytest

from tests.report import given
from unkillable.report import dot, mermaid

DIAGNOSES = [
    given.deadlock(),
    given.hostile(),
    given.hostile("x" * 100_000, 20),
    given.hostile('"];\n}\nclick n0 "javascript:0"', 2),
]


def test_dot_of_a_deadlock() -> None:
    text = dot.render(given.deadlock())
    assert 'n0 [label="5 tasks: e10/10, e11/11, e12/12, …\\nD in squashfs_cache_get", shape=box' in text
    assert '[label="held by (inferred)", style=dashed, color="#b3261e", penwidth=2];' in text
    assert text.count(" -> ") == 5


@pytest.mark.parametrize("number", range(len(DIAGNOSES)))
def test_graphviz_accepts_it(number: int) -> None:
    if shutil.which("dot") is None:
        pytest.skip("Graphviz' dot is not installed")
    one = DIAGNOSES[number]
    done = subprocess.run(["dot", "-Tplain"], input=dot.render(one).encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    boxes = len(re.findall(r"^node ", done.stdout.decode(), re.MULTILINE))
    assert boxes == len(re.findall(r"^  n\d+ \[", dot.render(one), re.MULTILINE))


def test_a_line_of_dot_is_a_statement() -> None:
    """Once quoted strings are taken out, nothing but our own words is left."""
    texts = [dot.render(one) for one in (*DIAGNOSES, *map(given.of_log, given.LOGS))]
    for line in (line for text in texts for line in text.splitlines()[1:-1]):
        bare = re.sub(r'"([^"\\]|\\.)*"', "S", line)
        assert re.fullmatch(r"  (n\d+( -> n\d+)?|node|edge) \[[\w=, ]*\];|  rankdir=LR;", bare), line


def test_mermaid_of_a_deadlock() -> None:
    lines = mermaid.render(given.deadlock()).splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n1("init/1<br/>D in mutex_lock<br/>in the cycle")' in lines
    assert '  n3(["squashfs block-cache entry<br/>in the cycle"])' in lines
    assert "  class n1,n2,n3,n4 critical" in lines
    assert any("-.->" in line and "held by (inferred)" in line for line in lines)


@pytest.mark.parametrize("number", range(len(DIAGNOSES)))
def test_nothing_gets_out_of_a_mermaid_label(number: int) -> None:
    text = r'"[\w .,:/\-+=()…→\'?!*#;<>]*"'  # letters of any script, entities, our own <br/>
    node = re.compile(rf"  n\d+\((\[{text}\]|{text})\)")
    link = re.compile(rf"  n\d+ (-->|-\.->)\|{text}\| n\d+")
    ours = re.compile(r"  (classDef critical [\w:#,-]+|class [n\d,]+ critical|linkStyle [\d,]+ [\w:#,-]+)")
    for line in mermaid.render(DIAGNOSES[number]).splitlines()[1:]:
        assert any(re.fullmatch(form, line) for form in (node, link, ours)), line
        assert "<" not in line.replace("<br/>", "")
