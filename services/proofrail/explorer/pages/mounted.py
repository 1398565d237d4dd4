"""The pages' routes: the same ones for what the service shows, and below /file/KEY for an opened file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.routing import BaseRoute, Mount, Route

from proofrail.explorer.pages import handlers
from proofrail.explorer.pages.handlers import Answer, Shown, handler
from proofrail.explorer.pages.opened import OpenedFiles, Opener
from proofrail.explorer.pages.rendering import static_file
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.site import Site

_PAGES: Final[tuple[tuple[str, Answer], ...]] = (
    ("/", handlers.overview),
    ("/runs", handlers.runs),
    ("/run", handlers.run),
    ("/runs/{id}", handlers.run),
    ("/allocations", handlers.allocations),
    ("/allocation", handlers.allocation),
    ("/allocations/{id}", handlers.allocation),
    ("/dead-letters", handlers.dead_letters),
    ("/search", handlers.search),
    ("/message", handlers.message),
    ("/fragments/banner", handlers.banner),
    ("/fragments/spans", handlers.spans),
    ("/fragments/events", handlers.events),
)


def routes(reader: ViewReader, *, opener: Opener | None = None, file: str | None = None) -> list[BaseRoute]:
    """All pages over `reader`. With `opener` exported files can be dropped onto them; `file` is the name of the one
    that `reader` itself is of."""
    own = Site(file=file)
    files = None if opener is None else OpenedFiles(opener)

    def of_service(request: Request) -> Shown:
        return own, reader

    def of_file(request: Request) -> Shown | None:
        return None if files is None else files.get(request.path_params["key"])

    return [
        *_mounted(of_service),
        Mount("/file/{key}", routes=_mounted(of_file)),
        Route("/open", handler(handlers.opening(files), of_service), methods=["GET", "POST"]),
        Route("/static/{name:path}", static_file),
    ]


def _mounted(shown: Callable[[Request], Shown | None]) -> list[BaseRoute]:
    return [Route(path, handler(answer, shown)) for path, answer in _PAGES]
