"""`proofrail params`: the parameters a proof would be made with, what they cost, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from proofrail.cli.output import command, emit_json, emit_table, wants_json
from proofrail.cli.prove import BackendName, GoalName
from proofrail.proving.cost import Cost, machine_memory
from proofrail.proving.policy import DEFAULT_SECURITY_BITS
from proofrail.proving.stone.choose import choose
from proofrail.proving.stwo_choice import choose_stwo
from proofrail.proving.verifier import LAYOUT, published_parameters


def params(
    steps: Annotated[
        int, typer.Option(metavar="N", help="Steps of the run; for stone as padded, a power of two.")
    ],
    layout: Annotated[str, typer.Option(help="Layout of the run; stwo has its own.")] = "small",
    bits: Annotated[int, typer.Option(help="Least security of the proof, in bits.")] = DEFAULT_SECURITY_BITS,
    backend: Annotated[BackendName, typer.Option(help="Which prover makes the proof.")] = BackendName.STONE,
    goal: Annotated[GoalName, typer.Option("--for", help="What to choose for.")] = GoalName.SPEED,
    hasher: Annotated[
        str | None,
        typer.Option(help="The registry's hasher, for --for chain.", show_default="the first strong enough"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
) -> None:
    """Show the parameters that a proof would be made with, the cost to expect, and why they were chosen.

    Every admissible set of blow-up, queries, proof of work and FRI folds is priced by a cost model; --for says
    what is best: `speed` the least CPU time, `size` the fewest bytes within four times that, `chain` the same of
    what the registry's verifier on Starknet accepts. Security is conjectured: log2 of the blow-up for each query
    plus the bits of proof of work, and never more than the hashes resist collisions.

    The member `parameters` is the prover's own parameter file. What is too large for this machine is shown with
    fits_this_machine false.

    \b
    Exit status:
      0  shown
      1  there are no such parameters; the code says why

    \b
    Examples:
      proofrail params --steps 4096 --layout small
      proofrail params --steps 16384 --layout recursive --for chain --bits 80
      proofrail params --steps 4096 --json | jq .parameters > cpu_air_params.json
    """
    with command():
        if backend is BackendName.STWO:
            found, cost = _stwo(steps, bits, goal)
        else:
            found, cost = _stone(steps, layout, bits, goal, hasher)
        memory = machine_memory()
        shown = {
            "backend": backend.value,
            "for": goal.value,
            "steps": steps,
            **found,
            "predicted": {
                "cpu_seconds": _milliseconds(cost),
                "memory_bytes": cost.memory_bytes,
                "proof_bytes": cost.proof_bytes,
            },
            "fits_this_machine": cost.fits(memory),
        }
        if wants_json(as_json):
            emit_json(shown)
        else:
            _tell(shown, cost, memory)


def _stone(
    steps: int, layout: str, bits: int, goal: GoalName, hasher: str | None
) -> tuple[dict[str, Any], Cost]:
    choice = choose(steps, layout, bits, goal.value, hasher=hasher)
    found: dict[str, Any] = {
        "layout": layout,
        "parameters": choice.parameters.to_json(),
        "security_bits": choice.parameters.security_bits,
        "why": choice.why,
    }
    if choice.hasher is not None:
        found["hasher"] = choice.hasher
    return found, choice.cost


def _stwo(steps: int, bits: int, goal: GoalName) -> tuple[dict[str, Any], Cost]:
    choice = choose_stwo(steps, bits, goal.value)
    return {
        "layout": LAYOUT,
        "parameters": published_parameters(choice.parameters, choice.lifting_log_size),
        "security_bits": choice.parameters.security_bits,
        "why": choice.why,
    }, choice.cost


def _milliseconds(cost: Cost) -> str:
    """Seconds as text: the wire knows no floats."""
    return f"{cost.cpu_seconds:.3f}"


def _tell(shown: dict[str, Any], cost: Cost, memory: int) -> None:
    parameters = shown["parameters"]
    stark = parameters.get("stark")
    if stark is None:
        chosen = (
            f"{parameters['n_queries']} queries, blow-up {1 << parameters['log_blowup']}, "
            f"{parameters['pow_bits']} bits of proof of work"
        )
    else:
        fri = stark["fri"]
        chosen = (
            f"{fri['n_queries']} queries, blow-up {1 << stark['log_n_cosets']}, "
            f"{fri['proof_of_work_bits']} bits of proof of work, "
            f"folds {fri['fri_step_list']} to degree {fri['last_layer_degree_bound']}"
        )
    fits = "fits" if shown["fits_this_machine"] else "DOES NOT FIT"
    rows: list[tuple[str, object]] = [
        ("backend", f"{shown['backend']}, layout {shown['layout']}"),
        ("parameters", chosen),
        ("security", f"{shown['security_bits']} bits (conjectured)"),
        ("why", shown["why"]),
        ("CPU time", f"about {cost.cpu_seconds:,.1f} s, all cores together"),
        ("memory", f"about {cost.memory_bytes / 2**20:,.0f} MiB; {fits} in {memory / 2**20:,.0f} MiB"),
        ("proof", f"about {cost.proof_bytes:,} bytes"),
    ]
    if "hasher" in shown:
        rows.insert(2, ("hasher", shown["hasher"]))
    emit_table(rows)
