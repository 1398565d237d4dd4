"""Dead letters published again: what is sent for each, and what will become of it."""

from __future__ import annotations

import getpass
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from proofrail.cli.broker import ANSWERS_S
from proofrail.cli.dlq_letters import Letter
from proofrail.cli.times import rfc3339
from proofrail.client.proposing import proposal_key
from proofrail.messaging.client import publish
from proofrail.messaging.log_reader import LogReader, PlaceLostError
from proofrail.messaging.records import Message, TopicPartition
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.errors import ProofrailError, UnusableInputError
from proofrail.wire.headers import child_traceparent, record_headers
from proofrail.wire.proposals import parse_proposal
from proofrail.wire.replay import History

_SOURCE = "/proofrail/cli"


@dataclass(frozen=True)
class Replay:
    """A dead letter that is to be published again, with its whole value."""

    letter: Letter
    value: bytes

    @property
    def why_not(self) -> str | None:
        """Why it would come to nothing; None where it may succeed."""
        if self.letter.replays:
            return f"it was replayed already, by {self.letter.replayed_by or 'somebody'}"
        return would_be_refused(self.value, self.letter)

    def message(self, by: str, salt: bytes) -> Message:
        """The record. `salt` makes its trace another than that of a replay before."""
        letter, first = self.letter, self.letter.first
        about = letter.message
        history = History(
            letter.place,
            about.attempts,
            first.message.code,
            rfc3339(first.record.timestamp),
            by,
            letter.given_up_run,
        )
        parent = child_traceparent(letter.record.traceparent, salt)
        headers = record_headers(about.topic, self.value, source=_SOURCE, traceparent=parent)
        return Message(
            about.topic,
            proposal_key(self.value) or letter.record.key,
            self.value,
            [*headers, *history.headers()],
        )


def would_be_refused(value: bytes, letter: Letter) -> str | None:
    """Why the tracer would refuse the value again, as far as it can be told from here."""
    try:
        parse_proposal(value)
    except ProofrailError as error:
        return f"it is refused by this version, too: [{error.code}] {error.message}"
    unchanged = value == bytes.fromhex(letter.message.value)
    if unchanged and letter.message.code == "proposal-id-reused":
        return "its allocation_id stands for another proposal, and always will"
    return None


async def replays_of(kafka: KafkaSettings, letters: Sequence[Letter]) -> list[Replay]:
    """The letters with their values. A letter holds the first 24 KiB: a longer value is read from where it was
    published. Raises ProofrailError `dead-letter-lost` when it is not there any more, BrokerUnavailableError."""
    return [Replay(letter, await _value(kafka, letter)) for letter in letters]


def who() -> str:
    """The user and the machine, as headers tell them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"[:128]


def corrected(letter: Letter, value: bytes) -> Replay:
    """A letter with another value in its place. Raises InvalidProposalError for one that is no proposal, and
    UnusableInputError `dead-letter-decided` where the allocation stands for the first value."""
    proposal = parse_proposal(value)
    taken = letter.given_up_run is not None or letter.message.code == "proposal-id-reused"
    if taken and proposal.allocation_id == letter.message.key:
        raise UnusableInputError(
            "dead-letter-decided",
            f"allocation {proposal.allocation_id} stands for another proposal already",
            "Give the corrected proposal an allocation_id of its own.",
        )
    return Replay(letter, value)


async def _value(kafka: KafkaSettings, letter: Letter) -> bytes:
    message = letter.message
    held = bytes.fromhex(message.value)
    if message.size is None:
        return held
    if message.topic in topics.TOPICS:
        found = await _read_at(kafka, *letter.about)
        if found is not None and found.startswith(held) and len(found) == message.size:
            return found
    raise ProofrailError(
        "dead-letter-lost",
        f"dead letter {letter.name} holds {len(held)} of {message.size} bytes, and "
        f"{message.topic}/{message.partition} has lost the record at offset {message.offset}",
        "Ask whoever published it for the value, and replay it with --value FILE.",
    )


async def _read_at(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> bytes | None:
    tp = TopicPartition(topic, partition)
    async with LogReader(kafka, [topic], {tp: offset}, otherwise="end") as reader:
        await reader.connect(ANSWERS_S)
        try:
            await reader.start()
        except PlaceLostError:
            return None
        async for records in reader.to_end(ANSWERS_S):
            for record in records:
                if record.tp == tp and record.offset >= offset:
                    return record.value if record.offset == offset else None
    return None


async def publish_replays(kafka: KafkaSettings, replays: Sequence[Replay]) -> list[int]:
    """Publish them; the offsets of the new records. Raises UnusableInputError `dead-letter-topic`,
    BrokerUnavailableError `not-published`."""
    for one in replays:
        if one.letter.message.topic != topics.PROPOSALS:
            raise UnusableInputError(
                "dead-letter-topic",
                f"dead letter {one.letter.name} is about {one.letter.message.topic!r:.80}, which takes no proposals",
                "Look at it with `proofrail dlq show`: the tracer writes none such.",
            )
    by, salt = who(), secrets.token_bytes(16)
    written = await publish(kafka, [one.message(by, salt + one.letter.name.encode()) for one in replays])
    return [place.offset for place in written]
