"""What the auditor takes for its own words on its topics, and how they add up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proofrail.auditor.said import SaidBefore
from proofrail.commitment.checkpoint import Signer, generate_key
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, sha256_hex
from proofrail.wire.signing import sign_message

OWN, FORMER, STRANGER = (
    Signer.parse(generate_key("proofrail-auditor", bytes(range(first, first + 32)))[0]) for first in range(3)
)


def _report(verdict: str, subject: str = "run", **more: Any) -> dict[str, Any]:
    return {"v": 1, "type": "AuditReport", "run_id": "r", "subject": subject, "verdict": verdict, **more}


ATTESTED = {"v": 1, "type": "Attestation", "allocation_id": "a"}


def _signed(said: dict[str, Any], signer: Signer = OWN) -> bytes:
    return canonical(sign_message(said, signer.key))


def _said(*lines: bytes, topic: str = topics.REPORTS) -> SaidBefore:
    """What an auditor with OWN and FORMER knows after these lines, a record each."""
    said = SaidBefore([OWN.key.public_key(), FORMER.key.public_key()])
    records = [Record(topic, 0, offset, b"r", line + b"\n", {}, 0) for offset, line in enumerate(lines)]
    asyncio.run(said.take(records))
    return said


@pytest.mark.parametrize(
    "line",
    [
        canonical(_report("MATCH", "proof")),
        _signed(_report("MATCH", "proof"), STRANGER),
        _signed(_report("MISMATCH", "proof")).replace(b"MISMATCH", b"MATCH"),
        _signed({**_report("MATCH", "proof"), "type": "Attestation"}),
        canonical({**_report("MATCH", "proof"), "signature": 1}),
        b"[]",
        b"{",
    ],
)
def test_a_report_counts_only_when_an_accepted_key_has_signed_it(line: bytes) -> None:
    """Unsigned, another's, altered, of another type, or no message at all: as if it were not there."""
    said = _said(line, canonical(_report("MATCH")))
    assert not said.is_closed("r")
    assert said.verdict("r", "run") is None
    assert said.verdict("r", "proof") is None


@pytest.mark.parametrize("signer", [OWN, FORMER])
def test_own_and_former_keys_count(signer: Signer) -> None:
    """A change of keys makes nothing be said again."""
    line = _signed(_report("MATCH", "proof"), signer)
    said = _said(line)
    assert said.is_closed("r")
    assert ("MATCH", sha256_hex(line)) == (said.verdict("r", "proof"), said.report_digest("r", "proof"))
    assert _said(_signed(ATTESTED, signer), topic=topics.ATTESTATIONS).is_attested("a")


def test_an_attestation_counts_only_when_an_accepted_key_has_signed_it() -> None:
    """What anybody may write keeps no allocation from being attested."""
    said = _said(canonical(ATTESTED), _signed(ATTESTED, STRANGER), topic=topics.ATTESTATIONS)
    assert not said.is_attested("a")


def test_the_first_final_word_stands_and_a_mismatch_takes_a_match_back() -> None:
    """In the order of publication, however many threads read the records."""
    lines = [_signed(_report("MATCH", label=str(number))) for number in range(40)]
    mismatch = _signed(_report("MISMATCH"))
    assert sha256_hex(lines[0]) == _said(*lines).report_digest("r", "run")
    assert sha256_hex(mismatch) == _said(*lines[:9], mismatch, *lines[9:]).report_digest("r", "run")


@pytest.mark.parametrize(
    ("before", "verdict", "news"),
    [
        (None, "MATCH", True),
        (None, "INDETERMINATE", True),
        ("MATCH", "MISMATCH", True),
        ("MATCH", "MATCH", False),
        ("MATCH", "INDETERMINATE", False),
        ("MISMATCH", "MATCH", False),
        ("MISMATCH", "MISMATCH", False),
    ],
)
def test_what_is_still_to_be_said(before: str | None, verdict: str, news: bool) -> None:
    """A run that was found to match and does not any more is said to, once."""
    said = _said(*([] if before is None else [_signed(_report(before))]))
    assert news == said.is_news("r", "run", verdict)
