"""What is published reaches a terminal as text only, whatever characters the terminal has."""

from __future__ import annotations

import io
import os
import subprocess
import sys

from tests.terminal import on_terminal

from proofrail.cli.terminal import SafeConsole


def test_published_text_cannot_steer_the_terminal():
    """Escape sequences, a carriage return, a bell and a right-to-left override are shown as U+FFFD; letters of any
    script and line ends stay, and so do the console's own colours."""
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=True, width=80, color_system="standard", highlight=False)
    console.print("[red]a[/]\x1b[2Jb\rc\x07d\u202ee\nü李", markup=True)
    shown = out.getvalue()
    assert "\x1b[31ma\x1b[0m" in shown
    assert "\ufffd" in shown
    assert [] == [
        c for c in shown.replace("\x1b[31m", "").replace("\x1b[0m", "") if not (c.isprintable() or c == "\n")
    ]
    assert shown.endswith("ü李\n")


def test_a_terminal_that_lacks_a_character_shows_a_question_mark():
    """Where the locale is not UTF-8, Python would end the command in the middle of a line."""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "proofrail", "explain"]
    status, shown = on_terminal(command, env={**os.environ, **locale})
    assert (0, True) == (status, shown.isascii())
    assert "`bits` is not in 1 ? 64." in shown


def test_a_command_whose_stdout_is_closed_still_tells_by_its_status():
    """As a scheduler may start it."""
    command = f"exec {sys.executable} -m proofrail explain malformed-float >&-"
    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, timeout=60, check=False)
    assert (0, b"") == (done.returncode, done.stderr)
