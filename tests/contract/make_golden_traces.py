"""Writes golden traces that do not exist yet: `python tests/contract/make_golden_traces.py`.

One that stands is never written again: it is what every later version is held to. A Cairo trace needs
program.cairo, program.json (tests/data/cairo/compile.py makes it) and inputs.json in its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from golden_traces import TRACES, GoldenTrace, committed, event_lines, seal_facts, write

CAIRO: dict[str, dict[str, Any]] = {
    "completed": {"spans": "all"},
    "failed": {"block_items": 8},
    "looped": {"bits": 5, "block_items": 10},
    "nested": {"bits": 64, "block_items": 32},
}
"""The traces of Cairo runs and their settings."""


def _cairo(folder: Path, settings: dict[str, Any]) -> None:
    run = GoldenTrace(folder).executed(**settings)
    events = event_lines(run)
    lines = committed(events, run.run_id, run.spec.bits, run.spec.block_items, seal_facts(run.seal))
    write(folder, events, [*run.input_lines, *lines])


def main() -> None:
    for name, settings in CAIRO.items():
        if (TRACES / name / "events.ndjson").exists():
            print(f"{name}: stands")
        else:
            _cairo(TRACES / name, settings)
            print(f"{name}: written")


if __name__ == "__main__":
    main()
