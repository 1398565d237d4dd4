"""The manifests of deploy/kubernetes as `kubectl apply -k` would send them."""

from __future__ import annotations

import base64
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, TRACER_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from tests.deploy.tools import DEPLOY

KUBERNETES: Final = DEPLOY / "kubernetes"
COMPONENTS: Final = tuple(sorted(path.name for path in (KUBERNETES / "components").iterdir()))
_LEAST_KUSTOMIZE: Final = 5

Manifest = dict[str, Any]


def copied(folder: Path) -> Path:
    """A copy of the folder as it is in the repository, without anybody's settings, keys and certificates."""
    ours = shutil.ignore_patterns("keys", "*.env", "*.crt")
    return Path(shutil.copytree(KUBERNETES, folder / "kubernetes", ignore=ours))


def filled(folder: Path) -> Path:
    """A copy in which the steps of its README were taken, with other keys."""
    copy = copied(folder)
    for example in copy.glob("*.env.example"):
        shutil.copy(example, example.with_suffix(""))
    (copy / "explorer.env").write_text(f"PROOFRAIL_EXPLORER_TOKEN={'x' * 16}\n")
    (copy / "components" / "kafka-ca" / "kafka-ca.crt").write_text("PEM\n")
    for name in (TRACER_KEY_NAME, AUDITOR_KEY_NAME):
        load_or_make_signer(copy / "keys" / f"{name.removeprefix('proofrail-')}.key", name, os.urandom)
    return copy


def choose(copy: Path, components: Sequence[str]) -> None:
    """Take the sign away before these components, as the README says."""
    file = copy / "kustomization.yaml"
    text = file.read_text()
    for name in components:
        text = text.replace(f"  # - components/{name}\n", f"  - components/{name}\n")
    file.write_text(text)


def built(copy: Path) -> list[Manifest]:
    """What kustomize makes of it. Skips without any that knows components."""
    said = subprocess.run(
        [*_kustomize(), str(copy)], check=False, capture_output=True, text=True, timeout=120
    )
    assert (0, "") == (said.returncode, said.stderr)
    return list(yaml.safe_load_all(said.stdout))


@functools.cache
def _kustomize() -> tuple[str, ...]:
    if (kustomize := shutil.which("kustomize")) is not None:
        return kustomize, "build"
    if (kubectl := shutil.which("kubectl")) is None:
        pytest.skip("neither kustomize nor kubectl is on PATH")
    version = [kubectl, "version", "--client", "--output=json"]
    said = json.loads(subprocess.run(version, check=True, capture_output=True, timeout=60).stdout)
    if int(said.get("kustomizeVersion", "v0").strip("v").split(".")[0]) < _LEAST_KUSTOMIZE:
        pytest.skip("kubectl is older than 1.27: its kustomize does not know what the manifests use")
    return kubectl, "kustomize"


def named(manifests: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The object of this kind and name; a generated name may carry its hash."""
    (found,) = [
        manifest
        for manifest in manifests
        if manifest["kind"] == kind
        and name in (called := manifest["metadata"]["name"], called.rpartition("-")[0])
    ]
    return found


def pods(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """The templates of pods, by the name of what makes them."""
    return {
        manifest["metadata"]["name"]: manifest["spec"]["template"]
        for manifest in manifests
        if manifest["kind"] in ("StatefulSet", "Job")
    }


def environment(manifests: Sequence[Manifest], pod: str) -> dict[str, str]:
    """What the pod's container finds in its environment; later sources win, and `env` over all, as in Kubernetes."""
    (container,) = pods(manifests)[pod]["spec"]["containers"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        ((kind, reference),) = source.items()
        if kind == "configMapRef":
            found |= named(manifests, "ConfigMap", reference["name"])["data"]
        else:
            encoded = named(manifests, "Secret", reference["name"])["data"]
            found |= {name: base64.b64decode(value).decode() for name, value in encoded.items()}
    for entry in container.get("env", ()):
        field = entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        found[entry["name"]] = f"{pod}-0" if field == "metadata.name" else entry["value"]
    return found
