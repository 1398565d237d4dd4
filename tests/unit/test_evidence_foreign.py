"""Trees, proofs and checkpoints as others make and read them: RFC 6962's vectors, the stand-alone verifier, and Go's
signed notes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from evidence_runs import TRACER, TRACER_VKEY, verifier
from hypothesis import given
from hypothesis import strategies as st

from proofrail.commitment.checkpoint import sign_checkpoint
from proofrail.commitment.items import leaf_hash
from proofrail.commitment.tree import Tree, consistency_proof, verify_consistency, verify_inclusion

DATA = Path(__file__).parents[1] / "data"
VECTORS: dict[str, Any] = json.loads((DATA / "rfc6962" / "vectors.json").read_text())
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in VECTORS["entries"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
MODULE_SECONDS = 90


def _proof(row: dict[str, Any]) -> list[bytes]:
    return [bytes.fromhex(node) for node in row["proof"]]


def test_roots_are_those_that_others_publish() -> None:
    """The tree of every beginning of the shared entries."""
    assert ROOTS == [Tree(LEAVES[:size]).root() for size in range(len(LEAVES) + 1)]


@pytest.mark.parametrize("row", VECTORS["inclusion"], ids=lambda row: f"{row['index']} of {row['size']}")
def test_inclusion_proofs_are_those_that_others_publish(row: dict[str, Any]) -> None:
    """Made alike, held by ours and by the stand-alone verifier."""
    index, size, proof = row["index"], row["size"], _proof(row)
    assert proof == Tree(LEAVES[:size]).inclusion_proof(index)
    assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])
    assert ROOTS[size] == verifier().climb(LEAVES[index], index, size, proof)[0]


@pytest.mark.parametrize("row", VECTORS["consistency"], ids=lambda row: f"{row['first']} of {row['second']}")
def test_consistency_proofs_are_those_that_others_publish(row: dict[str, Any]) -> None:
    """Made alike, and held."""
    first, second, proof = row["first"], row["second"], _proof(row)
    assert proof == consistency_proof(LEAVES[:second], first)
    assert verify_consistency(first, ROOTS[first], second, ROOTS[second], proof)


@given(st.integers(1, 70), st.data())
def test_the_subtrees_left_of_an_item_are_the_items_before_it(size: int, data: st.DataObject) -> None:
    """Folded, they give the root of the tree that ends before the item: two proofs with equal ones have equal
    beginnings."""
    index = data.draw(st.integers(0, size - 1))
    leaves = [leaf_hash(bytes([i])) for i in range(size)]
    root, left = verifier().climb(leaves[index], index, size, Tree(leaves).inclusion_proof(index))
    assert Tree(leaves).root() == root
    folded = left[0] if left else verifier().h()
    for part in left[1:]:
        folded = verifier().h(b"\x01", part, folded)
    assert Tree(leaves[:index]).root() == folded


@given(st.integers(1, 40), st.integers(0, 45), st.lists(st.binary(min_size=32, max_size=32), max_size=8))
def test_the_verifier_climbs_as_ours_does(size: int, index: int, proof: list[bytes]) -> None:
    """A proof of the right length leads to the one root that ours accepts, another to none."""
    leaf = leaf_hash(b"")
    try:
        root, _ = verifier().climb(leaf, index, size, proof)
    except ValueError:
        assert index >= size or len(proof) != len(Tree([leaf] * size).inclusion_proof(index))
    else:
        assert verify_inclusion(leaf, index, size, proof, root)


@cache
def _go_checker(folder: str) -> Path:
    """The program of tests/data/signed_note, built; skips the test where it cannot be."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("Go is not installed: nobody foreign to read checkpoints with")
    source = Path(folder)
    shutil.copytree(DATA / "signed_note", source, dirs_exist_ok=True)
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    for command, lacking in (
        (["mod", "download", "golang.org/x/mod"], "Go's module of signed notes cannot be had here"),
        (["build", "-o", "checker", "."], ""),
    ):
        try:
            done = subprocess.run(
                [go, *command],
                cwd=source,
                env=environment,
                capture_output=True,
                text=True,
                timeout=MODULE_SECONDS,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"`go {command[0]}` did not end within {MODULE_SECONDS} s: no network?")
        if done.returncode and lacking:
            pytest.skip(f"{lacking}: {done.stderr.strip()[-300:]}")
        assert 0 == done.returncode, done.stderr
    return source / "checker"


@pytest.mark.slow
def test_go_reads_our_checkpoints_and_proofs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """golang.org/x/mod/sumdb opens the note and holds each of our proofs, and no altered one."""
    checker = _go_checker(str(tmp_path_factory.getbasetemp() / "signed-note"))
    leaves = [leaf_hash(f"item {i}".encode()) for i in range(61)]
    tree = Tree(leaves)
    note = sign_checkpoint("0123456789abcdef0123456789abcdef", tree.size, tree.root(), TRACER)

    def told(note: str, vkey: str = TRACER_VKEY) -> dict[str, Any] | None:
        inclusion = [(i, leaves[i], tree.inclusion_proof(i)) for i in range(tree.size)]
        inclusion.append((5, leaves[6], tree.inclusion_proof(5)))
        consistency = [(n, Tree(leaves[:n]).root(), consistency_proof(leaves, n)) for n in range(1, 62)]
        consistency.append((8, tree.root(), consistency_proof(leaves, 8)))
        question = {
            "vkey": vkey,
            "note": note,
            "inclusion": [
                {"index": index, "leaf": _base64(leaf), "proof": [*map(_base64, proof)]}
                for index, leaf, proof in inclusion
            ],
            "consistency": [
                {"size": size, "root": _base64(root), "proof": [*map(_base64, proof)]}
                for size, root, proof in consistency
            ],
        }
        done = subprocess.run(
            [checker], input=json.dumps(question), capture_output=True, text=True, timeout=60, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    assert {
        "origin": "proofrail/0123456789abcdef0123456789abcdef",
        "size": 61,
        "root": _base64(tree.root()),
        "inclusion": [*[True] * 61, False],
        "consistency": [*[True] * 61, False],
    } == told(note)
    assert told(note.replace("\n61\n", "\n60\n")) is None
    assert told(note.replace("proofrail-tracer", "proofrail-auditor")) is None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
