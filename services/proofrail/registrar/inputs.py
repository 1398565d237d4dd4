"""Where rows of the chain build stand under the root that a run outputs: from the run's own inputs, as published.

Nothing here is trusted: a path either leads to the root in a verified proof or it does not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Final

from proofrail.cairo.row_path import RowPath, row_paths
from proofrail.messaging.records import Record
from proofrail.wire.errors import ProofrailError
from proofrail.wire.runs import RunAssembler, names_run

_PATHS_KEPT: Final = 16
"""Runs whose paths are kept; their inputs are kept for all, about 1 KB for each allocation."""


class RunInputs:
    """Inputs of the sealed runs of some programs, by run."""

    def __init__(self, programs: Collection[str]) -> None:
        self._programs = frozenset(programs)
        self._assembler = RunAssembler()
        self._inputs: dict[str, list[dict[str, Any]]] = {}
        self._paths: OrderedDict[str, list[RowPath]] = OrderedDict()

    def take(self, records: list[Record]) -> None:
        """Take records of trace.commitments.v1; what is no run of these programs is passed over."""
        for record in records:
            if not names_run(record.key_text):
                continue
            for run in self._assembler.feed(record.key_text, record.value):
                program = (run.seal or {}).get("program")
                if isinstance(program, dict) and program.get("method_id") in self._programs:
                    self._inputs.setdefault(run.run_id, run.inputs)

    def place(self, run_id: str, row: int) -> RowPath | None:
        """Where the row stands, if the run is known and has one. About 25 ms for each row of the run, once; one caller
        at a time, in any thread."""
        if run_id not in self._paths:
            try:
                self._paths[run_id] = row_paths(self._inputs.get(run_id, []))
            except ProofrailError:
                self._paths[run_id] = []  # no inputs of a run that could have been attested
            while len(self._paths) > _PATHS_KEPT:
                self._paths.popitem(last=False)
        self._paths.move_to_end(run_id)
        found = self._paths[run_id]
        if not found and run_id not in self._inputs:
            del self._paths[run_id]
        return found[row] if row < len(found) else None
