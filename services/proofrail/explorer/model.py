"""What the explorer serves: the models of the JSON API, and of the pages, which are templates over them.

Times are milliseconds since the Unix epoch (`…_ms`) as the records' timestamps say, unless a name says otherwise; they
are hints, no evidence. Text that came from a topic is as it came: whoever shows it escapes it. A member that has
nothing to say is null.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Generic, Literal, Protocol, TypeVar

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


# --- the pipeline ---------------------------------------------------------------------------------------------------


class StageError(Part):
    """The last thing that went wrong at a stage."""

    code: str
    """`proofrail explain CODE` says more."""
    message: str
    at_ms: int
    run_id: str | None
    allocation_id: str | None


class Stage(Part):
    """One service, as far as the topics tell."""

    name: StageName
    in_use: bool
    """Whether anything says that there is one: the registrar is optional."""
    instances: int | None
    """Members of its consumer group; null where it has none to be asked for (registrar) or the broker did not say."""
    unreachable_since_ms: int | None
    """Since when the group has had no member."""
    unit: str
    """What `lag` and `per_minute` count: `proposals`, `runs`, `allocations`."""
    per_minute: float
    """Finished in the last five minutes, by minute."""
    lag: int
    """What waits for it, or is in its hands."""
    lag_seconds: float
    """How long the oldest of them has waited."""
    oldest: str | None
    """Which one that is: a run_id or an allocation_id."""
    last_error: StageError | None
    attention: str | None
    """Why a person is needed, in one sentence, such as `prover unreachable since 18:04:05 UTC; 3 runs waiting; nothing
    lost`; null when none is. The only thing that is shown red."""


class Behind(Part):
    """How far the explorer's view lags behind the topics."""

    records: int
    """Records that are on the topics and not in the view yet."""
    caught_up: bool
    """Whether the view has been current since it was (re)built."""
    broker_since_ms: int | None
    """Since when the broker has not answered; null while it does."""
    gaps: tuple[str, ...]
    """What the topics had lost before it was read, in words."""


class Pipeline(Part):
    """The strip on top of every page."""

    at_ms: int
    stages: tuple[Stage, ...]
    allocations: dict[AllocationState, int]
    """How many allocations are in each state."""
    runs: dict[RunState, int]
    mismatches: int
    """Runs with the verdict MISMATCH."""
    dead_letters: int
    unreadable: int
    """Lines on the topics that are no message of their topic."""
    behind: Behind


# --- tables ---------------------------------------------------------------------------------------------------------


class Phase(Part):
    """A stretch of a run's or an allocation's life."""

    stage: StageName
    kind: Literal["wait", "work"]
    """Queueing, or being worked on."""
    started_ms: int
    ended_ms: int | None
    """Null while it lasts."""
    estimated: bool
    """Whether the beginning is reckoned back from the time that the stage says it took, or not known better."""


class RunRow(Part):
    """A run in the table."""

    run_id: str
    at_ms: int
    """When it was sealed; of an open one, when it was first seen."""
    state: RunState
    verdict: Verdict
    program: str | None
    """Method id."""
    program_name: str | None
    """Where it is one of Proofrail's own, such as `risk_engine`."""
    layout: str | None
    outcome: Literal["completed", "failed"] | None
    allocations: int
    items: int | None
    n_steps: int | None
    backend: str | None
    security_bits: int | None
    is_mock: bool
    phases: tuple[Phase, ...]
    audit_delay_ms: int | None
    """From the terminal record to the report on the proof."""
    error: str | None
    """Code of the failure or kind of the mismatch."""


class Share(Part):
    """One protocol's part in a decision. Basis points: 10,000 is everything."""

    protocol: str
    proposed_bps: int
    recommended_bps: int | None
    """Null while nothing is attested."""
    risk: int | None
    """0 … 100, as decided."""
    apy_bps: int | None
    given_risk: int | None
    metrics: dict[str, int] | None
    """utilization_bps, volatility_bps, liquidity, audit_score, age_days, as proposed."""


class Reason(Part):
    """A reason to reject."""

    name: str
    text: str
    """In a sentence."""


class AllocationRow(Part):
    """An allocation in the table."""

    allocation_id: str
    """As it came, also where it is no valid one: then it was dead-lettered."""
    at_ms: int
    """When it was proposed, or first heard of."""
    state: AllocationState
    approved: bool | None
    """Null while nothing is attested."""
    reasons: tuple[str, ...]
    shares: tuple[Share, ...]
    """As proposed; empty where the proposal is not at hand or is none."""
    run_id: str | None
    """The run that decides it."""
    row: int | None
    settled_ms: int | None
    """When it was attested or dead-lettered."""
    error: str | None
    """Code of the dead letter or refusal, kind of the mismatch."""


