"""The commitment of raw event lines and of steps, on one core, beside what that core's SHA-256 could do.

A shared machine slows both by turns: each figure is the best of several, taken in turns with hashlib on a
large buffer, whose best is the bandwidth.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from proofrail._native import Committer, chunk_root
from proofrail.audit.raw import CELL_BYTES, STEP_BYTES
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import run
from proofrail.wire.events import CELLS_PER_BLOCK, CELLS_PER_CHUNK, STEPS_PER_BLOCK, STEPS_PER_CHUNK

ARTIFACT = Path(__file__).parents[2] / "cairo" / "artifacts" / "fibonacci.json"
EVENTS = 200_000
FILE_EVENTS = 1_000_000
EVENT_BYTES = 300
REPEATS = 7
_BUFFER = b"x" * (1 << 25)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def beside_sha256(work: Callable[[], object]) -> tuple[float, float]:
    """Best seconds of `work`, and the best bandwidth of SHA-256 (bytes a second) between its turns."""
    best = hashing = float("inf")
    for _ in range(REPEATS):
        best = min(best, _seconds(work))
        hashing = min(hashing, _seconds(lambda: hashlib.sha256(_BUFFER).digest()))
    return best, len(_BUFFER) / hashing


def event() -> dict[str, object]:
    """An event of EVENT_BYTES bytes in canonical form."""
    made: dict[str, object] = {
        "artifact": {"backend": "cairo", "method_id": "0x" + "5" * 40},
        "depth": 2,
        "input_bytes": "",
        "path": "main/tile",
        "run_id": "0" * 32,
        "seq": 123456,
        "span_id": "0" * 16,
        "tile_id": "tile",
        "timestamp": 10**18,
        "type": "TileStart",
        "v": 1,
    }
    made["input_bytes"] = "0" * (EVENT_BYTES - len(canonical(made)))
    return made


def canonical(members: dict[str, object]) -> str:
    return json.dumps(members, sort_keys=True, separators=(",", ":"))


def spellings() -> dict[str, str]:
    """The same event as different writers spell it."""
    made = event()
    other = dict(reversed(made.items()))
    escaped = json.dumps(other).replace('"tile"', '"til\\u0065"').replace("main/tile", "main\\/tile")
    return {
        "canonical": canonical(made),
        "json.dumps, sorted": json.dumps(made, sort_keys=True),
        "json.dumps, members reversed": json.dumps(other),
        "the same with escapes": escaped,
    }


def compressions(item_bytes: int) -> int:
    """SHA-256 compressions that the normative text asks for an item: its leaf, the chain's link, and the one
    node that each item adds to the tree, each padded to blocks of 64 bytes."""
    return sum(-(-(length + 9) // 64) for length in (1 + item_bytes, 65, 65))


def _commit(stream: bytes) -> None:
    Committer("r").feed(stream)


def _roots(blocks: list[bytes], chunk: int) -> None:
    for block in blocks:
        chunk_root(block, chunk)


def _committer() -> None:
    item = canonical({name: value for name, value in event().items() if name != "timestamp"})
    needed = compressions(len(item))
    print(f"an item of {len(item)} bytes: {needed} compressions, {64 * needed} bytes through SHA-256")
    for name, line in spellings().items():
        stream = (line + "\n").encode() * EVENTS
        seconds, bandwidth = beside_sha256(partial(_commit, stream))
        rate, floor = EVENTS / seconds, bandwidth / (64 * needed)
        print(
            f"{name}, {len(line)} bytes a line: {rate / 1e6:.2f} M events/s   (mark 1); "
            f"at SHA-256's {bandwidth / 1e6:.0f} MB/s hashing alone gives {floor / 1e6:.2f} M/s "
            f"({100 * rate / floor:.0f} %)"
        )


def _file() -> None:
    for name, line in spellings().items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.ndjson"
            path.write_text((line + "\n") * FILE_EVENTS)
            command = [sys.executable, "-m", "proofrail.cli.main", "commit", str(path), "--run-id", "r"]
            pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
            finish = partial(subprocess.run, [*pinned, *command], check=True, stdout=subprocess.DEVNULL)
            seconds = min(_seconds(finish) for _ in range(3))
            path.write_bytes(b"")
            start = min(_seconds(finish) for _ in range(3))
        print(
            f"`proofrail commit` of a file of {FILE_EVENTS:,}, {name}, on one core: {seconds:.2f} s, of which "
            f"{start:.2f} s to start; {FILE_EVENTS / (seconds - start) / 1e6:.2f} M events/s once started"
        )


def _step_blocks() -> None:
    execution = run(CairoProgram.load(ARTIFACT), {"n": 165_000}, "small", private_input=False)
    for name, data, block, chunk in (
        ("StepBlocks", bytes(execution.trace), STEPS_PER_BLOCK * STEP_BYTES, STEPS_PER_CHUNK * STEP_BYTES),
        ("MemoryBlocks", bytes(execution.memory), CELLS_PER_BLOCK * CELL_BYTES, CELLS_PER_CHUNK * CELL_BYTES),
    ):
        blocks = [data[start : start + block] for start in range(0, len(data), block)]
        seconds, bandwidth = beside_sha256(partial(_roots, blocks, chunk))
        rate = len(data) / seconds
        print(
            f"{name} of {len(data) / 1e6:.1f} MB: {rate / 1e6:.0f} MB/s, {100 * rate / bandwidth:.0f} % of "
            f"SHA-256's {bandwidth / 1e6:.0f} MB/s   (mark 50 %)"
        )


def main() -> None:
    _committer()
    _step_blocks()
    _file()
