"""The JSON API: `model` over HTTP, with its OpenAPI document and the feed of changes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Header, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from proofrail.artifacts.errors import InvalidReference, MissingArtifact
from proofrail.explorer.audit_cards import CHECKER
from proofrail.explorer.errors import BadQueryError, NotFoundError, bad_query, not_found
from proofrail.explorer.model.allocation import AllocationPage
from proofrail.explorer.model.answers import Change, Problem, RawMessage, SearchResult
from proofrail.explorer.model.base import AllocationState, Page, Place, RunState, Verdict
from proofrail.explorer.model.rows import AllocationRow, DeadLetterRow, RunRow
from proofrail.explorer.model.run import RunPage
from proofrail.explorer.model.spans import Events, Span, Spans
from proofrail.explorer.model.strip import Pipeline
from proofrail.explorer.reader import ViewReader
from proofrail.wire.errors import ProofrailError, TransientError
from proofrail.wire.messages import ReasonName
from proofrail.wire.schemas import rendered as _rendered

VERSION: Final = "1"

Text = Annotated[str | None, Query(max_length=1024)]
Cursor = Annotated[str | None, Query(max_length=2048, description="`older` or `newer` of another page")]
Limit = Annotated[int, Query(ge=1, le=250)]
"""Rows of an answer: so many are read in less than 100 ms, also on a slow machine."""
Id = Annotated[str, Path(max_length=1024)]

_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem, "description": "A parameter is none."},
    401: {"model": Problem, "description": "A token is asked for."},
    403: {"model": Problem, "description": "Asked for under another name, or by another site's page."},
    404: {"model": Problem, "description": "Nothing is known of it."},
    503: {"model": Problem, "description": "The broker or the artifact store is away."},
}
_STREAMS_MOST: Final = 256

rendered = cache(_rendered)


def router(reader: ViewReader) -> APIRouter:
    """All routes of the API over a reader."""
    api = APIRouter(responses=_PROBLEMS)

    @api.get("/api/pipeline", tags=["pipeline"])
    async def pipeline() -> Pipeline:
        """The strip: rate, lag, oldest in flight and last error of each stage, and whether a person is needed."""
        return await reader.pipeline()

    @api.get("/api/runs", tags=["runs"])
    async def runs(
        q: Text = None,
        state: RunState | None = None,
        verdict: Verdict | None = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[RunRow]:
        """Runs, the youngest first. `q`: the beginning of a run_id, or of any hash of a run's."""
        return await reader.runs(q=q, state=state, verdict=verdict, cursor=cursor, limit=limit)

    @api.get("/api/runs/{run_id:path}/spans", tags=["runs"])
    async def spans(run_id: Id, parent: Text = None, cursor: Cursor = None, limit: Limit = 200) -> Spans:
        """The waterfall: without `parent` from the top on, iterations folded; with a span_id its children; with
        `SPAN_ID:iterations` the iterations of its loop."""
        return await reader.spans(run_id, parent=parent, cursor=cursor, limit=limit)

    @api.get("/api/runs/{run_id:path}/spans/at/{step}", tags=["runs"])
    async def span_at(run_id: Id, step: Annotated[int, Path(ge=0, le=2**53 - 1)]) -> Span | None:
        """The innermost span that runs at a step, reckoned by the events' clock; null where that is not known."""
        return await reader.span_at(run_id, step)

    @api.get("/api/runs/{run_id:path}/events", tags=["runs"])
    async def events(run_id: Id, q: Text = None, cursor: Cursor = None, limit: Limit = 100) -> Events:
        """Trace events in order. `q`: text of which the line holds some; a cursor is the seq to begin with."""
        return await reader.events(run_id, q=q, cursor=cursor, limit=limit)

    @api.get("/api/runs/{run_id:path}/allocations", tags=["runs"])
    async def run_allocations(run_id: Id, cursor: Cursor = None, limit: Limit = 50) -> Page[AllocationRow]:
        """The allocations that a run took, by their row."""
        return await reader.allocations(run_id=run_id, cursor=cursor, limit=limit)

    @api.get("/api/runs/{run_id:path}/proof.json", tags=["downloads"], response_class=Response)
    async def proof_message(run_id: Id) -> Response:
        """The run's Proof message as published: `proofrail verify` takes it with proof.bin beside it."""
        return _download(await reader.proof_line(run_id) + b"\n", "proof.json", "application/json")

    @api.get("/api/runs/{run_id:path}", tags=["runs"])
    async def run(run_id: Id) -> RunPage:
        """Everything on one run, save spans, events and allocations."""
        return await reader.run(run_id)

    @api.get("/api/allocations", tags=["allocations"])
    async def allocations(
        q: Text = None,
        state: AllocationState | None = None,
        approved: bool | None = None,
        reason: ReasonName | None = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> Page[AllocationRow]:
        """Allocations, the youngest first. `q`: the beginning of an allocation_id, or of any hash of an
        allocation's."""
        return await reader.allocations(
            q=q, state=state, approved=approved, reason=reason, cursor=cursor, limit=limit
        )

    @api.get(
        "/api/allocations/{allocation_id:path}/attestation.json", tags=["downloads"], response_class=Response
    )
    async def attestation(allocation_id: Id) -> Response:
        """The allocation's attestation as published."""
        line = await reader.attestation_line(allocation_id)
        return _download(line + b"\n", "attestation.json", "application/json")

    @api.get("/api/allocations/{allocation_id:path}", tags=["allocations"])
    async def allocation(allocation_id: Id) -> AllocationPage:
        """Everything on one allocation."""
        return await reader.allocation(allocation_id)

    @api.get("/api/dead-letters", tags=["allocations"])
    async def dead_letters(
        code: Text = None, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[DeadLetterRow]:
        """Records that were refused, the youngest first."""
        return await reader.dead_letters(code=code, cursor=cursor, limit=limit)

    @api.get("/api/search", tags=["search"])
    async def search(
        q: Annotated[str, Query(max_length=1024)], limit: Annotated[int, Query(ge=1, le=100)] = 20
    ) -> SearchResult:
        """Anything by its id or hash, or the beginning of one; `RUN@STEP` for a step."""
        return await reader.search(q, limit=limit)

    @api.get("/api/messages/{topic}/{partition}/{offset}/{line}", tags=["search"])
    async def message(
        topic: Id,
        partition: Annotated[int, Path(ge=0, le=2**31)],
        offset: Annotated[int, Path(ge=0, le=2**53)],
        line: Annotated[int, Path(ge=0, le=2**31)],
    ) -> RawMessage:
        """A message as it was published."""
        return await reader.message(Place(topic=topic, partition=partition, offset=offset, line=line))

    @api.get("/api/artifacts/{digest}", tags=["downloads"], response_class=Response)
    async def artifact(digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")]) -> Response:
        """A proof or evidence by its SHA-256, checked as it is read."""
        data = await reader.artifact(digest)
        name = f"{digest[:16]}.evidence.json" if b'"EvidenceBundle"' in data[:65536] else "proof.bin"
        answer = _download(data, name, "application/octet-stream")
        answer.headers["etag"] = f'"{digest}"'
        answer.headers["cache-control"] = "private, max-age=31536000, immutable"
        return answer

    @api.get(CHECKER, tags=["downloads"], response_class=Response)
    def checker() -> Response:
        """The program that checks evidence: one file of Python, which needs nothing of Proofrail's."""
        data = (resources.files("proofrail.explorer") / "verify_evidence.txt").read_bytes()
        return _download(data, CHECKER.rpartition("/")[2], "text/x-python")

    @api.get("/api/schemas", tags=["schemas"])
    def schemas() -> tuple[str, ...]:
        """Names of the documents that describe what is on the topics: JSON Schemas, AsyncAPI."""
        return tuple(rendered())

    @api.get("/api/schemas/{name}", tags=["schemas"], response_class=Response)
    def schema(name: Id) -> Response:
        """A document that describes what is on the topics."""
        text = rendered().get(name)
        if text is None:
            raise not_found(f"the document {name}")
        return Response(text, media_type="application/json")

    @api.get("/events", tags=["changes"], response_class=EventSourceResponse)
    async def changes(
        last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    ) -> AsyncIterator[ServerSentEvent]:
        """What changes, as it does: see Change. After an interruption `Last-Event-ID` tells what was missed; a reader
        that does not keep up is cut off."""
        if reader.feed.readers >= _STREAMS_MOST:
            return
        known = (last_event_id or "").strip()
        after = int(known) if known.isascii() and known.isdigit() and len(known) < 17 else None
        async for fact in reader.changes(after):
            if isinstance(fact, Change):
                yield ServerSentEvent(data=fact, event=fact.kind, id=str(fact.id))
            else:
                yield ServerSentEvent(data=fact, event="pipeline")

    return api


def add_problems(app: FastAPI, refusal: Any) -> None:
    """Answer errors with a Problem, as page or JSON: `refusal` makes the answer."""

    @app.exception_handler(ProofrailError)
    def refused(request: Request, error: Exception) -> Response | Awaitable[Response]:
        if not isinstance(error, ProofrailError):
            raise error
        problem = Problem(code=error.code, message=error.message, next_step=error.next_step)
        answer: Response = refusal(request, status_of(error), problem)
        return answer

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: Exception) -> Response | Awaitable[Response]:
        faults = error.errors() if isinstance(error, RequestValidationError) else []
        said = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in faults[:5])
        wrong = bad_query(said)
        problem = Problem(code=wrong.code, message=wrong.message, next_step=wrong.next_step)
        answer: Response = refusal(request, 400, problem)
        return answer


def status_of(error: ProofrailError) -> int:
    """The HTTP status of an error."""
    match error:
        case NotFoundError() | MissingArtifact():
            return 404
        case BadQueryError() | InvalidReference():
            return 400
        case TransientError():
            return 503
    return 500


def as_json(_: Request, status: int, problem: Problem) -> Response:
    """A problem as JSON."""
    return JSONResponse(problem.model_dump(mode="json"), status)


def _download(data: bytes, name: str, media_type: str) -> Response:
    return Response(
        data,
        media_type=media_type,
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "content-security-policy": "default-src 'none'; sandbox",
        },
    )
