"""A stream of items as a run of ours (schemas/trace-v1.md, "Imported traces").

An item is a call that completed; how calls nest, what they cost and when they ran, a stream does not say. So each item
becomes a tile of depth 0, a TileStart and a TileEnd, with everything the item says under the commitment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from proofrail.commitment.raster.item import Item
from proofrail.commitment.runid import inputs_sha256, run_id, span_id
from proofrail.wire.canonical import JsonObject, canonical, sha256_hex
from proofrail.wire.errors import UnusableInputError
from proofrail.wire.topics import MAX_LINE

LAYOUT: Final = "raster"
UNKNOWN_IMAGE: Final = "unknown"
"""The method_id with backend risc0 where nobody gave an image id: nothing that could be taken for one."""

_SPANS: Final = "own"
_LONGEST_NAME: Final = 64


@dataclass(frozen=True)
class ImportedRun:
    """What an imported run is made from.

    `items` and `stream_sha256` are those of the whole stream. `method_id` is that of the program and of every tile that
    `tile_method_ids` does not name; `artifact_sha256` the program's file, where it is at hand.
    """

    backend: Literal["native", "risc0"]
    items: int
    stream_sha256: str
    bits: int
    block_items: int
    method_id: str | None = None
    tile_method_ids: Mapping[str, str] = field(default_factory=dict)
    artifact_sha256: str | None = None

    @property
    def input_line(self) -> bytes:
        """The run's one Input line: which stream it was made from."""
        line = {"v": 1, "type": "Input", "run_id": self.run_id, "index": 0, "input": self._input}
        return canonical(line)

    @property
    def facts(self) -> JsonObject:
        """What TraceStart and seal say of the program and its inputs."""
        artifact = self.artifact_sha256 or self.stream_sha256
        return {
            "program": {
                "backend": self.backend,
                "method_id": self.method_id or (UNKNOWN_IMAGE if self.backend == "risc0" else artifact),
                "artifact_sha256": artifact,
            },
            "layout": LAYOUT,
            "spans": _SPANS,
            "inputs_count": 1,
            "inputs_sha256": inputs_sha256([canonical(self._input)]),
        }

    @property
    def results(self) -> JsonObject:
        """What TraceEnd and seal say of the end."""
        no_output = sha256_hex(canonical([]))
        return {"outcome": "completed", "n_steps": 0, "output_count": 0, "output_sha256": no_output}

    @cached_property
    def run_id(self) -> str:
        facts = self.facts
        return run_id(
            artifact_sha256=facts["program"]["artifact_sha256"],
            method_id=facts["program"]["method_id"],
            layout=LAYOUT,
            spans=_SPANS,
            inputs_sha256=facts["inputs_sha256"],
            bits=self.bits,
            block_items=self.block_items,
        )

    def lines(self, items: Iterable[Item], timestamp: int) -> Iterator[bytes]:
        """The run's events as NDJSON lines without line feeds; `timestamp` (ns) is when they were imported.

        Raises UnusableInputError `raster-item-too-large` for an item whose event would be longer than a line may be,
        `raster-item-unnamed` for one without a name.
        """
        commitment = {"bits": self.bits, "block_items": self.block_items}
        events = self._events(items, {"commitment": commitment})
        for seq, (kind, members) in enumerate(events):
            named = {"v": 1, "type": kind, "run_id": self.run_id, "seq": seq, "timestamp": timestamp}
            line = canonical(named | members)
            if len(line) > MAX_LINE:
                raise UnusableInputError(
                    "raster-item-too-large",
                    f"item {(seq - 1) // 2} ({members.get('tile_id', kind)!r:.80}) needs a {kind} of {len(line)} "
                    f"bytes; a line has at most {MAX_LINE}",
                    "Version 1 holds data of up to about 32,000 bytes a call; trace smaller calls.",
                    item=(seq - 1) // 2,
                )
            yield line

    @property
    def _input(self) -> JsonObject:
        # All that tells one import from another goes into the run_id, and it is this object that does.
        given = {"method_ids": dict(self.tile_method_ids)} if self.tile_method_ids else {}
        return {"backend": self.backend, "items": self.items, "stream_sha256": self.stream_sha256, **given}

    def _events(self, items: Iterable[Item], start: JsonObject) -> Iterator[tuple[str, JsonObject]]:
        yield "TraceStart", self.facts | start
        for index, item in enumerate(items):
            if not item.fn_name:
                raise UnusableInputError(
                    "raster-item-unnamed", f"item {index} has an empty fn_name; a tile has a name", item=index
                )
            span = {"tile_id": item.fn_name, "span_id": span_id(self.run_id, 2 * index + 1)}
            yield "TileStart", span | self._said_at_start(item)
            returned = {} if item.output_type is None else {"output_type": item.output_type}
            yield "TileEnd", span | {"output_bytes": item.output_data.hex()} | returned
        yield "TraceEnd", self.results

    def _said_at_start(self, item: Item) -> JsonObject:
        described: dict[str, Any] = {} if item.desc is None else {"desc": item.desc}
        return described | {
            "path": item.fn_name,
            "depth": 0,
            "artifact": {"backend": self.backend, "method_id": self._method_id(item.fn_name)},
            "input_bytes": item.input_data.hex(),
            "inputs": [{"name": name, "ty": ty} for name, ty in item.inputs],
        }

    def _method_id(self, tile: str) -> str:
        given = self.tile_method_ids.get(tile, self.method_id)
        if given is not None:
            return given
        if self.backend == "risc0":
            return UNKNOWN_IMAGE
        name = tile.encode()
        return name.hex() if len(name) <= _LONGEST_NAME else sha256_hex(name)
