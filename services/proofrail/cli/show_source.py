"""What `show` and `diff` read: a run's folder, a file of events, an exported run, standard input, or a run in a running
system."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from proofrail.audit.cairo_subject import subject_of
from proofrail.audit.claims import Claims, read_claims
from proofrail.cairo import cairo_lang
from proofrail.cairo.decode import ProgramNames
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.source import SourceFiles
from proofrail.cli.exported import exported_run, is_export_file, unpack
from proofrail.cli.home import Home
from proofrail.cli.inputs import read_inputs
from proofrail.cli.runfolder import COMMITMENTS, EVENTS, PROGRAM
from proofrail.commitment.runid import inputs_sha256
from proofrail.wire.canonical import JsonObject, canonical, parse_object
from proofrail.wire.errors import MalformedError, UnusableInputError
from proofrail.wire.events import require_known
from proofrail.wire.ndjson import MAX_FILE_LINE, iter_lines
from proofrail.wire.topics import MAX_LINE

SourceFolder = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="DIR",
        help="Where the Cairo sources lie.",
        show_default="here, and beside the run",
    ),
]
HomeFolder = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", help="Home folder of the system that a run_id is of.", show_default=False
    ),
]

_RUN_ID: Final = re.compile(r"[0-9a-f]{4,32}")


@dataclass(frozen=True)
class RunSource:
    """A run at hand. `folder` is where its other files lie, None where there are its events alone."""

    name: str
    events_file: Path
    commitments_file: Path | None = None
    program_file: Path | None = None
    folder: Path | None = None
    inputs_file: Path | None = None

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Numbers, from 1, and lines of the events. Raises MalformedError `line-too-long`."""
        with self.events_file.open("rb") as file:
            yield from iter_lines(file)

    def events(self) -> Iterator[JsonObject]:
        """The events in order. Raises UnusableInputError, which names the line that cannot be read."""
        read = 0
        try:
            for _, line in self.lines():
                read += 1
                event = parse_object(line)
                require_known(event)
                yield event
        except MalformedError as error:
            at = error.context.get("line", read)
            raise UnusableInputError(
                error.code,
                f"line {at} of {self.name} cannot be read: {error.message}",
                f"`proofrail check {self.name}` names everything that is wrong with it.",
                line=at,
            ) from error

    @cached_property
    def start(self) -> JsonObject:
        """The first event. Raises UnusableInputError `events-unusable` where there is none."""
        first = next(self.events(), None)
        if first is None or not isinstance(first.get("type"), str):
            raise UnusableInputError(
                "events-unusable",
                f"{self.name} holds no trace events",
                "Give a run's folder, or its events.ndjson.",
            )
        return first

    @cached_property
    def last(self) -> JsonObject:
        """The last event; empty where the last line cannot be read."""
        with self.events_file.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - MAX_LINE - 2))
            tail = file.read().removesuffix(b"\n")
        try:
            return parse_object(tail[tail.rfind(b"\n") + 1 :])
        except MalformedError:
            return {}

    @cached_property
    def claims(self) -> Claims | None:
        """The commitment lines; None where they are not at hand."""
        if self.commitments_file is None:
            return None
        with self.commitments_file.open("rb") as file:
            return read_claims(line for _, line in iter_lines(file, MAX_FILE_LINE))

    @property
    def seal(self) -> JsonObject | None:
        return None if self.claims is None or self.claims.seal is None else self.claims.seal.members

    @property
    def inputs(self) -> list[JsonObject] | None:
        """The run's inputs in normal form; None where they are not at hand. Raises UnusableInputError
        (`inputs-of-another-run`, and what `read_inputs` raises) for an inputs file."""
        if self.claims is None or not self.claims.inputs:
            return self._given_inputs()
        found = [line.members.get("input") for line in self.claims.inputs]
        return [value for value in found if isinstance(value, dict)]

    def _given_inputs(self) -> list[JsonObject] | None:
        if self.inputs_file is None or self.program is None:
            return None
        values = read_inputs(self.inputs_file, subject_of(self.program))
        if inputs_sha256(map(canonical, values)) != self.start.get("inputs_sha256"):
            raise UnusableInputError(
                "inputs-of-another-run",
                f"{self.inputs_file} does not hold the inputs of this run: their digest is another",
                "Give the inputs that the run was made with.",
            )
        return values

    @property
    def backend(self) -> str | None:
        program = self.start.get("program")
        backend = program.get("backend") if isinstance(program, dict) else None
        return backend if isinstance(backend, str) else None

    @property
    def spans(self) -> str:
        return "all" if self.start.get("spans") == "all" else "own"

    @cached_property
    def program(self) -> CairoProgram | None:
        """The compiled program, where it is at hand and the run's own (see `program_note`)."""
        return self._loaded[0]

    @property
    def program_note(self) -> str | None:
        """Why names and source lines are missing; None where they are not."""
        return self._loaded[1]

    @cached_property
    def names(self) -> ProgramNames | None:
        return None if self.program is None else ProgramNames(self.program.compiled)

    @cached_property
    def _loaded(self) -> tuple[CairoProgram | None, str | None]:
        if self.backend != "cairo":
            return None, None
        if self.program_file is None:
            return None, "the compiled program is not at hand (--program FILE): felts have no names"
        program = CairoProgram.load(self.program_file)
        claimed: Any = self.start.get("program")
        if program.artifact_sha256 != claimed.get("artifact_sha256"):
            return None, f"{self.program_file} is not the program of this run: felts have no names"
        return program, None


