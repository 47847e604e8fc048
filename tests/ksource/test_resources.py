"""The same name for what is waited for, wherever it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ksource.kernel import write
from unkillable.ksource.load import load
from unkillable.ksource.resources import Resource, Resources
from unkillable.ksource.sources import Sources
from unkillable.ksource.tree import Tree

FILES = {
    "fs/a/a.h": "struct cache {\n\tstruct wait_queue_head queue;\n};\nstruct info {\n\tstruct cache *inner;\n};\n",
    "fs/a/a.c": """\
static struct mutex table_lock;
static inline struct cache *find(struct info *info)
{
	return info->inner;
}
int f(struct cache *cache, struct info *info, struct page *page, struct list *list)
{
	struct completion done;
	struct cache *other = info->inner, *third;
	struct cache *entry = &cache->entries[3];

	return 0;
}
""",
}


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resources:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = Tree(write(tmp_path / "linux", FILES))
    index = load(tree, ["fs"])
    return Resources(index, Sources(tree, index))


@pytest.mark.parametrize(
    ("expression", "key"),
    [
        ("cache->queue", "cache.queue"),
        ("&cache->queue", "cache.queue"),
        ("&(cache->queue)", "cache.queue"),
        ("other->queue", "cache.queue"),
        ("third->queue", "cache.queue"),
        ("entry->queue", "cache.queue"),
        ("info->inner->queue", "cache.queue"),
        ("&cache->entries[n].queue", "?.queue"),
        ("nobody->queue", "?.queue"),
        ("page", "page"),
        ("&table_lock", "table_lock"),
        ("&find(cache)->queue", "cache.queue"),
        ("&nobodys(cache)->queue", "nobodys().queue"),
        ("&(find(cache)->queue)", "cache.queue"),
        ("find(cache)", "cache"),
        ("nobodys(cache)", "nobodys()"),
        ("a + b", "a + b"),
        ("", ""),
    ],
)
def test_of(resources: Resources, expression: str, key: str) -> None:
    (function,) = resources.index.defined("f").tolist()
    assert resources.of(function, expression) == Resource(key, False)


def test_on_the_stack(resources: Resources) -> None:
    (function,) = resources.index.defined("f").tolist()
    assert resources.of(function, "&done") == Resource("f.done", True)
