"""An open span, and how what later events must repeat of it is kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from proofrail.audit.invariants.expecting import Counting
from proofrail.wire.canonical import JsonObject

_KEPT: Final = 256


@dataclass(slots=True)
class Ended:
    """The iteration that ended last within its loop."""

    line: int
    event: JsonObject
    output: bytes | None
    """As `kept`; None when it has none."""


class OpenSpan:
    """An open span; `start` members that later events must repeat."""

    __slots__ = (
        "artifact",
        "children",
        "cycles",
        "ids",
        "input",
        "iteration",
        "last",
        "line",
        "loop",
        "mixed",
        "name",
        "numbers",
        "paths",
        "renamed",
        "tile",
        "torn",
    )

    def __init__(self, line: int, ids: tuple[str, ...], paths: tuple[str, ...]) -> None:
        self.line = line
        self.ids = ids
        self.paths = paths
        self.tile: bool | None = None
        """None: its Start was not seen, so nothing else is known of it."""
        self.name = ""
        self.iteration: int | None = None
        self.input = b""
        self.artifact: Any = None
        self.children = 0
        self.cycles: int | None = 0
        """Of the spans inside, so far; None when one of them did not say."""
        self.loop: bool | None = None
        self.numbers: Counting | None = None
        self.last: Ended | None = None
        self.renamed: str | None = None
        """Another name that its iterations have had."""
        self.mixed = False
        """A tile that has spans inside."""
        self.torn = False
        """Something inside it is missing from the stream: what adds up over the spans inside is not known."""

    def tear(self) -> None:
        self.torn, self.cycles, self.last = True, None, None
        if self.numbers is not None:
            self.numbers.lose()


def kept(text: str) -> bytes:
    """Bytes to compare with later: themselves when few, so that they can be shown, else their digest."""
    data = text.encode()
    return data if len(data) <= _KEPT else b"H" + hashlib.sha256(data).digest()


def shown_kept(kept: bytes) -> str:
    return f"H: {kept[1:].hex()}" if kept.startswith(b"H") else kept.decode()


def artifact_of(event: JsonObject) -> tuple[str, str] | None:
    """backend and method_id of a span's artifact."""
    artifact = event.get("artifact")
    return None if artifact is None else (artifact["backend"], artifact["method_id"])


def artifact_object(artifact: tuple[str, str]) -> JsonObject:
    """What `artifact_of` was made from."""
    return {"backend": artifact[0], "method_id": artifact[1]}
