"""Where the row of an attestation stands in what was proven: in the output itself, or under the root that the chain
build outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from proofrail.cairo import risk_rows
from proofrail.cairo.risk_program import MODEL_VERSION, SCHEMA, Row, allocation_felt, decode_output
from proofrail.cairo.row_path import RowPath, check_row_path
from proofrail.client.errors import RefusedAttestation
from proofrail.wire.canonical import parse_felt
from proofrail.wire.messages import Attestation


def row_path(attestation: Attestation) -> RowPath | None:
    """The row that an attestation of a chain-build run stands for, its index and its path, all from what the
    attestation says; None of another run. With it a contract is given the decision; nothing of it is checked here, but
    that felts are felts (MalformedError `malformed-felt`)."""
    chain = attestation.chain
    if chain is None:
        return None
    shares = zip(attestation.risks, attestation.recommended_bps, attestation.proposed_bps, strict=True)
    head = (allocation_felt(attestation.allocation_id), parse_felt(chain.inputs_hash), MODEL_VERSION)
    row = (
        *head,
        attestation.verdict,
        len(attestation.protocols),
        *(number for share in shares for number in share),
    )
    return RowPath(row, chain.index, chain.count, tuple(map(parse_felt, chain.path)))


def check_chain(attestation: Attestation, program_hash: str, output: Sequence[int]) -> None:
    """Refuses an attestation whose `chain` is about another program or root than was proven, or that has one though the
    output holds the rows themselves, or none though it does not. Raises RefusedAttestation `attestation-chain`."""
    chain = attestation.chain
    if holds_rows(output):
        if chain is not None:
            _refuse("it places its row under a root, and the proof's output holds the rows themselves")
        return
    if chain is None:
        _refuse("the proof's output is a root, and it does not say how its row is found under it")
    if chain.program_hash != program_hash:
        _refuse(f"it is about a run of program {chain.program_hash}, and the proof about {program_hash}")
    if risk_rows.output(chain.count, parse_felt(chain.root)) != list(output):
        _refuse("its count and root are not those of the proof's output")


def proven_row(attestation: Attestation, program_hash: str, output: Sequence[int]) -> Row:
    """The row that the proof of `output` decides at the attestation's place. Of the chain build some 25 ms.

    Raises RefusedAttestation `attestation-chain`, `attestation-row`; PoisonError `risk-output-malformed`,
    `row-path-malformed`, `row-path-wrong`; MalformedError `malformed-felt`.
    """
    check_chain(attestation, program_hash, output)
    path = row_path(attestation)
    if path is not None:
        return check_row_path(path, output)
    rows = decode_output(output)
    if attestation.row >= len(rows):
        raise RefusedAttestation(
            "attestation-row",
            f"the proof has {len(rows)} rows, none with the index {attestation.row}",
            _NEXT,
        )
    return rows[attestation.row]


def holds_rows(output: Sequence[int]) -> bool:
    """Whether this output is the first build's, which holds the rows, and not the chain build's, which is a root."""
    return list(output[:1]) == [SCHEMA]


def _refuse(why: str) -> NoReturn:
    raise RefusedAttestation("attestation-chain", f"the attestation does not fit its proof: {why}", _NEXT)


_NEXT = "Do not act on it; the auditor's operator must know"
