"""What `tail` shows: which lines, and in what words."""

from __future__ import annotations

from typing import Any

import pytest
from operator_runs import Topics

from proofrail.cli.said import subject_of, verdict_of, words_of
from proofrail.cli.tail_wanted import DEFAULT_TOPICS, topic_names, type_of, wanted
from proofrail.wire import topics
from proofrail.wire.errors import UnusableInputError

RUN = "3fa94bc6d0b1e2f37788990011223344"
SEED: dict[str, Any] = {"allocation_id": "a", "jediswap_pct": 40, "ekubo_pct": 60}
REPORT: dict[str, Any] = {
    "type": "AuditReport", "run_id": RUN, "subject": "run", "verdict": "MISMATCH",
    "first_mismatch": {"kind": "chain", "message": "block 3 differs"},
}  # fmt: skip
INPUT: dict[str, Any] = {"type": "Input", "run_id": RUN, "index": 0, "input": {"allocation_id": "a"}}
SEAL: dict[str, Any] = {
    "type": "CommitmentSeal",
    "run_id": RUN,
    "n_steps": 512,
    "items": 9,
    "inputs_count": 1,
}

PROOF = {
    "type": "Proof",
    "run_id": RUN,
    "backend": "stwo",
    "security_bits": 96,
    "size": 1000,
    "is_mock": True,
}


def test_topics_are_named_in_short_or_in_full() -> None:
    """Each once, in the order given; none named means those that a person follows."""
    assert [topics.PROOFS, topics.PROPOSALS_DLQ] == topic_names(
        ["proofs", "allocation.proposals.v1.dlq", "proofs.v1"]
    )
    assert list(DEFAULT_TOPICS) == topic_names([])
    with pytest.raises(UnusableInputError) as error:
        topic_names(["prooofs"])
    assert "topic-unknown" == error.value.code


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["proposal", "report", "seal"]),
        ({"run": "3fa9"}, ["report", "seal"]),
        ({"run": "0000"}, []),
        ({"allocation": "a"}, ["proposal"]),
        ({"types": ["input"]}, ["input"]),
        ({"types": ["AllocationProposal"]}, ["proposal"]),
        ({"verdicts": ["mismatch"]}, ["report"]),
        ({"verdicts": ["approved"]}, []),
    ],
)
def test_lines_are_filtered(asked: dict[str, Any], expected: list[str]) -> None:
    """Each filter on its own. Of commitments the seals alone are shown, unless a type or the topic is named."""
    lines = {
        "proposal": (topics.PROPOSALS, "a", SEED),
        "report": (topics.REPORTS, RUN, REPORT),
        "input": (topics.COMMITMENTS, RUN, INPUT),
        "seal": (topics.COMMITMENTS, RUN, SEAL),
    }
    chosen = wanted([], **asked)
    assert expected == [name for name, line in lines.items() if chosen.takes(*line)]
    assert wanted(["commitments"], allocation="a").takes(*lines["input"])


def test_a_name_that_is_no_text_is_that_of_nothing() -> None:
    """A shell hands on whatever bytes were typed."""
    world = Topics()
    (record,) = world.propose("a")
    assert not wanted([], allocation="\udcff").may_take(record)
    assert wanted([], allocation="a").may_take(record)


@pytest.mark.parametrize(
    ("asked", "code"), [({"types": ["Prof"]}, "type-unknown"), ({"verdicts": ["OK"]}, "verdict-unknown")]
)
def test_what_no_line_can_be_is_refused(asked: dict[str, Any], code: str) -> None:
    """A filter that is misspelt would show nothing for ever."""
    with pytest.raises(UnusableInputError) as error:
        wanted([], **asked)
    assert code == error.value.code


@pytest.mark.parametrize(
    ("topic", "message", "expected"),
    [
        (topics.PROPOSALS, SEED, ("AllocationProposal", "a", None, "jediswap 40 %, ekubo 60 %")),
        (topics.REPORTS, REPORT, ("AuditReport", "3fa94bc6", "MISMATCH", "run: chain: block 3 differs")),
        (topics.COMMITMENTS, INPUT, ("Input", "3fa94bc6", None, "input 0: a")),
        (topics.COMMITMENTS, SEAL, ("CommitmentSeal", "3fa94bc6", None, "sealed: 1 allocations, 512 steps, 9 items")),
        (topics.PROOFS, PROOF,
         ("Proof", "3fa94bc6", None, "stwo 96 bits, 1 kB, MOCK: proves nothing")),
        (topics.PROOFS, {"type": "Unheard", "run_id": 7}, ("Unheard", "k", None, "")),
        (topics.PROOFS, {}, ("?", "k", None, "")),
    ],
)  # fmt: skip
def test_a_message_is_told_in_a_line(topic: str, message: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """Also one of another version, with members that are missing or not what they should be."""
    assert expected == (
        type_of(topic, message),
        subject_of(message, "k"),
        verdict_of(message),
        words_of(message),
    )
