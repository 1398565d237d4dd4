"""`proofrail audit`: recompute a run from its inputs and compare it with what was published."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from proofrail.audit.cairo_subject import CairoSubject, subject_of
from proofrail.audit.claimed_events import EventFile, Events
from proofrail.audit.events_alone import audit_events
from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.audit.settings import RunPolicy
from proofrail.cairo.program import CairoProgram
from proofrail.cli.audit_vm import Vm, with_vm
from proofrail.cli.evidence import write_evidence
from proofrail.cli.exported import RunFiles, unpacked
from proofrail.cli.inputs import read_inputs
from proofrail.cli.keys import read_vkeys
from proofrail.cli.output import Exit, ExitError, command, emit_line, interruptible, wants_json
from proofrail.cli.report import print_report
from proofrail.cli.runfolder import PROGRAM, VKEY
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError, UnusableInputError
from proofrail.wire.events import EVENT_TYPES
from proofrail.wire.messages import to_line
from proofrail.wire.ndjson import MAX_FILE_LINE, iter_lines

_COMMITMENT_TYPES: Final = frozenset({"Input", "CommitmentBlock", "CommitmentSeal"})
_STATUS: Final = {"MATCH": Exit.OK, "MISMATCH": Exit.NEGATIVE, "INDETERMINATE": Exit.UNDECIDED}


def audit(
    events: Annotated[
        str | None,
        typer.Argument(
            metavar="EVENTS|-",
            help="The run's events, or - for stdin.",
            show_default="the commitments alone",
        ),
    ] = None,
    commitments: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Its inputs, blocks and seal (commitments.ndjson).",
            show_default="the events alone",
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What the run was asked to do, as for `trace`: needed where no commitments tell.",
            show_default=False,
        ),
    ] = None,
    program: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The compiled program.", show_default="program.json beside the run's files"
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Accepted public keys.", show_default="tracer.vkey beside the commitments"
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The claimed trace.bin: locates a single step.", show_default=False
        ),
    ] = None,
    memory: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The claimed memory.bin: locates a single cell.", show_default=False
        ),
    ] = None,
    max_steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="The step limit the run had to be made with.", show_default="the one it claims"
        ),
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write what proves a mismatch to others.", show_default=False
        ),
    ] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Private key that signs the evidence; made (0600) if missing.",
            show_default="not signed",
        ),
    ] = None,
    vm: Annotated[
        Vm | None,
        typer.Option(
            help="Another VM to ask as well: the original cairo-lang, set up on first use.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON line.")] = False,
) -> None:
    """Audit a run: execute it again from its inputs, and compare everything.

    The report on stdout says MATCH, MISMATCH with the first thing that differs, or INDETERMINATE with the
    parts that could not be checked. It is readable on a terminal, one JSON line when piped or with --json.

    Less will do. From commitments alone the run is executed again all the same, and its root binds the events.
    From events alone it is executed again with --program and --inputs, and compared item by item; without,
    the events are held against themselves, and the verdict stays open unless one of them cannot be right. With
    both commitments and --inputs the run must have been made on these inputs. The report names what was not
    checked.

    EVENTS may be an exported run (`proofrail export`): its commitments are in it, the program is the build of the
    risk engine that it names, and each of its inputs must be among the proposals in it.

    A run that the step limit ended matches when it got as far as it says; whether the tracer had to stop there
    is checked with --max-steps alone, and the report says so.

    With --vm reference the original Cairo VM makes the run too, in an environment of its own, and trace, memory
    and public input of the two are compared. Where it cannot, the verdict stays open.

    \b
    Exit status:
      0  match
      1  mismatch, also for a published line that breaks the wire format
      2  unusable input: a file is missing, or nothing in it can be read
      3  indeterminate: no seal, no program, no inputs, no key, or unknown members

    \b
    Examples:
      cd run && proofrail audit events.ndjson --commitments commitments.ndjson
      proofrail audit events.ndjson --commitments commitments.ndjson \\
          --trace trace.bin --memory memory.bin --json | jq .first_mismatch
      proofrail audit events.ndjson --commitments commitments.ndjson \\
          --program mine.json --key trusted.vkey
      proofrail audit --commitments commitments.ndjson
      proofrail audit events.ndjson --program mine.json --inputs asked.json
      proofrail audit events.ndjson --commitments commitments.ndjson \\
          --evidence evidence.json --signing-key auditor.key
      proofrail audit --commitments commitments.ndjson --vm reference
      proofrail audit exported.ndjson --key tracer.vkey
      python schemas/verify_evidence.py evidence.json \\
          --tracer-key tracer.vkey --auditor-key auditor.vkey
    """
    with command(), unpacked(events, commitments) as exported, _reopenable(exported, events) as source:
        named = Path(events) if events and events != "-" else None
        beside = commitments or named
        compiled = _beside(program, beside, PROGRAM)
        if exported is not None:
            commitments, compiled = exported.commitments, program or exported.program
        _refuse_unusable(source, commitments)
        subject = _subject(compiled)
        asked = _inputs(inputs, subject)
        keys = _keys(_beside(key, named if exported is not None else commitments, VKEY))
        policy = RunPolicy(max_steps=max_steps)
        trace_bytes = trace.read_bytes() if trace else None
        memory_bytes = memory.read_bytes() if memory else None

        def audited() -> RunAudit:
            if commitments is None:
                assert source is not None  # noqa: S101 - refused above
                return audit_events(
                    events=source,
                    subject=subject,
                    inputs=asked,
                    policy=policy,
                    trace=trace_bytes,
                    memory=memory_bytes,
                )
            with commitments.open("rb") as file:
                return audit_run(
                    commitments=(line for _, line in iter_lines(file, MAX_FILE_LINE)),
                    events=source,
                    subject=subject,
                    keys=keys,
                    policy=policy,
                    published=None if exported is None else exported.proposals.__contains__,
                    asked=asked,
                    trace=trace_bytes,
                    memory=memory_bytes,
                    run_id=None if exported is None else exported.run_id,
                )

        result = interruptible(audited)
        report = result.report if evidence is None else write_evidence(result, evidence, signing_key)
        if vm is not None:
            report = with_vm(report, result, subject)
        if wants_json(as_json):
            emit_line(to_line(report))
        else:
            print_report(report)
        raise ExitError(_STATUS[report.verdict])


@contextmanager
def _reopenable(exported: RunFiles | None, events: str | None) -> Iterator[Events | None]:
    if exported is not None:
        yield None if exported.events is None else EventFile(exported.events)
        return
    if events is None:
        yield None
        return
    if events != "-":
        path = Path(events)
        with path.open("rb"):  # a missing file is said before anything is computed
            pass
        yield EventFile(path)
        return
    with tempfile.NamedTemporaryFile(prefix="proofrail-events-") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield EventFile(Path(spool.name))


def _beside(given: Path | None, file: Path | None, name: str) -> Path | None:
    if given is not None or file is None:
        return given
    beside = file.parent / name
    return beside if beside.exists() else None


def _inputs(path: Path | None, subject: CairoSubject | None) -> list[JsonObject] | None:
    if path is None:
        return None
    if subject is None:
        raise UnusableInputError(
            "program-needed",
            "what the inputs mean depends on the program, and none is at hand",
            "Give the compiled program with --program.",
        )
    return read_inputs(path, subject)


def _subject(path: Path | None) -> CairoSubject | None:
    if path is None:
        return None
    return subject_of(CairoProgram.load(path))


def _keys(path: Path | None) -> list[str]:
    return [] if path is None else read_vkeys(path)


def _refuse_unusable(events: Events | None, commitments: Path | None) -> None:
    """A file of another kind is a mistake of the caller; a broken line in the right file is a finding."""
    if commitments is not None:
        _refuse_unusable_commitments(commitments)
    elif events is None:
        raise UnusableInputError(
            "nothing-to-audit",
            "neither events nor commitments were given",
            "Give the run's events as EVENTS, its commitments with --commitments, or both.",
        )
    if events is not None:
        _refuse_unusable_events(events)


def _refuse_unusable_commitments(commitments: Path) -> None:
    with commitments.open("rb") as file:
        published = _types(line for _, line in iter_lines(file, MAX_FILE_LINE))
    if not published:
        raise UnusableInputError(
            "commitments-unusable",
            f"no line of {commitments} is a JSON object",
            "Give the run's commitments: NDJSON of Input, CommitmentBlock and CommitmentSeal lines.",
        )
    if published.isdisjoint(_COMMITMENT_TYPES) and not published.isdisjoint(EVENT_TYPES):
        raise UnusableInputError(
            "commitments-are-events",
            f"{commitments} holds trace events",
            "Give the events as EVENTS and the run's commitments.ndjson with --commitments.",
        )


def _refuse_unusable_events(events: Events) -> None:
    claimed = _types(events())
    if claimed and claimed <= _COMMITMENT_TYPES:
        raise UnusableInputError(
            "events-are-commitments",
            "EVENTS holds commitments, not trace events",
            "Give the run's events.ndjson as EVENTS and these with --commitments.",
        )
    if not claimed and next(iter(events()), None) is not None:
        raise UnusableInputError(
            "events-unusable",
            "no line of EVENTS is a JSON object",
            "Give the run's trace events: NDJSON, one object on a line.",
        )


def _types(lines: Iterator[bytes]) -> set[object]:
    """The types of the first lines that can be read; empty when none can."""
    found: set[object] = set()
    readable = 0
    while readable < 8:
        try:
            line = next(lines, None)
            if line is None:
                break
            kind = parse_object(line).get("type")
        except MalformedError as error:
            if error.code == "line-too-long":
                break
            continue
        readable += 1
        found.add(kind if isinstance(kind, str) else None)
    return found
