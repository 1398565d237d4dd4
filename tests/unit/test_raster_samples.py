"""Real output of the Raster tool (tests/data/raster): what it wrote is written again, what it missed is found."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from raster_items import read
from typer.testing import CliRunner

from proofrail.cli.offline import register
from proofrail.commitment.raster.audit import audit_items, value_hex
from proofrail.commitment.raster.encoding import Encoding
from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.packing import RasterCommitter, commit_items
from proofrail.commitment.raster.stream import StreamReader

DATA = Path(__file__).parents[1] / "data" / "raster"
ENCODINGS = {"d9d6aac": Encoding.POSTCARD, "6cad60f": Encoding.BINCODE}
PROGRAMS = sorted(path.parent for path in DATA.glob("*/*/MANIFEST.json"))
APP = typer.Typer()
register(APP)


def _manifest(program: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((program / "MANIFEST.json").read_text())
    return manifest


def _cases() -> Iterator[Any]:
    for program in PROGRAMS:
        for name in _manifest(program)["audits"]:
            yield pytest.param(program, name, id=f"{program.parent.name}-{program.name}-{name}")


def _encoding(program: Path) -> Encoding:
    return ENCODINGS[program.parent.name]


def _items(program: Path) -> list[Item]:
    with (program / "trace.stream").open("rb") as file:
        return list(StreamReader(file))


def _altered(program: Path, case: dict[str, Any]) -> bytes:
    """The file of a case; what is not kept is made again and held to the manifest's digest."""
    path = program / case["file"]
    if path.exists():
        data = path.read_bytes()
    else:
        right = (program / "commit.bin").read_bytes()
        more = case["file_len"] - len(right)
        choices = [
            right[: case["file_len"]],
            *(right + fill * max(more, 0) for fill in (b"\0", b"\xaa", b"\xff")),
        ]
        data = next(c for c in choices if hashlib.sha256(c).hexdigest() == case["file_sha256"])
    assert case["file_sha256"] == hashlib.sha256(data).hexdigest()
    return data


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_commitment_file(program: Path) -> None:
    """Every item of the stream is found, and its commitment file is the tool's, byte for byte."""
    found = _items(program)
    made = b"".join(commit_items(found, _encoding(program), 16))

    assert _manifest(program)["items"] == len(found)
    assert (program / "commit.bin").read_bytes() == made


@pytest.mark.parametrize(("program", "name"), list(_cases()))
def test_every_case(program: Path, name: str, tmp_path: Path) -> None:
    """Each case of each manifest on the command line: status 0 for the right file alone, 1 at the first mismatch of the
    manifest or at a length, 2 for a file that is missing."""
    case = _manifest(program)["audits"][name]
    file = tmp_path / "file.bin"
    if case["file_len"] is not None:
        file.write_bytes(_altered(program, case))
    right = file.exists() and file.read_bytes() == (program / "commit.bin").read_bytes()
    stream, encoding = program / "trace.stream", _encoding(program)
    arguments = ["raster", "audit", str(stream), "--commitment", str(file), "--encoding", str(encoding)]

    ended = CliRunner().invoke(APP, [*arguments, "--bits", "16", "--json"])

    assert (2 if not file.exists() else 0 if right else 1) == ended.exit_code
    if ended.exit_code == 2:
        assert "" == ended.stdout
        return
    result = json.loads(ended.stdout)
    assert right == result["success"] == (result["diff"] is None)
    if right:
        assert [] == result["trace_window"]
        return
    expected = case["expected_first_mismatch"]
    if expected is None:
        assert "length" == result["diff"]["reason"]
        assert min(case["file_len"] * 8 // 16, result["items"]) == result["diff"]["index"]
    else:
        past = expected >= result["items"]
        assert (expected, "past-the-end" if past else "value") == (
            result["diff"]["index"],
            result["diff"]["reason"],
        )


def _said() -> Iterator[Any]:
    for program in PROGRAMS:
        for path in sorted(program.glob("audit_*.txt")):
            yield pytest.param(path, id=f"{program.parent.name}-{program.name}-{path.stem}")


@pytest.mark.parametrize("path", list(_said()))
def test_results_as_the_tool_gave_them(path: Path) -> None:
    """Where the tool found a difference, its own result is ours: window, frontier, file; or index, item, and values.

    One member is better than the tool's: a window behind the last item comes with the tree after the last item.
    """
    program, said = path.parent, path.read_text()
    case = _manifest(program)["audits"][path.stem.removeprefix("audit_")]
    result = audit_items(_items(program), _altered(program, case), _encoding(program), 16)
    printed = re.search(r"^RASTER_AUDIT:(.*)$", said, re.MULTILINE)
    if printed is not None and not json.loads(printed[1])["success"]:
        theirs, ours = json.loads(printed[1]), json.loads(result.to_line())
        if theirs["diff"]["index"] > ours["items"]:
            assert ours["items"] == ours["diff"]["window_start_position"] == ours["diff"]["frontier"][0]
            del theirs["diff"]["frontier"]
        assert theirs["trace_window"] == ours["trace_window"]
        assert theirs["diff"] == {name: ours["diff"][name] for name in theirs["diff"]}
    values = re.search(
        r"at index (\d+)\..*^Expected: (0x\w+)\nComputed: (0x\w+)$", said, re.MULTILINE | re.DOTALL
    )
    if values is not None:
        found = result.difference
        assert found is not None
        assert found.expected is not None
        assert found.computed is not None
        ours_values = (str(found.index), value_hex(found.expected), value_hex(found.computed))
        assert values.groups() == ours_values
        assert f'fn_name: "{result.window[-1].fn_name}"' in said


@pytest.mark.parametrize("name", ["alloc", "one", "zero"])
def test_roots_and_frontiers_as_the_tool_printed_them(name: str) -> None:
    """Every 32-byte root and every frontier that the tool prints while it audits is ours."""
    lines = (DATA / "d9d6aac" / name / "audit_match.txt").read_text().split("\n")
    roots = [
        line.removeprefix("RASTER_TRACE:root:") for line in lines if line.startswith("RASTER_TRACE:root:")
    ]
    frontiers = [match[1] for line in lines if (match := re.fullmatch(r"RASTER_TRACE:([0-9a-f]+)", line))]

    committer, before, after = RasterCommitter(Encoding.POSTCARD, 16), [], []
    for item in _items(DATA / "d9d6aac" / name):
        before.append(committer.frontier().to_bytes().hex())
        committer.append(item)
        after.append(committer.root().hex())

    assert roots == after
    assert frontiers == before


@pytest.mark.parametrize("name", ["alloc", "one", "zero"])
def test_stream_of_an_audit(name: str) -> None:
    """A stream into which the tool's audit printed its own lines has the same items."""
    program = DATA / "d9d6aac" / name
    said = (program / "audit_match.txt").read_bytes().split(b"---\n", 1)[1].split(b"\n# ---stderr")[0]

    assert b"RASTER_AUDIT:" in said
    assert _items(program) == read(said)


def test_both_forms_of_data_under_both_encodings() -> None:
    """A program traced by both versions of the tool: each stream gives the other version's commitment too."""
    for name in ("alloc", "one", "zero"):
        for folder, encoding in ENCODINGS.items():
            other = DATA / ("6cad60f" if folder == "d9d6aac" else "d9d6aac") / name
            made = b"".join(commit_items(_items(other), encoding, 16))
            assert (DATA / folder / name / "commit.bin").read_bytes() == made
