"""An upload, from the connection into a folder: bounded in size, time and number, with names that are only names."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from unkillable.web.limits import Limits
from unkillable.web.refusal import Refusal

if TYPE_CHECKING:
    from starlette.types import Message

__all__ = ["Upload", "receive_body", "receive_form", "safe_name"]

PASTED = "pasted-text"
"""The name of what came in the text field."""
FIELDS = 8
"""Fields of a form that are no files."""
_FRAMING = 64 << 10
"""Bytes of a form around its files."""
_LINGER = 4
"""A refused upload is read on up to so many times its limit: a browser that still sends does not look at the answer."""
_NAME = 200
"""Bytes of a name in the folder; file systems take 255."""
_ANSWERS = frozenset(("page", "file", "json"))

_SLOW = "The upload stopped or took too long: try again, or use `unkillable diagnose` where the log lies."
_BROKEN_OFF = "The upload was broken off."
_NO_FORM = "A form with files was expected: use the page, or POST the log itself to /api/diagnose."
_DAMAGED = "The form is damaged: load the page again."
_TOO_LARGE = "More than {} MiB: use `unkillable diagnose` where the log lies, or start `unkillable serve` with --max-size."
_TOO_MUCH_TEXT = "More than {} MiB of pasted text: give it as a file."
_TOO_MANY = "More than {} files: give an archive (tar, zip)."
_NOTHING = "Nothing to read: choose a log file, or paste its text."
_NO_BODY = "Nothing to read: the body is to be the log."


class Upload(msgspec.Struct, frozen=True):
    """What was sent, now in a folder."""

    names: tuple[str, ...]
    answer: str = "page"
    """What is wanted: page, file or json."""


class _Bounded:
    """A request's body with its limits kept."""

    def __init__(self, request: Request, limits: Limits) -> None:
        self.request, self.limits = request, limits
        self.deadline = time.monotonic() + limits.whole
        self.left = limits.upload + _FRAMING
        self.ended = False

    def stream(self) -> Request:
        """The request, with its body read through this."""
        declared = self.request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.left:
            raise self.too_large()
        return Request(self.request.scope, self.receive)

    async def receive(self) -> Message:
        message = await self._next()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise self.too_large()
        return message

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(min(self.limits.pause, self.deadline - time.monotonic())):
                message = await self.request.receive()
        except TimeoutError:
            self.ended = True
            raise Refusal(408, _SLOW) from None
        self.ended = not message.get("more_body", False)
        return message

    def too_large(self) -> Refusal:
        return Refusal(413, _TOO_LARGE.format(self.limits.upload >> 20 or 1))

    async def drain(self) -> None:
        """Reads on for a while, and forgets it, so that the answer is looked at."""
        if self.request.headers.get("expect", "").lower() == "100-continue":
            return
        room = _LINGER * self.limits.upload
        try:
            while not self.ended and room > 0:
                room -= len((await self._next()).get("body", b""))
        except Refusal:
            return


async def receive_form(request: Request, limits: Limits, folder: Path) -> Upload:
    """The files and the text of the page's form.  Raises Refusal."""
    body = _Bounded(request, limits)
    try:
        form = await _parsed(body.stream(), limits)
    except Refusal:
        await body.drain()
        raise
    except ClientDisconnect:
        raise Refusal(400, _BROKEN_OFF) from None
    try:
        files = [one for one in form.getlist("log") if isinstance(one, UploadFile) and one.filename]
        text = form.get("text")
        pasted = text.replace("\r\n", "\n").encode() if isinstance(text, str) and text.strip() else None
        answer = form.get("answer")
        names = await asyncio.to_thread(_save, files, pasted, folder)
        return Upload(names, answer if isinstance(answer, str) and answer in _ANSWERS else "page")
    finally:
        await form.close()


async def _parsed(request: Request, limits: Limits) -> FormData:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refusal(400, _NO_FORM)
    parser = _Form(
        request.headers, request.stream(), max_files=limits.files, max_fields=FIELDS, max_part_size=limits.paste
    )  # fmt: skip
    try:
        return await parser.parse_whole()
    except MultiPartException as error:
        if "maximum size" in error.message:
            raise Refusal(413, _TOO_MUCH_TEXT.format(limits.paste >> 20 or 1)) from None
        if "Too many files" in error.message:
            raise Refusal(413, _TOO_MANY.format(limits.files)) from None
        raise Refusal(400, _DAMAGED) from None


class _Form(MultiPartParser):
    """A form that may end before its end, which Starlette's parser takes for whole."""

    _whole = False

    def on_end(self) -> None:
        self._whole = True

    async def parse_whole(self) -> FormData:
        """Raises MultiPartException if it breaks off."""
        form = await self.parse()
        if not self._whole:
            for file in self._files_to_close_on_error:
                file.close()
            raise MultiPartException("breaks off")
        return form


def _save(files: list[UploadFile], pasted: bytes | None, folder: Path) -> tuple[str, ...]:
    names: list[str] = []
    for one in files:
        name = safe_name(cast(str, one.filename), names)
        with (folder / name).open("xb") as stream:
            shutil.copyfileobj(one.file, stream)
        names.append(name)
    if pasted is not None:
        name = safe_name(PASTED, names)
        (folder / name).write_bytes(pasted)
        names.append(name)
    if not names:
        raise Refusal(400, _NOTHING)
    return tuple(names)


async def receive_body(request: Request, limits: Limits, folder: Path) -> Upload:
    """A log that is the body itself; `?name=` is what it is called.  Raises Refusal."""
    name = safe_name(request.query_params.get("name", "log"), [])
    body = _Bounded(request, limits)
    size = 0
    try:
        with (folder / name).open("xb") as stream:
            async for piece in body.stream().stream():
                stream.write(piece)
                size += len(piece)
    except Refusal:
        await body.drain()
        raise
    except ClientDisconnect:
        raise Refusal(400, _BROKEN_OFF) from None
    if not size:
        raise Refusal(400, _NO_BODY)
    return Upload((name,), "json")


def safe_name(given: str, taken: list[str]) -> str:
    """A file's name, from whatever the visitor called it: no directories, nothing unprintable, none twice."""
    name = given.replace("\\", "/").rpartition("/")[2]
    name = "".join(char if char.isprintable() else "_" for char in name)
    name = name.encode(errors="replace")[:_NAME].decode(errors="ignore").strip()
    if name in ("", ".", "..", "-"):
        name = "log"
    wanted, number = name, 2
    while name in taken:
        stem, dot, suffix = wanted.partition(".")
        name, number = f"{stem}-{number}{dot}{suffix}", number + 1
    return name
