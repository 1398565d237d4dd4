"""The public surface of the client library: what it offers, and what the README shows of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from proofrail import client

CHECKOUT = Path(__file__).parents[2]
EXAMPLES = [CHECKOUT / "examples" / f"{name}.py" for name in ("allocator", "dashboard", "registrar")]


def test_the_examples_use_nothing_but_the_public_surface() -> None:
    """All that the examples take of Proofrail is `proofrail.client`, by names that it lists."""
    for path in EXAMPLES:
        text = path.read_text()
        assert ["from proofrail import client"] == re.findall(
            r"^.*import.*proofrail.*|^from proofrail.*", text, re.M
        )
        assert set(re.findall(r"\bclient\.(\w+)", text)) <= set(client.__all__)


def test_what_is_listed_is_there_and_public() -> None:
    """Each name of `__all__` exists; functions and classes of ours say what they are for."""
    for name in client.__all__:
        found = getattr(client, name)
        assert not name.startswith("_")
        assert isinstance(found, str) or found.__doc__, name


def test_what_the_library_logs_is_not_among_the_results() -> None:
    """A retry is told on stderr, by the standard library's logging; stdout is the program's own."""
    program = """
import asyncio
from proofrail import client
from proofrail.messaging.backoff import retry_transient

async def fail(times=[0]):
    times[0] += 1
    if times[0] == 1:
        raise client.TransientError("not-yet", "come again")

asyncio.run(retry_transient(fail, first_seconds=0.001))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "" == ran.stdout
    assert "code='not-yet'" in ran.stderr


def test_the_examples_can_be_read_at_one_go() -> None:
    """They stay short."""
    assert all(len(path.read_text().splitlines()) <= 85 for path in EXAMPLES)


def test_the_readme_shows_the_examples_as_they_are() -> None:
    """Each line of Python in the README's section on the library stands in one of the examples."""
    section = re.split(r"^## ", (CHECKOUT / "README.md").read_text(), flags=re.M)
    (text,) = [part for part in section if part.startswith("Allocator, dashboard, registrar")]
    shown = "\n".join(re.findall(r"```python\n(.*?)```", text, re.S)).splitlines()
    known = {line for path in EXAMPLES for line in path.read_text().splitlines()}
    assert 10 < len(shown)
    assert [] == [line for line in shown if line and line not in known]
