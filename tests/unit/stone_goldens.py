"""The golden proofs of tests/data/stone, and what our own VM says that each must state."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from proofrail.audit.cairo_subject import subject_of
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.vm import Execution, run
from proofrail.proving.policy import Policy
from proofrail.proving.statement import Expected, TracedRun
from proofrail.proving.stone import programs
from proofrail.wire.canonical import canonical
from proofrail.wire.proposals import parse_proposal

Object = dict[str, Any]

CHECKOUT = Path(__file__).parents[2]
DATA = CHECKOUT / "tests" / "data" / "stone"
GOLDEN: Mapping[str, Object] = json.loads((DATA / "MANIFEST.json").read_text())
SMALLEST = "fib512"
POSEIDON = "weak/fib512_poseidon"
"""A proof of the same run as SMALLEST, with the registry's hashes and 12 bits."""
POLICY = Policy(backends=("stone",))
WEAK_POLICY = Policy(min_security_bits=12, backends=("stone",))

needs_stone = pytest.mark.skipif(
    programs.find(programs.VERIFIER) is None or programs.find(programs.PROVER) is None,
    reason="Stone's cpu_air_prover and cpu_air_verifier are not on PATH",
)


@cache
def proof(name: str = SMALLEST) -> bytes:
    return gzip.decompress((DATA / f"{name}.json.gz").read_bytes())


def altered(change: Callable[[Object], object], name: str = SMALLEST) -> bytes:
    """The proof, changed, in canonical form."""
    obj = json.loads(proof(name))
    change(obj)
    return canonical(obj)


@cache
def program(name: str) -> CairoProgram:
    ours, others = CHECKOUT / "cairo" / "artifacts", CHECKOUT / "tests" / "data" / "cairo" / "builtins"
    found = next(path for folder in (ours, others) if (path := folder / f"{name}.json").exists())
    return CairoProgram.load(found)


@cache
def execution(name: str, layout: str | None = None) -> Execution:
    """The run of a golden proof made again, in its own layout or another."""
    golden = GOLDEN[name]
    forms = golden["inputs"]
    if golden["program"] == "risk_engine":
        forms = [parse_proposal(canonical(form)).normal_form() for form in forms]
    subject = subject_of(program(golden["program"]))
    return run(subject.program, subject.program_input(forms), layout or golden["layout"])


@cache
def expected(name: str = SMALLEST, layout: str | None = None) -> Expected:
    """By our own VM, not by the proof."""
    ran, made = program(GOLDEN[name]["program"]), execution(name, layout)
    return Expected.of(ran.words, ran.builtins, made.output, TracedRun.of(json.loads(made.public_input())))
