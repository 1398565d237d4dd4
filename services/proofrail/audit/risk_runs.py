"""Which build of the risk engine a run is of, for services that execute it again: runs of both stand side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from proofrail.audit.cairo_subject import CairoSubject, subject_of
from proofrail.audit.settings import RunPolicy
from proofrail.cairo.risk_builds import BUILDS
from proofrail.cairo.trace import RunSpec
from proofrail.commitment.runid import inputs_sha256, packings, run_ids
from proofrail.wire.canonical import canonical
from proofrail.wire.runs import CommittedRun


@dataclass(frozen=True)
class RiskRuns:
    """Runs of one build, as the services make them: what they execute, and the only settings that are accepted."""

    spec: RunSpec
    subject: CairoSubject

    @classmethod
    def all(cls) -> tuple[RiskRuns, ...]:
        """Those of every build, of the one that is run by default first. Raises UnusableInputError
        `risk-engine-missing`."""
        specs = [build.spec() for build in BUILDS.values()]
        return tuple(cls(spec, subject_of(spec.program)) for spec in specs)

    @property
    def policy(self) -> RunPolicy:
        return RunPolicy.of(self.spec)

    @property
    def method_id(self) -> str:
        return self.spec.program.method_id

    def having(self, run: CommittedRun) -> RiskRuns | None:
        """Runs of this build in the packing that gives the run its id; None where its inputs have it in none."""
        spec = self.spec
        found = run_ids(
            artifact_sha256=spec.program.artifact_sha256,
            method_id=self.method_id,
            layout=spec.layout,
            spans=spec.spans,
            inputs_sha256=inputs_sha256(map(canonical, run.inputs)),
            packings=packings(spec.bits, spec.block_items),
        )
        items = next((items for _, items, name in found if name == run.run_id), None)
        if items is None or items == spec.block_items:
            return None if items is None else self
        return replace(self, spec=replace(spec, block_items=items))


def runs_with(run: CommittedRun | None, kinds: Sequence[RiskRuns]) -> RiskRuns:
    """The kind that a run is to be held to: by its run_id, which no single altered line can change; where that fits
    none, by the program that its seal names, else the first."""
    if run is None:
        return kinds[0]
    program = (run.seal or {}).get("program")
    named = program.get("method_id") if isinstance(program, dict) else None
    by_id = next((found for kind in kinds if (found := kind.having(run)) is not None), None)
    return by_id or next((kind for kind in kinds if kind.method_id == named), kinds[0])
