"""Errors of proving: what was refused before work, and what a proof failed on."""

from __future__ import annotations

from proofrail.wire.errors import PoisonError, ProofrailError


class PolicyError(PoisonError):
    """The policy forbids it, whatever the proof says; codes `policy-…`."""


class RefusedProof(ProofrailError):  # noqa: N818 -- a verdict, not a defect
    """The proof does not prove what was expected; codes `proof-…`. A verdict, never retried."""
