"""How commands are told which run: by the beginning of its id, which a shell completes without a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.cli.home import Home
from proofrail.cli.recent import note_runs, recent_runs
from proofrail.cli.run_options import complete_run, run_prefix
from proofrail.wire.errors import UnusableInputError


def test_runs_that_were_shown_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest first, each once, a bounded number of them."""
    monkeypatch.setenv("PROOFRAIL_HOME", str(tmp_path))
    home = Home.at(None)
    note_runs(home, ["aa11", "bb22"])
    note_runs(home, ["bb22", "aa00"])
    assert ["bb22", "aa00", "aa11"] == recent_runs(home)
    assert ["aa00", "aa11"] == complete_run("aa")
    note_runs(home, [f"{number:04x}" for number in range(500)])
    assert 200 == len(recent_runs(home))


def test_a_home_that_is_not_there_remembers_nothing(tmp_path: Path) -> None:
    """Looking at a broker elsewhere makes no folder here; a file that was damaged completes nothing."""
    home = Home.at(tmp_path / "none")
    note_runs(home, ["aa11"])
    assert ([], False) == (recent_runs(home), home.root.exists())
    home.root.mkdir()
    (home.root / "recent-runs").write_bytes(b"\xff\xfe")
    assert [] == recent_runs(home)


@pytest.mark.parametrize("given", ["abc", "", "xyz1", "0" * 33, "../etc"])
def test_what_is_no_run_id_is_refused(given: str) -> None:
    """Fewer than four characters would fit too many runs."""
    assert "3fa9" == run_prefix(" 3FA9 ")
    with pytest.raises(UnusableInputError) as error:
        run_prefix(given)
    assert "run-id-malformed" == error.value.code
