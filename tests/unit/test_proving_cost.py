"""What a proof is expected to cost, beside what proofs were measured to cost: no test measures anything itself."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from statistics import median

import pytest
from tests.bench.stone_trial import RUNS, Table, chosen

from proofrail.proving.calibration import Speeds
from proofrail.proving.cost import Cost
from proofrail.proving.parameters import StwoParameters
from proofrail.proving.ranking import ranked
from proofrail.proving.stone.cost import predict, work_seconds
from proofrail.proving.stone.hashes import REGISTRY_HASHERS
from proofrail.proving.stone.layouts import layout_named
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.proof import StoneProof
from proofrail.proving.stwo_cost import predict as predict_stwo

TESTS = Path(__file__).parents[1]
GOLDEN = sorted((TESTS / "data" / "stone").glob("*.json.gz"))
MIB = 1 << 20
BYTES, MEMORY, SECONDS = 0.15, 0.30, 0.30
"""How far a prediction may be off."""

# 16 queries, blow-up 16, 20 bits of work, last layer 64, default hashes, two cores of a slower machine:
# layout, steps, full extension, CPU seconds, MiB, bytes.
ELSEWHERE = """
plain 4096 no 8.2 175 60520
plain 4096 yes 8.5 476 60520
plain 32768 no 67 1322 73000
plain 131072 no 275 5215 88040
small 4096 no 17.2 226 72744
small 4096 yes 16.6 1038 72744
small 8192 no 36 441 79272
small 16384 no 73 871 85928
small 32768 no 146 1731 89256
small 32768 yes 130 8228 89256
small 131072 no 593 6824 102952
recursive 16384 no 40 683 76840
recursive 16384 yes 39 2134 76840
recursive 32768 no 85 1356 78280
recursive 32768 yes 80 4262 78280
recursive 131072 no 349 5345 92200
recursive_with_poseidon 32768 no 87 1323 80264
"""

# Two cores, no proof of work, last layer 64: layout, steps, log2 of the blow-up, queries, full extension, hashes,
# CPU seconds, MiB, bytes.
MEASURED = """
dex 4096 1 80 yes local 4.11 204 243840
dex 4096 2 40 yes local 5.08 298 144384
dex 4096 1 80 no local 7.21 125 243840
dex 4096 2 40 no local 6.59 135 144384
recursive 16384 2 40 yes local 12.9 634 155488
recursive 16384 1 80 yes local 10.79 406 261216
recursive 16384 4 20 yes local 26.6 2132 91808
recursive 16384 2 40 no local 16.88 338 155488
recursive 16384 1 80 no local 17.58 290 261216
recursive 16384 4 20 no local 29.73 679 91808
recursive 16384 2 12 yes keccak_160_lsb 84.74 634 54368
recursive 16384 2 12 no keccak_160_lsb 86.85 338 54368
recursive_with_poseidon 32768 2 40 yes local 33.13 1096 166880
recursive_with_poseidon 32768 2 40 no local 39.03 600 166880
small 512 1 24 yes keccak_160_lsb 2.47 38 70688
small 512 2 12 yes keccak_160_lsb 4.5 52 44096
small 512 3 8 yes keccak_160_lsb 8.55 79 34432
small 512 2 12 no keccak_160_lsb 4.58 30 44096
small 512 2 12 yes blake2s_248_lsb 4.7 52 44096
small 4096 2 12 yes keccak_160_lsb 36.03 338 54176
small 4096 2 30 yes keccak_160_lsb 35.83 338 116928
"""

# stwo on two cores: log2 of the blow-up, queries, steps, Pedersen hashes, CPU seconds, MiB, bytes.
STWO = """
1 76 375 0 4.27 1488 551991
1 40 375 0 4.15 1476 313623
2 38 375 0 5.7 2485 313327
2 20 375 0 5.84 2497 185303
3 26 375 0 9.31 4621 233391
4 19 375 0 18.45 8832 191115
1 76 360015 0 5.44 1852 544967
2 38 360015 0 7.44 3130 315071
3 26 360015 0 11.96 5696 237167
1 76 439 32 4.12 1493 965651
1 40 439 32 4.46 1478 562627
3 26 439 32 10.72 4610 428803
4 19 439 32 18.71 9002 349907
1 76 25052 1900 9.01 2418 985511
2 38 25052 1900 10.72 4016 583831
3 26 25052 1900 17.37 7313 449751
1 76 98563 7600 20.7 5060 1057991
2 38 98563 7600 31.6 8489 652151
"""


def _near(expected: float, actual: float, off: float) -> bool:
    return abs(actual / expected - 1) <= off


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.name)
def test_golden_proofs_are_as_long_as_predicted(file: Path):
    """The bytes of each golden proof, made in two layouts with several parameters, within 15 %."""
    read = StoneProof.read(gzip.decompress(file.read_bytes()))
    cost = predict(read.parameters, read.layout, read.log_n_steps)
    length = len(json.loads(read.data)["proof_hex"]) // 2 - 1
    assert _near(length, cost.proof_bytes, BYTES)


@pytest.mark.parametrize("row", ELSEWHERE.strip().splitlines())
def test_costs_measured_elsewhere_are_as_predicted_but_for_one_factor(row: str):
    """Another machine's table of layouts and sizes: bytes as they are, memory within 30 %, and CPU time within 30 %
    after one factor for that machine."""
    name, steps, full, seconds, memory, size = row.split()
    log = int(steps).bit_length() - 1
    parameters = StoneParameters.derived(log, log_last_layer=6, n_queries=16, log_n_cosets=4, pow_bits=20)
    cost = predict(parameters, layout_named(name), log, Speeds(0.70, 0.70), full_extension=full == "yes")
    assert _near(float(seconds), cost.cpu_seconds, SECONDS)
    assert _near(int(memory) * MIB, cost.memory_bytes, MEMORY)
    assert _near(int(size), cost.proof_bytes, BYTES)


@pytest.mark.parametrize("row", MEASURED.strip().splitlines())
def test_layouts_and_registry_hashes_cost_what_is_predicted(row: str):
    """The layouts that the trial does not cover, and proofs for the chain, whose trees are hashed with Poseidon."""
    name, steps, cosets, queries, full, hasher, seconds, memory, size = row.split()
    log = int(steps).bit_length() - 1
    parameters = StoneParameters.derived(
        log, log_last_layer=6, n_queries=int(queries), log_n_cosets=int(cosets), pow_bits=0
    )
    if hasher != "local":
        parameters = StoneParameters(
            parameters.fri_step_list, 6, int(queries), int(cosets), 0, REGISTRY_HASHERS[hasher]
        )
    cost = predict(parameters, layout_named(name), log, full_extension=full == "yes")
    assert _near(float(seconds), cost.cpu_seconds, SECONDS)
    assert _near(int(memory) * MIB, cost.memory_bytes, MEMORY)
    assert _near(int(size), cost.proof_bytes, BYTES)


def test_the_trials_table_is_as_predicted():
    """Every setting in the kept table of the trial: the median of its proofs, in time, memory and bytes."""
    table = Table()
    assert table.proofs
    for setting, proofs in table.proofs.items():
        parameters = setting.parameters
        if parameters.fri_step_list[0] != 0:
            continue  # what we never offer
        cost = predict(
            parameters,
            layout_named("small"),
            setting.steps.bit_length() - 1,
            full_extension=setting.full_lde,
        )
        assert _near(median(one.user_seconds for one in proofs), cost.cpu_seconds, SECONDS), setting
        assert _near(median(one.memory_mib for one in proofs) * MIB, cost.memory_bytes, MEMORY), setting
        assert _near(median(one.proof_bytes for one in proofs), cost.proof_bytes, BYTES), setting


@pytest.mark.parametrize("steps", RUNS)
def test_the_choice_is_near_the_best_found_by_trial(steps: int):
    """By the trial's kept table: at most 1.25 times the user CPU of the best setting, the medians of three proofs of
    each. A choice that is not in the table must be measured first: python -m tests.bench.stone_trial."""
    table = Table()
    own, best = chosen(steps), table.ranked(steps)[0]
    assert 3 <= min(len(table.proofs[own]), len(table.proofs[best]))
    assert table.expected(own) <= 1.25 * table.expected(best)


@pytest.mark.parametrize("row", STWO.strip().splitlines())
def test_stwo_costs_what_is_predicted(row: str):
    """All blow-ups, with few and many steps, and with the Pedersen hashes of up to 240 allocations."""
    log_blowup, queries, steps, hashes, seconds, memory, size = row.split()
    parameters = StwoParameters(n_queries=int(queries), log_blowup=int(log_blowup), pow_bits=20)
    cost = predict_stwo(parameters, int(steps), int(hashes))
    assert _near(float(seconds), cost.cpu_seconds, SECONDS)
    assert _near(int(memory) * MIB, cost.memory_bytes, MEMORY)
    assert _near(int(size), cost.proof_bytes, BYTES)


def test_a_faster_machine_takes_less_time_and_nothing_else_changes():
    """Speeds divide the time of proving and of the proof of work each; bytes and memory are the same everywhere."""
    parameters = StoneParameters.derived(9, log_last_layer=6, n_queries=38, log_n_cosets=2, pow_bits=20)
    layout = layout_named("small")
    plain = predict(parameters, layout, 9)
    fast = predict(parameters, layout, 9, Speeds(2.0, 4.0, 1.5))
    work = work_seconds(20)
    assert (plain.cpu_seconds - work) / 2 + work / 4 == pytest.approx(fast.cpu_seconds)
    assert (plain.memory_bytes, plain.proof_bytes) == (fast.memory_bytes, fast.proof_bytes)
    assert fast.cpu_seconds / 1.5 == fast.seconds


class _Priced:
    def __init__(self, seconds: float, memory: int, size: int) -> None:
        self.cost = Cost(seconds, memory, size)


def test_the_best_set_is_short_cheap_and_leaves_memory_to_others():
    """Speed takes the shortest of those that no measurement could tell apart, size the shortest within four times
    the time; what takes more than half the memory only where nothing else does."""
    cheap, equal, short, huge = (
        _Priced(1.0, 10, 100),
        _Priced(1.04, 10, 90),
        _Priced(3.9, 10, 50),
        _Priced(0.5, 60, 10),
    )
    sets = [cheap, equal, short, huge]
    assert [equal, cheap, short] == ranked(sets, "speed", 100)
    assert [short, equal, cheap] == ranked(sets, "size", 100)
    assert huge is ranked(sets, "speed", 120)[0]
    assert [huge] == ranked([huge], "speed", 70)
    assert [huge] == ranked([huge], "speed", 1)
    assert [equal, cheap, short] == ranked(sets, "speed", 1)
