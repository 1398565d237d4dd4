"""What the commands on foreign traces say to a person on a terminal, and to a pipe."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
import typer
from raster_items import example_b, prefixed, undelimited
from typer.testing import CliRunner, Result

from proofrail.cli import raster
from proofrail.cli.offline import register
from proofrail.commitment.raster.encoding import Encoding
from proofrail.commitment.raster.packing import commit_items

APP = typer.Typer()
register(APP)


def call(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APP, ["raster", *map(str, arguments)], input=stdin)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout as a terminal has it: readable."""
    monkeypatch.setattr(raster, "wants_json", lambda flag: flag)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The commitment file of hello-tiles, its third value altered."""
    data = bytearray(b"".join(commit_items(example_b(), Encoding.POSTCARD, 16)))
    data[4] ^= 1
    (tmp_path / "commit.bin").write_bytes(data)
    return tmp_path / "commit.bin"


@pytest.mark.usefixtures("terminal")
def test_a_difference_for_a_person(file: Path) -> None:
    """Index, reason, both values in 16 hex digits, the item and its data; what was skipped is on stderr."""
    ended = call("audit", "-", "--commitment", file, stdin=b"noise\x1b[2J\n" + prefixed(example_b()))

    assert 1 == ended.exit_code
    for said in (
        "DIFFERENT  at item 2: value",
        "0x000000000000c5d0",
        "0x000000000000c5d1",
        "exclaim(message: String) -> String",
        "items the file can stand for  6 to 8",
    ):
        assert said in ended.stdout
    assert "1 piece, 9 bytes; the first at line 1, byte 0: 'noise\\x1b[2J'" in ended.stderr
    assert "\x1b[2J" not in ended.stderr


@pytest.mark.usefixtures("terminal")
def test_the_end_for_a_person(file: Path) -> None:
    """A trace that is too short is said to end, without an item that is not there; an empty one is said to be empty."""
    ended = call("audit", "-", "--commitment", file, stdin=prefixed(example_b()[:2]))
    empty = call("audit", "-", "--commitment", file, stdin=b"")

    assert 1 == ended.exit_code == empty.exit_code
    assert "DIFFERENT  at item 2: length" in ended.stdout
    assert "exclaim(" not in ended.stdout
    assert "the stream holds no items" in empty.stderr


@pytest.mark.usefixtures("terminal")
def test_equal_for_a_person(file: Path) -> None:
    """Equal traces are said to be so, in one table with what the file leaves open."""
    call("commit", "-", "--out", file, stdin=undelimited(example_b()))
    ended = call("audit", "-", "--commitment", file, stdin=undelimited(example_b()))

    assert 0 == ended.exit_code
    assert ended.stdout.startswith("EQUAL\n")
    assert "6 to 8" in ended.stdout


@pytest.mark.usefixtures("terminal")
def test_json_when_asked_for(file: Path) -> None:
    """--json gives one line on a terminal too."""
    ended = call("audit", "-", "--commitment", file, "--json", stdin=prefixed(example_b()))

    assert [2] == [json.loads(line)["diff"]["index"] for line in ended.stdout.splitlines()]


def test_a_hint_where_everything_differs(file: Path) -> None:
    """Where already the first item differs, the options are the likeliest cause, and it is said so."""
    ended = call("audit", "-", "--commitment", file, "--encoding", "bincode", stdin=prefixed(example_b()))

    assert 1 == ended.exit_code
    assert "--encoding bincode --bits 16" in ended.stderr


def test_stream_from_a_named_pipe(tmp_path: Path) -> None:
    """An import reads its stream twice: what can be read once only is kept meanwhile."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(prefixed(example_b()),))
    writer.start()
    ended = call("import", pipe, "--backend", "native", "--out", tmp_path / "run")
    writer.join()

    assert (0, 6) == (ended.exit_code, json.loads(ended.stdout)["imported"])


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    """A pipe or a folder in the place of the file to write stays what it is."""
    os.mkfifo(tmp_path / "pipe")
    for out in (tmp_path / "pipe", tmp_path):
        ended = call("commit", "-", "--out", out, stdin=prefixed(example_b()))
        assert (2, True) == (ended.exit_code, "raster-out-no-file" in ended.stderr)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_file_too_large(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than is compared is refused, not read into memory."""
    monkeypatch.setattr(raster, "MAX_COMMITMENT", 15)
    ended = call("audit", "-", "--commitment", file, stdin=prefixed(example_b()))

    assert (2, True) == (ended.exit_code, "raster-commitment-too-large" in ended.stderr)
