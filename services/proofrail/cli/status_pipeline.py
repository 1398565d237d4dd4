"""The pipeline as a whole: what each stage has in hand, what is stuck, and what needs a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proofrail.cli.lag import Lag
from proofrail.cli.status_runs import RunSeen, RunsSeen, waits_until, why
from proofrail.cli.times import rfc3339, span
from proofrail.messaging import groups
from proofrail.messaging.records import Record
from proofrail.wire import topics
from proofrail.wire.readable import objects

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    groups.TRACER: (topics.PROPOSALS,),
    groups.PROVER: (topics.COMMITMENTS,),
    groups.AUDITOR: (topics.COMMITMENTS, topics.EVENTS, topics.PROOFS),
    groups.REGISTRAR: (topics.ATTESTATIONS,),
}
"""The group of each stage, and what it reads."""

SHORT: Final = 8
_QUIET_MS: Final = 30_000
"""So long nobody need be there to take what has just come: a service may be starting."""


@dataclass(frozen=True)
class Held:
    """Something that a stage has in hand, since when, and what is known of why it is not done."""

    what: str
    since_ms: int
    why: str
    stuck: bool

    def to_object(self) -> dict[str, Any]:
        return {
            "what": self.what,
            "since": rfc3339(self.since_ms),
            "why": self.why,
            "stuck": self.stuck,
        }


@dataclass
class Stage:
    """One stage. `lag` is None where its place is not known."""

    name: str
    lag: Lag | None
    held: list[Held] = field(default_factory=list)
    needs_person: list[str] = field(default_factory=list)
    """What is wrong that no waiting mends."""
    noted: list[str] = field(default_factory=list)
    """What is good to know."""

    @property
    def state(self) -> str:
        """`needs a person`, `stuck`, `busy`, `idle`."""
        if self.needs_person:
            return "needs a person"
        if any(one.stuck for one in self.held):
            return "stuck"
        return "busy" if self.held or (self.lag is not None and self.lag.messages) else "idle"

    def to_object(self, now_ms: int) -> dict[str, Any]:
        found: dict[str, Any] = {
            "stage": self.name,
            "state": self.state,
            "in_flight": [one.to_object() for one in self.held],
            "needs_person": self.needs_person,
            "noted": self.noted,
        }
        if self.lag is not None:
            found["lag"] = {
                "messages": self.lag.messages,
                "milliseconds": max(0, now_ms - self.lag.oldest_ms) if self.lag.oldest_ms is not None else 0,
            }
            found["members"] = self.lag.members
        return found


@dataclass(frozen=True)
class Pipeline:
    """All stages, in the order in which work goes through them."""

    stages: Sequence[Stage]
    now_ms: int

    @property
    def needs_person(self) -> bool:
        return any(stage.state in ("needs a person", "stuck") for stage in self.stages)

    def to_object(self) -> dict[str, Any]:
        return {
            "v": 1,
            "type": "PipelineStatus",
            "timestamp": self.now_ms * 1_000_000,
            "needs_person": self.needs_person,
            "stages": [stage.to_object(self.now_ms) for stage in self.stages],
        }


class Judge:
    """Judges what was read at `now_ms`: in hand for longer than `stuck_ms` is stuck; what went wrong before `since_ms`
    has been seen to (all milliseconds)."""

    def __init__(self, now_ms: int, stuck_ms: int, since_ms: int) -> None:
        self._now = now_ms
        self._stuck = stuck_ms
        self._since = since_ms

    def pipeline(
        self,
        runs: RunsSeen,
        lags: Mapping[str, Lag],
        given_up: Sequence[GivenUp],
        refused: int,
        registrar: Registered | None,
    ) -> Pipeline:
        """The pipeline of these runs. `refused` counts the proposals that were dead-lettered at intake lately;
        `registrar` is None where there is none."""
        stages = [
            self._tracer(lags[groups.TRACER], refused),
            self._prover(lags[groups.PROVER], runs, given_up),
            self._auditor(lags[groups.AUDITOR], runs),
            self._registrar(registrar),
        ]
        return Pipeline(stages, self._now)

    def _tracer(self, lag: Lag, refused: int) -> Stage:
        stage = Stage("tracer", lag)
        self._absent(stage, lag)
        if lag.messages and lag.oldest_ms is not None:
            what = f"{lag.messages} proposals wait"
            stage.held.append(
                Held(what, lag.oldest_ms, "they share the next run", self._is_old(lag.oldest_ms))
            )
        if refused:
            ago = span(self._now - self._since)
            stage.noted.append(f"{refused} proposals were refused in the last {ago}: proofrail dlq list")
        return stage

    def _prover(self, lag: Lag, runs: RunsSeen, given_up: Sequence[GivenUp]) -> Stage:
        stage = Stage("prover", lag)
        waiting = [run for run in runs if run.seal is not None and run.terminal is None]
        self._absent(stage, lag, bool(waiting))
        for run in waiting:
            failed = [one for one in run.terminals if one["type"] == "ProofFailure"]
            reason = why(failed[-1]) + f", attempt {failed[-1]['attempts']}" if failed else _size(run)
            stage.held.append(self._held(run, run.seal.at_ms if run.seal else self._now, reason))
        for one in given_up:
            if one.at_ms >= self._since:
                stage.needs_person.append(
                    f"{one.allocation_id}: no proof of its run {one.run_id[:SHORT]} can be made: [{one.code}] "
                    f"{span(self._now - one.at_ms)} ago; proofrail requeue {one.run_id[:SHORT]}"
                )
        return stage

    def _auditor(self, lag: Lag, runs: RunsSeen) -> Stage:
        stage = Stage("auditor", lag)
        waiting = [run for run in runs if run.awaits_audit_since is not None]
        self._absent(stage, lag, bool(waiting))
        for run in waiting:
            last = run.report("proof") or run.report("run")
            until = waits_until(last) if last is not None else None
            reason = "to be audited" if last is None or until is None else f"{why(last)}, waits until {until}"
            stage.held.append(self._held(run, run.awaits_audit_since or self._now, reason))
        for run in runs:
            for subject in ("run", "proof"):
                report = run.report(subject)
                if report is None or report.at_ms < self._since:
                    continue
                undecided = report["verdict"] == "INDETERMINATE" and waits_until(report) is None
                if report["verdict"] == "MISMATCH" or (undecided and run.state != "given up"):
                    stage.needs_person.append(
                        f"{run.run_id[:SHORT]}: {report['verdict']} of the {subject}: {why(report)}, "
                        f"{span(self._now - report.at_ms)} ago"
                    )
        return stage

    def _registrar(self, said: Registered | None) -> Stage:
        stage = Stage("registrar", None if said is None or not said.lag.known else said.lag)
        if said is None:
            stage.noted.append("nothing was ever registered: it is not in use")
            return stage
        if stage.lag is not None:
            self._absent(stage, stage.lag, bool(said.waiting))
        if said.waiting:
            oldest = min(said.waiting.values())
            what = f"{len(said.waiting)} attestations wait"
            stage.held.append(Held(what, oldest, "not in a ledger yet", self._is_old(oldest)))
        for allocation_id, (reason, at_ms) in said.refused.items():
            if at_ms >= self._since:
                stage.needs_person.append(
                    f"{allocation_id}: refused: {reason}, {span(self._now - at_ms)} ago"
                )
        return stage

    def _absent(self, stage: Stage, lag: Lag, works: bool = False) -> None:
        waits = lag.oldest_ms is not None and self._now - lag.oldest_ms > _QUIET_MS
        if lag.members == 0 and (waits or works):
            stage.needs_person.append(f"no {stage.name} is running: nothing is lost, it goes on where it was")

    def _held(self, run: RunSeen, since_ms: int, reason: str) -> Held:
        return Held(f"run {run.run_id[:SHORT]}", since_ms, reason, self._is_old(since_ms))

    def _is_old(self, since_ms: int) -> bool:
        return self._now - since_ms > self._stuck


@dataclass(frozen=True)
class GivenUp:
    """An allocation that was dead-lettered after its run could not be proven, and what has not been tried again."""

    allocation_id: str
    run_id: str
    code: str
    at_ms: int


def given_up(records: Iterable[Record]) -> list[GivenUp]:
    """Those whose last index entry says so."""
    last: dict[str, GivenUp] = {}
    for record in records:
        last.pop(record.key_text, None)
        if b'"dead_letter"' not in record.value:
            continue
        for entry in objects(record.value):
            code, run_id = entry.get("dead_letter"), entry.get("run_id")
            if isinstance(code, str) and isinstance(run_id, str):
                last[record.key_text] = GivenUp(record.key_text, run_id, code, record.timestamp)
    return list(last.values())


def refused_at_intake(records: Iterable[Record], since_ms: int) -> int:
    """How many proposals were dead-lettered since then that no run was made of."""
    letters: set[tuple[object, ...]] = set()
    of_runs: set[tuple[object, ...]] = set()
    for record in records:
        if record.topic == topics.PROPOSALS_DLQ and record.timestamp >= since_ms:
            letters |= {_about(letter) for letter in objects(record.value)}
        elif record.topic == topics.INDEX and b'"dead_letter"' in record.value:
            of_runs |= {_about(entry) for entry in objects(record.value)}
    return len(letters - of_runs)


def _about(message: Mapping[str, Any]) -> tuple[object, ...]:
    return tuple(str(message.get(name)) for name in ("topic", "partition", "offset"))


@dataclass(frozen=True)
class Registered:
    """What became of attestations: those no ledger has yet, with their times, and those that all refused."""

    lag: Lag
    waiting: Mapping[str, int]
    refused: Mapping[str, tuple[str, int]]


def registered(records: Iterable[Record], lag: Lag) -> Registered:
    """From attestations.v1 and registrations.v1, read from the registrar's place on at least."""
    waiting: dict[str, int] = {}
    said: dict[str, str] = {}
    refused: dict[str, tuple[str, int]] = {}
    for record in records:
        name = record.key_text
        if record.topic == topics.ATTESTATIONS:
            # What stands before the registrar's place has its end.
            if lag.oldest_ms is not None and record.timestamp >= lag.oldest_ms:
                waiting.setdefault(name, record.timestamp)
        elif record.topic == topics.REGISTRATIONS:
            for message in objects(record.value):
                taken_back = "replaces" in message
                if message.get("outcome") == "recorded" or said.get(name) != "recorded" or taken_back:
                    said[name] = str(message.get("outcome"))
                    refused[name] = (
                        f"[{message.get('code')}] {message.get('message', '')}",
                        record.timestamp,
                    )
    return Registered(
        lag,
        {name: at for name, at in waiting.items() if name not in said},
        {name: what for name, what in refused.items() if said[name] == "refused"},
    )


def _size(run: RunSeen) -> str:
    seal = run.seal
    return "" if seal is None else f"{seal['inputs_count']} allocations, {seal['n_steps']} steps"
