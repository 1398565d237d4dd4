"""One spelling for the parameters of a Stone proof.

Stone fills in what its parameters do not say, and does not read what does not matter: a proof would have as many
parameter sets as one likes, some of them flattering. In canonical form all are given, and those that bind nothing
have one value: without Poseidon's channel the proof of work is done with the channel's hash whatever `pow_hash` says;
without friendly layers no `verifier_friendly_commitment_hash` takes part; and where every layer is friendly, no
`commitment_hash` does: there it is that of the registry's hasher with the same `pow_hash`, which the proof does bind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proofrail.proving.errors import PolicyError
from proofrail.proving.stone.hashes import REGISTRY_HASHERS
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG
from proofrail.proving.stone.parameters import StoneParameters


def spelled_out(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with Stone's defaults filled in. Raises PolicyError `parameters-…`."""
    if not given.get("verifier_friendly_commitment_hash", "absent"):
        raise PolicyError("parameters-malformed", "verifier_friendly_commitment_hash names no hash")
    channel = given.get("channel_hash", "keccak256")
    filled = given if "pow_hash" in given or channel == "poseidon3" else {**given, "pow_hash": channel}
    parameters = StoneParameters.of(filled).to_json()
    if "verifier_friendly_commitment_hash" not in parameters and _friendly(parameters):
        parameters["verifier_friendly_commitment_hash"] = parameters["commitment_hash"]
    return parameters


def check_spelling(given: Mapping[str, Any], parameters: StoneParameters, log_n_steps: int) -> None:
    """Raises PolicyError `parameters-unbound`, `parameters-spelling`."""
    hashes = parameters.hashes
    if hashes.channel != "poseidon3" and hashes.pow != hashes.channel:
        raise PolicyError(
            "parameters-unbound",
            f"pow_hash is {hashes.pow}, but with the channel {hashes.channel} that hash does the work",
        )
    if hashes.friendly and not _friendly(given):
        raise PolicyError(
            "parameters-unbound",
            f"verifier_friendly_commitment_hash is {hashes.friendly}, but no layer is friendly",
        )
    tallest_tree = log_n_steps + ROWS_PER_STEP_LOG + parameters.log_n_cosets
    registered = {known.commitment for known in REGISTRY_HASHERS.values() if known.pow == hashes.pow}
    if hashes.friendly_layers > tallest_tree and hashes.commitment not in registered:
        raise PolicyError(
            "parameters-unbound",
            f"commitment_hash is {hashes.commitment}, but every layer is hashed with {hashes.friendly}, and with the "
            f"pow_hash {hashes.pow} goes {' or '.join(sorted(registered)) or 'none'}",
        )
    if given != spelled_out(given):
        raise PolicyError(
            "parameters-spelling",
            "the proof parameters leave something to Stone's defaults, or say it otherwise",
        )


def _friendly(parameters: Mapping[str, Any]) -> bool:
    return bool(
        parameters.get("n_verifier_friendly_commitment_layers")
        or parameters.get("verifier_friendly_channel_updates")
    )
