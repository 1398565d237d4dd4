"""The risk engine as a program: where it lies, what it takes, what it gives (design section 6)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from proofrail.cairo.program import CairoProgram
from proofrail.wire.errors import InvalidProposalError, PoisonError, UnusableInputError

MODEL_VERSION: Final = 0
"""The version of the risk model in the program: version 0 stands for the constants of the reference."""

SCHEMA: Final = 1
"""First felt of the output."""

MAX_STEPS: Final = 2**22
"""No batch that can be proven comes near it: a run that reached it was not made by a tracer of ours."""

MAX_BATCH: Final = 2**16
"""The most allocations one run takes."""

_NEUTRAL_LIMITS: Final = (10_000, 10_000, 3)
_MAX_PROTOCOLS: Final = 8
_MAX_VERDICT: Final = 63
_ROW_HEADER: Final = 5
_ROW_SHARE: Final = 3
_FELT_PRIME: Final = 2**251 + 17 * 2**192 + 1

# Upper bounds of steps, held by tests/unit/test_risk_builds.py; cairo/README.md has the exact figures.
RUN_STEPS: Final = 32
_STEPS_ALLOCATION: Final = 116
_STEPS_GIVEN_RISK: Final = 134
_STEPS_METRICS: Final = 173
_STEPS_BOTH: Final = 185
_STEPS_LIMITED: Final = 50

_PEDERSENS_ALLOCATION: Final = 9
_PEDERSENS_PROTOCOL: Final = 11

# Upper bounds of values whose range is checked.
_CHECKS_ALLOCATION: Final = 6
_CHECKS_GIVEN_RISK: Final = 14
_CHECKS_METRICS: Final = 26
_CHECKS_BOTH: Final = 28
_CHECKS_LIMITS: Final = 6
_CHECKS_LIMITED: Final = 3

LEAST_PEDERSENS: Final = _PEDERSENS_ALLOCATION + 2 * _PEDERSENS_PROTOCOL
"""The Pedersen instances of the smallest allocation, one with two protocols."""


@dataclass(frozen=True, slots=True)
class Row:
    """One allocation's row of the output; shares in basis points."""

    id: int
    inputs_hash: int
    model_version: int
    verdict: int
    risks: tuple[int, ...]
    recommended_bps: tuple[int, ...]
    proposed_bps: tuple[int, ...]

    @property
    def approved(self) -> bool:
        """Whether nothing speaks against the proposal."""
        return self.verdict == 0


