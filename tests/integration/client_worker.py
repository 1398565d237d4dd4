"""A consumer in a process of its own, for tests that kill it between an effect and its position.

Usage: client_worker.py BOOTSTRAP TOPIC POSITION EFFECTS PAUSE_AT

Appends the key of each item to EFFECTS and then keeps its position. At the item whose key is PAUSE_AT it says so on
stdout after the effect, and waits to be killed.
"""

from __future__ import annotations

import asyncio
import sys

from proofrail.client import KafkaSettings, PositionFile, subscribe


async def _main(bootstrap: str, topic: str, position: str, effects: str, pause_at: str) -> None:
    kafka = KafkaSettings(bootstrap=bootstrap)
    with open(effects, "a", buffering=1) as file:  # noqa: ASYNC230, PTH123 - the effect is to be there at once
        async with subscribe(kafka, topic, positions=PositionFile(position)) as stream:
            async for item in stream:
                file.write(item.key + "\n")
                if item.key == pause_at:
                    print("paused", flush=True)
                    await asyncio.Event().wait()
                await stream.done(item)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
