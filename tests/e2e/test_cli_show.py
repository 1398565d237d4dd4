"""`show` and `diff` as a user meets them: real programs, terminals and pipes, exit statuses."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tests import terminal
from typer.testing import CliRunner, Result

from proofrail.cairo.risk_program import risk_engine_artifact
from proofrail.cli.offline import register

APP = typer.Typer()
register(APP)

DATA = Path(__file__).parents[1] / "data" / "cairo"
RISK_ENGINE = risk_engine_artifact()
SAMPLES = RISK_ENGINE.with_name("proposals.ndjson")


def call(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], input=stdin)


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def on_terminal(columns: int, *arguments: object) -> tuple[int, str]:
    """Exit status and what a terminal of so many columns shows, without colours."""
    command = "import typer; from proofrail.cli.offline import register; a = typer.Typer(); register(a); a()"
    return terminal.on_terminal([sys.executable, "-c", command, *map(str, arguments)], columns=columns)


@pytest.fixture(scope="module")
def risk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the risk engine over three allocations."""
    folder = tmp_path_factory.mktemp("risk")
    inputs = folder / "inputs.ndjson"
    inputs.write_bytes(b"\n".join(SAMPLES.read_bytes().splitlines()[:3]))
    assert 0 == call("trace", RISK_ENGINE, "--inputs", inputs, "--out", folder / "run").exit_code
    return folder / "run"


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that fails in an assertion, in the second round of a loop."""
    return _traced(tmp_path_factory.mktemp("failed"), "failing", {"how": 1}, 1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program with another input."""
    return _traced(tmp_path_factory.mktemp("other"), "failing", {"how": 0}, 0)


def _traced(folder: Path, name: str, values: dict[str, Any], status: int) -> Path:
    inputs = folder / "inputs.json"
    inputs.write_text(json.dumps(values))
    made = call("trace", DATA / f"{name}.json", "--inputs", inputs, "--out", folder / "run")
    assert status == made.exit_code
    return folder / "run"


def test_a_person_sees_the_tree_with_names(risk: Path) -> None:
    """Paths nest as lines, felts have names, steps and source lines stand beside them; nothing exceeds the
    terminal."""
    status, shown = on_terminal(100, "show", risk)
    assert 0 == status
    assert re.search(r"^└── evaluate_all\(data=→\d+, scores=→\d+, left=2\)", shown, re.MULTILINE)
    assert "evaluate_all[1](" in shown
    assert re.search(r"assess_protocols\(protocol=→\d+", shown)
    assert "cairo/risk_engine.cairo:" in shown
    assert "completed, 4,096 steps" in shown or "completed, 8,192 steps" in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_a_failed_run_says_first_why(failed: Path) -> None:
    """Error, code, path and source line stand before all else, and what to do next."""
    status, shown = on_terminal(80, "show", failed, "--source", DATA)
    assert 0 == status
    first = shown.splitlines()
    assert first[0].startswith("FAILED  assert-failed in __main__.check at failing.cairo:9")
    assert "main/walk[1]/check" in shown
    assert "assert i = 0;" in shown
    assert "--at last" in shown
    assert "proofrail explain assert-failed" in shown
    assert "check(how=1, i=1)" in shown
    assert max(map(len, first)) <= 80


def test_a_pipe_gets_lines(risk: Path) -> None:
    """One object a span as it ends, then the run; felts with name, type and exact value."""
    found = lines(call("show", risk))
    spans, run = found[:-1], found[-1]
    assert ("ShownRun", "completed", len(spans)) == (run["type"], run["outcome"], run["spans_count"])
    share = next(span for span in spans if span["name"] == "recommend_shares")
    assert {"name": "left", "type": "felt", "value": "0x1"} in share["inputs"]
    assert share["source"].startswith("cairo/risk_engine.cairo:")
    assert ["deviation_reason"] == [felt["name"] for felt in spans[-3]["outputs"]] or share["first_step"] > 0
    assert lines(call("show", risk, "--depth", "0"))[0]["name"] == "main"


