"""`proofrail params`: what is chosen, in the prover's own format, and what cannot exist, in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.roots import known_root
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.presets import PRESETS
from proofrail.wire.canonical import felt_hex


@pytest.fixture(autouse=True)
def _no_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected must not depend on who runs the tests."""
    monkeypatch.setenv("PROOFRAIL_CACHE", str(tmp_path))


def _said(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["params", *arguments, "--json"])
    assert 0 == result.exit_code, result.output
    said: dict[str, Any] = json.loads(result.output)
    return said


def test_stones_choice_is_a_parameter_file():
    """The member `parameters` is what cpu_air_prover takes: `stark` with `fri` and `log_n_cosets`; beside it the
    prover's configuration, the cost and the reason."""
    said = _said("--steps", "4096")
    read = StoneParameters.of(said["parameters"])
    read.check(12)
    assert 96 <= said["security_bits"] == read.security_bits
    assert {"fri", "log_n_cosets"} == said["parameters"]["stark"].keys()
    assert "cached_lde_config" in said["prover_config"]
    assert {"cpu_seconds", "seconds", "memory_bytes", "proof_bytes"} == said["predicted"].keys()
    assert ("stone", "speed", "small", 4096) == tuple(
        said[name] for name in ("backend", "for", "layout", "steps")
    )
    assert said["fits_this_machine"] is True
    assert said["calibrated"] is False
    assert "least CPU time" in said["why"]


def test_stwos_choice_names_root_and_lifting():
    """As a Proof's parameters name them; Pedersen hashes raise the cost, not the security."""
    said, hashing = (
        _said("--backend", "stwo", "--steps", "25000", "--pedersen", number) for number in ("0", "2000")
    )
    parameters = said["parameters"]
    read = StwoParameters.of(parameters)
    assert 96 == said["security_bits"] == read.security_bits
    assert parameters["preprocessed_root"] == known_root(read.log_blowup, parameters["lifting_log_size"])
    assert hashing["predicted"]["memory_bytes"] > said["predicted"]["memory_bytes"]
    assert hashing["predicted"]["proof_bytes"] > said["predicted"]["proof_bytes"]


def test_what_is_too_large_for_this_machine_is_shown_and_says_so():
    """2^24 steps take hundreds of gigabytes: that is for `prove` to refuse."""
    assert _said("--steps", str(1 << 24))["fits_this_machine"] is False


def test_a_preset_says_layout_hasher_and_goal():
    """A registry's preset by name, and the hashes it stands for."""
    name = "recursive/keccak_160_lsb/stone6/strict"
    said = _said("--steps", "65536", "--preset", name, "--bits", "80")
    assert (name, "recursive", "chain", "keccak_160_lsb") == tuple(
        said[member] for member in ("preset", "layout", "for", "hasher")
    )
    assert "keccak256_masked160_lsb" == said["parameters"]["commitment_hash"]
    assert felt_hex(PRESETS[name].config_hash) == said["config_hash"]


def test_for_the_chain_a_proof_is_to_fit_one_transaction(monkeypatch: pytest.MonkeyPatch):
    """In layout recursive, by default that of the chain build at the public networks' limit: fewer queries at a larger
    blow-up. A chain without a limit is told by option or environment."""
    arguments = ("--steps", "16384", "--layout", "recursive", "--for", "chain")
    said = _said(*arguments)
    assert (14, 5) == _queries(said)
    assert 4900 < said["calldata_felts"] <= 5000
    assert (
        said["calldata_felts"] + 20
        == _said(*arguments, "--cells", "1346", "--max-calldata", "5100")["calldata_felts"]
    )
    unbounded = _said(*arguments, "--max-calldata", "0")
    assert (24, 3) == _queries(unbounded)
    assert "calldata_felts" not in unbounded
    monkeypatch.setenv("PROOFRAIL_CHAIN_MAX_CALLDATA", "0")
    assert unbounded == _said(*arguments)


def _queries(said: dict[str, Any]) -> tuple[int, int]:
    stark = said["parameters"]["stark"]
    return stark["fri"]["n_queries"], stark["log_n_cosets"]


@pytest.mark.parametrize("more", [(), ("--backend", "stwo"), ("--for", "size")])
def test_the_ranking_begins_with_the_choice(more: tuple[str, ...]):
    """`--all` shows the best ten, and how many sets there were."""
    said = _said("--steps", "4096", "--all", *more)
    assert said["parameters"] == said["ranking"][0]["parameters"]
    assert said["predicted"] == said["ranking"][0]["predicted"]
    assert 10 == len(said["ranking"]) < said["considered"]


def test_a_person_reads_what_a_program_reads(monkeypatch: pytest.MonkeyPatch):
    """On a terminal: queries, blow-up, folds, time, memory, and the table of the next best."""
    monkeypatch.setattr("proofrail.cli.params.wants_json", lambda asked: asked)
    for backend in ("stone", "stwo"):
        result = CliRunner().invoke(app, ["params", "--steps", "4096", "--backend", backend, "--all"])
        assert 0 == result.exit_code
        for word in ("queries", "blow-up", "bits (conjectured)", "CPU time", "MiB", "The best of"):
            assert word in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["--steps", "4095"], "parameters-steps", 1),
        (["--steps", "0"], "parameters-steps", 1),
        (["--steps", str(1 << 25)], "parameters-steps", 1),
        (["--steps", "512", "--layout", "starknet"], "parameters-layout", 1),
        (["--steps", "512", "--layout", "recursive"], "parameters-steps", 1),
        (["--steps", "512", "--bits", "129"], "parameters-security", 1),
        (["--steps", "512", "--bits", "0"], "parameters-security", 1),
        (["--steps", "512", "--hasher", "keccak_160_lsb"], "parameters-hash", 1),
        (["--steps", "512", "--for", "chain", "--hasher", "md5"], "parameters-hash", 1),
        (["--steps", "65536", "--preset", "small/keccak_160_lsb/stone6/strict"], "parameters-security", 1),
        (["--steps", "1", "--backend", "stwo", "--bits", "129"], "parameters-security", 1),
        (["--steps", "1048577", "--backend", "stwo"], "parameters-steps", 1),
        (["--steps", "1", "--backend", "stwo", "--pedersen", "16385"], "parameters-instances", 1),
        (["--steps", "1", "--backend", "stwo", "--for", "chain"], "parameters-goal", 1),
        (["--steps", "512", "--preset", "nothing"], "preset-unknown", 2),
        (
            ["--steps", "512", "--preset", "small/keccak_160_lsb/stone6/strict", "--layout", "dex"],
            "params-options",
            2,
        ),
        (["--steps", "1", "--backend", "stwo", "--layout", "small"], "params-options", 2),
        (["--steps", "512", "--for", "chain", "--cells", "1"], "params-options", 2),
        (
            ["--steps", "16384", "--layout", "recursive", "--for", "chain", "--cells", "2000"],
            "parameters-calldata",
            1,
        ),
    ],
)
def test_what_cannot_exist_is_refused_with_its_code(arguments: list[str], code: str, status: int):
    """Steps, layouts, security, hashes and presets that no proof can have."""
    result = CliRunner().invoke(app, ["params", *arguments])
    assert (status, True) == (result.exit_code, f"[{code}]" in result.output)
