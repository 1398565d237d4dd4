"""`proofrail tail`: what comes onto the topics, as it comes."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proofrail.cli.columns import Columns
from proofrail.cli.home import Home
from proofrail.cli.output import command, emit_json, wants_json
from proofrail.cli.run_options import HomeOption, JsonOption, complete_run, run_prefix
from proofrail.cli.said import STYLES, subject_of, verdict_of, words_of
from proofrail.cli.tail_wanted import SHORT_NAMES, VERDICTS, Wanted, topic_names, type_of, wanted
from proofrail.cli.times import since_ms
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import MalformedError, UnusableInputError

if TYPE_CHECKING:
    from proofrail.messaging.records import Record, TopicPartition
    from proofrail.messaging.settings import KafkaSettings

_CONNECT_S: Final = 30.0
_TOPIC_OF: Final = {name: short for short, name in SHORT_NAMES.items()}
_COLUMNS: Final = (("time", 12), ("topic", 13), ("type", 18), ("about", 24), ("verdict", 13))


def tail(
    topics: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TOPIC]...",
            help=f"Of these: {', '.join(SHORT_NAMES)}, or full names.",
            show_default="all but events and index; of commitments the seals",
            autocompletion=lambda incomplete: [one for one in SHORT_NAMES if one.startswith(incomplete)],
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
        typer.Option("--type", metavar="TYPE", help="Of this type, such as Proof.", show_default=False),
    ] = None,
    verdict: Annotated[
        list[str] | None,
        typer.Option(metavar="VERDICT", help=f"With this one: {', '.join(VERDICTS)}.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Follow the topics: one line for each message, as it comes; Ctrl-C ends it.

    On a terminal a line tells time, topic, type, what it is about, and what it says. Piped, each line is the message
    itself in canonical form; what cannot be read is an object of type Unreadable. Only committed records are shown.

    \b
    Exit status:
      0    ended by -n or --no-follow
      2    unusable input: no such topic, type or time
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
        from proofrail.messaging.settings import KafkaSettings

        kafka = KafkaSettings(bootstrap=Home.at(home).bootstrap())
        show = _emit if wants_json(as_json) else _Rows()
        begin = 0 if from_start else None if since is None else since_ms(since, time.time_ns() // 1_000_000)
        asyncio.run(_follow(kafka, named, chosen, show, begin, offset, count, follow=not no_follow))


async def _follow(
    kafka: KafkaSettings,
    named: list[str],
    chosen: Wanted,
    show: Any,
    begin_ms: int | None,
    offset: int | None,
    count: int | None,
    *,
    follow: bool,
) -> None:
    from proofrail.client.reading import Unreadable, items
    from proofrail.messaging.log_reader import LogReader

    places = await _places(kafka, named, begin_ms, offset)
    shown = 0
    async with LogReader(kafka, named, places, otherwise="end") as reader:
        await reader.connect(_CONNECT_S)
        await reader.start()
        while follow or not await reader.at_end():
            for record in sorted(await reader.read(), key=lambda one: one.timestamp):
                for line in items(record):
                    message = _object(line.line)
                    if not chosen.takes(record.topic, record.key_text, message):
                        continue
                    show(record, message, line.error if isinstance(line, Unreadable) else None)
                    shown += 1
                    if shown == count:
                        return


async def _places(
    kafka: KafkaSettings, named: list[str], begin_ms: int | None, offset: int | None
) -> dict[TopicPartition, int]:
    """Where reading begins; what is not told begins with what comes."""
    from proofrail.messaging.offsets import Offsets

    if begin_ms is None and offset is None:
        return {}
    async with Offsets(kafka) as offsets:
        if begin_ms is not None and begin_ms > 0:
            return await offsets.at(named, begin_ms)
        extents = await offsets.extents(named)
    if offset is None:
        return {tp: extent.begin for tp, extent in extents.items()}
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
