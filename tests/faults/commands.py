"""The command line as a process of its own, as an operator calls it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from proofrail.messaging.settings import KafkaSettings
from proofrail.wire.canonical import parse_object


async def called(
    kafka: KafkaSettings, home: Path, *arguments: str
) -> tuple[int | None, list[dict[str, Any]]]:
    """A command's exit status, and its lines."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proofrail.cli.main", *arguments,
        env={"PROOFRAIL_KAFKA_BOOTSTRAP": kafka.bootstrap, "PROOFRAIL_HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, [parse_object(line) for line in said.splitlines()]
