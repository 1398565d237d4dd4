"""How `propose --wait` and `demo` tell that a proposal has come to its end."""

from __future__ import annotations

from tests.faults import proposals

from proofrail.client.settlement import Published, Settled, Settlement
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import PoisonError
from proofrail.wire.messages import DeadLetter, to_line


def _published(value: bytes, offset: int) -> Published:
    return Published(topics.PROPOSALS, 0, offset, value, 0.0, proposals.digest_of(value))


def _letter(value: bytes, offset: int) -> Record:
    letter = DeadLetter.of(
        PoisonError("out-of-luck", "it would not"),
        topic=topics.PROPOSALS,
        partition=0,
        offset=offset,
        key=b"",
        value=canonical(proposals.form_of(value)),
        attempts=1,
    )
    return Record(topics.PROPOSALS_DLQ, 0, 0, b"", to_line(letter) + b"\n", {}, 0)


def _letter_of(settled: Settled) -> DeadLetter:
    assert isinstance(settled.message, DeadLetter)
    return settled.message


def test_a_dead_letter_settles_the_record_it_names() -> None:
    """Of two proposals the one at the letter's coordinates is settled, once."""
    settlement = Settlement([_published(proposals.valid("a"), 0), _published(proposals.valid("b"), 1)])
    (settled,) = settlement.observe(_letter(proposals.valid("b"), 1), 2.0)
    assert (1, "out-of-luck") == (settled.published.offset, _letter_of(settled).code)
    assert [0] == [one.offset for one in settlement.pending]
    assert [] == list(settlement.observe(_letter(proposals.valid("b"), 1), 3.0))


def test_a_proposal_given_up_before_is_settled_by_its_old_letter() -> None:
    """Published again, a proposal whose run could not be proven gets no letter of its own: the old one counts."""
    settlement = Settlement([_published(proposals.valid("a"), 7)])
    (settled,) = settlement.observe(_letter(proposals.valid("a"), 3), 1.0)
    assert (7, 3) == (settled.published.offset, _letter_of(settled).offset)
    assert [] == settlement.pending


def test_what_nobody_can_read_settles_nothing() -> None:
    """Garbage on a topic is passed over."""
    settlement = Settlement([_published(proposals.valid("a"), 0)])
    for topic in (
        topics.PROPOSALS_DLQ,
        topics.COMMITMENTS,
        topics.PROOFS,
        topics.REPORTS,
        topics.ATTESTATIONS,
    ):
        for value in (b"", b"{", b"\xff", b"null", b'{"v":1,"type":"Novel"}', b"9" * 70_000):
            assert [] == list(settlement.observe(Record(topic, 0, 0, b"", value, {}, 0), 1.0))
    assert [0] == [one.offset for one in settlement.pending]
