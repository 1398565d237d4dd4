"""The vectors of the Raster format's reference: unit tests of the tool, and its worked examples."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import plain_raster
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_items import example_a, example_b, items, plain

from proofrail.commitment.blocks import chain_value
from proofrail.commitment.raster.audit import audit_items
from proofrail.commitment.raster.encoding import Encoding, encode_item, varint
from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.packing import RasterCommitter, commit_items, file_size, pack_words
from proofrail.commitment.raster.tree import DEPTH, SEED, Tree

POSTCARD, BINCODE = Encoding.POSTCARD, Encoding.BINCODE

ROWS_A = """
f4f25a71121dbe1bc5595ee86420f1e41d2ac7ec59f62e4eb0cbb2a4236b0ef9 ef54cf550027e575494410057e61aa3dcc35197df8076f542079c92a8145dbf2 54ef
fb0140a20e9d6ff69f8158eca5e1d684a1f30181650acb025cebbdc304431aa3 722ac876e7be52279657028d41da9fdc9e943e8d6416cdd8821e5c45d884cbca 2a72
8e5eb76394f75469a4c46b8f5d670afaa9b551db41cc61f69c34a40027c81289 108ae0983342924a089e482829c258a6b8db287ca690100d387b1c31d12356ab 8a10
5869f56e1ad480141c0ae4315482ce3416382013ddac4f3dc49c8753b8343e93 4e8e98da83132ac5eb953f7c2bee4247fe5670693f7bc32d1b5ca0dddf8830b8 8e4e
d8aaf5183c66983386f147666fb12ca3c8c7619ad1681ef65c1fce9c90778f5d 8f933c302df5b986913df7f7cf18484ad7cd8c0457354e778a2137ecab70540e 938f
"""  # noqa: E501
ROWS_B1 = """
319340e012805b152fd608ad94c34e99d8b5d375ddeebafa09fdbdca43b51811 ebe6de4f4396f40280feb4ac6e46d0460f3225c9e925e1bba5af8755cf8d87bb e6eb
e6caa3dd4c530be6a8ee5d7c6e09b6ee77d1766371e5f166c0a2d8fb8ced8d64 7403c2fb3981ab4985b7283c977244525b8457b31894812a2e7498d43d00aa61 0374
a1db56b7b888a64bb8c693dd848a4e5b25f41221d357a571a434f3f305243ac9 d1c5bdf5185ae6b24dd4f78e195ff03d4ffc9101cf6f849870843d12023af347 c5d1
1e57e5a3e2a61845bcb4f3932e90d7d131c085f71fb3b198627e7193cb8ee8a8 54350cafce4c0202785f4a0a26864f45069cfe4f51bf30e86aab8060173b2e24 3554
60fe36ae1b6594436005821213dcca24ecd169c45cda343e44eca8bc60d45517 767fff731302951ed2d32d17f26fe7b5cf7283661ea4dec7468cc07994d133b0 7f76
7c5aad6dd27d258954bf62800034067a4ab158656b09a6ed185f2c9f9f45b140 a85370f8965368ec21ff9100e1dbac2c644937c3ce74a2d593fa934abdd0c773 53a8
"""  # noqa: E501
ROWS_B2 = """
3c002e40909c327dccdaa9f235ba29368a45c5676a7e53595db678f941ab09b5 77f7d2f70342c1967bf296d1e87ec8670fae6fa2e82d9a86ea80f9e4ba45d858 f777
2a647e53daac121c2190036d526c84c0da969af3cdf60f08b1481145239b4b0f 40d8a9d98fdf25d29afba3a683ff8cb05d7091d5c3e5695f75ade70f47baa651 d840
68f2b63ca53e9b92fafaed3ad66c0609358c617a2bc9af12c306bedfe90977d6 d96669125e38678a7fe87aa211536b1497dd411e7ba3ce3f00434c803561a30a 66d9
dab3414807406c45259d5f7717ce8943c5f1ba1b54305291176060d16175ff83 e7b07b86a642e5f4ccfc04a3b537a97143e48194e855caa273c4b145d92075a4 b0e7
f55842e07a70fc19c8daacee70c3db39f2278a4dbcd5486e3aca5ef6e1bd0baf 634d22ee8f3eeb2131b1e8c29c7f3dde5a8c4c796614f3efac2029db94c6d6ca 4d63
533cd4a45d56dfd01f5a07cb43b94056d20d8e8a06d91d2eb8db8c34bf9c6e57 db546e2db7f4c84fd1522d78abe68a15a3e1661f2fd4b60bd2c9ebd506ae5a57 54db
"""  # noqa: E501


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.split("\n") if line]


def _file(found: list[Item], encoding: Encoding, bits: int = 16) -> str:
    return b"".join(commit_items(found, encoding, bits)).hex()


@pytest.mark.parametrize(
    ("digest", "bits", "cropped"),
    [
        (b"\x95" + bytes(31), 5, b"\x15"),
        (b"\x81" * 32, 9, b"\x81\x01"),
        (b"\x81" * 32, 17, b"\x81\x81\x01"),
    ],
)
def test_crop(digest: bytes, bits: int, cropped: bytes) -> None:
    """A value is the low bits of a root read little-endian: the tool's own vectors."""
    assert cropped == chain_value(digest, bits).to_bytes(len(cropped), "little")


