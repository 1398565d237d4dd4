"""Which of several admissible sets of parameters is the best one for a goal, by what each is expected to cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeVar

from proofrail.proving.cost import Cost, Goal
from proofrail.proving.policy import MAX_POW_BITS


class HasCost(Protocol):
    """A set of parameters with its price."""

    @property
    def cost(self) -> Cost: ...


P = TypeVar("P", bound=HasCost)

_TIMES_THE_CHEAPEST: Final[dict[Goal, float]] = {"speed": 1.05, "size": 4.0, "chain": 4.0}
"""So many times the least CPU time a shorter proof may take: of sets that no measurement could tell apart for speed;
beyond four times, bytes cost more than they save."""


_HARDLY_MORE: Final = 1.1


def fewest_work(
    bits: int, bits_a_query: int, least_work: int, most_queries: int
) -> Iterator[tuple[int, int]]:
    """Numbers of queries and bits of proof of work that give `bits` of security together. More work for the same
    number of queries would gain nothing."""
    before = None
    for work in range(least_work, MAX_POW_BITS + 1):
        queries = max(1, -((work - bits) // bits_a_query))
        if queries != before and queries <= most_queries:
            yield queries, work
        before = queries


def is_comfortable(cost: Cost, memory: int) -> bool:
    """Whether so many bytes leave half of themselves to others."""
    return 2 * cost.memory_bytes <= memory


def ranked(priced: Sequence[P], goal: Goal, memory: int) -> list[P]:
    """The best first, of the sets that take at most half of `memory` bytes, for others need memory too; where there
    are none, of those that fit, and at last of those that need hardly more than the least."""
    fitting = [one for one in priced if is_comfortable(one.cost, memory)]
    fitting = fitting or [one for one in priced if one.cost.fits(memory)]
    if not fitting:
        least = min(one.cost.memory_bytes for one in priced)
        fitting = [one for one in priced if one.cost.memory_bytes <= _HARDLY_MORE * least]
    affordable = _TIMES_THE_CHEAPEST[goal] * min(one.cost.cpu_seconds for one in fitting)

    def rank(one: P) -> tuple[bool, float, float]:
        if one.cost.cpu_seconds > affordable:
            return True, one.cost.cpu_seconds, one.cost.proof_bytes
        return False, one.cost.proof_bytes, one.cost.cpu_seconds

    return sorted(fitting, key=rank)


def reason(goal: Goal, considered: int, felts: int | None = None) -> str:
    """Why the first of `considered` ranked sets is the best, in a sentence. `felts`: what one transaction with the
    proof has room for, if that had a part in it."""
    of = f"of {considered} admissible sets"
    if goal == "chain":
        of += ", all of which the registry's verifier accepts"
    if felts is not None:
        of += f" in one transaction of {felts:,} felts"
    times = _TIMES_THE_CHEAPEST[goal if felts is None else "speed"]
    return f"fewest bytes within {times:g} times the least CPU time, {of}"
