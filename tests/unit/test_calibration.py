"""What `proofrail calibrate` found on a machine: kept, believed only where it was found, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.proving import calibration
from proofrail.proving.calibration import Speeds
from proofrail.proving.stone import programs
from proofrail.proving.stone.choose import choose

FOUND = Speeds(2.0, 3.0, 1.5)


@pytest.fixture
def prover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program in the place of Stone's prover, and a cache of its own."""
    program = tmp_path / "prover"
    program.write_bytes(b"a prover")
    program.chmod(0o755)
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", str(program))
    monkeypatch.setenv("PROOFRAIL_CACHE", str(tmp_path / "cache"))
    return program


@pytest.mark.usefixtures("prover")
def test_a_machine_that_was_never_calibrated_is_that_of_the_model():
    """No file: speed 1.0, nothing stale."""
    assert Speeds() == calibration.speeds("stone")
    assert calibration.stale("stone") is None
    assert not calibration.is_calibrated("stone")


@pytest.mark.usefixtures("prover")
def test_what_was_found_counts_for_its_backend():
    """Stored and read again, beside what there is of the other backend; expected times follow, the choice does
    not where both speeds agree."""
    before = choose(4096, "small")
    calibration.store("stone", Speeds(2.0, 2.0, 1.5))
    after = choose(4096, "small")
    assert Speeds(2.0, 2.0, 1.5) == calibration.speeds("stone")
    assert Speeds() == calibration.speeds("stwo")
    assert before.parameters == after.parameters
    assert before.cost.cpu_seconds == pytest.approx(2 * after.cost.cpu_seconds)
    assert after.cost.cpu_seconds / 1.5 == after.cost.seconds


def test_another_program_or_machine_is_told(prover: Path, monkeypatch: pytest.MonkeyPatch):
    """A prover that was built again, one that is gone and another CPU: the calibration is stale, and says why."""
    calibration.store("stone", FOUND)
    assert FOUND == calibration.speeds("stone")
    prover.write_bytes(b"another prover")
    assert "calibrated with another prover program" == calibration.stale("stone")
    assert Speeds() == calibration.speeds("stone")
    prover.write_bytes(b"a prover")
    monkeypatch.setattr(calibration, "_cpus", lambda: 1000)
    assert "calibrated on another machine" == calibration.stale("stone")
    monkeypatch.undo()
    assert Speeds() == calibration.speeds("stone")


def test_a_prover_that_is_gone_cannot_be_calibrated(prover: Path):
    """Nothing is kept for a program that is not there."""
    calibration.store("stone", FOUND)
    prover.unlink()
    assert "the prover program is gone" == calibration.stale("stone")
    with pytest.raises(FileNotFoundError):
        calibration.store("stone", FOUND)


@pytest.mark.usefixtures("prover")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"v":2,"backends":{}}',
        '{"v":1}',
        '{"v":1,"backends":{"stone":1}}',
        '{"v":1,"backends":{"stone":{"host":{},"speeds":{}}}}',
    ],
)
def test_a_broken_file_counts_for_nothing(text: str):
    """A cache may hold anything; it is measured again, not stumbled over."""
    calibration.path().parent.mkdir(parents=True)
    calibration.path().write_text(text)
    assert Speeds() == calibration.speeds("stone")
    calibration.store("stone", FOUND)
    assert FOUND == calibration.speeds("stone")


def test_a_service_without_a_home_proves_all_the_same(monkeypatch: pytest.MonkeyPatch):
    """No folder for a cache: the machine is that of the model."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(calibration, "cache_dir", homeless)
    assert Speeds() == calibration.speeds("stone")


@pytest.mark.usefixtures("prover")
@pytest.mark.parametrize("number", [0, -1, "1", None, True, 1e999])
def test_factors_that_make_no_sense_count_for_nothing(number: object):
    """A speed is a positive number."""
    calibration.store("stone", FOUND)
    said = json.loads(calibration.path().read_text())
    said["backends"]["stone"]["speeds"]["proving"] = number
    calibration.path().write_text(json.dumps(said))
    assert Speeds() == calibration.speeds("stone")


def test_one_factor_fits_all_ratios_alike():
    """The geometric mean: a proof of a second counts as much as one of a minute."""
    assert 2.0 == pytest.approx(calibration.fitted([2.0, 60.0], [1.0, 30.0]))
    assert 1.0 == pytest.approx(calibration.fitted([1.0, 4.0], [2.0, 2.0]))


def test_calibrating_without_a_prover_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Exit status 3, with the code of what is missing; nothing is kept."""
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", str(tmp_path / "nothing"))
    monkeypatch.setenv("PROOFRAIL_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(app, ["calibrate", "--backend", "stone"])
    assert 3 == result.exit_code
    assert not calibration.path().exists()


@pytest.mark.stone
@pytest.mark.timeout(600)
def test_calibrating_measures_real_proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stone's small proofs are as long as predicted and take about the memory predicted; the fit brings the
    expected times to those measured, on average."""
    if programs.find(programs.PROVER) is None:
        pytest.skip("Stone's cpu_air_prover is not on PATH")
    monkeypatch.setenv("PROOFRAIL_CACHE", str(tmp_path))
    result = CliRunner().invoke(app, ["calibrate", "--backend", "stone", "--json"])
    assert 0 == result.exit_code, result.output
    said = json.loads(result.stdout.splitlines()[-1])
    assert calibration.is_calibrated("stone")
    for proof in said["proofs"]:
        assert 0.85 < proof["predicted_proof_bytes"] / proof["proof_bytes"] < 1.15
        assert 0.7 < proof["predicted_memory_bytes"] / proof["memory_bytes"] < 1.3
    after = [float(one["predicted_after"]) for one in said["proofs"]]
    taken = [float(one["cpu_seconds"]) for one in said["proofs"]]
    assert 1.0 == pytest.approx(calibration.fitted(after, taken), rel=0.02)
