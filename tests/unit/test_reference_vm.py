"""The original Cairo VM as a second opinion: it agrees with ours, and where it did not it would be said."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cairo_runs import ARTIFACTS, program
from synthetic_run import publish

from proofrail.audit.second_opinion import Disagreement, second_opinion, with_opinion
from proofrail.cairo import cairo_lang, risk_program
from proofrail.cairo.program import CairoProgram
from proofrail.cairo.reference_vm import ReferenceRun, ReferenceVm
from proofrail.cairo.vm import run
from proofrail.wire.errors import PoisonError, UnusableInputError
from proofrail.wire.messages import parse_message, to_line
from proofrail.wire.proposals import parse_proposal

SAMPLES = ARTIFACTS.parent / "samples" / "proposals.ndjson"
FIBONACCI = {"n": 10}


@pytest.fixture(scope="module")
def vm(tmp_path_factory: pytest.TempPathFactory) -> ReferenceVm:
    """The reference VM, in the environment of the checkout or one that is made now."""
    folder = tmp_path_factory.mktemp("cache") / "cairo-lang"
    if not cairo_lang.is_ready(cairo_lang.IN_CHECKOUT):
        try:
            cairo_lang.environment(folder, lambda _: None)
        except UnusableInputError as error:
            pytest.skip(f"cairo-lang cannot be had: {error.message}")
    return ReferenceVm(folder.parent, lambda _: None)


def batch(count: int) -> dict[str, Any]:
    lines = SAMPLES.read_bytes().splitlines()[:count]
    return risk_program.program_input([parse_proposal(line).normal_form() for line in lines])


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["small", "recursive"])
def test_fibonacci_runs_the_same_in_both(vm: ReferenceVm, layout: str) -> None:
    """Trace, memory and public input are equal byte for byte, in more than one layout."""
    assert second_opinion(vm, program("fibonacci"), FIBONACCI, layout, None) is None


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 4])
def test_the_risk_engine_runs_the_same_in_both(vm: ReferenceVm, count: int) -> None:
    """cairo-lang executes the Python of the hints, ours their Rust twins: nothing differs."""
    assert second_opinion(vm, risk_program.load(), batch(count), "small", None) is None


@pytest.mark.slow
def test_the_chain_build_runs_the_same_in_both(vm: ReferenceVm) -> None:
    """Its bitwise builtin and its padding to the layout's least steps, too."""
    chain = risk_program.load_chain()
    assert second_opinion(vm, chain, batch(5), "recursive", None) is None


@pytest.mark.slow
@pytest.mark.parametrize("how", [1, 2, 3, 4, 5, 6])
def test_failed_runs_fail_at_the_same_step_in_both(vm: ReferenceVm, how: int) -> None:
    """An assertion, a hint, a range check, the step limit, an unknown cell, a builtin: completed steps and the
    place of the failure are equal."""
    assert second_opinion(vm, program("failing"), {"how": how}, "small", 2000) is None


@pytest.mark.slow
def test_hints_that_did_not_run_here_do_not_run_there(vm: ReferenceVm, tmp_path: Path) -> None:
    """Hints are Python with all rights: one that our VM did not execute is taken out, so that a program cannot
    do anything to the auditor."""
    touched = tmp_path / "touched"
    changed = json.loads(program("failing").compiled)
    at = next(at for at, hints in changed["hints"].items() if "no library" in hints[0]["code"])
    changed["hints"][at][0]["code"] = f"open({str(touched)!r}, 'w').close()"
    altered = CairoProgram(json.dumps(changed).encode())
    assert second_opinion(vm, altered, {"how": 0}, "small", None) is None
    with pytest.raises(UnusableInputError) as refused:
        second_opinion(vm, altered, {"how": 8}, "small", None)
    assert ("unknown-hint", False) == (refused.value.code, touched.exists())
    # That it would have run, had it not been taken out:
    reads = next(at for at, hints in changed["hints"].items() if '["how"]' in hints[0]["code"])
    vm.run(altered, {"how": 8}, "small", None, executed=(int(reads) + 1,))
    assert not touched.exists()
    vm.run(altered, {"how": 8}, "small", None, executed=(int(reads) + 1, int(at) + 1))
    assert touched.exists()


@pytest.mark.slow
def test_hints_behind_a_failed_one_are_not_run(vm: ReferenceVm) -> None:
    """Where a run fails at an instruction with several hints, our VM may not have seen them all."""
    changed = json.loads(program("failing").compiled)
    hints = next(hints for hints in changed["hints"].values() if '["how"]' in hints[0]["code"])
    again = dict(hints[0], code='ids.how = program_input["other"]')
    hints += [again, dict(hints[0], code="raise SystemExit")]
    with pytest.raises(PoisonError) as error:
        second_opinion(vm, CairoProgram(json.dumps(changed).encode()), {"how": 2, "other": 3}, "small", None)
    assert "reference-hint" == error.value.code


@pytest.mark.slow
def test_a_hint_without_its_module_is_named(vm: ReferenceVm) -> None:
    """What the environment cannot import is an error of its own, not a failure of the run."""
    changed = json.loads(program("fibonacci").compiled)
    at = next(iter(changed["hints"]))
    changed["hints"][at][0]["code"] = "import a_module_that_nobody_has"
    with pytest.raises(PoisonError) as error:
        vm.run(CairoProgram(json.dumps(changed).encode()), FIBONACCI, "small", None, executed=(int(at) + 1,))
    assert "reference-hint" == error.value.code
    assert "a_module_that_nobody_has" in error.value.message


