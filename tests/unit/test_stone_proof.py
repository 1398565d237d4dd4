"""Stone proofs: what is refused before Stone's verifier is asked, and what it is asked.

Proofs are the golden ones of tests/data/stone. Tests that need the external verifier are marked `stone`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from stone_goldens import (
    GOLDEN,
    POLICY,
    POSEIDON,
    SMALLEST,
    WEAK_POLICY,
    altered,
    execution,
    expected,
    needs_stone,
    program,
    proof,
)

from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.proving.stone import programs, verifier
from proofrail.proving.stone.ask import ask
from proofrail.proving.stone.backend import StoneBackend
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stone.transcript import work_at
from proofrail.wire.canonical import sha256_hex
from proofrail.wire.errors import TransientError


def _cell(obj: dict[str, Any], index: int) -> dict[str, Any]:
    cell: dict[str, Any] = obj["public_input"]["public_memory"][index]
    return cell


def _code(data: bytes, what: Expected | None = None, policy: Policy = POLICY) -> str:
    with pytest.raises((RefusedProof, PolicyError)) as refused:
        verifier.verify(data, what or expected(), policy)
    return refused.value.code


@pytest.mark.parametrize("name", GOLDEN)
def test_a_golden_proof_is_about_the_run_made_again(name: str):
    """Public input, statement, digest and hashes of each proof are those of our own VM's run, today as when it was
    made."""
    golden, read = GOLDEN[name], StoneProof.read(proof(name))
    made = execution(name)
    assert json.loads(made.public_input()) == read.public_input
    assert golden["digest"] == sha256_hex(proof(name))
    assert replace(expected(name), traced=None) == verifier.what_it_states(proof(name))
    examined = verifier.examine(proof(name), expected(name), POLICY)
    statement = examined.statement
    assert golden["program_hash"] == statement.program_hash == program(golden["program"]).method_id
    assert golden["fact_hash"] == examined.identities["fact_hash"]
    assert tuple(made.output) == statement.output
    assert (golden["layout"], golden["n_steps"]) == (statement.layout, statement.n_steps)
    assert golden["security_bits"] == examined.security_bits
    assert json.loads(proof(name))["proof_parameters"] == read.parameters.to_json()
    assert proof(name) == StoneProof.canonical_form(proof(name))


def _set(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    *parts, last = path.split("/")

    def change(obj: dict[str, Any]) -> None:
        for part in parts:
            obj = obj[part]
        obj[last] = value

    return change


_FRI = "proof_parameters/stark/fri"
_OUTPUT = -1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_set("version", {}), "proof-malformed"),
        (lambda obj: obj.pop("public_input"), "proof-malformed"),
        (lambda obj: obj.update(proof_hex=obj["proof_hex"].upper()), "proof-hex"),
        (lambda obj: obj.update(proof_hex="0x" + obj["proof_hex"][2:].upper()), "proof-hex"),
        (lambda obj: obj.update(proof_hex=obj["proof_hex"] + "0"), "proof-hex"),
        (lambda obj: obj.update(proof_hex="0x"), "proof-hex"),
        (lambda obj: obj.update(proof_hex="0x00"), "proof-short"),
        (_set("public_input/more", 1), "proof-malformed"),
        (_set("public_input/rc_max", 65536), "proof-malformed"),
        (_set("public_input/rc_max", 65534), "proof-range-check"),
        (_set("public_input/rc_min", 65535), "proof-malformed"),
        (_set("public_input/dynamic_params", {}), "proof-malformed"),
        (_set("public_input/layout", "nosuch"), "parameters-layout"),
        (_set("public_input/layout", "recursive"), "parameters-steps"),
        (_set("public_input/layout", "dex"), "proof-layout"),
        (_set("public_input/n_steps", 1024), "parameters-fri"),
        (_set("public_input/n_steps", 511), "parameters-steps"),
        (_set(f"{_FRI}/n_queries", 0), "policy-parameters"),
        (_set(f"{_FRI}/n_queries", 1), "policy-security"),
        (_set(f"{_FRI}/n_queries", "15"), "parameters-malformed"),
        (_set(f"{_FRI}/proof_of_work_bits", 0), "policy-security"),
        (_set(f"{_FRI}/proof_of_work_bits", 60), "policy-parameters"),
        (_set(f"{_FRI}/last_layer_degree_bound", 1), "parameters-fri"),
        (_set(f"{_FRI}/last_layer_degree_bound", 3), "parameters-malformed"),
        (_set(f"{_FRI}/fri_step_list", [0, 4]), "parameters-fri"),
        (_set(f"{_FRI}/more", 1), "parameters-malformed"),
        (_set("proof_parameters/stark/log_n_cosets", 0), "policy-parameters"),
        (_set("proof_parameters/commitment_hash", "keccak256_masked160_msb"), "policy-security"),
        (_set("proof_parameters/commitment_hash", "md5"), "parameters-hash"),
        (_set("proof_parameters/more", 1), "parameters-malformed"),
        (_set("public_input/memory_segments/more", {"begin_addr": 1, "stop_ptr": 1}), "proof-segments"),
        (_set("public_input/memory_segments/output/stop_ptr", 1 << 52), "proof-public-memory"),
        (_set("public_input/memory_segments/output/begin_addr", -1), "proof-segments"),
        (_set("public_input/memory_segments/pedersen/stop_ptr", 1 << 40), "proof-segments"),
        (_set("public_input/memory_segments/ecdsa/begin_addr", 1), "proof-segments"),
        (_set("public_input/memory_segments/execution/begin_addr", 33), "proof-program"),
        (_set("public_input/memory_segments/execution/stop_ptr", 34), "proof-states"),
        (_set("public_input/memory_segments/program/stop_ptr", 6), "proof-states"),
        (lambda obj: _cell(obj, _OUTPUT).update(value="0x7"), "proof-output"),
        (lambda obj: _cell(obj, _OUTPUT).update(value="0x07"), "proof-felt"),
        (lambda obj: _cell(obj, _OUTPUT).update(value=hex(7 + 2**251 + 17 * 2**192 + 1)), "proof-felt"),
        (lambda obj: _cell(obj, _OUTPUT).update(page=1), "proof-public-memory"),
        (lambda obj: _cell(obj, _OUTPUT).update(more=1), "proof-public-memory"),
        (lambda obj: _cell(obj, 3).update(value="0x7"), "proof-program"),
        (lambda obj: _cell(obj, 31).update(value="0x7"), "proof-public-memory"),
        (lambda obj: obj["public_input"]["public_memory"].reverse(), "proof-memory-order"),
        (lambda obj: obj["public_input"]["public_memory"].pop(), "proof-public-memory"),
        (lambda obj: obj["public_input"]["public_memory"].append(_cell(obj, 0)), "proof-public-memory"),
        (
            lambda obj: obj["public_input"]["public_memory"].append({"address": 999, "page": 0, "value": "0x0"}),
            "proof-public-memory",
        ),
    ],
)  # fmt: skip
def test_what_stone_would_not_look_at_is_refused_without_it(
    change: Callable[[dict[str, Any]], object], code: str, monkeypatch: pytest.MonkeyPatch
):
    """Form, parameters, program, output, run and public memory are ours to check: no verifier is at hand here."""
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", "/nowhere")
    assert code == _code(altered(change))


def test_what_only_a_verifier_can_tell_is_undecided_without_it(monkeypatch: pytest.MonkeyPatch):
    """Another layout with the same segments, where the traced run is not known: never accepted."""
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", "/nowhere")
    with pytest.raises(TransientError) as undecided:
        verifier.verify(altered(_set("public_input/layout", "dex")), replace(expected(), traced=None), POLICY)
    assert "verifier-missing" == undecided.value.code


def test_white_space_is_no_second_spelling_of_a_proof():
    """A proof has one digest: other white space, or another order of members, is another form."""
    obj = json.loads(proof())
    assert "proof-not-canonical" == _code(json.dumps(obj).encode())
    assert proof() == StoneProof.canonical_form(json.dumps(obj, indent=1).encode())


def test_the_provers_own_output_is_stripped_of_its_host():
    """Paths, settings and version of the prover are no part of a proof; any other member is refused."""
    obj = json.loads(proof())
    made = obj | {"private_input": {"trace_path": "x"}, "prover_config": {}, "version": {}}
    assert proof() == StoneProof.canonical_form(json.dumps(made).encode())
    with pytest.raises(RefusedProof):
        StoneProof.canonical_form(json.dumps(made | {"strange": 1}).encode())


def test_a_proof_of_another_run_is_refused():
    """The same program with another input, and another program: output and words tell."""
    fib = expected()
    other = Expected.of(fib.words, fib.builtins, [*fib.output[:-1], fib.output[-1] + 1])
    assert "proof-output" == _code(proof(), other)
    risk = program("risk_engine")
    assert "proof-program" == _code(proof(), Expected.of(risk.words, risk.builtins, fib.output))
    assert "proof-builtins" == _code(proof(), Expected.of(fib.words, ("output", "poseidon"), fib.output))


@pytest.mark.parametrize(("made", "wanted"), [*permutations(["risk1", "risk4", "risk16"], 2)])
def test_a_proof_for_other_allocations_is_refused(made: str, wanted: str):
    """The output names the allocations, so no proof passes for another batch's."""
    assert "proof-output" == _code(proof(made), expected(wanted))


