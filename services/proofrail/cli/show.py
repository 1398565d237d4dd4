"""`proofrail show`: a run as a tree of spans, or one of its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from proofrail.cairo.source import SourceFiles
from proofrail.cli.output import command, emit_json, interruptible, wants_json
from proofrail.cli.show_print import print_run
from proofrail.cli.show_rerun import rerun
from proofrail.cli.show_source import HomeFolder, RunSource, SourceFolder, opened, sources_of
from proofrail.cli.show_step import print_step, step_json
from proofrail.cli.show_tree import Limits, Span, StepClock, Summary, read_spans, read_tree
from proofrail.cli.show_values import bytes_text, felts_json, felts_of, signature_of
from proofrail.wire.canonical import JsonObject
from proofrail.wire.errors import UnusableInputError

_DEPTH: Final = 12
_FOLD: Final = 6
_LAST: Final = "last"


def show(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN|EVENTS|-", help="A run's folder, its events, - for stdin, or a run_id."),
    ],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="STEP", help="Look into one step: its number from 0, or `last`.", show_default=False
        ),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Show spans down to this depth.", show_default=str(_DEPTH)),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Fold no iterations, cut no values, stop at no depth.")
    ] = False,
    program: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The compiled program.", show_default="program.json beside the events"
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What the run was asked to do, for --at without commitments.",
            show_default=False,
        ),
    ] = None,
    source: SourceFolder = None,
    home: HomeFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help="NDJSON: spans as they end, then the run.")] = False,
) -> None:
    """Show a run: its tree of spans with inputs, outputs, steps and source lines, or one step of it.

    Felts get their names from the compiled program. An address is shown as →272, a felt that spells a word in
    quotes. Of many iterations the first ones and the last are shown. What is shown is what was published:
    `proofrail audit` says whether it is true.

    --at executes the run again from its inputs and shows what stands before that step: registers, function,
    source line, instruction with operands, open span, the values in reach by name, the calls. `--at last` is the
    last real step; of a failed run the one that failed.

    \b
    Exit status:
      0  shown
      2  unusable input: no run, a line that cannot be read, a step out of range

    \b
    Examples:
      proofrail show run
      proofrail show run --at last
      proofrail show run --depth 3 --all
      proofrail show events.ndjson --program program.json --json | jq .path
      proofrail show events.ndjson --program program.json \\
          --inputs input.json --at 95
      proofrail show 3f9a1c
    """
    with command(), opened(run, program, home, inputs) as found:
        sources = sources_of(found, source)
        as_lines = wants_json(as_json)
        if at is not None:
            _show_step(found, at, sources, as_lines)
        elif as_lines:
            _emit_spans(found, depth)
        else:
            limits = Limits(None if whole else _DEPTH, None if whole else _FOLD)
            summary = Summary()
            spans = interruptible(
                lambda: read_tree(
                    found.events(),
                    summary,
                    limits if depth is None else Limits(depth, limits.fold),
                    _clock(found),
                )
            )
            print_run(found, summary, spans, sources, whole=whole)


def _show_step(run: RunSource, at: str, sources: SourceFiles, as_lines: bool) -> None:
    step = None if at == _LAST else _step_number(at)
    again = rerun(run)
    if step is None:
        step = again.last_step
    moments = again.moments
    last = len(moments) - (again.execution.outcome == "completed")
    if not 0 <= step <= last:
        raise UnusableInputError(
            "step-out-of-range",
            f"the run has no step {step:,}: its steps are 0 to {last:,}",
            "`--at last` is the last real one.",
            step=step,
        )
    moment = moments.at(step)
    if as_lines:
        emit_json(step_json(again, moment, sources))
    else:
        print_step(again, moment, sources)


def _step_number(at: str) -> int:
    digits = at.replace(",", "").replace("_", "")
    if not digits.isascii() or not digits.isdigit():
        raise UnusableInputError(
            "step-not-a-number", f"--at {at} is no step", "Give a number from 0, or `last`."
        )
    return int(digits)


def _emit_spans(run: RunSource, depth: int | None) -> None:
    summary = Summary()
    for span, _ in read_spans(run.events(), summary, _clock(run)):
        if depth is None or span.depth <= depth:
            emit_json(_span_json(span, run))
    emit_json(_run_json(run, summary))


def _span_json(span: Span, run: RunSource) -> JsonObject:
    found: JsonObject = {"v": 1, "type": "ShownSpan", "kind": span.kind, "name": span.name, "item": span.item}
    rest = {
        "span_id": span.span_id,
        "path": span.path,
        "depth": span.depth,
        "iteration": span.iteration,
        "cycles": span.cycles,
        "first_step": span.first_step,
        "error": span.error,
    }
    found |= {name: value for name, value in rest.items() if value is not None}
    felts = felts_of(span, run)
    if felts is not None:
        found["inputs"] = felts_json(felts[0])
        if felts[1] is not None:
            found["outputs"] = felts_json(felts[1])
    else:
        found["input_bytes"] = span.input_bytes
        found["input"] = bytes_text(span.input_bytes, run, short=False)
        if span.output_bytes is not None:
            found["output_bytes"] = span.output_bytes
            found["output"] = bytes_text(span.output_bytes, run, short=False)
    signature = signature_of(span, run)
    location = run.program.location(signature.entry) if run.program and signature else None
    if location is not None:
        found |= {"function": location.function, "source": f"{location.file}:{location.line}"}
    if not span.is_ended:
        found["ended"] = False
    return found | span.proven


def _run_json(run: RunSource, summary: Summary) -> JsonObject:
    members = ("run_id", "program", "layout", "spans", "inputs_count", "inputs_sha256", "label")
    found: JsonObject = {"v": 1, "type": "ShownRun", "spans_count": summary.spans}
    found |= {name: run.start[name] for name in members if name in run.start}
    ending = summary.end or {}
    found |= {
        name: ending[name]
        for name in ("outcome", "n_steps", "output_count", "output_sha256")
        if name in ending
    }
    failed = summary.innermost_failure
    if failed is not None and failed.error is not None:
        found["error"] = failed.error
    if run.seal is not None:
        found |= {name: run.seal[name] for name in ("items", "root") if name in run.seal}
    if run.program_note is not None:
        found["note"] = run.program_note
    return found


def _clock(run: RunSource) -> StepClock | None:
    return StepClock(run.start, run.last) if run.backend == "cairo" else None
