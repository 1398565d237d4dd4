"""The checkpoint of a seal: signed by an accepted key, over the expected origin, size and root."""

from __future__ import annotations

from collections.abc import Sequence

from proofrail.audit.claims import ClaimedLine
from proofrail.audit.findings import Finding, FoundError, Notes
from proofrail.audit.values import ABSENT
from proofrail.commitment.checkpoint import ORIGIN_PREFIX, CheckpointError, verify_checkpoint
from proofrail.wire.canonical import JsonObject


def check_signature(seal: ClaimedLine, expected: JsonObject, keys: Sequence[str], notes: Notes) -> None:
    """Raises FoundError (kind `signature`) for a checkpoint that is missing, unreadable, signed by no
    accepted key, or about another tree head than `expected`, a seal core. Raises CheckpointError for a
    malformed accepted key.

    Without any accepted key the signature stays unchecked, and the run's verdict open.
    """
    note = seal.members.get("checkpoint", ABSENT)
    if note is ABSENT:
        raise FoundError(_finding(seal, "the seal has no checkpoint, so nobody has signed it"))
    if not isinstance(note, str):
        raise FoundError(_finding(seal, "the checkpoint is no text", claimed=note))
    if not keys:
        why = "no key of the tracer is at hand, so it is not known who signed the seal"
        notes.unsure("signature", Finding("key-missing", "checkpoint", why))
        return
    try:
        checkpoint = verify_checkpoint(note, keys)
    except CheckpointError as error:
        if error.code == "key-malformed":
            raise
        raise FoundError(_finding(seal, error.message, claimed=note, code=error.code)) from error
    for name, ours, theirs in (
        ("origin", f"{ORIGIN_PREFIX}{expected['run_id']}", checkpoint.origin),
        ("size", expected["items"], checkpoint.size),
        ("root", expected["root"], checkpoint.root.hex()),
    ):
        if ours != theirs:
            raise FoundError(
                _finding(
                    seal,
                    f"the checkpoint states another {name} than the run recomputed from its inputs",
                    expected=ours,
                    claimed=theirs,
                    code=f"checkpoint-{name}",
                )
            )
    notes.done("signature")


def _finding(
    seal: ClaimedLine,
    message: str,
    *,
    expected: object = ABSENT,
    claimed: object = ABSENT,
    code: str | None = None,
) -> Finding:
    return Finding(
        "signature",
        "checkpoint",
        message,
        line=seal.number,
        member="checkpoint",
        expected=expected,
        claimed=claimed,
        more={"code": code} if code else {},
    )
