"""Items of Raster traces for tests: the worked examples, generated ones, and the streams they stand in."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

from proofrail.commitment.raster.item import Item
from proofrail.commitment.raster.stream import StreamReader

# Type strings as the compiler prints them, a wrapped one among them.
TYPES = (
    "u64",
    "Result < u64, MyErr >",
    "(bool, u64, u64)",
    "& 'static str",
    "[u8; 4]",
    "Result < Option < u64 > , MyErr >",
    "HashMap < String, Vec < (String, u64, u64, Option < String > , Result < u64, MyErr >) >\n>",
)


def example_a(changed: bool = False) -> list[Item]:
    """Five items `test_tile_i`; `changed` makes item 2 another one (example A′)."""
    numbers = [0, 1, 5 if changed else 2, 3, 4]
    inputs = (("input", "u64"),)
    return [Item(f"test_tile_{n}", None, inputs, b"", "u64", n.to_bytes(8, "little")) for n in numbers]


def example_b() -> list[Item]:
    """The six items of hello-tiles with input "Raster" (example B1)."""
    made: list[Item] = []

    def call(name: str, parameter: str, value: str, returned: str) -> str:
        inputs = ((parameter, "String"),)
        made.append(Item(name, None, inputs, postcard_text(value), "String", postcard_text(returned)))
        return returned

    said = call("greet", "name", "Raster", "Hello, Raster!!!!")
    said = call("exclaim", "message", said, said + "!!!!")
    said = call("exclaim", "message", said, said + "!!!!")
    said = call("raster_wish", "message", said, said + "\nHope you  will have fun with Raster!")
    said = call("current_wish", "message", said, said + "\nHappy new year!")
    call("exclaim", "message", said, said + "!!!!")
    return made


def postcard_text(text: str) -> bytes:
    data = text.encode()
    size = bytes([len(data)]) if len(data) < 128 else bytes([len(data) % 128 + 128, len(data) // 128])
    return size + data


_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_DATA = st.binary(max_size=40)


def items() -> st.SearchStrategy[Item]:
    """Any item, names and types of any text."""
    inputs = st.lists(st.tuples(_TEXT, st.sampled_from(TYPES) | _TEXT), max_size=3).map(tuple)
    option = st.none() | _TEXT
    return st.builds(Item, _TEXT, option, inputs, _DATA, st.none() | st.sampled_from(TYPES) | _TEXT, _DATA)


def plain(item: Item) -> dict[str, Any]:
    """The item as the plain implementation takes it."""
    inputs = [{"name": name, "ty": ty} for name, ty in item.inputs]
    return {
        "fn_name": item.fn_name,
        "desc": item.desc,
        "inputs": inputs,
        "input_data": item.input_data,
        "output_type": item.output_type,
        "output_data": item.output_data,
    }


def json_text(item: Item, *, base64_data: bool = False) -> str:
    """The item's JSON exactly as the tool writes it: compact, nothing escaped that need not be."""

    def written(data: bytes) -> Any:
        return base64.b64encode(data).decode() if base64_data else list(data)

    obj = plain(item)
    obj |= {name: written(obj[name]) for name in ("input_data", "output_data")}
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False)


def undelimited(found: Iterable[Item]) -> bytes:
    return "".join(json_text(item, base64_data=True) for item in found).encode()


def prefixed(found: Iterable[Item]) -> bytes:
    return "".join(f"RASTER_TRACE:{json_text(item)}\n" for item in found).encode()


def read(stream: bytes) -> list[Item]:
    """The items of a stream. Raises StreamError."""
    return list(StreamReader(io.BytesIO(stream)))
