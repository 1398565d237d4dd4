"""Checkpoints: signed tree heads as C2SP signed notes (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).

    proofrail/<run_id>
    <number of items, decimal>
    <root, base64>

    — proofrail-tracer <base64(4 bytes of key hash ‖ Ed25519 signature)>

Keys and their random seeds come in as arguments. A private key is written as
`PRIVATE+KEY+<name>+<hash>+<base64>`, a public one (vkey) as `<name>+<hash>+<base64>`, as the tools of the
Go checksum database do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from proofrail.wire.errors import ProofrailError

TRACER_KEY_NAME: Final = "proofrail-tracer"
AUDITOR_KEY_NAME: Final = "proofrail-auditor"
ORIGIN_PREFIX: Final = "proofrail/"

_ED25519: Final = b"\x01"
_PRIVATE_PREFIX: Final = "PRIVATE+KEY+"
_SIGNATURE_PREFIX: Final = "\N{EM DASH} "
_MAX_SIGNATURES: Final = 64


class CheckpointError(ProofrailError):
    """A key or note that does not hold.

    Codes: `key-malformed`, `checkpoint-malformed`, `checkpoint-unknown-key` (no signature by an accepted
    key), `checkpoint-signature` (an accepted key's signature is wrong).
    """


@dataclass(frozen=True)
class Checkpoint:
    """What a note says once its signatures hold: `root` over `size` items of the log `origin`."""

    origin: str
    size: int
    root: bytes
    signers: tuple[str, ...]
    """The vkeys whose signatures were verified."""


class Signer:
    """A named Ed25519 key that signs notes."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        _check_name(name)
        self.name = name
        self.key = key
        self._public = key.public_key().public_bytes_raw()

    @classmethod
    def parse(cls, private: str) -> Signer:
        """The key written as `PRIVATE+KEY+…`. Raises CheckpointError (`key-malformed`), which never shows
        the key."""
        text = private.strip()
        if not text.startswith(_PRIVATE_PREFIX):
            _refuse_key("a private key starts with PRIVATE+KEY+")
        name, key_hash, seed = _split_key(text.removeprefix(_PRIVATE_PREFIX))
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        if _key_hash(name, signer._public) != key_hash:
            _refuse_key(f"the hash in the private key {name} is not that of its public key")
        return signer

    @property
    def vkey(self) -> str:
        """The public key as text."""
        return _key_text(self.name, self._public, self._public)

    @property
    def private(self) -> str:
        """The private key as text. A secret."""
        return _PRIVATE_PREFIX + _key_text(self.name, self._public, self.key.private_bytes_raw())

    def sign(self, text: str) -> str:
        """The note: `text`, an empty line, this key's signature. Raises ValueError when the text cannot be
        one."""
        _check_text(text)
        signature = base64.b64encode(_key_hash(self.name, self._public) + self.key.sign(text.encode()))
        return f"{text}\n{_SIGNATURE_PREFIX}{self.name} {signature.decode()}\n"


def generate_key(name: str, seed: bytes) -> tuple[str, str]:
    """A key pair as text, (private, vkey), from 32 random bytes."""
    signer = Signer(name, Ed25519PrivateKey.from_private_bytes(seed))
    return signer.private, signer.vkey


def parse_vkey(vkey: str) -> tuple[str, Ed25519PublicKey]:
    """Name and key of a vkey. Raises CheckpointError (`key-malformed`)."""
    name, key_hash, public = _split_key(vkey.strip())
    if _key_hash(name, public) != key_hash:
        _refuse_key(f"the hash in the key {name} is not that of its name and key")
    return name, Ed25519PublicKey.from_public_bytes(public)


def sign_checkpoint(run_id: str, size: int, root: bytes, signer: Signer) -> str:
    """The checkpoint of a run: `root`, 32 bytes, over `size` items, signed."""
    return signer.sign(checkpoint_text(run_id, size, root))


def checkpoint_text(run_id: str, size: int, root: bytes) -> str:
    """What is signed in the checkpoint of a run."""
    if size < 0 or len(root) != 32:
        raise ValueError("a checkpoint states a size of at least 0 and a root of 32 bytes")
    return f"{ORIGIN_PREFIX}{run_id}\n{size}\n{base64.b64encode(root).decode()}\n"


def read_checkpoint(note: str) -> Checkpoint:
    """What a note says, whoever signed it: nothing is verified. Raises CheckpointError
    (`checkpoint-malformed`)."""
    text, _ = _split_note(note)
    return _parse_text(text, ())


def verify_checkpoint(note: str, vkeys: Iterable[str]) -> Checkpoint:
    """What a note says, provided that at least one of the accepted keys signed it.

    Signatures by other keys are ignored, as the specification demands; a wrong one by an accepted key is
    not. The caller compares origin, size and root. Raises CheckpointError.
    """
    text, signatures = _split_note(note)
    accepted = {}
    for vkey in vkeys:
        name, key = parse_vkey(vkey)
        accepted[name, _key_hash(name, key.public_bytes_raw())] = (vkey.strip(), key)
    signers = []
    for name, signature in signatures:
        found = accepted.get((name, signature[:4]))
        if found is None:
            continue
        vkey, key = found
        try:
            key.verify(signature[4:], text.encode())
        except InvalidSignature:
            raise CheckpointError(
                "checkpoint-signature",
                f"the signature of {name} does not fit the checkpoint's text",
                key=vkey,
            ) from None
        if vkey not in signers:
            signers.append(vkey)
    if not signers:
        names = ", ".join(sorted({name for name, _ in signatures}))
        raise CheckpointError(
            "checkpoint-unknown-key",
            f"the checkpoint is signed by {names:.200}; none of these keys is accepted",
            "Give the tracer's key (tracer.vkey), if it is one you trust",
        )
    return _parse_text(text, tuple(signers))


def _parse_text(text: str, signers: tuple[str, ...]) -> Checkpoint:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        _refuse("it needs an origin, a size and a root, and no empty line")
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdigit() and (size == "0" or size[0] != "0")) or len(size) > 19:
        _refuse(f"{size!r:.40} is not a size")
    digest = _from_base64(root)
    if digest is None or len(digest) != 32:
        _refuse(f"{root!r:.80} is not a root: 32 bytes in base64")
    return Checkpoint(origin, int(size), digest, signers)


