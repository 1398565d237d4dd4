"""Headers of a record that was published again after it was dead-lettered: what became of it before.

They are hints, as all headers are: a proposal is judged by its value alone. The tracer carries the count of attempts on
into the next dead letter; `proofrail dlq` shows from them which letters have been replayed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REPLAYS: Final = "proofrail-replays"
"""The dead letter that is replayed: its topic, partition and offset, with slashes between."""
ATTEMPTS: Final = "proofrail-attempts"
"""How often the value was tried before, in decimal."""
FIRST_CODE: Final = "proofrail-first-code"
FIRST_AT: Final = "proofrail-first-at"
"""The code of the first dead letter in the chain, and when it was written (RFC 3339)."""
REQUEUES: Final = "proofrail-requeues"
"""The run that ended without a proof and is to be made again, for a proposal that was run. It takes effect while the
index says that this run was the last of the allocation and was given up; else the record is the same proposal again,
which starts no run."""
BY: Final = "proofrail-replayed-by"
"""Who replayed it, as the program that did so says."""

_MOST_ATTEMPTS: Final = 1_000_000
_NUMBER: Final = re.compile(r"[0-9]{1,7}", re.ASCII)
_PLACE: Final = re.compile(r"([A-Za-z0-9._-]{1,249})/([0-9]{1,9})/([0-9]{1,15})", re.ASCII)


@dataclass(frozen=True)
class History:
    """What is told of a record that is published again."""

    replays: tuple[str, int, int]
    attempts: int
    first_code: str
    first_at: str
    by: str
    requeues: str | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """As headers of the record."""
        topic, partition, offset = self.replays
        said = {
            REPLAYS: f"{topic}/{partition}/{offset}",
            ATTEMPTS: str(self.attempts),
            FIRST_CODE: self.first_code,
            FIRST_AT: self.first_at,
            BY: self.by,
        }
        if self.requeues is not None:
            said[REQUEUES] = self.requeues
        return [(name, text.encode()) for name, text in said.items()]


def attempts_before(headers: Mapping[str, str]) -> int:
    """How often the value of a record was tried before; 0 for one that says nothing that can be read."""
    said = headers.get(ATTEMPTS, "")
    return min(int(said), _MOST_ATTEMPTS) if _NUMBER.fullmatch(said) else 0


def replayed_letter(headers: Mapping[str, str]) -> tuple[str, int, int] | None:
    """Topic, partition and offset of the dead letter that a record replays; None for one that replays none."""
    match = _PLACE.fullmatch(headers.get(REPLAYS, ""))
    return None if match is None else (match[1], int(match[2]), int(match[3]))
