"""`proofrail export`: everything that the topics say of one run, as one file."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from proofrail.artifacts.files import replacing
from proofrail.cli.home import Home
from proofrail.cli.output import command, note
from proofrail.cli.recent import note_runs
from proofrail.cli.run_options import HomeOption, RunArgument, run_prefix
from proofrail.wire.export import write_export


def export(
    run: RunArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write it.", show_default="stdout")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write everything that the topics say of a run into one file, to be looked at without them.

    The file is canonical NDJSON: proposals, dead letters, index entries, trace events, commitments, the proof or
    failure, reports, attestations and registrations, record by record with place and time, as published. `audit`,
    `show` and `diff` read it, and the explorer with --file. Proofs and evidence lie in the artifact store: the file
    names them.

    \b
    Exit status:
      0  written
      2  unusable input: no such run, or several that begin so
      3  no broker answers

    \b
    Examples:
      proofrail export 3fa9 --out run.ndjson
      proofrail audit run.ndjson --key tracer.vkey
      proofrail export 3fa9 | jq -c 'select(.type == "AuditReport")'
    """
    with command():
        from proofrail.cli.broker import kafka_at
        from proofrail.cli.run_records import records_of_run

        place, prefix = Home.at(home), run_prefix(run)
        found = asyncio.run(records_of_run(kafka_at(place), prefix))
        note_runs(place, [found.run_id])
        with _opened(out) as file:
            for line in write_export(found.run_id, found.exported):
                file.write(line + b"\n")
        if out is not None:
            note(f"{len(found.records)} records of run {found.run_id} are in {out}")


@contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO]:
    if out is None:
        yield sys.stdout.buffer
        return
    with replacing(out) as file:
        yield file
