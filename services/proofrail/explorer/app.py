"""`proofrail explorer`: put the explorer together from its settings and run it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from proofrail.artifacts.store import ArtifactStore
from proofrail.explorer.database import Database
from proofrail.explorer.opened import open_export
from proofrail.explorer.reader import ViewReader
from proofrail.explorer.service import Explorer
from proofrail.explorer.settings import ExplorerSettings
from proofrail.explorer.source import TopicSource
from proofrail.explorer.view import View
from proofrail.explorer.web import application
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.messaging.serving import bound_socket, served
from proofrail.wire.errors import UnusableInputError

_REQUESTS_MOST: Final = 512

_log = structlog.get_logger(__name__)


def run(settings: ExplorerSettings, codes: Collection[str] | None = None, *, rebuild: bool = False) -> int:
    """Run the explorer until SIGTERM; returns the exit status."""

    async def main(context: ServiceContext) -> None:
        database = Database(settings.explorer_dir / "view.sqlite", rebuild=rebuild)
        source = TopicSource(settings.kafka)
        reader = ViewReader(
            database,
            source,
            ArtifactStore(settings.store_url),
            settings.auditor_keys.split(),
            tracer_keys=settings.checkpoint_keys.split(),
            registrar=bool(settings.registrar_ledger),
        )
        token = settings.explorer_token.get_secret_value() if settings.explorer_token else None
        names = settings.explorer_names.split()
        app = application(
            reader,
            token=token,
            names=names if settings.is_local or names else None,
            opener=partial(open_export, auditor_keys=settings.auditor_keys.split()),
        )
        try:
            listener = _listener(settings)
            async with served(app, listener, limit_concurrency=_REQUESTS_MOST, server_header=False):
                host = (
                    f"[{settings.explorer_host}]" if ":" in settings.explorer_host else settings.explorer_host
                )
                _log.info("serving", url=f"http://{host}:{listener.getsockname()[1]}/")
                try:
                    await Explorer(database, View(database), reader, context).work()
                finally:
                    reader.feed.close()  # whoever listens would hold the server open
        finally:
            reader.close()
            await source.stop()
            database.close()

    return run_service("explorer", main, settings, codes)


def show_file(path: Path, ready: Callable[[str], None]) -> None:
    """Serve an exported run on this machine until SIGINT or SIGTERM; `ready` is called with the address.

    Raises UnusableInputError `export-malformed`, `export-incomplete`, `explorer-port`, and OSError.
    """
    reader = open_export(path.read_bytes())

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        listener = bound_socket("explorer-port", "127.0.0.1", 0, setting="port")
        app = application(reader, opener=open_export, file=path.name)
        async with served(app, listener, limit_concurrency=_REQUESTS_MOST, server_header=False):
            ready(f"http://127.0.0.1:{listener.getsockname()[1]}/")
            await stop.wait()
            reader.feed.close()

    try:
        asyncio.run(serve())
    finally:
        reader.close()


def _listener(settings: ExplorerSettings) -> socket.socket:
    """The socket of pages and API; with port 0 the one of last time, where it is free: bookmarks stay right, and pages
    that are open find the explorer again."""
    kept = settings.explorer_dir / "port"

    def bound(port: int) -> socket.socket:
        return bound_socket("explorer-port", settings.explorer_host, port, setting="PROOFRAIL_EXPLORER_PORT")

    if settings.explorer_port:
        return bound(settings.explorer_port)
    with contextlib.suppress(UnusableInputError):
        if last := _kept(kept):
            return bound(last)
    listener = bound(0)
    with contextlib.suppress(OSError):
        kept.write_text(f"{listener.getsockname()[1]}\n")
    return listener


def _kept(path: Path) -> int | None:
    try:
        port = int(path.read_text())
    except (OSError, ValueError):
        return None
    return port if 1024 <= port <= 65535 else None
