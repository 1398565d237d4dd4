"""`proofrail audit` where not everything is at hand: commitments alone, events alone, neither program nor inputs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import parse_message

PROGRAM = Path(__file__).parents[2] / "tests" / "data" / "cairo" / "loops.json"
INPUTS = {"i": 2, "n": 2, "depth": 2, "m": 1}


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("less")
    (folder / "asked.json").write_text(json.dumps(INPUTS))
    found = call("trace", PROGRAM, "--inputs", folder / "asked.json", "--out", folder / "run")
    assert 0 == found.exit_code, found.stderr
    return folder


@pytest.fixture
def run(traced: Path, tmp_path: Path) -> Path:
    """A copy of a run's folder, to alter."""
    shutil.copytree(traced / "run", tmp_path / "run")
    shutil.copy(traced / "asked.json", tmp_path / "run" / "asked.json")
    return tmp_path / "run"


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def report_of(found: Result) -> dict[str, Any]:
    assert found.stdout, found.stderr
    report = parse_object(found.stdout.encode().removesuffix(b"\n"))
    assert report == parse_message(report).to_object()
    return report


def unchecked(report: dict[str, Any]) -> dict[str, str]:
    return {part["part"]: part["code"] for part in report["unchecked"]}


def edit(path: Path, index: int, change: Callable[[dict[str, Any]], object]) -> None:
    lines = path.read_bytes().splitlines()
    event = parse_object(lines[index])
    change(event)
    lines[index] = canonical(event)
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def test_commitments_alone_are_enough_for_a_match(run: Path) -> None:
    """The events have expired: the run is executed again all the same, and the report says what was not looked at."""
    (run / "events.ndjson").unlink()
    report = report_of(found := call("audit", "--commitments", run / "commitments.ndjson"))
    assert (0, "MATCH") == (found.exit_code, report["verdict"])
    assert {"execution", "blocks", "seal", "signature"} <= set(report["checked"])
    assert "not-at-hand" == unchecked(report)["events"] == unchecked(report)["invariants"]


def test_commitments_alone_locate_the_item(run: Path) -> None:
    """A packed value that differs names its item without any event."""

    def change(block: dict[str, Any]) -> None:
        block["packed"] = "ffff" + block["packed"][4:]

    edit(run / "commitments.ndjson", 1, change)
    found = report_of(result := call("audit", "--commitments", run / "commitments.ndjson"))["first_mismatch"]
    assert (1, "packed", 0) == (result.exit_code, found["kind"], found["item"])


def test_events_with_their_inputs_are_recomputed(run: Path) -> None:
    """Without commitments a MATCH says that these are the run's events, and that nobody was seen to sign them."""
    arguments = ("audit", run / "events.ndjson", "--inputs", run / "asked.json")
    report = report_of(found := call(*arguments))
    assert (0, "MATCH") == (found.exit_code, report["verdict"])
    assert {"program", "layout", "inputs", "execution", "events", "invariants"} <= set(report["checked"])
    assert {"blocks", "seal", "signature"} <= unchecked(report).keys()
    edit(run / "events.ndjson", 9, lambda event: event.update(run_id="0" * 32))
    found = call(*arguments)
    mismatch = report_of(found)["first_mismatch"]
    assert (1, "run_id", 9) == (found.exit_code, mismatch["kind"], mismatch["item"])


@pytest.mark.parametrize(
    ("member", "value", "kind"),
    [
        ("layout", "dex", "layout"),
        ("inputs_sha256", "0" * 64, "inputs"),
        ("spans", "all", "member"),
        ("run_id", "0" * 32, "run_id"),
        ("v", 2, "version"),
        ("seq", 1, "seq"),
    ],
)
def test_an_altered_start_of_events_alone_is_named(run: Path, member: str, value: object, kind: str) -> None:
    """TraceStart alone tells the settings; its run_id tells which of them was altered."""
    edit(run / "events.ndjson", 0, lambda event: event.update({member: value}))
    found = report_of(call("audit", run / "events.ndjson", "--inputs", run / "asked.json"))["first_mismatch"]
    assert (kind, 0, member) == (found["kind"], found["item"], found["member"])


def test_events_of_other_inputs_are_a_mismatch(run: Path) -> None:
    """What the run was asked to do is what the auditor says it was."""
    (run / "asked.json").write_text(json.dumps(INPUTS | {"n": 3}))
    for more in ((), ("--commitments", run / "commitments.ndjson")):
        found = call("audit", run / "events.ndjson", "--inputs", run / "asked.json", *more)
        mismatch = report_of(found)["first_mismatch"]
        assert (1, "inputs") == (found.exit_code, mismatch["kind"])
        assert ("input" if more else "event") == mismatch["where"]
    (run / "asked.json").write_text(json.dumps(INPUTS))
    report = report_of(
        call("audit", "--commitments", run / "commitments.ndjson", "--inputs", run / "asked.json")
    )
    assert "MATCH" == report["verdict"]
    assert "published" in report["checked"]


