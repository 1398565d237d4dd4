"""`proofrail tracer`: put the tracer together from its settings and run it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection

from proofrail.commitment.checkpoint import TRACER_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.tracer.sealing import Sealer
from proofrail.tracer.service import Tracer
from proofrail.tracer.settings import TracerSettings


def run(settings: TracerSettings, codes: Collection[str] | None = None) -> int:
    """Run the tracer until SIGTERM; returns the exit status."""

    async def main(context: ServiceContext) -> None:
        signer = load_or_make_signer(settings.tracer_key_file, TRACER_KEY_NAME, secrets.token_bytes)
        await Tracer(settings, Sealer(settings.build.spec(), signer, time.time_ns), context).work()

    return run_service("tracer", main, settings, codes)
