"""The messaging layer: latency of transactions, throughput, start of the broker, cost at idle.

Beside each figure stands its limit in the same run: a bare acknowledged send for a transaction, aiokafka without
transactions for throughput.
"""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from proofrail.artifacts.cache import cache_dir
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.records import Message
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.messaging.transactions import Outbox, Pipeline
from proofrail.messaging.views import View
from proofrail.wire.topics import MAX_MESSAGE_BYTES, TopicSpec

LONE = 100
RECORDS = 20_000
SIZE = 1024
BULK_RECORDS = 100
BULK_SIZE = 400 * 1024


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p95 = statistics.median(ordered), ordered[int(len(ordered) * 0.95)]
    return f"p50 {p50 * 1e3:6.1f} ms   p95 {p95 * 1e3:6.1f} ms"


def _line(what: str, figure: str) -> None:
    print(f"{what:<58} {figure}", flush=True)


@asynccontextmanager
async def _copier(pipeline: Pipeline, output: str, times: list[float]) -> AsyncIterator[None]:
    async def copy() -> None:
        while True:
            records = await pipeline.records()
            if records:
                outbox = Outbox()
                for record in records:
                    outbox.add(output, record.key, record.value)
                begun = time.perf_counter()
                await pipeline.commit(outbox)
                times.append(time.perf_counter() - begun)

    async with pipeline:
        task = asyncio.create_task(copy())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _latency(kafka: KafkaSettings, pause: float) -> None:
    await ensure_topics(kafka, [TopicSpec(name, 1, "key", {}) for name in ("one", "two", "three")])
    producer = AIOKafkaProducer(**kafka.client_options(), enable_idempotence=True, linger_ms=0)
    await producer.start()
    first_times: list[float] = []
    second_times: list[float] = []
    sends: list[float] = []
    whole: list[float] = []
    tracer = Pipeline(kafka, group_id="t", transactional_id="t", topics=["one"], outputs=["two"])
    auditor = Pipeline(kafka, group_id="a", transactional_id="a", topics=["two"], outputs=["three"])
    async with (
        _copier(tracer, "two", first_times),
        _copier(auditor, "three", second_times),
        View(kafka, ["three"], start="end") as view,
    ):
        records = view.records()
        for number in range(LONE):
            begun = time.perf_counter()
            await producer.send_and_wait("one", key=b"k", value=str(number).encode())
            sends.append(time.perf_counter() - begun)
            await anext(records)
            whole.append(time.perf_counter() - begun)
            await asyncio.sleep(pause)
    await producer.stop()
    kind = f"lone record, {pause * 1e3:.0f} ms apart" if pause else "records one after another"
    _line(f"{kind}: bare acknowledged send (limit)", _spread(sends))
    _line(f"{kind}: one transaction", _spread(first_times + second_times))
    _line(f"{kind}: publish to reader over two transactions", _spread(whole))


async def _throughput(kafka: KafkaSettings) -> None:
    configs = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    names = ("bare", "source", "copy", "bulk")
    await ensure_topics(kafka, [TopicSpec(name, 1, "key", configs) for name in names])
    values = [os.urandom(SIZE // 2).hex().encode() for _ in range(64)]
    producer = AIOKafkaProducer(**kafka.client_options(), enable_idempotence=True, max_batch_size=256 * 1024)
    await producer.start()

    async def send(topic: str) -> None:
        futures = [await producer.send(topic, values[n % 64], b"k") for n in range(RECORDS)]
        await asyncio.gather(*futures)

    consumer = AIOKafkaConsumer("bare", **kafka.client_options(), auto_offset_reset="earliest")
    seconds = await _timed(lambda: send("bare"))
    _line("1 KiB records: bare idempotent send", f"{RECORDS / seconds:10,.0f} records/s")

    async def read() -> None:
        await consumer.start()
        count = 0
        while count < RECORDS:
            batches = await consumer.getmany(timeout_ms=500, max_records=5000)
            count += sum(map(len, batches.values()))

    seconds = await _timed(read)
    await consumer.stop()
    _line("1 KiB records: bare read", f"{RECORDS / seconds:10,.0f} records/s")
    await send("source")
    await producer.stop()

    async with Pipeline(kafka, group_id="c", transactional_id="c", topics=["source"]) as pipeline:

        async def copy() -> None:
            count = 0
            while count < RECORDS:
                records = await pipeline.records(max_records=1000)
                outbox = Outbox()
                for record in records:
                    outbox.add("copy", record.key, record.value)
                await pipeline.commit(outbox)
                count += len(records)

        seconds = await _timed(copy)
        _line("1 KiB records: pipeline, 1,000 a transaction", f"{RECORDS / seconds:10,.0f} records/s")
        bulk = os.urandom(BULK_SIZE // 2).hex().encode()

        async def one_large() -> None:
            await pipeline.commit([Message("bulk", b"k", bulk) for _ in range(BULK_RECORDS)])

        seconds = await _timed(one_large)
        _line(
            "400 KiB records: one transaction of 100",
            f"{BULK_RECORDS * BULK_SIZE / seconds / 1e6:10,.0f} MB/s",
        )

    async def view_all() -> None:
        seen = 0

        def count(records: list[object]) -> None:
            nonlocal seen
            seen += len(records)

        async with View(kafka, ["copy"], count) as view:
            await view.catch_up()
        assert seen == RECORDS

    seconds = await _timed(view_all)
    _line("1 KiB records: view from the beginning, start included", f"{RECORDS / seconds:10,.0f} records/s")


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def _idle(kafka: KafkaSettings, broker_pid: int) -> None:
    pipelines = [
        Pipeline(kafka, group_id=name, transactional_id=name, topics=["one", "two"]) for name in "xyz"
    ]

    async def poll(pipeline: Pipeline) -> None:
        while True:
            await pipeline.records()

    for pipeline in pipelines:
        await pipeline.start()
    tasks = [asyncio.create_task(poll(pipeline)) for pipeline in pipelines]
    await asyncio.sleep(1)
    before, broker_before, begun = time.process_time(), _cpu(broker_pid), time.perf_counter()
    await asyncio.sleep(5)
    passed = time.perf_counter() - begun
    _line("idle: client CPU of a pipeline", f"{(time.process_time() - before) / passed / 3:10.1%} of a core")
    _line(
        "idle: broker CPU with three pipelines",
        f"{(_cpu(broker_pid) - broker_before) / passed:10.1%} of a core",
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for pipeline in pipelines:
        await pipeline.stop()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    # Only the figures: the messages of a broker that was just killed are expected.
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        kafka = EmbeddedKafka(Path(folder) / "kafka", cache_dir())
        begun = time.perf_counter()
        kafka.start()
        _line("broker: first start on a folder (jars cached)", f"{time.perf_counter() - begun:10.2f} s")
        kafka.stop()
        begun = time.perf_counter()
        kafka.start()
        _line("broker: later start", f"{time.perf_counter() - begun:10.2f} s")
        kafka.kill()
        begun = time.perf_counter()
        kafka.start()
        _line("broker: start after SIGKILL", f"{time.perf_counter() - begun:10.2f} s")
        settings = KafkaSettings(bootstrap=kafka.bootstrap)
        asyncio.run(_latency(settings, 0.2))
        asyncio.run(_latency(settings, 0.0))
        asyncio.run(_throughput(settings))
        asyncio.run(_idle(settings, kafka.pid or 0))
        rss = Path(f"/proc/{kafka.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
        _line("broker: resident memory", f"{int(rss) / 1024:10.0f} MiB")
        kafka.stop()


if __name__ == "__main__":
    main()
