"""Facts that were extracted before, by the content of the file: a second run reads only what changed.

For every tree there is a list of its files (size, times and inode to digest), so that what did not change is not even
opened, and what the files of a directory say together; for every kernel version there are shards of facts by digest, shared
by the trees of that version, patched or not.  Those are read where a file of the directory has changed.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from unkillable import cachedir
from unkillable.files import replacing
from unkillable.ksource import blocks, calls, extract, facts, handed, names, parts, text
from unkillable.ksource.facts import Facts
from unkillable.ksource.parts import Part
from unkillable.ksource.tree import File, Tree

Shard = dict[bytes, Facts]
Known = dict[str, tuple[File, bytes]]
"""Path to the file as it was, and the digest of what it held."""

_SPARE = 3
"""A shard keeps this many times the facts that are in use: of the trees of one version that are compared."""
_shards = msgspec.msgpack.Decoder(Shard)
_known = msgspec.msgpack.Decoder(Known)
_parts = msgspec.msgpack.Decoder(Part)


def digest(source: bytes, header: bool) -> bytes:
    """What facts are stored under."""
    return hashlib.blake2b(source, digest_size=12, person=b"h" if header else b"c").digest()


def shard_of(path: str) -> str:
    """The shard of a file: its first two directories, as what is asked for mostly is."""
    parts = path.split("/")
    return "+".join(parts[:2]) if len(parts) > 2 else parts[0]


class Store:
    """What is kept for one tree.  A cache that cannot be read or written is as good as an empty one."""

    def __init__(self, tree: Tree, folder: Path | None = None) -> None:
        base = (folder or cachedir.root()) / "ksource" / _code()
        self.shards = base / f"linux-{tree.version or 'unknown'}"
        self.tree = base / "trees" / hashlib.sha256(os.fsencode(tree.root)).hexdigest()[:24]
        self.files = self.tree / "files"

    def known(self) -> Known:
        with suppress(OSError, msgspec.MsgspecError):
            return _known.decode(self.files.read_bytes())
        return {}

    def keep_known(self, known: Known) -> None:
        _write(self.files, msgspec.msgpack.encode(known))

    def part(self, name: str, key: bytes) -> Part | None:
        """What the files of a shard say together, if it was made of just these."""
        with suppress(OSError, msgspec.MsgspecError):
            found = _parts.decode((self.tree / "parts" / name).read_bytes())
            return found if found.key == key else None
        return None

    def keep_part(self, name: str, part: Part) -> None:
        _write(self.tree / "parts" / name, msgspec.msgpack.encode(part))

    def shard(self, name: str) -> Shard:
        with suppress(OSError, msgspec.MsgspecError, zlib.error):
            return _shards.decode((self.shards / name).read_bytes())
        return {}

    def keep(self, name: str, shard: Shard, used: Iterable[bytes]) -> None:
        """Keeps a shard: what is in use, and of the rest what was added last."""
        wanted = dict.fromkeys(used)
        room = _SPARE * max(len(wanted), 8)
        others = [one for one in shard if one not in wanted][-room:]
        _write(self.shards / name, msgspec.msgpack.encode({one: shard[one] for one in (*others, *wanted)}))


def _write(path: Path, data: bytes) -> None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as aside:
            aside.write_bytes(data)


def _code() -> str:
    """Names what extracts: facts of another program are of no use."""
    sources = (
        Path(str(module.__file__)).read_bytes()
        for module in (text, blocks, calls, extract, facts, handed, names, parts)
    )
    return hashlib.sha256(b"".join(sources)).hexdigest()[:12]
