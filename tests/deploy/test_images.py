"""The images that deploy/Dockerfile makes, run as docker-compose.yml runs them.

Nothing is built here: `docker compose build` makes proofrail-…:local; PROOFRAIL_TEST_IMAGE_TAG names other tags.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import docker
import pytest
from docker.errors import ImageNotFound
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.networks import Network
from testcontainers.core.docker_client import DockerClient

from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, TRACER_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from tests.broker import KafkaOfCompose, container_obstacle

TAG: Final = os.environ.get("PROOFRAIL_TEST_IMAGE_TAG", "local")
SERVICES: Final = ("tracer", "prover", "auditor", "registrar", "explorer")
HOME: Final = "/var/lib/proofrail"
BUILD_TOOLS: Final = ("cc", "gcc", "g++", "ld", "make", "cargo", "rustc", "maturin", "pip", "pip3", "java")
AS_IN_COMPOSE: Final[dict[str, Any]] = {
    "init": True,
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}
_DRAINED_S: Final = 30
_OWN_FILES: Final = "uid=10001,gid=10001,mode=0750"

pytestmark = [pytest.mark.docker, pytest.mark.slow]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    """The engine, with every image and compose's broker."""
    if (obstacle := container_obstacle()) is not None:
        pytest.skip(obstacle)
    with closing(DockerClient().client) as client:
        for name in (*SERVICES, "cli"):
            try:
                client.images.get(f"proofrail-{name}:{TAG}")
            except ImageNotFound:
                pytest.skip(f"the Docker engine lacks proofrail-{name}:{TAG}: docker compose build")
        yield client


@pytest.fixture(scope="module")
def network(engine: docker.DockerClient) -> Iterator[Network]:
    """A network of the tests' own with the broker, named kafka, that has the topics."""
    made = engine.networks.create(f"proofrail-images-{os.getpid()}")
    try:
        with KafkaOfCompose() as broker:
            made.connect(broker.get_wrapped_container(), aliases=["kafka"])
            _in(engine, made, "cli", command=["topics"])
            yield made
            made.disconnect(broker.get_wrapped_container(), force=True)
    finally:
        made.remove()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a service is told: one environment for all."""
    folder = tmp_path_factory.mktemp("keys")
    accepted = {
        variable: load_or_make_signer(folder / f"{name}.key", name, os.urandom).vkey
        for variable, name in (
            ("PROOFRAIL_CHECKPOINT_KEYS", TRACER_KEY_NAME),
            ("PROOFRAIL_AUDITOR_KEYS", AUDITOR_KEY_NAME),
        )
    }
    return accepted | {
        "PROOFRAIL_KAFKA_BOOTSTRAP": "kafka:9092",
        "PROOFRAIL_REGISTRAR_LEDGER": "file",
        "PROOFRAIL_EXPLORER_TOKEN": "for-these-tests-only",
    }


@pytest.fixture(params=SERVICES)
def service(
    request: pytest.FixtureRequest, engine: docker.DockerClient, network: Network, settings: dict[str, str]
) -> Iterator[Container]:
    """A service that has said it is ready. pytest's timeout bounds the wait."""
    folders = ("artifacts", "explorer", "keys", "registrar", "scratch")
    container = engine.containers.run(
        f"proofrail-{request.param}:{TAG}",
        detach=True,
        network=network.name,
        environment=settings,
        tmpfs={"/tmp": ""} | {f"{HOME}/{folder}": _OWN_FILES for folder in folders},
        **AS_IN_COMPOSE,
    )
    try:
        said = []
        for line in container.logs(stream=True, follow=True):
            said.append(line.decode())
            if '"event": "ready"' in said[-1]:
                break
        else:
            pytest.fail("".join(said))
        yield container
    finally:
        container.remove(force=True)


