"""From a file to its facts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from unkillable.ksource.extract import extract
from unkillable.ksource.facts import HEADER, MACRO, STATIC, Facts

FILE = b"""\
#include <linux/fs.h>
#define again(x, y) do { step(x); step(x); (y)->ops->run(x); } while (0)
#define other_name again
#define NUMBER 12

struct ops {
	int (*run)(struct item *item);
	const struct inner *inner;
	int count;
};

static int first(struct item *item)
{
	const struct ops *ops = item->ops;

	if (item->count) /* not_called() */
		return second(sizeof(*item),
			third(item));
	second(1, 2);
	item->holder->ops->finish(item);
	ops->run(item);
	item->done = &first;
#ifdef CONFIG_X
	fourth("fifth()");
#endif
	return 0;
}

const struct ops my_ops = {
	.run = first,
	.inner	= &my_inner,
};
"""


def functions(facts: Facts) -> list[tuple[str, int, int]]:
    return [(facts.names[row[0]], row[1], row[4]) for row in facts.table("functions").tolist()]


def caller(facts: Facts, row: int) -> str:
    return facts.names[int(facts.table("functions")[row][0])]


def test_functions_and_macros() -> None:
    facts = extract(FILE, header=False)
    assert functions(facts) == [("first", 12, STATIC), ("again", 2, MACRO), ("other_name", 3, MACRO)]
    assert [flags for _, _, flags in functions(extract(FILE, header=True))] == [
        STATIC | HEADER, MACRO | HEADER, MACRO | HEADER,
    ]  # fmt: skip


def test_span() -> None:
    facts = extract(FILE, header=False)
    _, _, at, end, _ = facts.table("functions")[0]
    assert FILE[at:end].startswith(b"static int first(")
    assert FILE[at:end].endswith(b"return 0;\n}")


def test_calls() -> None:
    facts = extract(FILE, header=False)
    found = {
        (caller(facts, row), facts.names[name], line) for row, name, line in facts.table("calls").tolist()
    }
    assert found == {
        ("first", "second", 17), ("first", "third", 18), ("first", "fourth", 24),
        ("again", "step", 2), ("other_name", "again", 3),
    }  # fmt: skip


def test_calls_through_pointers() -> None:
    facts = extract(FILE, header=False)
    found = {
        (caller(facts, row), *(facts.names[one] for one in (reached, member, kind)), line)
        for row, reached, member, line, kind in facts.table("members").tolist()
    }
    assert found == {
        ("first", "ops", "finish", "ops", 20), ("first", "ops", "run", "ops", 21), ("again", "ops", "run", "", 2),
    }  # fmt: skip


def test_a_macro_that_calls_what_it_is_given() -> None:
    facts = extract(
        b"#define CONTENDED(x, try, lock) do { if (!try(x)) lock(x); done(x); } while (0)\n", header=True
    )
    assert {facts.names[row[1]] for row in facts.table("calls").tolist()} == {"done", "()", "()1", "()2"}


def test_what_structures_hold() -> None:
    facts = extract(FILE, header=False)
    values = {(*(facts.names[one] for one in row[:3]), row[3]) for row in facts.table("values").tolist()}
    assert values == {
        ("", "done", "first", 22),
        ("ops", "run", "first", 30),
        ("ops", "inner", "my_inner", 31),
    }
    fields = {(*(facts.names[one] for one in row[:3]), row[3]) for row in facts.table("fields").tolist()}
    assert fields == {("ops", "run", "", 1), ("ops", "item", "item", 0), ("ops", "inner", "inner", 0)}


def test_conditions_only_where_the_configuration_decides() -> None:
    assert extract(FILE, header=False).conditions == ((23, "ifdef", "CONFIG_X"), (25, "endif", ""))
    assert extract(b"#ifdef __x86_64__\nint f(void) { }\n#endif\n", header=False).conditions == ()


def test_a_list_of_numbers_is_not_looked_at() -> None:
    assert extract(b"#define A 0x1\n#define B 2\n", header=True).names == ()


@given(
    st.lists(
        st.sampled_from(
            [
                b"int f(int a)",
                b"{",
                b"}",
                b"g(",
                b")",
                b"->h(",
                b".i = j,",
                b"#define k(",
                b"\n",
                b"struct l ",
                b"= ",
                b";",
            ]
        ),
        max_size=50,
    )
)
def test_any_order_of_words(parts: list[bytes]) -> None:
    source = b" ".join(parts)
    facts = extract(source, header=False)
    count = len(facts.table("functions"))
    for table in ("calls", "members"):
        assert all(0 <= row[0] < count for row in facts.table(table).tolist())
    for row in facts.table("functions").tolist():
        assert 0 <= row[2] <= row[3] <= len(source)


def test_what_stands_behind_a_merge_conflict_is_found() -> None:
    source = b"""int before(void)
{
<<<<<<< HEAD
	if (one()) {
=======
	if (other()) {
>>>>>>> topic
		work();
	}
}
int after(void)
{
}
"""
    facts = extract(source, header=False)
    assert [facts.names[row[0]] for row in facts.table("functions").tolist()] == ["before", "after"]
    assert {facts.names[row[1]] for row in facts.table("calls").tolist()} == {"one", "other", "work"}
