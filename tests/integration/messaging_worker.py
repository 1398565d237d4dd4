"""A process that copies records from one topic to another through a Pipeline, for tests that kill it.

Usage: messaging_worker.py BOOTSTRAP GROUP TRANSACTIONAL_ID INPUT OUTPUT MODE
MODE: `copy` works until it is killed; `hang` sends its outputs and then never commits; `freeze` takes the
records and waits before it commits until a line comes on stdin. Says on stdout what it has done.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from proofrail.messaging.errors import EXIT_RESTART, RestartRequiredError
from proofrail.messaging.settings import KafkaSettings
from proofrail.messaging.transactions import Message, Outbox, Pipeline, Record


def _say(word: str) -> None:
    print(word, flush=True)


async def _hanging(records: list[Record], output: str) -> AsyncIterator[Message]:
    for record in records:
        yield Message(output, record.key, record.value)
    # The broker has them once a second send on the connection was answered; the pause lets that happen.
    await asyncio.sleep(0.5)
    _say("sent")
    await asyncio.sleep(3600)


async def _main(bootstrap: str, group: str, name: str, source: str, output: str, mode: str) -> None:
    kafka = KafkaSettings(bootstrap=bootstrap)
    pipeline = Pipeline(kafka, group_id=group, transactional_id=name, topics=[source], outputs=[output])
    async with pipeline:
        _say("started")
        while True:
            records = await pipeline.records(max_records=7)
            if not records:
                continue
            if mode == "hang":
                await pipeline.commit(_hanging(records, output))
            if mode == "freeze":
                _say("taken")
                async with pipeline.held():
                    await asyncio.to_thread(sys.stdin.readline)
            outbox = Outbox()
            for record in records:
                outbox.add(output, record.key, record.value)
            await pipeline.commit(outbox)
            _say(f"copied {len(records)}")


if __name__ == "__main__":
    try:
        asyncio.run(_main(*sys.argv[1:]))
    except RestartRequiredError as error:
        _say(error.code)
        sys.exit(EXIT_RESTART)