def test_a_proof_of_the_run_in_another_shape_is_refused():
    """Program and output may be equal: the sealed run has one layout and one length."""
    assert execution("fibrec").output == execution("fibrec", "small").output
    assert "proof-layout" == _code(proof("fibrec"), expected("fibrec", "small"))
    longer = replace(expected().traced, n_steps=1024)
    assert "proof-steps" == _code(proof(), replace(expected(), traced=longer))


@pytest.mark.parametrize(
    ("builtin", "cells"),
    [
        ("range_check", 8192 // 8 + 1),
        ("pedersen", 3 * (8192 // 8 + 1)),
        ("pedersen", 3 * 93 + 1),
    ],
)
def test_a_builtin_holds_no_more_uses_than_are_proven(builtin: str, cells: int):
    """Of a run that nobody traced, too: behind the last instance of a builtin memory is bound by nothing."""
    names = program("risk_engine").builtins

    def stretch(obj: dict[str, Any]) -> None:
        segments = obj["public_input"]["memory_segments"]
        segments[builtin]["stop_ptr"] = segments[builtin]["begin_addr"] + cells
        pointer = segments["execution"]["stop_ptr"] - len(names) + names.index(builtin)
        cell = next(one for one in obj["public_input"]["public_memory"] if one["address"] == pointer)
        cell["value"] = hex(segments[builtin]["stop_ptr"])

    stretched = altered(stretch, "risk1")
    assert "proof-segments" == _code(stretched, verifier.what_it_states(stretched))


def _set_work(place: int, digits: str) -> Callable[[dict[str, Any]], object]:
    """Puts hex digits at a byte of the proof of work of POSEIDON."""
    read = StoneProof.read(proof(POSEIDON))
    start = 2 + 2 * (work_at(read.layout, read.parameters) + place)

    def change(obj: dict[str, Any]) -> None:
        obj["proof_hex"] = obj["proof_hex"][:start] + digits + obj["proof_hex"][start + len(digits) :]

    return change


@pytest.mark.parametrize("place", range(24))
def test_a_proof_of_work_is_no_more_than_its_nonce(place: int):
    """Poseidon's channel mixes in 32 bytes where 8 do the work: the others would draw other queries for nothing."""
    assert "proof-nonce" == _code(altered(_set_work(place, "01"), POSEIDON), policy=WEAK_POLICY)


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        (POSEIDON, _set("proof_parameters/commitment_hash", "blake256_masked248_lsb"), "parameters-unbound"),
        (POSEIDON, _set("proof_parameters/commitment_hash", "keccak256"), "parameters-unbound"),
        (SMALLEST, _set("proof_parameters/pow_hash", "blake256"), "parameters-unbound"),
        (SMALLEST, _set("proof_parameters/verifier_friendly_commitment_hash", "poseidon3"), "parameters-unbound"),
        (SMALLEST, _set("proof_parameters/verifier_friendly_commitment_hash", 0), "parameters-malformed"),
        (POSEIDON, _set("proof_parameters/verifier_friendly_commitment_hash", ""), "parameters-malformed"),
        (POSEIDON, _set("proof_parameters/verifier_friendly_commitment_hash", None), "parameters-malformed"),
        (SMALLEST, lambda obj: obj["proof_parameters"].pop("pow_hash"), "parameters-spelling"),
        (SMALLEST, lambda obj: obj["proof_parameters"].pop("channel_hash"), "parameters-spelling"),
        (SMALLEST, lambda obj: obj["proof_parameters"].pop("statement"), "parameters-spelling"),
        (POSEIDON, lambda obj: obj["proof_parameters"].pop("verifier_friendly_commitment_hash"), "parameters-spelling"),
    ],
)  # fmt: skip
def test_parameters_are_spelled_in_one_way(name: str, change: Callable[[dict[str, Any]], object], code: str):
    """What Stone's verifier does not read cannot be chosen: neither a default left out nor a hash of no effect."""
    assert code == _code(altered(change, name), policy=WEAK_POLICY)


@needs_stone
@pytest.mark.stone
@pytest.mark.parametrize("name", GOLDEN)
def test_stone_accepts_the_golden_proofs(name: str):
    """Whatever build of the verifier is at hand."""
    assert 96 == verifier.verify(proof(name), expected(name), POLICY).security_bits


@needs_stone
@pytest.mark.stone
@pytest.mark.parametrize("more", ["00", "ff", "00" * 32, "01" * 32, "00" * 64])
def test_bytes_behind_the_end_of_a_proof_are_refused(more: str):
    """Stone's verifier accepts them; then a proof would have as many digests as one likes."""
    assert "proof-trailing" == _code(altered(lambda obj: obj.update(proof_hex=obj["proof_hex"] + more)))


@needs_stone
@pytest.mark.slow
@pytest.mark.stone
@pytest.mark.parametrize("name", [SMALLEST, POSEIDON])
def test_no_number_of_trailing_bytes_is_overlooked(name: str):
    """1 to 64 bytes and more, with both kinds of channel. Poseidon's takes whole felts only, so there Stone refuses
    the others itself."""
    felts = name == POSEIDON
    for count in (*range(1, 65), 96, 127, 128, 1024):
        longer = altered(lambda obj: obj.update(proof_hex=obj["proof_hex"] + "01" * count), name)  # noqa: B023
        code = "proof-refused" if felts and count % 32 else "proof-trailing"
        assert code == _code(longer, policy=WEAK_POLICY), count


@needs_stone
@pytest.mark.stone
@pytest.mark.parametrize(("place", "works"), [(0, True), (23, True), (24, False), (31, False)])
def test_stone_reads_no_more_than_the_nonce_of_the_work(place: int, works: bool, tmp_path: Path):
    """Why we look at the rest: the work is done whatever stands there, and only other queries, which it draws, fail."""
    path = tmp_path / "altered.json"
    path.write_bytes(altered(_set_work(place, "01"), POSEIDON))
    ended = subprocess.run(
        [programs.required(programs.VERIFIER), "--in_file", path], capture_output=True, text=True, check=False
    )
    assert (1, works) == (ended.returncode, "Wrong proof of work" not in ended.stderr)


@needs_stone
@pytest.mark.stone
def test_stone_accepts_what_its_parameters_do_not_bind():
    """Why we refuse it: with every layer friendly, a commitment hash of any name is accepted."""
    for name in ("blake256_masked248_lsb", "keccak256", "poseidon3"):
        relabelled = altered(_set("proof_parameters/commitment_hash", name), POSEIDON)
        assert ask(programs.required(programs.VERIFIER), relabelled) is None
    assert ask(programs.required(programs.VERIFIER), proof(POSEIDON)) is None


@needs_stone
@pytest.mark.stone
@pytest.mark.parametrize("place", [2, 1000, 50_000, -1])
def test_a_flipped_digit_is_refused_by_stone(place: int):
    """At the beginning, in the middle and at the very end."""

    def flip(obj: dict[str, Any]) -> None:
        digits = list(obj["proof_hex"])
        digits[place] = "0" if digits[place] != "0" else "1"
        obj["proof_hex"] = "".join(digits)

    assert "proof-refused" == _code(altered(flip))


@needs_stone
@pytest.mark.stone
async def test_a_run_is_proven_and_verified():
    """The backend's whole way: VM, files, prover, canonical form, verifier."""
    fibonacci = program("fibonacci")
    backend = StoneBackend()
    backend.preflight()
    made = await backend.prove(fibonacci.compiled, b'{"n": 30}', memory_limit=1 << 30)
    expected = Expected.of(fibonacci.words, fibonacci.builtins, made.output)
    assert 96 == backend.verify(made.proof, expected, POLICY).security_bits
    assert (30, 832_040) == made.output
    assert 0 < made.peak_memory_bytes < 1 << 28


@needs_stone
@pytest.mark.stone
async def test_a_run_too_large_for_the_memory_is_refused_before_a_process_is_spawned():
    """Admission is by the cost model."""
    fibonacci = program("fibonacci")
    with pytest.raises(Exception, match="run-too-large"):
        await StoneBackend().prove(fibonacci.compiled, b'{"n": 30}', memory_limit=1 << 24)


def test_without_the_programs_the_backend_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    """Nothing pretends that there is a prover."""
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", "/nowhere")
    with pytest.raises(TransientError) as missing:
        StoneBackend().preflight()
    assert "prover-missing" == missing.value.code
    assert "PROOFRAIL_STONE_PROVER" in (missing.value.next_step or "")
