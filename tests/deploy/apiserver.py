"""A Kubernetes API server of one's own on loopback, with etcd: no controllers, no nodes."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

PROGRAMS: Final = ("etcd", "kube-apiserver", "kubectl")
needs_apiserver = pytest.mark.skipif(
    None in map(shutil.which, PROGRAMS), reason=f"not all of {', '.join(PROGRAMS)} are on PATH"
)
_TOKEN: Final = "of-this-test-alone"
_STARTS_WITHIN_S: Final = 120
_POLL_S: Final = 0.2


@dataclass(frozen=True)
class ApiServer:
    """A running server, and who may do everything there."""

    config: Path

    def kubectl(self, *arguments: str | Path) -> str:
        """What kubectl says on stdout. Raises AssertionError when it fails, or has anything to say on stderr: that is
        where the server's warnings go."""
        said = self.tried(*arguments)
        assert "" == said.stderr
        assert 0 == said.returncode
        return said.stdout

    def tried(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--kubeconfig", str(self.config), *map(str, arguments)]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """Start both, wait until the server is ready, end both."""
    etcd, peers, port = _free_ports(3)
    (folder / "tokens.csv").write_text(f"{_TOKEN},test,test,system:masters\n")
    key = ec.generate_private_key(ec.SECP256R1())
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private, public = folder / "accounts.key", folder / "accounts.pub"
    private.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.TraditionalOpenSSL, plain))
    public.write_bytes(
        key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    store = [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{etcd}",
        f"--advertise-client-urls=http://127.0.0.1:{etcd}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
    ]
    server = [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'certificates'}",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={public}",
        f"--service-account-signing-key-file={private}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        # Its accounts are made by a controller, which is not there.
        "--disable-admission-plugins=ServiceAccount",
    ]
    config = folder / "config.yaml"
    config.write_text(_configuration(port, folder / "certificates" / "apiserver.crt"))
    with _started("etcd", store, folder), _started("kube-apiserver", server, folder) as process:
        found = ApiServer(config)
        _until_ready(found, process, folder)
        yield found


def _until_ready(server: ApiServer, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while server.tried("get", "--raw", "/readyz").returncode:
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(
                f"kube-apiserver did not start:\n{(folder / 'kube-apiserver.log').read_text()[-4000:]}"
            )
        time.sleep(_POLL_S)


@contextlib.contextmanager
def _started(program: str, arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{program}.log").open("wb") as log:
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


def _configuration(port: int, authority: Path) -> str:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
    )
