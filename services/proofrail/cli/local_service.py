"""Asks services that run on this machine."""

from __future__ import annotations

from urllib.request import ProxyHandler, build_opener


def fetched(url: str, timeout_s: float) -> str:
    """What the service answers. Raises HTTPError with what it answers otherwise, OSError, HTTPException."""
    # Whatever proxy there may be for others: this is our own machine.
    with build_opener(ProxyHandler({})).open(url, timeout=timeout_s) as answer:
        text: str = answer.read().decode(errors="replace")
    return text
