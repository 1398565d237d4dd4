"""Reads the items in what a traced program wrote to stdout, wherever they stand.

The tool writes items as compact JSON: without any delimiter in its first version, later one a line after the prefix
`RASTER_TRACE:`. Into the same stream go lines of the same prefix that are no items (roots, frontiers, lengths), audit
results after `RASTER_AUDIT:`, and whatever the program prints, glued before, between and after all of that.

What is an **item**, what is **broken**, and what is **foreign**:

1. An object that opens with the quoted name of one of an item's six members and closes on its own line is read. If it
   has `fn_name`, `input_data`, `output_type` or `output_data`, it is meant as an item: it must be one, exactly, or it
   is broken. Otherwise it is foreign.
2. An object that opens so with one of those four names and does not close on its line, or is no JSON, is broken.
3. What opens with `{` straight after `RASTER_TRACE:` must be an item. `RASTER_TRACE:` with nothing after it is broken.
4. What opens with `{` straight after `RASTER_AUDIT:` must be a JSON object; it is foreign, the items in it are a copy.
5. Everything else is foreign. But foreign text that holds one of those four names in quotes before a colon is what is
   left of an item, or holds one where none is looked for: broken.
6. A line that ends inside the opening name of an item (or where another item or prefix begins in its midst), and a
   stream that ends there or inside a prefix, is broken.

Broken text raises StreamError with its line and byte offset, and so does an item of more than MAX_ITEM bytes. Foreign
text is counted and its first piece kept (`Skipped`): a reader is told what was passed over. What no reader can see is
a stream cut between two items, or so far into its first item that no name is left: the commitment tells.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, NoReturn

from proofrail.commitment.raster.item import Item, parse_item
from proofrail.wire.canonical import check_depth
from proofrail.wire.errors import MalformedError, UnusableInputError

MAX_ITEM: Final = 64 * 1024 * 1024
"""Most bytes of an item's JSON, and so the bound of the memory that reading takes."""

_CHUNK: Final = 1 << 18
_SHOWN: Final = 80
_HELD: Final = 64
"""Bytes kept back at the end of what has been read: a prefix or a name may go on in what follows."""

_TELLING: Final = frozenset({"fn_name", "input_data", "output_type", "output_data"})
_NAMES: Final = ("desc", "fn_name", "input_data", "inputs", "output_data", "output_type")

_MARK: Final = re.compile(rb"\{|RASTER_(?:TRACE|AUDIT):|\n")
_OPENS: Final = rb'\{[ \t]{0,8}"(%s)"' % "|".join(_NAMES).encode()
_OPENING: Final = re.compile(_OPENS)
_CUT_OPENING: Final = re.compile(rb'\{[ \t]{0,8}(?:"([a-z_]{0,11})(?=\r?\n|%s|RASTER_|\Z)|\Z)' % _OPENS)
_CUT_PREFIX: Final = re.compile(rb"RASTER_(?:T(?:R(?:A(?:C(?:E)?)?)?)?|A(?:U(?:D(?:I(?:T)?)?)?)?)?\Z")
_REMAINS: Final = re.compile(rb'"(?:%s)"[ \t]{0,8}:' % "|".join(sorted(_TELLING)).encode())

_STRING: Final = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"'
_FLAT: Final = rb"\{(?:[^{}\"\n]++|%s)*+\}" % _STRING
_OBJECT: Final = re.compile(rb"\{(?:[^{}\"\n]++|%s|%s)*+\}" % (_STRING, _FLAT))
"""An object on one line with objects in it, but none in those: every item is one."""
_TOKEN: Final = re.compile(rb'%s|[{}\n"]' % _STRING)


class StreamError(UnusableInputError):
    """A stream whose items cannot all be had; `context` has `line` (from 1) and `offset` (bytes, from 0).

    Codes: `raster-item-broken`, `raster-item-too-long`, `raster-stream-cut`, `raster-stream-encoding`.
    """


