"""What schemas/neighbours.md tells those who use another library than ours is so."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jsonschema.validators import validator_for

from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, Signer
from proofrail.messaging import groups
from proofrail.wire import schemas, topics
from proofrail.wire.topics import topic_specs

TEXT = (Path(__file__).parents[2] / "schemas" / "neighbours.md").read_text()
_DAY_MS = 24 * 60 * 60 * 1000


def _kept(configs: dict[str, str]) -> str:
    if configs["cleanup.policy"] == "compact":
        return "compacted, for good"
    days = int(configs["retention.ms"]) // _DAY_MS
    return "for good" if days < 0 else f"{days} days"


def test_topics_are_as_the_table_says() -> None:
    """All of them, in their order: key, partitions, retention; the one that never has more than one partition."""
    table = re.findall(
        r"^\| ((?:[a-z]+\.)+v1(?:\.dlq)?) \| (.+?) \| (.+?) \| (.+?) \| \w+ \|$", TEXT, re.MULTILINE
    )
    more = topic_specs(4)
    assert [
        (
            spec.name,
            spec.key,
            f"{spec.partitions}{', always' if more[spec.name].partitions == 1 else ''}",
            _kept(spec.configs),
        )
        for spec in topics.TOPICS.values()
    ] == table


def test_sizes_and_groups_are_as_told() -> None:
    """What a client has to be able to take, and the prefix that the services' groups have."""
    assert (512, 64, 1024) == tuple(
        size // 1024 for size in (topics.MAX_RECORD, topics.MAX_LINE, topics.MAX_MESSAGE_BYTES)
    )
    names = [value for name, value in vars(groups).items() if name.isupper()]
    assert all(value.startswith("proofrail-") for value in names)


def test_a_key_reads_as_told() -> None:
    """Name, hash and base64, of which the first byte is 1 and the rest the Ed25519 key."""
    signer = Signer(AUDITOR_KEY_NAME, Ed25519PrivateKey.generate())
    name, digest, encoded = signer.vkey.split("+", 2)
    assert (AUDITOR_KEY_NAME, 8) == (name, len(digest))
    decoded = base64.b64decode(encoded, validate=True)
    assert (1, 32) == (decoded[0], len(decoded[1:]))


@pytest.mark.parametrize("name", sorted(schemas.json_schemas()))
def test_a_schema_names_itself_and_is_one(name: str) -> None:
    """By its own dialect's schema; the identifier is the page's."""
    schema = schemas.json_schemas()[name]
    validator_for(schema).check_schema(schema)
    assert f"urn:proofrail:v1:{name}" == schema["$id"]


def test_asyncapi_names_every_topic_message_header_and_key() -> None:
    """And nothing that it leads to is missing: references within it, and files beside it."""
    document = schemas.asyncapi()
    files = schemas.rendered()
    assert set(topics.TOPICS) == set(document["channels"])
    for name, channel in document["channels"].items():
        assert topics.TOPICS[name].key in channel["description"]
        for reference in channel["messages"].values():
            message = document["components"]["messages"][reference["$ref"].rpartition("/")[2]]
            assert message["payload"]["$ref"].removeprefix("./") in files
            assert "key" in message["bindings"]["kafka"]
            assert {"$ref": "#/components/schemas/Headers"} == message["headers"]
    headers = document["components"]["schemas"]["Headers"]
    assert {"content-type", "ce_specversion", "ce_type", "ce_id", "ce_source", "traceparent"} == set(
        headers["required"]
    )
