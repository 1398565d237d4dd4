"""What deploy/ and docker-compose.yml say: held against the services' own settings, and against real tools where they
are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from proofrail.auditor.settings import AuditorSettings
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, TRACER_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.explorer.settings import ExplorerSettings
from proofrail.messaging.settings import KafkaSettings, ServiceSettings
from proofrail.prover.settings import ProverSettings
from proofrail.registrar.settings import RegistrarSettings
from proofrail.tracer.settings import TracerSettings

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
SERVICES: dict[str, type[ServiceSettings]] = {
    "tracer": TracerSettings,
    "prover": ProverSettings,
    "auditor": AuditorSettings,
    "registrar": RegistrarSettings,
    "explorer": ExplorerSettings,
}
OUTSIDE_SETTINGS = {"PROOFRAIL_HOME", "PROOFRAIL_STWO_PROVER"}
"""Read where no settings class is."""


def names(kind: type[ServiceSettings]) -> set[str]:
    return {f"PROOFRAIL_{name.upper()}" for name in kind.model_fields}


KNOWN = (
    {f"PROOFRAIL_KAFKA_{name.upper()}" for name in KafkaSettings.model_fields}
    | set().union(*map(names, SERVICES.values()))
    | OUTSIDE_SETTINGS
)


@pytest.mark.parametrize(
    "file",
    [path for path in sorted((ROOT / "deploy").rglob("*")) if path.is_file()] + [ROOT / "docker-compose.yml"],
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


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send, KEDA's part included."""
    if (kustomize := shutil.which("kustomize")) is None:
        pytest.skip("kustomize is not on PATH")
    folder = tmp_path_factory.mktemp("kubernetes") / "kubernetes"
    shutil.copytree(KUBERNETES, folder, ignore=shutil.ignore_patterns("keys", "*.env"))
    for file in ("kafka.env", "store.env", "explorer.env"):
        shutil.copy(folder / f"{file}.example", folder / file)
    for name in (TRACER_KEY_NAME, AUDITOR_KEY_NAME):
        load_or_make_signer(folder / "keys" / f"{name.removeprefix('proofrail-')}.key", name, os.urandom)
    text = (folder / "kustomization.yaml").read_text()
    (folder / "kustomization.yaml").write_text(text.replace("# components:", "components:"))
    built = subprocess.run([kustomize, "build", folder], check=True, capture_output=True, timeout=60)
    return list(yaml.safe_load_all(built.stdout))


def test_manifests_fit_the_schemas_of_kubernetes(manifests: list[dict[str, Any]]) -> None:
    """Every object but KEDA's own, strictly: no member that Kubernetes does not know."""
    validate = pytest.importorskip("kubernetes_validate")
    for manifest in manifests:
        if manifest["kind"] != "ScaledObject":
            validate.validate(manifest, validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_has_the_settings_its_service_demands(manifests: list[dict[str, Any]], name: str) -> None:
    """Every setting without a default is set by the pod or by what it takes its environment from."""
    pod = next(m for m in manifests if m["kind"] == "StatefulSet" and m["metadata"]["name"] == name)["spec"]
    (container,) = pod["template"]["spec"]["containers"]
    given = {entry["name"] for entry in container["env"]}
    for source in container["envFrom"]:
        ((kind, reference),) = source.items()
        wanted = {"secretRef": "Secret", "configMapRef": "ConfigMap"}[kind]
        found = next(
            m for m in manifests if (m["kind"], m["metadata"]["name"]) == (wanted, reference["name"])
        )
        given |= found["data"].keys()
    fields = SERVICES[name].model_fields
    demanded = {f"PROOFRAIL_{key.upper()}" for key, field in fields.items() if field.is_required()}
    assert set() == demanded - given


def test_a_pod_is_given_longer_than_its_service_drains(manifests: list[dict[str, Any]]) -> None:
    """Or Kubernetes would kill what is just being handed back."""
    for manifest in manifests:
        if manifest["kind"] == "StatefulSet":
            pod = manifest["spec"]["template"]["spec"]
            env = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
            drains = float(env.get("PROOFRAIL_DRAIN_SECONDS") or ServiceSettings().drain_seconds)
            assert drains < pod["terminationGracePeriodSeconds"]
