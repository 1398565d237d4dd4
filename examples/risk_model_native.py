"""The risk model twice: as traced Python, and as the Cairo program that Proofrail proves.

    python examples/risk_model_native.py [--allocation ID]… [--out DIR]

Runs both on sample proposals (cairo/samples/proposals.ndjson), prints the span tree of each, checks that they decide
alike, felt by felt, and writes the native run's events and commitment. The native run is then audited: from the
commitment's Input line everything is computed again and compared. Exit status 0 when all of that holds, else 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.tree import Tree

from proofrail.cairo.risk_model import pedersen_array_hash
from proofrail.cairo.risk_program import MODEL_VERSION, SCHEMA, load, program_input
from proofrail.cairo.trace import RunSpec, trace_run
from proofrail.tracing import (
    CommitSubscriber,
    JsonSubscriber,
    Tracer,
    decode,
    loop,
    reexecute,
    sequence,
    tile,
)
from proofrail.wire.proposals import parse_proposal

SAMPLES = Path(__file__).parents[1] / "cairo" / "samples" / "proposals.ndjson"
SHOWN = ("two-pools-agreed-risks", "everything-wrong")
WHOLE_BPS = 10_000
DIVERSE_BPS = 1_000

Form = dict[str, Any]


@tile
def risk_score(
    utilization_bps: int, volatility_bps: int, liquidity: int, audit_score: int, age_days: int
) -> int:
    """The risk 5 … 95 of a protocol."""
    raw = (
        utilization_bps * 25 // WHOLE_BPS
        + volatility_bps * 40 // WHOLE_BPS
        + (0, 5, 15, 30)[liquidity]
        + (100 - audit_score) * 3 // 10
        + (0 if age_days >= 730 else (730 - age_days) * 10 // 730)
    )
    return min(max(raw, 5), 95)


@sequence
def assess_protocols(protocols: list[Form]) -> list[int]:
    """The risk of each protocol: computed where there are metrics, else as given."""
    risks = []
    with loop("protocols", protocols) as steps:
        for protocol in steps:
            risks.append(risk_score(**protocol["metrics"]) if "metrics" in protocol else protocol["risk"])
    return risks


@tile
def recommend_shares(apys_bps: list[int], risks: list[int]) -> list[int]:
    """The recommended shares in basis points; the last protocol gets what is missing to 10,000."""
    scores = [apy * WHOLE_BPS // (risk + 1) for apy, risk in zip(apys_bps, risks, strict=True)]
    total = sum(scores)
    shares = [score * WHOLE_BPS // total if total else 0 for score in scores[:-1]]
    return [*shares, WHOLE_BPS - sum(shares)]


@tile
def judge_risks(protocols: list[Form], risks: list[int]) -> int:
    """1: a given risk differs from the computed one."""
    return int(any(p.get("risk", risk) != risk for p, risk in zip(protocols, risks, strict=True)))


@tile
def judge_shares(proposed: list[int], max_single_bps: int, min_diversification: int) -> int:
    """2: a share is too large; 4: too few shares of at least 1,000 basis points."""
    diverse = sum(share >= DIVERSE_BPS for share in proposed)
    return 2 * (max(proposed) > max_single_bps) + 4 * (diverse < min_diversification)


@tile
def judge_deviation(proposed: list[int], recommended: list[int], max_deviation_bps: int) -> int:
    """8: a share is too far from the recommended one."""
    far = (abs(ours - theirs) for ours, theirs in zip(proposed, recommended, strict=True))
    return 8 * (max(far) > max_deviation_bps)


@tile
def judge_metrics(used: list[Form], max_volatility_bps: int, min_liquidity: int) -> int:
    """16, 32: a protocol that gets a share is too volatile, too illiquid."""
    volatile = any(metrics["volatility_bps"] > max_volatility_bps for metrics in used)
    illiquid = any(metrics["liquidity"] > min_liquidity for metrics in used)
    return 16 * volatile + 32 * illiquid


@tile
def hash_inputs(form: Form) -> tuple[int, int]:
    """The allocation's id and the Pedersen array hash of everything that was decided on."""
    identity, *rest = program_input([form])["data"]
    return identity, pedersen_array_hash([identity, MODEL_VERSION, *rest])


