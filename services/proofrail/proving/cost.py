"""What a proof will cost, and what parameters can be chosen for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Goal = Literal["speed", "size", "chain"]
"""Least CPU time; fewest bytes at a bearable price; fewest bytes of what the on-chain registry accepts."""

_CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_SPARE: Final = 0.9


@dataclass(frozen=True)
class Cost:
    """Expected CPU seconds of all cores together, bytes of memory at the peak, bytes of the proof."""

    cpu_seconds: float
    memory_bytes: int
    proof_bytes: int

    def fits(self, memory_bytes: int) -> bool:
        """Whether a machine with so much memory can make the proof, with a tenth to spare."""
        return self.memory_bytes <= _SPARE * memory_bytes


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its control group's limit if that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or no limit: "max"
        return memory
