"""A run's identity."""

import hashlib

from proofrail.commitment.runid import inputs_sha256, run_id, run_ids

IDENTITY = {
    "artifact_sha256": "ab" * 32,
    "method_id": "0x1",
    "layout": "small",
    "spans": "own",
    "inputs_sha256": "cd" * 32,
    "bits": 16,
    "block_items": 256,
}


def test_the_run_id_is_that_of_the_normative_text() -> None:
    """The first half of a hash over everything that determines the run."""
    text = (
        'proofrail/run/v1\n{"artifact":"' + "ab" * 32 + '","commitment":{"bits":16,"block_items":256},'
        '"inputs_sha256":"' + "cd" * 32 + '","layout":"small","program":"0x1","spans":"own"}'
    )
    assert hashlib.sha256(text.encode()).hexdigest()[:32] == run_id(**IDENTITY)


def test_everything_that_determines_a_run_is_in_its_id() -> None:
    """A change of any part gives another run."""
    changes = {"bits": 17, "block_items": 255}
    ids = {run_id(**{**IDENTITY, name: changes.get(name, "other")}) for name in IDENTITY}
    assert len(IDENTITY) + 1 == len(ids | {run_id(**IDENTITY)})


def test_inputs_are_hashed_in_order_each_with_a_line_feed() -> None:
    """No two lists of inputs run together to the same bytes."""
    assert hashlib.sha256(b'{"a":1}\n{"b":2}\n').hexdigest() == inputs_sha256([b'{"a":1}', b'{"b":2}'])
    assert hashlib.sha256(b"").hexdigest() == inputs_sha256([])


def test_many_run_ids_are_those_made_one_by_one() -> None:
    """The fast way for many packings is the same hash."""
    same = {"artifact_sha256": "a" * 64, "method_id": "0x1", "layout": "small", "spans": "own"}
    packings = [(1, 1), (16, 256), (64, 100_000)]
    made = run_ids(**same, inputs_sha256="b" * 64, packings=packings)
    expected = [
        (bits, items, run_id(**same, inputs_sha256="b" * 64, bits=bits, block_items=items))
        for bits, items in packings
    ]
    assert expected == list(made)
