"""`proofrail verify`: check a proof, and that it proves what is claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from proofrail.artifacts.reference import uri_of
from proofrail.audit.proof_audit import ProofAuditor
from proofrail.audit.values import ABSENT, same
from proofrail.cli.output import Exit, ExitError, command, emit_json, emit_table, fail, wants_json
from proofrail.cli.registered import registered
from proofrail.cli.runfiles import read_run
from proofrail.cli.runfolder import PROOF, PROOF_MESSAGE
from proofrail.proving.backend import Verified
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.message import claims
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, Policy
from proofrail.proving.statement import Expected, Statement
from proofrail.proving.stone.presets import PRESET_MEMBERS, preset_named
from proofrail.proving.stone.proof import StoneProof
from proofrail.wire.canonical import JsonObject, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError, ProofrailError, TransientError, UnusableInputError
from proofrail.wire.messages import AuditReport, Proof, parse_message


@dataclass(frozen=True)
class _Given:
    """What was given to verify: the proof, and the message about it where PROOF names one."""

    blob: bytes
    message: JsonObject | None

    @property
    def by_stone(self) -> bool:
        """A proof of Stone's is JSON; stwo's are not."""
        return self.blob.startswith(b"{")


def verify(
    proof: Annotated[
        Path,
        typer.Argument(
            metavar="PROOF", help="proof.bin, proof.json beside it, the folder of both, or a file of Stone's."
        ),
    ],
    statement: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="What must be proven: a run's folder, or a JSON file with members of a statement.",
            show_default=False,
        ),
    ] = None,
    public_input: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Public input that a proof of Stone's must be about.", show_default=False
        ),
    ] = None,
    min_bits: Annotated[
        int, typer.Option(min=1, help="Least security that is accepted, in bits.")
    ] = DEFAULT_SECURITY_BITS,
    preset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Preset of the registry that the proof must fit: layout/hasher/stone version/memory verification; "
            "again for others.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON line.")] = False,
) -> None:
    """Verify a proof by what its own bytes say, and compare that with what is claimed.

    With --statement DIR the run in DIR is executed again, and the proof must be of its program and its
    output. With --statement FILE the proof must state each member in FILE: a Proof message, or an object
    such as {"program_hash":"0x…","output":["0x1","0x2"]}. Without it the proof is checked alone, and the
    result says what it proves: that is then for you to judge.

    When PROOF is a proof.json, everything that message claims of the proof is checked too.

    Proofs of Stone's are checked and compared as far as their own bytes go, and only then by Stone's
    cpu_air_verifier (on PATH, or named by PROOFRAIL_STONE_VERIFIER): what is wrong without it is said without it. Of
    a run such a proof must also have the layout, length, segments and states. With --public-input FILE it must have
    that public input. What the registry on Starknet would make of it is told by the preset that it fits, with the
    hash under which it would be registered, or by the code of what stands in the way.

    \b
    Exit status:
      0  accepted
      1  refused; the code says why
      2  unusable input
      3  the verifier is missing; nothing that can be checked without it was wrong

    \b
    Examples:
      proofrail verify run/proof.bin --statement run
      proofrail verify proof.json --statement statement.json --min-bits 100
      proofrail verify run/proof.bin --json | jq .statement.program_hash
      proofrail verify stone.proof.json --public-input public_input.json
      proofrail verify run/proof.bin --preset recursive/blake2s_248_lsb/stone6/strict
    """
    with command():
        try:
            given = _read(proof)
        except (RefusedProof, PolicyError) as error:
            _tell_refused(_Given(proof.read_bytes(), None), error, as_json)
            raise ExitError(Exit.NEGATIVE) from error
        presets = [preset_named(name).name for name in preset] if preset else None
        policy = Policy(min_security_bits=min_bits, backends=("stwo", "stone"), presets=presets)
        try:
            if public_input is not None:
                _check_public_input(given, public_input)
            verified, against = _verify(given, statement, policy)
            if public_input is not None:
                against = f"the public input in {public_input}" + (
                    f", {against}" if statement is not None else ""
                )
        except (RefusedProof, PolicyError) as error:
            _tell_refused(given, error, as_json)
            raise ExitError(Exit.NEGATIVE) from error
        except TransientError as error:
            fail(error, Exit.UNDECIDED)
        _tell_accepted(given, verified, against, as_json)


def _verify(given: _Given, statement: Path | None, policy: Policy) -> tuple[Verified, str]:
    if given.message is not None and given.message["is_mock"]:
        raise PolicyError(
            "policy-mock", "the message says of itself that it is about a mock, which proves nothing"
        )
    verifier = _verifier(given)
    stated: JsonObject = {}
    if statement is not None and statement.is_dir():
        expected, against = read_run(statement).expected, f"the run in {statement}, executed again"
    else:
        if statement is not None:
            stated = _read_statement(statement)
        expected = verifier.what_it_states(given.blob)
        against = (
            f"the statement in {statement}"
            if stated
            else "nothing: what the proof states is for you to judge"
        )
    examined = verifier.examine(given.blob, expected, policy)
    _compare(stated, examined, whole=False)
    _check_message(given, examined, expected, whole=False)
    verified = verifier.verify(given.blob, expected, policy)
    _compare(stated, verified, whole=True)
    _check_message(given, verified, expected, whole=True)
    return verified, against


def _verifier(given: _Given) -> Any:
    if given.by_stone:
        from proofrail.proving.stone import verifier as stone_verifier

        return stone_verifier
    try:
        from proofrail.proving import verifier
    except ImportError as error:
        fail(
            UnusableInputError(
                "verifier-missing",
                f"this installation has no stwo verifier: {error}",
                "Build the native part again: pip install .",
            ),
            Exit.UNDECIDED,
        )
    return verifier


@dataclass(frozen=True)
class _Answered:
    """A verifier that has given its answer already."""

    answer: Verified

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        del proof, expected, policy
        return self.answer


def _check_message(given: _Given, verified: Verified, expected: Expected, *, whole: bool) -> None:
    """Compares what the message says. Unless `whole`, what only a verifier can tell is left out."""
    if given.message is None:
        return
    message = dict(given.message)
    if not whole:
        known = claims(verified)["identities"].keys()
        message["identities"] = {
            name: value for name, value in message["identities"].items() if name in known
        }
    auditor = ProofAuditor(
        expected.words,
        expected.builtins,
        {_verifier(given).NAME: _Answered(verified)},
        Policy(),
        lambda _digest: given.blob,
    )
    report: AuditReport = auditor.audit(
        message, run_id=message["run_id"], output=expected.output, traced=expected.traced
    )
    if report.first_mismatch is not None:
        found = report.first_mismatch
        raise RefusedProof(
            "proof-claim", f"{found.message or found.kind} ({found.member})", None, member=found.member or ""
        )
    if whole and report.verdict != "MATCH":
        raise RefusedProof("proof-claim", report.unchecked[0].message)


def _check_public_input(given: _Given, path: Path) -> None:
    if not given.by_stone:
        raise UnusableInputError(
            "public-input-of-stwo", "a proof of stwo's has no public input", "Use --statement."
        )
    try:
        wanted = parse_object(b" ".join(path.read_bytes().split(b"\n")))
    except MalformedError as error:
        raise UnusableInputError(
            "public-input-unusable",
            f"{path} is no public input: {error.message}",
            "Give the public_input.json of the run, as the VM or `proofrail trace` wrote it.",
        ) from error
    found = StoneProof.read(given.blob).public_input
    strange = sorted(wanted.keys() - found.keys())
    if strange:
        raise UnusableInputError(
            "public-input-unusable",
            f"{path} has the member {strange[0]:.80}, which no public input of Stone's has",
            f"A public input has {', '.join(sorted(found))}.",
        )
    for name, value in found.items():
        if not same(wanted.get(name, ABSENT), value):
            raise RefusedProof("proof-statement", f"the proof has another {name} than {path}", member=name)


def _compare(stated: JsonObject, verified: Verified, *, whole: bool) -> None:
    """Unless `whole`, what only a verifier can tell is left out."""
    statement = verified.statement
    told = claims(verified)
    own = {
        **told["statement"],
        **told["identities"],
        "output": [hex(word) for word in statement.output],
        "builtins": list(statement.builtins),
        "security_bits": verified.security_bits,
        "parameters": verified.parameters,
    }
    for name, expected in stated.items():
        found = own.get(name, ABSENT)
        if found is ABSENT and not whole and name in PRESET_MEMBERS:
            continue
        if found is ABSENT:
            raise UnusableInputError(
                "statement-unknown-member",
                f"{name} is nothing a proof states",
                f"Name some of: {', '.join(sorted(own))}.",
            )
        if not same(expected, found):
            raise RefusedProof(
                "proof-statement",
                f"the proof states another {name}: {_short(found)}, not {_short(expected)}",
                None,
                member=name,
            )


def _read(path: Path) -> _Given:
    if path.is_dir():
        path = path / PROOF_MESSAGE
    data = path.read_bytes()
    if not data.lstrip().startswith(b"{"):
        return _Given(data, None)
    if b'"proof_hex"' in data:
        return _Given(StoneProof.canonical_form(data), None)
    message = _message(path, data)
    # A message from the topics names a place in the store: `replay` has put what lies there beside it.
    blob = Path(PROOF if message["uri"] == uri_of(message["digest"]) else message["uri"])
    return _Given((blob if blob.is_absolute() else path.parent / blob).read_bytes(), message)


def _message(path: Path, data: bytes) -> JsonObject:
    try:
        obj = parse_object(data.removesuffix(b"\n"))
        if isinstance(parse_message(obj), Proof):
            return obj
    except MalformedError as error:
        raise UnusableInputError(
            "proof-message-unusable", f"{path} holds no Proof message: {error.message}", _PROOF_NEXT
        ) from error
    raise UnusableInputError("proof-message-unusable", f"{path} holds another message", _PROOF_NEXT)


def _read_statement(path: Path) -> JsonObject:
    try:
        obj = parse_object(b" ".join(path.read_bytes().split(b"\n")))
    except MalformedError as error:
        raise UnusableInputError(
            error.code, f"{path}: {error.message}", "Give one JSON object with members of a statement."
        ) from error
    if obj.get("type") == "Proof":
        obj = {
            name: value
            for part in ("statement", "identities")
            if isinstance(obj.get(part), dict)
            for name, value in obj[part].items()
        }
    if not obj:
        raise UnusableInputError(
            "statement-empty", f"{path} states nothing", "Name at least program_hash and output."
        )
    return obj


def _tell_refused(given: _Given, error: ProofrailError, as_json: bool) -> None:
    if wants_json(as_json):
        emit_json(
            {
                "accepted": False,
                "code": error.code,
                "message": error.message,
                "digest": sha256_hex(given.blob),
                "size": len(given.blob),
            }
            | ({"context": error.context} if error.context else {})
            | ({"next_step": error.next_step} if error.next_step else {})
        )
    else:
        advice: list[tuple[str, object]] = [("next", error.next_step)] if error.next_step else []
        emit_table(
            [
                ("refused", error.code),
                ("why", error.message),
                *advice,
                ("sha256", sha256_hex(given.blob)),
            ]
        )


def _tell_accepted(given: _Given, verified: Verified, against: str, as_json: bool) -> None:
    statement = verified.statement
    output = [hex(word) for word in statement.output]
    if wants_json(as_json):
        emit_json(
            {
                "accepted": True,
                "checked_against": against,
                "statement": statement.to_dict(),
                "identities": claims(verified)["identities"],
                "output": output,
                "security_bits": verified.security_bits,
                "parameters": verified.parameters,
                "digest": sha256_hex(given.blob),
                "size": len(given.blob),
            }
        )
        return
    emit_table(
        [
            ("accepted", f"{verified.security_bits} bits of security (conjectured)"),
            ("compared with", against),
            ("program", statement.program_hash),
            *([("stwo's hash", statement.program_hash_blake)] if statement.program_hash_blake else []),
            *_run(statement),
            ("output", f"{len(output):,} felts: {_short(output)}"),
            ("parameters", _parameters(verified.parameters)),
            ("fact", verified.identities["fact_hash"]),
            *registered(verified.identities),
            ("sha256", sha256_hex(given.blob)),
            ("size", f"{len(given.blob):,} bytes"),
        ]
    )


def _run(statement: Statement) -> list[tuple[str, object]]:
    """The run that was proven, in the layout in which it was."""
    steps = f", {statement.n_steps:,} steps" if statement.n_steps is not None else ""
    used = [f"{one.builtin} {one.begin:,}-{one.end:,}" for one in statement.segments if one.begin < one.end]
    unused = [one.builtin for one in statement.segments if one.begin == one.end]
    initial, final = statement.initial_state, statement.final_state
    rows: list[tuple[str, object]] = [
        ("layout", f"{statement.layout}{steps}"),
        ("segments", "; ".join([*used, *([f"nothing in {', '.join(unused)}"] if unused else [])]) or "none"),
        (
            "state",
            f"pc {initial.pc}, ap = fp = {initial.ap:,} to pc {final.pc}, ap {final.ap:,}, fp {final.fp:,}",
        ),
    ]
    if statement.public_memory is not None:
        ranges = ", ".join(f"{one.begin:,}-{one.end:,}" for one in statement.public_memory)
        rows.append(("public memory", _short(f"{ranges}, all on page 0")))
    return rows


def _parameters(parameters: Mapping[str, Any]) -> str:
    """Those that security comes from; all of them are in the JSON."""
    stark = parameters.get("stark")
    if stark is None:
        chosen = (parameters["n_queries"], 1 << parameters["log_blowup"], parameters["pow_bits"], "blake2s")
    else:
        fri = stark["fri"]
        chosen = (
            *(fri["n_queries"], 1 << stark["log_n_cosets"], fri["proof_of_work_bits"]),
            parameters["commitment_hash"],
        )
    return "{} queries, blow-up {}, {} bits of work, {}".format(*chosen)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) <= _SHOWN:
        return text
    kept = text[:_SHOWN].rpartition(", ")[0] if isinstance(value, list) else ""
    return f"{kept}, …" if kept else f"{text[:_SHOWN]}…"


_SHOWN = 200
_PROOF_NEXT = "Give proof.bin, or the proof.json that `proofrail prove` wrote."
