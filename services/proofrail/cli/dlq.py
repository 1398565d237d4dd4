"""`proofrail dlq`: dead letters, what they hold, and how they are published again."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from proofrail.cli.columns import Column, Columns
from proofrail.cli.explain import known_codes, matching
from proofrail.cli.home import Home
from proofrail.cli.meant import completing
from proofrail.cli.output import (
    Exit,
    ExitError,
    command,
    emit_json,
    emit_table,
    note,
    wants_json,
)
from proofrail.cli.run_options import HomeOption, JsonOption
from proofrail.cli.tail_wanted import SHORT_NAMES, topic_names
from proofrail.cli.terminal import SafeConsole
from proofrail.cli.times import rfc3339, since_ms, span
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.topics import TOPICS

if TYPE_CHECKING:
    from proofrail.cli.dlq_letters import Letter
    from proofrail.cli.dlq_replay import Replay
    from proofrail.messaging.settings import KafkaSettings

HELP = "Dead letters: refused records, what is wrong with each, and how to publish them again."

_COLUMNS: Final = (
    Column("letter", 8, 6),
    Column("age", 12, 8),
    Column("code", 27, 18),
    Column("key", 24, 10),
    Column("tries", 5, 0),
    Column("state", 13, 8),
)
_STYLES: Final = {"open": "yellow", "replayed": "dim", "refused again": "red"}

_LettersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="LETTER",
        help="Of these alone: names such as 0-17 from `dlq list`, or allocation ids.",
        show_default=False,
    ),
]
_CodeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--code",
        metavar="CODE",
        help="With this code, or beginning so: proposal-.",
        show_default=False,
        autocompletion=completing(known_codes),
    ),
]
_SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Not older: 10m, 2h, 3d, or a time.", show_default=False),
]
_TopicOption = Annotated[
    str | None,
    typer.Option(
        "--topic",
        metavar="TOPIC",
        help="Refused on this topic.",
        show_default=False,
        autocompletion=completing(lambda: TOPICS),
    ),
]
_OpenOption = Annotated[bool, typer.Option("--open", help="That were not replayed.")]


def list_letters(
    letters: _LettersArgument = None,
    code: _CodeOption = None,
    since: _SinceOption = None,
    topic: _TopicOption = None,
    only_open: _OpenOption = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """List dead letters, the oldest first: when, what code, what was refused, and whether it was replayed.

    \b
    Exit status:
      0  listed, or there are none
      2  unusable input: no such letter
      3  no broker answers

    \b
    Examples:
      proofrail dlq list --since 1d --open
      proofrail dlq list --code proposal- --json | jq -r .letter
    """
    with command():
        found = _chosen(home, letters, code, since, topic, only_open)
        if wants_json(as_json):
            for letter in found:
                emit_json(letter.to_object())
            return
        _print_letters(found)


def show_letter(
    letter: Annotated[str, typer.Argument(help="Its name, such as 0-17, or an allocation id.")],
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Show a dead letter: the value that was refused, why, what the code means, and what to do next.

    \b
    Exit status:
      0  shown
      2  unusable input: no such letter
      3  no broker answers

    \b
    Examples:
      proofrail dlq show 0-17
      proofrail dlq show my-allocation --json | jq -r .dead_letter.value | xxd -r -p > mine.json
    """
    with command():
        (found,) = _chosen(home, [letter], None, None, None, False)
        if wants_json(as_json):
            emit_json(found.to_object())
            return
        _show(found)