@pytest.mark.parametrize(
    ("digests", "bits", "words"),
    [
        ([0, 1], 1, [0b10]),
        ([0, 0xFF], 32, [0xFFFFFFFF00000000]),
        ([0, 0xFF, 0, 0xFF], 2, [0b11001100]),
        (list(range(1, 13)), 8, [0x0807060504030201, 0x0C0B0A09]),
        ([0, 0xFF] * 6, 9, [0x803FE00FF803FE00, 0x00000FF803FE00FF]),
    ],
)
def test_pack(digests: list[int], bits: int, words: list[int]) -> None:
    """Values are packed into u64 words as in the tool's own vectors, over word boundaries too."""
    values = [chain_value(bytes([digest]) * 32, bits) for digest in digests]

    assert b"".join(word.to_bytes(8, "little") for word in words) == b"".join(pack_words(values, bits))


@pytest.mark.parametrize(
    ("items", "bits", "size"), [(10, 16, 24), (1997, 4, 1000), (10**6, 1, 125_000), (10**6, 16, 2_000_000)]
)
def test_packed_size(items: int, bits: int, size: int) -> None:
    """A file has as many whole words as its values need."""
    assert size == file_size(items, bits)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7, 8, 9, 15, 16, 17, 32, 63, 64, 65, 129])
@pytest.mark.parametrize("bits", [1, 3, 16, 33, 64])
def test_pieces_are_whole_words(count: int, bits: int) -> None:
    """However many values there are, every piece written is whole words, and the sizes add up."""
    pieces = list(pack_words([(1 << bits) - 1] * count, bits))

    assert [] == [piece for piece in pieces if len(piece) % 8]
    assert file_size(count, bits) == sum(map(len, pieces))


def test_tree_constants() -> None:
    """The tree that begins with SEED has the root of the reference: nothing and SEED alone are the same."""
    assert "554b9ba5ba86ca380ac4bac11f2653cb6b2aa02bedcc46d41b640a9663791ba5" == Tree().root().hex()
    assert plain_raster.root([SEED]) == Tree().root()


def test_varint() -> None:
    """postcard's integers, at the edges of their lengths."""
    expected = {0: "00", 127: "7f", 128: "8001", 300: "ac02", 16383: "ff7f", 16384: "808001"}
    assert expected == {value: varint(value).hex() for value in expected}


def test_encoded_items() -> None:
    """The first items of the examples, byte for byte, in both encodings."""
    first_a = "0b746573745f74696c655f30000105696e70757403753634000103753634080000000000000000"
    first_b = (
        "0567726565740001046e616d6506537472696e67070652617374657201"
        "06537472696e67121148656c6c6f2c2052617374657221212121"
    )
    bincode_b = (
        "0500000000000000677265657400010000000000000004000000000000006e616d650600000000000000537472696e67"
        "0c00000000000000426c4a686333526c63673d3d010600000000000000537472696e67"
        "18000000000000004555686c624778764c43425359584e305a58496849534568"
    )
    assert first_a == encode_item(example_a()[0], POSTCARD).hex()
    assert first_b == encode_item(example_b()[0], POSTCARD).hex()
    assert bincode_b == encode_item(example_b()[0], BINCODE).hex()


@pytest.mark.parametrize(
    ("found", "encoding", "rows"),
    [
        (example_a(), POSTCARD, ROWS_A),
        (example_b(), POSTCARD, ROWS_B1),
        (example_b(), BINCODE, ROWS_B2),
    ],
    ids=["A", "B1", "B2"],
)
def test_examples_item_by_item(found: list[Item], encoding: Encoding, rows: str) -> None:
    """Item hash, root and value of every item of the worked examples."""
    tree, made = Tree(), []
    for item in found:
        leaf = hashlib.sha256(encode_item(item, encoding)).digest()
        for _ in range(2 if encoding is BINCODE else 1):
            tree.append(leaf)
        made.append([leaf.hex(), tree.root().hex(), f"{chain_value(tree.root(), 16):04x}"])

    assert _rows(rows) == made


