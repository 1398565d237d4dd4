"""Evidence as its two users meet it: an auditor at a command line, and a stranger with one file of Python."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from proofrail.cairo.risk_program import risk_engine_artifact
from proofrail.cli.offline import register
from proofrail.commitment.blocks import Committer, chunk_root
from proofrail.commitment.checkpoint import Signer, sign_checkpoint
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical

APP = typer.Typer()
register(APP)

FIBONACCI = risk_engine_artifact().resolve().with_name("fibonacci.json")
VERIFIER = Path(__file__).parents[2] / "schemas" / "verify_evidence.py"

Object = dict[str, Any]


def call(*arguments: object) -> Result:
    """One command in this process."""
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of fibonacci, signed with a key that stays."""
    inputs, run = tmp_path / "input.json", tmp_path / "run"
    inputs.write_text('{"n": 10}')
    made = call("trace", FIBONACCI, "--inputs", inputs, "--out", run, "--key", run / "tracer.key")
    assert 0 == made.exit_code, made.output
    return run


def _audit(folder: Path, *more: object) -> Object:
    done = call(
        *("audit", folder / "events.ndjson", "--commitments", folder / "commitments.ndjson", "--json"),
        *("--evidence", folder / "evidence.json", *more),
    )
    assert 1 == done.exit_code, done.output
    report: Object = json.loads(done.stdout)
    return report


def _verify(folder: Path) -> subprocess.CompletedProcess[str]:
    keys = ("--tracer-key", folder / "tracer.vkey", "--auditor-key", folder / "auditor.vkey")
    return subprocess.run(
        [sys.executable, "-I", VERIFIER, folder / "evidence.json", *keys],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _lie(folder: Path, change: Callable[[list[Object], bytearray], None]) -> None:
    """What a tracer publishes that alters events and trace.bin, and signs that."""
    events = [json.loads(line) for line in (folder / "events.ndjson").read_bytes().splitlines()]
    trace = bytearray((folder / "trace.bin").read_bytes())
    change(events, trace)
    for event in events:
        if event["type"] == "StepBlock":
            event["root"] = chunk_root(bytes(trace), 64 * 24).hex()
    lines = [json.loads(line) for line in (folder / "commitments.ndjson").read_bytes().splitlines()]
    committer = Committer(events[0]["run_id"])
    for event in events:
        committer.append(item_bytes(event))
    last, core = committer.finish()
    signer = Signer.parse((folder / "tracer.key").read_text())
    note = sign_checkpoint(core["run_id"], core["items"], bytes.fromhex(core["root"]), signer)
    published = [lines[0], last, lines[-1] | core | {"checkpoint": note}]
    (folder / "events.ndjson").write_bytes(b"".join(canonical(event) + b"\n" for event in events))
    (folder / "commitments.ndjson").write_bytes(b"".join(canonical(line) + b"\n" for line in published))
    (folder / "trace.bin").write_bytes(trace)


def _other_output(events: list[Object], trace: bytearray) -> None:
    del trace
    events[24]["output_bytes"] = "ff" * 32


def _other_step(events: list[Object], trace: bytearray) -> None:
    del events
    trace[24 * 12] ^= 1


def test_a_stranger_sees_what_tracer_and_auditor_signed(folder: Path) -> None:
    """The report names the evidence by its digest; the auditor's key is made, private; nothing of ours is needed."""
    _lie(folder, _other_output)
    report = _audit(folder, "--signing-key", folder / "auditor.key")
    bundle = (folder / "evidence.json").read_bytes()
    assert hashlib.sha256(bundle).hexdigest() == report["evidence"]["digest"]
    assert 0o600 == stat.S_IMODE((folder / "auditor.key").stat().st_mode)
    done = _verify(folder)
    assert 0 == done.returncode, done.stdout
    assert 'they differ in member "output_bytes"' in done.stdout
    assert "RESULT: tracer and auditor differ" in done.stdout


def test_a_stranger_sees_an_invalid_step_without_any_vm(folder: Path) -> None:
    """Given the tracer's own files, the audit shows where they contradict the machine."""
    _lie(folder, _other_step)
    files = ("--trace", folder / "trace.bin", "--memory", folder / "memory.bin")
    _audit(folder, *files, "--signing-key", folder / "auditor.key")
    done = _verify(folder)
    assert 0 == done.returncode, done.stdout
    assert "RESULT: a fault of the tracer, shown without a VM and without trust in anyone" in done.stdout


def test_the_command_it_names_decides_who_is_right(folder: Path, tmp_path: Path) -> None:
    """Executed again with the program and inputs in the bundle, the run has the auditor's root."""
    _lie(folder, _other_output)
    _audit(folder, "--signing-key", folder / "auditor.key")
    bundle = json.loads((folder / "evidence.json").read_bytes())
    inputs = tmp_path / "again.json"
    inputs.write_text(json.dumps(bundle["inputs"][0]))
    places = {"PROGRAM": folder / "program.json", "INPUTS": inputs, "DIR": tmp_path / "again"}
    words = [places.get(word, word) for word in bundle["re_execute"].split()[1:]]
    assert 0 == call(*words).exit_code
    seal = json.loads((tmp_path / "again" / "commitments.ndjson").read_bytes().splitlines()[-1])
    assert seal["checkpoint"].split("\n")[:3] == bundle["expected"]["checkpoint"].split("\n")[:3]
    assert seal["checkpoint"].split("\n")[:3] != bundle["claimed"]["checkpoint"].split("\n")[:3]


def test_without_a_key_nothing_is_accepted(folder: Path) -> None:
    """The bundle is written, says so, and the verifier does not decide by it."""
    _lie(folder, _other_output)
    _audit(folder)
    _audit(folder, "--signing-key", folder / "auditor.key", "--evidence", folder / "other.json")
    assert 3 == _verify(folder).returncode


def test_a_key_of_another_role_and_an_honest_run_give_no_evidence(folder: Path) -> None:
    """The tracer's key does not sign for the auditor; without a mismatch there is nothing to write."""
    run = (folder / "events.ndjson", "--commitments", folder / "commitments.ndjson")
    matched = call("audit", *run, "--evidence", folder / "evidence.json")
    assert (0, False) == (matched.exit_code, (folder / "evidence.json").exists())
    _lie(folder, _other_output)
    refused = call(
        "audit", *run, "--evidence", folder / "evidence.json", "--signing-key", folder / "tracer.key"
    )
    assert (2, False) == (refused.exit_code, (folder / "evidence.json").exists())
    assert "key-name" in refused.output
