"""The parameters of a Stone proof: what Stone's parameter file says, and the security it gives.

Security is conjectured: log2 of the blow-up for each query, and the bits of proof of work; never more than the
collision resistance of the hashes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proofrail.proving.errors import PolicyError
from proofrail.proving.policy import MAX_POW_BITS
from proofrail.proving.stone.fri import check_fri, fri_steps
from proofrail.proving.stone.hashes import LOCAL, Hashes

_MAX_LOG_COSETS = 6
_MAX_QUERIES = 256
_FRI_MEMBERS = frozenset({"fri_step_list", "last_layer_degree_bound", "n_queries", "proof_of_work_bits"})
_MEMBERS = frozenset({"field", "stark", "use_extension_field", "verifier_friendly_commitment_hash"}) | set(
    LOCAL.members()
)


@dataclass(frozen=True)
class StoneParameters:
    """`log_n_cosets`: log2 of the blow-up; `log_last_layer`: log2 of the degree bound of FRI's last layer."""

    fri_step_list: tuple[int, ...]
    log_last_layer: int
    n_queries: int
    log_n_cosets: int
    pow_bits: int
    hashes: Hashes = LOCAL

    @classmethod
    def derived(
        cls,
        log_n_steps: int,
        *,
        log_last_layer: int,
        n_queries: int,
        log_n_cosets: int,
        pow_bits: int,
        hashes: Hashes = LOCAL,
    ) -> StoneParameters:
        """With the fold list that fits the number of steps. Raises PolicyError `parameters-fri`."""
        folds = fri_steps(log_n_steps, log_last_layer)
        return cls(folds, log_last_layer, n_queries, log_n_cosets, pow_bits, hashes)

    @property
    def query_bits(self) -> int:
        """Security of the queries and the proof of work alone: what the registry counts."""
        return self.n_queries * self.log_n_cosets + self.pow_bits

    @property
    def security_bits(self) -> int:
        return min(self.query_bits, self.hashes.collision_bits)

    def check(self, log_n_steps: int) -> None:
        """Refuses what does not fit the run, or whose security does not come from the queries.

        Raises PolicyError `parameters-fri`, `parameters-hash`, `policy-parameters`.
        """
        check_fri(self.fri_step_list, self.log_last_layer, log_n_steps)
        sound = (
            0 <= self.pow_bits <= MAX_POW_BITS
            and 1 <= self.n_queries <= _MAX_QUERIES
            and 1 <= self.log_n_cosets <= _MAX_LOG_COSETS
            and self.hashes.collision_bits > 0
        )
        if not sound:
            raise PolicyError("policy-parameters", f"these proof parameters are not in use: {self}")

    def to_json(self) -> dict[str, Any]:
        """Stone's own parameter file (cpu_air_params.json)."""
        return {
            "field": "PrimeField0",
            "stark": {
                "fri": {
                    "fri_step_list": list(self.fri_step_list),
                    "last_layer_degree_bound": 1 << self.log_last_layer,
                    "n_queries": self.n_queries,
                    "proof_of_work_bits": self.pow_bits,
                },
                "log_n_cosets": self.log_n_cosets,
            },
            "use_extension_field": False,
            **self.hashes.members(),
        }

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> StoneParameters:
        """From a parameter file or a proof's `proof_parameters`.

        Raises PolicyError `parameters-malformed`.
        """
        try:
            stark = parameters["stark"]
            fri = stark["fri"]
            last = fri["last_layer_degree_bound"]
            queries, cosets, pow_bits = fri["n_queries"], stark["log_n_cosets"], fri["proof_of_work_bits"]
            folds = tuple(fri["fri_step_list"])
        except (KeyError, TypeError) as error:
            raise PolicyError("parameters-malformed", f"the proof parameters lack {error}") from error
        if (
            not all(type(number) is int for number in (last, queries, cosets, pow_bits, *folds))
            or last < 1
            or last & (last - 1)
        ):
            raise PolicyError("parameters-malformed", "the proof parameters hold no such numbers")
        strange = [
            *(parameters.keys() - _MEMBERS),
            *(stark.keys() - {"fri", "log_n_cosets"}),
            *(fri.keys() - _FRI_MEMBERS),
        ]
        if strange:
            raise PolicyError("parameters-malformed", f"{strange[0]!r:.80} is no parameter of a proof")
        if parameters.get("field") != "PrimeField0" or parameters.get("use_extension_field") is not False:
            raise PolicyError("parameters-malformed", "the proof is over another field")
        return cls(folds, last.bit_length() - 1, queries, cosets, pow_bits, Hashes.of(parameters))
