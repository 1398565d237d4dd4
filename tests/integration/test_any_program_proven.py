"""Programs other than ours, proven by the real provers: what is declared provable elsewhere is proven here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from proofrail.cli.offline import register
from proofrail.proving import locate
from proofrail.proving.stone import programs

BUILTINS = Path(__file__).parents[1] / "data" / "cairo" / "builtins"
SIGNED = json.dumps(
    {
        "message": 42,
        "key": "0x2202275e27873286b71dae62930bbf6420d2e933bbc7cb08e09019e7218ad9c",
        "r": "0x2e1891dd881546ca3cadeb8f69392b9355fdf4977af9e8f41ffdef3591cf915",
        "s": "0x374acabaa296876e29bd67f8e32a457ce6c8de83fdd117b09b4720aa5f5481",
    }
)
needs_stone = pytest.mark.skipif(
    programs.find(programs.VERIFIER) is None or programs.find(programs.PROVER) is None,
    reason="Stone's cpu_air_prover and cpu_air_verifier are not on PATH",
)

APP = typer.Typer()
register(APP)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def proven(folder: Path, name: str, inputs: str, layout: str, *options: str) -> dict[str, object]:
    """The Proof message of a run that was traced, proven, and verified against itself."""
    (given := folder / "in.json").write_text(inputs)
    run = folder / "run"
    traced = call("trace", BUILTINS / f"{name}.json", "--inputs", given, "--layout", layout, "--out", run)
    assert 0 == traced.exit_code, traced.stderr
    made = call("prove", run, *options)
    assert 0 == made.exit_code, made.stderr
    verified = call("verify", run, "--statement", run)
    assert 0 == verified.exit_code, verified.stdout
    message: dict[str, object] = json.loads(made.stdout)
    return message


@pytest.mark.prover
@pytest.mark.skipif(locate.find() is None, reason="the stwo prover is not built: make prover")
def test_stwo_proves_a_run_without_a_single_large_value(tmp_path: Path) -> None:
    """Of its two tables of values one is then empty; the builtin is one that the risk engine does not have."""
    assert "stwo" == proven(tmp_path, "bitwise", '{"n": 13}', "recursive")["backend"]


@needs_stone
@pytest.mark.stone
@pytest.mark.parametrize(
    ("name", "inputs", "layout"), [("ecdsa", SIGNED, "small"), ("none", '{"n": 120}', "plain")]
)
def test_stone_proves_what_stwo_does_not(tmp_path: Path, name: str, inputs: str, layout: str) -> None:
    """A builtin that only Stone has, and a program without any, in layout plain."""
    assert "stone" == proven(tmp_path, name, inputs, layout, "--backend", "stone")["backend"]


@needs_stone
@pytest.mark.stone
def test_a_proof_for_the_registry_fits_one_of_its_presets_in_strict_mode(tmp_path: Path) -> None:
    """The hashers of the registry, at as few bits as make a fast test."""
    message = proven(
        tmp_path,
        *("full_small", '{"n": 3}', "small", "--backend", "stone"),
        *("--for", "chain", "--hasher", "blake2s_248_lsb"),
    )
    identities = message["identities"]
    assert isinstance(identities, dict)
    assert identities["preset"].startswith("small/blake2s_248_lsb/")
    assert identities["preset"].endswith("/strict")
