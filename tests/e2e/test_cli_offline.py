"""The commands on files, as a user meets them: real programs, real runs, real exit statuses."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.terminal import on_terminal
from typer.testing import CliRunner, Result

from proofrail.cairo.risk_program import risk_engine_artifact
from proofrail.cli.offline import register
from proofrail.commitment.blocks import Committer
from proofrail.commitment.items import item_bytes
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import parse_message

APP = typer.Typer()
register(APP)

RISK_ENGINE = risk_engine_artifact()
FIBONACCI = RISK_ENGINE.resolve().with_name("fibonacci.json")
PROPOSALS = [
    {
        "v": 1,
        "type": "AllocationProposal",
        "allocation_id": "a-1",
        "protocols": [
            {"name": "jediswap", "apy_bps": 850, "proposed_bps": 4400, "risk": 35},
            {"name": "ekubo", "apy_bps": 1210, "proposed_bps": 5600, "risk": 39},
        ],
    },
    {
        "allocation_id": "a-2",
        "jediswap_risk": 41,
        "ekubo_risk": 46,
        "jediswap_apy": 850,
        "ekubo_apy": 1210,
        "jediswap_pct": 90,
        "ekubo_pct": 10,
    },
]


_COMMAND = "import typer; from proofrail.cli.offline import register; a = typer.Typer(); register(a); a()"


def call(*arguments: object, stdin: bytes | None = None) -> Result:
    """One command in this process."""
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], input=stdin)


def spawn(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    """One command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _COMMAND, *map(str, arguments)],
        # A shell starts what it puts in the background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def audit(folder: Path, *more: object) -> Result:
    return call("audit", folder / "events.ndjson", "--commitments", folder / "commitments.ndjson", *more)


def report_of(result: Result) -> dict[str, Any]:
    line = result.stdout.strip()
    parse_message(line.encode())
    found: dict[str, Any] = json.loads(line)
    return found


