"""The supervisor restarts a service that says of itself that it is stuck, and waits for one that reads for long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from proofrail.cli import supervisor
from proofrail.cli.supervisor import ServiceProcess, Supervisor

# Stands where `python -m proofrail NAME` is looked for: answers with the next of the statuses in its file, with the
# last of them for ever.
SERVICE = """
import http.server, json, pathlib, sys

statuses = pathlib.Path(sys.argv[0]).with_name("statuses")

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, *left = json.loads(statuses.read_text())
        statuses.write_text(json.dumps(left or [status]))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"missing":{"runs":"last polled 130 s ago"}}')

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Health)
print(json.dumps({"event": "listening", "host": "127.0.0.1", "port": server.server_port}), file=sys.stderr, flush=True)
server.serve_forever()
"""


@pytest.mark.parametrize(
    ("statuses", "starts"),
    [([503, 503, 503, 200], 2), ([503, 503, 200, 503, 503, 404], 1)],
    ids=["stuck", "not for long"],
)
async def test_a_service_that_stays_stuck_is_started_anew(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[..., Awaitable[None]],
    statuses: list[int],
    starts: int,
) -> None:
    """Its log says why. One that recovers, or serves no health, is left alone."""
    monkeypatch.setattr(supervisor, "_LOOK_S", 0.02)
    package = tmp_path / "proofrail"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(SERVICE)
    (package / "statuses").write_text(str(statuses))
    entries: list[dict[str, Any]] = []
    service = ServiceProcess("any", {"PYTHONPATH": str(tmp_path)})
    supervised = Supervisor([service], lambda _, entry: entries.append(entry))

    def said(event: str) -> list[dict[str, Any]]:
        return [entry for entry in entries if entry["event"] == event]

    await supervised.start()
    try:
        await eventually(lambda: (package / "statuses").read_text() == str(statuses[-1:]))
        await eventually(lambda: len(said("listening")) == starts)
    finally:
        await supervised.stop()
    assert ["signal SIGKILL"] * (starts - 1) == [entry["how"] for entry in said("ended")]
    assert ['{"missing":{"runs":"last polled 130 s ago"}}'] * (starts - 1) == [
        entry["why"] for entry in said("stuck")
    ]


# Reads for longer than anybody waits, and says now and then how far it is.
READING = """
import json, sys, time

def say(**entry):
    print(json.dumps(entry), file=sys.stderr, flush=True)

for records in range(15):
    say(event="catching-up", topic="t", records=records, of=15)
    time.sleep(0.2)
say(event="ready")
say(event="catching-up")
say(event="at work")
time.sleep(60)
"""


@pytest.mark.parametrize("reads", [True, False])
async def test_a_service_that_reads_on_is_waited_for(
    tmp_path: Path, eventually: Callable[..., Awaitable[None]], reads: bool
) -> None:
    """However much there is to read; one that does not say so must be ready in time."""
    package = tmp_path / "proofrail"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(READING if reads else READING.replace("catching-up", "other"))
    said: list[str] = []
    service = ServiceProcess("any", {"PYTHONPATH": str(tmp_path)})
    supervised = Supervisor([service], lambda _, entry: said.append(entry["event"]))
    await supervised.start()
    try:
        await eventually(lambda: said)
        with nullcontext() if reads else pytest.raises(TimeoutError):
            await supervised.wait_ready(1.5)
        await eventually(lambda: "at work" in said)
    finally:
        await supervised.stop()
