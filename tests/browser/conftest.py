"""A headless Chromium, and the explorer's application over the tests' world on a port of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.types import ASGIApp, Receive, Scope, Send

from proofrail.explorer.opened import open_export
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.web import application
from tests.explorer_cases import reader_of
from tests.explorer_site import served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_PATIENCE_MS = 60_000
"""Nothing takes so long, save on a machine that is busy with other things."""
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed behind each module: while it is open, no test of the process may run an event loop of its own."""
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH: apt-get install chromium")
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        yield started
        started.close()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewReader]:
    made = reader_of(tmp_path_factory.mktemp("explorer"))
    yield made
    made.close()


class InLoop:
    """The application, and the event loop that it runs in: what changes its reader has to be called there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        await self._app(scope, receive, send)

    def call(self, change: Callable[..., None], *arguments: object) -> None:
        """Call `change` in the loop of the last request."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(change, *arguments)


@pytest.fixture(scope="module")
def service(reader: ViewReader) -> InLoop:
    return InLoop(application(reader, opener=open_export))


@pytest.fixture(scope="module")
def base(service: InLoop) -> Iterator[str]:
    with served(service) as address:
        yield address


@dataclass
class Seen:
    """What a page did that a person does not see."""

    base: str
    problems: list[str] = field(default_factory=list)
    """Errors and warnings on the console, exceptions, dialogs."""
    requests: list[str] = field(default_factory=list)
    bytes: int = 0

    @property
    def strange(self) -> list[str]:
        """Requests that left the origin."""
        return [url for url in self.requests if not url.startswith(self.base)]


Open = Callable[..., tuple[Page, Seen]]


@pytest.fixture
def page_at(browser: Browser, base: str) -> Iterator[Open]:
    """Opens an address in a context of its own: `page_at("/", width=360, color_scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def at(address: str, *, width: int = 1280, **options: Any) -> tuple[Page, Seen]:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page, seen = context.new_page(), Seen(base)
        page.set_default_timeout(_PATIENCE_MS)
        page.on(
            "console",
            lambda said: seen.problems.append(f"{said.type}: {said.text}") if said.type != "log" else None,
        )
        page.on("pageerror", lambda error: seen.problems.append(f"exception: {error}"))
        page.on(
            "dialog", lambda dialog: (seen.problems.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(base + address, wait_until="load")
        seen.bytes = page.evaluate(
            "performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource'))"
            ".reduce((sum, one) => sum + one.decodedBodySize, 0)"
        )
        return page, seen

    yield at
    for context in contexts:
        context.close()
