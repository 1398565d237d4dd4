"""`proofrail tail`: what comes onto the topics, as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proofrail.cli.columns import Column, Columns
from proofrail.cli.home import Home
from proofrail.cli.meant import completing
from proofrail.cli.output import command, emit_json, note, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption, complete_run, run_prefix
from proofrail.cli.said import STYLES, subject_of, verdict_of, words_of
from proofrail.cli.tail_wanted import SHORT_NAMES, TYPES, VERDICTS, Wanted, topic_names, type_of, wanted
from proofrail.cli.times import since_ms
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError, UnusableInputError

if TYPE_CHECKING:
    from proofrail.messaging.records import Record, TopicPartition
    from proofrail.messaging.settings import KafkaSettings

_LOOK_S: Final = 1.0
"""How often a topic that is missing is looked for."""

_TOPIC_OF: Final = {name: short for short, name in SHORT_NAMES.items()}
Show = Callable[["Record", dict[str, Any], Exception | None], None]

_COLUMNS: Final = (
    Column("time", 12, 8, mark=""),
    Column("topic", 13, 8),
    Column("type", 18, 0),
    Column("about", 24, 12),
    Column("verdict", 13, 11),
)


def tail(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TOPIC",
            help=f"Of these: {', '.join(SHORT_NAMES)}, or full names.",
            show_default="all but events and index; of commitments the seals",
            autocompletion=completing(lambda: SHORT_NAMES),
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin there: 10m, 2h, 3d ago, or at a time.", show_default="now"),
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with all there is.")] = False,
    offset: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Begin at this offset of the one topic; -N is the last N.", show_default=False
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("-n", "--lines", min=1, metavar="N", help="End after N lines.", show_default=False),
    ] = None,
    no_follow: Annotated[bool, typer.Option("--no-follow", help="End where the topics end now.")] = False,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="About this run.", show_default=False, autocompletion=complete_run),
    ] = None,
    allocation: Annotated[
        str | None, typer.Option(metavar="ID", help="About this allocation.", show_default=False)
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Of this type, such as Proof.",
            show_default=False,
            autocompletion=completing(lambda: TYPES),
        ),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERDICT",
            help=f"With this one: {', '.join(VERDICTS)}.",
            show_default=False,
            autocompletion=completing(lambda: VERDICTS),
        ),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Follow the topics: one line for each message, as it comes; Ctrl-C ends it.

    On a terminal a line tells time, topic, type, what it is about, and what it says. Piped, each line is the message
    itself in canonical form; what cannot be read is an object of type Unreadable. Only committed records are shown.
    A topic that does not exist yet is waited for.

    \b
    Exit status:
      0    ended by -n or --no-follow
      2    unusable input: no such topic, type or time
      3    no broker answers
      130  interrupted

    \b
    Examples:
      proofrail tail
      proofrail tail reports --verdict MISMATCH --since 1d
      proofrail tail --allocation my-allocation --from-start --no-follow
      proofrail tail proofs attestations --json | jq .run_id
    """
    with command():
        named = topic_names(topics or [])
        chosen = wanted(
            topics or [],
            run="" if run is None else run_prefix(run),
            allocation=allocation or "",
            types=kind or [],
            verdicts=verdict or [],
        )
        if sum((since is not None, from_start, offset is not None)) > 1:
            raise UnusableInputError(
                "several-beginnings",
                "--since, --from-start and --offset say where to begin: more than one was given",
                "Give one of them.",
            )
        if offset is not None and len(named) != 1:
            raise UnusableInputError(
                "offset-of-which-topic",
                "an offset counts in one topic, and several are followed",
                "Name the topic: proofrail tail proofs --offset 100.",
            )
        from proofrail.cli.broker import kafka_at

        kafka = kafka_at(Home.at(home))
        show: Show = _emit if wants_json(as_json) else _Rows()
        begin = 0 if from_start else None if since is None else since_ms(since, time.time_ns() // 1_000_000)
        asyncio.run(_follow(kafka, named, chosen, show, begin, offset, count, follow=not no_follow))


async def _follow(
    kafka: KafkaSettings,
    named: list[str],
    chosen: Wanted,
    show: Show,
    begin_ms: int | None,
    offset: int | None,
    count: int | None,
    *,
    follow: bool,
) -> None:
    from proofrail.cli.broker import ANSWERS_S, absence_told
    from proofrail.messaging.log_reader import LogReader

    places = await _places(kafka, named, begin_ms, offset, must_be_there=not follow)
    left = sys.maxsize if count is None else count
    if not follow:
        async with LogReader(kafka, sorted({tp.topic for tp in places}), places) as reader:
            await reader.connect(ANSWERS_S)
            await reader.start()
            async for records in reader.to_end(ANSWERS_S):
                left -= _shown(records, chosen, show, left)
                if left == 0:
                    return
        return
    async with absence_told(kafka, named):
        await _show_all(kafka, named, places, chosen, show, left)


async def _show_all(
    kafka: KafkaSettings,
    named: list[str],
    places: dict[TopicPartition, int],
    chosen: Wanted,
    show: Show,
    left: int,
) -> None:
    """Show what is wanted, also of topics that are still to come, until none is `left` to be shown."""
    from proofrail.cli.broker import ANSWERS_S
    from proofrail.messaging.log_reader import LogReader

    while True:
        there = [name for name in named if any(tp.topic == name for tp in places)]
        come = asyncio.create_task(_come(kafka, [name for name in named if name not in there]))
        try:
            if not there:
                await come
            async with LogReader(kafka, there, places) as reader:
                await reader.connect(ANSWERS_S)
                await reader.start()
                while not come.done():
                    left -= _shown(await reader.read(), chosen, show, left)
                    if left == 0:
                        return
            places = {**reader.places, **come.result()}
        finally:
            come.cancel()
            await asyncio.gather(come, return_exceptions=True)


def _shown(records: list[Record], chosen: Wanted, show: Show, most: int) -> int:
    """Show what is wanted of these, no more than `most`; how many that were."""
    from proofrail.client.reading import Unreadable, items

    shown = 0
    for record in sorted(records, key=lambda one: one.timestamp):
        if not chosen.may_take(record):
            continue
        for line in items(record):
            message = _object(line.line)
            if chosen.takes(record.topic, record.key_text, message):
                show(record, message, line.error if isinstance(line, Unreadable) else None)
                shown += 1
                if shown == most:
                    return shown
    return shown


async def _come(kafka: KafkaSettings, missing: list[str]) -> dict[TopicPartition, int]:
    """Where those of the missing topics begin that come first; waits until one does, for ever where none is missing."""
    from proofrail.messaging.errors import BrokerUnavailableError
    from proofrail.messaging.offsets import Offsets

    if not missing:
        await asyncio.Event().wait()
    note(f"waiting for {', '.join(missing)}: not on {kafka.bootstrap} yet; `proofrail topics` creates it")
    async with Offsets(kafka) as offsets:
        while True:
            with contextlib.suppress(
                BrokerUnavailableError
            ):  # a topic that is being made has no leader at first
                if extents := await offsets.extents(missing):
                    return {tp: extent.begin for tp, extent in extents.items()}
            await asyncio.sleep(_LOOK_S)


async def _places(
    kafka: KafkaSettings, named: list[str], begin_ms: int | None, offset: int | None, *, must_be_there: bool
) -> dict[TopicPartition, int]:
    """Where reading begins, in the topics that are there."""
    from proofrail.cli.broker import asked
    from proofrail.cli.topic_reading import topics_there

    async with asked(kafka) as offsets:
        extents = await offsets.extents(named)
        if must_be_there or offset is not None:
            topics_there(kafka, named, extents)
        if begin_ms is not None and begin_ms > 0:
            return await offsets.at(named, begin_ms)
    if begin_ms is not None:
        return {tp: extent.begin for tp, extent in extents.items()}
    if offset is None:
        return {tp: extent.end for tp, extent in extents.items()}
    if offset < 0:
        return {tp: max(extent.begin, extent.end + offset) for tp, extent in extents.items()}
    if not any(extent.begin <= offset <= extent.end for extent in extents.values()):
        held = ", ".join(f"partition {tp.partition}: {one.begin} … {one.end}" for tp, one in extents.items())
        raise UnusableInputError(
            "offset-outside",
            f"{named[0]} does not hold offset {offset} ({held})",
            "Give one that it holds, or -N for the last N.",
        )
    return {tp: min(max(offset, extent.begin), extent.end) for tp, extent in extents.items()}


def _object(line: bytes) -> dict[str, Any]:
    try:
        return parse_object(line)
    except MalformedError:
        return {}


def _emit(record: Record, message: dict[str, Any], error: Exception | None) -> None:
    if error is None:
        emit_json(message)
        return
    emit_json(
        {
            "v": 1,
            "type": "Unreadable",
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key_text,
            "code": str(getattr(error, "code", "")),
            "message": str(getattr(error, "message", error)),
        }
    )


class _Rows:
    """Messages as rows of a table."""

    def __init__(self) -> None:
        self._table = Columns(_COLUMNS, "says")

    def __call__(self, record: Record, message: dict[str, Any], error: Exception | None) -> None:
        verdict = "unreadable" if error is not None else verdict_of(message) or ""
        self._table.row(
            datetime.fromtimestamp(record.timestamp / 1000).strftime("%H:%M:%S.%f")[:-3],
            _TOPIC_OF.get(record.topic, record.topic),
            type_of(record.topic, message),
            subject_of(message, record.key_text),
            (verdict, STYLES.get(verdict, "red")),
            words_of(message) if error is None else str(error),
        )
