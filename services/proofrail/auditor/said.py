"""What the auditor has said before: its own reports and attestations, read back at start.

Nothing is published twice, whatever is read again after a restart.
"""

from __future__ import annotations

import contextlib

from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.ndjson import split

_FINAL = frozenset({"MATCH", "MISMATCH"})


class SaidBefore:
    """Final verdicts by run and subject, and which allocations are attested."""

    def __init__(self) -> None:
        self._reports: dict[tuple[str, str], tuple[str, str]] = {}
        self._attested: set[str] = set()

    def take(self, records: list[Record]) -> None:
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_object(line)
                    if record.topic == topics.ATTESTATIONS:
                        self.attest(str(message.get("allocation_id")))
                    elif record.topic == topics.REPORTS:
                        self.report(
                            str(message.get("run_id")),
                            str(message.get("subject")),
                            str(message.get("verdict")),
                            sha256_hex(line),
                        )

    def report(self, run_id: str, subject: str, verdict: str, digest: str) -> None:
        """Only final verdicts count: an INDETERMINATE is looked at again."""
        if verdict in _FINAL:
            self._reports.setdefault((run_id, subject), (verdict, digest))

    def attest(self, allocation_id: str) -> None:
        self._attested.add(allocation_id)

    def verdict(self, run_id: str, subject: str) -> str | None:
        said = self._reports.get((run_id, subject))
        return said[0] if said else None

    def report_digest(self, run_id: str, subject: str) -> str | None:
        said = self._reports.get((run_id, subject))
        return said[1] if said else None

    def is_attested(self, allocation_id: str) -> bool:
        return allocation_id in self._attested

    def is_closed(self, run_id: str) -> bool:
        return (run_id, "run") in self._reports and (run_id, "proof") in self._reports
