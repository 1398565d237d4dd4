"""Identities of programs, outputs and facts, against published values."""

from __future__ import annotations

import pytest

from proofrail.proving.identities import fact_hash, of, output_hash, program_hash
from proofrail.proving.statement import output_sha256

# Reference on Cairo and Stone, section 12: (output, program_hash, output_hash, fact_hash).
VECTORS = [
    (
        [10, 144],
        0x7AC5582E353F8750487838481A46B5429EF84B2F18F909AAAB9388F1FE0A28B,
        0x60CBF4532B874A9A19557A55B45663831F71E21438525174B82842A1FAB0EC4,
        0x32FC402A33E11316A8BE5FBC6094E388BF2804969753715BCBC9B783B1E1156,
    ),
    (
        [35, 39],
        0x1217D658720C5EA81262FE6CA399227A8DDC764A56B1E113B5B8957F1FF9708,
        0xE11240CD5D96708905BFFE4D2DEA306A9CCCCB80320D6D1F78B22D469998AF,
        0x2F12D1D16FF2312ACB5546B9CACDD4F865F3877FFFDED404234CF1EE3FA3A5C,
    ),
]


@pytest.mark.parametrize(("output", "program", "expected_output", "expected_fact"), VECTORS)
def test_published_values(output: list[int], program: int, expected_output: int, expected_fact: int) -> None:
    """The hashes equal those of runs that others published."""
    assert expected_output == output_hash(output)
    assert expected_fact == fact_hash(program, expected_output)


def test_identities_fit_together() -> None:
    """The three members of a Proof's identities belong to the same program and output."""
    words, output = [0x480680017FFF8000, 1, 0x208B7FFF7FFF7FFE], [7]
    assert {
        "program_hash": hex(program_hash(words)),
        "output_hash": hex(output_hash(output)),
        "fact_hash": hex(fact_hash(program_hash(words), output_hash(output))),
    } == of(words, output)


def test_the_output_digest_is_that_of_trace_end() -> None:
    """SHA-256 of the canonical array of felts, worked out by hand for one output."""
    import hashlib

    assert hashlib.sha256(b'["0x0","0xff"]').hexdigest() == output_sha256([0, 255])
