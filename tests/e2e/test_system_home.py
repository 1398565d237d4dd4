"""Whether a system runs in a home folder, whatever was left in it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from proofrail.cli.home import Home
from proofrail.wire.errors import UnusableInputError

_STATE = {"phase": "ready", "bootstrap": "127.0.0.1:9092"}


def test_a_claimed_home_tells_what_runs_in_it(tmp_path: Path) -> None:
    """What is announced is told while the home is claimed, and withdrawn after."""
    home = Home(tmp_path / "home")
    assert home.running() is None
    with home.claimed():
        home.announce(_STATE)
        assert {**_STATE, "pid": os.getpid()} == home.running()
        assert "127.0.0.1:9092" == home.bootstrap()
    assert home.running() is None
    with pytest.raises(UnusableInputError, match="no-running-system"):
        home.bootstrap()


def test_a_home_is_claimed_once(tmp_path: Path) -> None:
    """A second claim is refused and takes nothing away from the first."""
    home = Home(tmp_path / "home")
    with home.claimed():
        home.announce(_STATE)
        with pytest.raises(UnusableInputError, match="already-running"), home.claimed():
            pass
        assert home.running() is not None


def test_what_a_killed_system_left_is_not_believed(tmp_path: Path) -> None:
    """The process id that a crash left behind may be anybody's by now."""
    home = Home(tmp_path / "home")
    home.prepare()
    (home.root / "running.json").write_text(json.dumps({**_STATE, "pid": os.getppid()}))
    assert home.running() is None
    (home.root / "up.lock").touch()
    assert home.running() is None
    with home.claimed():
        assert home.running() is None
