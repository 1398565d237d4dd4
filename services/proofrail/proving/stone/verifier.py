"""Checks a Stone proof: first all that Stone's verifier does not look at, then with that verifier.

Stone's verifier accepts any security and any program, and bytes behind the end of the proof. Its own end is
found by asking it: it reads a proof from its beginning and no further than its end, so a proof that still holds
without its last byte goes on behind it. The Poseidon channel takes whole felts only: there it is the last 32 bytes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from proofrail.proving.backend import Verified
from proofrail.proving.errors import RefusedProof
from proofrail.proving.felts import same_felts
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, Statement, TracedRun
from proofrail.proving.stone import presets, programs
from proofrail.proving.stone.ask import ask
from proofrail.proving.stone.programs import Installed
from proofrail.proving.stone.proof import StoneProof, public_memory
from proofrail.proving.stone.transcript import WORD
from proofrail.proving.stone.uses import check_uses
from proofrail.proving.stone.version import verifier_version
from proofrail.wire.canonical import felt_hex, parse_felt

NAME: Final = "stone"
MAX_PROOF_BYTES: Final = 16 << 20


def verify(proof: bytes, expected: Expected, policy: Policy) -> Verified:
    """Checks that `proof`, in canonical form, proves `expected`, well enough for `policy`.

    Raises as `examine`, and RefusedProof `proof-refused` (by Stone's verifier), `proof-trailing`; TransientError as
    `proofrail.proving.stone.version.verifier_version`, after everything that needs no verifier.
    """
    read = read_proof(proof)
    examined = _examined(read, expected, policy)
    program = programs.required(programs.VERIFIER)
    # A program of no known version has no verdict that counts.
    version = verifier_version(program)
    _check_with_stone(read, program, version)
    registered = presets.members(read, version)
    policy.check_preset(registered.get("preset"))
    return replace(
        examined,
        identities=examined.identities | registered,
        verifier=Installed.at(programs.VERIFIER, program).described(version),
    )


def examine(proof: bytes, expected: Expected, policy: Policy) -> Verified:
    """All checks that need no verifier, and what the proof says of itself: it holds only when `verify` says so.

    Raises RefusedProof: `proof-malformed`, `proof-not-canonical`, `proof-hex`, `proof-felt`, `proof-short`,
    `proof-nonce`, `proof-too-large`, `proof-program`, `proof-layout`, `proof-builtins`, `proof-output`,
    `proof-steps`, `proof-range-check`, `proof-states`, `proof-segments`, `proof-memory-order`,
    `proof-public-memory`. Raises PolicyError `policy-…`, `parameters-…`, `preset-…`.
    """
    return _examined(read_proof(proof), expected, policy)


def _examined(read: StoneProof, expected: Expected, policy: Policy) -> Verified:
    statement = read.statement
    security = read.parameters.security_bits
    policy.check(
        backend=NAME,
        security_bits=security,
        layout=read.layout.name,
        program_hash=statement.program_hash,
    )
    if policy.presets is not None:
        presets.check_allowed(read.parameters, read.public_input, policy.presets)
    _check_statement(read, statement, expected)
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
    return StoneProof.read(proof)


def what_it_states(proof: bytes) -> Expected:
    """The statement that a proof makes of itself, as something to verify it against: the builtins of its program
    are those that the program's first cells name."""
    read = read_proof(proof)
    statement = read.statement
    return Expected(statement.words, _builtins(read), statement.output)


def published_parameters(read: StoneProof) -> dict[str, Any]:
    """A Proof's `parameters`: Stone's own, the layout, the number of steps, and as `query_bits` the security as the
    registry counts it, without the hashes' cap."""
    return {
        **read.parameters.to_json(),
        "layout": read.layout.name,
        "n_steps": read.public_input["n_steps"],
        "query_bits": read.parameters.query_bits,
    }


def _check_statement(read: StoneProof, statement: Statement, expected: Expected) -> None:
    traced = expected.traced
    same_felts("proof-program", "program word", statement.words, expected.words)
    if traced is not None and statement.layout != traced.layout:
        raise RefusedProof(
            "proof-layout",
            f"the proof is of a run in layout {statement.layout}, the traced run is in {traced.layout}",
            proven=statement.layout,
            expected=traced.layout,
        )
    unknown = [name for name in expected.builtins if name not in read.layout.builtins]
    if unknown:
        raise RefusedProof("proof-builtins", f"layout {read.layout.name} has no builtin {unknown[0]}")
    same_felts("proof-output", "output word", statement.output, expected.output)
    if traced is not None:
        _check_run(read, statement, traced)
    initial, final = statement.initial_state, statement.final_state
    if initial.pc != 1 or final.pc != 5 or initial.ap != len(statement.words) + 3 or final.ap < initial.ap:
        raise RefusedProof("proof-states", f"the run went from {initial} to {final}")
    for segment in statement.segments:
        if segment.builtin not in expected.builtins and segment.begin != segment.end:
            raise RefusedProof(
                "proof-segments", f"the program has no {segment.builtin}, yet its segment holds something"
            )
    check_uses(statement)
    _check_memory(read, statement, expected)


def _check_run(read: StoneProof, statement: Statement, traced: TracedRun) -> None:
    """What Stone proves is the traced run itself, so nothing may differ."""
    if statement.n_steps != traced.n_steps:
        raise RefusedProof(
            "proof-steps",
            f"the proof is of a run of {statement.n_steps} steps, the traced run has {traced.n_steps}",
            proven=statement.n_steps or 0,
            expected=traced.n_steps,
        )
    if statement.rc_bounds != traced.rc_bounds:
        raise RefusedProof(
            "proof-range-check",
            f"range-checked values go from {read.public_input['rc_min']} to {read.public_input['rc_max']} in the "
            f"proof, from {traced.rc_bounds[0]} to {traced.rc_bounds[1]} in the traced run",
        )
    found = {segment.builtin: segment for segment in read.segments}
    for due in sorted(traced.segments, key=lambda segment: segment.begin):
        segment = found.pop(due.builtin, None)
        if segment != due:
            # These two hold the first and the last values of pc, ap and fp.
            code = "proof-states" if due.builtin in ("program", "execution") else "proof-segments"
            shown = "missing" if segment is None else f"{segment.begin} to {segment.end}"
            raise RefusedProof(
                code,
                f"the segment {due.builtin} is {shown} in the proof, {due.begin} to {due.end} in the traced run",
            )
    for name in found:
        raise RefusedProof("proof-segments", f"the traced run has no segment {name}")


def _check_memory(read: StoneProof, statement: Statement, expected: Expected) -> None:
    cells = [
        (cell["address"], parse_felt(cell["value"]), cell["page"])
        for cell in read.public_input["public_memory"]
    ]
    wanted = [(address, value, 0) for address, value in public_memory(statement, expected.builtins)]
    if cells != wanted and sorted(cells) == sorted(wanted):
        raise RefusedProof("proof-memory-order", "the cells of the public memory stand in another order")
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


def _check_with_stone(read: StoneProof, program: Path, version: str) -> None:
    unit = WORD if read.parameters.hashes.channel == "poseidon3" else 1
    # Each takes the verifier a good part of a second, and nothing of the other.
    with ThreadPoolExecutor(1) as beside:
        shorter = beside.submit(ask, program, read.shortened(unit))
        said = ask(program, read.data)
    if said is not None:
        raise RefusedProof(
            "proof-refused",
            f"Stone's verifier refuses the proof: {said}",
            f"It is of {version}: if another version of Stone made the proof, ask that version's.",
        )
    if shorter.result() is None:
        raise RefusedProof("proof-trailing", "the proof goes on behind its end")
