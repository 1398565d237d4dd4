"""The golden traces of version 1: executed, committed to, audited and checked again, for ever."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from golden_traces import (
    SIGNER,
    TRACES,
    GoldenTrace,
    committed,
    golden_traces,
    seal_facts,
    without_volatile,
    write,
)
from jsonschema import Draft202012Validator
from typer import Typer
from typer.testing import CliRunner, Result

from proofrail.audit.cairo_subject import subject_of
from proofrail.audit.invariants.check import check_events_alone
from proofrail.audit.run_audit import RunAudit, audit_run
from proofrail.cli.offline import register
from proofrail.commitment.checkpoint import verify_checkpoint
from proofrail.tracing import reexecute
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import parse_message, to_line
from proofrail.wire.ndjson import join

UNIT = str(Path(__file__).parents[1] / "unit")
NAMES = ["completed", "failed", "imported", "looped", "native", "nested"]
ALL = pytest.mark.parametrize("golden", golden_traces(), ids=lambda golden: golden.name)
CAIRO = pytest.mark.parametrize(
    "golden", [golden for golden in golden_traces() if golden.is_cairo], ids=lambda golden: golden.name
)
SCHEMAS = TRACES.parents[1]


def test_every_kind_of_trace_has_its_golden_one() -> None:
    """None gets lost, and none is so large that nobody looks at it."""
    assert NAMES == [golden.name for golden in golden_traces()]
    for golden in golden_traces():
        assert sum(path.stat().st_size for path in golden.folder.iterdir()) < 100_000
        assert (golden.folder / "events.ndjson").stat().st_size < 60_000


@ALL
def test_lines_are_canonical_and_of_their_schema(golden: GoldenTrace) -> None:
    """Every event and commitment line passes its schema, its model keeps it byte for byte."""
    for line in [*golden.events, *golden.commitments]:
        message = parse_object(line)
        schema = json.loads((SCHEMAS / f"{message['type']}.schema.json").read_text())
        Draft202012Validator(schema).validate(message)
        assert line == canonical(message) == to_line(parse_message(line))


@ALL
def test_the_commitment_is_byte_for_byte_the_same(golden: GoldenTrace) -> None:
    """Blocks and seal over the events, signed with the same key, are the lines that stand there."""
    seal = golden.seal
    lines = committed(golden.events, seal["run_id"], seal["bits"], seal["block_items"], seal_facts(seal))
    assert golden.commitments[-len(lines) :] == lines
    assert {"Input"} >= {parse_object(line)["type"] for line in golden.commitments[: -len(lines)]}
    assert SIGNER.vkey == golden.vkey
    checkpoint = verify_checkpoint(seal["checkpoint"], [golden.vkey])
    assert (f"proofrail/{seal['run_id']}", seal["items"], seal["root"]) == (
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root.hex(),
    )


@ALL
def test_the_second_implementation_commits_to_it_alike(
    golden: GoldenTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """plain_commitment.py, made from the text alone, gives the same blocks and the same seal."""
    monkeypatch.syspath_prepend(UNIT)
    import plain_commitment

    seal = golden.seal
    events = [json.loads(line) for line in golden.events]
    blocks, core = plain_commitment.commit(events, seal["run_id"], seal["bits"], seal["block_items"])
    published = [json.loads(line) for line in golden.commitments]
    assert [line for line in published if line["type"] == "CommitmentBlock"] == blocks
    assert core == {name: seal[name] for name in core}


@ALL
def test_its_invariants_hold(golden: GoldenTrace) -> None:
    """Order, nesting, identity, loops and cycles, from the events alone."""
    violations, summary = check_events_alone(lambda: iter(golden.events))
    assert [] == [violation.to_object() for violation in violations]
    assert summary.clean


@ALL
def test_the_run_is_made_again(golden: GoldenTrace) -> None:
    """Program and inputs, functions, or stream: they give the same items, the same blocks and the same seal."""
    made = golden.made_again()
    assert [without_volatile(line) for line in golden.events] == [
        without_volatile(line) for line in made.events
    ]
    assert golden.commitments == made.commitments()


@CAIRO
def test_the_second_implementation_records_it_alike(
    golden: GoldenTrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """plain_spans.py, made from the text alone, gives the same events."""
    monkeypatch.syspath_prepend(UNIT)
    import plain_spans

    execution = golden.executed_as_recorded().execution
    failure = execution.failure
    expected = plain_spans.expected_events(
        golden.program.compiled,
        bytes(execution.trace),
        bytes(execution.memory),
        golden.start,
        execution.output,
        error={"code": failure.code, "message": failure.message} if failure else None,
    )
    assert expected == [without_volatile(line) for line in golden.events]


def _audit(golden: GoldenTrace, events: list[bytes] | None, **more: Any) -> RunAudit:
    return audit_run(
        commitments=golden.commitments,
        events=None if events is None else lambda: iter(events),
        subject=subject_of(golden.program),
        keys=[golden.vkey],
        **more,
    )


@CAIRO
def test_the_audit_says_match(golden: GoldenTrace) -> None:
    """With the events and from the commitments alone."""
    assert ["MATCH", "MATCH"] == [_audit(golden, each).verdict for each in (golden.events, None)]


def test_the_native_trace_is_audited_by_running_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions on the arguments of the Input line give what was committed to, and nothing altered does; the
    second implementation of native traces has nothing against it."""
    golden = GoldenTrace(TRACES / "native")
    monkeypatch.syspath_prepend(UNIT)
    import plain_native

    plain_native.check(golden.events)

    def verdict(events: list[bytes] | None) -> str:
        functions = golden.functions
        records = [functions.Position]
        report = reexecute(
            [functions], golden.commitments, events=events, keys=[golden.vkey], records=records
        )
        return report.verdict

    assert ["MATCH", "MATCH"] == [verdict(each) for each in (golden.events, None)]
    altered = list(golden.events)
    altered[5] = canonical(parse_object(altered[5]) | {"depth": 9})
    assert "MISMATCH" == verdict(altered)


