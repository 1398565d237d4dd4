"""`proofrail demo --chain` where a part is missing: each is named, with how to get it, and nothing is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proofrail.cli import demo_parts
from proofrail.cli.application import app

EVERY = {
    "starknet-py": "pip install 'proofrail[chain]'",
    "starknet-devnet": "cargo install starknet-devnet --version 0.10.1 --locked",
    "cpu_air_prover": "PROOFRAIL_STONE_PROVER",
    "cpu_air_verifier": "PROOFRAIL_STONE_VERIFIER",
}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All parts as programs that do nothing, on a PATH of their own; the self-test of Stone's is not this test's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("starknet-devnet", "cpu_air_prover", "cpu_air_verifier"):
        (folder / name).write_text("#!/bin/false\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    for name in ("PROOFRAIL_STONE_PROVER", "PROOFRAIL_STONE_VERIFIER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(demo_parts, "find_spec", lambda _: object())
    monkeypatch.setattr(demo_parts, "self_test", lambda *_: "stone6")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nothing-here"))
    return folder


def _demo(*options: str) -> tuple[int, str]:
    finished = CliRunner().invoke(app, ["demo", "--chain", *options], env={**os.environ, "NO_COLOR": "1"})
    return finished.exit_code, finished.output


@pytest.mark.parametrize("missing", EVERY)
def test_each_missing_part_is_named(there: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, the part's name, how to get it, and no word of the parts that are there."""
    (there / missing).unlink(missing_ok=True)
    if missing == "starknet-py":
        monkeypatch.setattr(demo_parts, "find_spec", lambda _: None)
    status, said = _demo()
    assert 2 == status
    assert "demo-parts-missing" in said
    assert {missing} == {name for name in EVERY if name in said.split("next:")[0]}
    assert EVERY[missing] in said


def test_all_that_is_missing_is_named_at_once(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody installs one part to learn of the next."""
    monkeypatch.setenv("PATH", str(there / "empty"))
    monkeypatch.setattr(demo_parts, "find_spec", lambda _: None)
    status, said = _demo()
    assert (2, []) == (status, [name for name, how in EVERY.items() if name not in said or how not in said])


def test_a_stone_of_another_version_is_refused(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proofs of Stone v2 for the registry stay under 96 bits: that is said before anything is started."""
    monkeypatch.setattr(demo_parts, "self_test", lambda *_: "stone5")
    status, said = _demo()
    assert (2, True) == (status, "stone-version-unfit" in said)


def test_a_stone_that_proves_nothing_is_refused(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the right name that fails its self-test is not taken for Stone's: exit status 2, too."""
    monkeypatch.undo()
    monkeypatch.setenv("PATH", f"{there}:{os.environ['PATH']}")
    monkeypatch.setenv("PROOFRAIL_STONE_PROVER", str(there / "cpu_air_prover"))
    monkeypatch.setenv("PROOFRAIL_STONE_VERIFIER", str(there / "cpu_air_verifier"))
    pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")
    status, said = _demo()
    assert 2 == status
    assert "cpu_air" in said


@pytest.mark.parametrize("classes", [[], ["one"], ["fact_registry", "verifier_keccak"]])
def test_a_folder_without_the_verifier_is_refused(there: Path, tmp_path: Path, classes: list[str]) -> None:
    """--integrity names a folder that does not hold what verifies the demo's proofs."""
    pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")
    from proofrail.registrar.starknet.classes import STAND_IN, packaged

    folder = tmp_path / "classes"
    folder.mkdir()
    for name in classes:
        (folder / f"{name}.json").write_bytes(packaged(STAND_IN).sierra)
        (folder / f"{name}.hash").write_text("0x1")
    status, said = _demo("--integrity", str(folder))
    assert (2, True) == (status, "class-unusable" in said)


def test_integrity_without_chain_is_refused() -> None:
    """The option has no meaning in the plain demo."""
    finished = CliRunner().invoke(app, ["demo", "--integrity", "."])
    assert (2, True) == (finished.exit_code, "demo-options" in finished.output)
