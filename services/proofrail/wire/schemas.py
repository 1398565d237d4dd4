"""JSON Schemas and the AsyncAPI document, generated from the models into a checkout's schemas/ folder.

    python -m proofrail.wire.schemas [--check] [FOLDER]

`--check` writes nothing and exits with status 1 when a file is missing or differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from proofrail.wire import topics
from proofrail.wire.events import EVENT_TYPES
from proofrail.wire.evidence import EvidenceBundle
from proofrail.wire.export import Export, ExportedRecord
from proofrail.wire.headers import CE_SPECVERSION, CONTENT_TYPE
from proofrail.wire.messages import MESSAGE_TYPES
from proofrail.wire.model import Message
from proofrail.wire.proposals import Proposal, SeedProposal

_ASYNCAPI: Final = "asyncapi.json"
_SCHEMA_SUFFIX: Final = ".schema.json"
_KAFKA_BINDING: Final = "0.5.0"

ON_TOPIC: Final[dict[str, tuple[str, list[str]]]] = {
    topics.PROPOSALS: ("What the allocator asks. One proposal a record.", ["AllocationProposal"]),
    topics.PROPOSALS_DLQ: ("Refused proposals. Written by the tracer.", ["DeadLetter"]),
    topics.INDEX: ("Which run decides which allocation. Written by the tracer.", ["AllocationIndex"]),
    topics.EVENTS: ("What runs did. Written by the tracer.", list(EVENT_TYPES)),
    topics.COMMITMENTS: (
        "Each run's inputs, blocks and seal, in this order. Written by the tracer.",
        ["Input", "CommitmentBlock", "CommitmentSeal"],
    ),
    topics.PROOFS: ("One terminal record for each run. Written by the prover.", ["Proof", "ProofFailure"]),
    topics.REPORTS: ("Verdicts on runs and proofs. Written by the auditor.", ["AuditReport"]),
    topics.ATTESTATIONS: ("The final word on allocations. Written by the auditor.", ["Attestation"]),
    topics.REGISTRATIONS: ("What stands in which ledger. Written by the registrar.", ["Registration"]),
}
"""What stands on each topic, in words, and the types of its messages."""

IN_FILES: Final[dict[str, type[Message]]] = {
    "EvidenceBundle": EvidenceBundle,
    "Export": Export,
    "ExportedRecord": ExportedRecord,
}
"""Lines of files, which stand on no topic."""


def json_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema (draft 2020-12) of every message, by type."""
    models: dict[str, type[BaseModel]] = {**EVENT_TYPES, **MESSAGE_TYPES, **IN_FILES}
    schemas = {name: _schema(model, name) for name, model in sorted(models.items())}
    native, seed = _schema(Proposal, "native"), _schema(SeedProposal, "seed", versioned=False)
    definitions = native.pop("$defs")
    for form in (native, seed):
        del form["$schema"], form["$id"]
    schemas["AllocationProposal"] = {
        **_identity("AllocationProposal"),
        "title": "AllocationProposal",
        "description": "A proposal, in its native form or in the seed's. What no schema can say: "
        "names differ, and proposed shares add up to 10,000 basis points, or 100 percent.",
        "oneOf": [native, seed],
        "$defs": definitions,
    }
    return schemas


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: topics, keys, headers and messages."""
    specs = topics.TOPICS
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Proofrail",
            "version": "1",
            "description": "Allocation decisions that are executed, traced, proven and audited. A record's "
            f"value is NDJSON of at most {topics.MAX_RECORD} bytes; each line is one of the channel's "
            f"messages, of at most {topics.MAX_LINE} bytes. trace-v1.md is the normative text.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {name: _channel(name) for name in specs},
        "operations": {
            f"{'receive' if name == topics.PROPOSALS else 'send'}-{name}": {
                "action": "receive" if name == topics.PROPOSALS else "send",
                "channel": {"$ref": f"#/channels/{name}"},
            }
            for name in specs
        },
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "contentType": CONTENT_TYPE,
                    "headers": {"$ref": "#/components/schemas/Headers"},
                    "payload": {"$ref": f"./{name}{_SCHEMA_SUFFIX}"},
                    "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": _KAFKA_BINDING}},
                }
                for name in sorted({name for _, names in ON_TOPIC.values() for name in names})
            },
            "schemas": {"Headers": _headers()},
        },
    }


def rendered() -> dict[str, str]:
    """The text of every generated file by name."""
    documents = {f"{name}{_SCHEMA_SUFFIX}": schema for name, schema in json_schemas().items()}
    documents[_ASYNCAPI] = asyncapi()
    return {
        name: json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        for name, document in documents.items()
    }


def stale(folder: Path) -> list[str]:
    """The generated files that are missing, differ, or stand in `folder` without a model."""
    texts = rendered()
    differing = {
        name
        for name, text in texts.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    }
    orphans = {path.name for path in folder.glob(f"*{_SCHEMA_SUFFIX}")} - set(texts)
    return sorted(differing | orphans)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m proofrail.wire.schemas", description=__doc__.split("\n")[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("schemas"), help="default: schemas")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is out of date"
    )
    options = parser.parse_args(arguments)
    outdated = stale(options.folder)
    if options.check:
        for name in outdated:
            print(
                f"{options.folder / name} is out of date; run: python -m proofrail.wire.schemas",
                file=sys.stderr,
            )
        return 1 if outdated else 0
    options.folder.mkdir(parents=True, exist_ok=True)
    texts = rendered()
    for name in outdated:
        if name in texts:
            (options.folder / name).write_text(texts[name], encoding="utf-8")
        else:
            (options.folder / name).unlink()
    return 0


def _channel(name: str) -> dict[str, Any]:
    spec = topics.TOPICS[name]
    description, messages = ON_TOPIC[name]
    configuration: dict[str, Any] = {
        "cleanup.policy": [spec.configs["cleanup.policy"]],
        **{key: int(value) for key, value in spec.configs.items() if key != "cleanup.policy"},
    }
    return {
        "address": name,
        "description": f"{description} Key: {spec.key}.",
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": spec.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _headers() -> dict[str, Any]:
    digest = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    members: dict[str, Any] = {
        "content-type": {"const": CONTENT_TYPE},
        "ce_specversion": {"const": CE_SPECVERSION},
        "ce_type": {"type": "string", "description": "The topic.", "enum": list(topics.TOPICS)},
        "ce_id": {**digest, "description": "SHA-256 of the record's value."},
        "ce_source": {"type": "string", "description": "The writer, such as /proofrail/tracer."},
        "traceparent": {
            "type": "string",
            "description": "W3C Trace Context.",
            "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        },
    }
    return {"type": "object", "properties": members, "required": list(members)}


class _Plain(GenerateJsonSchema):
    """Without titles made from names, and without `null` defaults: a member with nothing to say is absent."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> Any:
        described = super().default_schema(schema)
        if "default" in described and described["default"] is None:
            del described["default"]
        return described


def _identity(name: str) -> dict[str, str]:
    return {"$schema": _Plain.schema_dialect, "$id": f"urn:proofrail:v1:{name}"}


def _schema(model: type[BaseModel], name: str, *, versioned: bool = True) -> dict[str, Any]:
    described = model.model_json_schema(schema_generator=_Plain)
    if versioned:
        # In Python version and type have defaults; on the wire they are always written.
        for member in ("v", "type"):
            described["properties"][member].pop("default", None)
        required = [member for member in described.get("required", []) if member not in ("v", "type")]
        described["required"] = ["v", "type", *required]
    return {**_identity(name), **described}


if __name__ == "__main__":
    raise SystemExit(main())
