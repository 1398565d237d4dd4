"""Settings of everything that talks to Kafka and of every service (environment prefix `PROOFRAIL_`)."""

from __future__ import annotations

import os
import socket
import ssl
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from aiokafka.conn import collect_hosts
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from proofrail.wire.errors import UnusableInputError

_PARTITION_FETCH: Final = 4 * 1024 * 1024


class KafkaSettings(BaseSettings):
    """How to reach the broker, from `PROOFRAIL_KAFKA_…`; security settings are passed on to aiokafka."""

    model_config = SettingsConfigDict(
        env_prefix="PROOFRAIL_KAFKA_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    bootstrap: str = "127.0.0.1:9092"
    """`host:port`, several separated by commas."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None

    tls_ca_file: Path | None = None
    """PEM bundle that the broker's certificate is checked against; the system's when absent."""
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_key_password: SecretStr | None = None

    request_timeout_ms: int = Field(default=15_000, ge=1_000)
    session_timeout_ms: int = Field(default=10_000, ge=1_000)
    """After so long without a sign of life a member of a group is taken for dead; the broker sets bounds."""
    max_poll_interval_ms: int = Field(default=60_000, ge=1_000)
    """After so long without asking for records a member leaves its group. A proof may take longer: records are asked
    for meanwhile."""
    replication_factor: int = Field(default=1, ge=1)
    """For topics that are created."""

    @field_validator("bootstrap")
    @classmethod
    def _reachable(cls, value: str) -> str:
        """As aiokafka reads it, which would say so only when it connects."""
        servers = [server for server in value.split(",") if server.strip()]
        if not servers:
            raise ValueError("it names no broker")
        for server in servers:
            try:
                host, port, _ = collect_hosts(server)[0]
            except ValueError:
                host, port = "", 0
            if not (host and 0 < port < 65536):
                raise ValueError(f"{server!r:.80} is no host:port")
        return value

    @model_validator(mode="after")
    def _complete(self) -> KafkaSettings:
        if self.security_protocol.startswith("SASL") and not (self.sasl_username and self.sasl_password):
            raise ValueError(f"{self.security_protocol} needs sasl_username and sasl_password")
        if self.tls_key_file and not self.tls_cert_file:
            raise ValueError("tls_key_file needs tls_cert_file")
        return self

    @property
    def servers(self) -> list[str]:
        """The brokers of `bootstrap`, each `host:port`."""
        return [server.strip() for server in self.bootstrap.split(",") if server.strip()]

    def client_options(self) -> dict[str, Any]:
        """The options that every aiokafka client takes.

        Raises UnusableInputError `kafka-tls` when a certificate or key cannot be loaded.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "request_timeout_ms": self.request_timeout_ms,
            "security_protocol": self.security_protocol,
        }
        if self.security_protocol.startswith("SASL") and self.sasl_password is not None:
            options |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password.get_secret_value(),
            }
        if self.security_protocol.endswith("SSL"):
            options["ssl_context"] = self._tls()
        return options

    def reader_options(self) -> dict[str, Any]:
        """`client_options`, with those of every consumer that reads what is on the topics: only what was committed,
        its positions nobody's but its own, and a whole large record at once. Raises as `client_options`."""
        return {
            **self.client_options(),
            "isolation_level": "read_committed",
            "enable_auto_commit": False,
            "max_partition_fetch_bytes": _PARTITION_FETCH,
        }

    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.tls_ca_file)
            if self.tls_cert_file:
                password = self.tls_key_password.get_secret_value() if self.tls_key_password else None
                context.load_cert_chain(self.tls_cert_file, self.tls_key_file, password)
        except (OSError, ssl.SSLError) as error:
            raise UnusableInputError(
                "kafka-tls",
                f"cannot load the TLS files for Kafka: {error}",
                "Check PROOFRAIL_KAFKA_TLS_CA_FILE, _TLS_CERT_FILE and _TLS_KEY_FILE",
            ) from error
        return context


class ServiceSettings(BaseSettings):
    """What every service has; each service derives its own settings from it."""

    model_config = SettingsConfigDict(env_prefix="PROOFRAIL_", extra="ignore", use_attribute_docstrings=True)

    instance: str = Field(default_factory=lambda: os.environ.get("HOSTNAME") or socket.gethostname())
    """Stable over restarts and different for each instance: the transactional id is built from it, and the
    broker then aborts what a killed predecessor left open."""

    health_host: str = "127.0.0.1"
    health_port: int = Field(default=0, ge=0, le=65535)
    """0 takes a free port, which is logged."""

    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto`: console on a terminal, JSON lines elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    drain_seconds: float = Field(default=25.0, gt=0)
    """How long work in hand may take after SIGTERM before it is cancelled."""

    key_until: date | None = None
    """The day (YYYY-MM-DD, its first moment in UTC) on which the service's signing key is to be changed. Keys do not
    end by themselves: this is for the alert that says so some time before."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
