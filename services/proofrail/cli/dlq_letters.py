"""Dead letters and what became of them, from the topics alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.errors import MalformedError, UnusableInputError
from proofrail.wire.messages import DeadLetter, IndexEntry
from proofrail.wire.model import read_as
from proofrail.wire.readable import objects
from proofrail.wire.replay import BY, replayed_letter

TOPICS: Final = (topics.PROPOSALS, topics.PROPOSALS_DLQ, topics.INDEX)
"""What letters and their ends are read from."""

Place = tuple[str, int, int]


class ForLetters:
    """Tells which records of TOPICS letters and their ends are read from: most say nothing of any."""

    def __init__(self) -> None:
        self._given_up = GivenUpOnly()

    def __call__(self, record: Record) -> bool:
        match record.topic:
            case topics.PROPOSALS:
                return replayed_letter(record.headers) is not None
            case topics.INDEX:
                return self._given_up(record)
        return True


class GivenUpOnly:
    """Tells which index entries are about allocations that were ever given up."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def __call__(self, entry: Record) -> bool:
        # A later entry says that the allocation went on.
        if b'"dead_letter"' in entry.value:
            self._keys.add(entry.key)
        return entry.key in self._keys


@dataclass(eq=False)
class Letter:
    """A dead letter, where it lies, and what followed."""

    record: Record
    message: DeadLetter
    replays: list[Record] = field(default_factory=list)
    """The records that were published for it, in order."""
    next: Letter | None = None
    """The dead letter of its last replay."""
    before: Letter | None = None
    """The dead letter that its own record had replayed."""
    given_up_run: str | None = None
    """The run that ended without a proof, for a proposal that was dead-lettered after its run."""

    @property
    def name(self) -> str:
        """What commands call it: partition and offset."""
        return f"{self.record.partition}-{self.record.offset}"

    @property
    def place(self) -> Place:
        return self.record.topic, self.record.partition, self.record.offset

    @property
    def about(self) -> Place:
        """The record that was refused."""
        return self.message.topic, self.message.partition, self.message.offset

    @property
    def state(self) -> str:
        """`open`; `replayed`; `refused again`."""
        if not self.replays:
            return "open"
        return "replayed" if self.next is None else "refused again"

    @property
    def first(self) -> Letter:
        """The letter that the chain of replays began with."""
        found, passed = self, {self}
        # Headers are hints: whoever may publish can have them lead in a circle.
        while found.before is not None and found.before not in passed:
            found = found.before
            passed.add(found)
        return found

    @property
    def replayed_by(self) -> str | None:
        return self.replays[-1].headers.get(BY) if self.replays else None

    def to_object(self) -> dict[str, Any]:
        """As a line of `dlq list --json`."""
        found: dict[str, Any] = {
            "v": 1,
            "type": "DeadLetterStatus",
            "letter": self.name,
            "timestamp": self.record.timestamp * 1_000_000,
            "state": self.state,
            "replays": [
                {"partition": one.partition, "offset": one.offset, "by": one.headers.get(BY, "")}
                for one in self.replays
            ],
            "dead_letter": self.message.to_object(),
        }
        if self.next is not None:
            found["next"] = self.next.name
        if self.given_up_run is not None:
            found["run_id"] = self.given_up_run
        return found


@dataclass(frozen=True)
class Filter:
    """Which letters are meant; what is empty or None asks nothing."""

    codes: Collection[str] = ()
    topic: str | None = None
    since_ms: int | None = None
    only_open: bool = False

    def takes(self, letter: Letter) -> bool:
        return (
            (not self.codes or any(_code_fits(letter.message.code, code) for code in self.codes))
            and (self.topic is None or letter.message.topic == self.topic)
            and (self.since_ms is None or letter.record.timestamp >= self.since_ms)
            and (not self.only_open or letter.state == "open")
        )


class Letters:
    """All dead letters, in the order in which they were written."""

    def __init__(self, records: Iterable[Record]) -> None:
        replays: dict[Place, list[Record]] = {}
        letters: list[Letter] = []
        ended: dict[str, tuple[Place, str]] = {}
        for record in records:
            match record.topic:
                case topics.PROPOSALS_DLQ:
                    letters += _letters(record)
                case topics.PROPOSALS:
                    replayed = replayed_letter(record.headers)
                    if replayed is not None:
                        replays.setdefault(replayed, []).append(record)
                case topics.INDEX:
                    _note_index(record, ended)
        self.all = sorted(letters, key=lambda one: (one.record.timestamp, one.place))
        given_up = dict(ended.values())
        by_subject = {letter.about: letter for letter in self.all}
        for letter in self.all:
            letter.given_up_run = given_up.get(letter.about)
            letter.replays = replays.get(letter.place, [])
            if letter.replays:
                last = letter.replays[-1]
                letter.next = by_subject.get((last.topic, last.partition, last.offset))
            if letter.next is not None:
                letter.next.before = letter

    def chosen(self, names: Sequence[str], wanted: Filter) -> list[Letter]:
        """The letters with these names, or about these allocations (the last one of each), that `wanted` takes; all
        that it takes where none is named. Raises UnusableInputError `dead-letter-unknown`."""
        if not names:
            return [letter for letter in self.all if wanted.takes(letter)]
        found = [self._named(name) for name in names]
        return [letter for letter in dict.fromkeys(found) if wanted.takes(letter)]

    def _named(self, name: str) -> Letter:
        for letter in reversed(self.all):
            if name in (letter.name, letter.message.key) or (
                name == str(letter.record.offset) and letter.record.partition == 0
            ):
                return letter
        raise UnusableInputError(
            "dead-letter-unknown",
            f"no dead letter has the name {name!r:.80} or is about such an allocation",
            "`proofrail dlq list` names them all.",
        )


def _letters(record: Record) -> list[Letter]:
    found = []
    for line in objects(record.value):
        try:
            message = read_as({"DeadLetter": DeadLetter}, line, "dead letter")
        except MalformedError:
            continue
        found.append(Letter(record, message))
    return found


def _note_index(record: Record, last: dict[str, tuple[Place, str]]) -> None:
    """Of each allocation the last entry counts: the proposal and its run, if that was given up."""
    for line in objects(record.value):
        try:
            entry: IndexEntry = read_as({"AllocationIndex": IndexEntry}, line, "index entry")
        except MalformedError:
            continue
        last.pop(entry.allocation_id, None)
        if entry.dead_letter is not None:
            last[entry.allocation_id] = (entry.topic, entry.partition, entry.offset), entry.run_id


def _code_fits(code: str, wanted: str) -> bool:
    return code.startswith(wanted) if wanted.endswith("-") else code == wanted
