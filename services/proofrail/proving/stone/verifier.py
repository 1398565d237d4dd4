"""Checks a Stone proof: first all that Stone's verifier does not look at, then with that verifier.

Stone's verifier accepts any security and any program, and bytes behind the end of the proof. Its own end is
found by asking it: a proof that still holds without its last byte, or without its last 32 (the unit in which the
Poseidon channel reads), did not end where it should.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from proofrail.proving.backend import Verified
from proofrail.proving.errors import RefusedProof
from proofrail.proving.felts import same_felts
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, Statement
from proofrail.proving.stone import programs
from proofrail.proving.stone.proof import StoneProof, public_memory
from proofrail.wire.canonical import felt_hex, parse_felt
from proofrail.wire.errors import TransientError

NAME: Final = "stone"
MAX_PROOF_BYTES: Final = 16 << 20
_SECONDS: Final = 120
_UNITS: Final = (1, 32)
"""Bytes without which a proof must no longer hold."""


def verify(proof: bytes, expected: Expected, policy: Policy) -> Verified:
    """Checks that `proof`, in canonical form, proves `expected`, well enough for `policy`.

    Raises RefusedProof: `proof-malformed`, `proof-too-large`, `proof-public-memory`, `proof-segments`,
    `proof-program`, `proof-builtins`, `proof-states`, `proof-output`, `proof-refused` (by Stone's verifier),
    `proof-trailing`. Raises PolicyError `policy-…`, `parameters-…`; TransientError `verifier-missing`,
    `verifier-broken`, after everything that needs no verifier.
    """
    read = read_proof(proof)
    statement = read.statement
    security = read.parameters.security_bits
    policy.check(
        backend=NAME,
        security_bits=security,
        layout=read.layout.name,
        program_hash=statement.program_hash,
    )
    _check_statement(read, statement, expected)
    _check_with_stone(read)
    return Verified(
        statement=statement,
        security_bits=security,
        parameters=published_parameters(read),
        identities=statement.identities,
    )


def read_proof(proof: bytes) -> StoneProof:
    """The proof, with parameters that fit its run. Raises RefusedProof, PolicyError."""
    if len(proof) > MAX_PROOF_BYTES:
        raise RefusedProof("proof-too-large", f"{len(proof)} bytes are more than any proof of ours has")
    read = StoneProof.read(proof)
    read.parameters.check(read.log_n_steps)
    return read


def what_it_states(proof: bytes) -> Expected:
    """The statement that a proof makes of itself, as something to verify it against: the builtins of its program
    are those that the program's first cells name."""
    read = read_proof(proof)
    statement = read.statement
    return Expected(statement.words, _builtins(read), statement.output)


def published_parameters(read: StoneProof) -> dict[str, Any]:
    """A Proof's `parameters`: Stone's own, the layout and the number of steps."""
    return {
        **read.parameters.to_json(),
        "layout": read.layout.name,
        "n_steps": read.public_input["n_steps"],
    }


def _check_statement(read: StoneProof, statement: Statement, expected: Expected) -> None:
    same_felts("proof-program", "program word", statement.words, expected.words)
    unknown = [name for name in expected.builtins if name not in read.layout.builtins]
    if unknown:
        raise RefusedProof("proof-builtins", f"layout {read.layout.name} has no builtin {unknown[0]}")
    initial, final = statement.initial_state, statement.final_state
    if initial.pc != 1 or final.pc != 5 or initial.ap != len(statement.words) + 3 or final.ap < initial.ap:
        raise RefusedProof("proof-states", f"the run went from {initial} to {final}")
    for segment in statement.segments:
        if segment.builtin not in expected.builtins and segment.begin != segment.end:
            raise RefusedProof(
                "proof-segments", f"the program has no {segment.builtin}, yet its segment holds something"
            )
    same_felts("proof-output", "output word", statement.output, expected.output)
    cells = [
        (cell["address"], parse_felt(cell["value"]), cell["page"])
        for cell in read.public_input["public_memory"]
    ]
    wanted = [(address, value, 0) for address, value in public_memory(statement, expected.builtins)]
    for index, (found, due) in enumerate(zip(cells, wanted, strict=False)):
        if found != due:
            raise RefusedProof(
                "proof-public-memory",
                f"cell {index} of the public memory is {felt_hex(found[1])} at {found[0]}, "
                f"{felt_hex(due[1])} at {due[0]} was expected",
                index=index,
            )
    if len(cells) != len(wanted):
        raise RefusedProof(
            "proof-public-memory", f"the public memory has {len(cells)} cells, {len(wanted)} were expected"
        )


def _builtins(read: StoneProof) -> tuple[str, ...]:
    """The program's second word says how many builtins main takes; in a run they lie in the layout's order, and
    main's own are those whose first pointer is on the stack."""
    words = read.statement.words
    count = words[1] if len(words) > 1 else 0
    begin = read.statement.initial_state.ap
    by_address = {cell["address"]: cell["value"] for cell in read.public_input["public_memory"]}
    found, names = [], iter(read.statement.segments)
    for index in range(min(count, len(read.layout.builtins))):
        pointer = by_address.get(begin + index)
        match = next((segment for segment in names if felt_hex(segment.begin) == pointer), None)
        if match is None:
            raise RefusedProof("proof-builtins", f"pointer {index} of main is the start of no builtin")
        found.append(match.builtin)
    return tuple(found)


def _check_with_stone(read: StoneProof) -> None:
    program = programs.required(programs.VERIFIER)
    with tempfile.TemporaryDirectory(prefix="proofrail-verify-") as folder:
        path = Path(folder) / "proof.json"
        accepted, said = _ask(program, path, read.data)
        if not accepted:
            raise RefusedProof("proof-refused", f"Stone's verifier refuses the proof: {said}")
        for unit in _UNITS:
            if read.length > unit and _ask(program, path, read.shortened(unit))[0]:
                raise RefusedProof("proof-trailing", "the proof goes on behind its end")


def _ask(program: Path, path: Path, proof: bytes) -> tuple[bool, str]:
    path.write_bytes(proof)
    try:
        ended = subprocess.run(  # noqa: S603 -- the program is the operator's choice
            [str(program), "--in_file", str(path)], capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TransientError("verifier-broken", f"Stone's verifier gave no answer: {error}") from error
    if ended.returncode == 0:
        return True, ""
    text = ended.stderr.decode("utf-8", errors="replace").strip().splitlines()
    if ended.returncode in (1, -11):
        return False, text[-1][:300] if text else f"status {ended.returncode}"
    raise TransientError(
        "verifier-broken",
        f"Stone's verifier ended with status {ended.returncode}: {text[-1][:300] if text else 'no word'}",
    )
