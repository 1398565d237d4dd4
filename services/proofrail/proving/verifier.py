"""Checks a stwo proof: first all that a verifier cannot know, then by the native verifier."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from proofrail._native import NativeError, read_stwo, verify_stwo
from proofrail.proving.backend import Verified
from proofrail.proving.blake import blake_program_hash
from proofrail.proving.errors import RefusedProof
from proofrail.proving.felts import same_felts
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.policy import Policy
from proofrail.proving.roots import VARIANT, known_root
from proofrail.proving.statement import Expected, Segment, State, Statement
from proofrail.wire.canonical import felt_hex, parse_felt

NAME = "stwo"
LAYOUT = "all_cairo_stwo"

MAX_PROOF_BYTES = 16 << 20
"""A proof of the largest batch stays below 4 MiB."""

CELLS = {
    "pedersen": 3,
    "range_check": 1,
    "ecdsa": 2,
    "bitwise": 5,
    "ec_op": 7,
    "keccak": 16,
    "poseidon": 6,
    "range_check96": 1,
    "add_mod": 7,
    "mul_mod": 7,
}
"""Cells of memory that one use of a builtin takes."""

_UNPROVEN = ("ecdsa", "keccak")


def verify(proof: bytes, expected: Expected, policy: Policy) -> Verified:
    """Checks that `proof` proves `expected`, well enough for `policy`.

    Raises as `examine`, and RefusedProof `proof-refused` (by the native verifier).
    """
    examined = examine(proof, expected, policy)
    _native(verify_stwo, proof)
    return examined


def examine(proof: bytes, expected: Expected, policy: Policy) -> Verified:
    """All checks but the proof itself, and what it says: it holds only when `verify` says so.

    Raises RefusedProof: `proof-malformed`, `proof-trailing`, `proof-encoding` (another encoding of the same
    content), `proof-structure`, `proof-too-large`, `proof-tables` (another variant or size of the fixed tables),
    `proof-preprocessed-root` (other tables than those), `proof-salt`, `proof-program`, `proof-program-hash`,
    `proof-builtins`, `proof-segments`, `proof-states`, `proof-output`. Raises PolicyError: `policy-…`.
    """
    facts = _facts(proof)
    config = facts["config"]
    parameters = StwoParameters.of(config)
    _check_tables(facts, parameters)
    if config["channel_salt"] != 0:
        raise RefusedProof("proof-salt", "the prover did not start the transcript as agreed")
    statement = _statement(facts)
    policy.check(
        backend=NAME,
        security_bits=parameters.security_bits,
        layout=LAYOUT,
        program_hash=statement.program_hash,
    )
    policy.check_preset(None)  # no registry verifies proofs of stwo's
    parameters.check()
    _check_statement(statement, expected)
    return Verified(
        statement=statement,
        security_bits=parameters.security_bits,
        parameters=published_parameters(parameters, config["lifting_log_size"]),
        identities=statement.identities,
    )


def what_it_states(proof: bytes) -> Expected:
    """The statement that a proof makes of itself, as something to verify it against. Raises RefusedProof for what
    cannot be read; nothing is verified."""
    statement = _statement(_facts(proof))
    return Expected(statement.words, statement.builtins, statement.output)


def published_parameters(parameters: StwoParameters, lifting_log_size: int) -> dict[str, Any]:
    """A Proof's `parameters`."""
    return {
        **vars(parameters),
        "lifting_log_size": lifting_log_size,
        "variant": VARIANT,
        "layout": LAYOUT,
        "preprocessed_root": known_root(parameters.log_blowup, lifting_log_size) or "",
    }


def _facts(proof: bytes) -> dict[str, Any]:
    if len(proof) > MAX_PROOF_BYTES:
        raise RefusedProof("proof-too-large", f"{len(proof)} bytes are more than any proof of ours has")
    facts: dict[str, Any] = json.loads(_native(read_stwo, proof))
    return facts


def _native(work: Callable[[bytes], str], proof: bytes) -> str:
    try:
        return work(proof)
    except NativeError as error:
        code, message = error.args
        raise RefusedProof(code, message) from error


def _check_tables(facts: dict[str, Any], parameters: StwoParameters) -> None:
    lifting = facts["config"]["lifting_log_size"]
    known = known_root(parameters.log_blowup, lifting)
    if facts["variant"] != VARIANT or known is None:
        raise RefusedProof(
            "proof-tables",
            f"fixed tables {facts['variant']} with blow-up 2^{parameters.log_blowup} and size 2^{lifting} "
            "are not in use",
        )
    if facts["preprocessed_root"] != known:
        raise RefusedProof(
            "proof-preprocessed-root",
            f"the proof rests on fixed tables of its own, root {facts['preprocessed_root']}",
            proven=facts["preprocessed_root"],
            expected=known,
        )


def _statement(facts: dict[str, Any]) -> Statement:
    words = tuple(map(parse_felt, facts["program"]))
    own_hash = felt_hex(blake_program_hash(words))
    if own_hash != facts["program_hash_blake"]:
        raise RefusedProof(
            "proof-program-hash",
            f"stwo's hash of the program is {facts['program_hash_blake']}, of its words it is {own_hash}",
        )
    return Statement(
        layout=LAYOUT,
        program_hash_blake=own_hash,
        words=words,
        output=tuple(map(parse_felt, facts["output"])),
        segments=tuple(Segment(**segment) for segment in facts["segments"]),
        initial_state=State(**facts["initial_state"]),
        final_state=State(**facts["final_state"]),
    )


def _check_statement(statement: Statement, expected: Expected) -> None:
    same_felts("proof-program", "program word", statement.words, expected.words)
    if statement.builtins != expected.builtins:
        raise RefusedProof(
            "proof-builtins",
            f"the proof gives the program the builtins {', '.join(statement.builtins)}, "
            f"not {', '.join(expected.builtins)}",
        )
    _check_states(statement)
    _check_segments(statement)
    same_felts("proof-output", "output word", statement.output, expected.output)


def _check_states(statement: Statement) -> None:
    initial, final = statement.initial_state, statement.final_state
    # The program lies at 1, then the two cells of the first call frame.
    execution = len(statement.words) + 3
    expected_initial = State(pc=1, ap=execution, fp=execution)
    if initial != expected_initial or final.pc != 5 or final.fp != execution or final.ap < execution:
        raise RefusedProof("proof-states", f"the run went from {initial} to {final}")


def _check_segments(statement: Statement) -> None:
    """Segments follow one another from the end of the execution, hold whole uses, and the unproven are
    empty."""
    reached = statement.final_state.ap
    for segment in statement.segments:
        size = segment.end - segment.begin
        whole = size >= 0 and size % CELLS.get(segment.builtin, 1) == 0
        unproven = segment.builtin in _UNPROVEN and size > 0
        if segment.begin < reached or not whole or unproven:
            raise RefusedProof(
                "proof-segments",
                f"the segment of {segment.builtin} is {segment.begin} to {segment.end}, after {reached}",
            )
        reached = segment.end
    output = statement.segments[0]
    if output.end - output.begin != len(statement.output):
        raise RefusedProof("proof-segments", "the output segment has another length than the output")
