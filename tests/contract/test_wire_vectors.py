"""The golden vectors of schemas/vectors: read, never written. They are what other implementations compare
with."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from proofrail.commitment.blocks import Committer, chunk_root, pack, unpack
from proofrail.commitment.checkpoint import verify_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.commitment.runid import inputs_sha256, run_id
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import InvalidProposalError, MalformedError
from proofrail.wire.events import EVENT_TYPES
from proofrail.wire.messages import MESSAGE_TYPES, parse_message, to_line
from proofrail.wire.model import Message, read_as
from proofrail.wire.ndjson import split
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.schemas import IN_FILES
from proofrail.wire.signing import verify_message

VECTORS = Path(__file__).parents[2] / "schemas" / "vectors"
MESSAGES = sorted(path.stem for path in (VECTORS / "messages").glob("*.ndjson"))


def _lines(name: str) -> list[bytes]:
    return split((VECTORS / name).read_bytes())


def _rows(name: str) -> list[dict[str, Any]]:
    return [parse_object(line) for line in _lines(name)]


def _named(name: str) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in _rows(name)]


@pytest.mark.parametrize("row", _named("malformed.ndjson"))
def test_malformed_lines_are_refused_with_their_code(row: dict[str, Any]) -> None:
    """Each line breaks section 2 in one way."""
    with pytest.raises(MalformedError) as refused:
        parse_object(bytes.fromhex(row["line"]))
    assert row["code"] == refused.value.code


@pytest.mark.parametrize("row", _named("canonical.ndjson"))
def test_lines_have_their_canonical_form(row: dict[str, Any]) -> None:
    """Read and written again, a line is the bytes beside it."""
    assert bytes.fromhex(row["canonical"]) == canonical(parse_object(bytes.fromhex(row["line"])))


@pytest.mark.parametrize("row", _named("proposals-valid.ndjson"))
def test_valid_proposals_have_their_normal_form(row: dict[str, Any]) -> None:
    """Normal form and digest of proposals in both forms."""
    proposal = parse_proposal(row["value"].encode())
    assert (row["normal_form"], row["proposal_sha256"]) == (proposal.normal_form(), proposal.digest())


@pytest.mark.parametrize("row", _named("proposals-invalid.ndjson"))
def test_invalid_proposals_are_refused_with_their_code(row: dict[str, Any]) -> None:
    """Code and culprit of every way in which a proposal can be wrong."""
    with pytest.raises(InvalidProposalError) as refused:
        parse_proposal(bytes.fromhex(row["value"]))
    assert (row["code"], row.get("member")) == (refused.value.code, refused.value.context.get("member"))
    assert str(row.get("member", "")) in refused.value.message


def test_every_message_has_examples() -> None:
    """No type without a golden line, no golden line without a type."""
    assert sorted([*EVENT_TYPES, *MESSAGE_TYPES, "AllocationProposal", *IN_FILES]) == MESSAGES


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_written_back_byte_for_byte(name: str) -> None:
    """Each example is canonical, of its type, and survives reading and writing."""
    for line in _lines(f"messages/{name}.ndjson"):
        assert line == canonical(parse_object(line))
        assert name == parse_object(line)["type"]
        written = (
            canonical(parse_proposal(line).normal_form())
            if name == "AllocationProposal"
            else to_line(_parsed(line))
        )
        assert line == written


def _parsed(line: bytes) -> Message:
    obj = parse_object(line)
    return read_as(IN_FILES, obj, "line") if obj["type"] in IN_FILES else parse_message(obj)


@pytest.mark.parametrize("name", ["AuditReport", "Attestation", "EvidenceBundle"])
def test_signed_messages_verify(name: str) -> None:
    """The auditor's signature covers the canonical form without `signature`."""
    (key,) = _rows("auditor-key.ndjson")
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["ed25519_public_key"]))
    for message in _rows(f"messages/{name}.ndjson"):
        assert verify_message(message, public)


def test_an_attestation_names_its_reports_by_digest() -> None:
    """`audit` holds SHA-256 of the reports' canonical forms."""
    reports = {hashlib.sha256(line).hexdigest() for line in _lines("messages/AuditReport.ndjson")}
    for attestation in _rows("messages/Attestation.ndjson"):
        assert set(attestation["audit"].values()) <= reports