def sources_of(run: RunSource, given: Path | None) -> SourceFiles:
    """Where the Cairo sources of a run are looked for: the folder that was given, here, beside the run's files, and
    in Cairo's own library where it is installed."""
    places = (given, Path(), run.folder, cairo_lang.library())
    return SourceFiles([folder for folder in places if folder is not None])


@contextmanager
def opened(
    what: str, program: Path | None = None, home: Path | None = None, inputs: Path | None = None
) -> Iterator[RunSource]:
    """The run that an argument names: a folder, a file of events, an export, `-`, or the beginning of a run_id.
    `inputs` is the inputs file of a run whose commitments are not at hand.

    Raises UnusableInputError (`no-run-folder`, `file-not-found`, `run-not-found`, `run-ambiguous`, and what
    reading the topics of a running system raises).
    """
    path = Path(what)
    if what == "-" or not path.exists():
        with tempfile.TemporaryDirectory(prefix="proofrail-show-") as scratch:
            folder = Path(scratch)
            if what == "-":
                with (folder / EVENTS).open("wb") as file:
                    shutil.copyfileobj(sys.stdin.buffer, file)
                yield RunSource("standard input", folder / EVENTS, program_file=program, inputs_file=inputs)
            else:
                yield _published(what, folder, program, Home.at(home))
        return
    if path.is_dir():
        if not (path / EVENTS).is_file():
            raise UnusableInputError(
                "no-run-folder",
                f"{path} has no {EVENTS}",
                "Name a folder that `proofrail trace --out` wrote.",
            )
        yield _in_folder(what, path / EVENTS, path, program, inputs)
        return
    if is_export_file(path):
        with tempfile.TemporaryDirectory(prefix="proofrail-show-") as scratch:
            yield _exported(what, path, Path(scratch), program)
        return
    # The other files count only beside the events of the same name: any other file may be of another run.
    yield _in_folder(what, path, path.parent if path.name == EVENTS else None, program, inputs)


def _in_folder(
    name: str, events: Path, folder: Path | None, program: Path | None, inputs: Path | None = None
) -> RunSource:
    def beside(file: str) -> Path | None:
        return folder / file if folder is not None and (folder / file).is_file() else None

    return RunSource(name, events, beside(COMMITMENTS), program or beside(PROGRAM), folder, inputs)


def _exported(name: str, path: Path, folder: Path, program: Path | None) -> RunSource:
    run_id, records = exported_run(path)
    files = unpack(run_id, records, folder)
    if files.events is None:
        raise UnusableInputError(
            "run-not-found",
            f"{path} holds no trace events of run {run_id}",
            "They had expired when it was exported: `proofrail audit` takes the commitments alone.",
        )
    return RunSource(name, files.events, files.commitments, program or files.program, folder)


def _published(what: str, folder: Path, program: Path | None, home: Home) -> RunSource:
    if not _RUN_ID.fullmatch(what):
        raise UnusableInputError(
            "file-not-found",
            f"{what} does not exist, and is no run_id either",
            "Give a run's folder, its events.ndjson, - for standard input, or a run_id of a running system.",
        )
    from proofrail.cairo.risk_program import risk_engine_artifact
    from proofrail.cli.broker import kafka_at
    from proofrail.cli.show_topics import fetch_run

    run_id = asyncio.run(fetch_run(kafka_at(home), what, folder / EVENTS, folder / COMMITMENTS))
    return _in_folder(f"run {run_id}", folder / EVENTS, folder, program or risk_engine_artifact())
