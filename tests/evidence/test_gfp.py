"""Names of gfp masks, by name and by number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unkillable.evidence.gfp import (
    LAYOUTS,
    decode,
    expand,
    guess_layout,
    may_direct_reclaim,
    may_fs,
    may_invoke_oom_killer,
    may_io,
    parse_names,
    read_mask,
)


@pytest.mark.parametrize(
    ("mask", "named", "word", "since", "names"),
    [
        # The same request, a fault's anonymous or file page, in every era.
        (0x1201D2, False, "oomkilladj", "2.6.23", ("GFP_HIGHUSER_MOVABLE", "__GFP_COLD")),
        (0x200DA, False, "", "2.6.31", ("GFP_HIGHUSER_MOVABLE",)),  # r4 in the 2.6.35.14 report of 2011
        (0x201DA, False, "oom_score_adj", "2.6.31", ("GFP_HIGHUSER_MOVABLE", "__GFP_COLD")),
        (0x24200CA, False, "", "4.4", ("GFP_HIGHUSER_MOVABLE",)),
        (0x24200CA, True, "", "4.4", ("GFP_HIGHUSER_MOVABLE",)),
        (0x14200CA, True, "", "4.11", ("GFP_HIGHUSER_MOVABLE",)),
        (0x6200CA, True, "", "4.18", ("GFP_HIGHUSER_MOVABLE",)),
        (0x140CCA, True, "", "5.1", ("GFP_HIGHUSER_MOVABLE", "__GFP_COMP")),  # Debian 6.1 capture, printed so
        (0xD0, False, "", "2.6.31", ("GFP_KERNEL",)),
        (0x50, False, "", "2.6.31", ("GFP_NOFS",)),
        (0x10, False, "", "2.6.31", ("GFP_NOIO",)),
        # gluon on 4.4.135: getblk under squashfs, no __GFP_FS, __GFP_NOFAIL.
        (0x2420848, False, "", "4.4", ("GFP_NOFS", "__GFP_MOVABLE", "__GFP_NOFAIL", "__GFP_HARDWALL")),
    ],
)
def test_numbers_of_every_era(mask: int, named: bool, word: str, since: str, names: tuple[str, ...]) -> None:
    layout = guess_layout(mask, named, word)
    assert layout.since == since
    assert decode(mask, layout) == names


def test_a_number_without_flags_of_the_era_keeps_its_bits() -> None:
    assert decode(0x80000000, LAYOUTS[-1]) == ("0x80000000",)
    assert decode(0, LAYOUTS[-1]) == ()


def test_printed_names_are_believed() -> None:
    assert read_mask(0x140CCA, "GFP_HIGHUSER_MOVABLE|__GFP_COMP") == (
        ("GFP_HIGHUSER_MOVABLE", "__GFP_COMP"),
        False,
    )
    assert read_mask(0x0, "none") == ((), False)
    assert read_mask(None, None) == ((), False)


def test_a_damaged_list_falls_back_to_the_number() -> None:
    assert parse_names("GFP_HIGHUSER_MOVABLE|__GF COMP") == ()
    assert read_mask(0x140CCA, "GFP_HIGHUS\x07R") == (("GFP_HIGHUSER_MOVABLE", "__GFP_COMP"), True)
    assert read_mask(None, "GFP_HIGHUS\x07R") == ((), False)


@pytest.mark.parametrize(
    ("names", "order", "oom", "reclaim", "io", "fs"),
    [
        (("GFP_KERNEL",), 0, True, True, True, True),
        (("GFP_KERNEL",), 4, False, True, True, True),  # a costly order fails instead
        (("GFP_HIGHUSER_MOVABLE", "__GFP_COMP"), 0, True, True, True, True),
        (("GFP_NOFS",), 0, False, True, True, False),  # NOFS loops: the livelock's allocation
        (("GFP_NOIO",), 0, False, True, False, False),
        (("GFP_ATOMIC",), 0, False, False, False, False),
        (("GFP_NOWAIT", "__GFP_NOWARN"), 0, False, False, False, False),
        (("GFP_KERNEL", "__GFP_NORETRY"), 0, False, True, True, True),
        (("GFP_USER", "__GFP_RETRY_MAYFAIL"), 0, False, True, True, True),
        (("GFP_USER", "__GFP_REPEAT"), 0, False, True, True, True),
        (("GFP_TRANSHUGE",), 9, False, True, True, True),
        (("__GFP_WAIT", "__GFP_IO", "__GFP_FS"), 0, True, True, True, True),
        ((), 0, False, False, False, False),
    ],
)
def test_what_an_allocation_may_do(
    names: tuple[str, ...], order: int, oom: bool, reclaim: bool, io: bool, fs: bool
) -> None:
    assert may_invoke_oom_killer(names, order) is oom
    assert (may_direct_reclaim(names), may_io(names), may_fs(names)) == (reclaim, io, fs)


@given(
    mask=st.integers(0, (1 << 32) - 1),
    named=st.booleans(),
    word=st.sampled_from(["", "oomkilladj", "oom_adj"]),
)
def test_every_number_decodes_without_loss(mask: int, named: bool, word: str) -> None:
    layout = guess_layout(mask, named, word)
    bits = 0
    for flag in expand(decode(mask, layout)):
        old = "__GFP_WAIT" if flag == "__GFP_DIRECT_RECLAIM" and "__GFP_WAIT" in layout.bits else flag
        old = "__GFP_REPEAT" if flag == "__GFP_RETRY_MAYFAIL" and "__GFP_REPEAT" in layout.bits else old
        bits |= int(flag, 16) if flag.startswith("0x") else layout.mask(old)
    assert bits == mask


@given(st.text(max_size=80))
def test_any_text_is_no_list_or_a_list(text: str) -> None:
    read_mask(1, text)
    expand(parse_names(text))
