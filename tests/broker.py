"""The broker that tests share: docker-compose.yml's in a container where a Docker engine has its image, the embedded
one elsewhere.

Tests that stop or kill their broker have an embedded one of their own (the fixture `own_broker`).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import pytest
import yaml
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import DockerException, ImageNotFound, NotFound
from testcontainers.core.config import ConnectionMode, testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient, get_docker_host
from testcontainers.core.exceptions import ContainerStartException
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging.embedded import EmbeddedKafka

VARIABLE: Final = "PROOFRAIL_TEST_BROKER"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "docker-compose.yml").read_text()
)["services"]["kafka"]
IMAGE: Final = re.sub(
    r"\$\{(\w+):-([^}]*)\}", lambda found: os.environ.get(found[1]) or found[2], COMPOSE["image"]
)
"""As compose reads it. Nothing is fetched: `docker pull` does that."""

_ENGINE_S: Final = 2
_START_S: Final = 180
_PORT: Final = 19092
_ENDED: Final = "the broker ended with status"

Kind = Literal["container", "embedded"]


class Broker(Protocol):
    """A running broker."""

    @property
    def bootstrap(self) -> str:
        """`host:port`."""


@dataclass(frozen=True)
class Choice:
    """What the session's broker is, and why."""

    kind: Kind
    why: str

    def __str__(self) -> str:
        return f"broker: {self.kind} ({self.why})"


@cache
def choose() -> Choice:
    """The choice of this session. Raises pytest.UsageError: what the environment asks for is not to be had."""
    return choice(os.environ.get(VARIABLE, ""), container_obstacle)


def choice(wanted: str, obstacle: Callable[[], str | None]) -> Choice:
    """What is chosen where `wanted` is asked for (nothing: ""), and `obstacle` tells what a container lacks. Raises
    pytest.UsageError."""
    if wanted not in ("", "container", "embedded"):
        raise pytest.UsageError(f"{VARIABLE} is {wanted!r}; it may be container or embedded")
    if wanted == "embedded":
        return Choice("embedded", f"{VARIABLE} says so")
    lacking = obstacle()
    if lacking is None:
        return Choice("container", IMAGE)
    if wanted == "container":
        raise pytest.UsageError(f"{VARIABLE} asks for a container, but {lacking}")
    return Choice("embedded", lacking)


def container_obstacle() -> str | None:
    """Why there can be no container; None where there can be one."""
    try:
        _knock(get_docker_host() or DEFAULT_UNIX_SOCKET)
        with closing(DockerClient(timeout=_ENGINE_S).client) as client:
            client.images.get(IMAGE)
    except ImageNotFound:
        return f"the Docker engine lacks {IMAGE}"
    except (DockerException, OSError):
        return "no Docker engine answers"
    return None


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at a socket in the file system: docker-py would leave its own open then."""
    scheme, _, path = address.partition("://")
    if scheme.endswith("unix"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_ENGINE_S)
            probe.connect(path)


@contextmanager
def running_broker(kind: Kind, folder: Path) -> Iterator[Broker]:
    """A running broker; what the embedded kind keeps lies in `folder`."""
    with KafkaOfCompose() if kind == "container" else EmbeddedKafka(folder, cache_dir()) as broker:
        yield broker


class KafkaOfCompose(DockerContainer):
    """docker-compose.yml's broker with its settings, and one listener more, for this host's clients.

    It keeps the name that compose gives it, so that it finds itself: a broker that cannot reach its own address takes
    no transactions. testcontainers' KafkaContainer is for another maker's images.
    """

    def __init__(self) -> None:
        # Ryuk would be an image more, which engines without a registry lack; see _SCRIPT.
        testcontainers_config.ryuk_disabled = True
        super().__init__(IMAGE, hostname="kafka", stdin_open=True, auto_remove=True)
        self._attached = ExitStack()
        image = self.get_docker_client().client.images.get(IMAGE).attrs["Config"]
        self.with_command([*(image["Entrypoint"] or []), *(image["Cmd"] or [])])
        self._kwargs["entrypoint"] = ["bash", "-c", _SCRIPT, "bash"]
        self.with_envs(**COMPOSE["environment"])
        # As for the embedded broker: a life of minutes does not earn back the slow compiler's work.
        self.with_env("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        self.env["KAFKA_LISTENERS"] += f",HOST://:{_PORT}"
        self.env["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"] += ",HOST:PLAINTEXT"
        self.with_exposed_ports(_PORT)
        if self._is_local:
            self.ports[str(_PORT)] = ("127.0.0.1",)  # on loopback alone, at a port that the engine chooses

    @property
    def bootstrap(self) -> str:
        """`host:port` of the listener for this host."""
        host = "127.0.0.1" if self._is_local else self.get_container_host_ip()
        return f"{host}:{self.get_exposed_port(_PORT)}"

    def start(self) -> KafkaOfCompose:
        """Start the broker. Raises ContainerStartException with what it said, TimeoutError."""
        super().start()
        stdin = self._attach()
        # What the broker tells its clients is known when the engine has given the port, and not before.
        advertised = f"{self.env['KAFKA_ADVERTISED_LISTENERS']},HOST://{self.bootstrap}\n"
        stdin.sendall(advertised.encode())
        said = LogMessageWaitStrategy(f"Kafka Server started|{_ENDED}")
        said.with_startup_timeout(_START_S).with_poll_interval(0.1).wait_until_ready(self)
        log = b"".join(self.get_logs()).decode(errors="replace")
        if _ENDED in log:
            raise ContainerStartException(log[-4000:])
        return self

    def stop(self, force: bool = True, delete_volume: bool = True) -> None:
        """Remove the container."""
        with self._attached, suppress(NotFound):
            super().stop(force, delete_volume)

    def _attach(self) -> Any:
        attached = self.get_wrapped_container().attach_socket(params={"stdin": 1, "stream": 1})
        # Over TLS docker-py hands out the socket itself, else a reader of it, which does not close it.
        stdin = getattr(attached, "_sock", attached)
        self._attached.callback(stdin.close)
        self._attached.callback(attached.close)
        return stdin

    @property
    def _is_local(self) -> bool:
        client = self.get_docker_client()
        return client.host() == "localhost" and client.get_connection_mode() is ConnectionMode.docker_host


_SCRIPT: Final = f"""
read -r -t 60 KAFKA_ADVERTISED_LISTENERS || exit
export KAFKA_ADVERTISED_LISTENERS
{{ "$@"; echo "{_ENDED} $?"; }} &
cat > /dev/null
"""
"""Runs what the image runs, until nobody is attached to the container's standard input any more: with the test's
process, however that ends, the engine closes it. The container then ends, and is removed."""
