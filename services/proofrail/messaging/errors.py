"""What can go wrong between a service and Kafka, by what the service must do."""

from __future__ import annotations

from typing import Final

from aiokafka import errors as kafka

from proofrail.wire.errors import ProofrailError, TransientError

EXIT_RESTART: Final = 75
"""Exit status (EX_TEMPFAIL) of a service that must be started anew by its supervisor: its place was taken
by another instance, or its own state may no longer agree with the topics."""


class RestartRequiredError(ProofrailError):
    """This process must end (`EXIT_RESTART`) and be started anew: what it holds in memory is no longer
    known to agree with the topics. Codes: `producer-fenced`, `outcome-unknown`, `consumer-stuck`."""


class PartitionLostError(TransientError):
    """The records in hand now belong to another instance: drop them and read on. Nothing was published."""


class BrokerUnavailableError(TransientError):
    """The broker did not answer in time. Nothing was published."""


def fenced(error: BaseException | None) -> bool:
    """Whether `error`, or what caused it, says that another producer took over our transactional id."""
    while error is not None:
        if isinstance(error, kafka.ProducerFenced | kafka.InvalidProducerEpoch):
            return True
        error = error.__cause__
    return False


def producer_fenced(transactional_id: str) -> RestartRequiredError:
    return RestartRequiredError(
        "producer-fenced",
        f"another producer uses the transactional id {transactional_id}, or a transaction took too long",
        "Give each instance a PROOFRAIL_INSTANCE of its own; the supervisor starts this one anew",
        transactional_id=transactional_id,
    )
