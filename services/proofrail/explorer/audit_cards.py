"""What the auditor said of a run, as cards: its reports, the first mismatch with its Cairo line, evidence."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from sqlite3 import Row
from typing import Any, Final

from proofrail.cairo.packaged_source import Excerpt, source_of
from proofrail.explorer.beside import Beside
from proofrail.explorer.lines import json_text, message_of
from proofrail.explorer.model.audit import (
    AuditCard,
    EarlierReport,
    EvidenceCard,
    Mismatch,
    SourceExcerpt,
    Unchecked,
)
from proofrail.explorer.schema import place_at
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.messages import AuditReport, CommitmentSeal, Evidence, FirstMismatch

CHECKER: Final = "/api/verify_evidence.py"
"""Path of the program that checks evidence."""

_MADE_HERE: Final = ("expected", "claimed", "address", "excerpt", "no_excerpt")


def audit_cards(said: list[Row], seal: CommitmentSeal | None, beside: Beside) -> Iterator[AuditCard]:
    """The last report on the run and on its proof, of all reports in order. `seal`: the run's."""
    read = [
        (place, at_ms, raw, report)
        for place, _, at_ms, raw in said
        if (report := message_of(AuditReport, raw)) is not None
    ]
    for subject in ("run", "proof"):
        own = [one for one in read if one[3].subject == subject]
        if not own:
            continue
        # A mismatch is not taken back by what is said later.
        last = next((one for one in own if one[3].verdict == "MISMATCH"), own[-1])
        place, at_ms, raw, report = last
        yield AuditCard(
            subject=report.subject,
            verdict=report.verdict,
            at_ms=at_ms,
            checked=tuple(report.checked),
            unchecked=tuple(
                Unchecked(part=one.part, code=one.code, message=one.message, until=one.until)
                for one in report.unchecked
            ),
            first_mismatch=_mismatch(report.first_mismatch, seal),
            evidence=_evidence(report.evidence, beside),
            signed=beside.signature(report),
            digest=sha256_hex(raw),
            earlier=tuple(_earlier(one[1], one[3], one[0]) for one in own if one is not last),
            place=place_at(place),
        )


def _earlier(at_ms: int, report: AuditReport, place: int) -> EarlierReport:
    said = "; ".join(one.message for one in report.unchecked)
    first = report.first_mismatch
    return EarlierReport(
        at_ms=at_ms,
        verdict=report.verdict,
        said=said if first is None else f"{first.kind} {first.message or ''}".strip(),
        place=place_at(place),
    )


def _mismatch(first: FirstMismatch | None, seal: CommitmentSeal | None) -> Mismatch | None:
    if first is None:
        return None
    said = first.to_object()
    plain = {name: said.get(name) for name in Mismatch.model_fields if name not in _MADE_HERE}
    found = _excerpt(said, seal)
    return Mismatch(
        **plain,
        expected=json_text(said["expected"]) if "expected" in said else None,
        claimed=json_text(said["claimed"]) if "claimed" in said else None,
        address=None if first.address is None else str(first.address),
        excerpt=SourceExcerpt.model_validate(found, from_attributes=True)
        if isinstance(found, Excerpt)
        else None,
        no_excerpt=found if isinstance(found, str) else None,
    )


def _excerpt(said: dict[str, Any], seal: CommitmentSeal | None) -> Excerpt | str | None:
    """The line of a step; else the beginning of the function that an event is of; None where neither is named."""
    line, path = said.get("source"), said.get("path")
    if not isinstance(line, str) and not isinstance(path, str):
        return None
    program = None if seal is None else seal.program
    source = None if program is None else source_of(program.artifact_sha256)
    if seal is None or source is None:
        return "the run is of another program than those that are packaged: their sources are not here"
    if isinstance(line, str):
        file, _, number = line.rpartition(":")
        digits = number.isascii() and number.isdigit() and len(number) < 8
        return source.around(file, int(number)) if digits else f"{line[:200]} names no line"
    return source.function(str(path), seal.spans or "own")


def _evidence(evidence: Evidence | None, beside: Beside) -> EvidenceCard | None:
    if evidence is None:
        return None
    tracer, auditor = " ".join(beside.tracer_keys), " ".join(beside.auditor_keys)
    keys = ["--tracer-key", tracer or "tracer.vkey", "--auditor-key", auditor or "auditor.vkey"]
    name = f"{evidence.digest[:16]}.evidence.json"
    return EvidenceCard(
        digest=evidence.digest,
        uri=evidence.uri,
        stored=beside.stored(evidence.digest),
        download=f"/api/artifacts/{evidence.digest}",
        check_command=shlex.join(["python3", CHECKER.rpartition("/")[2], name, *keys]),
        checker=CHECKER,
        keys_known=bool(tracer and auditor),
    )