def test_events_alone_have_no_names_and_say_so(risk: Path) -> None:
    """From standard input, too; with --program they have them again."""
    events = (risk / "events.ndjson").read_bytes()
    bare = lines(call("show", "-", stdin=events))
    assert "not at hand" in bare[-1]["note"]
    assert "[0]" == next(span for span in bare if span.get("inputs"))["inputs"][0]["name"]
    named = lines(call("show", "-", "--program", risk / "program.json", stdin=events))
    assert "note" not in named[-1]
    wrong = lines(call("show", "-", "--program", DATA / "loops.json", stdin=events))
    assert "is not the program" in wrong[-1]["note"]


def test_the_last_step_of_a_failed_run_is_the_one_that_failed(failed: Path) -> None:
    """Registers, function, line, instruction and values of the instruction that no trace has."""
    found = lines(call("show", failed, "--at", "last"))[0]
    assert (33, 33) == (found["step"], found["n_steps"])
    assert ("failing.cairo:9", "__main__.check") == (found["source"], found["function"])
    assert "[fp - 3] = 0" == found["instruction"]
    assert "assert-failed" == found["error"]["code"]
    assert "main/walk[1]/check" == found["span"]["path"]
    values = {value["name"]: value["felts"][0]["value"] for value in found["values"]}
    assert {"how": "0x1", "i": "0x1"} == values
    assert found["same_root"] is True
    assert ["__main__.check", "__main__.walk", "__main__.walk", "__main__.main"] == [
        frame["function"] for frame in found["calls"][:-1]
    ]


def test_a_step_is_shown_with_its_source(risk: Path) -> None:
    """On a terminal: where it is, what it does, what is in reach, who called."""
    status, shown = on_terminal(100, "show", risk, "--at", "95", "--source", RISK_ENGINE.resolve().parents[2])
    assert 0 == status
    assert "step 95 of" in shown
    assert re.search(r">\s+\d+ \|", shown)
    assert '"jediswap"' in shown
    assert "calls, innermost first" in shown
    assert "main/evaluate_all[0]/assess_protocols[0]" in shown


@pytest.mark.parametrize("step", ["8192", "99999", "-1", "x", ""])
def test_a_step_that_is_none_is_refused(risk: Path, step: str) -> None:
    """Exit status 2, with the steps that there are or what a step looks like."""
    result = call("show", risk, f"--at={step}")
    assert (2, "") == (result.exit_code, result.stdout)
    assert "step-out-of-range" in result.stderr or "step-not-a-number" in result.stderr


def test_steps_of_events_alone_cannot_be_shown(risk: Path) -> None:
    """A step needs the program and the inputs: that is said."""
    result = call("show", "-", "--at", "5", stdin=(risk / "events.ndjson").read_bytes())
    assert 2 == result.exit_code
    assert "rerun-impossible" in result.stderr


def test_events_with_program_and_inputs_have_steps(failed: Path, other: Path) -> None:
    """The inputs must be those of the run; there is no root to compare with."""
    events = (failed / "events.ndjson").read_bytes()
    found = call(
        "show", "-", "--at", "last", "--program", failed / "program.json",
        "--inputs", failed.parent / "inputs.json", stdin=events,
    )  # fmt: skip
    assert ("failing.cairo:9", False) == (lines(found)[0]["source"], "same_root" in lines(found)[0])
    wrong = call(
        "show", "-", "--at", "last", "--program", failed / "program.json",
        "--inputs", other.parent / "inputs.json", stdin=events,
    )  # fmt: skip
    assert 2 == wrong.exit_code
    assert "inputs-of-another-run" in wrong.stderr


def test_an_altered_run_is_shown_with_a_warning(failed: Path, tmp_path: Path) -> None:
    """A seal that executing again does not give is pointed out; the step shown is the VM's."""
    copy = tmp_path / "run"
    copy.mkdir()
    for file in failed.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    seal = (copy / "commitments.ndjson").read_text()
    root = json.loads(seal.splitlines()[-1])["root"]
    (copy / "commitments.ndjson").write_text(seal.replace(root, "0" * 64))
    assert lines(call("show", copy, "--at", "last"))[0]["same_root"] is False


