"""What a Proof hands to a registrar beyond the proof: written whole, compared as far as it can be told, and no more."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.audit.proof_audit import ProofAuditor
from proofrail.proving.backend import ProofResult, Verified
from proofrail.proving.message import STATED_FIRST, Provenance, claims, proof_message, statement_digest
from proofrail.proving.policy import Policy
from proofrail.proving.registry import Registry, registry_of
from proofrail.proving.statement import Expected, Segment, State, Statement, output_sha256
from proofrail.wire.canonical import canonical, felt_hex, sha256_hex
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.messages import AuditReport, ProvenProgram, parse_message, to_line

WORDS, OUTPUT, RUN, ROOT = (1, 2, 3), (10, 144), "0" * 32, "ab" * 32
BLOB = b"a proof, as far as the verifier below is concerned"
PROGRAM = ProvenProgram(language="cairo0", artifact_sha256="cd" * 32, compiler_version="0.14.0.1")
PRESET = {
    "preset": "small/keccak_160_lsb/stone6/strict",
    "layout": "small",
    "hasher": "keccak_160_lsb",
    "stone_version": "stone6",
    "memory_verification": "strict",
    "config_hash": "0x1",
    "verification_hash": "0x2",
}
NO_PRESET = {"stone_version": "stone6", "no_preset": "preset-channel"}
PARAMETERS = {"layout": "small", "n_steps": 512, "query_bits": 96, "stark": {"log_n_cosets": 4}}


def _statement(output: tuple[int, ...] = OUTPUT) -> Statement:
    return Statement(
        words=WORDS,
        output=output,
        segments=(Segment("output", 20, 20 + len(output)),),
        initial_state=State(1, 6, 6),
        final_state=State(5, 20, 6),
        layout="small",
        n_steps=512,
        public_input_sha256="ef" * 32,
    )


def _verified(registered: dict[str, str] | None = None, output: tuple[int, ...] = OUTPUT) -> Verified:
    statement = _statement(output)
    return Verified(
        statement,
        96,
        PARAMETERS,
        statement.identities | (PRESET if registered is None else registered),
        "cpu_air_verifier stone6 sha256:0123456789abcdef",
    )


class Known:
    """Verifies BLOB."""

    def __init__(self, verified: Verified) -> None:
        self.verified = verified

    def verify(self, proof: bytes, expected: Expected, policy: Policy) -> Verified:
        assert (BLOB, OUTPUT) == (proof, expected.output)
        policy.check(backend="stone", security_bits=self.verified.security_bits)
        return self.verified


def _message(verified: Verified | None = None, *, is_mock: bool = False) -> dict[str, Any]:
    found = verified or _verified()
    result = ProofResult(
        proof=BLOB,
        backend="stone",
        backend_version="cpu_air_prover stone6 sha256:fedcba9876543210",
        security_bits=96,
        parameters=PARAMETERS,
        output=OUTPUT,
        n_steps=300,
        timings={"execute": 1, "prove": 20, "total": 21},
        peak_memory_bytes=1 << 25,
        is_mock=is_mock,
    )
    origin = Provenance(ROOT, 2, PROGRAM, Registry("sepolia", "0x4ce"))
    return proof_message(RUN, result, found, f"sha256:{sha256_hex(BLOB)}", origin).to_object()


def _audit(message: dict[str, Any], verified: Verified | None = None) -> AuditReport:
    auditor = ProofAuditor(
        WORDS,
        ["output"],
        {"stone": Known(verified or _verified())},
        Policy(backends=("stone",)),
        lambda _digest: BLOB,
        PROGRAM,
    )
    return auditor.audit(message, run_id=RUN, output=OUTPUT, root=ROOT)


def _within(message: dict[str, Any], place: str) -> tuple[dict[str, Any], str]:
    *path, name = place.split("/")
    for part in path:
        message = message[part]
    return message, name


def test_all_five_groups_stand_in_the_message() -> None:
    """Identity, statement, preset, payload and evidence, each member with its value."""
    message = _message()
    fact = _statement().identities
    expected = {
        "v": 1,
        "run_id": RUN,
        "root": ROOT,
        "attempt": 2,
        "is_mock": False,
        "backend": "stone",
        "statement/program_hash": fact["program_hash"],
        "statement/output": ["0xa", "0x90"],
        "statement/output_count": 2,
        "statement/output_sha256": output_sha256(OUTPUT),
        "statement/n_steps": 512,
        "statement/public_input_sha256": "ef" * 32,
        "identities/output_hash": fact["output_hash"],
        "identities/fact_hash": fact["fact_hash"],
        "program": PROGRAM.to_object(),
        "parameters": PARAMETERS,
        "security_bits": 96,
        **{f"identities/{name}": value for name, value in PRESET.items()},
        "uri": f"sha256:{sha256_hex(BLOB)}",
        "digest": sha256_hex(BLOB),
        "size": len(BLOB),
        "has_annotations": False,
        "backend_version": "cpu_air_prover stone6 sha256:fedcba9876543210",
        "timings": {"execute": 1, "prove": 20, "total": 21},
        "evidence": {
            "verified": True,
            "verifier": "cpu_air_verifier stone6 sha256:0123456789abcdef",
            "n_steps": 300,
            "peak_memory_bytes": 1 << 25,
            "network": "sepolia",
            "registry": "0x4ce",
        },
    }
    found = {}
    for place in expected:
        inner, name = _within(message, place)
        found[place] = inner[name]
    assert expected == found
    assert message == parse_message(to_line(parse_message(canonical(message)))).to_object()


def test_an_output_too_long_for_a_line_stands_by_count_and_digest() -> None:
    """256 felts are written out, 257 are not."""
    for count, shown in ((256, True), (257, False)):
        statement = claims(_verified(output=tuple(range(count))))["statement"]
        assert shown == ("output" in statement)
        assert count == statement["output_count"]


def test_what_is_not_configured_or_known_is_absent() -> None:
    """No registry, no seal, no verifier's word: nothing is made up, and nothing is null."""
    verified = dataclasses.replace(_verified(NO_PRESET), verifier="")
    result = ProofResult(BLOB, "stone", "x", 96, PARAMETERS, OUTPUT, 300, {"total": 1}, 5)
    message = proof_message(RUN, result, verified, "proof.bin").to_object()
    assert not {"root", "attempt", "program"} & message.keys()
    assert {"verified": True, "n_steps": 300, "peak_memory_bytes": 5} == message["evidence"]
    assert "preset-channel" == message["identities"]["no_preset"]


