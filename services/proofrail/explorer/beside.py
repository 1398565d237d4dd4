"""What pages tell that stands beside the view: signatures, the artifact store, keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proofrail.explorer.model.audit import Signed
from proofrail.wire.messages import Attestation, AuditReport


@dataclass(frozen=True)
class Beside:
    """Given to whatever makes a page of the view."""

    signature: Callable[[AuditReport | Attestation], Signed]
    """Who signed a message."""
    stored: Callable[[str], bool | None]
    """Whether the artifact store has a blob; None where it does not say."""
    tracer_keys: tuple[str, ...]
    auditor_keys: tuple[str, ...]
    """The vkeys that are accepted here; none where they are not known."""