def test_a_service_is_ready_without_rights_and_ends_when_told(service: Container) -> None:
    """On a read-only file system, as a user who is nobody, with no capability: it serves, its image's own check agrees,
    it finds nothing to build with, and SIGTERM ends it with status 0."""
    image = service.image
    assert image is not None
    assert (0, b"") == _run(service, image.attrs["Config"]["Healthcheck"]["Test"][1:])
    status = _run(service, ["grep", "--extended-regexp", "^(Uid|CapEff|NoNewPrivs):", "/proc/self/status"])[1]
    rights = dict(line.split(":\t") for line in status.decode().splitlines())
    assert {"Uid": "\t".join(["10001"] * 4), "CapEff": "0" * 16, "NoNewPrivs": "1"} == rights
    assert (0, b"") == _run(service, ["sh", "-c", f"command -v {' '.join(BUILD_TOOLS)} || true"])
    assert 1 == _run(service, ["python3", "-c", "import pip"])[0]
    assert 1 == _run(service, ["touch", f"{HOME}/here"])[0]
    service.kill("SIGTERM")
    assert {"Error": None, "StatusCode": 0} == {"Error": None} | service.wait(timeout=_DRAINED_S)
    assert '"event": "stopped"' in service.logs(tail=1).decode()


def test_the_prover_of_the_image_runs(engine: docker.DockerClient) -> None:
    """Its libraries are in the image, and it is for processors like this one."""
    said = engine.containers.run(
        f"proofrail-prover:{TAG}",
        entrypoint="proofrail-stwo-prover",
        command=["version"],
        remove=True,
        **AS_IN_COMPOSE,
    )
    assert "stwo" in json.loads(said)


@pytest.mark.parametrize("name", [*SERVICES, "cli"])
def test_an_image_says_what_it_is_and_holds_no_secret(engine: docker.DockerClient, name: str) -> None:
    """Its user is a number, its labels name it, and neither settings nor files have a key or a token in them."""
    image = engine.images.get(f"proofrail-{name}:{TAG}")
    config = image.attrs["Config"]
    assert "10001:10001" == config["User"]
    labels = config["Labels"]
    assert f"proofrail-{name}" == labels["org.opencontainers.image.title"]
    assert "Apache-2.0" == labels["org.opencontainers.image.licenses"]
    assert "org.opencontainers.image.revision" in labels
    assert [] == [
        entry for entry in config["Env"] if any(word in entry for word in ("KEY", "TOKEN", "PASSWORD"))
    ]
    found = engine.containers.run(
        image,
        entrypoint="find",
        command=["/opt/proofrail", HOME, "-name", "*.key", "-o", "-name", "*.vkey", "-o", "-name", "*.env"],
        remove=True,
        **AS_IN_COMPOSE,
    )
    assert b"" == found


def test_the_images_share_what_they_have_in_common(engine: docker.DockerClient) -> None:
    """A host keeps the packages once: each image is the command line's, and the prover's one layer more."""
    common = _layers(engine.images.get(f"proofrail-cli:{TAG}"))
    for name in SERVICES:
        layers = _layers(engine.images.get(f"proofrail-{name}:{TAG}"))
        assert common == layers[: len(common)]
        assert (1 if name == "prover" else 0) == len(layers) - len(common)


def _layers(image: Image) -> list[str]:
    return list(image.attrs["RootFS"]["Layers"])


def _in(engine: docker.DockerClient, network: Network, name: str, command: list[str]) -> bytes:
    """What a command of an image says in the network. Raises ContainerError where it fails."""
    said: bytes = engine.containers.run(
        f"proofrail-{name}:{TAG}",
        command=command,
        network=network.name,
        environment={"PROOFRAIL_KAFKA_BOOTSTRAP": "kafka:9092"},
        tmpfs={"/tmp": ""},
        remove=True,
        **AS_IN_COMPOSE,
    )
    return said


def _run(container: Container, command: list[str]) -> tuple[int, bytes]:
    """Exit status and output of a command in a running container."""
    done = container.exec_run(command)
    return done.exit_code, done.output if done.exit_code == 0 else b""