@dataclass
class Skipped:
    """Foreign text that was passed over: its pieces (at most one a line between two items) and bytes, white space
    around them not counted, and where the first piece stands and how it begins."""

    pieces: int = 0
    bytes: int = 0
    line: int = 0
    offset: int = 0
    text: str = ""

    def to_object(self) -> dict[str, Any]:
        """As JSON; `first` is absent when nothing was passed over."""
        found: dict[str, Any] = {"pieces": self.pieces, "bytes": self.bytes}
        if self.pieces:
            found["first"] = {"line": self.line, "offset": self.offset, "text": self.text}
        return found


class StreamReader:
    """Iterates once over the items of a binary file or pipe. Raises StreamError."""

    def __init__(self, file: BinaryIO) -> None:
        self.skipped = Skipped()
        self.items = 0
        """Items so far."""
        self._file = file
        self._digest = hashlib.sha256()
        self._data = b""
        self._base = 0  # where in the stream the data begin
        self._position = 0  # in the data, which line and what comes next
        self._line = 1
        self._ended = False
        self._unclosed: set[int] = set()  # where in the stream, on this line, objects open that do not close
        self._piece_end = -1  # where in the stream the last piece of foreign text ends, while it may go on

    def sha256(self) -> str:
        """The digest, as hex, of what has been read: of the whole stream once all items have been had."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Item]:
        self._fill()
        if self._data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._refuse("raster-stream-encoding", "the stream is UTF-16; the tool writes UTF-8")
        while True:
            mark = _MARK.search(self._data, self._position)
            settled = len(self._data) - (0 if self._ended else _HELD)
            if mark is not None and mark.start() < settled:
                self._pass_over(mark.start())
                item = self._at(mark)
                if item is not None:
                    yield item
                continue
            self._pass_over(max(settled, self._position))
            if self._ended:
                break
            self._fill()
        cut = _CUT_PREFIX.search(self._data, max(0, len(self._data) - _HELD))
        if cut is not None:
            self._refuse("raster-stream-cut", "the stream ends inside a prefix of the tool")

    def _at(self, mark: re.Match[bytes]) -> Item | None:
        kind = mark.group()
        if kind == b"\n":
            self._position += 1
            self._line += 1
            self._piece_end = -1
            self._unclosed.clear()
            return None
        if kind == b"{":
            return self._brace()
        following = self._data[mark.end() : mark.end() + 2].removeprefix(b"\r")[:1]
        if following in (b"", b"\n"):
            code = "raster-item-broken" if following else "raster-stream-cut"
            self._refuse(code, f"nothing follows {kind.decode()}")
        if following != b"{":
            self._pass_over(mark.end())
            return None
        if kind == b"RASTER_TRACE:":
            self._position = mark.end()
            return self._object(meant=True)
        self._pass_over(mark.end())
        self._audit_result()
        return None

    def _brace(self) -> Item | None:
        opening = _OPENING.match(self._data, self._position)
        if opening is not None:
            return self._object(meant=opening.group(1).decode() in _TELLING)
        cut = _CUT_OPENING.match(self._data, self._position)
        if cut is not None and any(name.startswith((cut.group(1) or b"").decode()) for name in _NAMES):
            self._refuse("raster-stream-cut", "what opens an item ends in the midst of it")
        self._pass_over(self._position + 1)
        return None

    def _object(self, *, meant: bool) -> Item | None:
        """The item that opens at the position; None when it is none, unless it is `meant` as one."""
        try:
            end, obj = self._parsed()
        except ValueError as error:
            if meant:
                self._refuse("raster-item-broken", f"an item cannot be read: {error}")
            self._pass_over(self._position + 1)
            return None
        if not meant and _TELLING.isdisjoint(obj):
            self._pass_over(end)
            return None
        try:
            item = parse_item(obj)
        except ValueError as error:
            self._refuse("raster-item-broken", f"an item is not as the tool writes it: {error}")
        self.items += 1
        self._position = end
        self._piece_end = -1
        return item

    def _audit_result(self) -> None:
        try:
            end, _ = self._parsed()
        except ValueError as error:
            self._refuse("raster-item-broken", f"an audit result cannot be read: {error}")
        self._pass_over(end, copies=True)

    def _parsed(self) -> tuple[int, dict[str, Any]]:
        """Where the object at the position ends, and its members. Raises ValueError when it is none."""
        end = self._object_end()
        if end is None:
            raise ValueError("it does not close on its line")
        text = self._data[self._position : end].decode()
        try:
            check_depth(text)
        except MalformedError:
            raise ValueError("arrays are nested too deep in it") from None
        return end, _DECODER.decode(text)

    def _object_end(self) -> int | None:
        if self._base + self._position in self._unclosed:
            return None
        simple = _OBJECT.match(self._data, self._position)
        if simple is not None:
            return simple.end()
        opened: list[int] = []  # where in the stream objects open that have not closed yet
        end = self._deeper_end(opened)
        if end is None:
            # Each of them would be looked through to the end of the line again: hostile text would cost its square.
            self._unclosed.update(opened)
        return end

    def _deeper_end(self, opened: list[int]) -> int | None:
        done = 0
        while True:
            for token in _TOKEN.finditer(self._data, self._position + done):
                mark = token.group()
                if mark == b'"':  # a string that does not close, here or at all
                    if b"\n" in self._data[token.start() :]:
                        return None
                    break
                if mark == b"\n":
                    return None
                if mark == b"{":
                    opened.append(self._base + token.start())
                elif mark == b"}":
                    opened.pop()
                    if not opened:
                        return token.end()
                done = token.end() - self._position
            if self._ended:
                return None
            if len(self._data) - self._position > MAX_ITEM:
                self._refuse("raster-item-too-long", f"an object has more than {MAX_ITEM} bytes")
            self._fill()

    def _pass_over(self, end: int, *, copies: bool = False) -> None:
        """Count the text from the position to `end` as foreign."""
        start, self._position = self._position, end
        if start == end:
            return
        # Looked for beyond the end too: the name may begin before what is settled yet, and end behind it.
        remains = None if copies else _REMAINS.search(self._data, start, end + _HELD)
        if remains is not None and remains.start() < end:
            self._position = remains.start()
            name = remains.group().decode()
            self._refuse(
                "raster-item-broken", f"{name} stands outside of any item: the rest of one is missing"
            )
        text = self._data[start:end]
        first, last = len(text) - len(text.lstrip()), len(text.rstrip())
        if first >= last:
            return
        going_on = self._piece_end >= 0
        begins = self._piece_end if going_on else self._base + start + first
        if not going_on:
            self.skipped.pieces += 1
            if self.skipped.pieces == 1:
                self.skipped.line, self.skipped.offset = self._line, begins
        if self.skipped.pieces == 1 and len(self.skipped.text) < _SHOWN:
            said = text[0 if going_on else first : last][: 4 * _SHOWN].decode(errors="replace")
            self.skipped.text = (self.skipped.text + said)[:_SHOWN]
        self._piece_end = self._base + start + last
        self.skipped.bytes += self._piece_end - begins

    def _fill(self) -> None:
        """Read on, at least as much as is held, so that what spans many pieces is not read anew for each."""
        rest = self._data[self._position :]
        more = self._file.read(max(_CHUNK, len(rest)))
        self._digest.update(more)
        self._ended = not more
        self._base += self._position
        self._position = 0
        self._data = rest + more

    def _refuse(self, code: str, why: str) -> NoReturn:
        raise StreamError(
            code,
            f"line {self._line}: {why}",
            "Give the stream whole and as the tool wrote it.",
            line=self._line,
            offset=self._base + self._position,
        )


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands in it twice")
    return members


def _no_integer(text: str) -> NoReturn:
    raise ValueError(f"{text:.40} is no integer")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_no_integer, parse_constant=_no_integer
)
