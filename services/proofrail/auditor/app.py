"""`proofrail auditor`: put the auditor together from its settings and run it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence

from proofrail.artifacts.measured_store import MeasuredStore
from proofrail.audit.proof_audit import Fetch, ProofAuditor
from proofrail.audit.risk_runs import RiskRuns
from proofrail.auditor.examiner import Examiner
from proofrail.auditor.said import SaidBefore
from proofrail.auditor.service import Auditor
from proofrail.auditor.settings import AuditorSettings
from proofrail.auditor.verifiers import Verifiers
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, parse_vkey
from proofrail.commitment.keyfile import load_or_make_signer
from proofrail.messaging.host import ServiceContext, run_service
from proofrail.proving.backend import Backend
from proofrail.proving.backends import make, parse_names
from proofrail.proving.policy import Policy
from proofrail.proving.stone.presets import names_of, presets_of


def run(settings: AuditorSettings, codes: Collection[str] | None = None) -> int:
    """Run the auditor until SIGTERM; returns the exit status."""

    async def main(context: ServiceContext) -> None:
        signer = load_or_make_signer(settings.auditor_key_file, AUDITOR_KEY_NAME, secrets.token_bytes)
        kinds = RiskRuns.all()
        store = MeasuredStore(settings.store_url, context.metrics)
        proofs, backends = proof_auditors(
            kinds,
            settings.prover_backends,
            settings.min_security_bits,
            settings.registry_presets,
            store.get,
        )
        examiner = Examiner(kinds, settings.checkpoint_keys.split(), proofs, store, signer)
        verifiers = Verifiers(backends, context.metrics)
        await verifiers.missing()
        context.check("backends", verifiers.missing)
        former = [parse_vkey(vkey)[1] for vkey in settings.auditor_keys.split()]
        said = SaidBefore([signer.key.public_key(), *former])
        await Auditor(settings, examiner, said, verifiers, context).work()

    return run_service("auditor", main, settings, codes)


def proof_auditors(
    kinds: Sequence[RiskRuns], backends: str, min_security_bits: int, registry_presets: str, fetch: Fetch
) -> tuple[dict[str, ProofAuditor], dict[str, Backend]]:
    """An auditor of proofs for each of `kinds`, by its method_id, as the settings of these names say; and the backends,
    by name, that all of them verify with. Raises UnusableInputError."""
    presets = presets_of(registry_presets, [kind.spec.layout for kind in kinds])
    verifiers = make(parse_names(backends), min_security_bits, presets=presets)
    policy = Policy(
        min_security_bits=min_security_bits,
        backends=tuple(verifiers),
        program_hashes=[kind.method_id for kind in kinds],
        presets=names_of(presets),
    )
    auditors = {
        kind.method_id: ProofAuditor(
            kind.spec.program.words,
            kind.spec.program.builtins,
            verifiers,
            policy,
            fetch,
            kind.spec.program.proven,
        )
        for kind in kinds
    }
    return auditors, verifiers