def program_input(normal_forms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The program's input for a batch of proposals in normal form: {"n": …, "data": [felt …]}.

    Absent metrics and risks become zeros behind a flag that is 0. Raises InvalidProposalError
    `proposal-not-normal` for an input of another shape; ranges are the program's own business.
    """
    data: list[int] = []
    for form in normal_forms:
        try:
            data.extend(_allocation_felts(form))
        except (KeyError, TypeError, AttributeError, UnicodeError) as error:
            raise InvalidProposalError(
                "proposal-not-normal",
                f"this is not the normal form of a proposal: {error!r}",
                "Pass proposals through proofrail.wire.proposals.parse_proposal",
            ) from error
    return {"n": len(normal_forms), "data": data}


def decode_output(felts: Sequence[int]) -> list[Row]:
    """The rows of the program's output, in the batch's order.

    Raises PoisonError `risk-output-malformed` for anything the program cannot have output: another schema
    or model version, too few or too many felts, a value out of range.
    """
    reader = _Reader(felts)
    if (schema := reader.take("the schema", 0, _FELT_PRIME - 1)) != SCHEMA:
        raise _malformed(f"the schema is {schema}; {SCHEMA} is known")
    rows = [reader.row() for _ in range(reader.take("the number of rows", 1, MAX_BATCH))]
    reader.finish()
    return rows


def decode_row(felts: Sequence[int]) -> Row:
    """One row alone. Raises PoisonError `risk-output-malformed`, as `decode_output`."""
    reader = _Reader(felts)
    row = reader.row()
    reader.finish()
    return row


def steps_of(normal_form: Mapping[str, Any]) -> int:
    """An upper bound of the steps that one allocation adds to a run."""
    protocols = normal_form["protocols"]
    steps = _STEPS_ALLOCATION + _by_kind(protocols, _STEPS_GIVEN_RISK, _STEPS_METRICS, _STEPS_BOTH)
    return steps + _STEPS_LIMITED * len(protocols) if _has_limits(normal_form) else steps


def checks_of(normal_form: Mapping[str, Any]) -> int:
    """An upper bound of the values of one allocation whose range a run checks."""
    protocols = normal_form["protocols"]
    checks = _CHECKS_ALLOCATION + _by_kind(protocols, _CHECKS_GIVEN_RISK, _CHECKS_METRICS, _CHECKS_BOTH)
    return checks + _CHECKS_LIMITS + _CHECKS_LIMITED * len(protocols) if _has_limits(normal_form) else checks


def pedersens_of(normal_form: Mapping[str, Any]) -> int:
    """How many Pedersen instances one allocation takes, exactly: its hashed elements and their count.

    In a stwo proof they fill the largest table, and so limit a batch before its steps do.
    """
    return _PEDERSENS_ALLOCATION + _PEDERSENS_PROTOCOL * len(normal_form["protocols"])


def allocation_felt(allocation_id: str) -> int:
    """The id under which an allocation stands in the program: SHA-256 of allocation_id mod 2^248."""
    return int.from_bytes(hashlib.sha256(allocation_id.encode("ascii")).digest(), "big") % 2**248


def risk_engine_artifact() -> Path:
    """Where the compiled program lies: PROOFRAIL_RISK_ENGINE, else in the package. Raises UnusableInputError
    `risk-engine-missing`."""
    configured = os.environ.get("PROOFRAIL_RISK_ENGINE")
    return _existing(Path(configured) if configured else packaged("risk_engine.json"))


def chain_artifact() -> Path:
    """Where the compiled chain build lies. Raises UnusableInputError `risk-engine-missing`."""
    return _existing(packaged("risk_engine_chain.json"))


@cache
def load() -> CairoProgram:
    """The risk engine, loaded once a process."""
    return CairoProgram.load(risk_engine_artifact())


@cache
def load_chain() -> CairoProgram:
    """The chain build, loaded once a process: the same decisions from the same input, its output a root."""
    return CairoProgram.load(chain_artifact())


def program_hashes() -> tuple[str, str]:
    """The programs whose decisions are accepted: both builds of the risk engine. Raises UnusableInputError
    `risk-engine-missing`."""
    return load().method_id, load_chain().method_id


def samples() -> tuple[Path, Path]:
    """The sample proposals and the bad ones: a Kafka value a line. Raises UnusableInputError
    `risk-engine-missing`."""
    return _existing(packaged("proposals.ndjson")), _existing(packaged("bad_proposals.ndjson"))


def packaged(name: str) -> Path:
    """Where a file of the package lies that comes from cairo/: programs, their sources, samples."""
    # Links to cairo/ in the checkout; a wheel holds the files themselves.
    return Path(str(resources.files("proofrail.cairo"))) / "_program" / name


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise UnusableInputError(
            "risk-engine-missing",
            f"{path} does not exist",
            "Install the package again, or name the compiled program in PROOFRAIL_RISK_ENGINE",
        )
    return path


def _allocation_felts(form: Mapping[str, Any]) -> list[int]:
    limits, protocols = form["limits"], form["protocols"]
    felts = [
        allocation_felt(form["allocation_id"]),
        len(protocols),
        limits["max_single_bps"],
        limits["min_diversification"],
        limits["max_deviation_bps"],
        limits["max_volatility_bps"],
        limits["min_liquidity"],
    ]
    for protocol in protocols:
        metrics, risk = protocol.get("metrics"), protocol.get("risk")
        felts += [
            int.from_bytes(protocol["name"].encode("ascii"), "big"),
            protocol["apy_bps"],
            protocol["proposed_bps"],
        ]
        if metrics is None:
            felts += [0] * 6
        else:
            felts += [
                1,
                metrics["utilization_bps"],
                metrics["volatility_bps"],
                metrics["liquidity"],
                metrics["audit_score"],
                metrics["age_days"],
            ]
        felts += [0, 0] if risk is None else [1, risk]
    return felts


def _by_kind(protocols: Iterable[Mapping[str, Any]], given_risk: int, metrics: int, both: int) -> int:
    return sum(
        given_risk if "metrics" not in protocol else both if "risk" in protocol else metrics
        for protocol in protocols
    )


def _has_limits(normal_form: Mapping[str, Any]) -> bool:
    limits = normal_form["limits"]
    return (
        limits["max_deviation_bps"],
        limits["max_volatility_bps"],
        limits["min_liquidity"],
    ) != _NEUTRAL_LIMITS


class _Reader:
    def __init__(self, felts: Sequence[int]) -> None:
        self._felts = felts
        self._at = 0

    def take(self, what: str, low: int, high: int) -> int:
        if self._at >= len(self._felts):
            raise _malformed(f"it ends after {len(self._felts)} felts, before {what}")
        value = self._felts[self._at]
        self._at += 1
        if not low <= value <= high:
            raise _malformed(f"{what} is {value}, not of {low} … {high}")
        return value

    def row(self) -> Row:
        identity = self.take("an id", 0, 2**248 - 1)
        inputs_hash = self.take("an inputs_hash", 0, _FELT_PRIME - 1)
        model_version = self.take("a model version", MODEL_VERSION, MODEL_VERSION)
        verdict = self.take("a verdict", 0, _MAX_VERDICT)
        count = self.take("a number of protocols", 2, _MAX_PROTOCOLS)
        shares = [
            (
                self.take("a risk", 0, 100),
                self.take("a recommended share", 0, 10_000),
                self.take("a proposed share", 0, 10_000),
            )
            for _ in range(count)
        ]
        risks, recommended, proposed = zip(*shares, strict=True)
        if sum(recommended) != 10_000 or sum(proposed) != 10_000:
            raise _malformed("the shares of a row do not add up to 10000")
        return Row(identity, inputs_hash, model_version, verdict, risks, recommended, proposed)

    def finish(self) -> None:
        if self._at != len(self._felts):
            raise _malformed(f"{len(self._felts) - self._at} felts follow the last row")


def _malformed(why: str) -> PoisonError:
    return PoisonError("risk-output-malformed", f"this is no output of the risk engine: {why}")
