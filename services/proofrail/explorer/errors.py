"""What the explorer answers when it cannot answer."""

from __future__ import annotations

from proofrail.wire.errors import ProofrailError


class NotFoundError(ProofrailError):
    """Nothing is known of what was asked for. HTTP status 404."""


class BadQueryError(ProofrailError):
    """A parameter is none. HTTP status 400."""


def not_found(what: str) -> NotFoundError:
    """The error for an id of which nothing is known."""
    return NotFoundError(
        "explorer-not-found",
        f"nothing is known of {what[:200]}",
        "Search for a part of it; what the topics lost before the explorer read them is not there",
    )


def bad_query(message: str) -> BadQueryError:
    """The error for a parameter that is none."""
    return BadQueryError(
        "explorer-query", message[:400], "The document at /api/openapi.json says what is allowed"
    )
