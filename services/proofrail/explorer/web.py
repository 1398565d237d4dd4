"""The web application: API, feed, pages, behind the guard."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from proofrail.explorer import pages
from proofrail.explorer.api import VERSION, add_problems, as_json, router
from proofrail.explorer.guard import Guard
from proofrail.explorer.model.answers import Problem
from proofrail.explorer.reader import ViewReader

_API: Final = ("/api/", "/events")
_ABOUT: Final = (
    "What stands on Proofrail's topics, summed up. Everything here is told from topics and artifact store; nothing is "
    "evidence: check attestations, proofs and evidence bundles themselves. Times are milliseconds since the Unix epoch."
)


def application(
    reader: ViewReader,
    *,
    token: str | None = None,
    names: Collection[str] | None = (),
    opener: Callable[[bytes], ViewReader] | None = None,
    file: str | None = None,
) -> FastAPI:
    """The application over a reader. `token` and `names` as Guard has them; `opener` reads exported files that are
    dropped onto a page, `file` is the name of the one that the reader itself is of."""
    app = FastAPI(**described())
    app.include_router(router(reader))
    app.router.routes.append(Route("/api/openapi.json", _described_by(app)))
    app.router.routes.extend(pages.routes(reader, opener=opener, file=file))
    add_problems(app, _refusal)
    app.add_exception_handler(HTTPException, _no_such_thing)
    app.add_middleware(Guard, token=token, names=names, refusal=_refusal)
    return app


def described() -> dict[str, Any]:
    """What the OpenAPI document says of the whole. No page of a library's own: those ask other hosts for scripts."""
    return {
        "title": "Proofrail explorer",
        "version": VERSION,
        "description": _ABOUT,
        "docs_url": None,
        "redoc_url": None,
        "openapi_url": None,
        "redirect_slashes": False,
    }


def _described_by(app: FastAPI) -> Callable[[Request], Response]:
    def openapi(_: Request) -> Response:
        """Made in a thread when it is first asked for: it takes a while."""
        return JSONResponse(app.openapi())

    return openapi


def _refusal(request: Request, status: int, problem: Problem) -> Response:
    """As JSON where the API was asked, as a page elsewhere."""
    if request.url.path.startswith(_API):
        return as_json(request, status, problem)
    return pages.error_page(request, status, problem)


def _no_such_thing(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return _refusal(request, 500, _problem("explorer-request", "it failed"))
    answer = _refusal(request, error.status_code, _problem("explorer-request", str(error.detail)))
    answer.headers.update(error.headers or {})  # which methods there are, where one is not
    return answer


def _problem(code: str, message: str) -> Problem:
    return Problem(code=code, message=message, next_step=None)
