"""The view's messages as the wire defines them, for pages that show a few."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any, Final, TypeVar

from proofrail.client import parse_proposal, read_message
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import ProofrailError
from proofrail.wire.model import Message
from proofrail.wire.proposals import Proposal

VALUE_SHOWN: Final = 4096
"""Characters of a value that are shown."""

M = TypeVar("M", bound=Message)


def raw_at(connection: Connection, place: int | None) -> bytes | None:
    """The line at a place; None where there is none."""
    if place is None:
        return None
    row = connection.execute("SELECT raw FROM messages WHERE place = ?", (place,)).fetchone()
    return None if row is None else bytes(row[0])


def message_of(model: type[M], raw: bytes | None) -> M | None:
    """The line as a message of this kind; None where it is none."""
    if raw is None:
        return None
    try:
        message = read_message(raw)
    except ProofrailError:
        return None
    return message if isinstance(message, model) else None


def message_at(connection: Connection, model: type[M], place: int | None) -> M | None:
    """The message at a place; None where there is none of this kind."""
    return message_of(model, raw_at(connection, place))


def proposal_of(raw: bytes | None) -> Proposal | None:
    """The proposal in a record's value; None where it is no valid one."""
    if raw is None:
        return None
    try:
        return parse_proposal(raw)
    except ProofrailError:
        return None


def said_of(connection: Connection, key: str, *types: int) -> list[Any]:
    """All that was said of an id, of some types (place, type, at_ms, raw), in the order of time."""
    marks = ", ".join("?" * len(types))
    return connection.execute(
        f"SELECT place, type, at_ms, raw FROM messages WHERE key = ? AND type IN ({marks})"  # noqa: S608
        " ORDER BY at_ms, place LIMIT 1000",
        (key, *types),
    ).fetchall()


def json_text(value: Any) -> str:
    """A value as JSON, as much of it as is shown."""
    return canonical(value).decode()[:VALUE_SHOWN]
