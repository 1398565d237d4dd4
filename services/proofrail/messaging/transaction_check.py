"""Whether a broker ends transactions. One that cannot reach its own advertised address takes records and begins
transactions, and ends none: its markers never arrive."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from aiokafka import errors as kafka_errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.transaction import AddOffsetsToTxnRequest, EndTxnRequest, InitProducerIdRequest

from proofrail.messaging.errors import BrokerUnavailableError
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.errors import UnusableInputError

T = TypeVar("T")

CHECK_ID: Final = "proofrail-doctor"
"""Transactional id and group of the check."""

_BREATH_S: Final = 0.05
_ABORT: Final = False
_ADDRESSES_S: Final = 2.0
_AGAIN: Final = (
    kafka_errors.InvalidProducerEpoch,  # another check took over the transactional id
    kafka_errors.ProducerFenced,
    kafka_errors.ConcurrentTransactions,
    kafka_errors.NodeNotReadyError,
)


async def check_transactions(kafka: KafkaSettings, within_s: float) -> None:
    """Abort a transaction in which a group was to move and did not, and return when its end is written. No topic has a
    record more for it but Kafka's own.

    Raises UnusableInputError `transactions-not-permitted`; BrokerUnavailableError `transactions-unfinished`, after
    `within_s` seconds.
    """
    client = AIOKafkaClient(**kafka.client_options())
    last: kafka_errors.KafkaError | None = None

    async def until_done(work: Callable[[], Awaitable[T]]) -> T:
        nonlocal last
        while True:
            try:
                return await work()
            except kafka_errors.KafkaError as error:
                if not (error.retriable or isinstance(error, _AGAIN)):
                    raise
                last = error
            await asyncio.sleep(_BREATH_S)

    try:
        async with asyncio.timeout(within_s):
            await client.bootstrap()
            await until_done(lambda: _abort_one(client))
            # The broker answers before the end is written, and takes the next transaction after it.
            await until_done(lambda: _producer(client))
    except kafka_errors.TransactionalIdAuthorizationFailed as error:
        raise _not_permitted("WRITE", f"transactional id {CHECK_ID}") from error
    except kafka_errors.GroupAuthorizationFailedError as error:
        raise _not_permitted("READ", f"group {CHECK_ID}") from error
    except (TimeoutError, kafka_errors.KafkaError) as error:
        if isinstance(last, kafka_errors.ConcurrentTransactions):
            raise await _unfinished(kafka, within_s) from error
        raise BrokerUnavailableError(
            "transactions-unfinished",
            f"{kafka.bootstrap} began no transaction within {within_s:.0f} s: {last or error!r}",
            "Look into the broker's log. Fewer brokers than transaction.state.log.replication.factor and "
            "offsets.topic.replication.factor say (3 where nobody has set them) take none",
        ) from error
    finally:
        await client.close()


async def _abort_one(client: AIOKafkaClient) -> None:
    node, producer = await _producer(client)
    # Its topic must be there: a marker for one that is not is never written.
    await client.coordinator_lookup(CoordinationType.GROUP, CHECK_ID)
    await _ask(client, node, AddOffsetsToTxnRequest(CHECK_ID, *producer, CHECK_ID))
    await _ask(client, node, EndTxnRequest(CHECK_ID, *producer, _ABORT))


async def _producer(client: AIOKafkaClient) -> tuple[int, tuple[int, int]]:
    """The coordinator of our transactions, and the producer's id and epoch, once no transaction of ours is open."""
    node = await client.coordinator_lookup(CoordinationType.TRANSACTION, CHECK_ID)
    answer = await _ask(client, node, InitProducerIdRequest(CHECK_ID, 10_000))
    return node, (answer.producer_id, answer.producer_epoch)


async def _ask(client: AIOKafkaClient, node: int, request: Any) -> Any:
    answer = await client.send(node, request)
    if answer.error_code:
        error: kafka_errors.KafkaError = kafka_errors.for_code(answer.error_code)()
        raise error
    return answer


def _not_permitted(operation: str, resource: str) -> UnusableInputError:
    return UnusableInputError(
        "transactions-not-permitted",
        f"the broker does not permit this user {operation} on the {resource}",
        f"Permit it WRITE on the transactional id and READ on the group {CHECK_ID}, or ask as a user who has both",
    )


async def _unfinished(kafka: KafkaSettings, within_s: float) -> BrokerUnavailableError:
    return BrokerUnavailableError(
        "transactions-unfinished",
        f"{kafka.bootstrap} did not end an empty transaction within {within_s:.0f} s: most likely a broker cannot "
        f"reach its own advertised address{await _addresses(kafka)}, and takes records but no transactions",
        "Set advertised.listeners, for the listener that inter.broker.listener.name names, to what the brokers "
        "themselves reach as well, and start them anew; their logs name the address that they try",
    )


async def _addresses(kafka: KafkaSettings) -> str:
    """Where the brokers tell one another that they are, as far as they let us know."""
    found: list[str] = []
    with contextlib.suppress(kafka_errors.KafkaError, TimeoutError):
        async with asyncio.timeout(_ADDRESSES_S):
            admin = AIOKafkaAdminClient(**kafka.client_options())
            try:
                await admin.start()
                nodes = [str(broker["node_id"]) for broker in (await admin.describe_cluster())["brokers"]]
                answers: list[Any] = await admin.describe_configs(
                    [ConfigResource(ConfigResourceType.BROKER, node) for node in nodes]
                )
            finally:
                await admin.close()
        for _, _, _, node, entries in (resource for answer in answers for resource in answer.resources):
            configs = {str(entry[0]): str(entry[1] or "") for entry in entries}
            own = f"{configs.get('inter.broker.listener.name')}://"
            addresses = configs.get("advertised.listeners", "").split(",")
            found += [f"broker {node} at {one}" for one in addresses if one.startswith(own)]
    return f" ({', '.join(found)})" if found else ""
