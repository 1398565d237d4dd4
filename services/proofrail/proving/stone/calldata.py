"""A Stone proof as the felts that the registry's verifier takes (StarkProofWithSerde).

Source: the types in Integrity's src/deserialization, read as Cairo serializes them: members in order, arrays behind
their length. What each part of the proof is, Stone's verifier says in its annotations; how many parts of each kind
there are follows from nothing else, because queries that meet share a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from proofrail.proving.errors import RefusedProof
from proofrail.proving.stone.layouts import ROWS_PER_STEP_LOG
from proofrail.proving.stone.proof import StoneProof
from proofrail.wire.canonical import parse_felt

_SENT: Final = re.compile(r"P->V\[(\d+):(\d+)\]: /cpu air/STARK/([^:]+): (.*)")
_FELT: Final = re.compile(r"0x[0-9a-f]+")
_COMPOSITION_COLUMNS: Final = 2
_ORACLE: Final = "FRI/Decommitment/Layer 0/Virtual Oracle/Trace "
_LAYER: Final = re.compile(r"FRI/Decommitment/Layer ([1-9]\d*)")


@dataclass
class _Table:
    """What is opened of one commitment: values, and the hashes beside their paths."""

    values: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)


@dataclass
class _Sent:
    """What the prover says, sorted by what it is."""

    commitments: dict[str, int] = field(default_factory=dict)
    oods_values: list[int] = field(default_factory=list)
    layers: list[int] = field(default_factory=list)
    last_layer: list[int] = field(default_factory=list)
    nonce: int | None = None
    traces: tuple[_Table, _Table, _Table] = field(default_factory=lambda: (_Table(), _Table(), _Table()))
    fri: list[_Table] = field(default_factory=list)


def calldata(proof: StoneProof, annotations: Iterable[str]) -> list[int]:
    """The felts, without those of the configuration. `annotations`: what Stone's verifier says of this proof.

    Raises RefusedProof `proof-annotations` when they are not of this proof or of an unknown form.
    """
    sent = _read(annotations, (len(_hex(proof)) - 2) // 2, len(proof.parameters.fri_step_list) - 1)
    return [*_config(proof), *_public_input(proof), *_unsent(sent), *_witness(sent)]


def _read(annotations: Iterable[str], size: int, layers: int) -> _Sent:
    sent = _Sent(fri=[_Table() for _ in range(layers)])
    at = 0
    for line in annotations:
        found = _SENT.fullmatch(line.strip())
        if found is None:
            continue
        begin, end, where, said = int(found[1]), int(found[2]), found[3], found[4]
        if begin != at:
            _another(f"byte {at} of the proof is annotated by nothing")
        at = end
        _sort(sent, where, said)
    if at != size:
        _another(f"{at} of the proof's {size} bytes are annotated")
    if sent.nonce is None or len(sent.layers) != layers or set(sent.commitments) != set(_COMMITTED.values()):
        _another("a commitment or the proof of work is missing")
    return sent


_COMMITTED: Final = {
    "Original/Commit on Trace": "original",
    "Interaction/Commit on Trace": "interaction",
    "Out Of Domain Sampling/Commit on Trace": "composition",
}


def _sort(sent: _Sent, where: str, said: str) -> None:
    felts = [int(text, 16) for text in _FELT.findall(said)]
    if where in _COMMITTED:
        sent.commitments[_COMMITTED[where]] = _one(felts, where)
    elif where == "Out Of Domain Sampling/OODS values":
        sent.oods_values += felts
    elif where == "FRI/Commitment/Last Layer":
        sent.last_layer += felts
    elif where.startswith("FRI/Commitment/Layer "):
        sent.layers.append(_one(felts, where))
    elif where == "FRI/Proof of Work":
        sent.nonce = _one(felts, where)
    else:
        _opened(_table(sent, where), said, felts, where)


def _table(sent: _Sent, where: str) -> _Table:
    if where.startswith(_ORACLE) and where[len(_ORACLE) :] in ("0", "1", "2"):
        return sent.traces[int(where[len(_ORACLE) :])]
    layer = _LAYER.fullmatch(where)
    if layer is None or int(layer[1]) > len(sent.fri):
        _another(f"nothing is known of {where}")
    return sent.fri[int(layer[1]) - 1]


def _opened(table: _Table, said: str, felts: Sequence[int], where: str) -> None:
    if said.startswith("Row "):
        table.values.append(_one(felts, where))
    elif said.startswith("For node "):
        table.hashes.append(_one(felts, where))
    else:
        _another(f"nothing is known of {where}: {said:.60}")


def _config(proof: StoneProof) -> list[int]:
    """StarkConfigWithSerde."""
    parameters = proof.parameters
    steps = parameters.fri_step_list
    friendly = int(_object(proof, "proof_parameters")["n_verifier_friendly_commitment_layers"])
    log_trace = proof.log_n_steps + ROWS_PER_STEP_LOG
    log_evaluation = log_trace + parameters.log_n_cosets
    tables = [(columns, log_evaluation) for columns in (*proof.layout.columns, _COMPOSITION_COLUMNS)]
    inner = [(1 << steps[at], log_evaluation - sum(steps[: at + 1])) for at in range(1, len(steps))]
    return [
        *(felt for columns, height in tables for felt in (columns, height, friendly)),
        log_evaluation,
        len(steps),
        *_array([felt for columns, height in inner for felt in (columns, height, friendly)]),
        *_array(steps),
        parameters.log_last_layer,
        parameters.pow_bits,
        log_trace,
        parameters.n_queries,
        parameters.log_n_cosets,
        friendly,
    ]


def _public_input(proof: StoneProof) -> list[int]:
    """PublicInputWithSerde."""
    public = proof.public_input
    places = public["memory_segments"]
    names = ("program", "execution", *proof.layout.builtins)
    segments = [places[name][member] for name in names for member in ("begin_addr", "stop_ptr")]
    cells = [(cell["address"], parse_felt(cell["value"])) for cell in public["public_memory"]]
    return [
        proof.log_n_steps,
        public["rc_min"],
        public["rc_max"],
        int.from_bytes(proof.layout.name.encode("ascii"), "big"),
        *_array([]),  # parameters of the dynamic layout
        len(names),
        *_array(segments),
        *cells[0],  # what pads the public memory
        len(cells),
        *_array([felt for cell in cells for felt in cell]),
        0,  # continuous pages
        *_array([]),
    ]


def _unsent(sent: _Sent) -> list[int]:
    """StarkUnsentCommitmentWithSerde."""
    return [
        *(sent.commitments[name] for name in _COMMITTED.values()),
        *_array(sent.oods_values),
        *_array(sent.layers),
        *_array(sent.last_layer),
        sent.nonce or 0,
    ]


def _witness(sent: _Sent) -> list[int]:
    """StarkWitnessWithSerde."""
    *traces, composition = sent.traces
    layers = [felt for table in sent.fri for felt in (*_array(table.values), *_array(table.hashes))]
    return [
        *(felt for table in traces for felt in _counted(table.values)),
        *(felt for table in traces for felt in _counted(table.hashes)),
        *_counted(composition.values),
        *_counted(composition.hashes),
        *_array(layers),
    ]


def _array(felts: Sequence[int]) -> list[int]:
    return [len(felts), *felts]


def _counted(felts: Sequence[int]) -> list[int]:
    """A number of things, and then an array of them."""
    return [len(felts), *_array(felts)]


def _one(felts: Sequence[int], where: str) -> int:
    if len(felts) != 1:
        _another(f"{where} says {len(felts)} felts")
    return felts[0]


def _hex(proof: StoneProof) -> str:
    return str(_object(proof, "proof_hex"))


def _object(proof: StoneProof, member: str) -> Any:
    return json.loads(proof.data)[member]


def _another(why: str) -> NoReturn:
    raise RefusedProof("proof-annotations", f"the verifier's annotations are not of this proof: {why}")
