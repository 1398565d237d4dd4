"""`proofrail replay`: a run rebuilt from the topics, executed and audited again."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proofrail.cli.home import Home
from proofrail.cli.keys import read_vkeys
from proofrail.cli.output import Exit, ExitError, command, emit_line, interruptible, note, wants_json
from proofrail.cli.report import print_report
from proofrail.cli.run_options import HomeOption, JsonOption, RunArgument, run_prefix
from proofrail.cli.runfolder import COMMITMENTS, EVENTS, PROGRAM, PROOF, PROOF_MESSAGE, VKEY, RunFolderWriter
from proofrail.wire import topics
from proofrail.wire.export import Exported, write_export
from proofrail.wire.messages import AuditReport, to_line

if TYPE_CHECKING:
    from proofrail.cli.exported import RunFiles

EXPORT: Final = "export.ndjson"
_STATUS: Final = {"MATCH": Exit.OK, "INDETERMINATE": Exit.UNDECIDED, "MISMATCH": Exit.NEGATIVE}
_WORST_LAST: Final = list(_STATUS)


def replay(
    run: RunArgument,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder for the run's files and its proof.", show_default=False),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Accepted tracer keys.", show_default="the home folder's tracer"),
    ] = None,
    backends: Annotated[
        str,
        typer.Option(metavar="NAMES", help="Whose proofs are accepted.", envvar="PROOFRAIL_PROVER_BACKENDS"),
    ] = "stwo",
    min_security_bits: Annotated[
        int,
        typer.Option(
            min=80, help="Least security of a proof, in bits.", envvar="PROOFRAIL_MIN_SECURITY_BITS"
        ),
    ] = 96,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Rebuild a run from the topics: execute it again, commit to it again, audit it and its proof again.

    What the services said of it counts for nothing here: the run is made anew from its inputs, held against what was
    published, and its proof from the artifact store is verified. Each input must stand on the proposals topic. RUN may
    also be the path of an exported run; its proof is looked for in the home folder's store.

    With --out a folder has the events, commitments, program, public key, proof and the export, as `audit`, `show`,
    `verify` and `diff` take them.

    \b
    Exit status:
      0  both match
      1  run or proof does not match
      2  unusable input: no such run
      3  undecided: something is missing, such as the proof

    \b
    Examples:
      proofrail replay 3fa9
      proofrail replay 3fa9 --out run && proofrail show run --at last
      proofrail replay exported.ndjson --key tracer.vkey --json | jq .verdict
    """
    with command(), _records(run, Home.at(home)) as (run_id, records):
        place = Home.at(home)
        keys_file = key or place.tracer_key.with_suffix(".vkey")
        keys = read_vkeys(keys_file) if key is not None or keys_file.exists() else []
        with tempfile.TemporaryDirectory(prefix="proofrail-replay-") as scratch:
            from proofrail.cli.exported import unpack

            files = unpack(run_id, records, Path(scratch))
            reports = interruptible(
                lambda: _audited(files, records, keys, place, backends, min_security_bits)
            )
            if out is not None:
                _write(out, files, records, keys, place)
        for report in reports:
            if wants_json(as_json):
                emit_line(to_line(report))
            else:
                print_report(report)
        raise ExitError(_STATUS[max((one.verdict for one in reports), key=_WORST_LAST.index)])


@contextmanager
def _records(run: str, home: Home) -> Iterator[tuple[str, list[Exported]]]:
    """The run's records, from a file or from the topics."""
    from proofrail.cli.exported import exported_run

    if Path(run).is_file():
        yield exported_run(Path(run))
        return
    from proofrail.cli.broker import kafka_at
    from proofrail.cli.run_records import records_of_run

    found = asyncio.run(records_of_run(kafka_at(home), run_prefix(run)))
    yield found.run_id, found.exported


def _audited(
    files: RunFiles, records: list[Exported], keys: list[str], home: Home, backends: str, bits: int
) -> list[AuditReport]:
    """The report on the run, and that on its proof where the prover has said something of it."""
    from proofrail.audit.claimed_events import EventFile
    from proofrail.audit.risk_runs import RiskRuns, runs_with
    from proofrail.audit.run_audit import audit_run
    from proofrail.auditor.app import proof_auditors

    kinds = RiskRuns.all()
    committed = _committed(files.run_id, records)
    kind = runs_with(committed, kinds)
    audit = audit_run(
        commitments=() if committed is None else committed.read(),
        events=None if files.events is None else EventFile(files.events),
        subject=kind.subject,
        keys=keys,
        policy=kind.policy,
        published=files.proposals.__contains__,
        run_id=files.run_id,
    )
    terminal = _terminal(records)
    if terminal is None:
        note("the prover has not answered yet: there is no proof to audit")
        return [audit.report]
    proofs, _ = proof_auditors(
        kinds, backends, bits, os.environ.get("PROOFRAIL_REGISTRY_PRESETS", ""), _store(home).get
    )
    made = audit.recomputed
    report = proofs[kind.method_id].audit(
        terminal,
        run_id=files.run_id,
        output=None if made is None else made.output,
        traced=None if made is None else made.traced,
        root=None if made is None else made.seal["root"],
    )
    return [audit.report, report]


def _write(out: Path, files: RunFiles, records: list[Exported], keys: list[str], home: Home) -> None:
    from proofrail.wire.canonical import parse_object
    from proofrail.wire.errors import ProofrailError

    with RunFolderWriter(out) as folder:
        for name, path in (
            (EVENTS, files.events),
            (COMMITMENTS, files.commitments),
            (PROGRAM, files.program),
        ):
            if path is not None:
                folder.write(name, path.read_bytes())
        if keys:
            folder.write(VKEY, "".join(f"{one}\n" for one in keys).encode())
    (out / EXPORT).write_bytes(b"".join(line + b"\n" for line in write_export(files.run_id, records)))
    terminal = _terminal(records)
    message: dict[str, Any] = parse_object(terminal) if terminal else {}
    if message.get("type") == "Proof":
        (out / PROOF_MESSAGE).write_bytes((terminal or b"") + b"\n")
        try:
            (out / PROOF).write_bytes(_store(home).get(str(message.get("digest"))))
        except ProofrailError as error:
            note(f"the folder has no proof: [{error.code}] {error.message}")
    note(f"run {files.run_id} is in {out}")


def _committed(run_id: str, records: list[Exported]) -> Any:
    """The run as its commitments were published; None without any."""
    from proofrail.wire.runs import CommittedRun, RunAssembler

    assembler = RunAssembler()
    found: CommittedRun | None = None
    for one in records:
        if one.record.topic == topics.COMMITMENTS:
            if found is not None:
                found.hold(one.value)
            else:
                found = next(assembler.feed(run_id, one.value), None)
    if found is None and (lines := assembler.unfinished(run_id)):
        return CommittedRun(run_id, lines)
    return found


def _terminal(records: list[Exported]) -> bytes | None:
    """The prover's word on the run: its first record that is a proof or final, as the auditor takes it."""
    from proofrail.wire.readable import objects

    for one in records:
        if one.record.topic == topics.PROOFS:
            said = next(objects(one.value), {})
            if said.get("type") == "Proof" or said.get("final") is True:
                return one.value
    return None


def _store(home: Home) -> Any:
    from proofrail.artifacts.store import ArtifactStore

    return ArtifactStore(os.environ.get("PROOFRAIL_STORE_URL") or home.store_url)
