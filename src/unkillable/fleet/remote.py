"""Logs in object stores and on servers, through fsspec, which comes with the engine: s3://, gs://, http:// and what else it knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b
from typing import IO, Any

from unkillable.errors import UserError
from unkillable.fleet.given import Given, broken, grouped, joined
from unkillable.fleet.types import Input, Log
from unkillable.klog.compression import Unreachable

_VERSIONS = ("ETag", "etag", "md5Hash", "crc32c", "generation", "LastModified", "last_modified", "updated", "mtime", "created")  # fmt: skip
"""What stores call the version of an object."""
_DATES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it.  Raises UserError where a package or the scheme is missing."""
    try:
        import fsspec
    except ImportError:
        raise UserError(f"{url}: fsspec is not installed: pip install 'unkillable[fleet]'") from None
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:  # `Install s3fs to access S3`
        raise UserError(f"{url}: its reader is not installed: {error} (pip install)") from None
    except Exception as error:  # noqa: BLE001  each scheme has its own
        raise UserError(f"{url}: {_words(error)}") from None
    return found


def find_remote(url: str) -> Iterator[Given | Log]:
    """The objects of a URL: one, those below it, or those that a pattern matches."""
    files, path = file_system(url)
    web = "http" in files.protocol
    try:
        if "*" in path:
            matches = files.glob(path, detail=True)
            yield from _listed(files, matches)
            if not path.rstrip("/").endswith(("**", "**/*")):  # which match also what lies below
                for name, info in sorted(matches.items()):
                    if info.get("type") == "directory":
                        yield from _below(files, name)
        elif (path.endswith("/") or not web) and files.isdir(path):
            yield from _below(files, path)
        else:
            yield from _listed(files, {path: files.info(path)})
    except Exception as error:  # noqa: BLE001  each scheme has its own
        yield broken(url, f"cannot be listed: {_words(error)}", again=True)


def _below(files: Any, path: str) -> Iterator[Given | Log]:
    for _, _, found in files.walk(path, detail=True):
        yield from _listed(files, {one["name"]: one for one in found.values()})


def _listed(files: Any, found: dict[str, dict[str, Any]]) -> Iterator[Given | Log]:
    """Objects of one listing: each alone, but for those that are parts of one log."""
    known = {
        name: _given(files, name, info) for name, info in sorted(found.items()) if info.get("type") == "file"
    }
    for members in grouped(list(known)):
        yield joined([known[name] for name in members])


def _given(files: Any, name: str, info: dict[str, Any]) -> Given:
    url: str = files.unstrip_protocol(name)
    told = {key: str(info[key]) for key in _VERSIONS if info.get(key) is not None}
    version = blake2b(json.dumps([info.get("size"), told]).encode(), digest_size=7)
    changed = next((info[key] for key in _DATES if info.get(key) is not None), 0.0)
    seconds = changed.timestamp() if hasattr(changed, "timestamp") else changed
    size = info.get("size")
    return Given(
        (Input(url, size if isinstance(size, int) else 0, int.from_bytes(version.digest(), "big")),),
        (url,),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
    )


class Remote:
    """An object read forward; an error on the way is Unreachable, as a file's is."""

    def __init__(self, url: str) -> None:
        self._file = seekable(url)

    def read(self, size: int, /) -> bytes:
        try:
            data: bytes = self._file.read(size)
        except Exception as error:  # noqa: BLE001  each scheme has its own
            raise Unreachable(f"cannot be read further: {_words(error)}") from None
        return data


def seekable(url: str) -> IO[bytes]:
    """The object as a file.  Raises OSError where it cannot be opened."""
    files, path = file_system(url)
    try:
        opened: IO[bytes] = files.open(path, "rb")
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  as above
        raise OSError(_words(error)) from None
    return opened


def whole(url: str) -> bytes:
    """All of a small object, in one request.  Raises OSError."""
    files, path = file_system(url)
    try:
        data: bytes = files.cat_file(path)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  as above
        raise OSError(_words(error)) from None
    return data


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
