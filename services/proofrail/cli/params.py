"""`proofrail params`: the parameters a proof would be made with, what they cost, and why."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from proofrail.cairo.risk_program import load_chain
from proofrail.cli.output import command, emit_json, emit_table, wants_json
from proofrail.cli.prove import BackendName, GoalName
from proofrail.cli.terminal import SafeConsole
from proofrail.proving import calibration
from proofrail.proving.cost import Cost, in_words, machine_memory
from proofrail.proving.policy import DEFAULT_SECURITY_BITS
from proofrail.proving.stone.calldata_size import MAX_CALLDATA, ONE_TRANSACTION, Transaction
from proofrail.proving.stone.choose import choose
from proofrail.proving.stone.presets import preset_named
from proofrail.proving.stone.prover_config import prover_config
from proofrail.proving.stwo_choice import choose_stwo
from proofrail.proving.verifier import LAYOUT, published_parameters
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import UnusableInputError

_DEFAULT_LAYOUT: Final = "small"
_SHOWN: Final = 10
_CHAIN_OUTPUT: Final = 3


@dataclass(frozen=True)
class _Set:
    """An admissible set in the prover's own format, and its price."""

    parameters: dict[str, Any]
    cost: Cost


@dataclass(frozen=True)
class _Found:
    """`sets`: the chosen one first; `more`: further members to show."""

    layout: str
    security_bits: int
    why: str
    considered: int
    sets: tuple[_Set, ...]
    more: dict[str, Any]


def params(
    steps: Annotated[
        int, typer.Option(metavar="N", help="Steps of the run; for stone as padded, a power of two.")
    ],
    layout: Annotated[
        str | None,
        typer.Option(help="Layout of the run, for stone; stwo has its own.", show_default=_DEFAULT_LAYOUT),
    ] = None,
    bits: Annotated[int, typer.Option(help="Least security of the proof, in bits.")] = DEFAULT_SECURITY_BITS,
    backend: Annotated[BackendName, typer.Option(help="Which prover makes the proof.")] = BackendName.STONE,
    goal: Annotated[
        GoalName | None, typer.Option("--for", help="What to choose for.", show_default="speed")
    ] = None,
    hasher: Annotated[
        str | None,
        typer.Option(help="The registry's hasher, for --for chain.", show_default="the first strong enough"),
    ] = None,
    cells: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Cells of public memory, for --for chain: each takes two felts.",
            show_default="those of the chain build",
        ),
    ] = None,
    max_calldata: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="FELTS",
            envvar="PROOFRAIL_CHAIN_MAX_CALLDATA",
            help="What a transaction may have, for --for chain --layout recursive; 0 for any number.",
        ),
    ] = MAX_CALLDATA,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A preset of the registry: layout/hasher/stone version/memory verification.",
            show_default=False,
        ),
    ] = None,
    pedersen: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Pedersen hashes of the run, which cost stwo time and memory."),
    ] = 0,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Show the {_SHOWN} best sets too, the chosen one first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
) -> None:
    """Show the parameters that a proof would be made with, the cost to expect, and why they were chosen.

    Every admissible set of blow-up, queries, proof of work and FRI folds is priced by a cost model; --for says
    what is best: `speed` the fewest bytes within 1.05 times the least CPU time, `size` within four times that,
    `chain` the same of what the registry's verifier on Starknet accepts. In layout recursive it can verify a proof
    in one transaction; there `chain` is the least CPU time for a proof that fits one. Security is conjectured: log2
    of the blow-up for each query plus the bits of proof of work, and never more than the hashes resist collisions.
    Sets that take more than half of this machine's memory are chosen only where all do.

    The member `parameters` is the prover's own parameter file, `prover_config` how stone's prover is run. What is
    too large for this machine is shown with fits_this_machine false. Times are those of a machine like the one of
    the model until `proofrail calibrate` has measured this one.

    \b
    Exit status:
      0  shown
      1  there are no such parameters; the code says why
      2  unusable options

    \b
    Examples:
      proofrail params --steps 4096 --layout small
      proofrail params --steps 16384 --layout recursive --for chain --bits 80
      proofrail params --steps 65536 --preset recursive/keccak_160_lsb/stone6/strict --bits 80
      proofrail params --backend stwo --steps 25000 --pedersen 2000 --for size --all
      proofrail params --steps 4096 --json | jq .parameters > cpu_air_params.json
    """
    with command():
        if preset is not None:
            layout, hasher, goal = _of_preset(preset, backend, layout, hasher, goal)
        goal = goal or GoalName.SPEED
        if backend is BackendName.STWO:
            found = _stwo(steps, layout, bits, goal, pedersen)
        else:
            layout = layout or _DEFAULT_LAYOUT
            transaction = _transaction(goal, layout, cells, max_calldata)
            found = _stone(steps, layout, bits, goal, hasher, transaction)
        memory = machine_memory()
        cost = found.sets[0].cost
        shown = {
            "backend": backend.value,
            "for": goal.value,
            "steps": steps,
            "layout": found.layout,
            "parameters": found.sets[0].parameters,
            "security_bits": found.security_bits,
            "why": found.why,
            **found.more,
            **({} if preset is None else _preset_members(preset)),
            "predicted": _predicted(cost),
            "calibrated": calibration.is_calibrated(backend.value),
            "fits_this_machine": cost.fits(memory),
        }
        if show_all:
            shown["considered"] = found.considered
            shown["ranking"] = [
                {"parameters": one.parameters, "predicted": _predicted(one.cost)} for one in found.sets
            ]
        if wants_json(as_json):
            emit_json(shown)
        else:
            _tell(shown, cost, memory)
            if show_all:
                _tell_all(found)


