"""deploy/kubernetes applied to a real API server: what it refuses, and what it warns of.

With PROOFRAIL_KEDA_CRDS, a folder of KEDA's resource definitions (config/crd/bases of its sources), KEDA's objects too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.apiserver import ApiServer, needs_apiserver, running
from tests.deploy.manifests import COMPONENTS, built, choose, filled, pods

pytestmark = [needs_apiserver, pytest.mark.slow]

CRDS = os.environ.get("PROOFRAIL_KEDA_CRDS")
KINDS = "statefulsets,jobs,services,configmaps,secrets,networkpolicies,poddisruptionbudgets"
OFFERED = [name for name in COMPONENTS if CRDS or not name.startswith("keda")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with running(tmp_path_factory.mktemp("kubernetes")) as found:
        if CRDS:
            found.kubectl("apply", "--server-side", "--filename", CRDS)
            found.kubectl("wait", "--for=condition=established", "--timeout=60s", "--all", "crd")
        yield found


@pytest.mark.parametrize("components", [[], OFFERED], ids=["base", "everything"])
def test_everything_is_taken_without_a_warning(
    server: ApiServer, tmp_path: Path, components: list[str]
) -> None:
    """Applied as the README says, members checked strictly, the job of before removed. Once more, nothing changes."""
    copy = filled(tmp_path)
    choose(copy, components)
    apply = ["apply", "--server-side", "--validate=strict", "-k", copy]
    server.kubectl("delete", "job/topics", "--namespace=proofrail", "--ignore-not-found")
    server.kubectl(*apply)
    there = ["get", KINDS, "--namespace=proofrail", "--output=yaml"]
    before = server.kubectl(*there)
    server.kubectl(*apply)
    assert before == server.kubectl(*there)


def test_the_namespace_admits_our_pods_and_no_laxer_ones(server: ApiServer, tmp_path: Path) -> None:
    """Pods made from the templates, as a controller would make them, pass the profile `restricted`."""
    copy = filled(tmp_path)
    choose(copy, OFFERED)
    manifests = built(copy)
    server.kubectl("apply", "--server-side", "-k", copy)
    for name, template in pods(manifests).items():
        pod = {**template, "apiVersion": "v1", "kind": "Pod"}
        pod["metadata"] = {**template["metadata"], "name": f"{name}-0", "namespace": "proofrail"}
        # A claim's volume is added by the controller of stateful sets.
        mounted = {mount["name"] for mount in template["spec"]["containers"][0]["volumeMounts"]}
        claims = mounted - {volume["name"] for volume in template["spec"]["volumes"]}
        volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
        pod["spec"] = {**template["spec"], "volumes": template["spec"]["volumes"] + volumes}
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(pod))
        server.kubectl("create", "--validate=strict", "--filename", file)
        lax = {**pod, "metadata": {**pod["metadata"], "name": f"{name}-lax"}}
        lax["spec"] = {**pod["spec"], "securityContext": {}}
        file.write_text(yaml.safe_dump(lax))
        said = server.tried("create", "--filename", file)
        assert said.returncode
        assert 'violates PodSecurity "restricted' in said.stderr
