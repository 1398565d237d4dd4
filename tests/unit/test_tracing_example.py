"""What the documentation shows: the example beside its Cairo twin, and the lines that introduce the package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import plain_native
import pytest
from tests import documents

import proofrail.tracing
from proofrail.cairo.risk_model import decide, expected_output
from proofrail.tracing import reexecute

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "risk_model_native.py"


def load(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A file as a module, as an import makes it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs(tmp_path: Path) -> None:
    """As a program of its own it shows both trees, finds the outputs equal and the audit a match."""
    command = [sys.executable, EXAMPLE, "--allocation", "two-pools-agreed-risks", "--out", tmp_path]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "risk_score → 35" in shown
    assert shown.count("risk_score → 39") == 2
    assert "outputs: 13 felts, equal" in shown
    assert "audit of the native run: MATCH" in shown
    plain_native.check((tmp_path / "events.ndjson").read_bytes().splitlines())
    seal = json.loads((tmp_path / "commitments.ndjson").read_bytes().splitlines()[-1])
    assert "CommitmentSeal" == seal["type"]


def test_the_twins_agree_on_all_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On every sample proposal, traced Python, the Cairo program and the independent model give the same felts; the
    identity of the run does not depend on how the module was loaded."""
    example = load(EXAMPLE, "risk_model_native", monkeypatch)
    forms = [example._form(line) for line in example.SAMPLES.read_bytes().splitlines()]
    native, events = example.native_run(forms[4:], tmp_path)
    cairo, _ = example.cairo_run(forms[4:])
    assert expected_output(map(decide, forms[4:])) == native == cairo
    again = load(EXAMPLE, "__another_name__", monkeypatch)
    report = reexecute(
        [again.risk_engine], tmp_path / "commitments.ndjson", events=tmp_path / "events.ndjson"
    )
    assert ("MATCH", events[0]["run_id"]) == (report.verdict, report.run_id)


def _introductions() -> dict[str, str]:
    """The lines that show how to trace: in the package's documentation, and in every Python block of the manual that
    uses the package."""
    _, _, shown = (proofrail.tracing.__doc__ or "").partition("\n\n")
    lines = [line for line in shown.splitlines() if not line or line.startswith("    ")]
    manual = {
        f"{document} {number}": block
        for document in documents.MANUAL
        for number, block in enumerate(documents.fenced(document, "python"))
        if "proofrail.tracing" in block
    }
    return {"package": textwrap.dedent("\n".join(lines)), **manual}


@pytest.mark.parametrize("where", _introductions())
def test_the_introduction_runs(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the documentation shows runs as it stands, and what it writes can be executed again."""
    path = tmp_path / "introduction.py"
    path.write_text(_introductions()[where])
    monkeypatch.chdir(tmp_path)
    module = load(path, "introduction", monkeypatch)
    report = reexecute([module], "commitments.ndjson", events="events.ndjson")
    assert "MATCH" == report.verdict
    plain_native.check((tmp_path / "events.ndjson").read_bytes().splitlines())
