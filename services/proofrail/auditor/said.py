"""What the auditor has said before: its own reports and attestations, read back at start.

Nothing is published twice, whatever is read again after a restart. Others can write to these topics, too: a line
counts when an accepted key has signed it, and no line makes up for an audit of one's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proofrail.messaging.records import Record
from proofrail.wire.canonical import parse_object, sha256_hex
from proofrail.wire.errors import MalformedError
from proofrail.wire.messages import Attestation, AuditReport
from proofrail.wire.ndjson import split
from proofrail.wire.signing import verify_message

_FINAL: Final = frozenset({"MATCH", "MISMATCH"})
_AT_ONCE: Final = os.cpu_count() or 1
"""Signatures are checked without the GIL."""

_log = structlog.get_logger(__name__)


class SaidBefore:
    """Verdicts by run and subject, and which allocations are attested, as `keys` have signed them."""

    def __init__(self, keys: Sequence[Ed25519PublicKey]) -> None:
        self._keys = tuple(keys)
        self._passed_over: set[str] = set()
        self._final: dict[tuple[str, str], tuple[str, str]] = {}
        self._open: set[str] = set()
        self._waited_for: set[tuple[str, str]] = set()
        self._closed: set[str] = set()
        self._attested: set[str] = set()

    async def take(self, records: list[Record]) -> None:
        """Note what was said in these records. About 0.1 ms of a core a line, beside the event loop."""
        size = -(-len(records) // _AT_ONCE) or 1
        shares = [records[first : first + size] for first in range(0, len(records), size)]
        read = await asyncio.gather(*(asyncio.to_thread(self._read, share) for share in shares))
        for record, message, digest in itertools.chain.from_iterable(read):
            if message is None:
                self._pass_over(record)
            elif message.get("type") == Attestation.__name__:
                self.attest(str(message.get("allocation_id")))
            elif message.get("type") == AuditReport.__name__:
                self.report(message, digest)

    def _read(self, records: list[Record]) -> list[tuple[Record, dict[str, Any] | None, str]]:
        """Each line's message, None where nobody accepted has signed it, and its digest."""
        found: list[tuple[Record, dict[str, Any] | None, str]] = []
        for record in records:
            with contextlib.suppress(MalformedError):
                for line in split(record.value):
                    message = parse_object(line)
                    signed = any(verify_message(message, key) for key in self._keys)
                    found.append((record, message if signed else None, sha256_hex(line)))
        return found

    def _pass_over(self, record: Record) -> None:
        if record.topic in self._passed_over:
            return
        self._passed_over.add(record.topic)
        _log.warning(
            "foreign-signature",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            next_step="Lines that no accepted key has signed are not believed, and what they are about is audited. "
            "After a change of keys, name the former one in PROOFRAIL_AUDITOR_KEYS",
        )

    def report(self, message: Mapping[str, Any], digest: str) -> None:
        """Note a report. The first MATCH or MISMATCH on a subject stands, but that a MISMATCH takes a MATCH back; an
        INDETERMINATE is looked at again, but that on a proof for which nobody waits any more (without `until`) ends
        the case."""
        subject = str(message.get("run_id")), str(message.get("subject"))
        verdict = str(message.get("verdict"))
        if verdict in _FINAL:
            if self.is_news(*subject, verdict):
                self._final[subject] = verdict, digest
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

    def is_news(self, run_id: str, subject: str, verdict: str) -> bool:
        """Whether nothing final was said on the subject, or a MATCH that this verdict, a MISMATCH, takes back."""
        said = self.verdict(run_id, subject)
        return said is None or (said == "MATCH" and verdict == "MISMATCH")

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
