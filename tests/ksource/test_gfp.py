"""What allocation flags let the allocator do, by the tree's own #defines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ksource.kernel import write
from unkillable.ksource.gfp import PASSED, Flags
from unkillable.ksource.index import Index
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree

HEADER = """\
#define ___GFP_IO 0x40u
#define ___GFP_FS BIT(___GFP_FS_BIT)
#define ___GFP_DIRECT_RECLAIM 0x400u
#define ___GFP_KSWAPD_RECLAIM 0x800u
#define ___GFP_NORETRY 0x1000u
#define ___GFP_NOWARN 0x2000u
#define __GFP_IO ((__force gfp_t)___GFP_IO)
#define __GFP_FS ((__force gfp_t)___GFP_FS)
#define __GFP_NORETRY ((__force gfp_t)___GFP_NORETRY)
#define ___GFP_RETRY_MAYFAIL 0x4000u
#define __GFP_RETRY_MAYFAIL ((__force gfp_t)___GFP_RETRY_MAYFAIL)
#define __GFP_NOWARN ((__force gfp_t)___GFP_NOWARN) /* quiet */
#define __GFP_DIRECT_RECLAIM ((__force gfp_t)___GFP_DIRECT_RECLAIM)
#define __GFP_RECLAIM ((__force gfp_t)(___GFP_DIRECT_RECLAIM | ___GFP_KSWAPD_RECLAIM))
#define GFP_KERNEL (__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_NOIO (__GFP_RECLAIM)
#define GFP_NOWAIT (___GFP_KSWAPD_RECLAIM)
#define GFP_LIGHT ((GFP_KERNEL | __GFP_NOWARN) & ~__GFP_RECLAIM)
#define __default_gfp(a, b, ...) b
#define default_gfp(...) __default_gfp(, ##__VA_ARGS__, GFP_NOIO)
#define GFP_LOOP (GFP_LOOP | __GFP_FS)
"""


@pytest.fixture(params=["gfp.h", "gfp_types.h"])
def flags(tmp_path: Path, request: pytest.FixtureRequest) -> Flags:
    tree = Tree(write(tmp_path, {f"include/linux/{request.param}": HEADER}))
    return Flags(Sources(tree, Index([])))


@pytest.mark.parametrize(
    ("expression", "waits", "kills"),
    [
        ("GFP_KERNEL", True, True),
        ("GFP_NOIO", True, False),
        ("GFP_NOIO | __GFP_NOWARN", True, False),
        ("GFP_KERNEL & ~__GFP_FS", True, False),
        ("GFP_KERNEL | __GFP_NORETRY", False, False),
        ("GFP_KERNEL | __GFP_RETRY_MAYFAIL", False, False),
        ("GFP_NOWAIT", False, False),
        ("GFP_KERNEL & ~__GFP_DIRECT_RECLAIM", False, False),
        ("GFP_LIGHT", False, False),
        ("default_gfp(__VA_ARGS__)", True, False),
        ("other_gfp(__VA_ARGS__)", None, None),
        ("gfp", None, None),
        ("mapping_gfp_mask(mapping)", None, None),
        ("gfp | __GFP_NOWARN", None, None),
        ("mapping_gfp_mask(mapping) & ~__GFP_FS", None, False),
        ("gfp | __GFP_NORETRY", False, False),
        ("(__force gfp_t)GFP_NOIO", True, False),
        ("", None, None),
    ],
)
def test_meaning(flags: Flags, expression: str, waits: bool | None, kills: bool | None) -> None:
    assert flags.meaning(expression) == (waits, kills)


def test_a_name_that_stands_for_itself(flags: Flags) -> None:
    assert flags.meaning("GFP_LOOP") == (False, False)
    assert flags.meaning("GFP_NOBODY_DEFINES") == (None, None)


@pytest.mark.parametrize(
    "argument", ["GFP_KERNEL", "gfp", "gfp_mask", "mapping_gfp_mask(m)", "__GFP_ZERO | x", "default_gfp(x)"]
)
def test_passed(argument: str) -> None:
    assert PASSED.search(argument)


@pytest.mark.parametrize("argument", ["size", "flags", "xgfp", "sizeof(*x)"])
def test_not_passed(argument: str) -> None:
    assert not PASSED.search(argument)
