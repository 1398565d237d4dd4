"""Which program the tracer runs, and how much of a run its batches may take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from proofrail.cairo.risk_builds import BUILDS, Size
from proofrail.cairo.risk_program import load_chain
from proofrail.proving.stwo import STWO_LIMITS
from proofrail.tracer.settings import TracerSettings

CHAIN = {"program": "risk_engine_chain"}
STWO = Size(STWO_LIMITS.max_steps, STWO_LIMITS.max_instances["pedersen"])


def _settings(**given: Any) -> TracerSettings:
    return TracerSettings(tracer_key_file=Path("tracer.key"), **given)


def test_the_program_is_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """PROOFRAIL_PROGRAM; the first build where nothing is said. What runs it has its layout, and its own functions as
    spans."""
    assert ("risk_engine", "small") == (_settings().program, _settings().build.spec().layout)
    monkeypatch.setenv("PROOFRAIL_PROGRAM", "risk_engine_chain")
    spec = _settings().build.spec()
    assert (load_chain().method_id, "recursive", "own") == (spec.program.method_id, spec.layout, spec.spans)
    monkeypatch.setenv("PROOFRAIL_PROGRAM", "fibonacci")
    with pytest.raises(ValidationError, match="risk_engine_chain"):
        _settings()


@pytest.mark.parametrize(
    ("given", "room"),
    [
        ({}, STWO),
        ({"max_steps": 5000, "max_hashes": 200}, Size(5000, 200)),
        (CHAIN, Size(16_384, 128)),
        (CHAIN | {"max_hashes": 16_384}, Size(16_384, 128)),
        (CHAIN | {"max_steps": 32_768}, Size(32_768, 256)),
        (CHAIN | {"max_steps": 32_768, "max_hashes": 200}, Size(32_768, 200)),
    ],
)
def test_a_batch_takes_what_one_proof_can_hold(given: dict[str, Any], room: Size) -> None:
    """Of the chain build the shortest run of its layout, and never more hashes than its steps have room for."""
    assert room == _settings(**given).room


@pytest.mark.parametrize("build", BUILDS)
def test_no_room_is_too_small_for_a_proposal(build: str) -> None:
    """The least that can be set holds the largest proposal; of the chain build less than a whole run is refused."""
    members = [{"metrics": {}, "risk": 0}] * 8
    largest = {"protocols": members, "limits": dict.fromkeys(_LIMITS, 0)}
    least = {"max_steps": 16_384 if build == "risk_engine_chain" else 4096, "max_hashes": 128}
    settings = _settings(program=build, **least)
    assert settings.build.size([largest]).fits(settings.room)
    with pytest.raises(ValidationError, match="steps"):
        _settings(program=build, max_steps=least["max_steps"] - 1)


_LIMITS = ("max_deviation_bps", "max_volatility_bps", "min_liquidity")
