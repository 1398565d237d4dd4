"""Imported traces: everything an item says is under our commitment, and the run stands every check of ours."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from raster_items import example_b, items, json_text, prefixed, undelimited
from typer.testing import CliRunner, Result

from proofrail.cli.offline import register
from proofrail.commitment.checkpoint import verify_checkpoint
from proofrail.commitment.raster.imported import ImportedRun
from proofrail.commitment.raster.item import Item
from proofrail.commitment.runid import inputs_sha256, run_id
from proofrail.wire.canonical import canonical
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.events import parse_event
from proofrail.wire.topics import MAX_LINE

APP = typer.Typer()
register(APP)
IMAGE = "9c" * 32


def call(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], input=stdin)


def _run(**options: Any) -> ImportedRun:
    given = {"backend": "native", "items": 6, "stream_sha256": "ab" * 32, "bits": 16, "block_items": 256}
    return ImportedRun(**(given | options))


def _events(found: list[Item], run: ImportedRun | None = None) -> list[dict[str, Any]]:
    lines = list((run or _run()).lines(found, timestamp=7))
    for line in lines:
        parse_event(line)
    return [json.loads(line) for line in lines]


def _imported(tmp_path: Path, stream: bytes, *options: object) -> tuple[dict[str, Any], Path]:
    out = tmp_path / "run"
    ended = call("raster", "import", "-", "--backend", "native", "--out", out, *options, stdin=stream)
    assert 0 == ended.exit_code, ended.output
    summary: dict[str, Any] = json.loads(ended.stdout)
    return summary, out


def _from_event(start: dict[str, Any], end: dict[str, Any]) -> Item:
    return Item(
        start["tile_id"],
        start.get("desc"),
        tuple((argument["name"], argument["ty"]) for argument in start["inputs"]),
        bytes.fromhex(start["input_bytes"]),
        end.get("output_type"),
        bytes.fromhex(end["output_bytes"]),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(items().filter(lambda item: item.fn_name), max_size=5))
def test_nothing_of_an_item_is_lost(found: list[Item]) -> None:
    """The items can be had back from the events, all of them: so two different items never have equal events."""
    _, *spans, _ = _events(found)

    assert found == [_from_event(start, end) for start, end in zip(spans[::2], spans[1::2], strict=True)]


def test_events() -> None:
    """The events of two items, member by member; nothing stands there that nobody measured."""
    found = [dataclasses.replace(example_b()[0], desc=""), Item("nothing", None, (), b"", None, b"")]
    run = _run(items=2)
    start, first, first_end, second, second_end, end = _events(found, run)
    common = {"v": 1, "run_id": run.run_id, "timestamp": 7}
    spans = [
        hashlib.sha256(f"proofrail/span/v1\n{run.run_id}:{seq}".encode()).hexdigest()[:16] for seq in (1, 3)
    ]

    given = {"backend": "native", "items": 2, "stream_sha256": "ab" * 32}
    assert start == common | {
        "type": "TraceStart",
        "seq": 0,
        "program": {"backend": "native", "method_id": "ab" * 32, "artifact_sha256": "ab" * 32},
        "layout": "raster",
        "spans": "own",
        "inputs_count": 1,
        "inputs_sha256": inputs_sha256([canonical(given)]),
        "commitment": {"bits": 16, "block_items": 256},
    }
    assert first == common | {
        "type": "TileStart",
        "seq": 1,
        "tile_id": "greet",
        "span_id": spans[0],
        "path": "greet",
        "depth": 0,
        "artifact": {"backend": "native", "method_id": b"greet".hex()},
        "input_bytes": "06526173746572",
        "desc": "",
        "inputs": [{"name": "name", "ty": "String"}],
    }
    assert first_end == common | {
        "type": "TileEnd",
        "seq": 2,
        "tile_id": "greet",
        "span_id": spans[0],
        "output_bytes": "1148656c6c6f2c2052617374657221212121",
        "output_type": "String",
    }
    assert second == common | {
        "type": "TileStart",
        "seq": 3,
        "tile_id": "nothing",
        "span_id": spans[1],
        "path": "nothing",
        "depth": 0,
        "artifact": {"backend": "native", "method_id": b"nothing".hex()},
        "input_bytes": "",
        "inputs": [],
    }
    assert second_end == common | {
        "type": "TileEnd",
        "seq": 4,
        "tile_id": "nothing",
        "span_id": spans[1],
        "output_bytes": "",
    }
    assert end == common | {
        "type": "TraceEnd",
        "seq": 5,
        "outcome": "completed",
        "n_steps": 0,
        "output_count": 0,
        "output_sha256": hashlib.sha256(b"[]").hexdigest(),
    }


def test_method_ids() -> None:
    """A tile has its own id, else that of all, else what stands for none: its name (native) or `unknown` (risc0)."""
    tiles = [Item(name, None, (), b"", None, b"") for name in ("greet", "wave", "x" * 65)]

    def ids(**options: Any) -> list[str]:
        return [event["artifact"]["method_id"] for event in _events(tiles, _run(**options))[1:-1:2]]

    long = hashlib.sha256(b"x" * 65).hexdigest()
    assert [b"greet".hex(), b"wave".hex(), long] == ids()
    assert ["unknown"] * 3 == ids(backend="risc0")
    assert [IMAGE] * 3 == ids(backend="risc0", method_id=IMAGE)
    assert ["unknown", IMAGE, "unknown"] == ids(backend="risc0", tile_method_ids={"wave": IMAGE})
    assert ["me", IMAGE, "me"] == ids(method_id="me", tile_method_ids={"wave": IMAGE})
    assert "unknown" == _run(backend="risc0").facts["program"]["method_id"]
    assert IMAGE == _run(backend="risc0", method_id=IMAGE).facts["program"]["method_id"]


def test_run_id() -> None:
    """The run_id is that of section 5 of the wire format, and every option that changes an event changes it."""
    options: list[dict[str, Any]] = [
        {},
        {"backend": "risc0"},
        {"items": 5},
        {"stream_sha256": "cd" * 32},
        {"bits": 8},
        {"block_items": 4},
        {"method_id": "me"},
        {"tile_method_ids": {"greet": "me"}},
        {"artifact_sha256": "ef" * 32},
    ]
    facts = _run().facts
    expected = run_id(
        artifact_sha256="ab" * 32,
        method_id="ab" * 32,
        layout="raster",
        spans="own",
        inputs_sha256=facts["inputs_sha256"],
        bits=16,
        block_items=256,
    )

    assert expected == _run().run_id
    assert len(options) == len({_run(**option).run_id for option in options})


def test_lines_too_long() -> None:
    """Data too large for a line, as input or as output, is an error that names the item; what just fits is taken."""
    small = example_b()[0]
    empty = max(len(line) for line in _run().lines([dataclasses.replace(small, input_data=b"")], timestamp=7))
    fits = (MAX_LINE - empty) // 2
    assert 4 == len(_events([dataclasses.replace(small, input_data=bytes(fits))]))
    for name in ("input_data", "output_data"):
        large = dataclasses.replace(small, **{name: bytes(40_000)})
        with pytest.raises(UnusableInputError) as caught:
            list(_run().lines([small, small, large], timestamp=7))
        assert ("raster-item-too-large", 2) == (caught.value.code, caught.value.context["item"])


def test_item_without_a_name(tmp_path: Path) -> None:
    """A tile has a name: an item without one is refused, and nothing is written."""
    stream = prefixed([dataclasses.replace(example_b()[0], fn_name="")])
    ended = call("raster", "import", "-", "--backend", "native", "--out", tmp_path / "run", stdin=stream)

    assert 2 == ended.exit_code
    assert "raster-item-unnamed" in ended.stderr
    assert [] == list((tmp_path / "run").iterdir())


def test_import_stands_our_checks(tmp_path: Path) -> None:
    """The run is a sealed one: `check` is clean, the signature verifies, and an audit finds nothing against it, but
    stays undecided, because nobody can run the program again."""
    summary, out = _imported(tmp_path, prefixed(example_b()))
    seal = json.loads((out / "commitments.ndjson").read_text().splitlines()[-1])
    checkpoint = verify_checkpoint(seal["checkpoint"], [(out / "tracer.vkey").read_text()])

    assert (6, 14) == (summary["imported"], summary["items"])
    assert (14, summary["root"]) == (checkpoint.size, checkpoint.root.hex())
    assert 0 == call("check", out / "events.ndjson").exit_code
    audited = call("audit", out / "events.ndjson", "--commitments", out / "commitments.ndjson")
    report = json.loads(audited.stdout)
    assert (3, "INDETERMINATE") == (audited.exit_code, report["verdict"])
    assert {"events", "blocks", "signature"} <= set(report["checked"])
    blocks = (out / "commitments.ndjson").read_text().splitlines()[1:]
    committed = call("commit", out / "events.ndjson", "--run-id", summary["run_id"]).stdout.splitlines()
    assert blocks[:-1] == committed[:-1]
    assert json.loads(committed[-1]).items() <= seal.items()


def test_import_is_repeatable(tmp_path: Path) -> None:
    """The same stream gives the same run_id and root, from a file and from a pipe, whenever it is imported; another
    stream with the same items has the same events but for the run_id."""
    stream = prefixed(example_b())
    (tmp_path / "trace.stream").write_bytes(stream)
    first, _ = _imported(tmp_path, stream)
    again = call(
        "raster", "import", tmp_path / "trace.stream", "--backend", "native", "--out", tmp_path / "b"
    )
    other, _ = _imported(tmp_path, b"noise\n" + stream)

    assert {**first, "out": ""} == {**json.loads(again.stdout), "out": ""}
    assert first["run_id"] != other["run_id"]
    assert 1 == other["skipped"]["pieces"]


def test_no_items(tmp_path: Path) -> None:
    """A stream without items is a run without spans."""
    summary, out = _imported(tmp_path, b"no tiles here\n")

    assert (0, 2) == (summary["imported"], summary["items"])
    assert 0 == call("check", out / "events.ndjson").exit_code


@pytest.mark.parametrize(
    "method_ids",
    [
        ["nonsense"],
        ["greet=ABCD" + "0" * 60],
        [IMAGE, IMAGE],
        [f"a={IMAGE}", f"a={IMAGE}"],
        [""],
        [f"gret={IMAGE}"],
    ],
    ids=str,
)
def test_method_ids_that_are_none(tmp_path: Path, method_ids: list[str]) -> None:
    """With risc0 a method id is an image id, each tile has one, and it is a tile of the trace."""
    options = [part for method_id in method_ids for part in ("--method-id", method_id)]
    ended = call(
        *("raster", "import", "-", "--backend", "risc0", "--out", tmp_path / "run"),
        *options,
        stdin=prefixed(example_b()),
    )

    assert (2, True) == (ended.exit_code, "raster-method-id" in ended.stderr)
    assert not (tmp_path / "run").exists()


def test_artifact_and_image_ids(tmp_path: Path) -> None:
    """The program's file, where it is given, is what the run names; image ids stand at their tiles."""
    (tmp_path / "program.elf").write_bytes(b"elf")
    ended = call(
        *("raster", "import", "-", "--backend", "risc0", "--out", tmp_path / "run"),
        *("--artifact", tmp_path / "program.elf", "--method-id", f"greet={IMAGE}"),
        stdin=undelimited(example_b()),
    )
    start, greet, _, exclaim, *_ = map(
        json.loads, (tmp_path / "run" / "events.ndjson").read_text().splitlines()
    )

    assert 0 == ended.exit_code
    assert hashlib.sha256(b"elf").hexdigest() == start["program"]["artifact_sha256"]
    assert {"backend": "risc0", "method_id": IMAGE} == greet["artifact"]
    assert {"backend": "risc0", "method_id": "unknown"} == exclaim["artifact"]


