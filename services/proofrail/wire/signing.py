"""Signatures over messages: Ed25519 over the canonical form without `signature` (design section 5, Other
messages)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proofrail.wire.canonical import JsonObject, canonical

_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")


def sign_message(obj: Mapping[str, Any], key: Ed25519PrivateKey) -> JsonObject:
    """The object with its `signature`, 128 hex characters; a signature that was there is replaced."""
    return {**obj, "signature": key.sign(_signed_bytes(obj)).hex()}


def verify_message(obj: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    """Whether the object's `signature` is that of `key`; False also when it has none or no well-formed
    one."""
    signature = obj.get("signature")
    # bytes.fromhex alone would take white space and upper case: a second spelling of the same message.
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        return False
    try:
        key.verify(bytes.fromhex(signature), _signed_bytes(obj))
    except InvalidSignature:
        return False
    return True


def _signed_bytes(obj: Mapping[str, Any]) -> bytes:
    return canonical({name: value for name, value in obj.items() if name != "signature"})
