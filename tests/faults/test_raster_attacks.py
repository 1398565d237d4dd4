"""The weaknesses of the Raster tool's commitments, each attacked twice: it succeeds against the tool's own rules, and
fails against ours.

The tool's audit is modelled here as the real tool behaves (see tests/data/raster): it reads whole words and ignores the
rest of the file, compares lengths in words, prints its finding, and exits with 0. Where the format itself cannot show
the attack, `proofrail raster audit` cannot either, and the test says so; the commitment of an imported trace always
does.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from proofrail.audit.run_audit import audit_run
from proofrail.cli.offline import register
from proofrail.commitment.blocks import Committer, chain_value
from proofrail.commitment.items import item_bytes
from proofrail.commitment.raster.audit import audit_items
from proofrail.commitment.raster.encoding import Encoding, encode_item
from proofrail.commitment.raster.imported import ImportedRun
from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.packing import RasterCommitter, commit_items
from proofrail.commitment.raster.stream import StreamReader
from proofrail.commitment.raster.tree import DEPTH, SEED, Frontier, Tree
from proofrail.wire.canonical import canonical

DATA = Path(__file__).parents[1] / "data" / "raster" / "d9d6aac" / "alloc"
BITS = 16

APP = typer.Typer()
register(APP)


def _trace() -> list[Item]:
    with (DATA / "trace.stream").open("rb") as file:
        return list(StreamReader(file))


def _file(items: Sequence[Item]) -> bytes:
    return b"".join(commit_items(items, Encoding.POSTCARD, BITS))


@dataclasses.dataclass(frozen=True)
class SeedVerdict:
    """How the tool's audit ends."""

    exit_code: int
    success: bool | None
    index: int | None


def seed_audit(items: Sequence[Item], file: bytes) -> SeedVerdict:
    """The audit at d9d6aac."""
    computed = _words(_file(items))
    expected = _words(file)
    if len(computed) != len(expected):
        return SeedVerdict(101, None, None)
    difference = sum((a ^ b) << 64 * word for word, (a, b) in enumerate(zip(computed, expected, strict=True)))
    if not difference:
        return SeedVerdict(0, True, None)
    index = ((difference & -difference).bit_length() - 1) // BITS
    if index > len(items) + 1:
        return SeedVerdict(101, None, None)  # a panic over the window it has no items for
    return SeedVerdict(0, False, index)


def _words(file: bytes) -> list[int]:
    return [int.from_bytes(file[at : at + 8], "little") for at in range(0, len(file) - len(file) % 8, 8)]


def july_audit(items: Sequence[Item], file: bytes) -> bool:
    """The audit of the tool's later versions: it stops with the trace, and never asks how much of the file is left."""
    values = RasterCommitter(Encoding.POSTCARD, BITS)
    rest = int.from_bytes(file, "little")
    for item in items:
        if values.append(item) != rest & (1 << BITS) - 1:
            return False
        rest >>= BITS
    return True


def test_the_model_is_the_tool() -> None:
    """The modelled audit ends as the real tool did, in every case that is kept: verdict, index and exit status."""
    items = _trace()
    cases = json.loads((DATA / "MANIFEST.json").read_text())["audits"]
    tried = 0
    for case in cases.values():
        path = DATA / case["file"]
        if not path.exists():
            continue
        tried += 1
        verdict = seed_audit(items, path.read_bytes())
        assert (case["exit"], case["success"], case["reported_index"]) == dataclasses.astuple(verdict)
    assert 10 < tried


def our_audit(
    items: Sequence[Item], file: bytes, tmp_path: Path, *options: str
) -> tuple[int, dict[str, Any]]:
    """Exit status and result of `proofrail raster audit`."""
    (tmp_path / "commit.bin").write_bytes(file)
    objects = [dataclasses.asdict(item) for item in items]
    for obj in objects:
        obj["inputs"] = [{"name": name, "ty": ty} for name, ty in obj["inputs"]]
        obj["input_data"], obj["output_data"] = list(obj["input_data"]), list(obj["output_data"])
    stream = "".join(f"RASTER_TRACE:{json.dumps(obj)}\n" for obj in objects)
    command = ["raster", "audit", "-", "--commitment", str(tmp_path / "commit.bin"), *options]
    ended = CliRunner().invoke(APP, command, input=stream.encode())
    return ended.exit_code, json.loads(ended.stdout)


