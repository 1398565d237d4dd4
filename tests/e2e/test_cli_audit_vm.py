"""`audit --vm reference` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from proofrail.cairo import cairo_lang
from proofrail.cairo.risk_program import risk_engine_artifact
from proofrail.cli.offline import register
from proofrail.wire.errors import UnusableInputError

APP = typer.Typer()
register(APP)

DATA = Path(__file__).parents[1] / "data" / "cairo"
RISK_ENGINE = risk_engine_artifact()

pytestmark = pytest.mark.slow


def call(*arguments: object) -> Result:
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def audit(folder: Path, *more: object) -> tuple[int, dict[str, Any]]:
    result = call("audit", folder / "events.ndjson", "--commitments", folder / "commitments.ndjson", *more)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cairo-lang in the checkout, or set up now; skipped where it cannot be."""
    monkeypatch.setenv("PROOFRAIL_CACHE", str(tmp_path / "cache"))
    if not cairo_lang.is_ready(cairo_lang.IN_CHECKOUT):
        try:
            cairo_lang.environment(tmp_path / "cache" / f"cairo-lang-{cairo_lang.VERSION}", lambda _: None)
        except UnusableInputError as error:
            pytest.skip(f"cairo-lang cannot be had: {error}")


@pytest.fixture
def risk(tmp_path: Path) -> Path:
    lines = RISK_ENGINE.with_name("proposals.ndjson").read_bytes().splitlines()
    inputs = tmp_path / "inputs.ndjson"
    inputs.write_bytes(b"\n".join(lines[:2]))
    assert 0 == call("trace", RISK_ENGINE, "--inputs", inputs, "--out", tmp_path / "run").exit_code
    return tmp_path / "run"


@pytest.mark.usefixtures("reference")
def test_the_reference_vm_is_a_part_of_the_report(risk: Path) -> None:
    """A run that both VMs make alike is a MATCH with one part more checked."""
    status, report = audit(risk, "--vm", "reference")
    assert (0, "MATCH") == (status, report["verdict"])
    assert "reference-vm" in report["checked"]
    assert "reference-vm" not in audit(risk)[1]["checked"]


@pytest.mark.usefixtures("reference")
def test_a_failed_run_is_confirmed_by_the_reference_vm(tmp_path: Path) -> None:
    """The failure is real: the other VM fails at the same instruction."""
    (tmp_path / "inputs.json").write_text('{"how":1}')
    traced = call(
        "trace", DATA / "failing.json", "--inputs", tmp_path / "inputs.json", "--out", tmp_path / "run"
    )
    assert 1 == traced.exit_code
    status, report = audit(tmp_path / "run", "--vm", "reference")
    assert (0, "MATCH") == (status, report["verdict"])
    assert "reference-vm" in report["checked"]


def test_without_the_environment_the_verdict_stays_open(
    risk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No package index: INDETERMINATE, exit status 3, and why; an audit that asked for it never passes without."""
    monkeypatch.setattr(cairo_lang, "IN_CHECKOUT", tmp_path / "none")
    monkeypatch.setenv("PROOFRAIL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    status, report = audit(risk, "--vm", "reference")
    assert (3, "INDETERMINATE") == (status, report["verdict"])
    open_part = next(part for part in report["unchecked"] if part["part"] == "reference-vm")
    assert "compiler-unavailable" == open_part["code"]
