"""What was really proposed: the first valid proposal under each allocation_id.

The auditor's own view of `allocation.proposals.v1`. A run may only decide what stands here: neither an input that
nobody published, nor a later proposal under an allocation_id already used.
"""

from __future__ import annotations

from proofrail.messaging.records import Record
from proofrail.wire.errors import ProofrailError
from proofrail.wire.proposals import parse_proposal


class PublishedProposals:
    """Digests of proposals, and the traceparent and timestamp each came with."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._traceparents: dict[str, str | None] = {}
        self._times: dict[str, int] = {}

    def take(self, records: list[Record]) -> None:
        for record in records:
            try:
                proposal = parse_proposal(record.value)
            except ProofrailError:
                continue
            digest = proposal.digest()
            if self._first.setdefault(proposal.allocation_id, digest) == digest:
                self._traceparents.setdefault(digest, record.traceparent)
                self._times.setdefault(digest, record.timestamp)

    def __contains__(self, digest: object) -> bool:
        return digest in self._traceparents

    def published_ms(self, digest: str) -> int | None:
        """The timestamp of its record, in milliseconds since the epoch."""
        return self._times.get(digest)

    def traceparent(self, digest: str) -> str | None:
        return self._traceparents.get(digest)