def _split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, separator, block = note.rpartition("\n\n")
    text += "\n"
    if not separator or not block.endswith("\n"):
        _refuse("a note is a text, an empty line, and signature lines")
    try:
        _check_text(text)
    except ValueError as error:
        _refuse(str(error))
    signatures = []
    for line in block[:-1].split("\n")[:_MAX_SIGNATURES]:
        name, _, encoded = line.removeprefix(_SIGNATURE_PREFIX).partition(" ")
        signature = _from_base64(encoded)
        if (
            not line.startswith(_SIGNATURE_PREFIX)
            or not _is_name(name)
            or signature is None
            or len(signature) < 5
        ):
            _refuse(f"{line!r:.80} is not a signature line")
        signatures.append((name, signature))
    return text, signatures


def _check_text(text: str) -> None:
    if not text.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text) or not _encodes(text):
        raise ValueError("a note's text ends with a line feed and holds no other control character")


def _encodes(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 0x20 for c in name)


def _check_name(name: str) -> None:
    if not _is_name(name):
        _refuse_key(f"{name!r:.80} is not a key name: it must not be empty or hold spaces or +")


def _key_hash(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def _key_text(name: str, public: bytes, key: bytes) -> str:
    return f"{name}+{_key_hash(name, public).hex()}+{base64.b64encode(_ED25519 + key).decode()}"


def _split_key(text: str) -> tuple[str, bytes, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        _refuse_key("a key is written as name+hash+base64")
    name, key_hash, encoded = parts
    _check_name(name)
    key = _from_base64(encoded)
    if len(key_hash) != 8 or not all(c in "0123456789abcdef" for c in key_hash):
        _refuse_key(f"the hash in the key {name} is not 8 lower-case hex characters")
    if key is None or len(key) != 33 or key[:1] != _ED25519:
        _refuse_key(f"the key {name} is not an Ed25519 key: base64 of 0x01 and 32 bytes")
    return name, bytes.fromhex(key_hash), key[1:]


def _from_base64(text: str) -> bytes | None:
    """The bytes, if `text` is their one base64 form."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def _refuse(why: str) -> NoReturn:
    raise CheckpointError("checkpoint-malformed", f"not a checkpoint: {why}")


def _refuse_key(why: str) -> NoReturn:
    raise CheckpointError(
        "key-malformed", why, "proofrail writes its keys on first start; take the file as it is"
    )
