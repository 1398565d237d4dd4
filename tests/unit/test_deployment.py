"""What deploy/ and docker-compose.yml say: held against the services' own settings. The manifests for Kubernetes have
tests of their own in tests/deploy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from proofrail.cli.settings_known import services
from proofrail.messaging.settings import KafkaSettings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
SERVICES = {name: kind for name, kind in services().items() if name != "kafka"}
OUTSIDE_SETTINGS = {"PROOFRAIL_HOME", "PROOFRAIL_STWO_PROVER"}
"""Read where no settings class is."""


def names(kind: type[BaseSettings]) -> set[str]:
    return {f"PROOFRAIL_{name.upper()}" for name in kind.model_fields}


KNOWN = (
    {f"PROOFRAIL_KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
    | set().union(*map(names, SERVICES.values()))
    | OUTSIDE_SETTINGS
)


@pytest.mark.parametrize(
    "file",
    [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    + [ROOT / "docker-compose.yml"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    """A setting with a slip in its name would be passed over in silence."""
    named = set(re.findall(r"\bPROOFRAIL_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_…])", file.read_text()))
    assert set() == named - KNOWN


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_sees_no_private_key_but_its_own(name: str) -> None:
    """The volume with a private key is mounted by its service, and by what makes it."""
    mounted = {volume.split(":")[0] for volume in COMPOSE["services"][name].get("volumes", [])}
    own = {"tracer": {"tracer-keys"}, "auditor": {"auditor-keys"}}.get(name, set())
    assert own == mounted & {"tracer-keys", "auditor-keys"}


@pytest.mark.parametrize("name", [*SERVICES, "topics", "keys", "cli"])
def test_containers_change_nothing_but_their_volumes(name: str) -> None:
    """Read-only, without capabilities, by a target of the Dockerfile whose user is a number other than 0."""
    service = COMPOSE["services"][name]
    assert service["read_only"]
    assert ["ALL"] == service["cap_drop"]
    assert f"AS {service['build']['target']}\n" in DOCKERFILE
    assert ["10001:10001"] == re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)


def test_a_container_is_given_longer_than_its_service_drains() -> None:
    """Or the engine would kill what is just being handed back."""
    for name, settings in SERVICES.items():
        service = COMPOSE["services"][name]
        drains = service["environment"].get(
            "PROOFRAIL_DRAIN_SECONDS", settings.model_fields["drain_seconds"].default
        )
        assert float(drains) < float(service["stop_grace_period"].removesuffix("s"))


@pytest.mark.parametrize("name", [*SERVICES, "kafka", "prometheus", "grafana"])
def test_whoever_serves_is_asked_whether_it_does(name: str) -> None:
    """`up --wait` returns when the system works, and the order of starts goes by it."""
    assert "test" in COMPOSE["services"][name]["healthcheck"]


def test_compose_builds_from_the_images_that_the_dockerfile_names() -> None:
    """The arguments of the build have their defaults in both."""
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    assert {name: f"${{{name}:-{value}}}" for name, value in defaults.items()} == COMPOSE["x-build"]["args"]


def test_what_the_package_links_to_is_in_its_image() -> None:
    """A link that leads nowhere there ends the build, after everything is compiled."""
    (body,) = re.findall(r"^FROM extension AS package\n(.*?)^RUN ", DOCKERFILE, re.MULTILINE | re.DOTALL)
    copied = re.findall(r"^COPY (?!--from)(\S+) \S+$", body, re.MULTILINE)
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for link in (path for path in (ROOT / "services" / "proofrail").rglob("*") if path.is_symlink()):
        target = link.resolve().relative_to(ROOT)
        (folder,) = (one for one in copied if target.is_relative_to(one))
        assert any(
            Path(folder).is_relative_to(line.removeprefix("!")) for line in sent if line.startswith("!")
        )


@pytest.mark.parametrize("stage", ["extension", "stwo"])
def test_an_edited_python_file_compiles_nothing(stage: str) -> None:
    """The stages with Rust in them take in Rust, and of Python only what the prover's build is made of."""
    (body,) = re.findall(rf"^FROM \S+ AS {stage}\n(.*?)^FROM ", DOCKERFILE, re.MULTILINE | re.DOTALL)
    taken = " ".join(re.findall(r"^COPY (.*?[^\\])$", body, re.MULTILINE | re.DOTALL)).split()
    proving = "services/proofrail/proving"
    builders = {f"{proving}/{name}.py" for name in ("__init__", "build", "locate", "patches", "toolchain")}
    assert set() == {file for file in taken if file.startswith("services/proofrail")} - builders


def test_nothing_is_published_beyond_loopback() -> None:
    """Pages are for this host; a proxy may do more."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]


def test_no_final_image_is_made_from_one_with_compilers() -> None:
    """Only files come over from the stages that build."""
    stages = re.findall(r"^FROM (\S+) AS (\S+)", DOCKERFILE, re.MULTILINE)
    parents = {name: parent for parent, name in stages}
    for target in (*SERVICES, "cli"):
        image = target
        while image in parents:
            image = parents[image]
        assert "${BASE_IMAGE}" == image