def replay_letters(
    letters: _LettersArgument = None,
    code: _CodeOption = None,
    since: _SinceOption = None,
    topic: _TopicOption = None,
    value: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A corrected value for the one letter.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before several.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also what was replayed before, or would be refused again.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Publish dead letters again: their values, to the topics on which they were refused.

    Which ones is said by name or by a filter. Each record carries its history in headers: the letter it replays, how
    often it was tried, when and why it was refused first, and who replayed it. If it is refused again, the new
    letter counts the attempts on. A proposal that was given up because its run could not be proven is run again.

    What was replayed already, and what this version would refuse as well, is left out and named, unless --force.

    \b
    Exit status:
      0  published, or with --dry-run nothing stands against it
      1  letters were left out
      2  unusable input: no such letter, nothing was named
      3  no broker answers
      130  not confirmed

    \b
    Examples:
      proofrail dlq replay 0-17
      proofrail dlq replay my-allocation --value corrected.json
      proofrail dlq replay --code prover-timeout --since 1d --dry-run
    """
    with command():
        if not (letters or code or since or topic):
            raise UnusableInputError(
                "nothing-to-replay",
                "no letter and no filter was given",
                "Name letters, or choose them with --code, --since or --topic; `proofrail dlq list` shows them.",
            )
        chosen = _chosen(home, letters, code, since, topic, False)
        replays = _prepared(home, chosen, value)
        taken = [one for one in replays if force or one.why_not is None]
        for one in replays:
            if one not in taken:
                note(f"left out: {one.letter.name} ({one.letter.message.key or '-'}): {one.why_not}")
        if dry_run:
            say(taken, None, wants_json(as_json))
        elif taken:
            confirm(taken, yes)
            say(taken, asyncio.run(_publish(home, taken)), wants_json(as_json))
        raise ExitError(Exit.OK if len(taken) == len(replays) else Exit.NEGATIVE)


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "list": list_letters,
    "show": show_letter,
    "replay": replay_letters,
}


def _chosen(
    home: Path | None,
    names: list[str] | None,
    codes: list[str] | None,
    since: str | None,
    topic: str | None,
    only_open: bool,
) -> list[Letter]:
    from proofrail.cli.dlq_letters import Filter
    from proofrail.cli.dlq_read import read_letters

    oldest = None if since is None else since_ms(since, time.time_ns() // 1_000_000)
    letters = asyncio.run(read_letters(_kafka(home)))
    full = None if topic is None else SHORT_NAMES.get(topic, topic)
    found = letters.chosen(names or [], Filter(tuple(codes or ()), full, oldest, only_open))
    if not found:
        # That there is none says something only where there could be one.
        for code in codes or []:
            matching(code)
        topic_names([] if full is None else [full])
    return found


def _prepared(home: Path | None, letters: list[Letter], value: Path | None) -> list[Replay]:
    from proofrail.cli.dlq_replay import corrected, replays_of

    if value is None:
        return asyncio.run(replays_of(_kafka(home), letters))
    if len(letters) != 1:
        raise UnusableInputError(
            "one-value-many-letters",
            f"--value is for one letter, and {len(letters)} were chosen",
            "Name the letter it is for.",
        )
    return [corrected(letters[0], value.read_bytes().strip())]


async def _publish(home: Path | None, replays: list[Replay]) -> list[int]:
    from proofrail.cli.dlq_replay import publish_replays

    return await publish_replays(_kafka(home), replays)


def _kafka(home: Path | None) -> KafkaSettings:
    from proofrail.cli.broker import kafka_at

    return kafka_at(Home.at(home))


def confirm(replays: list[Replay], yes: bool) -> None:
    """Ask before several are published. Raises UnusableInputError `not-confirmed`, ExitError."""
    if yes or len(replays) < 2:
        return
    if not sys.stdin.isatty():
        raise UnusableInputError(
            "not-confirmed",
            f"{len(replays)} letters would be published again, and nobody can be asked",
            "Say so with --yes; --dry-run shows what it would be.",
        )
    codes = ", ".join(sorted({one.letter.message.code for one in replays}))
    if not typer.confirm(f"Publish {len(replays)} letters again ({codes})?", err=True):
        raise ExitError(Exit.INTERRUPTED)


def say(replays: list[Replay], offsets: list[int] | None, as_json: bool) -> None:
    """Tell what was published where, or without `offsets` would be."""
    for place, one in enumerate(replays):
        letter = one.letter
        said: dict[str, object] = {
            "v": 1,
            "type": "DeadLetterReplay",
            "letter": letter.name,
            "topic": letter.message.topic,
            "attempts": letter.message.attempts,
            "published": offsets is not None,
        }
        if letter.message.key is not None:
            said["key"] = letter.message.key
        if offsets is not None:
            said["offset"] = offsets[place]
        if as_json:
            emit_json(said)
            continue
        how = "would be published" if offsets is None else f"is published at offset {offsets[place]}"
        SafeConsole(highlight=False).print(
            f"{letter.name} ({escape(letter.message.key or '-')}) {how} on {escape(letter.message.topic)}",
            soft_wrap=True,
        )


def _print_letters(letters: list[Letter]) -> None:
    table = Columns(_COLUMNS, "message")
    now = time.time() * 1000
    for letter in letters:
        message = letter.message
        table.row(
            letter.name,
            span(now - letter.record.timestamp),
            (message.code, "cyan"),
            message.key or "-",
            str(message.attempts),
            (letter.state, _STYLES[letter.state]),
            message.message,
        )
    if not letters:
        note("no dead letters")


def _show(letter: Letter) -> None:
    from proofrail.cli.codes.catalogue import ENTRIES

    message = letter.message
    rows: list[tuple[str, object]] = [
        ("letter", letter.name),
        ("written", rfc3339(letter.record.timestamp)),
        ("refused", f"{message.topic}/{message.partition} offset {message.offset}"),
        ("key", message.key or "-"),
        ("code", message.code),
        ("message", message.message),
        ("attempts", message.attempts),
        ("state", letter.state),
    ]
    if letter.replays:
        last = letter.replays[-1]
        rows.append(("replayed", f"{rfc3339(last.timestamp)} by {letter.replayed_by or '?'}"))
    if letter.next is not None:
        rows.append(("then", f"dead letter {letter.next.name}: {letter.next.message.code}"))
    if letter.given_up_run is not None:
        rows.append(("run", letter.given_up_run))
    for entry in ENTRIES.get(message.code, [])[:1]:
        rows += [("means", entry.means), ("why", entry.why), ("do", entry.remedy)]
    rows.append(("next", _next_step(letter)))
    emit_table(rows)
    held = bytes.fromhex(message.value)
    cut = "" if message.size is None else f" (the first {len(held)} of {message.size} bytes)"
    console = SafeConsole(file=sys.stdout, highlight=False)
    console.print(f"\n[bold]value[/]{cut}")
    console.print(_readable(held), markup=False)


def _readable(value: bytes) -> str:
    import json

    from proofrail.wire.canonical import parse_object
    from proofrail.wire.errors import MalformedError

    try:
        return json.dumps(parse_object(value), indent=2, ensure_ascii=False)
    except MalformedError:
        return value.decode(errors="replace")


def _next_step(letter: Letter) -> str:
    from proofrail.cli.dlq_replay import would_be_refused

    if letter.state != "open":
        return f"see dead letter {letter.next.name}" if letter.next else "nothing: it was replayed"
    if letter.given_up_run is not None:
        return f"when what stood against it is mended: proofrail dlq replay {letter.name}"
    if letter.message.size is None and would_be_refused(bytes.fromhex(letter.message.value), letter):
        return f"correct it, then: proofrail dlq replay {letter.name} --value FILE"
    return f"proofrail dlq replay {letter.name}"
