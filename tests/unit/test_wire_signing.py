"""Signatures over messages."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.signing import sign_message, verify_message

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key for tests").digest())
PUBLIC = KEY.public_key()
MESSAGE = {"v": 1, "type": "AuditReport", "timestamp": 2**60, "checked": ["a"]}


def test_a_signed_message_verifies_after_travelling() -> None:
    """The signature covers the canonical form, so that writing and reading keeps it."""
    assert verify_message(parse_object(canonical(sign_message(MESSAGE, KEY))), PUBLIC)


def test_a_signature_is_replaced_not_signed() -> None:
    """Signing again gives the same message."""
    signed = sign_message(MESSAGE, KEY)
    assert signed == sign_message(signed, KEY)


@pytest.mark.parametrize("member", sorted(MESSAGE))
def test_every_member_is_signed(member: str) -> None:
    """A changed, missing or added member breaks the signature, volatile ones too."""
    signed = sign_message(MESSAGE, KEY)
    assert not verify_message({**signed, member: "x"}, PUBLIC)
    assert not verify_message({name: value for name, value in signed.items() if name != member}, PUBLIC)
    assert not verify_message({**signed, "also": 1}, PUBLIC)


@given(st.integers(0, 511))
def test_every_bit_of_the_signature_counts(bit: int) -> None:
    """One flipped bit and it no longer verifies."""
    signed = sign_message(MESSAGE, KEY)
    signature = bytearray.fromhex(signed["signature"])
    signature[bit // 8] ^= 1 << bit % 8
    assert not verify_message({**signed, "signature": signature.hex()}, PUBLIC)


@pytest.mark.parametrize("signature", [None, 1, "", "00" * 64, "zz", "00" * 63, [], True])
def test_what_is_no_signature_does_not_verify(signature: object) -> None:
    """Anything but 128 hex characters that fit is refused, not raised."""
    assert not verify_message({**MESSAGE, "signature": signature}, PUBLIC)


def test_upper_case_and_missing_signatures_do_not_verify() -> None:
    """A signature has one spelling, and must be there."""
    signed = sign_message(MESSAGE, KEY)
    assert not verify_message({**signed, "signature": signed["signature"].upper()}, PUBLIC)
    assert not verify_message({**signed, "signature": " " + signed["signature"]}, PUBLIC)
    assert not verify_message(MESSAGE, PUBLIC)


def test_another_key_does_not_verify() -> None:
    """A signature is that of one key."""
    other = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"another key").digest()).public_key()
    assert not verify_message(sign_message(MESSAGE, KEY), other)
