"""What a checked stream held."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proofrail.wire.canonical import JsonObject


@dataclass(frozen=True)
class Summary:
    """Counts of what was read, whether it held or not. None where nothing in the stream says it."""

    run_id: str | None
    backend: str | None
    lines: int
    events: dict[str, int]
    """By type; lines that cannot be read are not counted."""
    spans: int
    iterations: int
    """Spans that are iterations."""
    max_depth: int | None
    """0 is the outermost."""
    steps: int
    """In the StepBlocks."""
    cells: int
    """In the MemoryBlocks."""
    n_steps: int | None
    """As TraceEnd has it."""
    outcome: str | None
    violations: int
    """All that were found, also those that are not listed."""
    codes: dict[str, int]
    """Violations by code."""
    unknown_members: int
    """Members that version 1 does not define: allowed, and not checked."""
    unknown: list[dict[str, Any]] = field(default_factory=list)
    """The first of them: line, and member as a JSON pointer."""

    @property
    def clean(self) -> bool:
        return self.violations == 0

    def to_object(self) -> JsonObject:
        """The summary as one JSON object; members without a value are absent."""
        members = {name: value for name, value in vars(self).items() if value is not None and value != []}
        return {"v": 1, "type": "CheckSummary", "clean": self.clean} | members