def test_example_sizes() -> None:
    """The encoded lengths of the worked examples."""
    assert [39] * 5 == [len(encode_item(item, POSTCARD)) for item in example_a()]
    assert [55, 75, 83, 128, 182, 197] == [len(encode_item(item, POSTCARD)) for item in example_b()]
    assert [115, 140, 152, 208, 281, 304] == [len(encode_item(item, BINCODE)) for item in example_b()]


@pytest.mark.parametrize(
    ("found", "encoding", "bits", "expected"),
    [
        (example_a(), POSTCARD, 16, "ef54722a108a4e8e8f93000000000000"),
        (example_a(changed=True), POSTCARD, 16, "ef54722a49d5974c8a88000000000000"),
        (example_b(), POSTCARD, 16, "ebe67403d1c55435767fa85300000000"),
        (example_b(), BINCODE, 16, "77f740d8d966e7b0634ddb5400000000"),
        (example_b(), POSTCARD, 9, "ebe846a76a173500"),
        (example_b(), POSTCARD, 33, "ebe6de4fe90684f74717f7d6a3aa617865f7f73f17750a0e1f00000000000000"),
        ([], POSTCARD, 16, ""),
        ([], BINCODE, 16, ""),
    ],
    ids=["A", "A'", "B1", "B2", "B3", "B4", "nothing", "nothing-bincode"],
)
def test_example_files(found: list[Item], encoding: Encoding, bits: int, expected: str) -> None:
    """The commitment files of the worked examples, byte for byte."""
    assert expected == _file(found, encoding, bits)


def test_example_b5() -> None:
    """Another last output (B5): another last value, and the audit says where."""
    last = example_b()[-1]
    forged = [
        *example_b()[:-1],
        Item(last.fn_name, last.desc, last.inputs, last.input_data, last.output_type, b"\x00\x01"),
    ]
    file = bytes.fromhex(_file(example_b(), POSTCARD))

    found = audit_items(forged, file, POSTCARD, 16).difference

    assert "ebe67403d1c55435767f466600000000" == _file(forged, POSTCARD)
    assert found is not None
    assert (5, 0x53A8, 0x6646) == (found.index, found.expected, found.computed)


def test_example_a_against_a_changed() -> None:
    """A and A′ part at index 2, with the values of the reference."""
    file = bytes.fromhex(_file(example_a(), POSTCARD))

    found = audit_items(example_a(changed=True), file, POSTCARD, 16).difference

    assert found is not None
    assert (2, 0x8A10, 0xD549) == (found.index, found.expected, found.computed)


def test_frontiers() -> None:
    """Positions, ommers and lengths of the frontier before each item of B1, and its bytes at the beginning."""
    committer, seen = RasterCommitter(POSTCARD, 16), []
    for item in example_b():
        seen.append(committer.frontier())
        committer.append(item)

    assert [0, 1, 2, 3, 4, 5] == [frontier.position for frontier in seen]
    assert [0, 1, 1, 2, 1, 2] == [len(frontier.ommers) for frontier in seen]
    assert [35, 68, 68, 101, 68, 101] == [len(frontier.to_bytes()) for frontier in seen]
    assert b"\x00\x20" + SEED + b"\x00" == seen[0].to_bytes()


@settings(max_examples=60, deadline=None)
@given(st.lists(items(), max_size=9), st.sampled_from(list(Encoding)), st.integers(1, 64))
def test_streaming_is_batch(found: list[Item], encoding: Encoding, bits: int) -> None:
    """The frontier, item by item, gives the same file as trees that are computed from scratch for each item."""
    batch = plain_raster.file([plain(item) for item in found], str(encoding), bits)

    assert batch.hex() == _file(found, encoding, bits)


def test_many_appends_against_the_plain_tree() -> None:
    """The frontier stays right over carries of every length up to 300 leaves."""
    tree, leaves = Tree(), [SEED]
    for number in range(300):
        leaves.append(hashlib.sha256(number.to_bytes(4)).digest())
        tree.append(leaves[-1])
        if number % 23 == 0 or number.bit_count() > 6:
            assert plain_raster.root(leaves) == tree.root()
    assert 300 == tree.frontier().position


def test_full_tree() -> None:
    """A tree of 2^32 leaves takes no more."""
    tree = Tree()
    tree._position = 2**DEPTH - 1

    with pytest.raises(OverflowError):
        tree.append(SEED)


def test_each_item_has_a_value_of_its_own() -> None:
    """Values come one an item, whichever the encoding: the double append of bincode is inside."""
    for encoding in Encoding:
        committer = RasterCommitter(encoding, 64)
        values = [committer.append(item) for item in example_b()]
        assert 6 == len(values)
        assert all(left != right for left, right in pairwise(values))