@pytest.mark.parametrize("what", ["nowhere", "0123abcd", "."])
def test_what_is_no_run_is_refused(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2: no file, no running system to ask for a run_id, a folder without events."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROOFRAIL_KAFKA_BOOTSTRAP", raising=False)
    result = call("show", what)
    assert (2, "") == (result.exit_code, result.stdout)
    expected = {"nowhere": "file-not-found", "0123abcd": "no-running-system", ".": "no-run-folder"}
    assert expected[what] in result.stderr


def test_runs_with_other_inputs_part_at_a_span_and_a_step(failed: Path, other: Path) -> None:
    """The inputs are said, then the span with its values by name, then the step with both source lines."""
    result = call("diff", failed, other)
    found = lines(result)[0]
    assert 1 == result.exit_code
    assert ["inputs_sha256"] == list(found["header"])
    assert (2, "input_bytes", "main/walk", "main/walk") == (
        found["item"],
        found["member"],
        found["path_a"],
        found["path_b"],
    )
    assert [{"name": "how", "a": "0x1", "b": "0x0"}] == found["felts"]
    assert ("failing.cairo:9", "failing.cairo:11") == (
        found["step"]["a"]["source"],
        found["step"]["b"]["source"],
    )
    assert "jmp rel 4 if [ap - 1] != 0" == found["step"]["before"]["a"]["instruction"]
    status, shown = on_terminal(80, "diff", failed, other, "--source", DATA)
    assert 1 == status
    assert shown.startswith("other inputs")
    assert "step 15 is the first that differs" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_same_run_has_no_difference(risk: Path) -> None:
    """Exit status 0, and how many items are equal."""
    result = call("diff", risk, risk / "events.ndjson")
    assert (0, True) == (result.exit_code, lines(result)[0]["same"])


def test_a_difference_in_data_alone_is_found_in_memory(risk: Path, tmp_path: Path) -> None:
    """All steps are equal: then the first cell that differs is named, and the step that uses it."""
    inputs = tmp_path / "inputs.ndjson"
    batch = b"\n".join(SAMPLES.read_bytes().splitlines()[:3])
    inputs.write_bytes(batch.replace(b"seed-even", b"seed-odd"))
    assert 0 == call("trace", RISK_ENGINE, "--inputs", inputs, "--out", tmp_path / "run").exit_code
    found = lines(call("diff", risk, tmp_path / "run"))[0]
    assert "step" not in found
    assert found["cell"]["a"]["address"] == found["cell"]["b"]["address"]
    assert "__main__.evaluate_all" == found["cell"]["first_use_a"]["function"]


def test_two_runs_cannot_both_come_from_stdin() -> None:
    """There is only one."""
    result = call("diff", "-", "-", stdin=b"")
    assert 2 == result.exit_code
    assert "diff-stdin-twice" in result.stderr


def test_an_error_on_a_terminal_leads_to_its_explanation(risk: Path) -> None:
    """One line more, where a person reads it."""
    status, shown = on_terminal(80, "show", risk, "--at", "99999")
    assert 2 == status
    assert "proofrail explain step-out-of-range" in shown


VECTORS = Path(__file__).parents[2] / "schemas" / "vectors" / "traces"


@pytest.mark.parametrize(
    "folder", sorted(path for path in VECTORS.iterdir() if path.is_dir()), ids=lambda p: p.name
)
def test_every_golden_trace_can_be_read(folder: Path) -> None:
    """Completed, failed, looped, nested, native, imported: all spans are shown, and no difference from itself; a
    Cairo run that is executed again has the root that was published."""
    found = lines(call("show", folder))
    events = [json.loads(line) for line in (folder / "events.ndjson").read_bytes().splitlines()]
    starts = sum(event["type"] in ("SequenceStart", "TileStart") for event in events)
    assert ("ShownRun", starts, starts + 1) == (found[-1]["type"], found[-1]["spans_count"], len(found))
    assert 0 == call("diff", folder, folder / "events.ndjson").exit_code
    if (folder / "program.json").exists():
        step = lines(call("show", folder, "--at", "last"))[0]
        assert step["same_root"] is True
        assert ("error" in step) == (found[-1]["outcome"] == "failed")
        assert all("[0]" != felt["name"] for span in found[:-1] for felt in span["inputs"])
