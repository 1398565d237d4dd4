"""The audit of a proof: what the message says of it, against what its own bytes say, the run, and the policy.

Nothing in a Proof message is believed: each member that a proof can tell is compared with what the proof
tells. What no proof can tell (the prover's version, its timings) is listed as unchecked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from proofrail.audit.compare import Difference, compare_objects
from proofrail.audit.findings import Finding, FoundError, Notes, from_difference
from proofrail.audit.report import PROOF_PARTS, make_report
from proofrail.audit.values import ABSENT, same
from proofrail.audit.vocabulary import PROOF_MEMBERS, Members
from proofrail.proving.backend import Verified
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.message import ADDED_PARAMETERS, IDENTIFIED_FIRST, STATED_FIRST, claims
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone.presets import PRESET_MEMBERS
from proofrail.wire.canonical import JsonObject, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError, ProofrailError, TransientError
from proofrail.wire.messages import AuditReport, Proof, ProofFailure, ProvenProgram, parse_message

Fetch = Callable[[str], bytes]
"""The blob of a digest, such as `ArtifactStore.get`. A ProofrailError says that it is missing
(INDETERMINATE) or, with the code `artifact-altered`, that it is not what its digest says (MISMATCH).
"""

ALTERED: Final = "artifact-altered"

_REFUSED_MEMBERS: Final = {
    "proof-program": "program",
    "proof-output": "output",
    "proof-builtins": "builtins",
    "proof-segments": "segments",
    "proof-states": "states",
    "proof-tables": "preprocessed_root",
    "proof-preprocessed-root": "preprocessed_root",
    "proof-layout": "layout",
    "proof-steps": "n_steps",
    "proof-range-check": "rc_bounds",
    "proof-public-memory": "public_memory",
    "proof-memory-order": "public_memory",
}
_FIRST: Final[Mapping[str, Collection[str]]] = {
    "statement": STATED_FIRST,
    "identities": IDENTIFIED_FIRST,
}
"""Members that every message has. Those that were added later may be missing, and are compared where they are not."""


class Verifier(Protocol):
    """What of a proving backend the audit needs."""

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified: ...


class ProofAuditor:
    """Audits proofs of runs of one program, by one policy; `verifiers` by the name of the backend."""

    def __init__(
        self,
        words: Sequence[int],
        builtins: Sequence[str],
        verifiers: Mapping[str, Verifier],
        policy: Policy,
        fetch: Fetch,
        program: ProvenProgram | None = None,
    ) -> None:
        self._words = tuple(words)
        self._builtins = tuple(builtins)
        self._verifiers = dict(verifiers)
        self._policy = policy
        self._fetch = fetch
        self._program = program

    def audit(
        self,
        record: bytes | Mapping[str, Any],
        *,
        run_id: str,
        output: Sequence[int] | None,
        traced: TracedRun | None = None,
        root: str | None = None,
    ) -> AuditReport:
        """The report on a terminal record of proofs.v1, a Proof or ProofFailure, for the run `run_id`.

        `output`, `traced` and `root`, that of the run's seal, are what the auditor computed; `output` is None when
        the run could not be executed, which leaves the proof undecided. Never raises for what was published.
        """
        notes = Notes()
        finding: Finding | None = None
        try:
            self._check(record, run_id, output, traced, root, notes)
        except FoundError as found:
            finding = found.finding
        return make_report(run_id, "proof", notes, finding, PROOF_PARTS)

    def _check(
        self,
        record: bytes | Mapping[str, Any],
        run_id: str,
        output: Sequence[int] | None,
        traced: TracedRun | None,
        root: str | None,
        notes: Notes,
    ) -> None:
        claimed, message = _read(record)
        if isinstance(message, ProofFailure):
            why = f"the prover made no proof: {message.code}: {message.message:.500}"
            notes.unsure("proof", Finding("proof-failed", "proof", why))
            return
        _expect("run_id", run_id, claimed, "the message is about another run")
        _expect("is_mock", False, claimed, "a mock proves nothing")
        if message.backend not in self._verifiers:
            accepted = ", ".join(self._verifiers)
            _expect("backend", accepted, claimed, "the proof was made with a backend that is not accepted")
        self._check_origin(claimed, root)
        notes.done("message")
        blob = self._blob(message, notes)
        if blob is None:
            return
        _expect("digest", sha256_hex(blob), claimed, "the blob is not what the message names", kind=ALTERED)
        _expect("size", len(blob), claimed, "the blob has another length than the message says")
        notes.done("blob")
        if output is None:
            why = "the run was not executed again, so what the proof should state is not known"
            notes.unsure("verification", Finding("run-not-recomputed", "proof", why))
            return
        expected = Expected.of(self._words, self._builtins, output, traced)
        try:
            verified = self._verified(message.backend, blob, expected)
        except TransientError as error:
            why = f"the proof could not be verified here: {error.message}"
            notes.unsure(
                "verification", Finding("verifier-missing", "proof", why, more={"cause": error.code})
            )
            return
        notes.done("verification")
        notes.done("policy")
        _compare_claims(claimed, verified, notes)
        notes.done("statement")

    def _check_origin(self, claimed: JsonObject, root: str | None) -> None:
        """What the message says of the run and the program beside the proof, as far as it is known here."""
        program = self._program.to_object() if self._program is not None else None
        known = (
            ("root", root, "the message is about another seal", "root"),
            ("program", program, "the message names another program", "program"),
            ("has_annotations", False, "proofs are kept without annotations", "statement"),
        )
        for name, expected, why, kind in known:
            if expected is not None and name in claimed:
                _expect(name, expected, claimed, why, kind=kind)

    def _blob(self, message: Proof, notes: Notes) -> bytes | None:
        try:
            return self._fetch(message.digest)
        except ProofrailError as error:
            if error.code == ALTERED:
                raise FoundError(
                    Finding(
                        ALTERED,
                        "blob",
                        f"what the store holds is not the proof that was published: {error.message}",
                        member="digest",
                        claimed=message.digest,
                    )
                ) from error
            why = f"the proof cannot be had: {error.message}"
            notes.unsure("blob", Finding("artifact-missing", "blob", why, more={"cause": error.code}))
            return None

    def _verified(self, backend: str, blob: bytes, expected: Expected) -> Verified:
        try:
            return self._verifiers[backend].verify(blob, expected, self._policy)
        except PolicyError as error:
            raise FoundError(
                Finding(
                    "policy",
                    "proof",
                    f"the proof is not good enough: {error.message}",
                    more={"code": error.code},
                )
            ) from error
        except RefusedProof as error:
            raise FoundError(
                Finding(
                    "proof",
                    "proof",
                    f"the proof does not hold: {error.message}",
                    member=_REFUSED_MEMBERS.get(error.code),
                    expected=error.context.get("expected", ABSENT),
                    claimed=error.context.get("proven", ABSENT),
                    more={"code": error.code},
                )
            ) from error


def _read(record: bytes | Mapping[str, Any]) -> tuple[JsonObject, Proof | ProofFailure]:
    try:
        claimed = parse_object(record) if isinstance(record, bytes) else dict(record)
        message = parse_message(claimed)
    except MalformedError as error:
        kind = {"unknown-version": "version", "unknown-type": "type"}.get(error.code, "malformed")
        member = error.context.get("member")
        raise FoundError(
            Finding(
                kind,
                "proof",
                f"the message about the proof cannot be read: {error.message}",
                member={"version": "v", "type": "type"}.get(kind, str(member) if member else None),
                more={"code": error.code},
            )
        ) from error
    if not isinstance(message, Proof | ProofFailure):
        raise FoundError(
            Finding(
                "type",
                "proof",
                "the message is neither a Proof nor a ProofFailure",
                member="type",
                expected="Proof",
                claimed=claimed.get("type", ABSENT),
            )
        )
    return claimed, message


def _expect(name: str, expected: Any, claimed: JsonObject, why: str, *, kind: str | None = None) -> None:
    if not same(expected, claimed.get(name, ABSENT)):
        raise FoundError(
            Finding(
                kind or name,
                "proof",
                why,
                member=name,
                pointer=f"/{name}",
                expected=expected,
                claimed=claimed.get(name, ABSENT),
            )
        )


def _compare_claims(claimed: JsonObject, verified: Verified, notes: Notes) -> None:
    for name, stated in claims(verified).items():
        found = claimed.get(name, ABSENT)
        expected = _without_later(name, stated, found)
        comparison = compare_objects(
            {name: expected},
            {} if found is ABSENT else {name: found},
            {name: _defined(name, stated)},
            kinds={name: name},
        )
        for pointer in comparison.unknown:
            notes.unsure("statement", _unknown(pointer))
        if comparison.difference is not None:
            raise FoundError(_lie(comparison.difference))
    _note_unknown(claimed, PROOF_MEMBERS, "", notes)


def _without_later(name: str, stated: Any, found: Any) -> Any:
    """What a message must say, without members that it lacks because its prover is older than they are."""
    if not isinstance(stated, dict) or not isinstance(found, dict):
        return stated
    first = _FIRST.get(name, stated.keys() - set(ADDED_PARAMETERS))
    return {member: value for member, value in stated.items() if member in found or member in first}


def _defined(name: str, stated: Any) -> Members | None:
    if not isinstance(stated, dict):
        return None
    return dict.fromkeys([*stated, *PRESET_MEMBERS] if name == "identities" else stated)


def _note_unknown(claimed: JsonObject, members: Members, pointer: str, notes: Notes) -> None:
    for name, value in claimed.items():
        within = members.get(name)
        if name not in members:
            notes.unsure("message", _unknown(f"{pointer}/{name}"))
        elif within is not None and isinstance(value, dict):
            _note_unknown(value, within, f"{pointer}/{name}", notes)


def _lie(difference: Difference) -> Finding:
    return from_difference(
        difference,
        "proof",
        "the message about the proof",
        truth="the proof itself",
        more={"code": "proof-claim"},
    )


def _unknown(pointer: str) -> Finding:
    return Finding(
        "unknown-member",
        "proof",
        f"the message has a member that this version does not define: {pointer:.200}",
        member=pointer.split("/")[1][:200],
        pointer=pointer[:400],
    )