class DeadLetterRow(Part):
    """A record that was refused."""

    at_ms: int
    allocation_id: str | None
    code: str
    message: str
    topic: str
    partition: int
    offset: int
    attempts: int
    value: str
    """Its beginning as text; bytes that are not UTF-8 as U+FFFD."""
    size: int
    place: Place


# --- a run ----------------------------------------------------------------------------------------------------------


class Span(Part):
    """An invocation in the waterfall, or the iterations of a loop folded into one line."""

    span_id: str | None
    """Null for folded iterations."""
    parent_span_id: str | None
    name: str
    kind: Literal["sequence", "tile", "iterations"]
    depth: int
    path: str | None
    iteration: int | None
    first_iteration: int | None
    """Of folded iterations; `iterations` says how many there are."""
    iterations: int | None
    started_ns: int
    """Since the run's beginning, by its own clock (interpolated by step)."""
    ended_ns: int | None
    """Null where its end is missing."""
    cycles: int | None
    """VM steps, callees included."""
    seq: int
    """Of its Start; of folded iterations, of the first one's."""
    children: int
    """Spans below it, directly; shown or not."""
    shown: bool
    """Whether its children follow in the same answer."""
    error: str | None
    input_bytes: str | None
    """Hex, at most 2,048 characters."""
    output_bytes: str | None


class Spans(Part):
    """Rows of the waterfall in the order of the run, each before its children."""

    run_id: str
    available: bool
    why: str | None
    """Why there are none: the events have expired, or were never published."""
    parent: str | None
    """The span below which they stand; null for the top."""
    rows: tuple[Span, ...]
    next: str | None
    """Cursor for more of the same."""
    total_ns: int
    """The run's length, for the scale."""
    total_spans: int


class Event(Part):
    """One trace event, as published."""

    seq: int
    type: str
    title: str
    """Name or tile, block number, outcome."""
    path: str | None
    block: int
    """The commitment block that its item stands in."""
    line: str
    """The JSON text."""


class Events(Part):
    """Some of a run's trace events, in order."""

    run_id: str
    available: bool
    why: str | None
    rows: tuple[Event, ...]
    next: str | None
    total: int


class Cell(Part):
    """A commitment block, or several in a row in the same state where there are more than 512."""

    first_block: int
    blocks: int
    first_item: int
    items: int
    state: CellState


class Blocks(Part):
    """The bar of commitment blocks."""

    blocks: int
    block_items: int
    items: int
    bits: int
    mismatch_block: int | None
    cells: tuple[Cell, ...]


class SealCard(Part):
    """A run's final commitment."""

    hashes: tuple[NamedHash, ...]
    """root, chain, inputs, outputs."""
    facts: tuple[Fact, ...]
    checkpoint: str | None
    """The signed note, several lines."""
    place: Place


class ProofCard(Part):
    """What was proven, how, and where the proof lies."""

    run_id: str
    at_ms: int
    backend: str
    backend_version: str
    method: str
    is_mock: bool
    security_bits: int
    attempt: int | None
    size: int
    digest: str
    uri: str
    stored: bool | None
    """Whether the artifact store has it; null when the store did not say."""
    download: str
    """Path of the proof in this service."""
    statement: tuple[Fact, ...]
    output: tuple[str, ...]
    """The first felts of the proven output."""
    output_count: int
    parameters: tuple[Fact, ...]
    """Nested names joined with dots."""
    hashes: tuple[NamedHash, ...]
    """proof, program, fact, verification …"""
    timings_ms: dict[str, int]
    """By stage."""
    facts: tuple[Fact, ...]
    """The prover's own word on how it came to the proof."""
    verify_command: str
    """Checks the downloaded proof against the downloaded message."""
    message_download: str
    """Path of the Proof message, as proof.json."""
    place: Place


class Failure(Part):
    """An attempt of the prover's that failed."""

    at_ms: int
    backend: str
    code: str
    message: str
    final: bool
    attempts: int
    place: Place


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


class Signed(Part):
    """Whose signature a message bears, checked when asked."""

    state: Literal["valid", "invalid", "unsigned", "no-key"]
    """`invalid`: by none of the accepted auditors. `no-key`: the explorer was given no auditor's key."""
    key: str | None
    """The name and hash of the accepted key."""


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


class RunPage(Part):
    """Everything on one run, save its spans, events and allocations, which have pages of their own."""

    run: RunRow
    phases: tuple[Phase, ...]
    """Queue waits and work, in order."""
    blocks: Blocks | None
    seal: SealCard | None
    proof: ProofCard | None
    failures: tuple[Failure, ...]
    """Every attempt of the prover's that failed, in order."""
    audits: tuple[AuditCard, ...]
    """On the run, then on the proof."""
    events: int | None
    """How many trace events the seal counts."""
    events_bytes: int
    """What was seen of them on the topic."""
    traceparent: str | None


# --- an allocation --------------------------------------------------------------------------------------------------


