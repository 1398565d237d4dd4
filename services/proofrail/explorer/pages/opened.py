"""Exported files that were dropped onto a page: read in memory, a few at a time, let go when others come.

They are parsed here and not in the browser, so that one reader and one set of templates show both, with the same
checks. The last few are held, under the digest of their bytes: links between their pages work, and the same
file dropped again is the same address.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from proofrail.explorer.reader import ViewReader
from proofrail.explorer.site import Site
from proofrail.wire.errors import TransientError, UnusableInputError

MAX_FILE: Final = 32 * 1024 * 1024
"""Bytes of an exported file that are read."""

_MAX_HELD: Final = 3
_MAX_READING: Final = 4
"""Forms that are read at the same time: each may hold a file of full length."""
_MAX_NAME: Final = 80
_ENVELOPE: Final = 64 * 1024
"""Room for the form around the file."""

Opener = Callable[[bytes], ViewReader]
"""Reads an exported file. Raises ProofrailError where it is none; runs in a thread."""


class _InMemory(MultiPartParser):
    """Never spools to disk: the stream is bounded before it gets here."""

    spool_max_size = MAX_FILE + _ENVELOPE


@dataclass
class OpenedFiles:
    """The files that were dropped last."""

    opener: Opener
    _held: OrderedDict[str, tuple[Site, ViewReader]] = field(default_factory=OrderedDict)
    _reading: int = 0

    async def take(self, request: Request) -> Site:
        """Read the form's file and hold it; where it is shown.

        Raises UnusableInputError: `export-too-large`, `export-missing`, and what the opener raises; TransientError
        `export-busy`.
        """
        if self._reading >= _MAX_READING:
            raise TransientError(
                "export-busy", f"{_MAX_READING} files are being read already", "Try again in a moment."
            )
        self._reading += 1
        try:
            data, name = await _file_of(request)
            return await self._opened(data, name)
        finally:
            self._reading -= 1

    def get(self, key: str) -> tuple[Site, ViewReader] | None:
        """The file with this key, while it is held."""
        return self._held.get(key)

    async def _opened(self, data: bytes, name: str) -> Site:
        key = hashlib.sha256(data).hexdigest()[:32]
        if key not in self._held:
            reader = await asyncio.to_thread(self.opener, data)
            self._held[key] = (Site(f"/file/{key}", name[-_MAX_NAME:]), reader)
        self._held.move_to_end(key)
        while len(self._held) > _MAX_HELD:
            self._held.popitem(last=False)
        return self._held[key][0]


async def _file_of(request: Request) -> tuple[bytes, str]:
    """The form's file, and the name it came under."""
    try:
        form = await _InMemory(request.headers, _bounded(request), max_files=1, max_fields=4).parse()
    except (MultiPartException, KeyError) as error:
        raise _missing() from error
    try:
        file = form.get("file")
        data = await file.read() if isinstance(file, UploadFile) else b""
        name = (file.filename if isinstance(file, UploadFile) else None) or "run.ndjson"
    finally:
        await form.close()
    if not data:
        raise _missing()
    return data, name


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    got = 0
    async for chunk in request.stream():
        got += len(chunk)
        if got > MAX_FILE + _ENVELOPE:
            raise UnusableInputError(
                "export-too-large",
                f"the file has more than {MAX_FILE:,} bytes",
                "Open it with `proofrail explorer --file FILE`, which has no such limit.",
            )
        yield chunk


def _missing() -> UnusableInputError:
    return UnusableInputError(
        "export-missing",
        "no file came with this form, or an empty one",
        "Choose a file, or drop one onto the page.",
    )
