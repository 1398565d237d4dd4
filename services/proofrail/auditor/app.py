"""`proofrail auditor`: put the auditor together from its settings and run it."""

from __future__ import annotations

import secrets

from proofrail.artifacts.store import ArtifactStore
from proofrail.audit.cairo_subject import RiskSubject
from proofrail.audit.proof_audit import ProofAuditor
from proofrail.audit.settings import RunPolicy
from proofrail.auditor.examiner import Examiner
from proofrail.auditor.service import Auditor
from proofrail.auditor.settings import AuditorSettings
from proofrail.cairo import risk_program
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.proving.backends import make, parse_names
from proofrail.proving.policy import Policy
from proofrail.proving.stone.presets import names_of, presets_of


def run(settings: AuditorSettings) -> int:
    """Run the auditor until SIGTERM; returns the exit status."""

    async def main(context: ServiceContext) -> None:
        signer = load_or_make_signer(settings.auditor_key_file, AUDITOR_KEY_NAME, secrets.token_bytes)
        spec = risk_program.run_spec()
        program = spec.program
        subject = RiskSubject(program)
        store = ArtifactStore(settings.store_url)
        names = parse_names(settings.prover_backends)
        presets = presets_of(settings.registry_presets, spec.layout)
        verifiers = make(names, settings.min_security_bits, spec.layout, presets=presets)
        policy = Policy(
            min_security_bits=settings.min_security_bits,
            backends=tuple(verifiers),
            program_hashes=risk_program.program_hashes(),
            presets=names_of(presets),
        )
        examiner = Examiner(
            subject,
            RunPolicy.of(spec),
            settings.checkpoint_keys.split(),
            ProofAuditor(program.words, program.builtins, verifiers, policy, store.get, program.proven),
            store,
            signer,
        )
        await Auditor(settings, examiner, context).work()

    return run_service("auditor", main, settings)