class Imported:
    """A trace imported by an honest tracer: what an attacker has to get past."""

    def __init__(self, items: Sequence[Item], run: ImportedRun | None = None) -> None:
        digest = hashlib.sha256(repr(items).encode()).hexdigest()
        self.run = run or ImportedRun("native", len(items), digest, BITS, 256)
        self.seal, self.blocks = self.commit(items)

    def commit(self, items: Sequence[Item]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Seal and blocks of these items, under this run's name."""
        committer = Committer(self.run.run_id, self.run.bits, self.run.block_items)
        events = map(json.loads, self.run.lines(items, timestamp=0))
        blocks = [block for event in events if (block := committer.append(item_bytes(event)))]
        last, core = committer.finish()
        return core | self.run.facts | self.run.results, blocks + ([last] if last else [])

    def finding(self, items: Sequence[Item]) -> tuple[str, bool | None]:
        """The verdict on items that are passed off under this run's commitments, and whether the mismatch found is one
        of a block or the seal."""
        commitments = [self.run.input_line, *map(canonical, self.blocks), canonical(self.seal)]
        lines = list(self.run.lines(items, timestamp=0))
        result = audit_run(commitments=commitments, events=lambda: iter(lines), subject=None, keys=[])
        found = result.finding
        return result.verdict, None if found is None else found.where in ("block", "seal")


@pytest.fixture(scope="module")
def imported() -> Imported:
    return Imported(_trace())


def _found_by_trying(items: Sequence[Item], forgery: Callable[[int], Item], wanted: int) -> tuple[Item, int]:
    """An item behind these whose 16-bit value is the one wanted, and the number of tries it took."""
    tree = Tree()
    for item in items:
        tree.append(_leaf(item))
    tree.append(SEED)
    place = tree.frontier()
    for tries in itertools.count(1):
        forged = forgery(tries)
        if chain_value(_root(place, _leaf(forged)), BITS) == wanted:
            return forged, tries
    raise AssertionError


def _root(place: Frontier, leaf: bytes) -> bytes:
    """The root with another last leaf at this place."""
    ommers = list(place.ommers)
    for level in range(DEPTH):
        tag = bytes([level])
        if place.position >> level & 1:
            leaf = hashlib.sha256(tag + ommers.pop(0) + leaf).digest()
        else:
            leaf = hashlib.sha256(tag + leaf + _empty(level)).digest()
    return leaf


@cache
def _empty(level: int) -> bytes:
    if level == 0:
        return SEED
    return hashlib.sha256(bytes([level - 1]) + _empty(level - 1) * 2).digest()


def _leaf(item: Item) -> bytes:
    return hashlib.sha256(encode_item(item, Encoding.POSTCARD)).digest()


def test_tail_forged_in_65_thousand_tries(tmp_path: Path, imported: Imported) -> None:
    """A last item with any output one likes is found for the same 16-bit value, in about 2^16 tries. The tool calls the
    forged trace equal; its file holds nothing that could tell, so our audit of the file does too. Imported, it is
    found: the packed values are what they were, chain and root are not."""
    honest = _trace()
    wanted = int.from_bytes(_file(honest), "little") >> BITS * (len(honest) - 1)
    last, tries = _found_by_trying(
        honest[:-1],
        lambda number: dataclasses.replace(honest[-1], output_data=b"forgery" + number.to_bytes(4)),
        wanted,
    )
    forged = [*honest[:-1], last]

    assert tries < 16 * 2**BITS
    assert honest[-1].output_data != last.output_data
    assert SeedVerdict(0, True, None) == seed_audit(forged, _file(honest))
    assert 0 == our_audit(forged, _file(honest), tmp_path)[0]

    assert ("INDETERMINATE", None) == imported.finding(honest)
    assert ("MISMATCH", True) == imported.finding(forged)
    assert imported.seal["root"] != imported.commit(forged)[0]["root"]


def test_tail_forged_to_our_packed_values(imported: Imported) -> None:
    """Our packed values can be forged in the same way; the chain of the block gives the forgery away at once."""
    honest = _trace()
    run = dataclasses.replace(imported.run, bits=4)
    ours = Imported(honest, run)
    forged = next(
        candidate
        for number in itertools.count()
        if ours.commit(
            candidate := [*honest[:-1], dataclasses.replace(honest[-1], output_data=number.to_bytes(4))]
        )[1][0]["packed"]
        == ours.blocks[0]["packed"]
    )

    assert honest != forged
    assert ("MISMATCH", True) == ours.finding(forged)


def test_a_call_that_looks_like_padding(tmp_path: Path, imported: Imported) -> None:
    """A call whose value is zero can be added to a trace, or taken away, wherever the last word has room: the tool
    compares words and sees none of it. The file is the same to the bit; whoever knows the number of items tells it to
    our audit, and the commitment of an import knows it."""
    honest = _trace()
    extra, tries = _found_by_trying(
        honest,
        lambda number: Item("refund", None, (("to", "String"),), number.to_bytes(8), "u64", b"\x01"),
        0,
    )
    longer = [*honest, extra]

    assert tries < 16 * 2**BITS
    for trace, file in ((longer, _file(honest)), (honest, _file(longer))):
        assert SeedVerdict(0, True, None) == seed_audit(trace, file)
        status, result = our_audit(trace, file, tmp_path)
        assert (0, 46, 48) == (status, result["least_items"], result["most_items"])
    status, result = our_audit(longer, _file(honest), tmp_path, "--items", "46")
    assert (1, 46, "length") == (status, result["diff"]["index"], result["diff"]["reason"])
    status, result = our_audit(honest, _file(longer), tmp_path, "--items", "47")
    assert (1, 46, "length") == (status, result["diff"]["index"], result["diff"]["reason"])

    assert ("MISMATCH", True) == imported.finding(longer)
    assert ("MISMATCH", True) == Imported(longer).finding(honest)


def test_bytes_behind_the_last_word(tmp_path: Path) -> None:
    """The tool reads whole words: up to seven bytes behind them pass, and are no trace's file. Here they are a
    difference in length, also for a trace without items, whose file is empty."""
    for items in (_trace(), []):
        for more in (1, 7):
            file = _file(items) + b"\xff" * more
            assert SeedVerdict(0, True, None) == seed_audit(items, file)
            status, result = our_audit(items, file, tmp_path)
            assert (1, "length", len(items)) == (status, result["diff"]["reason"], result["diff"]["index"])


def test_a_difference_is_no_success(tmp_path: Path, imported: Imported) -> None:
    """The tool finds an altered call, says so in a line, and exits with 0: a script that asks for the status goes on.
    Ours exits with 1, for the file and for the import."""
    honest = _trace()
    altered = [*honest[:20], dataclasses.replace(honest[20], output_data=b"\x00"), *honest[21:]]

    assert SeedVerdict(0, False, 20) == seed_audit(altered, _file(honest))
    status, result = our_audit(altered, _file(honest), tmp_path)
    assert (1, False, 20) == (status, result["success"], result["diff"]["index"])
    assert ("MISMATCH", True) == imported.finding(altered)


def test_a_shorter_trace(tmp_path: Path, imported: Imported) -> None:
    """Later versions of the tool stop where the audited trace stops: whoever leaves the end away passes. Here the first
    item that is missing is the first mismatch, for every length there is."""
    honest, file = _trace(), _file(_trace())
    for length in range(len(honest)):
        assert july_audit(honest[:length], file)
        found = audit_items(honest[:length], file, Encoding.POSTCARD, BITS).difference
        assert found is not None
        assert length == found.index
    status, result = our_audit(honest[:30], file, tmp_path)
    assert (1, 30) == (status, result["diff"]["index"])
    assert ("MISMATCH", True) == imported.finding(honest[:30])


def test_a_set_padding_bit(tmp_path: Path) -> None:
    """A bit set behind the last value passes in later versions of the tool, and sends the version at hand into a panic
    or to an item that there is not. Here each is a finding of its own kind, at its place."""
    honest = _trace()[:1]
    panics = 0
    for bit in range(BITS, 64):
        file = bytearray(_file(honest))
        file[bit // 8] |= 1 << bit % 8
        assert july_audit(honest, bytes(file))
        panics += seed_audit(honest, bytes(file)).exit_code == 101
        found = audit_items(honest, bytes(file), Encoding.POSTCARD, BITS).difference
        assert found is not None
        assert (bit // BITS, "past-the-end") == (found.index, found.reason)
    assert 16 == panics
    status, result = our_audit(honest, bytes(file), tmp_path)
    assert (1, 3, "past-the-end") == (status, result["diff"]["index"], result["diff"]["reason"])
