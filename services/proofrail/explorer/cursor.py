"""Pages of a table by key: what stands behind or before a row, however many rows there are."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from sqlite3 import Connection, Row
from typing import Any, Final, TypeVar

from proofrail.explorer.errors import bad_query
from proofrail.explorer.model.base import Page

T = TypeVar("T")

MAX_LIMIT: Final = 500
_MAX_CURSOR: Final = 2048


@dataclass(frozen=True)
class Cursor:
    """A row's key, and which side of it is asked for."""

    older: bool
    key: tuple[int, str | int]

    def to_text(self) -> str:
        """As it travels in addresses."""
        raw = json.dumps([int(self.older), *self.key], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(raw.encode("utf-8", "surrogatepass")).decode().rstrip("=")

    @classmethod
    def of(cls, text: str) -> Cursor:
        """Raises BadQueryError."""
        try:
            if len(text) <= _MAX_CURSOR:
                raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
                match json.loads(raw.decode()):
                    case [0 | 1 as older, int() as at, str() | int() as name] if _fit(at) and _fit(name):
                        return cls(bool(older), (at, name))
        except (ValueError, RecursionError):
            pass
        raise bad_query(f"{text[:80]!r} is no cursor of this explorer's")


def _fit(value: int | str) -> bool:
    return isinstance(value, str) or abs(value) < 2**63


@dataclass(frozen=True)
class Listing:
    """A table in the order of two columns, the first row being the greatest."""

    select: str
    """Up to WHERE."""
    order: tuple[str, str]
    key: tuple[str, str]
    """The names of the two in a row."""
    ascending: bool = False

    def page(
        self,
        connection: Connection,
        where: Sequence[tuple[str, Sequence[Any]]],
        cursor: str | None,
        limit: int,
        make: Callable[[list[Row]], list[T]],
    ) -> Page[T]:
        """The rows that meet all of `where`, from a cursor on. Raises BadQueryError."""
        if not 1 <= limit <= MAX_LIMIT:
            raise bad_query(f"limit is {limit}; it must lie in 1 … {MAX_LIMIT}")
        start = Cursor.of(cursor) if cursor else None
        forward = start is None or start.older
        conditions = [*where]
        smaller = forward != self.ascending
        first, second = self.order
        if start is not None:
            conditions.append((f"({first}, {second}) {'<' if smaller else '>'} (?, ?)", start.key))
        clauses = " AND ".join(text for text, _ in conditions) or "1"
        direction = "DESC" if smaller else "ASC"
        values = [value for _, some in conditions for value in some]
        rows = connection.execute(
            f"{self.select} WHERE {clauses} ORDER BY {first} {direction}, {second} {direction} LIMIT ?",
            [*values, limit + 1],
        ).fetchall()
        more, rows = len(rows) > limit, rows[:limit]
        if not forward:
            rows.reverse()
        at_begin = not (more if not forward else start is not None)
        at_end = not (more if forward else start is not None)
        return Page(
            rows=tuple(make(rows)),
            older=None if at_end or not rows else Cursor(True, self._key(rows[-1])).to_text(),
            newer=None if at_begin or not rows else Cursor(False, self._key(rows[0])).to_text(),
        )

    def _key(self, row: Row) -> tuple[int, str | int]:
        return row[self.key[0]], row[self.key[1]]
