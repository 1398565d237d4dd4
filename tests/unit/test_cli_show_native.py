"""`proofrail show` of a native trace: inputs and outputs by name, as Python writes them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.cli.show_native import native_text
from proofrail.tracing import JsonSubscriber, Tracer, encode, tile


@dataclasses.dataclass
class Share:
    name: str
    bps: int


@tile
def shown(share: Share, *, many: list[int], key: bytes = b"k") -> dict[str, object]:
    return {"bps": (share.bps,), "large": 2**255, "nothing": None, "many": many}


def test_values_are_decoded(tmp_path: Path) -> None:
    """Arguments have their names, records their class, large numbers stand in hex; the raw bytes are there too."""
    with Tracer(JsonSubscriber(tmp_path / "events.ndjson")):
        shown(Share("jediswap", 4400), many=[1, 2])
    result = CliRunner().invoke(app, ["show", str(tmp_path / "events.ndjson"), "--json"])
    assert 0 == result.exit_code, result.output
    span = json.loads(result.output.splitlines()[0])
    assert "share=Share(bps=4400, name='jediswap'), many=[1, 2], key=b'k'" == span["input"]
    assert f"{{'bps': (4400,), 'many': [1, 2], 'large': {2**255:#x}, 'nothing': None}}" == span["output"]
    assert bytes.fromhex(span["output_bytes"]).startswith(b"\x01d")


@pytest.mark.parametrize("data", ["ff", "0", "017301"])
def test_other_bytes_are_left_to_others(data: str) -> None:
    """What is no native value is not shown as one."""
    assert native_text(data, short=True) is None


def test_long_values_are_cut() -> None:
    """In a tree, a long number keeps its ends and a long value its beginning; in full, both are whole."""
    data = encode([2**300] * 9).hex()
    short, whole = native_text(data, short=True), native_text(data, short=False)
    assert short is not None
    assert whole is not None
    assert short.startswith("[0x10000000…000000, ")
    assert short.endswith("…")
    assert 9 == whole.count(hex(2**300))