def test_an_attestation_places_its_row_under_the_root_of_the_run() -> None:
    """`chain` and the decision beside it are row, path and output of the batch in chain-build.ndjson."""
    (attestation,) = [one for one in _rows("messages/Attestation.ndjson") if "chain" in one]
    place = attestation["chain"]
    batch = _rows("chain-build.ndjson")
    expected = batch[place["index"]]
    shares = zip(*(attestation[name] for name in ("risks", "recommended_bps", "proposed_bps")), strict=True)
    digest = hashlib.sha256(attestation["allocation_id"].encode()).hexdigest()
    row = [int(digest, 16) % 2**248, int(place["inputs_hash"], 16), 0, attestation["verdict"]]
    row += [len(attestation["protocols"]), *(number for share in shares for number in share)]
    assert expected["row"] == [hex(felt) for felt in row]
    assert expected["output"] == ["0x2", hex(place["count"]), place["root"]]
    assert (expected["path"], len(batch)) == (place["path"], place["count"])


def _committed(events: list[dict[str, Any]], seal: dict[str, Any]) -> list[dict[str, Any]]:
    committer = Committer(seal["run_id"], seal["bits"], seal["block_items"])
    blocks = [committer.append(item_bytes(event)) for event in events]
    last, found = committer.finish()
    return [message for message in (*blocks, last, found) if message is not None]


def _commitments(name: str) -> list[list[dict[str, Any]]]:
    commitments: list[list[dict[str, Any]]] = [[]]
    for message in _rows(name):
        commitments[-1].append(message)
        if message["type"] == "CommitmentSeal":
            commitments.append([])
    return [commitment for commitment in commitments if commitment]


def test_the_small_run_is_committed_to_as_written() -> None:
    """Blocks and seal over the events of the example run."""
    (expected,) = _commitments("commitment/run-expected.ndjson")
    assert expected == _committed(_rows("commitment/run.ndjson"), expected[-1])


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param(c, id=f"{c[-1]['items']} items, B={c[-1]['bits']}, N={c[-1]['block_items']}")
        for c in _commitments("commitment/any-expected.ndjson")
    ],
)
def test_any_objects_are_committed_to_as_written(expected: list[dict[str, Any]]) -> None:
    """Blocks and seal over arbitrary objects, in several widths and block sizes."""
    events = _rows("commitment/any.ndjson") if expected[-1]["items"] else []
    assert expected == _committed(events, expected[-1])


def test_values_are_packed_as_written() -> None:
    """The bit order of a block, for widths that fit bytes and widths that do not."""
    for row in _rows("commitment/packing.ndjson"):
        values = [int(value, 16) for value in row["values"]]
        assert row["packed"] == pack(values, row["bits"]).hex()
        assert values == unpack(bytes.fromhex(row["packed"]), row["bits"], len(values))


def test_chunks_have_their_roots() -> None:
    """The root of step and memory blocks."""
    for row in _rows("commitment/chunks.ndjson"):
        assert row["root"] == chunk_root(bytes.fromhex(row["data"]), row["chunk_size"]).hex()


def test_the_run_has_its_id() -> None:
    """inputs_sha256 and run_id of the example run."""
    for row in _rows("run-id.ndjson"):
        digest = inputs_sha256(canonical(each) for each in row["inputs"])
        assert row["inputs_sha256"] == digest
        assert row["run_id"] == run_id(
            artifact_sha256=row["artifact_sha256"],
            method_id=row["method_id"],
            layout=row["layout"],
            spans=row["spans"],
            inputs_sha256=digest,
            bits=row["bits"],
            block_items=row["block_items"],
        )


def test_spans_of_the_small_run_have_their_ids() -> None:
    """span_id is derived from run_id and the seq of the Start."""
    for event in _rows("commitment/run.ndjson"):
        if event["type"] in ("SequenceStart", "TileStart"):
            text = f"proofrail/span/v1\n{event['run_id']}:{event['seq']}"
            assert hashlib.sha256(text.encode()).hexdigest()[:16] == event["span_id"]


def test_the_checkpoint_verifies() -> None:
    """The note of the example run, and the one in its seal."""
    (row,) = _rows("checkpoint.ndjson")
    checkpoint = verify_checkpoint(row["note"], [row["vkey"]])
    assert (f"proofrail/{row['run_id']}", row["size"], row["root"]) == (
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root.hex(),
    )
    seal = _rows("messages/CommitmentSeal.ndjson")[-1]
    assert (row["note"], row["size"], row["root"]) == (seal["checkpoint"], seal["items"], seal["root"])
