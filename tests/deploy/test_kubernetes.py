"""deploy/kubernetes: what kustomize makes of it, held to Kubernetes' schemas and to the services' own settings."""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from proofrail.cairo.risk_builds import BUILDS
from proofrail.cli.settings_known import services
from proofrail.messaging.settings import KafkaSettings, ServiceSettings
from proofrail.proving.cost import memory_of
from proofrail.proving.stwo import STWO_LIMITS
from proofrail.proving.stwo_choice import choose_stwo
from proofrail.proving.stwo_cost import predict
from tests.deploy.manifests import (
    COMPONENTS,
    KUBERNETES,
    Manifest,
    built,
    choose,
    copied,
    environment,
    filled,
    named,
    pods,
)
from tests.deploy.tools import DEPLOY, needs_promtool, promtool

SERVICES = {name: kind for name, kind in services().items() if name != "kafka"}
ENDS_WITHIN_S = 12
"""What a service may take after its drain: five seconds each for cancelled work and for the broker's connections."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """Without components, as they are in the repository."""
    return built(filled(tmp_path_factory.mktemp("base")))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """With every component."""
    copy = filled(tmp_path_factory.mktemp("everything"))
    choose(copy, COMPONENTS)
    return built(copy)


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_is_offered_and_explained(component: str) -> None:
    """In the kustomization, switched off, and in the README."""
    assert f"  # - components/{component}\n" in (KUBERNETES / "kustomization.yaml").read_text()
    assert f"`{component}`" in (KUBERNETES / "README.md").read_text()


@pytest.mark.parametrize("component", [name for name in COMPONENTS if name != "keda-login"])
def test_each_component_stands_alone(tmp_path: Path, base: list[Manifest], component: str) -> None:
    """And changes something."""
    copy = filled(tmp_path)
    choose(copy, [component])
    assert base != built(copy)


def test_manifests_fit_the_schemas_of_kubernetes(everything: list[Manifest]) -> None:
    """Every object but KEDA's own, strictly: no member that Kubernetes does not know."""
    validate = pytest.importorskip("kubernetes_validate")
    ours = [manifest for manifest in everything if not manifest["apiVersion"].startswith("keda.sh/")]
    assert len(everything) - 2 == len(ours)
    for manifest in ours:
        validate.validate(manifest, validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_with_the_settings_of_its_pod(
    base: list[Manifest], everything: list[Manifest], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The settings are made from the environment that image and pod give, as the service makes them."""
    stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")
    (image,) = (stage for stage in stages if stage.startswith(f"service AS {name}\n"))
    (common,) = (stage for stage in stages if " AS runtime\n" in stage)
    for manifests in (base, everything):
        for variable in [variable for variable in os.environ if variable.startswith("PROOFRAIL_")]:
            monkeypatch.delenv(variable)
        given = dict(re.findall(r"\b(PROOFRAIL_\w+)=(\S+)", common + image)) | environment(manifests, name)
        for variable, value in given.items():
            monkeypatch.setenv(variable, value)
        settings = SERVICES[name]()
        assert (f"{name}-0", 9100) == (settings.instance, settings.health_port)
        assert not ipaddress.ip_address(settings.health_host).is_loopback
        assert "kafka.kafka.svc:9092" == settings.kafka.bootstrap


def test_a_login_and_a_certificate_authority_reach_every_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines that settings.env and kafka.env offer, without their signs, and the component."""
    copy = filled(tmp_path)
    choose(copy, ["kafka-ca"])
    for file in (copy / "settings.env", copy / "kafka.env"):
        file.write_text(
            re.sub(r"^# (PROOFRAIL_KAFKA_\w+=)(.*)", r"\1\2", file.read_text(), flags=re.MULTILINE)
        )
    (copy / "kafka.env").write_text((copy / "kafka.env").read_text().replace("PASSWORD=", "PASSWORD=secret"))
    manifests = built(copy)
    for name, pod in pods(manifests).items():
        env = environment(manifests, name)
        for variable, value in env.items():
            monkeypatch.setenv(variable, value)
        kafka = KafkaSettings()
        assert ("SASL_SSL", "SCRAM-SHA-512", "proofrail") == (
            kafka.security_protocol,
            kafka.sasl_mechanism,
            kafka.sasl_username,
        )
        assert kafka.sasl_password is not None
        assert "secret" == kafka.sasl_password.get_secret_value()
        (container,) = pod["spec"]["containers"]
        assert str(kafka.tls_ca_file).startswith("/run/kafka/")
        assert "/run/kafka" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_a_pod_sees_no_secret_but_its_own(everything: list[Manifest]) -> None:
    """A key signs for one service alone; who reads no proofs has no credentials of the store."""
    seen: dict[str, set[str]] = {}
    for name, pod in pods(everything).items():
        (container,) = pod["spec"]["containers"]
        named = [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source]
        named += [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
        for secret in named:
            seen.setdefault(secret.rpartition("-")[0], set()).add(name)
    assert {
        "kafka": {*SERVICES, "topics"},
        "store": {*SERVICES} - {"tracer"},
        "chain": {"registrar"},
        "explorer": {"explorer"},
        "tracer-key": {"tracer"},
        "auditor-key": {"auditor"},
    } == seen


def test_secrets_are_not_in_config_maps(everything: list[Manifest]) -> None:
    """The words that a secret's name has."""
    named = [name for one in everything if one["kind"] == "ConfigMap" for name in one["data"]]
    assert {"PROOFRAIL_CHECKPOINT_KEYS", "PROOFRAIL_AUDITOR_KEYS"} == {
        name for name in named if re.search("KEY|SECRET|PASSWORD|TOKEN|USERNAME", name)
    }


def test_pods_may_do_nothing_but_their_work(everything: list[Manifest]) -> None:
    """What the profile `restricted`, which the namespace enforces, demands, and a read-only root beside; no token of
    the cluster, no settings from the names of Services."""
    assert (
        "restricted"
        == named(everything, "Namespace", "proofrail")["metadata"]["labels"][
            "pod-security.kubernetes.io/enforce"
        ]
    )
    for pod in pods(everything).values():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
        assert (False, False) == (spec["automountServiceAccountToken"], spec["enableServiceLinks"])
        assert set() == {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert (
            {"name"}
            < {member for volume in spec["volumes"] for member in volume}
            <= {*("name", "emptyDir", "secret", "configMap", "persistentVolumeClaim")}
        )
        (container,) = spec["containers"]
        assert {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        } == container["securityContext"]
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_pod_is_given_longer_than_its_service_takes_to_end(everything: list[Manifest]) -> None:
    """Or Kubernetes would kill what is just being handed back."""
    for name in SERVICES:
        env = environment(everything, name)
        drains = float(env.get("PROOFRAIL_DRAIN_SECONDS") or ServiceSettings().drain_seconds)
        given = pods(everything)[name]["spec"]["terminationGracePeriodSeconds"]
        assert drains + ENDS_WITHIN_S < given


def test_a_prover_has_room_for_the_largest_run(everything: list[Manifest]) -> None:
    """A run that holds what one proof can, by the share of the container's limit that a proof may take. What stands in
    memory beside it, temporary files and the service, has the rest."""
    prover = pods(everything)["prover"]["spec"]
    limit = memory_of(prover["containers"][0]["resources"]["limits"]["memory"] + "B")
    share = SERVICES["prover"].model_fields["proof_memory_limit"].default
    assert share.endswith("%")
    allowed = limit * int(share.removesuffix("%")) // 100
    least, hashes = BUILDS["risk_engine"].least, STWO_LIMITS.max_instances["pedersen"]
    parameters = choose_stwo().parameters
    assert predict(parameters, hashes // least.hashes * least.steps, hashes).memory_bytes <= allowed
    # And what the README says for half of it.
    half = int(re.findall(r"PROOFRAIL_MAX_HASHES=(\d+)", (KUBERNETES / "README.md").read_text())[0])
    assert predict(parameters, half // least.hashes * least.steps, half).memory_bytes <= allowed // 2


def test_budgets_never_hold_up_a_nodes_draining(everything: list[Manifest]) -> None:
    """One for each service; even one of a single replica lets its pod go."""
    budgets = {
        one["metadata"]["name"]: one["spec"] for one in everything if one["kind"] == "PodDisruptionBudget"
    }
    assert set(SERVICES) == set(budgets)
    for name, budget in budgets.items():
        assert (1, "AlwaysAllow") == (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"])
        chosen = budget["selector"]["matchLabels"].items()
        assert chosen <= pods(everything)[name]["metadata"]["labels"].items()


def test_every_service_and_policy_chooses_pods_that_have_its_ports(everything: list[Manifest]) -> None:
    """A slip in a label or in a port's name would leave it without any."""
    for manifest in everything:
        if manifest["kind"] != "Service":
            continue
        chosen = [
            pod["spec"]["containers"][0]
            for pod in pods(everything).values()
            if manifest["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ]
        assert chosen
        names = [{port["name"] for port in container.get("ports", ())} for container in chosen]
        for port in manifest["spec"]["ports"]:
            assert any(port["targetPort"] in one for one in names)
    opened = {
        port["port"]
        for manifest in everything
        if manifest["kind"] == "NetworkPolicy"
        for rule in manifest["spec"]["ingress"]
        for port in rule["ports"]
    }
    listened = {
        port["containerPort"]
        for pod in pods(everything).values()
        for port in pod["spec"]["containers"][0].get("ports", ())
    }
    assert listened == opened


def steps() -> list[str]:
    """The README's blocks of commands, in their order."""
    text = (KUBERNETES / "README.md").read_text()
    return [
        re.sub(r"^ {4}", "", block, flags=re.MULTILINE)
        for block in re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE)
    ]


def test_the_steps_of_the_readme_make_all_that_is_needed(tmp_path: Path) -> None:
    """Its settings, taken as they stand in a fresh copy: what kustomize then makes has keys that fit together."""
    (settings,) = (block for block in steps() if "settings.env.example" in block)
    copy = copied(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", settings],
        cwd=copy,
        env={**os.environ, "PATH": path, "REGISTRY": "registry.example/ours"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 0 == said.returncode, said.stderr
    manifests = built(copy)
    public = named(manifests, "ConfigMap", "public-keys")["data"]
    assert public["PROOFRAIL_CHECKPOINT_KEYS"].startswith("proofrail-tracer+")
    assert public["PROOFRAIL_AUDITOR_KEYS"].startswith("proofrail-auditor+")
    assert 32 == len(environment(manifests, "explorer")["PROOFRAIL_EXPLORER_TOKEN"])
    images = {pod["spec"]["containers"][0]["image"] for pod in pods(manifests).values()}
    assert {f"registry.example/ours/proofrail-{name}:1" for name in (*SERVICES, "cli")} == images


def test_the_readme_names_what_there_is(base: list[Manifest]) -> None:
    """Every image, and the objects that its commands go by."""
    (images,) = (block for block in steps() if "docker build" in block)
    (wanted,) = re.findall(r"^for target in ([a-z ]+);", images, re.MULTILINE)
    used = {pod["spec"]["containers"][0]["image"].partition(":")[0] for pod in pods(base).values()}
    assert used == {f"proofrail-{target}" for target in wanted.split()}
    commands = [
        line for block in steps() for line in block.splitlines() if line.startswith("kubectl --namespace")
    ]
    assert commands
    for words in map(shlex.split, commands):
        assert "proofrail" == words[words.index("--namespace") + 1]
        kind, _, name = next(
            word for word in words if re.match("(job|statefulset|service)/", word)
        ).partition("/")
        assert named(base, {"job": "Job", "statefulset": "StatefulSet", "service": "Service"}[kind], name)


def test_the_readme_tells_how_to_have_more_provers(tmp_path: Path) -> None:
    """The line that it shows, in the kustomization."""
    copy = filled(tmp_path)
    (line,) = re.findall(
        r"`(replicas: \[.*\])` in `kustomization.yaml`", (KUBERNETES / "README.md").read_text()
    )
    with (copy / "kustomization.yaml").open("a") as file:
        file.write(f"{line}\n")
    assert 2 == named(built(copy), "StatefulSet", "prover")["spec"]["replicas"]


@needs_promtool
@pytest.mark.prometheus
def test_prometheus_takes_the_readmes_job(tmp_path: Path, base: list[Manifest]) -> None:
    """But for the discovery, which Debian's does not know. It keeps the port that every service has, and
    labels it with the service's name."""
    (shown,) = re.findall(r"^```yaml\n([\s\S]*?)^```$", (KUBERNETES / "README.md").read_text(), re.MULTILINE)
    configuration = yaml.safe_load(shown)
    (job,) = configuration["scrape_configs"]
    assert [{"role": "pod", "namespaces": {"names": ["proofrail"]}}] == job.pop("kubernetes_sd_configs")
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert 0 == said.returncode, said.stderr
    found = {tuple(rule["source_labels"]): rule for rule in job["relabel_configs"]}
    assert "job" == found["__meta_kubernetes_pod_label_app_kubernetes_io_name",]["target_label"]
    assert "metrics" == found["__meta_kubernetes_pod_container_port_name",]["regex"]
    for name in SERVICES:
        pod = pods(base)[name]
        assert name == pod["metadata"]["labels"]["app.kubernetes.io/name"]
        assert "metrics" in [port["name"] for port in pod["spec"]["containers"][0]["ports"]]
