"""The hashes by which a Starknet chain knows a contract's class: what whoever declares it must name.

Needs starknet-py (the extra `chain`). The compiled class hash is that of Starknet 0.14.1 and later: BLAKE2s over what
the class compiles to.
"""

from __future__ import annotations

from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import UnusableInputError


def of_class(sierra: bytes) -> dict[str, str]:
    """`class_hash` of a Sierra class, its ABI spelled as starknet-py declares it. Raises UnusableInputError
    `chain-extra`."""
    try:
        from starknet_py.common import create_sierra_compiled_contract
        from starknet_py.hash.sierra_class_hash import compute_sierra_class_hash
    except ImportError as error:
        raise _missing(error) from error
    found = compute_sierra_class_hash(create_sierra_compiled_contract(sierra.decode()))
    return {"class_hash": felt_hex(found)}


def compiled_class_hash(casm: bytes) -> str:
    """Of what a class compiles to. Raises UnusableInputError `chain-extra`."""
    try:
        from starknet_py.common import create_casm_class
        from starknet_py.hash.casm_class_hash import compute_casm_class_hash
    except ImportError as error:
        raise _missing(error) from error
    return felt_hex(compute_casm_class_hash(create_casm_class(casm.decode())))


def _missing(error: ImportError) -> UnusableInputError:
    return UnusableInputError(
        "chain-extra",
        f"class hashes need the extra `chain`: {error.name} is not installed",
        "Run `pip install 'proofrail[chain]'`; the digests can be compared without",
    )
