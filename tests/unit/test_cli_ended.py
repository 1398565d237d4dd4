"""How a command ends that is told to: what it has started is put away, and the status says who ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import typer
from operator_runs import Topics
from typer.testing import CliRunner

from proofrail.cli.dlq import confirm
from proofrail.cli.dlq_letters import Letters
from proofrail.cli.dlq_replay import Replay
from proofrail.cli.output import command

_WAITS = """
import asyncio
from proofrail.cli.leash import ended_by_sigterm
from proofrail.cli.output import command

async def work():
    try:
        print("begun", flush=True)
        await asyncio.sleep(60)
    finally:
        print("put away", flush=True)

import typer
app = typer.Typer()

@app.command()
def wait():
    with command():
        asyncio.run(ended_by_sigterm(work()))

app()
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_status_says_who_ended_it(number: signal.Signals, status: int) -> None:
    """Ctrl-C is an interruption also where SIGTERM is heeded."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "begun\n" == process.stdout.readline()
    process.send_signal(number)
    said, errors = process.communicate(timeout=60)
    assert (status, "put away\n", False) == (process.returncode, said, "Traceback" in errors)


@pytest.mark.parametrize("answer", ["", "n\n"])
def test_a_question_that_is_not_answered_with_yes_interrupts(
    answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C and the end of the input at a question, which typer tells alike, end as "no" does: with 130."""
    world = Topics()
    for record in world.propose("one", "two"):
        world.letter(record, "run-failed")
    replays = [Replay(letter, b"") for letter in Letters(world.records).all]
    app = typer.Typer()

    @app.command()
    def ask() -> None:
        with command():
            confirm(replays, yes=False)

    monkeypatch.setattr("proofrail.cli.dlq.sys", Mock())  # somebody sits there
    assert 130 == CliRunner().invoke(app, [], input=answer).exit_code


def test_a_home_that_takes_no_completion_is_an_ordinary_error(tmp_path: Path) -> None:
    """It is typer that writes there, and not a command."""
    home = tmp_path / "file"
    home.touch()
    environment = {**os.environ, "HOME": str(home), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-m", "proofrail", "--install-completion", "bash"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (2, False) == (done.returncode, "Traceback" in done.stderr)
    assert "error [file-" in done.stderr
