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
    excerpt: SourceExcerpt | None
    """The Cairo line with those around it, or the beginning of the function of the span."""
    no_excerpt: str | None
    """Why there is none, where a line or a span is named."""


class SourceExcerpt(Part):
    """Lines of the source that the program was compiled from, told by its digest."""

    file: str
    line: int
    """The one meant, from 1."""
    first: int
    """The number of the first one here."""
    lines: tuple[str, ...]
    function: str | None
    """The function that begins at `line`, where no line of its own is known."""


class EvidenceCard(Part):
    """What proves a mismatch to a third party."""

    digest: str
    uri: str
    stored: bool | None
    download: str
    check_command: str
    """Checks the downloaded file, with nothing of Proofrail but the verifier that `checker` is the path of."""
    checker: str
    """Path of schemas/verify_evidence.py in this service."""
    keys_known: bool
    """Whether the command names the keys that this explorer accepts; else files with the keys have to be given."""


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
