"""What pages tell that stands beside the view: signatures, the artifact store, keys."""

from __future__ import annotations

from collections.abc import Sequence

from proofrail.artifacts.errors import MissingArtifact, StoreUnavailable
from proofrail.artifacts.store import ArtifactStore
from proofrail.commitment.checkpoint import parse_vkey
from proofrail.explorer.model.audit import Signed
from proofrail.wire.messages import Attestation, AuditReport
from proofrail.wire.signing import verify_message


class Beside:
    """Given to whatever makes a page of the view. `auditor_keys` and `tracer_keys` are vkeys, empty where none are
    known."""

    def __init__(
        self, store: ArtifactStore | None, auditor_keys: Sequence[str], tracer_keys: Sequence[str]
    ) -> None:
        """`store`: None where there is none, behind a file. Raises CheckpointError."""
        self.auditor_keys = tuple(auditor_keys)
        self.tracer_keys = tuple(tracer_keys)
        self._store = store
        self._keys = {_id_of(vkey): parse_vkey(vkey)[1] for vkey in auditor_keys}

    def signature(self, message: AuditReport | Attestation) -> Signed:
        """Who signed a message."""
        if message.signature is None:
            return Signed(state="unsigned", key=None)
        if not self._keys:
            return Signed(state="no-key", key=None)
        said = message.to_object()
        for name, key in self._keys.items():
            if verify_message(said, key):
                return Signed(state="valid", key=name)
        return Signed(state="invalid", key=None)

    def stored(self, digest: str) -> bool | None:
        """Whether the artifact store has a blob; None where it does not say."""
        try:
            return None if self._store is None else self._store.has(digest)
        except StoreUnavailable:
            return None

    def artifact(self, digest: str) -> bytes:
        """A blob, checked against its digest. Raises MissingArtifact, AlteredArtifact, StoreUnavailable,
        InvalidReference."""
        if self._store is None:
            raise MissingArtifact(
                "artifact-missing", "no artifact store is behind an exported file", digest=digest
            )
        return self._store.get(digest)


def _id_of(vkey: str) -> str:
    """Name and id, as they stand in signatures: what follows, the key itself, may hold a plus, too."""
    return "+".join(vkey.split("+", 2)[:2])
