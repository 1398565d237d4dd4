"""What each address answers: asks the ViewReader, hands its models to a template."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, get_args

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from proofrail.explorer.errors import bad_query
from proofrail.explorer.model.answers import Problem
from proofrail.explorer.model.base import AllocationState, Place, RunState, Verdict
from proofrail.explorer.model.spans import Events, Spans
from proofrail.explorer.pages.opened import MAX_FILE, OpenedFiles
from proofrail.explorer.pages.pictures import share_bars, waterfall
from proofrail.explorer.pages.rendering import error_page, page
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.site import Site
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError, ProofrailError, TransientError

_LATEST: Final = 10
_DECISIONS: Final = 20
_SPANS: Final = 36
_EVENTS: Final = 20
_BEFORE: Final = 3
"""Events shown before the one that a link names."""
_STATUS: Final = {"explorer-not-found": 404, "explorer-query": 400}

Shown = tuple[Site, ViewReader]
Handler = Callable[[Request], Awaitable[Response]]
Answer = Callable[[Request, Site, ViewReader], Awaitable[Response]]


class Commands(NamedTuple):
    """What to type to look further, with ids quoted for a shell."""

    run_id: str
    step: int | None = None

    @property
    def at_step(self) -> str:
        return self.show_step(self.step or 0)

    def show_step(self, step: int) -> str:
        return f"proofrail show {shlex.quote(self.run_id)} --at {step}"


def handler(answer: Answer, shown: Callable[[Request], Shown | None]) -> Handler:
    """The answer as a handler: finds what is shown, and makes a page of every error."""

    async def handle(request: Request) -> Response:
        found = shown(request)
        if found is None:
            gone = "this file is not held any more: the service keeps the last few"
            problem = Problem(
                code="explorer-not-found", message=gone, next_step="Drop it onto any page again."
            )
            return error_page(request, 404, problem)
        site, reader = found
        try:
            return await answer(request, site, reader)
        except ProofrailError as error:
            problem = Problem(code=error.code, message=error.message, next_step=error.next_step)
            return error_page(request, _STATUS.get(error.code, 503), problem, site)

    return handle


async def _framed(request: Request, site: Site, reader: ViewReader, template: str, **values: Any) -> Response:
    return page(request, site, template, pipeline=await reader.pipeline(), **values)


async def banner(request: Request, site: Site, reader: ViewReader) -> Response:
    """What needs a person, alone: it changes oftener than the page below it."""
    given = _given(request, "at")
    return await _framed(request, site, reader, "_banner.html", section=given["at"])


async def overview(request: Request, site: Site, reader: ViewReader) -> Response:
    runs, allocations = await asyncio.gather(reader.runs(limit=_LATEST), reader.allocations(limit=_LATEST))
    if site.file and len(runs.rows) == 1 and not runs.older:
        return RedirectResponse(site.run(runs.rows[0].run_id), 303)
    return await _framed(
        request, site, reader, "overview.html", section="overview", runs=runs, allocations=allocations
    )


async def runs(request: Request, site: Site, reader: ViewReader) -> Response:
    given = _given(request, "q", "verdict", "state", "cursor")
    found = await reader.runs(
        q=given["q"],
        verdict=_one_of(Verdict, given["verdict"]),
        state=_one_of(RunState, given["state"]),
        cursor=given["cursor"],
    )
    return await _table(request, site, reader, "runs", found, given)


async def allocations(request: Request, site: Site, reader: ViewReader) -> Response:
    given = _given(request, "q", "state", "decision", "reason", "run", "cursor")
    decision = given["decision"]
    if decision not in (None, "approved", "rejected"):
        raise bad_query(f"{decision!r} is no decision: it is approved or rejected")
    found = await reader.allocations(
        q=given["q"],
        state=_one_of(AllocationState, given["state"]),
        approved=None if decision is None else decision == "approved",
        reason=given["reason"],
        run_id=given["run"],
        cursor=given["cursor"],
    )
    return await _table(request, site, reader, "allocations", found, given)


async def dead_letters(request: Request, site: Site, reader: ViewReader) -> Response:
    given = _given(request, "code", "cursor")
    found = await reader.dead_letters(code=given["code"], cursor=given["cursor"])
    return await _table(request, site, reader, "dead-letters", found, given)


async def _table(
    request: Request, site: Site, reader: ViewReader, name: str, found: object, given: dict[str, str | None]
) -> Response:
    cursor = given.pop("cursor")
    return await _framed(
        request,
        site,
        reader,
        f"{name.replace('-', '_')}.html",
        section=name,
        page=found,
        filters=given,
        filtered=any(given.values()),
        # Rows that come in move only the first page.
        live=cursor is None and not site.file,
    )


async def run(request: Request, site: Site, reader: ViewReader) -> Response:
    run_id = _id(request)
    given = _given(request, "q", "span", "parent")
    step, seq = _number(request, "step"), _number(request, "seq")
    cursor = str(max(0, seq - _BEFORE)) if seq is not None else None
    # A span deep in the tree is found by its events: they name it, and where it stands.
    given["q"] = given["q"] or given["span"]
    found, decisions = await asyncio.gather(
        reader.run(run_id), reader.allocations(run_id=run_id, limit=_DECISIONS)
    )
    at_step = None
    try:
        # One after the other: both need the same reading, and where it fails it must not be tried again.
        spans = await reader.spans(run_id, parent=given["parent"], limit=_SPANS)
        events = await reader.events(run_id, q=given["q"], cursor=cursor, limit=_EVENTS)
        if step is not None:
            at_step = await reader.span_at(run_id, step)
    except TransientError as error:
        # The rest of the page needs no broker.
        spans, events = Spans.none(run_id, error.message), Events.none(run_id, error.message)
    return await _framed(
        request,
        site,
        reader,
        "run.html",
        section="runs",
        page=found,
        spans=spans,
        bars=waterfall(spans),
        axis=True,
        wanted=given["span"],
        events=events,
        more=False,
        seq=seq,
        decisions=decisions,
        filters=given,
        step=step,
        at_step=at_step,
        commands=Commands(run_id, step),
    )


async def spans(request: Request, site: Site, reader: ViewReader) -> Response:
    given = _given(request, "run", "parent", "cursor")
    found = await reader.spans(
        given["run"] or "", parent=given["parent"], cursor=given["cursor"], limit=_SPANS
    )
    return page(request, site, "_spans.html", spans=found, bars=waterfall(found), axis=False, wanted=None)


async def events(request: Request, site: Site, reader: ViewReader) -> Response:
    given = _given(request, "run", "q", "cursor")
    found = await reader.events(given["run"] or "", q=given["q"], cursor=given["cursor"], limit=_EVENTS)
    more = given["cursor"] is not None
    answer = page(request, site, "_events.html", events=found, filters=given, more=more, seq=None)
    if not more:
        # What is filtered can be shared: the address of the whole page says it, too.
        filtered = {"q": given["q"]} if given["q"] else {}
        answer.headers["HX-Replace-Url"] = f"{site.run(found.run_id, **filtered)}#events"
    return answer


async def allocation(request: Request, site: Site, reader: ViewReader) -> Response:
    found = await reader.allocation(_id(request))
    limit = next((fact.value for fact in found.limits if fact.name == "max_single_bps"), "")
    return await _framed(
        request,
        site,
        reader,
        "allocation.html",
        section="allocations",
        page=found,
        bars=share_bars(found.shares, int(limit) if limit.isdecimal() else None),
        limit_bps=int(limit) if limit.isdecimal() else None,
    )


async def search(request: Request, site: Site, reader: ViewReader) -> Response:
    text = (request.query_params.get("q") or "").strip()
    if not text:
        return await _framed(request, site, reader, "search.html", result=None, searched="")
    result = await reader.search(text)
    if len(result.hits) == 1 and not result.more:
        return RedirectResponse(site.prefix + result.hits[0].href, 303)
    return await _framed(request, site, reader, "search.html", result=result, searched=text)


async def message(request: Request, site: Site, reader: ViewReader) -> Response:
    numbers = {name: _number(request, name) for name in ("partition", "offset", "line")}
    if None in (numbers["partition"], numbers["offset"]):
        raise bad_query("a message is named by topic, partition, offset and line")
    place = Place(
        topic=request.query_params.get("topic", ""),
        partition=numbers["partition"] or 0,
        offset=numbers["offset"] or 0,
        line=numbers["line"] or 0,
    )
    found = await reader.message(place)
    return await _framed(request, site, reader, "message.html", message=found, laid_out=_laid_out(found.line))


def opening(files: OpenedFiles | None) -> Answer:
    """The page that takes an exported file, and what comes of one."""

    async def open_file(request: Request, site: Site, reader: ViewReader) -> Response:
        problem, status = None, 200
        if request.method == "POST" and files is not None:
            try:
                return RedirectResponse((await files.take(request)).prefix + "/", 303)
            except ProofrailError as error:
                problem = Problem(code=error.code, message=error.message, next_step=error.next_step)
                status = 503 if isinstance(error, TransientError) else 422
        return page(request, site, "open.html", status, problem=problem, limit=MAX_FILE)

    return open_file


def _id(request: Request) -> str:
    return str(request.path_params.get("id", request.query_params.get("id", "")))


def _given(request: Request, *names: str) -> dict[str, str | None]:
    """Parameters; one without a value says nothing."""
    return {name: request.query_params.get(name) or None for name in names}


def _number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise bad_query(f"{name} is a number from 0 on")
    return int(text)


def _one_of(choices: Any, text: str | None) -> Any:
    if text is not None and text not in get_args(choices):
        raise bad_query(f"{text!r} is none of {', '.join(get_args(choices))}")
    return text


def _laid_out(line: str) -> str:
    try:
        return json.dumps(parse_object(line.encode()), indent=2, ensure_ascii=False)
    except (MalformedError, UnicodeEncodeError):
        return line
