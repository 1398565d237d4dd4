"""What the services are told where decisions are to be recorded on chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.cairo.risk_builds import BUILDS
from proofrail.cli.ledger_settings import ledger_defaults
from proofrail.prover.settings import ProverSettings
from proofrail.proving.backends import make, parse_names
from proofrail.proving.statement import TracedRun
from proofrail.proving.stone.presets import presets_of
from proofrail.registrar.settings import ON_CHAIN_PRESETS
from proofrail.tracer.settings import TracerSettings

CHAIN = {"PROOFRAIL_REGISTRAR_LEDGER": "starknet"}


@pytest.mark.parametrize("environment", [{}, {"PROOFRAIL_REGISTRAR_LEDGER": "file"}])
def test_nothing_follows_from_another_ledger(environment: dict[str, str]) -> None:
    """Without a registrar, and with one that records in a file."""
    assert {} == ledger_defaults(environment)


def test_on_chain_only_what_a_registry_can_verify_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chain build, by Stone, to fit a preset of the registrar's: services take these settings, and a proof of 96
    bits has the hash of one that is strong enough."""
    for name, value in ledger_defaults(CHAIN).items():
        monkeypatch.setenv(name, value)
    tracer = TracerSettings(tracer_key_file=Path("key"))
    prover = ProverSettings(store_url="memory://", checkpoint_keys="")
    layout = tracer.build.layout
    presets = presets_of(prover.registry_presets, [build.layout for build in BUILDS.values()])
    (stone,) = make(parse_names(prover.prover_backends), prover.min_security_bits, presets=presets).values()
    assert list(ON_CHAIN_PRESETS) == [preset.name for preset in presets]
    assert {layout} == {preset.layout for preset in presets}
    assert stone.expected_cost(TracedRun(layout, tracer.room.steps, (), (0, 1))).proof_bytes > 0


def test_what_is_set_is_left_as_it_is() -> None:
    """The registrar's own presets are those that proofs are made for; whatever else is set goes first."""
    preset = "recursive/blake2s_248_lsb/stone6/strict"
    given = CHAIN | {"PROOFRAIL_REGISTRAR_PRESETS": preset, "PROOFRAIL_PROGRAM": "risk_engine"}
    assert {"PROOFRAIL_PROVER_BACKENDS": "stone", "PROOFRAIL_REGISTRY_PRESETS": preset} == ledger_defaults(
        given
    )
