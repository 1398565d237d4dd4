"""URLs as people and logs may see them: keys and passwords stand in them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_REST: Final = "…"


def shown_url(url: str) -> str:
    """Scheme, host and port, or the bucket: a node's path is its key as often as not. A file's URL in whole. What is
    left out is "…", all of it where one cannot tell what is what."""
    scheme, found, rest = url.partition("://")
    if not found:
        return url if not url or url.startswith("/") else _REST
    if scheme == "file":
        return url
    shown = f"{scheme}://{_host(rest)}"
    return shown if url in (shown, f"{shown}/") else f"{shown}/{_REST}"


def _host(rest: str) -> str:
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname or _REST, parts.port
    except ValueError:
        return _REST
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"
