"""`proofrail prover`: put the prover together from its settings and run it."""

from __future__ import annotations

import asyncio

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.cairo_subject import RiskSubject
from proofrail.audit.settings import RunPolicy
from proofrail.cairo import risk_program
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.prover.job import JobLimits, ProvingJob
from proofrail.prover.service import Prover
from proofrail.prover.settings import ProverSettings
from proofrail.proving.backends import Backends, make, parse_names
from proofrail.proving.policy import Policy


def run(settings: ProverSettings) -> int:
    """Run the prover until SIGTERM; returns the exit status."""

    async def main(context: ServiceContext) -> None:
        spec = risk_program.run_spec()
        subject = RiskSubject(spec.program)
        names = parse_names(settings.prover_backends)
        backends = Backends(
            make(names, settings.min_security_bits, spec.layout), fall_back=settings.prover_fall_back
        )
        await asyncio.to_thread(backends.preflight)
        policy = Policy(
            min_security_bits=settings.min_security_bits,
            backends=backends.names,
            program_hashes=(subject.method_id,),
        )
        job = ProvingJob(
            subject,
            RunPolicy.of(spec),
            settings.checkpoint_keys.split(),
            backends,
            policy,
            ArtifactStore(settings.store_url),
            JobLimits(settings.max_attempts, settings.proof_timeout_s),
            context.metrics,
        )
        await Prover(settings, job, context).work()

    return run_service("prover", main, settings)
