"""What `doctor` finds on a host, and what it calls broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proofrail.cli import doctor_checks
from proofrail.cli.application import app
from proofrail.cli.doctor_checks import Check, Found
from proofrail.cli.home import Home
from proofrail.wire.canonical import parse_object

NO_STONE = {"PROOFRAIL_STONE_PROVER": "", "PATH": ""}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with both keys in it, and nothing configured."""
    for name in (
        "TRACER_KEY_FILE",
        "AUDITOR_KEY_FILE",
        "AUDITOR_KEYS",
        "CHECKPOINT_KEYS",
        "KAFKA_BOOTSTRAP",
        "KAFKA_JARS",
    ):
        monkeypatch.delenv(f"PROOFRAIL_{name}", raising=False)
    place = Home.at(tmp_path)
    place.prepare()
    for key in (place.tracer_key, place.auditor_key):
        key.write_text("private\n")
        key.chmod(0o600)
        key.with_suffix(".vkey").write_text(f"vkey-of-{key.stem}\n")
    return place


def test_keys_must_be_private_and_accepted(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing that can be wrong with them, and its fix."""
    assert "ok" == doctor_checks.keys(home).state
    monkeypatch.setenv("PROOFRAIL_AUDITOR_KEYS", "another vkey-of-auditor")
    assert "ok" == doctor_checks.keys(home).state
    monkeypatch.setenv("PROOFRAIL_AUDITOR_KEYS", "another")
    assert ("warning", True) == (
        doctor_checks.keys(home).state,
        "PROOFRAIL_AUDITOR_KEYS" in doctor_checks.keys(home).says,
    )
    home.auditor_key.chmod(0o644)
    found = doctor_checks.keys(home)
    assert ("broken", f"chmod 600 {home.auditor_key}") == (found.state, found.fix.split(",")[0])
    home.auditor_key.unlink()
    assert "absent" == doctor_checks.keys(home).state


@pytest.mark.parametrize(
    ("check", "settings", "state"),
    [
        (doctor_checks.prover, {"PROOFRAIL_STWO_PROVER": "/nowhere/prover"}, "broken"),
        (doctor_checks.prover, {"PROOFRAIL_STWO_PROVER": "/bin/false"}, "broken"),
        (doctor_checks.prover, {"PROOFRAIL_STWO_PROVER": "/bin/true"}, "broken"),
        (doctor_checks.prover, {"PROOFRAIL_STWO_PROVER": "/gone", "PROOFRAIL_KAFKA_BOOTSTRAP": "kafka:9"}, "broken"),
        (doctor_checks.java, {"PROOFRAIL_JAVA": "/bin/false"}, "broken"),
        (doctor_checks.java, {"PROOFRAIL_JAVA": "/bin/false", "PROOFRAIL_KAFKA_BOOTSTRAP": "broker:9092"}, "absent"),
        (doctor_checks.jars, {"PROOFRAIL_CACHE": "/nowhere"}, "warning"),
        (doctor_checks.jars, {"PROOFRAIL_KAFKA_JARS": "/nowhere"}, "broken"),
        (doctor_checks.stone, NO_STONE, "absent"),
        (doctor_checks.stone, NO_STONE | {"PROOFRAIL_PROVER_BACKENDS": "stone"}, "broken"),
        (doctor_checks.native_part, {}, "ok"),
        (doctor_checks.processor, {}, "ok"),
    ],
)  # fmt: skip
def test_what_is_needed_and_missing_is_broken(
    home: Home, monkeypatch: pytest.MonkeyPatch, check: Check, settings: dict[str, str], state: str
) -> None:
    """And what is optional and missing is absent. Whatever does not work says how it would."""
    monkeypatch.delenv("PROOFRAIL_STONE_VERIFIER", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    found = check(home)
    assert state == found.state
    assert found.says
    assert state == "ok" or found.fix


@pytest.mark.parametrize(("broker", "state"), [("broker:9092", "absent"), (None, "broken")])
def test_a_host_of_one_service_needs_no_prover(
    home: Home, monkeypatch: pytest.MonkeyPatch, broker: str | None, state: str
) -> None:
    """Where the broker is elsewhere, the prover may be, too, and nothing is built here."""
    if broker:
        monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", broker)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("proofrail.proving.locate.find", lambda: None)
    assert [state] * 2 == [doctor_checks.prover(home).state, doctor_checks.cargo(home).state]


def test_a_read_only_home_is_judged_by_what_is_mounted_in_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, where only the volumes can be written to."""
    monkeypatch.setenv("PROOFRAIL_KAFKA_BOOTSTRAP", "broker:9092")
    volume = home.root / "artifacts"
    volume.mkdir(exist_ok=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path == volume)
    assert ("ok", True) == ((found := doctor_checks.home_disk(home)).state, str(volume) in found.says)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "absent" == doctor_checks.home_disk(home).state
    monkeypatch.delenv("PROOFRAIL_KAFKA_BOOTSTRAP")
    assert "broken" == doctor_checks.home_disk(home).state


def test_a_disk_without_room_is_broken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder need not be there yet: the one that it will be made in counts."""
    assert "ok" == doctor_checks.home_disk(Home.at(home.root / "not" / "yet")).state
    assert "broken" == doctor_checks.home_disk(Home.at(home.tracer_key)).state
    monkeypatch.setattr(doctor_checks, "_HOME_FREE", 1 << 60)
    assert "broken" == doctor_checks.home_disk(home).state


def test_what_cannot_be_looked_at_is_found_broken(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the rest is looked at all the same."""

    def keys(_: Home) -> Found:
        raise PermissionError(13, "no", "keys")

    monkeypatch.setattr(doctor_checks, "CHECKS", (keys, doctor_checks.processor))
    result = CliRunner().invoke(app, ["doctor", "--home", str(home.root)])
    found = [parse_object(line) for line in result.stdout_bytes.splitlines()]
    assert (1, [("keys", "broken"), ("processor", "ok"), ("kafka", "absent")]) == (
        result.exit_code, [(one["part"], one["state"]) for one in found]
    )  # fmt: skip


@pytest.mark.parametrize(("state", "status"), [("ok", 0), ("absent", 0), ("warning", 0), ("broken", 1)])
def test_only_what_is_broken_fails(
    home: Home, monkeypatch: pytest.MonkeyPatch, state: doctor_checks.State, status: int
) -> None:
    """Without a broker that is named, that is told and is no fault."""
    monkeypatch.setattr(doctor_checks, "CHECKS", (lambda _: Found("part", state, "said", "mend it"),))
    result = CliRunner().invoke(app, ["doctor", "--home", str(home.root)])
    first, kafka = [parse_object(line) for line in result.stdout_bytes.splitlines()]
    assert (status, state, "absent") == (result.exit_code, first["state"], kafka["state"])
