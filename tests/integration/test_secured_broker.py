"""A broker that demands TLS and a login: everything goes over it, and what it refuses is told apart."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.faults import proposals
from tests.faults.forging import proposed
from tests.faults.systems import Service, environment
from tests.faults.watching import followed
from tests.integration.secured_broker import PASSWORD, USER, Authority, secured_broker

from proofrail.commitment.checkpoint import TRACER_KEY_NAME, generate_key
from proofrail.messaging.client import publish, wait_for_broker
from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.errors import UnusableInputError

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@dataclass(frozen=True)
class Secured:
    """A running broker; `settings` lead to it, with what a test changes in them."""

    port: int
    authority: Authority

    def settings(self, **changes: Any) -> KafkaSettings:
        right = {
            "bootstrap": f"127.0.0.1:{self.port}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "tls_ca_file": self.authority.file,
        }
        return KafkaSettings(**{**right, **changes})


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    authority = Authority(folder / "ca")
    with secured_broker(folder / "kafka", port, authority):
        yield Secured(port, authority)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_services_work_over_tls_with_a_login(secured: Secured, tmp_path: Path, mechanism: str) -> None:
    """A proposal is traced in a transaction and audited, by services that know the broker by its settings alone."""
    kafka = secured.settings(sasl_mechanism=mechanism)
    await ensure_topics(kafka)
    private, public = generate_key(TRACER_KEY_NAME, bytes(32))
    (tmp_path / "tracer.key").write_text(private + "\n")
    (tmp_path / "tracer.key").chmod(0o600)
    env = {
        **environment(tmp_path, kafka),
        "PROOFRAIL_CHECKPOINT_KEYS": public,
        "PROOFRAIL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "PROOFRAIL_KAFKA_SASL_MECHANISM": mechanism,
        "PROOFRAIL_KAFKA_SASL_USERNAME": USER,
        "PROOFRAIL_KAFKA_SASL_PASSWORD": PASSWORD,
        "PROOFRAIL_KAFKA_TLS_CA_FILE": str(secured.authority.file),
    }
    async with (
        followed(kafka) as contents,
        Service("tracer", env) as tracer,
        Service("auditor", env) as auditor,
    ):
        before = len(contents.runs)
        await publish(kafka, proposed(proposals.several(f"secured-{mechanism}", 1)))
        await contents.until(lambda: len(contents.runs) > before, 30, "a run")
        run = contents.runs[-1]
        await contents.until(lambda: contents.reports(run, "run"), 30, "its report")
        assert ["MATCH"] == [report["verdict"] for report in contents.reports(run, "run")]
        assert (0, 0) == (await tracer.stop(), await auditor.stop())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sasl_password": "another"}, "kafka-login"),
        ({"sasl_username": "nobody", "sasl_mechanism": "PLAIN"}, "kafka-login"),
        ({"sasl_mechanism": "SCRAM-SHA-256"}, "kafka-login"),
        ({"tls_ca_file": "other"}, "kafka-certificate"),
    ],
)
async def test_what_a_broker_refuses_is_said_and_not_tried_for_ever(
    secured: Secured, tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    """Wrong login or authority end with a code of their own, in what creates topics and what waits for the broker."""
    if "tls_ca_file" in changes:
        changes = {"tls_ca_file": Authority(tmp_path / "other").file}
    for use in (wait_for_broker, ensure_topics):
        with pytest.raises(UnusableInputError) as caught:
            await use(secured.settings(**changes))
        assert code == caught.value.code


async def test_a_service_with_a_wrong_password_ends_at_once(secured: Secured, tmp_path: Path) -> None:
    """Exit status 2 and the code, for its supervisor and the operator; no endless retry."""
    env = {
        **environment(tmp_path, secured.settings()),
        "PROOFRAIL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "PROOFRAIL_KAFKA_SASL_MECHANISM": "PLAIN",
        "PROOFRAIL_KAFKA_SASL_USERNAME": USER,
        "PROOFRAIL_KAFKA_SASL_PASSWORD": "another",
        "PROOFRAIL_KAFKA_TLS_CA_FILE": str(secured.authority.file),
    }
    with pytest.raises(AssertionError, match="kafka-login"):
        async with Service("auditor", env):
            pass


async def test_a_broker_that_speaks_no_tls_is_named_with_the_setting(
    secured: Secured, kafka: KafkaSettings
) -> None:
    """One that closes every connection may be starting: it is waited for, and the error then says what to check."""
    with pytest.raises(BrokerUnavailableError) as caught:
        await wait_for_broker(secured.settings(bootstrap=kafka.bootstrap), 1.0)
    assert "PROOFRAIL_KAFKA_SECURITY_PROTOCOL" in str(caught.value)
