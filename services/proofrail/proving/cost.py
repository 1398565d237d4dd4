"""What a proof will cost, and what parameters can be chosen for."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final, Literal

from proofrail.proving import cgroup
from proofrail.wire.errors import PoisonError, UnusableInputError

Goal = Literal["speed", "size", "chain"]
"""Least CPU time; fewest bytes at a bearable price; fewest bytes of what the on-chain registry accepts."""

_SPARE: Final = 0.9
_UNITS: Final = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_AMOUNT: Final = re.compile(r"(\d+)\s*(|KiB|MiB|GiB|%)")


@dataclass(frozen=True)
class Cost:
    """Expected CPU seconds of all cores together, bytes of memory at the peak, bytes of the proof. `cores`: how many
    the prover keeps busy, None for all of this machine."""

    cpu_seconds: float
    memory_bytes: int
    proof_bytes: int
    cores: float | None = None

    def fits(self, memory_bytes: int) -> bool:
        """Whether a machine with so much memory can make the proof, with a tenth to spare."""
        return self.memory_bytes <= _SPARE * memory_bytes

    def admit(self, memory_limit: int | None) -> None:
        """Raises PoisonError `run-too-large` when the proof would take more than `memory_limit` bytes: the same run
        would each time, and half of it may not."""
        if memory_limit is not None and self.memory_bytes > memory_limit:
            raise PoisonError(
                "run-too-large",
                f"the proof takes about {self.memory_bytes >> 20:,} MiB of memory, more than the "
                f"{memory_limit >> 20:,} MiB allowed",
                "Take fewer allocations in a run, a machine with more memory, or another backend or layout.",
            )

    @property
    def seconds(self) -> float:
        """Expected seconds on the clock."""
        return self.cpu_seconds / (self.cores or os.cpu_count() or 1)


def machine_memory() -> int:
    """Bytes of memory that this process may use: the machine's, or its control groups' limit if that is less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = cgroup.memory_limit()
    return memory if limit is None else min(memory, limit)


def memory_of(text: str) -> int:
    """Bytes of memory that a setting such as "3GiB", "800MiB", "75%" (of this machine's) or "4000000000" means.

    Raises UnusableInputError `memory-limit`.
    """
    found = _AMOUNT.fullmatch(text.strip())
    amount, unit = (int(found[1]), found[2]) if found is not None else (0, "")
    if amount == 0 or (unit == "%" and amount > 100):
        raise UnusableInputError(
            "memory-limit",
            f"{text!r} is no amount of memory",
            "Write bytes, or a number with KiB, MiB, GiB, or % of this machine's memory.",
        )
    return machine_memory() * amount // 100 if unit == "%" else amount * _UNITS[unit]


def in_words(seconds: float) -> str:
    """A length of time, as precise as an expectation is: such as "46 s", "12 min", "2.5 h"."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