@CAIRO
def test_an_altered_golden_trace_does_not_match(golden: GoldenTrace) -> None:
    """The audit of these traces is no formality: each event altered in its seq is found."""
    for item in range(len(golden.events)):
        event = parse_object(golden.events[item])
        events = list(golden.events)
        events[item] = canonical(event | {"seq": event["seq"] + 1})
        assert item == _audit(golden, events).report.to_object()["first_mismatch"]["item"]


def test_what_the_golden_traces_show() -> None:
    """Each has what it is named for."""
    of = {golden.name: [json.loads(line) for line in golden.events] for golden in golden_traces()}
    assert "completed" == of["completed"][-1]["outcome"]
    failures = [event for event in of["failed"] if "error" in event]
    assert [3, 2, 1, 0] == [event["depth"] - 1 for event in failures][:4]
    assert "main/walk[9]/examine/check" == failures[0]["path"]
    assert "failed" == of["failed"][-1]["outcome"]
    loops = {re.sub(r"\d+", "0", event["path"]) for event in of["looped"] if "iteration" in event}
    assert {"main/outer[0]", "main/outer[0]/inner[0]", "main/inner[0]", "main/ackermann[0]"} <= loops
    depths = [event["depth"] for event in of["nested"] if "depth" in event]
    assert max(depths) > 64
    native = [event for event in of["native"] if "depth" in event]
    assert {"native"} == {event["artifact"]["backend"] for event in native}
    assert "total/positions[2]/examine/examine/examine/weigh" in [event["path"] for event in native]
    imported = [event for event in of["imported"] if "depth" in event]
    assert {"5a" * 32, "c3" * 32} == {event["artifact"]["method_id"] for event in imported}
    assert any(event["depth"] > 64 and "path" not in event for event in of["nested"] if "depth" in event)


def test_a_golden_trace_is_never_overwritten(tmp_path: Path) -> None:
    """The script that writes them refuses those that stand."""
    made = GoldenTrace(TRACES / "native").made_again()
    write(tmp_path, made)
    with pytest.raises(FileExistsError):
        write(tmp_path, made)


def _call(*arguments: object) -> Result:
    app = Typer()
    register(app)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@ALL
def test_the_commands_say_the_same(golden: GoldenTrace) -> None:
    """`check`, `commit` and, of Cairo runs, `audit` on the files as they lie there."""
    events = golden.folder / "events.ndjson"
    assert 0 == _call("check", events).exit_code
    seal = golden.seal
    made = _call(
        *("commit", events, "--run-id", seal["run_id"]),
        *("--bits", seal["bits"], "--block-items", seal["block_items"]),
    )
    core = {name: value for name, value in seal.items() if name not in {*seal_facts(seal), "checkpoint"}}
    assert canonical(core) == made.stdout_bytes.splitlines()[-1]
    if golden.is_cairo:
        assert 0 == _call("audit", events, "--commitments", golden.folder / "commitments.ndjson").exit_code


@pytest.mark.parametrize(
    ("members", "code", "kind"),
    [({"v": 2}, "unknown-version", "version"), ({"type": "TileResumed"}, "unknown-type", "type")],
)
def test_the_commands_name_what_version_1_does_not_know(
    tmp_path: Path, members: dict[str, Any], code: str, kind: str
) -> None:
    """An event of another version or type: status 1, the line, and what it says."""
    golden = GoldenTrace(TRACES / "looped")
    (value,) = members.values()
    lines = list(golden.events)
    lines[7] = canonical(parse_object(lines[7]) | members)
    events = tmp_path / "events.ndjson"
    events.write_bytes(join(lines))
    checked = _call("check", events, "--json")
    violation = next(
        said for line in checked.stdout.splitlines() if (said := json.loads(line)).get("code") == code
    )
    assert (1, 8) == (checked.exit_code, violation["line"])
    assert repr(value) in violation["message"]
    shown = _call("show", events)
    assert (2, True, True) == (shown.exit_code, code in shown.stderr, repr(value) in shown.stderr)
    audited = _call(
        *("audit", events, "--commitments", golden.folder / "commitments.ndjson", "--json"),
    )
    found = json.loads(audited.stdout)["first_mismatch"]
    assert (1, kind, 7, value) == (audited.exit_code, found["kind"], found["item"], found["claimed"])
