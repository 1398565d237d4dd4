"""The cheapest parameters of a Stone proof for a number of steps, a layout, a security level and a goal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from proofrail.proving import calibration
from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Cost, Goal, machine_memory
from proofrail.proving.errors import PolicyError
from proofrail.proving.policy import DEFAULT_SECURITY_BITS
from proofrail.proving.ranking import fewest_work, is_comfortable, ranked, reason
from proofrail.proving.stone.calldata_size import Transaction, fewest_felts, most_felts
from proofrail.proving.stone.cost import predict
from proofrail.proving.stone.fri import MAX_FRI_LAYERS
from proofrail.proving.stone.hashes import LOCAL, REGISTRY_HASHERS, Hashes
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG, Layout, layout_named, log_steps
from proofrail.proving.stone.parameters import StoneParameters

_LOG_COSETS: Final = range(1, 6)
_LOG_COSETS_OF_A_TRANSACTION: Final = range(1, 7)
"""A blow-up so large costs more time than any other makes up for, but felts are scarce."""
_LOG_LAST_LAYERS: Final = range(4, 11)
_MOST_QUERIES: Final = 256
REGISTRY_LEAST_POW: Final = 20
"""The registry's verifier refuses proofs with fewer bits of proof of work."""


@dataclass(frozen=True)
class Priced:
    """An admissible set and its cost. `full_extension`: whether the prover is to keep the whole extended trace in
    memory, which saves time and changes nothing in the proof. `felts`: most that the transaction has, where there is
    to be one."""

    parameters: StoneParameters
    cost: Cost
    full_extension: bool
    felts: int | None = None


@dataclass(frozen=True)
class Choice:
    """`hasher`: the registry's name of the hashes, for goal chain; `transaction`: what the proof fits; `ranking`: all
    admissible sets that fit the memory, the chosen one first."""

    layout: Layout
    n_steps: int
    goal: Goal
    hasher: str | None
    transaction: Transaction | None
    considered: int
    ranking: tuple[Priced, ...] = field(repr=False)

    @property
    def parameters(self) -> StoneParameters:
        return self.ranking[0].parameters

    @property
    def cost(self) -> Cost:
        return self.ranking[0].cost

    @property
    def full_extension(self) -> bool:
        return self.ranking[0].full_extension

    @property
    def why(self) -> str:
        """The reason, in a sentence."""
        felts = None if self.transaction is None else self.transaction.felts
        return reason(self.goal, self.considered, felts)


def choose(
    n_steps: int,
    layout_name: str,
    bits: int = DEFAULT_SECURITY_BITS,
    goal: Goal = "speed",
    *,
    hasher: str | None = None,
    transaction: Transaction | None = None,
    memory: int | None = None,
    speeds: Speeds | None = None,
) -> Choice:
    """Enumerates all admissible sets and takes the best by the cost model.

    `hasher` is one of REGISTRY_HASHERS, for goal chain only; by default the first that is strong enough.
    `transaction`, for goal chain only: no proof takes more felts than it has room for. `memory`:
    bytes to make do with, by default the machine's; sets that need more are taken only where all do. `speeds` are
    by default those that were calibrated. Raises PolicyError: `parameters-layout`,
    `parameters-steps`, `parameters-security`, `parameters-hash`, `parameters-calldata`.
    """
    layout = layout_named(layout_name)
    log_n_steps = log_steps(layout, n_steps)
    hashes, named = _hashes(layout, bits, goal, hasher)
    memory = machine_memory() if memory is None else memory
    speeds = calibration.speeds("stone") if speeds is None else speeds
    if transaction is None:
        sets = list(_admissible(log_n_steps, bits, goal, hashes))
    else:
        sets = _fitting(transaction, list(_short(log_n_steps, bits, hashes)), layout, log_n_steps)
    if not sets:
        raise PolicyError("parameters-security", f"no parameters give {bits} bits of security")
    priced = [_priced(parameters, layout, log_n_steps, memory, speeds) for parameters in sets]
    if transaction is None:
        ranking = ranked(priced, goal, memory)
    else:
        # What fits the transaction need be no shorter.
        ranking = [
            replace(one, felts=most_felts(one.parameters, layout, log_n_steps, transaction.cells))
            for one in ranked(priced, "speed", memory)
        ]
    return Choice(layout, n_steps, goal, named, transaction, len(priced), tuple(ranking))


