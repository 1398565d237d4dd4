"""Answers of their own: what a search found, a message as published, a change, a problem."""

from __future__ import annotations

from typing import Literal

from proofrail.explorer.model.base import Part, Place, Verdict


class Hit(Part):
    """One thing that a search found."""

    kind: Literal["run", "allocation", "span", "step", "artifact", "message"]
    title: str
    """What it is, such as `allocation vault:7` or `root of run 2106…`."""
    href: str
    """Path of its page in this service."""
    detail: str


class SearchResult(Part):
    """What fits a text: any id, hash (or the beginning of one, from 4 characters on), or `RUN@STEP`."""

    query: str
    hits: tuple[Hit, ...]
    more: bool
    """Whether there were more than are given."""


class RawMessage(Part):
    """A message as it was published."""

    place: Place
    at_ms: int
    type: str
    line: str
    fault: str | None
    """Why it is no message of its topic in version 1; null when it is one."""


class Change(Part):
    """Something changed; the feed at /events sends these as `data`, with `id` as the event's id.

    Server-sent event names are the kinds. `pipeline` carries a Pipeline instead. `reload`: more changed than is worth
    telling one by one, or the feed cannot tell all since Last-Event-ID.
    """

    id: int
    kind: Literal["run", "allocation", "dead-letter", "reload"]
    key: str | None
    """run_id, allocation_id; null with `reload`."""
    state: str | None
    verdict: Verdict | None


class Problem(Part):
    """The body of every answer that is an error."""

    code: str
    message: str
    next_step: str | None
