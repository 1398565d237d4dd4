"""What the auditor said of a run: reports, the first mismatch, evidence."""

from __future__ import annotations

from typing import Literal

from proofrail.explorer.model.base import Part, Place


class Signed(Part):
    """Whose signature a message bears, checked when asked."""

    state: Literal["valid", "invalid", "unsigned", "no-key"]
    """`invalid`: by none of the accepted auditors. `no-key`: the explorer was given no auditor's key."""
    key: str | None
    """The name and hash of the accepted key."""


class Mismatch(Part):
    """The first thing that differs: `expected` is recomputed, `claimed` is what was published. Text as JSON."""

    kind: str
    code: str | None
    message: str | None
    expected: str | None
    claimed: str | None
    item: int | None
    block: int | None
    where: str | None
    line: int | None
    path: str | None
    member: str | None
    pointer: str | None
    step: int | None
    cell: int | None
    address: str | None
    segment: str | None
    pc: int | None
    ap: int | None
    fp: int | None
    source: str | None
    """The Cairo line as file:line."""
    function: str | None
    instruction: str | None


class EvidenceCard(Part):
    """What proves a mismatch to a third party."""

    digest: str
    uri: str
    stored: bool | None
    download: str
    check_command: str
    """Checks the downloaded file, with nothing of Proofrail but schemas/verify_evidence.py."""


class Unchecked(Part):
    """A part that could not be checked."""

    part: str
    code: str | None
    message: str
    until: str | None


class EarlierReport(Part):
    """A report that a later one replaced."""

    at_ms: int
    verdict: Literal["MATCH", "MISMATCH", "INDETERMINATE"]
    said: str
    place: Place


class AuditCard(Part):
    """The last report on a run or on its proof."""

    subject: Literal["run", "proof"]
    verdict: Literal["MATCH", "MISMATCH", "INDETERMINATE"]
    at_ms: int
    checked: tuple[str, ...]
    unchecked: tuple[Unchecked, ...]
    first_mismatch: Mismatch | None
    evidence: EvidenceCard | None
    signed: Signed
    digest: str
    """SHA-256 of the report, by which attestations name it."""
    earlier: tuple[EarlierReport, ...]
    place: Place
