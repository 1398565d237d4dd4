"""The generated files of schemas/: up to date, and true of the golden vectors."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from proofrail.wire import schemas, topics
from proofrail.wire.canonical import parse_object
from proofrail.wire.headers import record_headers
from proofrail.wire.ndjson import split

FOLDER = Path(__file__).parents[2] / "schemas"
SCHEMAS = schemas.json_schemas()
# What no schema can say: sums, names that differ, bytes that are not JSON at all.
BEYOND_SCHEMAS = {"proposal-shares-sum", "proposal-duplicate-protocol"}


def _rows(name: str) -> list[dict[str, Any]]:
    return [parse_object(line) for line in split((FOLDER / "vectors" / name).read_bytes())]


def test_the_files_are_up_to_date() -> None:
    """Models and files say the same; otherwise run `python -m proofrail.wire.schemas`."""
    assert [] == schemas.stale(FOLDER)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_valid_and_holds_for_its_examples(name: str) -> None:
    """Every golden line passes; without version or type, or of another version, none does."""
    Draft202012Validator.check_schema(SCHEMAS[name])
    validator = Draft202012Validator(SCHEMAS[name])
    for message in _rows(f"messages/{name}.ndjson"):
        validator.validate(message)
        assert not validator.is_valid({**message, "v": 2})
        assert not validator.is_valid({key: value for key, value in message.items() if key != "v"})
        assert not validator.is_valid({key: value for key, value in message.items() if key != "type"})


def test_the_proposal_schema_agrees_with_the_reader() -> None:
    """What the reader accepts passes the schema; what it refuses by member fails it, sums and names aside."""
    validator = Draft202012Validator(SCHEMAS["AllocationProposal"])
    for row in _rows("proposals-valid.ndjson"):
        validator.validate(json.loads(row["value"]))
        validator.validate(row["normal_form"])
    for row in _rows("proposals-invalid.ndjson"):
        # Python's regular expressions let "$" match before a last line feed, those of JSON Schema do not.
        if "member" in row and row["code"] not in BEYOND_SCHEMAS and "line feed" not in row["name"]:
            assert not validator.is_valid(json.loads(bytes.fromhex(row["value"]))), row["name"]


def test_the_command_writes_checks_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails on what is missing, changed or left over, and writing mends it."""
    folder = tmp_path / "schemas"
    assert 1 == schemas.main([str(folder), "--check"])
    assert not folder.exists()
    assert 0 == schemas.main([str(folder)])
    assert 0 == schemas.main([str(folder), "--check"])
    (folder / "Proof.schema.json").write_text("{}")
    (folder / "Gone.schema.json").write_text("{}")
    capsys.readouterr()
    assert 1 == schemas.main([str(folder), "--check"])
    said = capsys.readouterr().err
    assert "Proof.schema.json is out of date" in said
    assert "Gone.schema.json is out of date" in said
    assert 0 == schemas.main([str(folder)])
    assert [] == schemas.stale(folder)


def test_asyncapi_names_every_topic_and_message() -> None:
    """Each channel is a topic, each message has a schema file, and every reference leads somewhere."""
    document = json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8"))
    assert "3.0.0" == document["asyncapi"]
    assert set(topics.TOPICS) == set(document["channels"])
    named = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert named == set(document["components"]["messages"]) == set(SCHEMAS) - set(schemas.IN_FILES)

    def check(value: Any) -> None:
        if isinstance(value, list):
            for element in value:
                check(element)
        if isinstance(value, dict):
            for element in value.values():
                check(element)
            reference = value.get("$ref", "")
            if reference.startswith("./"):
                assert (FOLDER / reference).is_file(), reference
            elif reference:
                found = document
                for step in reference.removeprefix("#/").split("/"):
                    found = found[step]

    check(document)


def test_headers_are_as_asyncapi_says() -> None:
    """Every record's headers satisfy the document's schema of headers."""
    document = schemas.asyncapi()
    validator = Draft202012Validator(document["components"]["schemas"]["Headers"])
    for topic in topics.TOPICS:
        headers = record_headers(topic, b"{}\n", source="/proofrail/tracer", traceparent=None)
        validator.validate({name: value.decode() for name, value in headers})
