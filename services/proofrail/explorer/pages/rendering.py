"""Templates and static files: one environment, everything escaped, every file with its digest in the address."""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from proofrail.explorer.model.answers import Problem
from proofrail.explorer.model.audit import AuditCard, Unchecked
from proofrail.explorer.model.rows import Phase, RunRow
from proofrail.explorer.model.strip import Stage
from proofrail.explorer.pages import words
from proofrail.explorer.pages.pictures import Journey, few_cells, journey
from proofrail.explorer.site import Site
from proofrail.wire.messages import REASONS

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}

_WAITING: Final = {
    "tracer": "/allocations?state=waiting",
    "prover": "/runs?state=sealed",
    "auditor": "/runs?verdict=PENDING",
    "registrar": "/allocations?state=attested",
}
"""Where what waits for a stage can be seen."""

_CONCERNS: Final = {
    "mismatch": "/runs?verdict=MISMATCH",
    "undecided": "/runs?verdict=INDETERMINATE",
    "given-up": "/allocations?state=dead-lettered",
    "refused": "/allocations?state=refused",
}


def _trouble(stage: Stage) -> str:
    """Where what a stage is in trouble with can be seen."""
    return _CONCERNS.get(stage.concern or "", _WAITING[stage.name])


_UNDECIDED: Final = (
    "Not decided, because something is missing. Nothing that was checked differs; "
    "nothing is attested until it is decided."
)
_SUBJECTS: Final = {
    ("run", "MATCH"): "The run was executed again from its published inputs: all that was checked is equal.",
    ("run", "MISMATCH"): "What was published is not what the program does. The first difference is below.",
    ("run", "INDETERMINATE"): _UNDECIDED,
    (
        "proof",
        "MATCH",
    ): "The proof holds, states this program and this output, and is as strong as the policy asks.",
    ("proof", "MISMATCH"): "The proof does not show what is claimed of it. The first difference is below.",
    ("proof", "INDETERMINATE"): _UNDECIDED,
}


def _verdict_text(audit: AuditCard) -> str:
    return _SUBJECTS[audit.subject, audit.verdict]


def _unchecked_together(unchecked: Sequence[Unchecked]) -> list[list[Unchecked]]:
    """Parts that were not checked for the same reason, in order: after a mismatch that is all the rest."""
    found: dict[tuple[str | None, str, str | None], list[Unchecked]] = {}
    for part in unchecked:
        found.setdefault((part.code, part.message, part.until), []).append(part)
    return list(found.values())


def _run_tone(run: RunRow) -> words.Tone:
    """The verdict where there is one, else how far the run has come."""
    if run.verdict == "PENDING":
        return words.STATES[run.state]
    return words.VERDICTS[run.verdict]


def _run_state(run: RunRow) -> words.Tone:
    """How far the run has come; one that the audit refused goes no further than its proof."""
    if run.state == "proven" and run.verdict != "PENDING":
        return words.Tone("idle", "shield", "Proven")
    return words.STATES[run.state]


def _rate(per_minute: float) -> str:
    return f"{per_minute:,.0f}" if per_minute >= 10 or per_minute == int(per_minute) else f"{per_minute:.1f}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _key(text: str) -> str:
    """An element's id for any text: it keeps the focus where it is while rows move."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@cache
def _static(name: str) -> tuple[bytes, str, str]:
    """A static file's bytes, media type and digest. Raises FileNotFoundError."""
    folder = resources.files(__package__) / "static"
    known = {one.name: one for one in (*folder.iterdir(), *(folder / "vendor").iterdir()) if one.is_file()}
    found = known.get(name.removeprefix("vendor/"))
    if found is None:
        raise FileNotFoundError(name)
    data = found.read_bytes()
    return data, _TYPES[f".{found.name.rpartition('.')[2]}"], hashlib.sha256(data).hexdigest()[:16]


def _asset(name: str) -> str:
    return f"/static/{name}?v={_static(name)[2]}"


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("proofrail.explorer.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=words.visible,
        auto_reload=False,
    )
    made.filters |= {
        "count": words.count,
        "duration": words.duration,
        "ago": words.ago,
        "moment": words.moment,
        "brief": words.brief,
        "stamp": words.stamp,
        "size": words.size,
        "percent": words.percent,
        "short": words.short,
        "rate": _rate,
        "sentence": _sentence,
        "key": _key,
        "cut": words.cut,
        "quote": shlex.quote,
    }
    made.globals |= {
        "asset": _asset,
        "tone": words.Tone,
        "verdicts": words.VERDICTS,
        "states": words.STATES,
        "run_states": words.RUN_STATES,
        "allocation_states": words.ALLOCATION_STATES,
        "happenings": words.HAPPENINGS,
        "limits": words.LIMITS,
        "signed": words.SIGNED,
        "mismatch_kinds": words.MISMATCH_KINDS,
        "reasons": list(REASONS.values()),
        "differing": words.differing,
        "few_cells": few_cells,
        "trouble": _trouble,
        "verdict_text": _verdict_text,
        "unchecked_together": _unchecked_together,
        "run_tone": _run_tone,
        "run_state": _run_state,
    }
    return made


_ENVIRONMENT: Final = _environment()


def page(request: Request, site: Site, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template as an answer; its headers are the guard's."""
    pipeline = values.get("pipeline")
    now = int(time.time() * 1000) if pipeline is None else pipeline.at_ms

    def journey_now(phases: tuple[Phase, ...]) -> Journey | None:
        return journey(phases, now)

    def with_cursor(cursor: str) -> str:
        return str(request.url.include_query_params(cursor=cursor).replace(scheme="", netloc=""))

    query = request.url.query
    text = _ENVIRONMENT.get_template(template).render(
        {
            "site": site,
            "now": now,
            "here": request.url.path + (f"?{query}" if query else ""),
            "journey": journey_now,
            "with_cursor": with_cursor,
            "section": None,
            "searched": None,
            "pipeline": None,
        }
        | values
    )
    return HTMLResponse(text, status)


def error_page(request: Request, status: int, problem: Problem, site: Site | None = None) -> HTMLResponse:
    """What a person sees in place of a page, with a hint how to search. Needs no view, which may be what failed."""
    title = {400: "This address says something that cannot be", 403: "Not from there", 404: "Not found"}
    return page(
        request,
        site or Site(),
        "error.html",
        status,
        title=title.get(status, "This did not work"),
        problem=problem,
    )


def static_file(request: Request) -> Response:
    """A static file; its address holds its digest, so that it may be kept for ever."""
    name = request.path_params["name"]
    try:
        data, media_type, digest = _static(name)
    except FileNotFoundError:
        return error_page(
            request, 404, Problem(code="explorer-not-found", message="there is no such file", next_step=None)
        )
    kept = "public, max-age=31536000, immutable" if request.query_params.get("v") == digest else "no-cache"
    return Response(
        data,
        media_type=media_type,
        headers={"cache-control": kept, "x-content-type-options": "nosniff", "etag": f'"{digest}"'},
    )
