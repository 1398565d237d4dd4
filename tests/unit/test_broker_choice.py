"""Which broker drives the tests: the choice is quick, silent, and never another than what was asked for."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from testcontainers.core.config import testcontainers_config
from tests import broker


def _unasked() -> str | None:
    raise AssertionError("the engine was asked")


def test_embedded_is_what_it_says_and_no_engine_is_asked() -> None:
    """Who asks for the embedded broker has it, whatever engine there is."""
    assert "embedded" == broker.choice("embedded", _unasked).kind


@pytest.mark.parametrize("wanted", ["", "container"])
def test_a_container_where_nothing_is_in_its_way(wanted: str) -> None:
    """An engine with the image gives the container, and the header names the image."""
    assert f"broker: container ({broker.IMAGE})" == str(broker.choice(wanted, lambda: None))


def test_what_is_in_the_way_is_told() -> None:
    """Elsewhere the embedded one drives, and the header says why."""
    assert "broker: embedded (no engine)" == str(broker.choice("", lambda: "no engine"))


@pytest.mark.parametrize(
    ("wanted", "says"), [("container", "but no engine"), ("contaner", "container or embedded")]
)
def test_what_cannot_be_had_is_an_error(wanted: str, says: str) -> None:
    """A container that was asked for is never replaced, nor a slip taken for nothing."""
    with pytest.raises(pytest.UsageError, match=says):
        broker.choice(wanted, lambda: "no engine")


class _Engine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path.endswith("/version")
        body = b'{"ApiVersion": "1.41"}' if known else b'{"message": "no such image"}'
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _without_image(_: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Engine) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def _silent(_: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def _absent(folder: Path) -> Iterator[str]:
    yield f"unix://{folder}/docker.sock"


@contextmanager
def _dead(folder: Path) -> Iterator[str]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "docker.sock"))
        yield f"unix://{folder}/docker.sock"


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        (_without_image, f"the Docker engine lacks {broker.IMAGE}"),
        (_silent, "no Docker engine answers"),
        (_absent, "no Docker engine answers"),
        (_dead, "no Docker engine answers"),
    ],
)
def test_an_engine_that_is_of_no_use_costs_nothing(
    engine: Callable[[Path], AbstractContextManager[str]],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the image, dumb, away or dead: told at once, without a warning."""
    monkeypatch.setattr(broker, "_ENGINE_S", 0.2)
    monkeypatch.setattr(testcontainers_config, "tc_properties", {})
    with engine(tmp_path) as address, warnings.catch_warnings():
        warnings.simplefilter("error")
        monkeypatch.setenv("DOCKER_HOST", address)
        begun = time.monotonic()
        assert says == broker.container_obstacle()
    assert time.monotonic() - begun < 2