def test_a_mock_was_verified_by_nobody() -> None:
    """Its evidence does not say otherwise."""
    message = _message(is_mock=True)
    assert (True, False) == (message["is_mock"], message["evidence"]["verified"])


def test_an_honest_message_matches() -> None:
    """And what no proof tells is listed as unchecked."""
    report = _audit(_message())
    assert "MATCH" == report.verdict
    assert ["provenance"] == [part.part for part in report.unchecked]


FIRST = [f"statement/{name}" for name in STATED_FIRST] + [
    f"identities/{name}" for name in ("program_hash", "output_hash", "fact_hash")
]


def test_a_message_of_an_earlier_prover_still_matches() -> None:
    """One that has only what version 1 began with."""
    message = _message()
    for name in ("has_annotations", "root", "attempt", "program", "evidence"):
        del message[name]
    for part in ("statement", "identities"):
        message[part] = {name: value for name, value in message[part].items() if f"{part}/{name}" in FIRST}
    del message["parameters"]["query_bits"]
    assert "MATCH" == _audit(message).verdict


@pytest.mark.parametrize("place", [*FIRST, "parameters/layout", "parameters/stark"])
def test_what_version_1_began_with_must_be_there(place: str) -> None:
    """A message that leaves it out claims something else than its proof."""
    message = _message()
    inner, name = _within(message, place)
    del inner[name]
    assert "MISMATCH" == _audit(message).verdict


