"""Lists on narrow and wide terminals, and what may have been meant by a wrong name."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from proofrail.cli import dlq, status, topics_command
from proofrail.cli.application import app
from proofrail.cli.columns import Column, Columns, fitted
from proofrail.cli.meant import meant
from proofrail.cli.settings_known import services

config, tail = import_module("proofrail.cli.config"), import_module("proofrail.cli.tail")
_LISTS = {
    "tail": tail,
    "dlq list": dlq,
    "topics plan": topics_command,
    "config": config,
    "status --allocations": status,
}


def test_narrow_lists_leave_out_then_narrow_the_widest() -> None:
    """Nothing changes where there is room; columns that may not become narrower do not."""
    columns = [Column("a", 10), Column("b", 30, 8), Column("c", 20, 8), Column("d", 10, 0)]
    assert [10, 30, 20, 10] == fitted(columns, 200)
    assert [10, 30, 20, 0] == fitted(columns, 90)
    assert [10, 18, 19, 0] == fitted(columns, 70)
    assert [10, 8, 8, 0] == fitted(columns, 20)


@pytest.mark.parametrize("name", list(_LISTS))
def test_the_last_column_of_each_list_can_be_read_at_80(name: str) -> None:
    """It is the one that says why."""
    widths = fitted(_LISTS[name]._COLUMNS, 80)
    assert 20 <= 80 - sum(width + 1 for width in widths if width)


@pytest.mark.parametrize("name", ["tail", "status --allocations"])
def test_the_last_column_begins_within_60(name: str) -> None:
    """Half a screen is what many operators have beside an editor."""
    widths = fitted(_LISTS[name]._COLUMNS, 60)
    assert 15 <= 60 - sum(width + 1 for width in widths if width)


def test_a_time_is_cut_at_its_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the mark that a name has where it was cut."""
    monkeypatch.setenv("COLUMNS", "38")
    Columns([Column("time", 12, 8, mark=""), Column("name", 24, 8)], "says").row(
        "01:16:08.629", "longer-than-8", "x"
    )
    assert ["01:16:08", "longer-\u2026", "x"] == capsys.readouterr().out.splitlines()[1].split()


def test_a_wrong_name_is_answered_with_what_was_meant() -> None:
    """The names spelled most alike first, in whatever case; all of them in any case."""
    known = ["Proof", "ProofFailure", "Attestation"]
    assert "Did you mean Proof? There are Proof, ProofFailure, Attestation." == meant("prof", known)
    assert "There are Proof, ProofFailure, Attestation." == meant("zzz", known)


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        ("tail --verdict MISM", ["MISMATCH"]),
        ("tail --type ProofF", ["ProofFailure"]),
        ("tail rep", ["reports"]),
        ("config trac", ["tracer"]),
        ("explain topics-m", ["topics-missing"]),
        ("dlq replay --code proposal-shares", ["proposal-shares-sum"]),
        ("dlq list --topic allocation.p", ["allocation.proposals.v1", "allocation.proposals.v1.dlq"]),
        ("keys make aud", ["auditor"]),
    ],
)
def test_a_shell_completes_values(begun: str, expected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker."""
    monkeypatch.setenv("COMP_WORDS", f"proofrail {begun}")
    monkeypatch.setenv("COMP_CWORD", str(len(begun.split())))
    monkeypatch.setenv("_PROOFRAIL_COMPLETE", "complete_bash")
    result = CliRunner().invoke(app, [], prog_name="proofrail")
    assert expected == result.stdout.split()


def test_config_completes_the_services_there_are() -> None:
    """Named once more, for settings are read when they are needed and not before."""
    assert list(config._SERVICES) == list(services())


def test_the_version_is_told_without_a_command() -> None:
    """The package's own."""
    assert f"proofrail {version('proofrail')}\n" == CliRunner().invoke(app, ["--version"]).stdout
