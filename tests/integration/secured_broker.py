"""A broker that takes nobody without TLS and a password: certificates made for it, users of each mechanism."""

from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.jars import kafka_jars
from proofrail.messaging.java import find_java

USER, PASSWORD = "proofrail", "pass-word"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class Authority:
    """A certificate authority of the test's own, its certificate in a file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self.certificate = self._sign(self._name, self._key.public_key(), authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(_pem(self.certificate))

    def issue(self, name: str) -> tuple[str, str]:
        """Private key and certificate for `name` on loopback, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return private.decode(), _pem(self._sign(subject, key.public_key())).decode()

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )


@contextmanager
def secured_broker(folder: Path, port: int, authority: Authority) -> Iterator[EmbeddedKafka]:
    """A broker whose listener on `port` takes TLS and SASL alone, PLAIN and SCRAM; its plain one is for the broker."""
    key, certificate = authority.issue("broker")
    listener = "listener.name.secured"
    kafka = EmbeddedKafka(
        folder,
        cache_dir(),
        properties={
            "listeners": "PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller},"
            f"SECURED://127.0.0.1:{port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{broker}},SECURED://127.0.0.1:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL",
            f"{listener}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
            f"{listener}.plain.sasl.jaas.config": f'{_PLAIN} required user_{USER}="{PASSWORD}";',
            f"{listener}.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
            f"{listener}.ssl.keystore.type": "PEM",
            f"{listener}.ssl.keystore.key": _one_line(key),
            f"{listener}.ssl.keystore.certificate.chain": _one_line(certificate),
        },
    )
    with kafka:
        _add_scram_user(kafka.bootstrap)
        yield kafka


def _add_scram_user(bootstrap: str) -> None:
    wanted = f"SCRAM-SHA-512=[password={PASSWORD}]"
    jars = os.pathsep.join(map(str, kafka_jars(cache_dir())))
    tool = [str(find_java().path), "-cp", jars, "kafka.admin.ConfigCommand", "--bootstrap-server", bootstrap]
    change = ["--alter", "--add-config", wanted, "--entity-type", "users", "--entity-name", USER]
    subprocess.run([*tool, *change], check=True, capture_output=True, timeout=60)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _one_line(pem: str) -> str:
    return pem.strip().replace("\n", "\\n")