def _priced(
    parameters: StoneParameters, layout: Layout, log_n_steps: int, memory: int, speeds: Speeds
) -> Priced:
    kept = predict(parameters, layout, log_n_steps, speeds, full_extension=True)
    if is_comfortable(kept, memory):
        return Priced(parameters, kept, full_extension=True)
    return Priced(parameters, predict(parameters, layout, log_n_steps, speeds), full_extension=False)


def _hashes(layout: Layout, bits: int, goal: Goal, hasher: str | None) -> tuple[Hashes, str | None]:
    if bits < 1:
        raise PolicyError("parameters-security", f"{bits} bits are no security")
    if goal != "chain":
        if hasher is not None:
            raise PolicyError("parameters-hash", "a hasher of the registry is for proofs that go on chain")
        if bits > LOCAL.collision_bits:
            raise PolicyError(
                "parameters-security",
                f"{bits} bits are more than the {LOCAL.collision_bits} that the hashes give, whatever the queries",
            )
        return LOCAL, None
    if not layout.on_chain:
        raise PolicyError("parameters-layout", f"the registry has no verifier for layout {layout.name}")
    if hasher is not None and hasher not in REGISTRY_HASHERS:
        raise PolicyError(
            "parameters-hash",
            f"Stone proves with no hasher {hasher!r} of the registry",
            f"Choose one of {', '.join(REGISTRY_HASHERS)}.",
        )
    for name in [hasher] if hasher else REGISTRY_HASHERS:
        if bits <= REGISTRY_HASHERS[name].collision_bits:
            return REGISTRY_HASHERS[name], name
    most = max(REGISTRY_HASHERS[name].collision_bits for name in ([hasher] if hasher else REGISTRY_HASHERS))
    raise PolicyError(
        "parameters-security",
        f"{bits} bits are more than the {most} that {hasher or 'the hashers of the registry'} can give: "
        "collisions of a digest cost the square root of its range",
    )


def _admissible(log_n_steps: int, bits: int, goal: Goal, hashes: Hashes) -> Iterator[StoneParameters]:
    least_pow = REGISTRY_LEAST_POW if goal == "chain" else 0
    for log_n_cosets in _LOG_COSETS:
        for queries, pow_bits in fewest_work(bits, log_n_cosets, least_pow, _MOST_QUERIES):
            for log_last_layer in _LOG_LAST_LAYERS:
                if log_last_layer >= log_n_steps + ROWS_PER_STEP_LOG:
                    continue
                parameters = StoneParameters.derived(
                    log_n_steps,
                    log_last_layer=log_last_layer,
                    n_queries=queries,
                    log_n_cosets=log_n_cosets,
                    pow_bits=pow_bits,
                    hashes=hashes,
                )
                if len(parameters.fri_step_list) <= MAX_FRI_LAYERS:
                    parameters.check(log_n_steps)
                    yield parameters


def _short(log_n_steps: int, bits: int, hashes: Hashes) -> Iterator[StoneParameters]:
    """For each blow-up and number of queries, the folds with which a proof takes fewest felts."""
    for log_n_cosets in _LOG_COSETS_OF_A_TRANSACTION:
        for queries, pow_bits in fewest_work(bits, log_n_cosets, REGISTRY_LEAST_POW, _MOST_QUERIES):
            folds, log_last = fewest_felts(log_n_steps, log_n_cosets, queries)
            parameters = StoneParameters(folds, log_last, queries, log_n_cosets, pow_bits, hashes)
            parameters.check(log_n_steps)
            yield parameters


def _fitting(
    transaction: Transaction, sets: list[StoneParameters], layout: Layout, log_n_steps: int
) -> list[StoneParameters]:
    felts = {one: most_felts(one, layout, log_n_steps, transaction.cells) for one in sets}
    if sets and min(felts.values()) > transaction.felts:
        raise PolicyError(
            "parameters-calldata",
            f"a proof of {1 << log_n_steps:,} steps with this security takes {min(felts.values()):,} felts of calldata "
            f"or more, {2 * transaction.cells:,} of them for {transaction.cells:,} cells of public memory; a "
            f"transaction has room for {transaction.felts:,}",
            "Prove a shorter program or with fewer bits, or name in PROOFRAIL_CHAIN_MAX_CALLDATA how many felts the "
            "chain takes, 0 for any number.",
        )
    return [one for one in sets if felts[one] <= transaction.felts]
