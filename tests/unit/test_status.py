"""The status of the pipeline, and the history of runs and allocations, from records alone."""

from __future__ import annotations

from typing import Any

import pytest
from operator_runs import AT_MS, Topics
from rich.console import Console

from proofrail.cli.lag import Lag
from proofrail.cli.status_command import pipeline_tree
from proofrail.cli.status_history import History
from proofrail.cli.status_pipeline import GROUPS, Judge, Pipeline, given_up, refused_at_intake, registered
from proofrail.cli.status_runs import TOPICS, RunsSeen
from proofrail.wire import topics
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.messages import FirstMismatch, IndexEntry, Unchecked, to_line

MINUTE = 60_000
NOW = AT_MS + 10 * MINUTE
CALM = Lag(0, None, 1)


def _pipeline(world: Topics, since_ms: int = 0, **lags: Lag) -> Pipeline:
    return Judge(NOW, 5 * MINUTE, since_ms).pipeline(
        RunsSeen(world.on(*TOPICS)),
        {group: lags.get(group.removeprefix("proofrail-"), CALM) for group in GROUPS},
        given_up(world.on(topics.INDEX)),
        0,
        None
        if "registrar" not in lags
        else registered(world.on(topics.ATTESTATIONS, topics.REGISTRATIONS), lags["registrar"]),
    )


def _states(pipeline: Pipeline) -> list[str]:
    return [stage.state for stage in pipeline.stages]


def _proof(world: Topics, run_id: str, at_ms: int) -> None:
    world.add(topics.PROOFS, run_id, canonical({"v": 1, "type": "Proof", "run_id": run_id}), at_ms)


def test_a_run_goes_through_the_stages() -> None:
    """In the prover's hands, then the auditor's, then nobody's."""
    world = Topics()
    run = world.seal("one", at_ms=NOW - MINUTE)
    found = _pipeline(world)
    assert ["idle", "busy", "busy", "idle"] == _states(found)
    (held,) = found.stages[1].held
    assert (f"run {run[:8]}", NOW - MINUTE, False) == (held.what, held.since_ms, held.stuck)
    world.report(run, "run", "MATCH")
    assert ["idle", "busy", "idle", "idle"] == _states(_pipeline(world))
    _proof(world, run, NOW)
    assert ["idle", "idle", "busy", "idle"] == _states(_pipeline(world))
    world.report(run, "proof", "MATCH")
    assert ["idle", "idle", "idle", "idle"] == _states(_pipeline(world))
    assert not _pipeline(world).needs_person
    assert "audited" == RunsSeen(world.on(*TOPICS)).runs[run].state


def test_what_waits_too_long_is_stuck_and_says_why() -> None:
    """A run that is tried again and again names the last failure; proposals that nobody takes, their age."""
    world = Topics()
    run = world.seal("one", at_ms=NOW - 6 * MINUTE)
    world.report(run, "run", "MATCH")
    world.fail(run, "proof-timeout", final=False, attempts=2)
    found = _pipeline(world, tracer=Lag(7, NOW - 6 * MINUTE, 1))
    assert ["stuck", "stuck", "idle", "idle"] == _states(found)
    assert "[proof-timeout] it did not work, attempt 2" == found.stages[1].held[0].why
    assert "7 proposals wait" == found.stages[0].held[0].what
    assert found.needs_person


@pytest.mark.parametrize("since", [0, NOW])
def test_a_mismatch_needs_a_person_until_it_has_been_seen_to(since: int) -> None:
    """What the auditor found is told with run and reason; what lies before --since has been seen to."""
    world = Topics()
    run = world.seal("one")
    _proof(world, run, AT_MS)
    world.report(
        run, "run", "MISMATCH", first_mismatch=FirstMismatch(kind="chain", message="block 3 differs")
    )
    world.report(run, "proof", "MATCH")
    stage = _pipeline(world, since).stages[2]
    assert ([] if since else ["chain: block 3 differs" in stage.needs_person[0]]) == [True] * (not since)
    assert "mismatch" == RunsSeen(world.on(*TOPICS)).runs[run].state


def test_an_undecided_report_waits_or_needs_a_person() -> None:
    """With `until` it is in hand; without, waiting is of no use."""
    for until in ("2030-01-01T00:00:00Z", None):
        world = Topics()
        run = world.seal("one")
        _proof(world, run, NOW - MINUTE)
        world.report(run, "run", "MATCH")
        part = Unchecked(part="proof", code="artifact-missing", message="the proof is not there", until=until)
        world.report(run, "proof", "INDETERMINATE", unchecked=[part])
        stage = _pipeline(world).stages[2]
        assert ("busy" if until else "needs a person") == stage.state
        assert "artifact-missing" in (stage.held[0].why if until else stage.needs_person[0])


def test_a_stage_that_nobody_runs_needs_a_person() -> None:
    """If something waits for it, and not only just now."""
    world = Topics()
    world.seal("one", at_ms=NOW - MINUTE)
    found = _pipeline(world, prover=Lag(1, NOW - MINUTE, 0), tracer=Lag(1, NOW - 1000, 0))
    assert ["busy", "needs a person"] == _states(found)[:2]
    assert "no prover is running" in found.stages[1].needs_person[0]


