"""What pages and API read: the view's file, events on demand, the artifact store; all of it off the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Concatenate, Final, ParamSpec, TypeVar

from proofrail.artifacts.store import ArtifactStore
from proofrail.client import read_message
from proofrail.explorer import pipeline as strip
from proofrail.explorer import schema, tables
from proofrail.explorer.allocation_page import allocation_page
from proofrail.explorer.attention import Group, Patience
from proofrail.explorer.beside import Beside
from proofrail.explorer.database import ViewDatabase
from proofrail.explorer.errors import bad_query, not_found
from proofrail.explorer.feed import Feed
from proofrail.explorer.lines import raw_at
from proofrail.explorer.model.allocation import AllocationPage
from proofrail.explorer.model.answers import Change, RawMessage, SearchResult
from proofrail.explorer.model.base import AllocationState, Page, Place, RunState, StageName, Verdict
from proofrail.explorer.model.rows import AllocationRow, DeadLetterRow, RunRow
from proofrail.explorer.model.run import RunPage
from proofrail.explorer.model.spans import Events, Span, Spans
from proofrail.explorer.model.strip import Behind, Pipeline
from proofrail.explorer.run_events import Parts, RunEvents, Source
from proofrail.explorer.run_page import run_page
from proofrail.explorer.search import search
from proofrail.explorer.spans import RunSpans
from proofrail.wire.errors import ProofrailError
from proofrail.wire.proposals import parse_proposal

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 4
_FRESH_S: Final = 0.5
"""So long the strip is shown again as it was: every page has it."""


@dataclass
class Health:
    """What the service knows of itself and of the others, beside the view."""

    behind: int = 0
    caught_up: bool = False
    broker_since_ms: int | None = None
    groups: dict[StageName, Group] = field(default_factory=dict)


class ViewReader:
    """What pages and API ask of a view. Every method is quick (below 100 ms), and runs off the event loop.

    Raises ProofrailError `explorer-not-found` (404) for an id that nothing is known of, `explorer-query` (400) for a
    cursor or filter that is none.
    """

    def __init__(
        self,
        database: ViewDatabase,
        source: Source,
        store: ArtifactStore | None,
        auditor_keys: Sequence[str],
        *,
        tracer_keys: Sequence[str] = (),
        registrar: bool = False,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`store`: None where there is none, behind a file. `auditor_keys`: the vkeys of the auditors whose signatures
        are shown as valid; `tracer_keys`: those of the tracers whose checkpoints count. Raises CheckpointError."""
        self._database = database
        self._beside = Beside(store, auditor_keys, tracer_keys)
        self._registrar = registrar
        self._patience = patience or Patience()
        self._clock = clock
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="explorer-read")
        self._run_events = RunEvents(source)
        self._pipeline: tuple[float, Pipeline] | None = None
        self.health = Health()
        self.feed = Feed(lambda: int(clock() * 1000))

    def close(self) -> None:
        """No more reading."""
        self.feed.close()
        self._threads.shutdown(cancel_futures=True)

    # --- for pages and API ---------------------------------------------------------------------------------

    async def pipeline(self) -> Pipeline:
        held = self._pipeline
        now = self._clock()
        if held is not None and 0 <= now - held[0] < _FRESH_S:
            return held[1]
        found = await self._on_view(self._strip)
        self._pipeline = now, found
        return found

    async def runs(
        self,
        *,
        q: str | None = None,
        state: RunState | None = None,
        verdict: Verdict | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[RunRow]:
        return await self._on_view(tables.runs, q=q, state=state, verdict=verdict, cursor=cursor, limit=limit)

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
        return await self._on_view(
            tables.allocations,
            q=q,
            state=state,
            approved=approved,
            reason=reason,
            run_id=run_id,
            cursor=cursor,
            limit=limit,
        )

    async def dead_letters(
        self, *, code: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[DeadLetterRow]:
        return await self._on_view(tables.dead_letters, code=code, cursor=cursor, limit=limit)

    async def run(self, run_id: str) -> RunPage:
        return await self._on_view(run_page, run_id, self._beside)

    async def spans(
        self, run_id: str, *, parent: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Spans:
        """Without `parent`: the top of the tree, as deep as `limit` rows reach, iterations folded. With the span_id of
        a span: its children. With `SPAN_ID:iterations`: the iterations of its loop, one by one."""
        found = await self._spans_of(run_id)
        if isinstance(found, str):
            return Spans.none(run_id, found, parent)
        return await self._in_thread(lambda: found.rows(parent, cursor, limit))

    async def span_at(self, run_id: str, step: int) -> Span | None:
        """The innermost span that runs at a step; None where that is not known. Raises NotFoundError."""
        found = await self._spans_of(run_id)
        return None if isinstance(found, str) else await self._in_thread(lambda: found.span_at(step))

    async def events(
        self, run_id: str, *, q: str | None = None, cursor: str | None = None, limit: int = 100
    ) -> Events:
        """`q`: a type, or text of which the line holds some. A cursor is the seq to begin with."""
        found = await self._spans_of(run_id)
        if isinstance(found, str):
            return Events.none(run_id, found)
        return await self._in_thread(lambda: found.events(q, cursor, limit))

    async def allocation(self, allocation_id: str) -> AllocationPage:
        return await self._on_view(allocation_page, allocation_id, self._beside)

    async def search(self, q: str, *, limit: int = 20) -> SearchResult:
        return await self._on_view(search, q, limit)

    async def message(self, place: Place) -> RawMessage:
        if place.topic not in schema.TOPICS:
            raise bad_query(f"{place.topic[:80]!r} is none of Proofrail's topics")
        if not schema.can_name(place.partition, place.offset, place.line):
            raise not_found(f"{place.topic}/{place.partition} offset {place.offset}")
        return await self._on_view(_message, place)

    def changes(self, after: int | None = None) -> AsyncIterator[Change | Pipeline]:
        return self.feed.changes(after)

    # --- for the API alone --------------------------------------------------------------------------------

    async def artifact(self, digest: str) -> bytes:
        """A blob, checked against its digest. Raises MissingArtifact, AlteredArtifact, StoreUnavailable,
        InvalidReference."""
        return await self._in_thread(lambda: self._beside.artifact(digest))

    async def proof_line(self, run_id: str) -> bytes:
        """The run's Proof message as published. Raises NotFoundError."""
        return await self._on_view(_proof_line, run_id)

    async def attestation_line(self, allocation_id: str) -> bytes:
        """The allocation's attestation as published. Raises NotFoundError."""
        return await self._on_view(_attestation_line, allocation_id)

    # --- below --------------------------------------------------------------------------------------------

    def _strip(self, connection: Connection) -> Pipeline:
        health = self.health
        gaps = tuple(row[0] for row in connection.execute("SELECT what FROM gaps ORDER BY at_ms LIMIT 20"))
        behind = Behind(
            records=health.behind,
            caught_up=health.caught_up,
            broker_since_ms=health.broker_since_ms,
            gaps=gaps,
        )
        groups: Mapping[StageName, Group] = dict(health.groups)
        now_ms = int(self._clock() * 1000)
        return strip.pipeline(
            connection, now_ms, behind, groups, registrar=self._registrar, patience=self._patience
        )

    async def _spans_of(self, run_id: str) -> RunSpans | str:
        parts = await self._on_view(_parts, run_id)
        return await self._run_events.of(run_id, parts, away=self.health.broker_since_ms is not None)

    async def _on_view(
        self, read: Callable[Concatenate[Connection, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        def work() -> T:
            with self._database.snapshot() as connection:
                return read(connection, *args, **options)

        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _parts(connection: Connection, run_id: str) -> Parts:
    row = connection.execute("SELECT block_items FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    if row is None:
        raise not_found(f"run {run_id}")
    rows = connection.execute(
        "SELECT place, bytes FROM parts WHERE run_id = ? AND place < ? ORDER BY place",
        (run_id, schema.EVENTS_END),
    ).fetchall()
    return Parts(
        tuple(schema.place_at(place) for place, _ in rows), sum(size for _, size in rows), row["block_items"]
    )


_TYPE_NAMES: Final = {
    schema.PROPOSAL: "AllocationProposal",
    schema.DEAD_LETTER: "DeadLetter",
    schema.INDEX_ENTRY: "AllocationIndex",
    schema.SEAL: "CommitmentSeal",
    schema.PROOF: "Proof",
    schema.FAILURE: "ProofFailure",
    schema.REPORT: "AuditReport",
    schema.REPORT_OPEN: "AuditReport",
    schema.ATTESTATION: "Attestation",
    schema.RECORDED: "Registration",
    schema.REFUSED: "Registration",
}


def _message(connection: Connection, place: Place) -> RawMessage:
    number = schema.place_of(place.topic, place.partition, place.offset, place.line)
    row = connection.execute("SELECT type, at_ms, raw FROM messages WHERE place = ?", (number,)).fetchone()
    if row is None:
        raise not_found(f"{place.topic}/{place.partition} offset {place.offset} line {place.line + 1}")
    fault: str | None = None
    try:
        if row["type"] == schema.PROPOSAL:
            parse_proposal(row["raw"])
        else:
            read_message(row["raw"], place.topic)
    except ProofrailError as error:
        fault = str(error)
    return RawMessage(
        place=place,
        at_ms=row["at_ms"],
        type=_TYPE_NAMES[row["type"]],
        line=bytes(row["raw"]).decode(errors="replace"),
        fault=fault,
    )


def _proof_line(connection: Connection, run_id: str) -> bytes:
    row = connection.execute("SELECT terminal, failure FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    line = None if row is None or row["failure"] is not None else raw_at(connection, row["terminal"])
    if line is None:
        raise not_found(f"a proof of run {run_id}")
    return line


def _attestation_line(connection: Connection, allocation_id: str) -> bytes:
    row = connection.execute(
        "SELECT attestation FROM allocations WHERE allocation_id = ?", (allocation_id,)
    ).fetchone()
    line = None if row is None else raw_at(connection, row["attestation"])
    if line is None:
        raise not_found(f"an attestation of allocation {allocation_id}")
    return line