LIES = {
    **{f"identities/{name}": "0x3" for name in PRESET},
    "identities/statement_digest": "0" * 64,
    "statement/n_steps": 1024,
    "statement/output": ["0xa", "0x91"],
    "statement/public_input_sha256": "0" * 64,
    "parameters/query_bits": 97,
    "root": "0" * 64,
    "has_annotations": True,
    "program/artifact_sha256": "0" * 64,
    "program/compiler_version": "0.13.0",
    "program/language": "cairo1",
}


@pytest.mark.parametrize("place", LIES)
def test_a_lie_about_what_can_be_told_is_a_mismatch(place: str) -> None:
    """Each member that proof, run or program tell is compared."""
    message = _message()
    inner, name = _within(message, place)
    inner[name] = LIES[place]
    report = _audit(message)
    assert "MISMATCH" == report.verdict
    assert report.first_mismatch is not None
    assert place.split("/")[0] == (report.first_mismatch.member or "").split(".")[0]


@pytest.mark.parametrize("name", PRESET)
def test_a_preset_that_the_proof_does_not_fit_is_a_mismatch(name: str) -> None:
    """None of a preset's members may stand in the message of a proof that fits none."""
    verified = _verified(NO_PRESET)
    message = _message(verified)
    message["identities"][name] = "stone5" if name == "stone_version" else PRESET[name]
    assert "MISMATCH" == _audit(message, verified).verdict


@pytest.mark.parametrize("place", ["new", "evidence/new", "program/new", "statement/new", "identities/new"])
def test_members_of_a_later_version_leave_it_undecided(place: str) -> None:
    """What they mean cannot be judged. (A program with more members is another one.)"""
    message = _message()
    inner, name = _within(message, place)
    inner[name] = "x"
    expected = "MISMATCH" if place == "program/new" else "INDETERMINATE"
    assert expected == _audit(message).verdict


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("attempt", 9),
        ("backend_version", "another"),
        ("timings/total", 1),
        ("evidence/verifier", "another"),
        ("evidence/n_steps", 1),
        ("evidence/network", "mainnet"),
    ],
)
def test_what_nobody_can_tell_decides_nothing(place: str, value: Any) -> None:
    """The prover's word is unchecked, and so is the report on it."""
    message = _message()
    inner, name = _within(message, place)
    inner[name] = value
    report = _audit(message)
    assert ("MATCH", ["provenance"]) == (report.verdict, [part.part for part in report.unchecked])


def test_the_statement_digest_is_as_the_format_says() -> None:
    """Put together by hand from the members of the message."""
    message = _message()
    said = {
        "parameters": {n: v for n, v in message["parameters"].items() if n != "query_bits"},
        "statement": {name: message["statement"][name] for name in STATED_FIRST},
    }
    assert sha256_hex(canonical(said)) == message["identities"]["statement_digest"]


@given(st.lists(st.integers(0, 2**251), max_size=4), st.integers(1, 100))
def test_the_statement_digest_tells_statements_apart(output: list[int], queries: int) -> None:
    """Another output or other parameters have another digest; the same ones, however they came, the same."""
    chosen = tuple(output)
    kinds = [
        (_statement(chosen).to_dict(), {"n_queries": queries}),
        (_statement((*chosen, 1)).to_dict(), {"n_queries": queries}),
        (_statement(chosen).to_dict(), {"n_queries": queries + 1}),
    ]
    digests = [statement_digest(*kind) for kind in kinds]
    assert all(one != other for one, other in itertools.combinations(digests, 2))
    later = {**kinds[0][0], "later": 1, "n_steps": 1}
    assert digests[0] == statement_digest(later, {"query_bits": 5, "n_queries": queries})


def test_registries_come_from_settings() -> None:
    """The address of a known network need not be given; half a registry is none."""
    sepolia = registry_of("sepolia", "")
    assert sepolia is not None
    assert felt_hex(int(sepolia.address, 16)) == sepolia.address
    assert Registry("sepolia", "0x5") == registry_of("sepolia", "0x5")
    assert Registry("devnet", "0x5") == registry_of("devnet", "0x5")
    assert registry_of("", "") is None
    for network, address in (("devnet", ""), ("", "0x5"), ("sepolia", "0X5"), ("sepolia", "five")):
        with pytest.raises(UnusableInputError, match="registry-unknown"):
            registry_of(network, address)
