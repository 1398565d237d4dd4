"""A blob that is not there, and a blob that is not what it should be: the two are never confused (design
section 2: the one may still arrive, the other is a MISMATCH)."""

from __future__ import annotations

from proofrail.wire.errors import PoisonError, ProofrailError, TransientError


class MissingArtifact(TransientError):  # noqa: N818 -- a finding, not a defect
    """The store has no blob of this digest (yet); code `artifact-missing`."""


class AlteredArtifact(PoisonError):  # noqa: N818 -- a finding, not a defect
    """The store's blob has another digest or length than its name says; code `artifact-altered`."""


class StoreUnavailable(TransientError):  # noqa: N818 -- a finding, not a defect
    """The store cannot be reached, read or written; code `artifact-store-unavailable`."""


class InvalidReference(ProofrailError):  # noqa: N818 -- a finding, not a defect
    """A digest or URI that names no artifact; code `artifact-reference`."""
