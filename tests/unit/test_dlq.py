"""Dead letters: what became of each, and what is published when one is replayed."""

from __future__ import annotations

import pytest
from operator_runs import AT_MS, Topics, form, proposal

from proofrail.cli.dlq_letters import Filter, Letters
from proofrail.cli.dlq_replay import Replay, corrected
from proofrail.cli.times import rfc3339, since_ms, span
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.messages import IndexEntry, to_line
from proofrail.wire.replay import attempts_before, replayed_letter


def _replayed(world: Topics, replay: Replay) -> Record:
    """What stands on the topic once the replay was published."""
    message = replay.message("me@here", b"salt")
    record = world.add(message.topic, message.key.decode(), message.value or b"")
    headers = {name: value.decode() for name, value in message.headers}
    changed = Record(record.topic, 0, record.offset, record.key, record.value, headers, AT_MS + 1)
    world.records[-1] = changed
    return changed


def test_a_letter_goes_from_open_to_replayed_to_refused_again() -> None:
    """Each step is told by the topics alone, and the history goes on from letter to letter."""
    world = Topics()
    (record,) = world.propose("one")
    world.letter(record, "proposal-shares-sum")
    (letter,) = Letters(world.records).all
    assert ("0-0", "open") == (letter.name, letter.state)

    again = _replayed(world, Replay(letter, record.value))
    (letter,) = Letters(world.records).all
    assert ("replayed", "me@here") == (letter.state, letter.replayed_by)
    assert 1 == attempts_before(again.headers)
    assert (topics.PROPOSALS_DLQ, 0, 0) == replayed_letter(again.headers)

    world.letter(again, "line-too-long", attempts=2, at_ms=AT_MS + 2)
    first, second = Letters(world.records).all
    assert ("refused again", "open") == (first.state, second.state)
    assert second is first.next
    third = Replay(second, again.value).message("me@here", b"salt")
    headers = {name: value.decode() for name, value in third.headers}
    expected = ("proposal-shares-sum", rfc3339(AT_MS), "2")
    assert expected == tuple(headers[f"proofrail-{name}"] for name in ("first-code", "first-at", "attempts"))
    assert "/proofrail/cli" == headers["ce_source"]


def test_what_would_come_to_nothing_is_said() -> None:
    """A value that is refused by this version too, one that was replayed, an id that is taken for good."""
    world = Topics()
    bad = world.add(topics.PROPOSALS, "bad", b"{}")
    good, taken = world.propose("good", "taken")
    for record, code in (
        (bad, "proposal-missing-member"),
        (good, "run-failed"),
        (taken, "proposal-id-reused"),
    ):
        world.letter(record, code)
    letters = Letters(world.records).all
    why = [Replay(letter, bytes.fromhex(letter.message.value)).why_not for letter in letters]
    assert "refused by this version" in str(why[0])
    assert why[1] is None
    assert "another proposal" in str(why[2])
    _replayed(world, Replay(letters[1], good.value))
    assert "replayed already, by me@here" in str(Replay(Letters(world.records).all[1], good.value).why_not)


def test_a_proposal_that_was_given_up_names_its_run() -> None:
    """While the index says so: the tracer then makes a run of it again. A corrected one needs an id of its own."""
    world = Topics()
    (record,) = world.propose("one")
    world.letter(record, "proof-timeout", attempts=5)
    entry = IndexEntry(
        allocation_id="one", proposal_sha256="0" * 64, run_id="aa" * 16, row=0, topic=record.topic, partition=0,
        offset=record.offset, dead_letter="proof-timeout",
    )  # fmt: skip
    world.add(topics.INDEX, "one", to_line(entry))
    (letter,) = Letters(world.records).all
    headers = dict(Replay(letter, canonical(form("one"))).message("me", b"").headers)
    assert b"aa" * 16 == headers["proofrail-requeues"]
    with pytest.raises(UnusableInputError) as error:
        corrected(letter, proposal("one"))
    assert "dead-letter-decided" == error.value.code
    assert proposal("two") == corrected(letter, proposal("two")).value

    world.add(
        topics.INDEX, "one", to_line(entry.model_copy(update={"run_id": "bb" * 16, "dead_letter": None}))
    )
    (letter,) = Letters(world.records).all
    assert letter.given_up_run is None


def test_letters_are_chosen_by_name_and_by_filter() -> None:
    """By place, by allocation (its last letter), by code or the beginning of codes, by age."""
    world = Topics()
    one, two = world.propose("one", "two")
    world.letter(one, "proposal-shares-sum", at_ms=AT_MS)
    world.letter(two, "proof-timeout", at_ms=AT_MS + 5000)
    world.letter(one, "proposal-id-reused", at_ms=AT_MS + 9000)
    letters = Letters(world.records)
    cases: list[tuple[list[str], Filter, list[str]]] = [
        ([], Filter(), ["0-0", "0-1", "0-2"]),
        (["one"], Filter(), ["0-2"]),
        (["0-1", "1", "two"], Filter(), ["0-1"]),
        ([], Filter(codes=["proposal-"]), ["0-0", "0-2"]),
        ([], Filter(codes=["proof-timeout"]), ["0-1"]),
        ([], Filter(since_ms=AT_MS + 5000), ["0-1", "0-2"]),
        ([], Filter(topic="other"), []),
    ]
    for names, wanted, expected in cases:
        assert expected == [letter.name for letter in letters.chosen(names, wanted)]
    with pytest.raises(UnusableInputError) as error:
        letters.chosen(["three"], Filter())
    assert "dead-letter-unknown" == error.value.code


@pytest.mark.parametrize(
    ("said", "expected"),
    [("3", 3), ("", 0), ("-1", 0), ("x", 0), ("99999999", 0), ("٣", 0), ("9999999", 1_000_000)],
)
def test_a_count_of_attempts_that_cannot_be_read_counts_nothing(said: str, expected: int) -> None:
    """Headers are hints: whatever stands there, the tracer goes on."""
    assert expected == attempts_before({"proofrail-attempts": said})


def test_times_are_read_and_told() -> None:
    """Ages, times with and without a zone, dates; lengths in their two largest units."""
    assert [400_000, 1_000_000 - 90_000, 0] == [
        since_ms(text, 1_000_000) for text in ("10m", "90s", "1970-01-01")
    ]
    assert since_ms("2026-01-31T12:00:00Z", 0) == since_ms("2026-01-31T14:00:00+02:00", 0)
    with pytest.raises(UnusableInputError):
        since_ms("soon", 0)
    assert ["0 s", "59 s", "1 min", "3 min 20 s", "2 h 5 min", "3 d 4 h"] == [
        span(seconds * 1000) for seconds in (0, 59, 60, 200, 7500, 273_600)
    ]
