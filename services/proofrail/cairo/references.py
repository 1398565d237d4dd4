"""Values of Cairo's references: the expressions over ap, fp and memory that the compiler writes down for each
name (`[cast(fp + (-3), felt*)]`, `cast([fp + (-8)] + 12, felt)`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proofrail.wire.canonical import FELT_PRIME

_TOKEN: Final = re.compile(r"\s*(\d+|[A-Za-z_][A-Za-z_0-9.]*|[][()+*,-])")

Read = Callable[[int], int | None]
"""The value of the cell at an address; None where it was never written."""


@dataclass(frozen=True)
class Place:
    """What a reference denotes: the cell (of a struct, the first) at `address`, or else a mere `value`."""

    address: int | None
    value: int | None


def evaluate(expression: str, ap: int, fp: int, read: Read) -> Place | None:
    """The place that a reference denotes.

    None where the expression has a form that is no single cell or value (a tuple in registers), or reads a
    cell that was never written.
    """
    try:
        parser = _Parser(expression, ap, fp, read)
        found = parser.expression()
        parser.end()
    except _UnknownError:
        return None
    return found


class _UnknownError(Exception):
    """The expression has no value here."""


class _Parser:
    def __init__(self, text: str, ap: int, fp: int, read: Read) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._registers = {"ap": ap, "fp": fp}
        self._read = read

    def expression(self) -> Place:
        found = self._product()
        while self._next() in ("+", "-"):
            sign = 1 if self._take() == "+" else -1
            found = _value(self._known(found) + sign * self._known(self._product()))
        return found

    def end(self) -> None:
        if self._next() is not None:
            raise _UnknownError

    def _product(self) -> Place:
        found = self._primary()
        while self._next() == "*":
            self._take()
            found = _value(self._known(found) * self._known(self._primary()))
        return found

    def _primary(self) -> Place:
        token = self._take()
        if token.isdigit():
            return _value(int(token))
        if token in self._registers:
            return _value(self._registers[token])
        if token == "-":  # noqa: S105
            return _value(-self._known(self._primary()))
        if token == "(":  # noqa: S105
            found = self.expression()
            self._expect(")")
            return found
        if token == "[":  # noqa: S105
            address = self._known(self.expression())
            self._expect("]")
            return Place(address, self._read(address))
        if token == "cast":  # noqa: S105
            self._expect("(")
            found = self.expression()
            self._expect(",")
            self._skip_type()
            return found
        raise _UnknownError

    def _skip_type(self) -> None:
        depth = 1
        while depth:
            token = self._take()
            depth += (token == "(") - (token == ")")  # noqa: S105

    def _known(self, place: Place) -> int:
        if place.value is None:
            raise _UnknownError
        return place.value

    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        token = self._next()
        if token is None:
            raise _UnknownError
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise _UnknownError


def _value(number: int) -> Place:
    return Place(None, number % FELT_PRIME)


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if text[at:].strip() and text[at] != ":":
                raise _UnknownError
            at += 1
            continue
        found.append(match.group(1))
        at = match.end()
    return found
