"""Foreign traces: reading, committing to and importing a million items, beside what SHA-256 alone would take.

Of each item the tool's format hashes the item itself, the tree's carry (one node on average) and all 32 levels up to
the root, each node 65 bytes, so two blocks of SHA-256; the double append of bincode adds a carry. Times are those of
the processor: everything here runs on one core and waits for nothing.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

from proofrail._native import Committer
from proofrail.commitment.raster.audit import audit_items
from proofrail.commitment.raster.encoding import Encoding
from proofrail.commitment.raster.imported import ImportedRun
from proofrail.commitment.raster.packing import commit_items
from proofrail.commitment.raster.stream import StreamReader

ITEMS = 1_000_000
SAMPLE = 100_000
"""Items of the parts that are measured one by one."""
BITS = 16

_NODES = 33
_NODE_BLOCKS = 2


def _stream(items: int, *, prefixed: bool) -> bytes:
    """Items as hello-tiles has them, a number in each."""
    made = []
    for number in range(items):
        obj = {
            "fn_name": "greet",
            "desc": None,
            "inputs": [{"name": "name", "ty": "String"}],
            "input_data": list(number.to_bytes(8, "little")),
            "output_type": "String",
            "output_data": list(b"Hello, Raster!!!!"),
        }
        text = json.dumps(obj, separators=(",", ":"))
        made.append(f"RASTER_TRACE:{text}\n" if prefixed else text)
    return "".join(made).encode()


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _drain(iterator: Iterator[object]) -> None:
    deque(iterator, maxlen=0)


def _bare_calls() -> float:
    """Seconds of the bare calls of SHA-256 that one root takes in Python, without any tree around them."""
    node, sha256 = bytes(32), hashlib.sha256
    return _seconds(lambda: [sha256(b"\0" + node + node).digest() for _ in range(_NODES * 20_000)]) / 20_000


def _report(what: str, seconds: float, items: int, limit: float) -> None:
    rate = items / seconds
    print(
        f"{what:<34}{rate:>10,.0f} items/s   ({limit * rate:6.1%} of SHA-256 alone, {1 / limit:,.0f} items/s)"
    )


def measure(items: int) -> None:
    """Commit to a stream of so many items, from a file in memory, and print the rate and the peak of memory."""
    stream = _stream(items, prefixed=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = _seconds(
        lambda: _drain(commit_items(StreamReader(io.BytesIO(stream)), Encoding.POSTCARD, BITS))
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"commit, {items:,} items, {len(stream) >> 20} MiB: {seconds:.1f} s of one core, "
        f"memory +{(after - before) >> 10} MiB"
    )


def main() -> None:
    data = b"x" * (1 << 26)
    bandwidth = len(data) / _seconds(lambda: hashlib.sha256(data).digest())
    limit = 64 * (2 + _NODES * _NODE_BLOCKS) / bandwidth
    print(f"SHA-256 {bandwidth / 1e6:.0f} MB/s, {64 * (2 + _NODES * _NODE_BLOCKS):,} bytes of blocks an item")
    stream = _stream(SAMPLE, prefixed=True)
    found = list(StreamReader(io.BytesIO(stream)))
    _report("bare hashlib calls of a root", _bare_calls(), 1, limit)
    for encoding in Encoding:
        seconds = _seconds(lambda: _drain(commit_items(found, encoding, BITS)))  # noqa: B023 - called at once
        _report(f"commit, {encoding}, items at hand", seconds, SAMPLE, limit)
    for prefixed in (True, False):
        stream = _stream(SAMPLE, prefixed=prefixed)
        form = "lines" if prefixed else "undelimited"
        seconds = _seconds(lambda: _drain(iter(StreamReader(io.BytesIO(stream)))))  # noqa: B023
        _report(f"read, {form}", seconds, SAMPLE, limit)
    file = b"".join(commit_items(found, Encoding.POSTCARD, BITS))
    seconds = _seconds(lambda: audit_items(StreamReader(io.BytesIO(stream)), file, Encoding.POSTCARD, BITS))
    _report("audit, read included", seconds, SAMPLE, limit)
    _report("import, read once included", _seconds(lambda: _import(stream)), SAMPLE, limit)
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "tests.bench.bench_raster", str(ITEMS)], check=True)


def _import(stream: bytes) -> None:
    run = ImportedRun("native", SAMPLE, "0" * 64, BITS, 256)
    committer = Committer(run.run_id, BITS, 256)
    lines = run.lines(StreamReader(io.BytesIO(stream)), timestamp=0)
    while batch := list(itertools.islice(lines, 1000)):
        committer.feed(b"".join(line + b"\n" for line in batch))
    committer.finish()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]))
    else:
        main()
