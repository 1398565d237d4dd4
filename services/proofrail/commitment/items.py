"""Items: trace events as leaves of the commitment (design section 5, Commitment)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from proofrail.wire.canonical import canonical
from proofrail.wire.events import VOLATILE


def item_bytes(event: Mapping[str, Any]) -> bytes:
    """The item of an event: its canonical form without the volatile members.

    Only members of the event itself are volatile; a `timestamp` deeper inside it is committed to. Raises
    MalformedError for what has no canonical form.
    """
    return canonical({name: value for name, value in event.items() if name not in VOLATILE})


def leaf_hash(item: bytes) -> bytes:
    """`leaf = H(0x00 ‖ item)`, the leaf hash of RFC 6962 section 2.1."""
    return hashlib.sha256(b"\x00" + item).digest()