def edit(path: Path, index: int, change: Callable[[dict[str, Any]], object]) -> None:
    lines = path.read_bytes().splitlines()
    obj = parse_object(lines[index])
    change(obj)
    lines[index] = canonical(obj)
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A traced run of the Fibonacci program."""
    inputs = tmp_path / "inputs.json"
    inputs.write_text('{"n": 30}\n')
    folder = tmp_path / "run"
    result = call("trace", FIBONACCI, "--inputs", inputs, "--out", folder, "--block-items", 16)
    assert 0 == result.exit_code, result.stderr
    return folder


def test_trace_writes_a_whole_run(run: Path) -> None:
    """All ten files are there, what Stone reads is at absolute paths, and the summary says what was
    committed.
    """
    names = {path.name for path in run.iterdir()}
    assert {
        "events.ndjson",
        "commitments.ndjson",
        "program.json",
        "tracer.vkey",
        "trace.bin",
        "memory.bin",
        "public_input.json",
        "private_input.json",
    } == names
    public = json.loads((run / "public_input.json").read_text())
    private = json.loads((run / "private_input.json").read_text())
    assert public["n_steps"] * 24 == (run / "trace.bin").stat().st_size
    assert str((run / "trace.bin").resolve()) == private["trace_path"]
    assert str((run / "memory.bin").resolve()) == private["memory_path"]
    assert FIBONACCI.read_bytes() == (run / "program.json").read_bytes()


def test_trace_prints_steps_items_and_root(run: Path, tmp_path: Path) -> None:
    """Piped, the summary is one JSON line; the same run has the same root."""
    result = call("trace", FIBONACCI, "--inputs", tmp_path / "inputs.json", "--out", tmp_path / "again")
    summary = json.loads(result.stdout)
    seal = json.loads((tmp_path / "again" / "commitments.ndjson").read_bytes().splitlines()[-1])
    events = (run / "events.ndjson").read_bytes().splitlines()
    assert (seal["n_steps"], seal["items"], seal["root"]) == (
        summary["n_steps"],
        summary["items"],
        summary["root"],
    )
    assert len(events) == summary["items"]
    assert ["0x1e", hex(832040)] == summary["output"]


def test_an_honest_run_is_a_match(run: Path) -> None:
    """Program and key are taken from beside the commitments; trace.bin and memory.bin may be checked too."""
    assert 0 == audit(run).exit_code
    result = audit(run, "--trace", run / "trace.bin", "--memory", run / "memory.bin", "--json")
    assert 0 == result.exit_code
    report = report_of(result)
    assert "MATCH" == report["verdict"]
    assert {"execution", "events", "blocks", "seal", "signature", "trace.bin"} <= set(report["checked"])


def test_a_key_is_made_once_and_used_again(run: Path, tmp_path: Path) -> None:
    """--key makes a private key that only its owner may read, and signs with it ever after."""
    key, inputs = tmp_path / "keys" / "tracer.key", tmp_path / "inputs.json"
    for name in ("one", "two"):
        result = call("trace", FIBONACCI, "--inputs", inputs, "--out", tmp_path / name, "--key", key)
        assert 0 == result.exit_code
    assert 0o600 == stat.S_IMODE(key.stat().st_mode)
    vkeys = [(tmp_path / name / "tracer.vkey").read_text() for name in ("one", "two")]
    assert vkeys[0] == vkeys[1] != (run / "tracer.vkey").read_text()
    assert 0 == audit(tmp_path / "two", "--key", tmp_path / "one" / "tracer.vkey").exit_code
    result = audit(tmp_path / "two", "--key", run / "tracer.vkey")
    assert (1, "signature") == (result.exit_code, report_of(result)["first_mismatch"]["kind"])


def test_a_failed_run_is_written_sealed_and_audited(run: Path, tmp_path: Path) -> None:
    """A run that ends at the step limit has status 1, no files for Stone, and can be audited like any
    other.
    """
    result = call("trace", FIBONACCI, "--inputs", tmp_path / "inputs.json", "--out", run, "--max-steps", 50)
    assert 1 == result.exit_code
    assert ("failed", 50) == (
        (summary := json.loads(result.stdout))["outcome"],
        summary["n_steps"],
    )
    assert "step-limit" == summary["error"]["code"]
    assert not (run / "trace.bin").exists()
    assert ["limit"] == [
        part["part"] for part in report_of(audit(run))["unchecked"] if "limit" in part["part"]
    ]
    assert [0, 1] == [audit(run, "--max-steps", limit).exit_code for limit in (50, 51)]
    edit(run / "commitments.ndjson", -1, lambda seal: seal.update(n_steps=51))
    assert (1, "n_steps") == (
        (found := audit(run)).exit_code,
        report_of(found)["first_mismatch"]["member"],
    )


def test_the_risk_engine_takes_proposals(tmp_path: Path) -> None:
    """Proposals of both shapes are the batch's inputs in normal form, and the model's output is checked."""
    inputs = tmp_path / "proposals.ndjson"
    inputs.write_bytes(b"".join(json.dumps(p).encode() + b"\n" for p in PROPOSALS))
    result = call("trace", RISK_ENGINE, "--inputs", inputs, "--out", tmp_path / "run")
    assert 0 == result.exit_code, result.stderr
    lines = (tmp_path / "run" / "commitments.ndjson").read_bytes().splitlines()
    forms = [json.loads(line)["input"] for line in lines[:2]]
    assert ["a-1", "a-2"] == [form["allocation_id"] for form in forms]
    assert [6000, 6000] == [form["limits"]["max_single_bps"] for form in forms]
    found = audit(tmp_path / "run")
    assert (0, True) == (found.exit_code, "output" in report_of(found)["checked"])
    edit(
        tmp_path / "run" / "commitments.ndjson",
        0,
        lambda line: line["input"]["limits"].update(max_single_bps=9000),
    )
    found = audit(tmp_path / "run")
    assert (1, "inputs") == (found.exit_code, report_of(found)["first_mismatch"]["kind"])
    edit(tmp_path / "run" / "commitments.ndjson", 0, lambda line: line["input"].update(novel=1))
    found = audit(tmp_path / "run")
    assert (1, "proposal") == (found.exit_code, report_of(found)["first_mismatch"]["kind"])


def test_a_bad_proposal_is_named_with_its_line(tmp_path: Path) -> None:
    """A batch with a bad proposal is not run at all; the error names line and member."""
    inputs = tmp_path / "proposals.ndjson"
    bad = {**PROPOSALS[1], "ekubo_pct": 11}
    inputs.write_bytes(b"".join(json.dumps(p).encode() + b"\n" for p in (PROPOSALS[0], bad)))
    result = call("trace", RISK_ENGINE, "--inputs", inputs, "--out", tmp_path / "run")
    assert 2 == result.exit_code
    assert "proposal-shares-sum" in result.stderr
    assert "line 2" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "index", "change", "kind", "item"),
    [
        ("events.ndjson", 0, {"layout": "plain"}, "layout", 0),
        ("events.ndjson", 3, {"type": "TileEnd"}, "type", 3),
        ("events.ndjson", 3, {"seq": 4}, "seq", 3),
        ("events.ndjson", 3, {"input_bytes": "00"}, "input_bytes", 3),
        ("events.ndjson", 3, {"novel": 1}, "unknown-member", 3),
        ("events.ndjson", -1, {"n_steps": 1}, "member", 69),
        ("commitments.ndjson", 0, {"input": {"n": 31}}, "inputs", None),
        ("commitments.ndjson", 2, {"packed": "00" * 32}, "packed", 16),
        ("commitments.ndjson", 2, {"chain": "00" * 32}, "chain", None),
        ("commitments.ndjson", -1, {"root": "00" * 32}, "root", None),
        ("commitments.ndjson", -1, {"checkpoint": "none"}, "signature", None),
        ("commitments.ndjson", -1, {"outcome": "failed"}, "member", None),
    ],
)
def test_alterations_are_located(
    run: Path, name: str, index: int, change: dict[str, Any], kind: str, item: int | None
) -> None:
    """Each altered file is found out, with the kind and the item."""
    edit(run / name, index, lambda line: line.update(change))
    result = audit(run)
    report = report_of(result)
    if kind == "unknown-member":
        assert (3, "INDETERMINATE", kind, item) == (
            result.exit_code,
            report["verdict"],
            report["unchecked"][0]["code"],
            report["unchecked"][0]["item"],
        )
    else:
        found = report["first_mismatch"]
        assert (1, "MISMATCH", kind, item) == (
            result.exit_code,
            report["verdict"],
            found["kind"],
            found.get("item"),
        )


def test_an_altered_step_is_followed_to_the_source(run: Path) -> None:
    """With trace.bin the step is named, with its registers and the line of Cairo."""
    raw = bytearray((run / "trace.bin").read_bytes())
    raw[24 * 100] ^= 1
    (run / "trace.bin").write_bytes(raw)
    found = report_of(result := audit(run, "--trace", run / "trace.bin"))["first_mismatch"]
    assert (1, "step", 100, "ap") == (result.exit_code, found["kind"], found["step"], found["member"])
    assert found["ap"] ^ 1 == found["claimed"]["ap"]
    assert "fibonacci.cairo:" in found["source"]


def test_an_altered_cell_is_named_with_its_segment(run: Path) -> None:
    """With memory.bin the cell is named, with its address and segment."""
    raw = bytearray((run / "memory.bin").read_bytes())
    raw[40 * 3 + 8] ^= 1
    (run / "memory.bin").write_bytes(raw)
    found = report_of(result := audit(run, "--memory", run / "memory.bin"))["first_mismatch"]
    assert (1, "cell", "program", "value") == (
        result.exit_code,
        found["kind"],
        found["segment"],
        found["member"],
    )


@pytest.mark.parametrize("missing", ["program.json", "tracer.vkey"])
def test_a_missing_part_leaves_the_verdict_open(run: Path, missing: str) -> None:
    """Without program or key the rest is checked, and status 3 says what was not."""
    (run / missing).unlink()
    report = report_of(result := audit(run))
    assert (3, "INDETERMINATE") == (result.exit_code, report["verdict"])
    code = {"program.json": "program-missing", "tracer.vkey": "key-missing"}[missing]
    assert code == report["unchecked"][0]["code"]
    assert {"events", "blocks"} <= set(report["checked"])


def test_arithmetic_is_checked_even_where_the_run_cannot_be_repeated(run: Path) -> None:
    """Without the program, events that the commitments do not bind are still a MISMATCH."""
    (run / "program.json").unlink()
    edit(run / "events.ndjson", 20, lambda event: event.update(cycles=1))
    found = report_of(result := audit(run))["first_mismatch"]
    assert (1, "packed", 1, 20) == (result.exit_code, found["kind"], found["block"], found["item"])


def test_a_run_that_was_never_sealed_is_undecided(run: Path) -> None:
    """Without the seal nothing was claimed for good."""
    path = run / "commitments.ndjson"
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:-1]) + b"\n")
    report = report_of(result := audit(run))
    assert (3, "not-sealed") == (result.exit_code, report["unchecked"][0]["code"])


def test_a_truncated_file_is_a_mismatch(run: Path) -> None:
    """Fewer events than the run has, down to a line cut in the middle."""
    path = run / "events.ndjson"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n", 4000) + 1])
    found = report_of(result := audit(run))["first_mismatch"]
    assert (1, "length") == (result.exit_code, found["kind"])
    path.write_bytes(whole[:-20])
    found = report_of(result := audit(run))["first_mismatch"]
    assert (1, "malformed", 69) == (result.exit_code, found["kind"], found["item"])
    path.write_bytes(b"")
    found = report_of(result := audit(run))["first_mismatch"]
    assert (1, "length", 0) == (result.exit_code, found["kind"], found["item"])


def test_unusable_files_have_status_2(run: Path, tmp_path: Path) -> None:
    """What is no run at all is said to be unusable, with a code and a next step."""
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"nothing\nof json\n")
    events, commitments = run / "events.ndjson", run / "commitments.ndjson"
    cases: list[tuple[str, list[object]]] = [
        ("file-not-found", ["audit", tmp_path / "no", "--commitments", commitments]),
        ("file-not-found", ["audit", events, "--commitments", tmp_path / "no"]),
        ("events-unusable", ["audit", garbage, "--commitments", commitments]),
        ("commitments-unusable", ["audit", events, "--commitments", garbage]),
        ("events-are-commitments", ["audit", commitments, "--commitments", commitments]),
        ("commitments-are-events", ["audit", events, "--commitments", events]),
        ("key-malformed", ["audit", events, "--commitments", commitments, "--key", garbage]),
        ("program-unusable", ["audit", events, "--commitments", commitments, "--program", garbage]),
        ("program-unusable", ["trace", garbage, "--inputs", garbage, "--out", tmp_path / "x"]),
        ("malformed-json", ["trace", FIBONACCI, "--inputs", garbage, "--out", tmp_path / "x"]),
        ("no-run-folder", ["prove", tmp_path]),
        ("file-not-found", ["verify", tmp_path / "no"]),
    ]
    for code, arguments in cases:
        result = call(*arguments)
        assert (2, "") == (result.exit_code, result.stdout), arguments
        assert code in result.stderr, (code, result.stderr)
        assert "next: " in result.stderr, arguments
    assert not (tmp_path / "x").exists()


def test_events_are_read_from_stdin(run: Path) -> None:
    """`audit -` reads the events from a pipe."""
    events = (run / "events.ndjson").read_bytes()
    result = call("audit", "-", "--commitments", run / "commitments.ndjson", stdin=events)
    assert (0, "MATCH") == (result.exit_code, report_of(result)["verdict"])


def test_commit_agrees_with_trace_and_with_the_reference(run: Path) -> None:
    """The blocks of `commit` are those of `trace`; seal and blocks are those of the plain implementation."""
    lines = (run / "commitments.ndjson").read_bytes().splitlines()
    run_id = json.loads(lines[-1])["run_id"]
    result = call("commit", run / "events.ndjson", "--run-id", run_id, "--block-items", 16)
    assert 0 == result.exit_code
    committed = result.stdout_bytes.splitlines()
    assert lines[1:-1] == committed[:-1]
    seal = json.loads(lines[-1])
    core = json.loads(committed[-1])
    assert {name: seal[name] for name in core} == core
    assert {"v", "type", "run_id", "items", "blocks", "bits", "block_items", "chain", "root"} == set(core)


def test_commit_takes_any_objects_from_stdin() -> None:
    """Any stream of JSON objects, in any spelling, is committed to by the normative text."""
    objects = [{"b": 1, "a": [True, None, "ü"]}, {}, {"timestamp": 5, "x": {"label": 1}}]
    stream = b"\n".join(json.dumps(obj).encode() for obj in objects)
    result = call("commit", "-", "--run-id", "any", "--bits", 9, "--block-items", 2, stdin=stream)
    committer = Committer("any", 9, 2)
    expected = [block for obj in objects if (block := committer.append(item_bytes(obj)))]
    last, core = committer.finish()
    assert [*expected, last, core] == [json.loads(line) for line in result.stdout_bytes.splitlines()]


def test_commit_stops_at_a_malformed_line() -> None:
    """Status 2, the line and the code on stderr; stdout holds whole blocks and never a seal."""
    stream = b'{"a":1}\n' * 3 + b'{"a":1.5}\n{"a":1}\n'
    result = call("commit", "-", "--run-id", "x", "--block-items", 1, stdin=stream)
    assert 2 == result.exit_code
    assert "malformed-float" in result.stderr
    assert "line 4" in result.stderr
    assert "CommitmentSeal" not in result.stdout


def test_the_memory_of_commit_does_not_grow() -> None:
    """Twenty times the events take no more memory."""

    def peak_kib(count: int) -> int:
        process = spawn("commit", "-", "--run-id", "x", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert process.stdin is not None
        line = b'{"type":"TileEnd","seq":123456,"output_bytes":"' + b"ab" * 100 + b'"}\n'
        for _ in range(count // 1000):
            process.stdin.write(line * 1000)
        process.stdin.close()
        _, status, usage = os.wait4(process.pid, 0)
        assert 0 == os.waitstatus_to_exitcode(status)
        return usage.ru_maxrss

    small, large = peak_kib(20_000), peak_kib(400_000)
    assert large - small < 8 * 1024


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    """`commit … | head` ends without a word on stderr."""
    events = tmp_path / "events.ndjson"
    events.write_bytes(b'{"a":1}\n' * 200_000)
    process = spawn(
        "commit",
        events,
        "--run-id",
        "x",
        "--block-items",
        1,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert b"" == process.stderr.read()
    assert 141 == process.wait(60)
    process.stderr.close()


def test_ctrl_c_ends_a_command_cleanly() -> None:
    """SIGINT in the middle of the work: status 130 and one word, no traceback."""
    process = spawn(
        "commit",
        "-",
        "--run-id",
        "x",
        "--block-items",
        1,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b'{"a":1}\n')
    process.stdin.flush()
    assert b"CommitmentBlock" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (130, b"interrupted\n") == (process.returncode, errors)


def test_a_person_gets_a_table_and_not_json(run: Path) -> None:
    """On a terminal the report is readable; a mismatch says what differs in words."""
    edit(run / "events.ndjson", 3, lambda event: event.update(depth=9))
    arguments = ("audit", run / "events.ndjson", "--commitments", run / "commitments.ndjson")
    status, shown = on_terminal([sys.executable, "-c", _COMMAND, *map(str, arguments)], columns=100)
    assert 1 == status
    assert "MISMATCH" in shown
    assert "item 3" in shown
    assert "another depth" in shown
    assert '{"checked"' not in shown


@pytest.mark.parametrize("command", ["trace", "commit", "audit", "prove", "verify"])
def test_every_command_teaches(command: str) -> None:
    """--help has examples and the meaning of every exit status."""
    result = call(command, "--help")
    assert 0 == result.exit_code
    assert "Examples:" in result.stdout
    assert f"proofrail {command}" in result.stdout


@pytest.mark.prover
def test_a_run_is_proven_and_verified(run: Path, tmp_path: Path) -> None:
    """prove and verify on the folder that trace wrote; every refusal has its code."""
    result = call("prove", run)
    assert 0 == result.exit_code, result.stderr
    message = json.loads(result.stdout)
    assert message["security_bits"] >= 96
    assert (run / "proof.json").read_bytes() == result.stdout_bytes
    for arguments in (
        [run / "proof.bin", "--statement", run],
        [run],
        [run / "proof.json", "--statement", run],
        [run / "proof.bin", "--statement", run / "proof.json"],
        [run / "proof.bin"],
    ):
        accepted = call("verify", *arguments)
        assert 0 == accepted.exit_code, accepted.stderr
        assert json.loads(accepted.stdout)["accepted"] is True
    statement = tmp_path / "statement.json"
    statement.write_text('{"output":["0x1e","0x1"]}')
    (tmp_path / "altered.bin").write_bytes((run / "proof.bin").read_bytes()[:-1])
    (tmp_path / "other.json").write_text('{"n": 31}')
    assert (
        0
        == call(
            "trace", FIBONACCI, "--inputs", tmp_path / "other.json", "--out", tmp_path / "other"
        ).exit_code
    )
    for code, arguments in (
        ("policy-security", [run / "proof.bin", "--min-bits", 128]),
        ("proof-statement", [run / "proof.bin", "--statement", statement]),
        ("proof-malformed", [tmp_path / "altered.bin"]),
        ("proof-output", [run / "proof.bin", "--statement", tmp_path / "other"]),
    ):
        refused = call("verify", *arguments)
        assert (1, False, code) == (
            refused.exit_code,
            (said := json.loads(refused.stdout))["accepted"],
            said["code"],
        )
    edit(run / "proof.json", 0, lambda proof: proof.update(security_bits=128))
    refused = call("verify", run)
    assert (1, "security_bits") == (refused.exit_code, json.loads(refused.stdout)["context"]["member"])
