"""Writes golden traces that do not exist yet: `python tests/contract/make_golden_traces.py`.

One that stands is never written again: it is what every later version is held to. A Cairo trace needs
program.cairo, program.json (tests/data/cairo/compile.py makes it) and inputs.json in its folder, the native one
functions.py, the imported one trace.stream.
"""

from __future__ import annotations

from typing import Any

from golden_traces import TRACES, GoldenTrace, Made, made_of, write

CAIRO: dict[str, dict[str, Any]] = {
    "completed": {"spans": "all"},
    "failed": {"block_items": 8},
    "looped": {"bits": 5, "block_items": 10},
    "nested": {"bits": 64, "block_items": 32},
}
"""The traces of Cairo runs and their settings."""


RISC0 = {"method_id": "5a" * 32, "tile_method_ids": {"only": "c3" * 32}}
"""Image ids that nothing has."""


def _make(golden: GoldenTrace) -> Made:
    if golden.name in CAIRO:
        return made_of(golden.executed(**CAIRO[golden.name]))
    if golden.name == "native":
        return golden.traced(bits=16, block_items=16)
    return golden.imported("risc0", bits=16, block_items=256, **RISC0)


def main() -> None:
    for name in [*CAIRO, "native", "imported"]:
        golden = GoldenTrace(TRACES / name)
        if (golden.folder / "events.ndjson").exists():
            print(f"{name}: stands")
        else:
            write(golden.folder, _make(golden))
            print(f"{name}: written")


if __name__ == "__main__":
    main()
