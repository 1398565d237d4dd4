"""What the models of API and pages are made of: parts, pages of tables, and the states that things are in."""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")

StageName = Literal["tracer", "prover", "auditor", "registrar"]

RunState = Literal["open", "sealed", "proven", "given-up", "attested"]
"""`open`: lines of it are there, no seal. `sealed`: waits for its proof. `proven`: waits for its audit, or was refused
by it. `given-up`: the prover's last word was a failure. `attested`: decisions were attested on it."""

Verdict = Literal["MATCH", "MISMATCH", "INDETERMINATE", "PENDING"]
"""Of a run and its proof together: one MISMATCH is a mismatch; MATCH takes two; PENDING while nothing speaks against
it."""

AllocationState = Literal[
    "waiting", "traced", "proven", "attested", "recorded", "refused", "mismatch", "dead-lettered"
]
"""`refused`: attested, and refused by every ledger that said a word. `mismatch`: its run, or the proof of it, does not
hold."""

CellState = Literal["match", "mismatch", "unchecked"]


class Part(BaseModel):
    """Immutable, no members beside those named."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Page(Part, Generic[T]):
    """Some rows of a table. A cursor is opaque, and stays right when rows are added."""

    rows: tuple[T, ...]
    older: str | None
    """Cursor of the page behind this one; null on the last."""
    newer: str | None
    """Cursor of the page before this one; null on the first."""


class Place(Part):
    """Where a message stands."""

    topic: str
    partition: int
    offset: int
    line: int
    """From 0, within the record."""


class Fact(Part):
    """A name and what stands under it, for tables of two columns."""

    name: str
    value: str


class NamedHash(Part):
    """A hash, to be copied."""

    name: str
    value: str
    meaning: str
    """In a few words."""