@sequence
def evaluate(form: Form) -> list[int]:
    """One allocation's row of the output."""
    protocols, limits = form["protocols"], form["limits"]
    proposed = [protocol["proposed_bps"] for protocol in protocols]
    used = [p["metrics"] for p in protocols if p["proposed_bps"] > 0 and "metrics" in p]
    risks = assess_protocols(protocols)
    recommended = recommend_shares([protocol["apy_bps"] for protocol in protocols], risks)
    verdict = (
        judge_risks(protocols, risks)
        + judge_shares(proposed, limits["max_single_bps"], limits["min_diversification"])
        + judge_deviation(proposed, recommended, limits["max_deviation_bps"])
        + judge_metrics(used, limits["max_volatility_bps"], limits["min_liquidity"])
    )
    identity, inputs_hash = hash_inputs(form)
    shares = zip(risks, recommended, proposed, strict=True)
    row = [identity, inputs_hash, MODEL_VERSION, verdict, len(protocols)]
    return row + [felt for share in shares for felt in share]


@sequence
def risk_engine(forms: list[Form]) -> list[int]:
    """The output for a batch: [1, N, row…], as the Cairo program's."""
    rows = []
    with loop("allocations", forms) as steps:
        for form in steps:
            rows.append(evaluate(form))
    return [SCHEMA, len(rows), *(felt for row in rows for felt in row)]


def native_run(forms: list[Form], out: Path) -> tuple[list[int], list[Form]]:
    """Output and events of the traced Python model; events and commitment are written to `out`."""
    events = out / "events.ndjson"
    with Tracer(JsonSubscriber(events), CommitSubscriber(out / "commitments.ndjson")):
        output = risk_engine(forms)
    return output, [json.loads(line) for line in events.read_bytes().splitlines()]


def cairo_run(forms: list[Form]) -> tuple[list[int], list[Form]]:
    """Output and events of the Cairo program."""
    trace = trace_run(RunSpec(load()), forms, program_input(forms), clock=time.time_ns, private_input=False)
    lines = [line for chunk in trace.stream() for line in chunk.lines.splitlines()]
    return list(trace.output), [json.loads(line) for line in lines]


def span_tree(title: str, events: Iterable[Form]) -> Tree:
    """The spans of a trace, each with what it returned."""
    root = Tree(title)
    open_spans = [root]
    for event in events:
        kind = event["type"]
        if kind in ("TileStart", "SequenceStart"):
            name = event.get("tile_id") or event["name"]
            if "iteration" in event:
                name += f"[{event['iteration']}]"
            open_spans.append(open_spans[-1].add(name))
        elif kind in ("TileEnd", "SequenceEnd"):
            span = open_spans.pop()
            span.label = f"{span.label}{_returned(event)}"
    return root


def _returned(end: Form) -> str:
    data = bytes.fromhex(end.get("output_bytes", ""))
    if not data:
        return ""
    if "cycles" not in end:
        shown = _shown(decode(data))
    else:
        felts = [int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32)]
        shown = ", ".join(map(_shown, felts))
    return f" → {shown}"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value[:5])) + (", …" if len(value) > 5 else "")
    return f"{value:#x}"[:8] + "…" if isinstance(value, int) and value >= 2**64 else str(value)


def sample_forms(names: Sequence[str]) -> list[Form]:
    """The normal forms of the named sample proposals."""
    found = {form["allocation_id"]: form for form in map(_form, SAMPLES.read_bytes().splitlines())}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise SystemExit(f"{', '.join(unknown)}: no such sample; there are {', '.join(found)}")
    return [found[name] for name in names]


def _form(line: bytes) -> Form:
    return parse_proposal(line).normal_form()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--allocation", action="append", metavar="ID", help="a sample proposal; repeatable")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where events and commitment go")
    options = parser.parse_args(arguments)
    forms = sample_forms(options.allocation or SHOWN)
    out = options.out or Path(tempfile.mkdtemp(prefix="proofrail-native-"))
    out.mkdir(parents=True, exist_ok=True)

    console = Console(soft_wrap=True, highlight=False, markup=False)
    native, native_events = native_run(forms, out)
    cairo, cairo_events = cairo_run(forms)
    console.print(span_tree("native: traced Python", native_events))
    console.print(span_tree("cairo: risk_engine.cairo", cairo_events))
    equal = native == cairo
    console.print(f"outputs: {len(native)} felts, {'equal' if equal else f'{native} differs from {cairo}'}")
    report = reexecute([risk_engine], out / "commitments.ndjson", events=out / "events.ndjson")
    console.print(f"audit of the native run: {report.verdict} ({', '.join(report.checked)})")
    console.print(f"run {report.run_id}: events and commitment in {out}")
    return 0 if equal and report.verdict == "MATCH" else 1


if __name__ == "__main__":
    sys.exit(main())