@pytest.mark.slow
def test_a_layout_that_it_does_not_have_is_named(vm: ReferenceVm) -> None:
    """Not every layout of ours is one of the reference VM: that is no disagreement."""
    with pytest.raises(PoisonError) as error:
        second_opinion(vm, program("fibonacci"), FIBONACCI, "all_cairo", None)
    assert ("reference-vm-failed", True) == (error.value.code, "no layout all_cairo" in error.value.message)


class Told(ReferenceVm):
    """Says what it is told, after a look at what our VM does."""

    def __init__(self, change: Callable[[ReferenceRun], ReferenceRun]) -> None:
        super().__init__(Path("unused"), lambda _: None)
        self._change = change

    def run(
        self, program: CairoProgram, program_input: Any, layout: str, max_steps: Any, executed: Any
    ) -> Any:
        ours = run(program, program_input, layout, max_steps)
        completed = ours.outcome == "completed"
        same = ReferenceRun(
            outcome=ours.outcome,
            steps=ours.n_steps,
            trace=bytes(ours.trace),
            memory=_reversed(bytes(ours.memory)) if completed else b"",
            public_input=json.loads(ours.public_input()) if completed else None,
            failed_pc=None if completed else 15,
            message=None,
        )
        return self._change(same)


def _reversed(memory: bytes) -> bytes:
    return b"".join(memory[at : at + 40] for at in reversed(range(0, len(memory), 40)))


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def asked(change: Callable[[ReferenceRun], ReferenceRun], name: str = "fibonacci", **values: int) -> Any:
    return second_opinion(Told(change), program(name), values or FIBONACCI, "small", None)


def test_cells_in_another_order_are_no_disagreement() -> None:
    """The reference VM writes cells as they were first touched."""
    assert asked(lambda run: run) is None


@pytest.mark.parametrize(
    ("change", "member", "index", "pointer"),
    [
        (lambda run: replace(run, trace=_flipped(run.trace, 24 * 7 + 16)), "trace", 7, None),
        (lambda run: replace(run, trace=run.trace[: 24 * 9]), "trace", 9, None),
        (
            lambda run: replace(run, memory=_flipped(run.memory, len(run.memory) - 40 * 5 + 8)),
            "memory",
            4,
            None,
        ),
        (lambda run: replace(run, memory=run.memory[40:]), "memory", None, None),
        (lambda run: replace(run, outcome="failed"), "outcome", None, None),
        (
            lambda run: replace(run, public_input={**(run.public_input or {}), "rc_max": 1}),
            "public_input",
            None,
            "/rc_max",
        ),
        (
            lambda run: replace(run, public_input={**(run.public_input or {}), "new": None}),
            "public_input",
            None,
            "/new",
        ),
    ],
)
def test_each_disagreement_is_found_at_its_place(
    change: Callable[[ReferenceRun], ReferenceRun], member: str, index: int | None, pointer: str | None
) -> None:
    """Step, cell, member of the public input or outcome: the first that differs, with both values."""
    found = asked(change)
    assert isinstance(found, Disagreement)
    assert (member, pointer) == (found.member, found.pointer)
    assert index is None or index == found.index
    if member == "trace":
        assert found.more["source"].startswith("cairo/fibonacci.cairo:") or found.more["source"].startswith(
            "<"
        )


def test_another_failing_instruction_is_a_disagreement() -> None:
    """A failed run must fail at the same instruction."""
    assert asked(lambda run: run, "failing", how=1) is None
    found = asked(lambda run: replace(run, failed_pc=16), "failing", how=1)
    assert ("failed_pc", 15, 16) == (found.member, found.ours, found.reference)


def test_a_report_says_what_the_second_opinion_was() -> None:
    """Agreement is a checked part, disagreement a MISMATCH, a VM that cannot be asked INDETERMINATE."""
    report = publish().audit().report
    assert ("MATCH", True) == (
        with_opinion(report, None).verdict,
        "reference-vm" in with_opinion(report, None).checked,
    )
    found = asked(lambda run: replace(run, trace=_flipped(run.trace, 24 * 7)))
    differing = with_opinion(report, found)
    assert parse_message(to_line(differing)) == differing
    mismatch = differing.first_mismatch
    assert mismatch is not None
    shown = mismatch.to_object()
    assert ("MISMATCH", "reference-vm", 7) == (differing.verdict, shown["kind"], shown["step"])
    away = with_opinion(report, UnusableInputError("compiler-unavailable", "no package index"))
    assert ("INDETERMINATE", "compiler-unavailable") == (away.verdict, away.unchecked[-1].code)


def test_a_report_that_is_a_mismatch_stays_as_it_is() -> None:
    """Whatever another VM says, the first mismatch stands."""
    altered = publish()
    altered.events.pop()
    report = altered.audit().report
    after = with_opinion(report, None)
    assert ("MISMATCH", report.first_mismatch) == (after.verdict, after.first_mismatch)
    assert "after-mismatch" == after.unchecked[-1].code