def test_commands_refuse_broken_streams(tmp_path: Path) -> None:
    """A broken stream ends each command with 2, says where, and leaves nothing behind; an older file stays whole."""
    stream = prefixed(example_b()) + b"RASTER_TRACE:" + json_text(example_b()[0]).encode()[:-3] + b"\n"
    (tmp_path / "old.bin").write_bytes(b"old")
    (tmp_path / "commit.bin").write_bytes(b"")
    for arguments in (
        ("commit", "-", "--out", tmp_path / "old.bin"),
        ("audit", "-", "--commitment", tmp_path / "commit.bin"),
        ("import", "-", "--backend", "native", "--out", tmp_path / "run"),
    ):
        ended = call("raster", *arguments, stdin=stream)
        assert (2, "") == (ended.exit_code, ended.stdout)
        assert "raster-item-broken" in ended.stderr
        assert "line 7" in ended.stderr
    assert b"old" == (tmp_path / "old.bin").read_bytes()
    assert {"old.bin", "commit.bin"} == {path.name for path in tmp_path.iterdir()}


def test_commit_then_audit(tmp_path: Path) -> None:
    """What commit writes, audit finds equal, with the same options and no others."""
    stream, file = undelimited(example_b()), tmp_path / "new" / "commit.bin"
    for encoding in ("postcard", "bincode"):
        for bits in (1, 9, 16, 64):
            options = ("--encoding", encoding, "--bits", bits)
            committed = call("raster", "commit", "-", *options, "--out", file, stdin=stream)
            assert 0 == committed.exit_code
            said = json.loads(committed.stdout)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            assert (6, digest, file.stat().st_size) == (said["items"], said["sha256"], said["bytes"])
            audit = ("raster", "audit", "-", "--commitment", file)
            assert 0 == call(*audit, *options, stdin=stream).exit_code
            assert 1 == call(*audit, *options, "--items", 5, stdin=stream).exit_code
            other = ("--encoding", "postcard" if encoding == "bincode" else "bincode", "--bits", bits)
            if bits > 1:
                assert 1 == call(*audit, *other, stdin=stream).exit_code


def test_stream_that_changes_while_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is another one at the second reading is refused: its run_id would be that of the first."""
    from proofrail.cli import raster

    readings = [prefixed(example_b()), prefixed(example_b()[:5])]
    monkeypatch.setattr(raster, "_open", lambda path: io.BytesIO(readings.pop(0)))
    (tmp_path / "trace.stream").write_bytes(b"")
    ended = call(
        "raster", "import", tmp_path / "trace.stream", "--backend", "native", "--out", tmp_path / "run"
    )

    assert (2, True) == (ended.exit_code, "raster-stream-changed" in ended.stderr)
    assert [] == list((tmp_path / "run").iterdir())
