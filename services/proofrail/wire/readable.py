"""What of a value can be read, whatever the rest of it is: for those who show and look for things. Whoever judges reads
everything (`proofrail.wire.ndjson`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError, ProofrailError
from proofrail.wire.ndjson import split
from proofrail.wire.proposals import parse_proposal


def objects(value: bytes) -> Iterator[dict[str, Any]]:
    """The lines of a value that are JSON objects."""
    with contextlib.suppress(MalformedError):
        for line in split(value):
            with contextlib.suppress(MalformedError):
                yield parse_object(line)


def allocation_named(value: bytes) -> str | None:
    """The allocation that a proposal, valid or not, says it is about; None where it says none."""
    try:
        named = parse_object(value).get("allocation_id")
    except MalformedError:
        return None
    return named if isinstance(named, str) else None


def proposal_digest(value: bytes) -> str | None:
    """The proposal's digest, None where it is no valid proposal."""
    try:
        return parse_proposal(value).digest()
    except ProofrailError:
        return None
