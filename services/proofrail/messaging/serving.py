"""An ASGI application served beside the work of a service, by the service's own event loop and signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import uvicorn

from proofrail.wire.errors import UnusableInputError

_END_S: Final = 5.0


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The host has its own handlers: a signal drains the service first."""
        yield


def bound_socket(code: str, host: str, port: int, *, setting: str) -> socket.socket:
    """A socket bound to `host`, at a free port where that is 0. Raises UnusableInputError `code`, naming the
    setting."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UnusableInputError(
            code,
            f"cannot listen on {host}:{port} ({error.strerror})",
            f"Choose another {setting}, or 0 for a free one",
        ) from error
    return listener


@contextlib.asynccontextmanager
async def served(app: Any, listener: socket.socket, **options: Any) -> AsyncIterator[None]:
    """Serve `app` on a bound socket while the block runs; `options` are uvicorn's."""
    # A framework's lifespan would have its own idea of start and end: the service starts and ends its application.
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", **options)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({task}, timeout=_END_S)
        task.cancel()
        listener.close()
