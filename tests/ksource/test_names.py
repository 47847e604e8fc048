"""Names and their numbers: as a dictionary would number them."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from unkillable.ksource.names import Names, digests

WORD = st.text(alphabet="abcx_0()é", min_size=1, max_size=4)


def made(*lists: list[str]) -> Names:
    return Names([("\n".join(one), digests(one)) for one in lists])


def test_in_the_order_in_which_they_are_met() -> None:
    names = made(["", "b", "a"], ["", "c", "b"])
    assert list(names) == ["", "b", "a", "c"]
    assert names.places.tolist() == [0, 1, 2, 0, 3, 1]
    assert [names.number(one) for one in ("a", "b", "c", "d", "")] == [2, 1, 3, 0, 0]
    assert names[3] == "c"


def test_none() -> None:
    names = made()
    assert (list(names), len(names), names.places.tolist(), names.number("a")) == ([""], 1, [], 0)


@given(st.lists(st.lists(WORD, unique=True), max_size=5))
def test_as_a_dictionary_numbers_them(lists: list[list[str]]) -> None:
    names = made(*(["", *one] for one in lists))
    known = {name: number for number, name in enumerate(dict.fromkeys(["", *chain.from_iterable(lists)]))}
    assert list(names) == list(known)
    assert names.places.tolist() == [known[name] for one in lists for name in ["", *one]]
    assert {name: names.number(name) for name in known} == known
