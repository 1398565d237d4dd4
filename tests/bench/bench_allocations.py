"""Many allocations with stwo at 96 bits, in as few proofs as fit: seconds, memory, bytes, and what one allocation
costs.

What limits a proof is the table of partial multiplications on the elliptic curve: 56 rows for each Pedersen hash, of
which inputs_hash demands 31 for an allocation with two protocols. Hashes are padded to a power of two before they come
into that table, and the table again: 2^14 hashes fill 917,504 of 2^20 rows, and one hash more needs 2^21. Tables of
2^21 rows hold twice as many allocations in a proof, at twice the memory and a third more time; the prover program makes
them when allowed, the services never ask for them.

BENCH_ALLOCATIONS="1000 3000" says how many, BENCH_LOG_ROWS="20 21" in tables of which size.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from proofrail.cairo.risk_program import (
    LEAST_PEDERSENS,
    load,
    pedersens_of,
    program_input,
    risk_engine_artifact,
    steps_of,
)
from proofrail.proving.cost import machine_memory
from proofrail.proving.locate import find
from proofrail.proving.policy import DEFAULT_SECURITY_BITS, Policy
from proofrail.proving.roots import PREPROCESSED_ROOTS
from proofrail.proving.statement import Expected
from proofrail.proving.stwo import StwoBackend
from proofrail.proving.stwo_cost import predict
from proofrail.wire.canonical import parse_felt
from tests.bench.bench_pipeline import forms
from tests.bench.bench_prover import cpu_seconds
from tests.faults.proposals import several

COUNTS = tuple(map(int, os.environ.get("BENCH_ALLOCATIONS", "1000 3000").split()))
LOG_ROWS = tuple(map(int, os.environ.get("BENCH_LOG_ROWS", "20 21").split()))
PARAMETERS = StwoBackend().parameters
_LARGER_ROOTS = {(1, 22): "27a97d4eab58fe63fd37378d9b3be7c6b58d2f06ab55a4b730f16282454206b4"}
"""Of the tables that only this bench uses; as the prover program's command `root` computes it."""
_ROWS_EACH = 64
"""Of the widest table for each Pedersen hash, with all padding."""


@dataclass(frozen=True)
class Proven:
    """One proof made and verified."""

    seconds: float
    cpu_seconds: float
    memory_bytes: int
    proof_bytes: int
    verified_seconds: float


def _prove(values: list[bytes], log_rows: int) -> Proven:
    """By the bare prover program, checked by our verifier and policy. Raises CalledProcessError, RefusedProof."""
    program = load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inputs.json").write_text(json.dumps(program_input(forms(values))))
        command = [
            *(str(find()), "prove", f"--program={risk_engine_artifact()}", f"--input={folder}/inputs.json"),
            *(f"--out={folder}/proof", f"--max-log-rows={log_rows}", *PARAMETERS.arguments()),
        ]
        cpu, begin = cpu_seconds(), time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True)
        wall, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
        proof = (folder / "proof").read_bytes()
    said = json.loads(done.stdout)
    expected = Expected.of(program.words, program.builtins, tuple(map(parse_felt, said["output"])))
    begin = time.perf_counter()
    verified = StwoBackend().verify(proof, expected, Policy(min_security_bits=DEFAULT_SECURITY_BITS))
    assert verified.security_bits == DEFAULT_SECURITY_BITS
    return Proven(wall, cpu, said["peak_rss_bytes"], len(proof), time.perf_counter() - begin)


def _measure(count: int, log_rows: int) -> None:
    each = (1 << log_rows) // _ROWS_EACH // LEAST_PEDERSENS
    print(f"{count} allocations in tables of 2^{log_rows} rows, at most {each} a proof", flush=True)
    values = several("bench", count)
    form = forms(values[:1])[0]
    fullest = min(each, count)
    cost = predict(PARAMETERS, fullest * steps_of(form), fullest * pedersens_of(form))
    if not cost.fits(machine_memory()):
        print(f"  not measured: a proof takes about {cost.memory_bytes / 2**30:.0f} GiB")
        return
    proofs = []
    for first in range(0, count, each):
        batch = values[first : first + each]
        one = _prove(batch, log_rows)
        proofs.append(one)
        print(
            f"  {len(batch):5d} allocations: {one.seconds:6.1f} s (CPU {one.cpu_seconds:6.1f} s), "
            f"{one.memory_bytes / 2**30:4.1f} GiB, {one.proof_bytes / 1000:5.0f} kB, "
            f"verified in {1000 * one.verified_seconds:.0f} ms",
            flush=True,
        )
    seconds = sum(one.seconds for one in proofs)
    size = sum(one.proof_bytes for one in proofs)
    print(
        f"  in all {len(proofs)} proofs, {seconds:.1f} s, {max(one.memory_bytes for one in proofs) / 2**30:.1f} GiB, "
        f"{size / 1e6:.2f} MB; one allocation: {1000 * seconds / count:.0f} ms "
        f"(CPU {1000 * sum(one.cpu_seconds for one in proofs) / count:.0f} ms), {size / count / 1000:.2f} kB"
    )


def main() -> None:
    PREPROCESSED_ROOTS.update(_LARGER_ROOTS)
    for log_rows in LOG_ROWS:
        for count in COUNTS:
            try:
                _measure(count, log_rows)
            except subprocess.CalledProcessError as error:
                # Killed for its memory, most likely: what the others take is worth knowing all the same.
                print(f"  the prover ended with {error.returncode}: {error.stderr.decode()[-300:]}")
