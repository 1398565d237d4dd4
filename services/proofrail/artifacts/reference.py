"""Names of artifacts: a digest, and a URI that holds wherever the store lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

from proofrail.artifacts.errors import InvalidReference

_SCHEME = "artifact:sha256/"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Ref:
    """A stored blob: SHA-256 in hex, and length in bytes."""

    digest: str
    size: int

    @property
    def uri(self) -> str:
        """`artifact:sha256/<digest>`: no path of any machine; resolved against the reader's own store."""
        return uri_of(self.digest)


def uri_of(digest: str) -> str:
    """The URI of a digest. Raises InvalidReference."""
    return _SCHEME + checked_digest(digest)


def checked_digest(digest: str) -> str:
    """The digest itself. Raises InvalidReference: a digest becomes a path, and comes from outside."""
    if _DIGEST.fullmatch(digest) is None:
        raise InvalidReference(
            "artifact-reference", f"{digest[:200]!r} is no SHA-256 digest in lower-case hex"
        )
    return digest
