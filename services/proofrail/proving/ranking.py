"""Which of several admissible sets of parameters is the best one for a goal, by what each is expected to cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from proofrail.proving.cost import Cost, Goal


class HasCost(Protocol):
    """A set of parameters with its price."""

    @property
    def cost(self) -> Cost: ...


P = TypeVar("P", bound=HasCost)

_TIMES_THE_CHEAPEST: Final[dict[Goal, float]] = {"speed": 1.05, "size": 4.0, "chain": 4.0}
"""So many times the least CPU time a shorter proof may take: of sets that no measurement could tell apart for speed;
beyond four times, bytes cost more than they save."""


_HARDLY_MORE: Final = 1.1


def ranked(priced: Sequence[P], goal: Goal, memory: int) -> list[P]:
    """The best first. Sets that do not fit into `memory` bytes are left out; where none fits, those that need much
    more than the least."""
    fitting = [one for one in priced if one.cost.fits(memory)]
    if not fitting:
        least = min(one.cost.memory_bytes for one in priced)
        fitting = [one for one in priced if one.cost.memory_bytes <= _HARDLY_MORE * least]
    affordable = _TIMES_THE_CHEAPEST[goal] * min(one.cost.cpu_seconds for one in fitting)

    def rank(one: P) -> tuple[bool, float, float]:
        if one.cost.cpu_seconds > affordable:
            return True, one.cost.cpu_seconds, one.cost.proof_bytes
        return False, one.cost.proof_bytes, one.cost.cpu_seconds

    return sorted(fitting, key=rank)


def reason(goal: Goal, considered: int) -> str:
    """Why the first of `considered` ranked sets is the best, in a sentence."""
    of = f"of {considered} admissible sets"
    if goal == "chain":
        of += ", all of which the registry's verifier accepts"
    return f"fewest bytes within {_TIMES_THE_CHEAPEST[goal]:g} times the least CPU time, {of}"
