"""A golden stwo proof: what it states, each way to say another thing of it, and its bytes altered in every part."""

from __future__ import annotations

import bz2
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from stone_goldens import CHECKOUT, execution, expected, program

from proofrail._native import read_stwo
from proofrail.proving import verifier
from proofrail.proving.blake import blake_program_hash
from proofrail.proving.errors import PolicyError, RefusedProof
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected
from proofrail.wire.canonical import sha256_hex

DATA = CHECKOUT / "tests" / "data" / "stwo"
GOLDEN: dict[str, Any] = json.loads((DATA / "MANIFEST.json").read_text())
RUN = GOLDEN["run"]
POLICY = Policy(min_security_bits=20)
WORD = 4 + 32
"""Bytes of a word of the program or the output: its identifier in memory, then its value."""
LENGTH = 8
PRIME_31 = (1 << 31) - 1


@cache
def _proof() -> bytes:
    return gzip.decompress((DATA / "risk1.bin.gz").read_bytes())


@cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(read_stwo(_proof()))
    return facts


def _code(proof: bytes, what: Expected | None = None, policy: Policy = POLICY) -> str | None:
    try:
        verifier.verify(proof, what or expected(RUN), policy)
    except (RefusedProof, PolicyError) as error:
        return error.code
    return None


def _with(at: int, put: bytes) -> bytes:
    return _proof()[:at] + put + _proof()[at + len(put) :]


def _program_at() -> int:
    """The program's first word, behind its number of words."""
    return LENGTH


def _output_at() -> int:
    """The first word of the output: the words of the program are followed by the segments' bounds."""
    value = int(_facts()["output"][0], 16).to_bytes(32, "little")
    second = int(_facts()["output"][1], 16).to_bytes(32, "little")
    start = _program_at() + WORD * len(_facts()["program"])
    found = [
        at
        for at in range(start, start + 2000)
        if _proof()[at + 4 : at + WORD] == value and _proof()[at + WORD + 4 : at + 2 * WORD] == second
    ]
    assert 1 == len(found)
    return found[0]


def test_the_golden_proof_is_about_the_run_made_again():
    """Digest, statement, both program hashes, fact, parameters and security, against our own VM and hashes."""
    assert GOLDEN["digest"] == sha256_hex(_proof())
    verified = verifier.verify(_proof(), expected(RUN), POLICY)
    statement = verified.statement
    assert GOLDEN["program_hash"] == statement.program_hash == program("risk_engine").method_id
    assert (
        GOLDEN["program_hash_blake"]
        == statement.program_hash_blake
        == statement.to_dict()["program_hash_blake"]
    )
    assert GOLDEN["fact_hash"] == verified.identities["fact_hash"]
    assert tuple(execution(RUN).output) == statement.output
    assert GOLDEN["parameters"] == verified.parameters
    assert (20, 20) == (GOLDEN["security_bits"], verified.security_bits)
    assert expected(RUN).words == verifier.what_it_states(_proof()).words


def test_stwos_program_hash_is_the_librarys():
    """Computed here and by the library, for the golden proof and for the library's own test vector."""
    ours = blake_program_hash([int(word, 16) for word in _facts()["program"]])
    assert _facts()["program_hash_blake"] == hex(ours)
    vector = [0x90ABCDEF_12345678, 0x34567890_ABCDEF12]
    assert 115645365096977585374207223166120623839439046970571781411593222716768222992 == blake_program_hash(
        vector
    )


