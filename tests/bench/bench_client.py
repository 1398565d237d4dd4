"""The client library: a subscription, and the checks of what it brings.

Beside each figure stands its limit in the same run: bare aiokafka for a subscription, the bare signature for a check.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from proofrail.artifacts.cache import cache_dir
from proofrail.client import PositionFile, check, subscribe
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire.messages import to_line
from proofrail.wire.signing import verify_message
from proofrail.wire.topics import ATTESTATIONS, MAX_MESSAGE_BYTES, TopicSpec
from tests.unit.client_cases import SEED, TRUST, Published, facts, published

ITEMS = 20_000
KEPT = 1_000
CHECKS = 300


def _line(what: str, figure: str) -> None:
    print(f"{what:<58} {figure}", flush=True)


async def _bare(kafka: KafkaSettings) -> float:
    consumer = AIOKafkaConsumer(
        **kafka.client_options(), enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    place = TopicPartition(ATTESTATIONS, 0)
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    begun, found = time.perf_counter(), 0
    while found < ITEMS:
        found += sum(map(len, (await consumer.getmany(timeout_ms=1000, max_records=500)).values()))
    seconds = time.perf_counter() - begun
    await consumer.stop()
    return seconds


async def _subscribed(kafka: KafkaSettings, positions: PositionFile | None, items: int) -> float:
    async with subscribe(kafka, ATTESTATIONS, positions=positions) as stream:
        begun, found = time.perf_counter(), 0
        async for item in stream:
            found += 1
            if positions is not None:
                await stream.done(item)
            if found == items:
                break
        return time.perf_counter() - begun


async def _streams(run: Published, folder: Path) -> None:
    value = to_line(run.attestations[0]) + b"\n"
    with EmbeddedKafka(folder, cache_dir()) as broker:
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        await ensure_topics(
            kafka,
            [TopicSpec(ATTESTATIONS, 1, "allocation_id", {"max.message.bytes": str(MAX_MESSAGE_BYTES)})],
        )
        await publish(kafka, [Message(ATTESTATIONS, b"k", value)] * ITEMS)
        bare = await _bare(kafka)
        typed = await _subscribed(kafka, None, ITEMS)
        kept = await _subscribed(kafka, PositionFile(folder / "position"), KEPT)
    _line(
        "subscription, typed attestations",
        f"{ITEMS / typed:8,.0f} items/s ({ITEMS / bare:,.0f} bare records/s)",
    )
    _line("the same, the position kept after each item", f"{KEPT / kept:8,.0f} items/s (each one fsync)")


def _each(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    for _ in range(CHECKS):
        work()
    return (time.perf_counter() - begun) / CHECKS * 1e6


def main() -> None:
    """Print the figures."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        run = published(patch, facts())
        attestation, key = run.attestations[0], TRUST.keys[0]
        asyncio.run(_streams(run, Path(folder)))
        signature = _each(lambda: verify_message(attestation.to_object(), key))
        alone = _each(lambda: check(attestation, TRUST))
        everything = _each(
            lambda: check(
                attestation, TRUST, proposal=SEED, proof=run.proof, reports=run.reports, seal=run.seal
            )
        )
    _line("check of an attestation alone", f"{alone:8.0f} µs (its signature {signature:.0f} µs)")
    _line(
        "check with proposal, decision, proof, reports and seal", f"{everything:8.0f} µs (three signatures)"
    )


if __name__ == "__main__":
    main()
