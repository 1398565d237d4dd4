"""Evidence of a mismatch as a file."""

from __future__ import annotations

import os
from pathlib import Path

from proofrail.artifacts.files import write_atomically
from proofrail.audit.run_audit import RunAudit
from proofrail.cli.output import note
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, Signer
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.messages import AuditReport, Evidence


def write_evidence(audit: RunAudit, path: Path, signing_key: Path | None) -> AuditReport:
    """Write the bundle of a mismatch to `path`, and give the report with it named.

    Without a mismatch nothing is written. Raises UnusableInputError (`key-file`, `key-name`), CheckpointError
    (`key-malformed`), OSError.
    """
    if audit.evidence is None:
        note(f"there is no mismatch, so {path} was not written")
        return audit.report
    if signing_key is None:
        note("the evidence is not signed: without --signing-key no verifier accepts it")
    signer = None if signing_key is None else _auditor(signing_key)
    bundle = audit.evidence.bundle(signer)
    write_atomically(path, bundle)
    evidence = Evidence(digest=sha256_hex(bundle), uri=str(path))
    return audit.report.model_copy(update={"evidence": evidence})


def _auditor(path: Path) -> Signer:
    signer = load_or_make_signer(path, AUDITOR_KEY_NAME, os.urandom)
    if signer.name != AUDITOR_KEY_NAME:
        raise UnusableInputError(
            "key-name",
            f"{path} is a key of {signer.name}, not of {AUDITOR_KEY_NAME}",
            "Name the auditor's private key, or a file that does not exist yet: it is made.",
        )
    return signer
