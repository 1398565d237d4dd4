"""What brokers of one node are set to: said once, in the embedded broker."""

from __future__ import annotations

from tests.broker import COMPOSE

from proofrail.messaging.embedded import SINGLE_NODE

_OF_ITS_OWN = {
    "KAFKA_NODE_ID",
    "KAFKA_PROCESS_ROLES",
    "KAFKA_LISTENERS",
    "KAFKA_ADVERTISED_LISTENERS",
    "KAFKA_CONTROLLER_LISTENER_NAMES",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP",
    "KAFKA_CONTROLLER_QUORUM_VOTERS",
    "KAFKA_LOG_DIRS",
}
"""Where a broker is found and keeps its data."""


def test_the_broker_of_compose_is_set_as_the_embedded_one() -> None:
    """A setting of the one alone would make a service behave differently there."""
    shared = {name: value for name, value in COMPOSE["environment"].items() if name not in _OF_ITS_OWN}
    assert {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in SINGLE_NODE.items()} == shared
