"""Exported runs: the format, and the commands that read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operator_runs import VKEY, Topics
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.cli.run_records import RunRecords
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.export import Exported, ExportedRecord, is_export, read_export, write_export


def _record(value: bytes, topic: str = topics.PROOFS, offset: int = 0) -> Exported:
    head = ExportedRecord(
        topic=topic, partition=0, offset=offset, key="k", timestamp=1, headers={"ce_type": topic}, lines=0
    )
    return Exported(head, value)


LINES = st.sampled_from(
    [b"{}", b'{"type":"Export","v":1}', b'{"type":"ExportedRecord"}', b"not json", b'{"a": 1}', b"\xff", b""]
)


@given(st.lists(st.lists(LINES, max_size=4), max_size=5))
def test_what_was_exported_is_read_back(values: list[list[bytes]]) -> None:
    """Every value, byte for byte, whatever it holds: lines that look like the export's own, and bytes that are none."""
    written = [_record(b"\n".join(lines), offset=place) for place, lines in enumerate(values)]
    lines = list(write_export("aa", written))
    run_id, found = read_export(lines)
    assert "aa" == run_id
    assert [one.value.removesuffix(b"\n") for one in written] == [one.value for one in found]
    assert all(canonical(parse_object(line)) == line for line in lines)


def test_an_export_that_was_cut_is_refused() -> None:
    """At every line, and one with more than it says."""
    lines = list(write_export("aa", [_record(b'{"a":1}\n{"b":2}'), _record(b"x", offset=1)]))
    for end in range(1, len(lines)):
        with pytest.raises(UnusableInputError) as error:
            read_export(lines[:end])
        assert "export-incomplete" == error.value.code
    for wrong in ([], [b"{}"], [*lines, b"{}"]):
        with pytest.raises(UnusableInputError) as error:
            read_export(wrong)
        assert "export-malformed" == error.value.code
    assert is_export(lines[0] + b"\n")
    assert not is_export(lines[1])


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A run of two allocations, exported, with the tracer's key beside it."""
    world = Topics()
    world.propose("one", "two")
    (tmp_path / "tracer.vkey").write_text(VKEY + "\n")
    return _written(world, world.seal("one", "two"), tmp_path)


def _written(world: Topics, run_id: str, folder: Path) -> Path:
    path = folder / "run.ndjson"
    lines = write_export(run_id, RunRecords(run_id, world.records).exported)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def test_an_exported_run_is_audited(exported: Path) -> None:
    """With the program that its seal names, and its proposals."""
    result = CliRunner().invoke(app, ["audit", str(exported)])
    report = parse_object(result.stdout_bytes.strip())
    assert ("MATCH", 0) == (report["verdict"], result.exit_code)
    assert "inputs" in report["checked"]


def test_an_input_that_nobody_proposed_is_found_in_an_export(tmp_path: Path) -> None:
    """Although the run is whole in itself."""
    world = Topics()
    world.propose("one")
    path = _written(world, world.seal("one", "two"), tmp_path)
    result = CliRunner().invoke(app, ["audit", str(path)])
    report = parse_object(result.stdout_bytes.strip())
    assert ("MISMATCH", "proposal", 1) == (
        report["verdict"],
        report["first_mismatch"]["kind"],
        result.exit_code,
    )


def test_an_exported_run_is_replayed(exported: Path, tmp_path: Path) -> None:
    """Made again from its inputs, into a folder that `audit` takes in turn. The prover has not answered: no verdict on
    a proof."""
    out = tmp_path / "out"
    arguments = ["--key", str(tmp_path / "tracer.vkey"), "--home", str(tmp_path), "--out", str(out)]
    result = CliRunner().invoke(app, ["replay", str(exported), *arguments])
    (report,) = [parse_object(line) for line in result.stdout_bytes.splitlines()]
    assert ("MATCH", "run", 0) == (report["verdict"], report["subject"], result.exit_code)
    again = ["audit", str(out / "events.ndjson"), "--commitments", str(out / "commitments.ndjson")]
    assert 0 == CliRunner().invoke(app, again).exit_code
    assert exported.read_bytes() == (out / "export.ndjson").read_bytes()


def test_an_exported_run_is_shown(exported: Path) -> None:
    """As its folder is: the tree of spans, with the names that the program gives."""
    result = CliRunner().invoke(app, ["show", str(exported)])
    assert 0 == result.exit_code
    paths = [parse_object(line).get("path") for line in result.stdout_bytes.splitlines()]
    assert "main" in paths


def test_records_keep_their_places() -> None:
    """Topic, partition, offset, key, headers, and the time in nanoseconds."""
    record = Record(topics.REPORTS, 3, 17, b"\xffkey", b"{}\n", {"traceparent": "t"}, 5)
    _, (found,) = read_export(list(write_export("aa", RunRecords("aa", [record]).exported)))
    expected = {
        "v": 1, "type": "ExportedRecord", "topic": topics.REPORTS, "partition": 3, "offset": 17, "key": "�key",
        "timestamp": 5_000_000, "headers": {"traceparent": "t"}, "lines": 1,
    }  # fmt: skip
    assert expected == found.record.to_object()
