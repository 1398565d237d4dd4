"""What the auditor has said before: its own reports and attestations, read back at start.

Nothing is published twice, whatever is read again after a restart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.ndjson import split

_FINAL = frozenset({"MATCH", "MISMATCH"})


class SaidBefore:
    """Verdicts by run and subject, and which allocations are attested."""

    def __init__(self) -> None:
        self._final: dict[tuple[str, str], tuple[str, str]] = {}
        self._open: set[str] = set()
        self._waited_for: set[tuple[str, str]] = set()
        self._closed: set[str] = set()
        self._attested: set[str] = set()

    def take(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_object(line)
                    if record.topic == topics.ATTESTATIONS:
                        self.attest(str(message.get("allocation_id")))
                    elif record.topic == topics.REPORTS:
                        self.report(message, sha256_hex(line))

    def report(self, message: Mapping[str, Any], digest: str) -> None:
        """Note a report. The first MATCH or MISMATCH on a subject stands; an INDETERMINATE is looked at again,
        but that on a proof for which nobody waits any more (without `until`) ends the case."""
        subject = str(message.get("run_id")), str(message.get("subject"))
        if message.get("verdict") in _FINAL:
            self._final.setdefault(subject, (str(message["verdict"]), digest))
        elif _is_waiting(message):
            self._waited_for.add(subject)
            return
        else:
            self._open.add(digest)
        if subject[1] == "proof":
            self._closed.add(subject[0])

    def attest(self, allocation_id: str) -> None:
        self._attested.add(allocation_id)

    def verdict(self, run_id: str, subject: str) -> str | None:
        said = self._final.get((run_id, subject))
        return said[0] if said else None

    def report_digest(self, run_id: str, subject: str) -> str | None:
        said = self._final.get((run_id, subject))
        return said[1] if said else None

    def has_said(self, digest: str) -> bool:
        """Whether this very report, an INDETERMINATE, is out."""
        return digest in self._open

    def is_waited_for(self, run_id: str, subject: str) -> bool:
        """Whether it was said that something is missing and waited for."""
        return (run_id, subject) in self._waited_for

    def is_attested(self, allocation_id: str) -> bool:
        return allocation_id in self._attested

    def is_closed(self, run_id: str) -> bool:
        """The last word on the run's proof is out, and that on the run before it."""
        return run_id in self._closed


def _is_waiting(message: Mapping[str, Any]) -> bool:
    unchecked = message.get("unchecked")
    return isinstance(unchecked, list) and any(
        isinstance(part, dict) and "until" in part for part in unchecked
    )
