"""How a pipeline shares partitions with its group, and hears of changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor


def assignor_for(topics: Sequence[str]) -> type[AbstractPartitionAssignor]:
    """For one topic sticky, so that work in hand survives another instance joining; for several by range,
    which keeps equal partition numbers together. aiokafka keeps the sticky assignor's state on its class: a
    class for each pipeline keeps two groups in one process apart."""
    if len(topics) > 1:
        return RangePartitionAssignor
    return type("_Sticky", (StickyPartitionAssignor,), {"member_assignment": None})


class Listener(ConsumerRebalanceListener):
    """Passes on what aiokafka says of the group. It would log an error in here and go on, and the service
    would wait for ever: `failed` is told instead."""

    def __init__(
        self,
        revoked: Callable[[], None],
        assigned: Callable[[set[TopicPartition]], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned
        self._failed = failed

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._revoked()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        try:
            await self._assigned(assigned)
        except Exception as error:
            self._failed(error)
            raise