def test_a_proposal_that_was_given_up_needs_a_person_until_it_is_requeued() -> None:
    """The last index entry of the allocation counts."""
    world = Topics()
    run = world.seal("one")
    entry = IndexEntry(
        allocation_id="one", proposal_sha256="0" * 64, run_id=run, row=0, topic=topics.PROPOSALS, partition=0,
        offset=0, dead_letter="proof-timeout",
    )  # fmt: skip
    world.fail(run, "proof-timeout", final=True)
    world.report(run, "run", "MATCH")
    world.report(run, "proof", "MATCH")
    world.add(topics.INDEX, "one", to_line(entry))
    stage = _pipeline(world).stages[1]
    assert "needs a person" == stage.state
    assert f"proofrail requeue {run[:8]}" in stage.needs_person[0]
    again = entry.model_copy(update={"run_id": "bb" * 16, "dead_letter": None})
    world.add(topics.INDEX, "one", to_line(again))
    assert "idle" == _pipeline(world).stages[1].state
    told = History(world.records).run_object(run)
    assert ("given up", {"bb" * 16: ["one"]}) == (told["state"], told["later_runs"])


def test_each_attempt_at_an_allocation_is_told() -> None:
    """All runs it was in, in order, with the reason of each failure; a run is found by the beginning of its id."""
    world = Topics()
    both = world.seal("one", "two")
    world.fail(both, "proof-memory", final=True, attempts=2)
    alone = world.seal("one")
    _proof(world, alone, AT_MS)
    history = History(world.records)
    told = history.attempts("one")
    assert [(both, "given up"), (alone, "proven")] == [(one["run_id"], one["state"]) for one in told]
    assert "[proof-memory] it did not work" == told[0]["attempts"][0]["why"]
    assert [both] == [one["run_id"] for one in history.attempts("two")]
    assert ([both], []) == (history.named(both[:6]), history.named("zz"))
    assert {alone: ["one"]} == history.run_object(both)["later_runs"]


def test_attestations_wait_for_the_registrar_where_there_is_one() -> None:
    """Where nothing was ever registered there is none; a refusal that no other ledger made good needs a person."""
    world = Topics()
    for name in ("a", "b", "c"):
        world.add(topics.ATTESTATIONS, name, b"{}", NOW - 6 * MINUTE)
    assert "idle" == _pipeline(world).stages[3].state
    behind = Lag(3, NOW - 6 * MINUTE, 1)

    def register(name: str, **said: Any) -> None:
        world.add(topics.REGISTRATIONS, name, canonical({"allocation_id": name, **said}))

    register("a", outcome="recorded")
    stage = _pipeline(world, registrar=behind).stages[3]
    assert ("stuck", "2 attestations wait") == (stage.state, stage.held[0].what)
    register("b", outcome="refused", code="fact-unfit", message="no")
    register("c", outcome="refused", code="fact-unfit", message="no")
    register("c", outcome="recorded")
    stage = _pipeline(world, registrar=behind).stages[3]
    assert ["b: refused: [fact-unfit] no, 10 min ago"] == stage.needs_person


def test_what_stands_before_the_registrars_place_does_not_wait() -> None:
    """Without a registrar running what waits needs a person; one that never told its place has no lag to be shown."""
    world = Topics()
    for name, ago in (("settled-unreadable", 9), ("waits", 6)):
        world.add(topics.ATTESTATIONS, name, b"{}", NOW - ago * MINUTE)
    stage = _pipeline(world, registrar=Lag(1, NOW - 6 * MINUTE, 0)).stages[3]
    assert ["1 attestations wait"] == [one.what for one in stage.held]
    assert ["no registrar is running: nothing is lost, it goes on where it was"] == stage.needs_person
    stage = _pipeline(world, registrar=Lag(2, NOW - 9 * MINUTE, 0, known=False)).stages[3]
    assert (None, "2 attestations wait", "stuck") == (stage.lag, stage.held[0].what, stage.state)
    assert "idle" == _pipeline(world, registrar=CALM).stages[3].state


def test_refused_proposals_are_counted_apart_from_those_of_runs() -> None:
    """Of late ones: a proposal whose run could not be proven was taken, also when it was requeued since."""
    world = Topics()
    old, bad, late = world.propose("old", "bad", "late")
    world.letter(old, "proposal-shares-sum", at_ms=AT_MS - MINUTE)
    world.letter(bad, "proposal-shares-sum")
    world.letter(late, "proof-timeout")
    entry = IndexEntry(
        allocation_id="late", proposal_sha256="aa" * 32, run_id="bb" * 16, row=0,
        topic=late.topic, partition=late.partition, offset=late.offset, dead_letter="proof-timeout",
    )  # fmt: skip
    world.add(topics.INDEX, "late", to_line(entry))
    assert 1 == refused_at_intake(world.records, AT_MS)
    assert 2 == refused_at_intake(world.records, 0)


def test_the_tree_says_it_without_colour() -> None:
    """State in words and marks, at a width of 80."""
    world = Topics()
    world.seal("one", at_ms=NOW - 6 * MINUTE)
    console = Console(width=80, no_color=True, record=True)
    console.print(pipeline_tree(_pipeline(world), "broker:9092"))
    text = console.export_text()
    assert "! prover    stuck" in text
    assert "since 6 min" in text
    assert parse_object(canonical(_pipeline(world).to_object()))["needs_person"] is True


def test_what_a_ledger_takes_back_and_then_refuses_needs_a_person() -> None:
    """A refusal behind a record says nothing, unless it stands in place of what was recorded."""
    for replaces, expected in (({}, 0), ({"replaces": "0xa"}, 1)):
        world = Topics()
        world.add(topics.REGISTRATIONS, "one", canonical({"outcome": "recorded"}), NOW - 9)
        said = {"outcome": "refused", "code": "ledger-other-decision", "message": "no", **replaces}
        world.add(topics.REGISTRATIONS, "one", canonical(said), NOW - 8)
        assert expected == len(_pipeline(world, registrar=CALM).stages[3].needs_person)
