"""Classes of contracts that can be declared: those that come with Proofrail, and those of a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final

from proofrail.cairo import class_hashes
from proofrail.cairo.pedersen import PRIME
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.wire.canonical import felt_hex, parse_felt, sha256_hex
from proofrail.wire.errors import UnusableInputError

with starknet_py():
    from marshmallow import ValidationError
    from starknet_py.common import create_sierra_compiled_contract
    from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash

REGISTRY: Final = "decision_registry"
STAND_IN: Final = "fact_registry_double"
"""A registry of facts that verifies nothing, for demonstrations: it believes what each proof says of itself."""

_FOLDERS: Final = {REGISTRY: "_contracts", STAND_IN: "_verifies_nothing"}
_MANIFEST: Final = "MANIFEST.json"
_MEMBERS: Final = ("sierra_program", "contract_class_version", "entry_points_by_type", "abi")


@dataclass(frozen=True)
class ContractClass:
    """A Sierra class in a compiler's JSON, and the hash of the CASM that it compiles to (Starknet 0.14.1 and later)."""

    name: str
    sierra: bytes
    compiled_class_hash: int

    @cached_property
    def class_hash(self) -> int:
        """By which it is known on chain; 0.3 s for each 5,000 felts. Raises UnusableInputError `class-unusable`."""
        try:
            return int(compute_sierra_class_hash(self.typed))
        except AssertionError as error:
            raise _unusable(self.name, "it has no ABI") from error

    @cached_property
    def typed(self) -> Any:
        """As starknet-py has it. Raises UnusableInputError `class-unusable`."""
        try:
            compiled = create_sierra_compiled_contract(self.sierra.decode())
        except (ValueError, ValidationError) as error:
            raise _unusable(self.name, f"{error!r:.200}") from error
        return compiled.convert_to_sierra_contract_class()

    @cached_property
    def payload(self) -> dict[str, Any]:
        """As the specification of JSON-RPC has it."""
        members = json.loads(self.sierra)
        return {name: members[name] for name in _MEMBERS} | {"abi": self.typed.abi}

    @cached_property
    def functions(self) -> frozenset[str]:
        """Names of what can be called."""
        return frozenset(
            item["name"]
            for one in json.loads(self.sierra)["abi"]
            for item in (one, *one.get("items", ()))
            if item.get("type") == "function"
        )


@cache
def packaged(name: str) -> ContractClass:
    """A class that comes with Proofrail: REGISTRY or STAND_IN. Raises UnusableInputError `class-unusable`."""
    # Links to the artifacts in the checkout; a wheel holds the files themselves.
    folder = resources.files("proofrail.cairo") / _FOLDERS[name]
    try:
        sierra = (folder / f"{name}.json").read_bytes()
        recorded = json.loads((folder / _MANIFEST).read_bytes())["programs"][name]
        if sha256_hex(sierra) != recorded["artifact_sha256"]:
            raise _unusable(name, "it is not what its manifest speaks of")
        found = ContractClass(name, sierra, int(recorded["compiled_class_hash"], 16))
        expected = int(recorded["class_hash"], 16)
    except (OSError, KeyError, ValueError) as error:
        raise _unusable(name, repr(error)) from error
    if found.class_hash != expected:
        raise _unusable(name, f"its class hash is {felt_hex(found.class_hash)}, not {felt_hex(expected)}")
    return found


def in_folder(folder: Path) -> list[ContractClass]:
    """The classes in a folder: each is a JSON file, and beside it lies, under the same name up to the first dot, its
    CASM as JSON or a file with its compiled class hash (0x…). Raises UnusableInputError `class-unusable`, and OSError.
    """
    texts = {path: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    found = []
    for path, text in texts.items():
        if path.suffix == ".json" and b'"sierra_program"' in text:
            stem = path.name.partition(".")[0]
            beside = [other for other in texts if other != path and other.name.partition(".")[0] == stem]
            found.append(
                ContractClass(stem, text, _compiled_class_hash(path, [texts[one] for one in beside]))
            )
    if not found:
        raise _unusable(str(folder), "no file in it is a Sierra class")
    return found


def _compiled_class_hash(path: Path, beside: list[bytes]) -> int:
    for text in beside:
        if text[:2] == b"0x":
            return _felt(path, text)
    for text in beside:
        if b'"bytecode"' in text:
            return _hash_of_casm(path, text)
    raise _unusable(str(path), "neither its CASM nor its compiled class hash lies beside it")


def _felt(path: Path, text: bytes) -> int:
    try:
        felt = int(text, 16)
    except ValueError:
        felt = PRIME
    if not 0 < felt < PRIME:
        raise _unusable(str(path), "what lies beside it is no compiled class hash")
    return felt


def _hash_of_casm(path: Path, text: bytes) -> int:
    try:
        # Hints are not hashed, and starknet-py does not know them all.
        casm = json.dumps({**json.loads(text), "hints": [], "pythonic_hints": []})
        return parse_felt(class_hashes.compiled_class_hash(casm.encode()))
    except (ValueError, TypeError, ValidationError) as error:
        raise _unusable(str(path), f"what lies beside it is no CASM: {error!r:.200}") from error


def _unusable(what: str, why: str) -> UnusableInputError:
    return UnusableInputError(
        "class-unusable",
        f"the contract class {what} cannot be used: {why}",
        "Compile it again; for those of Proofrail: install the package again",
    )