def test_events_without_their_inputs_are_held_against_themselves(run: Path) -> None:
    """Nothing wrong is no MATCH: what is missing is said. What cannot be right is a MISMATCH."""
    for missing in ("inputs", "program"):
        report = report_of(found := call("audit", run / "events.ndjson"))
        assert (3, "INDETERMINATE") == (found.exit_code, report["verdict"])
        assert f"{missing}-missing" == unchecked(report)["execution"]
        assert "invariants" in report["checked"]
        assert {"inputs", "events", "blocks", "seal", "signature"} <= unchecked(report).keys()
        assert "held against themselves" in next(
            part["message"] for part in report["unchecked"] if part["part"] == "events"
        )
        (run / "program.json").unlink(missing_ok=True)
    edit(run / "events.ndjson", 9, lambda event: event.update(run_id="0" * 32))
    found = call("audit", run / "events.ndjson")
    mismatch = report_of(found)["first_mismatch"]
    assert (1, "invariant", "run-id-differs", 10) == (
        found.exit_code,
        mismatch["kind"],
        mismatch["code"],
        mismatch["line"],
    )


def test_events_that_end_early_are_open_until_the_run_is_recomputed(run: Path) -> None:
    """Their end may not have arrived; with the inputs it is known how many there are."""
    lines = (run / "events.ndjson").read_bytes().splitlines(keepends=True)
    (run / "events.ndjson").write_bytes(b"".join(lines[:-1]))
    report = report_of(found := call("audit", run / "events.ndjson"))
    assert (3, "unfinished") == (found.exit_code, unchecked(report)["events"])
    mismatch = report_of(call("audit", run / "events.ndjson", "--inputs", run / "asked.json"))[
        "first_mismatch"
    ]
    assert ("length", len(lines) - 1) == (mismatch["kind"], mismatch["item"])


def test_events_of_a_run_without_a_seal_are_held_against_themselves(run: Path) -> None:
    """Never sealed is undecided, unless an event cannot be right; raw files at hand are said to be left."""
    lines = (run / "commitments.ndjson").read_bytes().splitlines(keepends=True)
    (run / "commitments.ndjson").write_bytes(b"".join(lines[:-1]))
    arguments = ("audit", run / "events.ndjson", "--commitments", run / "commitments.ndjson")
    report = report_of(found := call(*arguments, "--trace", run / "trace.bin"))
    assert (3, "not-sealed", "not-at-hand") == (
        found.exit_code,
        (parts := unchecked(report))["seal"],
        parts["trace.bin"],
    )
    assert "invariants" in report["checked"]
    edit(run / "events.ndjson", 9, lambda event: event.update(seq=8))
    mismatch = report_of(call(*arguments))["first_mismatch"]
    assert ("invariant", "seq-wrong", 9) == (mismatch["kind"], mismatch["code"], mismatch["item"])


@pytest.mark.parametrize(
    ("line", "member", "value", "kind", "where"),
    [
        (1, "items", 7, "length", "block"),
        (1, "first_item", 1, "member", "block"),
        (1, "block", 3, "member", "block"),
        (1, "bits", 8, "member", "block"),
        (1, "packed", "00", "packed", "block"),
        (1, "chain", "0" * 64, "packed", "block"),
        (1, "chain", "no", "chain", "block"),
        (-1, "items", 3, "length", "block"),
        (-1, "blocks", 9, "length", "seal"),
        (-1, "chain", "0" * 64, "chain", "seal"),
        (-1, "root", "0" * 64, "signature", "checkpoint"),
        (-1, "inputs_sha256", "0" * 64, "inputs", "seal"),
    ],
)
def test_blocks_and_seal_alone_are_held_against_one_another(
    run: Path, line: int, member: str, value: object, kind: str, where: str
) -> None:
    """Neither program nor events: undecided, but what contradicts itself is a MISMATCH."""
    arguments = ("audit", "--commitments", run / "commitments.ndjson")
    (run / "program.json").unlink()
    report = report_of(found := call(*arguments))
    assert (3, "INDETERMINATE") == (found.exit_code, report["verdict"])
    assert {"execution": "program-missing", "blocks": "not-at-hand"}.items() <= unchecked(report).items()
    assert "signature" in report["checked"]
    edit(run / "commitments.ndjson", line, lambda members: members.update({member: value}))
    mismatch = report_of(found := call(*arguments))["first_mismatch"]
    assert (1, kind, where) == (found.exit_code, mismatch["kind"], mismatch["where"])


def test_what_cannot_be_audited_is_said(run: Path) -> None:
    """No file at all; inputs without the program that reads them."""
    assert (2, True) == ((found := call("audit")).exit_code, "nothing-to-audit" in found.stderr)
    (run / "program.json").unlink()
    found = call("audit", run / "events.ndjson", "--inputs", run / "asked.json")
    assert (2, True) == (found.exit_code, "program-needed" in found.stderr)


def test_evidence_of_a_mismatch_in_events_alone_can_be_written(run: Path) -> None:
    """It shows no signature of the tracer; the report names the bundle."""
    edit(run / "events.ndjson", 9, lambda event: event.update(depth=9))
    found = call(
        *("audit", run / "events.ndjson", "--inputs", run / "asked.json"),
        *("--evidence", run / "evidence.json", "--signing-key", run / "auditor.key"),
    )
    assert (1, True) == (found.exit_code, (run / "evidence.json").exists()), found.stderr
    assert str(run / "evidence.json") == report_of(found)["evidence"]["uri"]
