"""Checkpoints: C2SP signed notes over tree heads."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.commitment.checkpoint import (
    TRACER_KEY_NAME,
    Checkpoint,
    CheckpointError,
    Signer,
    generate_key,
    parse_vkey,
    sign_checkpoint,
    verify_checkpoint,
)

SEED = hashlib.sha256(b"a key for tests").digest()
PRIVATE, VKEY = generate_key(TRACER_KEY_NAME, SEED)
SIGNER = Signer.parse(PRIVATE)
OTHER = Signer.parse(generate_key(TRACER_KEY_NAME, bytes(32))[0])
ROOT = hashlib.sha256(b"root").digest()
NOTE = sign_checkpoint("run", 7, ROOT, SIGNER)


@given(
    st.text(st.characters(min_codepoint=0x21, exclude_categories=["Cs", "Zl", "Zp"]), min_size=1),
    st.integers(0, 2**63 - 1),
)
def test_a_checkpoint_says_what_was_signed(run_id: str, size: int) -> None:
    """Origin, size and root come back, with the key that signed."""
    note = sign_checkpoint(run_id, size, ROOT, SIGNER)
    assert Checkpoint(f"proofrail/{run_id}", size, ROOT, (VKEY,)) == verify_checkpoint(note, [VKEY])


def test_the_note_has_the_form_of_the_specification() -> None:
    """Three lines, an empty one, an em dash, name and base64 of key hash and signature."""
    text, signature = NOTE.split("\n\n")
    assert f"proofrail/run\n7\n{base64.b64encode(ROOT).decode()}" == text
    dash, name, encoded = signature.removesuffix("\n").split(" ")
    assert ("\u2014", "proofrail-tracer") == (dash, name)
    data = base64.b64decode(encoded)
    public = SIGNER.key.public_key().public_bytes_raw()
    assert hashlib.sha256(b"proofrail-tracer\n\x01" + public).digest()[:4] == data[:4]
    SIGNER.key.public_key().verify(data[4:], f"{text}\n".encode())


def test_a_note_of_another_implementation_verifies() -> None:
    """The example in the documentation of Go's note package passes key hash and signature; it is no
    checkpoint."""
    vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    note = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n\n"
        "\u2014 PeterNeumann "
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
    with pytest.raises(CheckpointError, match="it needs an origin, a size and a root"):
        verify_checkpoint(note, [vkey])
    with pytest.raises(CheckpointError, match="checkpoint-signature"):
        verify_checkpoint(note.replace("answer", "Answer"), [vkey])


def test_keys_are_written_as_the_go_tools_write_them() -> None:
    """name+hash+base64, and the private key with its prefix; both read back."""
    public = SIGNER.key.public_key().public_bytes_raw()
    assert VKEY.startswith("proofrail-tracer+")
    assert b"\x01" + public == base64.b64decode(VKEY.split("+", 2)[2])
    assert PRIVATE.startswith("PRIVATE+KEY+proofrail-tracer+" + VKEY.split("+")[1])
    assert (VKEY, PRIVATE) == (SIGNER.vkey, Signer.parse(PRIVATE + "\n").private)
    name, key = parse_vkey(VKEY + "\n")
    assert ("proofrail-tracer", public) == (name, key.public_bytes_raw())


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_every_bit_of_a_note_counts(position: int, bit: int) -> None:
    """A note with one changed bit is refused, whatever the bit."""
    data = bytearray(NOTE.encode())
    data[position % len(data)] ^= 1 << bit
    with pytest.raises((CheckpointError, UnicodeDecodeError)):
        verify_checkpoint(data.decode(), [VKEY])


def test_an_unknown_key_is_refused() -> None:
    """A note that no accepted key signed says nothing, also under the accepted name."""
    for vkeys in ([], [OTHER.vkey]):
        with pytest.raises(CheckpointError, match="checkpoint-unknown-key"):
            verify_checkpoint(NOTE, vkeys)


def test_further_signatures_are_ignored_unless_accepted() -> None:
    """Witnesses may sign too; all accepted signers are named, each once."""
    both = NOTE + sign_checkpoint("run", 7, ROOT, OTHER).split("\n\n")[1]
    assert (VKEY,) == verify_checkpoint(both, [VKEY]).signers
    assert (VKEY, OTHER.vkey) == verify_checkpoint(both, [OTHER.vkey, VKEY]).signers
    assert (VKEY,) == verify_checkpoint(NOTE + NOTE.split("\n\n")[1], [VKEY]).signers


def test_a_wrong_signature_of_an_accepted_key_is_never_ignored() -> None:
    """Even beside a right one of another accepted key."""
    mixed = NOTE + sign_checkpoint("run", 8, ROOT, OTHER).split("\n\n")[1]
    with pytest.raises(CheckpointError, match="checkpoint-signature"):
        verify_checkpoint(mixed, [VKEY, OTHER.vkey])


@pytest.mark.parametrize(
    "text",
    [
        "proofrail/run\n7\n",
        "proofrail/run\n07\n{root}\n",
        "proofrail/run\n-7\n{root}\n",
        "proofrail/run\n7.0\n{root}\n",
        "proofrail/run\n\u0667\n{root}\n",
        "proofrail/run\n7\n{root}=\n",
        "proofrail/run\n7\nAAAA\n",
        "proofrail/run\n7\n{root}\n\nmore\n",
        "\n7\n{root}\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    """A right signature does not make a checkpoint of anything."""
    note = SIGNER.sign(text.format(root=base64.b64encode(ROOT).decode()))
    with pytest.raises(CheckpointError, match="checkpoint-malformed"):
        verify_checkpoint(note, [VKEY])


def test_extension_lines_are_allowed() -> None:
    """The specification lets logs add lines; they are signed with the rest."""
    note = SIGNER.sign(f"proofrail/run\n7\n{base64.b64encode(ROOT).decode()}\nmore\n")
    assert 7 == verify_checkpoint(note, [VKEY]).size


@pytest.mark.parametrize(
    "note",
    [
        "",
        "x",
        "a\n1\nb\n",
        NOTE[:-1],
        NOTE.replace("\u2014", "-"),
        NOTE + "\n",
        NOTE.replace("\n\n", "\n"),
        NOTE + "x\n",
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    """Missing parts, another dash, lines after the signatures."""
    with pytest.raises(CheckpointError, match="checkpoint-malformed"):
        verify_checkpoint(note, [VKEY])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "a+b",
        "+00000000+AQ==",
        "a b+00000000+AQ==",
        VKEY.replace("proofrail", "proofrai1"),
        VKEY[:-1],
        VKEY + "=",
        VKEY.upper(),
        "proofrail-tracer+00000000+" + VKEY.split("+", 2)[2],
    ],
)
def test_a_broken_key_is_refused(key: str) -> None:
    """The hash guards name and key against mistakes in copying."""
    with pytest.raises(CheckpointError, match="key-malformed"):
        parse_vkey(key)


def test_a_broken_private_key_is_refused_without_being_shown() -> None:
    """Errors reach logs; secrets must not."""
    secret = PRIVATE.split("+")[-1]
    for text in (VKEY, PRIVATE[:-4], PRIVATE.replace("tracer", "prover")):
        with pytest.raises(CheckpointError, match="key-malformed") as refused:
            Signer.parse(text)
        assert secret[:10] not in str(refused.value)


def test_what_cannot_be_a_note_is_not_signed() -> None:
    """Control characters and surrogates in a run_id, negative sizes, short roots."""
    for run_id in ("a\tb", "a\x00", "\ud800"):
        with pytest.raises(ValueError, match="control character"):
            sign_checkpoint(run_id, 1, ROOT, SIGNER)
    for size, root in ((-1, ROOT), (1, ROOT[:-1])):
        with pytest.raises(ValueError, match="32 bytes"):
            sign_checkpoint("run", size, root, SIGNER)
    with pytest.raises(CheckpointError, match="key-malformed"):
        generate_key("two words", SEED)
