"""Settings in effect: from which place each comes, and what a settings file may say."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.cli.settings_file import load_settings_file
from proofrail.cli.settings_known import known_variables, services
from proofrail.wire.canonical import parse_object
from proofrail.wire.errors import UnusableInputError


def test_a_settings_file_fills_what_the_environment_leaves_open(tmp_path: Path) -> None:
    """Tables are joined by `_`, lists by white space; what stands in the environment stays."""
    path = tmp_path / "proofrail.toml"
    path.write_text(
        'store_url = "file:///a"\nprover_fall_back = true\nmax_attempts = 7\ncheckpoint_keys = ["a", "b"]\n'
        '[kafka]\nbootstrap = "broker:9092"\n'
    )
    environment = {"PROOFRAIL_CONFIG": str(path), "PROOFRAIL_STORE_URL": "file:///b"}
    assert path == load_settings_file(environment)
    expected = {
        "PROOFRAIL_CONFIG": str(path), "PROOFRAIL_STORE_URL": "file:///b", "PROOFRAIL_PROVER_FALL_BACK": "true",
        "PROOFRAIL_MAX_ATTEMPTS": "7", "PROOFRAIL_CHECKPOINT_KEYS": "a b",
        "PROOFRAIL_KAFKA_BOOTSTRAP": "broker:9092",
    }  # fmt: skip
    assert expected == environment


def test_a_file_of_lines_has_the_variables_themselves(tmp_path: Path) -> None:
    """As a .env file: with quotes, comments, and variables of others, which are none of our business."""
    path = tmp_path / ".env"
    path.write_text('# ours\nPROOFRAIL_STORE_URL="file:///a b"\nOTHER=1\n')
    environment = {"PROOFRAIL_CONFIG": str(path)}
    load_settings_file(environment)
    assert "file:///a b" == environment["PROOFRAIL_STORE_URL"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("store_url = ", "config-malformed"),
        ('stroe_url = "a"', "config-unknown"),
        ("[kafka]\nbootstrap_servers = 1", "config-unknown"),
        ("store_url = 2026-01-01", "config-malformed"),
        (None, "config-missing"),
    ],
)
def test_a_settings_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str | None, code: str) -> None:
    """Nothing of it is taken: a setting that is misspelt would be the default, and nobody would know."""
    path = tmp_path / "settings.toml"
    if text is not None:
        path.write_text(text)
    environment = {"PROOFRAIL_CONFIG": str(path)}
    with pytest.raises(UnusableInputError) as error:
        load_settings_file(environment)
    assert (code, {"PROOFRAIL_CONFIG": str(path)}) == (error.value.code, environment)


def test_every_service_has_its_settings_known() -> None:
    """Also those of Kafka, which all of them have."""
    assert {"kafka", "tracer", "prover", "auditor", "registrar"} <= services().keys()
    assert {"PROOFRAIL_KAFKA_BOOTSTRAP", "PROOFRAIL_STORE_URL", "PROOFRAIL_HOME"} <= known_variables()


def test_settings_are_shown_with_their_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default, home or environment; a password is masked; what is not valid or missing is marked, and fails."""
    for variable in known_variables():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PROOFRAIL_KAFKA_SASL_PASSWORD", "hush")
    monkeypatch.setenv("PROOFRAIL_MAX_ATTEMPTS", "no number")
    result = CliRunner().invoke(app, ["config", "--home", str(tmp_path)])
    assert "hush" not in result.output
    found = {
        (one["service"], one["name"]): one for one in map(parse_object, result.stdout_bytes.splitlines())
    }
    sources = {
        ("kafka", "sasl_password"): "environment",
        ("kafka", "bootstrap"): "default",
        ("tracer", "gather_ms"): "default",
        ("prover", "store_url"): "home",
        ("prover", "max_attempts"): "invalid",
        ("prover", "checkpoint_keys"): "missing",
    }
    assert sources == {key: found[key]["source"] for key in sources}
    assert "C2SP vkeys" in found["prover", "checkpoint_keys"]["help"]
    assert (1, "********") == (result.exit_code, found["kafka", "sasl_password"]["value"])
    assert 2 == CliRunner().invoke(app, ["config", "proover"]).exit_code


@pytest.mark.parametrize("command", ["status", "tracer", "doctor", "up"])
def test_a_setting_of_kafka_that_is_wrong_is_named_by_its_variable(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads it: a command, a service among whose settings it is, or doctor, for whom it is broken."""
    monkeypatch.setenv("PROOFRAIL_HOME", str(tmp_path))
    monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", "127.0.0.1:port")
    monkeypatch.setattr("proofrail.cli.doctor_checks.CHECKS", ())
    with patch.dict(os.environ):  # a service adds what its home says
        result = CliRunner().invoke(app, [command])
    assert (1 if command == "doctor" else 2) == result.exit_code
    assert "PROOFRAIL_KAFKA_BOOTSTRAP: Value error, '127.0.0.1:port' is no host:port" in result.output
