"""Reads the dead letters of a running system."""

from __future__ import annotations

from proofrail.cli.dlq_letters import TOPICS, ForLetters, Letters
from proofrail.cli.topic_reading import read
from proofrail.messaging.settings import KafkaSettings


async def read_letters(kafka: KafkaSettings) -> Letters:
    """All dead letters on the topics. Raises as `read`."""
    return Letters(await read(kafka, TOPICS, ForLetters()))
