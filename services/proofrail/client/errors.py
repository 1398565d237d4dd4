"""What a consumer refuses to rely on."""

from __future__ import annotations

from proofrail.wire.errors import ProofrailError, TransientError


class RefusedAttestation(ProofrailError):  # noqa: N818 -- a verdict, not a defect
    """An attestation must not be acted on; codes `attestation-…`, `grounds-expired`. A verdict, never retried."""


class GroundsMissing(TransientError):  # noqa: N818 -- a finding, not a defect
    """Something that an attestation rests on has not been seen on its topic (yet); code `grounds-missing`."""