ALTERED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a byte behind its end": (lambda: _proof() + b"\0", "proof-trailing"),
    "a felt behind its end": (lambda: _proof() + bytes(32), "proof-trailing"),
    "itself behind its end": (lambda: _proof() * 2, "proof-trailing"),
    "a byte before it": (lambda: b"\0" + _proof(), "proof-malformed"),
    "the last byte missing": (lambda: _proof()[:-1], "proof-malformed"),
    "half of it missing": (lambda: _proof()[: len(_proof()) // 2], "proof-malformed"),
    "nothing": (lambda: b"", "proof-malformed"),
    "compressed": (lambda: gzip.compress(_proof()), "proof-malformed"),
    "compressed as the library does": (lambda: bz2.compress(_proof()), "proof-malformed"),
    "an identifier plus the field's order": (
        lambda: _with(
            _program_at(), (int.from_bytes(_proof()[8:12], "little") + PRIME_31).to_bytes(4, "little")
        ),
        "proof-encoding",
    ),
    "a program word plus P": (
        lambda: _with(
            _program_at() + 4,
            (int(_facts()["program"][0], 16) + (1 << 251) + 17 * (1 << 192) + 1).to_bytes(32, "little"),
        ),
        "proof-encoding",
    ),
    "another program word": (lambda: _with(_program_at() + 4, b"\1"), "proof-program"),
    "another output word": (lambda: _with(_output_at() + 4, b"\2"), "proof-output"),
    "another root of the fixed tables": (
        lambda: _proof().replace(bytes.fromhex(GOLDEN["parameters"]["preprocessed_root"]), bytes(32)),
        "proof-preprocessed-root",
    ),
}


@pytest.mark.parametrize("how", ALTERED)
def test_each_way_to_alter_a_proof_has_a_code(how: str):
    """What is wrong is told before the proof is verified, by its own code."""
    alter, code = ALTERED[how]
    assert code == _code(alter())


def test_each_claim_about_the_proof_that_is_not_so_has_a_code():
    """Another program, other allocations, other builtins, more security than it has."""
    own = expected(RUN)
    assert "proof-program" == _code(_proof(), expected("fib512"))
    assert "proof-program" == _code(_proof(), replace(own, words=own.words[:-1]))
    assert "proof-output" == _code(_proof(), expected("risk4"))
    assert "proof-builtins" == _code(_proof(), replace(own, builtins=(*own.builtins, "bitwise")))
    assert "policy-security" == _code(_proof(), policy=Policy())
    assert "policy-backend" == _code(_proof(), policy=Policy(backends=("stone",)))


def _flipped(count: int) -> Iterator[tuple[int, bytes]]:
    """One bit in each of `count` stretches of equal length, and in each byte of the last 64 and of what lies between
    the words and the commitments: numbers, of which the whole depends."""
    dice = random.Random(count)  # noqa: S311 -- a fixed choice of bits
    size = len(_proof())
    root = _proof().index(bytes.fromhex(GOLDEN["parameters"]["preprocessed_root"]))
    between = range(_program_at() + WORD * len(_facts()["program"]), root)
    places = [dice.randrange(size * at // count, size * (at + 1) // count) for at in range(count)]
    numbers = [*between, *range(size - 64, size)]
    for place in [*places, *dice.sample(numbers, min(count, len(numbers)))]:
        yield place, _with(place, bytes([_proof()[place] ^ 1 << dice.randrange(8)]))


def test_a_flipped_bit_anywhere_is_refused():
    """A sample over all parts of the proof."""
    for place, altered in _flipped(60):
        assert _code(altered) is not None, place


@pytest.mark.slow
def test_thousands_of_flipped_bits_are_refused():
    """A larger sample, with every number between words and commitments, and at the end."""
    for place, altered in _flipped(1500):
        assert _code(altered) is not None, place


def _longer() -> Iterator[tuple[int, bytes]]:
    """The proof with an element more, or less, in each list: wherever 8 bytes may be a length, with elements of any
    size that there is."""
    for at in range(len(_proof()) - LENGTH):
        length = int.from_bytes(_proof()[at : at + LENGTH], "little")
        if not 1 <= length <= 5000:
            continue
        for size in (4, 8, 16, 24, 32, WORD):
            first = at + LENGTH
            more = (length + 1).to_bytes(LENGTH, "little")
            less = (length - 1).to_bytes(LENGTH, "little")
            yield at, _proof()[:at] + more + bytes(size) + _proof()[first:]
            yield at, _proof()[:at] + less + _proof()[first + size :]
            end = first + size * length
            if end <= len(_proof()):
                yield at, _proof()[:at] + more + _proof()[first:end] + bytes(size) + _proof()[end:]


ONE_SAMPLE_AT = 64035
"""Where the golden proof says that a column of its has one value at the point out of domain."""
_IN_A_PROCESS = """
import sys
from proofrail._native import NativeError, verify_stwo
try:
    verify_stwo(sys.stdin.buffer.read())
except NativeError as error:
    print(error.args[0])
"""


def test_a_sample_too_many_does_not_end_the_process():
    """The library asserts it in the middle of what asserts again when it is dropped: no verdict, and no auditor."""
    one, two = ((count).to_bytes(LENGTH, "little") for count in (1, 2))
    first = ONE_SAMPLE_AT + LENGTH
    assert one == _proof()[ONE_SAMPLE_AT:first]
    altered = _with(ONE_SAMPLE_AT, two)[:first] + bytes(16) + _proof()[first:]
    ended = subprocess.run(
        [sys.executable, "-c", _IN_A_PROCESS], input=altered, capture_output=True, check=False
    )
    assert (0, b"proof-structure\n") == (ended.returncode, ended.stdout), ended.stderr


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_no_list_in_a_proof_can_be_longer_or_shorter():
    """Nothing is read that is not checked: no witness or value too many is overlooked."""
    read = 0
    for at, altered in _longer():
        code = _code(altered)
        assert code is not None, at
        read += code not in ("proof-malformed", "proof-trailing")
    assert read > 50, "too few of the alterations were proofs at all"
