"""`proofrail prover`: put the prover together from its settings and run it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

import structlog

from proofrail.artifacts.measured_store import MeasuredStore
from proofrail.audit.risk_runs import RiskRuns
from proofrail.cairo.risk_builds import BUILDS
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.prover.job import JobLimits, ProvingJob, tell_unusable
from proofrail.prover.service import Prover
from proofrail.prover.settings import ProverSettings
from proofrail.proving.backends import Backends, make, parse_names
from proofrail.proving.cost import memory_of
from proofrail.proving.policy import Policy
from proofrail.proving.registry import registry_of
from proofrail.proving.scratch import sweep
from proofrail.proving.stone.presets import Preset, names_of, presets_of

_log = structlog.get_logger(__name__)

_SHARE_OF_DRAIN: Final = 0.5
"""Of the time that a service has to stop, for a proof that is nearly done; the rest is for its publication."""

MakeBackends = Callable[[ProverSettings], Backends]
"""Makes the backends of these settings."""


def run(settings: ProverSettings, codes: Collection[str] | None = None) -> int:
    """Run the prover until SIGTERM; returns the exit status."""
    return serve(settings, configured, codes=codes)


def serve(
    settings: ProverSettings,
    make_backends: MakeBackends,
    *,
    allow_mock: bool = False,
    codes: Collection[str] | None = None,
) -> int:
    """As `run`, with backends of the caller's; `allow_mock` lets results pass that are stamped as mocks."""

    async def main(context: ServiceContext) -> None:
        kinds = RiskRuns.all()
        backends = make_backends(settings)
        limits = JobLimits(
            settings.max_attempts,
            settings.proof_timeout_s,
            memory_of(settings.proof_memory_limit),
            grace_s=_SHARE_OF_DRAIN * settings.drain_seconds,
        )
        await asyncio.to_thread(_check_host, settings, backends)
        context.check("backends", backends.missing)
        policy = Policy(
            min_security_bits=settings.min_security_bits,
            backends=backends.names,
            program_hashes=[kind.method_id for kind in kinds],
            presets=names_of(_presets(settings)),
            allow_mock=allow_mock,
        )
        job = ProvingJob(
            kinds,
            settings.checkpoint_keys.split(),
            backends,
            policy,
            MeasuredStore(settings.store_url, context.metrics),
            limits,
            context.metrics,
            registry_of(settings.registry_network, settings.registry_address),
        )
        await Prover(settings, job, context).work()

    return run_service("prover", main, settings, codes)


def configured(settings: ProverSettings) -> Backends:
    """The backends that the settings name."""
    made = make(
        parse_names(settings.prover_backends),
        settings.min_security_bits,
        scratch_dir=settings.scratch_dir,
        nice=settings.prover_nice,
        presets=_presets(settings),
        max_calldata=settings.chain_max_calldata,
    )
    return Backends(made, fall_back=settings.prover_fall_back)


def _presets(settings: ProverSettings) -> tuple[Preset, ...]:
    return presets_of(settings.registry_presets, [build.layout for build in BUILDS.values()])


def _check_host(settings: ProverSettings, backends: Backends) -> None:
    """What must hold before any work is taken. Raises TransientError when no backend can prove here."""
    # Verifiers and self-tests work in the system's temporary folder.
    left = sum(sweep(place) for place in {settings.scratch_dir, None})
    if left:
        _log.info("scratch-swept", folders=left)
    for name, fault in backends.preflight().items():
        tell_unusable(name, fault)
