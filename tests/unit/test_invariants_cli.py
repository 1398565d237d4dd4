"""`proofrail check`: what it prints, and its exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from event_streams import Event, cairo_run, foreign_run, lines_of
from typer.testing import CliRunner

from proofrail.cli import check as command
from proofrail.cli.application import app

RUNNER = CliRunner()


def _written(folder: Path, events: list[Event]) -> str:
    path = folder / "events.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line in lines_of(events)))
    return str(path)


def _run(*arguments: str, given: bytes | None = None) -> tuple[int, list[dict[str, Any]]]:
    result = RUNNER.invoke(app, ["check", *arguments], input=given)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def test_a_clean_run_ends_with_0(tmp_path: Path) -> None:
    """One line: the summary."""
    status, (summary,) = _run(_written(tmp_path, cairo_run("loops")))
    assert (0, "CheckSummary", True, 23) == (status, summary["type"], summary["clean"], summary["spans"])


def test_violations_end_with_1(tmp_path: Path) -> None:
    """A line for each violation, in order, then the summary."""
    events = cairo_run("loops")
    events[12]["depth"] = 7
    events[49]["n_steps"] = 4095
    status, lines = _run(_written(tmp_path, events))
    assert 1 == status
    assert ["Violation", "Violation", "CheckSummary"] == [line["type"] for line in lines]
    assert [("depth-wrong", 13), ("steps-wrong", 50)] == [(line["code"], line["line"]) for line in lines[:2]]
    assert (2, False) == (lines[2]["violations"], lines[2]["clean"])


def test_the_list_can_be_cut(tmp_path: Path) -> None:
    """--max lists fewer; the summary still counts all."""
    events = cairo_run("loops")
    events[12]["depth"] = events[24]["depth"] = 7
    status, lines = _run(_written(tmp_path, events), "--max", "1")
    assert (1, 2) == (status, len(lines))
    assert {"depth-wrong": 2} == lines[1]["codes"]


def test_a_stream_from_a_pipe(tmp_path: Path) -> None:
    """- reads stdin; a stream that ends early has not ended, and neither has an empty one."""
    given = b"\n".join(lines_of(foreign_run()))
    assert 0 == _run("-", given=given)[0]
    status, lines = _run("-", given=given[:-1])
    assert (1, ["malformed-json", "not-ended"]) == (status, [line["code"] for line in lines[:-1]])
    status, lines = _run("-", given=b"")
    assert (1, [("not-ended", 1)]) == (status, [(line["code"], line["line"]) for line in lines[:-1]])


def test_a_long_line_is_passed(tmp_path: Path) -> None:
    """A line of a mebibyte is named, and what is behind it is read."""
    lines = lines_of(foreign_run())
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join([*lines, b"x" * (1 << 20), b"{}", b"y" * (1 << 19)]))
    status, (*violations, summary) = _run(str(path))
    assert 1 == status
    assert [("line-too-long", 13), ("unknown-version", 14), ("line-too-long", 15)] == [
        (violation["code"], violation["line"]) for violation in violations
    ]
    assert 15 == summary["lines"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"one\ntwo\n", "events-unusable"),
        (b"x" * 100_000, "events-unusable"),
        (b'{"v":1,"type":"CommitmentSeal"}\n', "events-of-no-trace"),
    ],
)
def test_another_kind_of_file_ends_with_2(tmp_path: Path, content: bytes, code: str) -> None:
    """What holds no trace events at all is a mistake of the caller."""
    path = tmp_path / "file"
    path.write_bytes(content)
    result = RUNNER.invoke(app, ["check", str(path)])
    assert (2, "") == (result.exit_code, result.stdout)
    assert code in result.stderr
    missing = RUNNER.invoke(app, ["check", str(tmp_path / "missing")])
    assert 2 == missing.exit_code
    assert "file-not-found" in missing.stderr


def test_a_person_reads_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: each violation with its line, code, place and both sides, then what was checked."""
    monkeypatch.setattr(command, "wants_json", lambda flag: flag)
    events = cairo_run("loops")
    clean = RUNNER.invoke(app, ["check", _written(tmp_path, events)])
    assert 0 == clean.exit_code
    assert clean.stdout.startswith("clean\n")
    assert "23, of them 10 iterations" in clean.stdout
    events[12] |= {"depth": 7, "colour": "red"}
    broken = RUNNER.invoke(app, ["check", _written(tmp_path, events)])
    assert 1 == broken.exit_code
    assert "line 13  depth-wrong  TileStart main/outer[0]/tile" in broken.stdout
    assert "member depth, expected 3, claimed 7" in broken.stdout
    assert "\n1 violation\n" in broken.stdout
    assert "line 13 /colour" in broken.stdout
