"""The commands for operators over 100,000 allocations on a real broker: seconds and memory of each, start to end.

All of it was done within the last hour, so `status` reads it all by default; with `--since 1ms`, a minute later, as
much as on a system where it was done before. `PROOFRAIL_BENCH_ALLOCATIONS` makes it smaller.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from proofrail.artifacts.cache import cache_dir
from proofrail.cli.status_pipeline import GROUPS
from proofrail.cli.status_read import SKEW_MS
from proofrail.messaging.client import publish
from proofrail.messaging.embedded import EmbeddedKafka
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.topics import ensure_topics
from proofrail.wire import topics
from tests.bench.bench_explorer import ALLOCATIONS, BATCH, everything

_SENT = 20_000
_STATUS_S = 2.0
_ONE_S = 5.0
_TIMES = 3


def _command(env: dict[str, str], *arguments: str) -> tuple[float, float, float]:
    """Of the best of some calls: seconds on the clock, of CPU time, and megabytes."""
    found = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "proofrail", *arguments],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            raise RuntimeError(f"{arguments} ended with {process.returncode}")
        found.append(
            (time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)
        )
    return min(found)


def _row(env: dict[str, str], mark_s: float | None, *arguments: str) -> None:
    wall, cpu, size = _command(env, *arguments)
    shown = " ".join(one if len(one) < 20 else f"{one[:8]}…" for one in arguments)
    mark = "" if mark_s is None else f"; mark {mark_s:.0f} s"
    print(f"{shown:<58} {wall:8.2f} s ({cpu:.2f} s of CPU), {size:4.0f} MB{mark}", flush=True)


async def _settle(kafka: KafkaSettings, groups: dict[str, tuple[str, ...]]) -> None:
    """The groups' positions, as they are when all is done."""
    for group, read in groups.items():
        consumer = AIOKafkaConsumer(**kafka.reader_options(), group_id=group)
        await consumer.start()
        places = [TopicPartition(topic, 0) for topic in read]
        consumer.assign(places)
        await consumer.commit(await consumer.end_offsets(places))
        await consumer.stop()


def _filled(kafka: KafkaSettings) -> list[str]:
    """All records on its topics; the run_ids. In a process of its own: what a command is said to have had of memory is
    at least what its parent had."""
    return asyncio.run(_fill(kafka))


async def _fill(kafka: KafkaSettings) -> list[str]:
    messages = everything()
    await ensure_topics(kafka)
    for start in range(0, len(messages), _SENT):
        await publish(kafka, messages[start : start + _SENT], 120)
    await _settle(kafka, GROUPS)
    runs = [one.key.decode() for one in messages if one.topic == topics.EVENTS and one.key]
    print(
        f"{ALLOCATIONS:,} allocations, {ALLOCATIONS // BATCH + 1} runs: {len(messages):,} records", flush=True
    )
    return runs


def main() -> None:
    """Print the figures."""
    folder = Path(tempfile.mkdtemp(prefix="proofrail-bench-operators-"))
    try:
        with EmbeddedKafka(folder / "kafka", cache_dir()) as broker:
            kafka = KafkaSettings(bootstrap=broker.bootstrap)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
                runs = other.submit(_filled, kafka).result()
            filled = time.monotonic()
            env = {
                **os.environ,
                "PROOFRAIL_KAFKA_BOOTSTRAP": kafka.bootstrap,
                "PROOFRAIL_HOME": str(folder / "home"),
            }
            run, allocation = runs[len(runs) // 2], f"vault:{ALLOCATIONS // 2:06}"
            _row(env, None, "config")
            _row(env, _STATUS_S * 2, "status")
            _row(env, _ONE_S, "status", run[:12])
            _row(env, _ONE_S, "status", allocation)
            _row(env, _ONE_S, "export", run[:12], "--out", str(folder / "run.ndjson"))
            _row(env, _ONE_S, "requeue", run[:12], "--dry-run")
            _row(env, _ONE_S, "dlq", "list")
            _row(env, _ONE_S, "tail", "--allocation", allocation, "--from-start", "--no-follow")
            time.sleep(max(0.0, filled + SKEW_MS / 1000 + 1 - time.monotonic()))
            _row(env, _STATUS_S, "status", "--since", "1ms")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
