"""All codes that Proofrail gives, by area."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from proofrail.cli.codes.audits import MISMATCHES, PROOF_MISMATCHES, UNDECIDED
from proofrail.cli.codes.checks import CHECKS
from proofrail.cli.codes.client import CLIENT
from proofrail.cli.codes.entry import Area, Entry
from proofrail.cli.codes.explorer import EXPLORER
from proofrail.cli.codes.operators import OPERATORS
from proofrail.cli.codes.programs import NATIVE, PROGRAMS, VM
from proofrail.cli.codes.proofs import PROOFS, PROVER
from proofrail.cli.codes.raster import RASTER
from proofrail.cli.codes.refusals import REFUSALS
from proofrail.cli.codes.registrar import REGISTRAR
from proofrail.cli.codes.registry import REGISTRY
from proofrail.cli.codes.systems import FILES, KAFKA, STORE
from proofrail.cli.codes.tracing import TRACING
from proofrail.cli.codes.wire import PROPOSALS, WIRE

AREAS: Final[tuple[Area, ...]] = (
    WIRE,
    PROPOSALS,
    PROGRAMS,
    VM,
    TRACING,
    RASTER,
    MISMATCHES,
    PROOF_MISMATCHES,
    UNDECIDED,
    CHECKS,
    PROOFS,
    REFUSALS,
    PROVER,
    REGISTRY,
    CLIENT,
    REGISTRAR,
    EXPLORER,
    STORE,
    KAFKA,
    FILES,
    OPERATORS,
    NATIVE,
)


def _by_code() -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for area in AREAS:
        for entry in area.entries:
            found.setdefault(entry.code, []).append(entry)
    return found


ENTRIES: Final[Mapping[str, list[Entry]]] = _by_code()
"""What each code means, in each area that gives it."""

_NEAREST: Final = 5


def nearest(code: str) -> list[str]:
    """The codes that are spelled most alike, or contain the text."""
    within = sorted(known for known in ENTRIES if code and code in known)
    alike = difflib.get_close_matches(code, ENTRIES, n=_NEAREST, cutoff=0.5)
    return list(dict.fromkeys([*alike, *within]))[:_NEAREST]