def _of_preset(
    name: str, backend: BackendName, layout: str | None, hasher: str | None, goal: GoalName | None
) -> tuple[str, str, GoalName]:
    preset = preset_named(name)
    agrees = (
        backend is BackendName.STONE
        and layout in (None, preset.layout)
        and hasher in (None, preset.hasher)
        and goal in (None, GoalName.CHAIN)
    )
    if not agrees:
        raise UnusableInputError(
            "params-options",
            f"the preset {name} is of stone, for chain, layout {preset.layout}, hasher {preset.hasher}",
            "Leave out --backend, --layout, --hasher and --for.",
        )
    return preset.layout, preset.hasher, GoalName.CHAIN


def _preset_members(name: str) -> dict[str, str]:
    return {"preset": name, "config_hash": felt_hex(preset_named(name).config_hash)}


def _transaction(goal: GoalName, layout: str, cells: int | None, max_calldata: int) -> Transaction | None:
    if goal is not GoalName.CHAIN or layout not in ONE_TRANSACTION:
        if cells is not None:
            raise UnusableInputError(
                "params-options",
                f"public memory takes felts of one transaction, which no proof for {goal.value} in layout {layout} is "
                "to fit",
                f"Add --for chain --layout {ONE_TRANSACTION[0]}, or leave out --cells.",
            )
        return None
    if not max_calldata:
        return None
    return Transaction(_cells_of_the_chain_build() if cells is None else cells, max_calldata)


def _cells_of_the_chain_build() -> int:
    """As in `public_cells`, of any run: its output is of one length."""
    program = load_chain()
    return len(program.words) + 2 + 2 * len(program.builtins) + _CHAIN_OUTPUT


def _stone(
    steps: int, layout: str, bits: int, goal: GoalName, hasher: str | None, transaction: Transaction | None
) -> _Found:
    choice = choose(steps, layout, bits, goal.value, hasher=hasher, transaction=transaction)
    more: dict[str, Any] = {"prover_config": prover_config(full_extension=choice.full_extension)}
    if choice.hasher is not None:
        more["hasher"] = choice.hasher
    if (felts := choice.ranking[0].felts) is not None:
        more["calldata_felts"] = felts
    return _Found(
        layout,
        choice.parameters.security_bits,
        choice.why,
        choice.considered,
        tuple(_Set(one.parameters.to_json(), one.cost) for one in choice.ranking[:_SHOWN]),
        more,
    )


def _stwo(steps: int, layout: str | None, bits: int, goal: GoalName, pedersen: int) -> _Found:
    if layout not in (None, LAYOUT):
        raise UnusableInputError(
            "params-options", f"stwo proves in the layout {LAYOUT}, not {layout!r}", "Leave out --layout."
        )
    choice = choose_stwo(steps, bits, goal.value, pedersen_hashes=pedersen)
    return _Found(
        LAYOUT,
        choice.parameters.security_bits,
        choice.why,
        choice.considered,
        tuple(
            _Set(published_parameters(one.parameters, one.lifting_log_size), one.cost)
            for one in choice.ranking[:_SHOWN]
        ),
        {"pedersen_hashes": pedersen},
    )


def _predicted(cost: Cost) -> dict[str, Any]:
    """Seconds as text: the wire knows no floats."""
    return {
        "cpu_seconds": f"{cost.cpu_seconds:.3f}",
        "seconds": f"{cost.seconds:.3f}",
        "memory_bytes": cost.memory_bytes,
        "proof_bytes": cost.proof_bytes,
    }


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
    why_not = calibration.stale(shown["backend"]) or "not calibrated"
    guess = "" if shown["calibrated"] else f"; {why_not}: `proofrail calibrate`"
    rows: list[tuple[str, object]] = [
        ("backend", f"{shown['backend']}, layout {shown['layout']}"),
        ("parameters", chosen),
        ("security", f"{shown['security_bits']} bits (conjectured)"),
        ("why", shown["why"]),
        ("time", f"about {in_words(cost.seconds)}, {cost.cpu_seconds:,.1f} s of CPU time{guess}"),
        ("memory", f"about {cost.memory_bytes / 2**20:,.0f} MiB; {fits} in {memory / 2**20:,.0f} MiB"),
        ("proof", f"about {cost.proof_bytes:,} bytes"),
    ]
    if "calldata_felts" in shown:
        rows.append(("calldata", f"at most {shown['calldata_felts']:,} felts, the transaction's own counted"))
    for name in ("preset", "hasher"):
        if name in shown:
            rows.insert(2, (name, shown[name]))
    emit_table(rows)


def _tell_all(found: _Found) -> None:
    title = f"The best of {found.considered}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("queries", "blow-up", "work bits", "folds", "CPU s", "MiB", "bytes"):
        table.add_column(name, justify="left" if name == "folds" else "right")
    for one in found.sets:
        stark = one.parameters.get("stark")
        if stark is None:
            stwo = one.parameters
            numbers = stwo["n_queries"], stwo["log_blowup"], stwo["pow_bits"], f"by {1 << stwo['fold_step']}"
        else:
            fri = stark["fri"]
            folds = f"{fri['fri_step_list']} to {fri['last_layer_degree_bound']}"
            numbers = fri["n_queries"], stark["log_n_cosets"], fri["proof_of_work_bits"], folds
        queries, log_blowup, work, folds = numbers
        table.add_row(
            str(queries),
            str(1 << log_blowup),
            str(work),
            folds,
            f"{one.cost.cpu_seconds:,.2f}",
            f"{one.cost.memory_bytes >> 20:,}",
            f"{one.cost.proof_bytes:,}",
        )
    SafeConsole(file=sys.stdout, highlight=False, markup=False).print(table)
