"""The demo's chain ends with what it was started for, and never outlives it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults import processes

from proofrail.cli.home import Home
from proofrail.cli.leash import leashed

_ENDS_S = 20.0


def _keeper(home: Path) -> subprocess.Popen[bytes]:
    """A keeper of a program that would run for ever; both mention the home."""
    program = [sys.executable, "-c", "import time; time.sleep(1000)", str(home)]
    return subprocess.Popen(
        [sys.executable, "-m", "proofrail.cli.devnet_keeper", str(home), *program],
        stdout=subprocess.PIPE,
        env=leashed({}),
    )


async def _both(home: Path) -> list[processes.Process]:
    """The keeper and its program, once both are there."""
    async with asyncio.timeout(_ENDS_S):
        while True:
            found = processes.of_home(home)
            if len(found) == 2 and all("execv" not in " ".join(one.command) for one in found):
                return found
            await asyncio.sleep(0.05)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.prepare()
    return found


async def test_it_ends_on_sigterm(home: Home) -> None:
    """The program, too."""
    keeper = _keeper(home.root)
    both = await _both(home.root)
    keeper.terminate()
    await processes.gone(both, _ENDS_S)
    assert 0 == keeper.wait()


async def test_it_ends_with_the_system_it_serves(home: Home) -> None:
    """A demo that was left running ends with `down`, its chain with it; before the system runs nothing is ended."""
    keeper = _keeper(home.root)
    both = await _both(home.root)
    with home.claimed():
        home.announce({"phase": "ready"})
        assert keeper.stdout is not None
        said = await asyncio.to_thread(keeper.stdout.readline)
        assert f"serves the system in {home.root}\n".encode() == said
        assert [True, True] == [one.alive for one in both]
    await processes.gone(both, _ENDS_S)
    assert 0 == keeper.wait()


async def test_its_program_does_not_outlive_it(home: Home) -> None:
    """Killed outright, it takes the program along."""
    keeper = _keeper(home.root)
    both = await _both(home.root)
    keeper.kill()
    keeper.wait()
    await processes.gone(both, _ENDS_S)
