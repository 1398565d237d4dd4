"""`proofrail check`: the invariants of a stream of trace events, from the stream alone."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from proofrail.audit.invariants.check import MAX_LISTED, check_file
from proofrail.audit.invariants.summary import Summary
from proofrail.audit.invariants.violations import Violation
from proofrail.cli.output import (
    Exit,
    ExitError,
    command,
    emit_json,
    emit_table,
    interruptible,
    wants_json,
)
from proofrail.cli.terminal import SafeConsole
from proofrail.wire.errors import UnusableInputError


def check(
    events: Annotated[str, typer.Argument(metavar="EVENTS|-", help="NDJSON file, or - for stdin.")],
    limit: Annotated[
        int, typer.Option("--max", min=0, metavar="N", help="Violations to list; all are counted.")
    ] = MAX_LISTED,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for each, and a summary.")] = False,
) -> None:
    """Check the invariants of a trace: order, nesting, identity, loops, cycles, failures, blocks.

    Nothing but the events is needed: no program, no inputs, no commitments. Each violation is named with its line,
    a code, the member, and what was expected and claimed; what the run really did is for `proofrail audit` to say.
    Traces from elsewhere (backends native, risc0) are held to what every trace promises, Cairo runs to all of it.

    On a terminal the violations and a summary are readable; piped or with --json there is one JSON line for each
    violation and a summary as the last. Memory does not grow with the stream.

    \b
    Exit status:
      0  clean
      1  violations, also for a stream that ends without TraceEnd
      2  unusable input: a file is missing, or holds no JSON objects or no trace events

    \b
    Examples:
      proofrail check run/events.ndjson
      zcat events.ndjson.gz | proofrail check - --json | jq -r 'select(.line) | "\\(.line) \\(.code)"'
    """
    with command(), _file(events) as path:
        violations, summary = interruptible(lambda: check_file(lambda: path.open("rb"), limit))
        _refuse_unusable(events, summary)
        if wants_json(as_json):
            for violation in violations:
                emit_json(violation.to_object())
            emit_json(summary.to_object())
        else:
            _print(violations, summary)
        raise ExitError(Exit.OK if summary.clean else Exit.NEGATIVE)


@contextmanager
def _file(events: str) -> Iterator[Path]:
    if events != "-":
        yield Path(events)
        return
    with tempfile.NamedTemporaryFile(prefix="proofrail-events-") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield Path(spool.name)


def _refuse_unusable(events: str, summary: Summary) -> None:
    """A file of another kind is a mistake of the caller, not a trace with many violations."""
    unreadable = sum(
        count
        for code, count in summary.codes.items()
        if code.startswith("malformed-") or code == "line-too-long"
    )
    if summary.events or not summary.lines:
        return
    if unreadable - summary.codes.get("malformed-message", 0) == summary.lines:
        raise UnusableInputError(
            "events-unusable",
            f"no line of {events} is a JSON object",
            "Give a run's trace events: NDJSON, one object on a line.",
        )
    if summary.codes.get("unknown-type") == summary.lines:
        raise UnusableInputError(
            "events-of-no-trace",
            f"no line of {events} is a trace event",
            "Give a run's events.ndjson; commitments and reports are for proofrail audit and verify.",
        )


def _print(violations: list[Violation], summary: Summary) -> None:
    console = SafeConsole(file=sys.stdout, highlight=False, soft_wrap=True)
    for violation in violations:
        place = violation.place
        where = " ".join(str(place[name]) for name in ("event", "path") if name in place)
        console.print(f"[bold]line {violation.line}[/]  [red]{violation.code}[/]  {escape(where)}")
        console.print(f"    {escape(violation.message)}")
        sides = [f"{name} {place[name]}" for name in ("member", "expected", "claimed") if name in place]
        if sides:
            console.print(f"    [dim]{escape(', '.join(sides))}[/]")
    if violations:
        console.print()
    if summary.clean:
        console.print("[bold green]clean[/]")
    else:
        more = summary.violations - len(violations)
        listed = f", {more:,} of them not listed" if more else ""
        what = "violation" if summary.violations == 1 else "violations"
        console.print(f"[bold red]{summary.violations:,} {what}[/]{listed}")
    emit_table(_rows(summary))


def _rows(summary: Summary) -> list[tuple[str, object]]:
    codes = ", ".join(f"{count} {code}" for code, count in summary.codes.items())
    rows: list[tuple[str, object]] = [
        ("run_id", summary.run_id),
        ("backend", summary.backend),
        ("lines", f"{summary.lines:,}"),
        ("events", ", ".join(f"{count:,} {kind}" for kind, count in sorted(summary.events.items()))),
        ("spans", f"{summary.spans:,}, of them {summary.iterations:,} iterations"),
        ("greatest depth", summary.max_depth),
        ("steps in blocks", f"{summary.steps:,}"),
        ("cells in blocks", f"{summary.cells:,}"),
        ("n_steps", summary.n_steps),
        ("outcome", summary.outcome),
        ("violations", codes or None),
        ("unknown members", _unknown(summary)),
    ]
    return [(name, value) for name, value in rows if value is not None]


def _unknown(summary: Summary) -> str | None:
    if not summary.unknown_members:
        return None
    first = ", ".join(f"line {found['line']} {found['member']}" for found in summary.unknown)
    return f"{summary.unknown_members:,}, allowed and not checked: {first}"
