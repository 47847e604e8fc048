"""The parts of an OOM report that a memory cgroup or the slab allocator prints."""

from __future__ import annotations

import re

_FIELDS_LIMIT = 160
_SLABS_LIMIT = 400

_LIMIT_OF = re.compile(
    r"^\s*Task in (?P<task>/.{0,400}?) killed as a result of limit of (?P<memcg>/.{0,400}?)\s*$"
)
_LIMIT = re.compile(r"Memory limit reached of cgroup (?P<memcg>/.{0,400}?)\s*$")
_USAGE = re.compile(
    r"^\s*(?P<name>[a-z+]{3,12}): usage (?P<usage>\d{1,19})kB, limit (?P<limit>\d{1,19})kB, failcnt (?P<fail>\d{1,19})"
)
_STATS = re.compile(r"^\s*Memory cgroup stats(?: for (?P<memcg>/[^:]{0,400}))?:(?P<rest>.*)$")
_STAT = re.compile(r"^\s*(?P<name>[a-z][a-z0-9_]{2,40}) (?P<value>\d{1,19})$")
_STAT_KB = re.compile(r"([a-z_()]{3,40}):(\d{1,15}KB)")
_PROTECTION = re.compile(
    r"Memory cgroup min protection (?P<min>\d{1,15})kB -- low protection (?P<low>\d{1,15})kB"
)
GROUP = re.compile(r"Tasks in (?P<memcg>/.{0,400}?) are going to be killed due to memory\.oom\.group set")

_SLAB_HEAD = re.compile(r"^\s*(?:Unreclaimable slab info:|Name +Used +Total)\s*$")
_SLAB = re.compile(r"^\s*(?P<name>[\w():.-]{1,48}) +(?P<used>\d{1,15})KB +(?P<total>\d{1,15})KB\s*$")


class MemcgReader:
    """Limit, usage and statistics of the memory cgroup that ran out; fills the report's `facts` and `fields`."""

    def __init__(self, facts: dict[str, object], fields: dict[str, str]) -> None:
        self.facts = facts
        self.fields = fields
        self.usage: dict[str, tuple[int, int]] = {}
        self.in_stats = False

    def feed(self, text: str) -> bool:
        for pattern in (_LIMIT_OF, _LIMIT):
            match = pattern.search(text)
            if match is not None:
                self.facts["memcg"] = match["memcg"]
                if pattern is _LIMIT_OF:
                    self.facts["task_memcg"] = match["task"]
                return True
        usage = _USAGE.match(text)
        if usage is not None:
            self.usage[usage["name"]] = (int(usage["usage"]), int(usage["limit"]))
            self._field(f"failcnt.{usage['name']}", usage["fail"])
            return True
        return self._stats(text)

    def _stats(self, text: str) -> bool:
        head = _STATS.match(text)
        if head is not None:
            self.in_stats = True
            if head["memcg"]:
                self.facts.setdefault("memcg", head["memcg"])
            for name, value in _STAT_KB.findall(head["rest"]):  # v1 to 4.x: all in one line
                self._field(f"stat.{name}", value)
            return True
        stat = _STAT.match(text) if self.in_stats else None
        if stat is not None:  # 5.2 and later: a line each, bytes
            self._field(f"stat.{stat['name']}", stat["value"])
            return True
        protection = _PROTECTION.search(text)  # 7.x
        if protection is not None:
            self._field("protection.min", protection["min"])
            self._field("protection.low", protection["low"])
        return protection is not None

    def _field(self, name: str, value: str) -> None:
        if len(self.fields) < _FIELDS_LIMIT:
            self.fields.setdefault(name, value)


class SlabReader:
    """`Unreclaimable slab info:` (since 4.15), printed where unreclaimable slab outweighs what processes use."""

    def __init__(self) -> None:
        self.caches: dict[str, tuple[int, int]] = {}
        self.started = False

    def feed(self, text: str) -> bool:
        if _SLAB_HEAD.match(text):
            self.started = True
            return True
        row = _SLAB.match(text) if self.started else None
        if row is None:
            return False
        if len(self.caches) < _SLABS_LIMIT:
            self.caches[row["name"]] = (int(row["used"]), int(row["total"]))
        return True
