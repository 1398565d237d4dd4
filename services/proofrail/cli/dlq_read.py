"""Reads the dead letters of a running system."""

from __future__ import annotations

from proofrail.cli.dlq_letters import TOPICS, Letters
from proofrail.cli.run_records import read
from proofrail.messaging.settings import KafkaSettings


async def read_letters(kafka: KafkaSettings) -> Letters:
    """All dead letters on the topics. Raises BrokerUnavailableError."""
    return Letters(await read(kafka, TOPICS))