class Happening(Part):
    """One thing that happened to an allocation."""

    at_ms: int
    kind: Literal[
        "proposed",
        "repeated",
        "dead-letter",
        "run",
        "proof",
        "proof-failure",
        "report",
        "attested",
        "recorded",
        "refused",
    ]
    text: str
    code: str | None
    run_id: str | None
    place: Place


class RegistrationCard(Part):
    """What a registrar said."""

    at_ms: int
    ledger: str
    """`file`, or kind and network."""
    contract: str | None
    outcome: Literal["recorded", "refused"]
    transaction: str | None
    fact_hash: str | None
    verification_hash: str | None
    preset: str | None
    code: str | None
    message: str | None
    place: Place


class AttestationCard(Part):
    """The final word on an allocation."""

    at_ms: int
    digest: str
    """SHA-256 of its canonical form, by which registrations name it."""
    approved: bool
    signed: Signed
    hashes: tuple[NamedHash, ...]
    """attestation, proposal, proof, root, reports."""
    download: str
    """Path of the line, as published."""
    place: Place


class AllocationPage(Part):
    """Everything on one allocation."""

    row: AllocationRow
    shares: tuple[Share, ...]
    limits: tuple[Fact, ...]
    """As proposed, defaults filled in."""
    reasons: tuple[Reason, ...]
    proposal_sha256: str | None
    proposal: str | None
    """Its text as published (the beginning of it, where it is long)."""
    attestation: AttestationCard | None
    registrations: tuple[RegistrationCard, ...]
    phases: tuple[Phase, ...]
    history: tuple[Happening, ...]
    """In order of time; every run that took it, every attempt and its reason."""


# --- search, raw messages, changes ----------------------------------------------------------------------------------


class Hit(Part):
    """One thing that a search found."""

    kind: Literal["run", "allocation", "span", "step", "artifact", "message"]
    title: str
    """What it is, such as `allocation vault:7` or `root of run 2106…`."""
    href: str
    """Path of its page in this service."""
    detail: str


class SearchResult(Part):
    """What fits a text: any id, hash (or the beginning of one, from 4 characters on), or `RUN@STEP`."""

    query: str
    hits: tuple[Hit, ...]
    more: bool
    """Whether there were more than are given."""


class RawMessage(Part):
    """A message as it was published."""

    place: Place
    at_ms: int
    type: str
    line: str
    fault: str | None
    """Why it is no message of its topic in version 1; null when it is one."""


class Change(Part):
    """Something changed; the feed at /events sends these as `data`, with `id` as the event's id.

    Server-sent event names are the kinds. `pipeline` carries a Pipeline instead. `reload`: more changed than is worth
    telling one by one, or the feed cannot tell all since Last-Event-ID.
    """

    id: int
    kind: Literal["run", "allocation", "dead-letter", "reload"]
    key: str | None
    """run_id, allocation_id; null with `reload`."""
    state: str | None
    verdict: Verdict | None


class Problem(Part):
    """The body of every answer that is an error."""

    code: str
    message: str
    next_step: str | None


class Reader(Protocol):
    """What pages and API ask of the view. Every method is quick (below 100 ms), and runs off the event loop.

    Raises ProofrailError `explorer-not-found` (404) for an id that nothing is known of, `explorer-query` (400) for a
    cursor or filter that is none.
    """

    async def pipeline(self) -> Pipeline: ...

    async def runs(
        self,
        *,
        q: str | None = None,
        state: RunState | None = None,
        verdict: Verdict | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[RunRow]: ...

    async def allocations(
        self,
        *,
        q: str | None = None,
        state: AllocationState | None = None,
        approved: bool | None = None,
        reason: str | None = None,
        run_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[AllocationRow]:
        """With `run_id`, those of the run by their row, older pages being later rows."""
        ...

    async def dead_letters(
        self, *, code: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[DeadLetterRow]: ...

    async def run(self, run_id: str) -> RunPage: ...

    async def spans(
        self, run_id: str, *, parent: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Spans:
        """Without `parent`: the top of the tree, as deep as `limit` rows reach, iterations folded. With the span_id of
        a span: its children. With `SPAN_ID:iterations`: the iterations of its loop, one by one."""
        ...

    async def span_at(self, run_id: str, step: int) -> Span | None:
        """The innermost span that runs at a step; None where that is not known."""
        ...

    async def events(
        self, run_id: str, *, q: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Events:
        """`q`: a type, or text of which the line holds some. A cursor is the seq to begin with."""
        ...

    async def allocation(self, allocation_id: str) -> AllocationPage: ...

    async def search(self, q: str, *, limit: int = 20) -> SearchResult: ...

    async def message(self, place: Place) -> RawMessage: ...

    def changes(self, after: int | None = None) -> AsyncIterator[Change | Pipeline]: ...


def as_json(part: Part) -> dict[str, Any]:
    """The part as the API serves it."""
    return part.model_dump(mode="json")
