"""The history of a run, or of an allocation with all its runs: each attempt and its reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

from rich.text import Text
from rich.tree import Tree

from proofrail.cli.said import STYLES, verdict_of, words_of
from proofrail.cli.status_runs import TOPICS, RunSeen, RunsSeen, Said, waits_until, why
from proofrail.cli.times import rfc3339, span
from proofrail.cli.topic_reading import read
from proofrail.messaging.records import Record
from proofrail.messaging.settings import KafkaSettings
from proofrail.wire import topics
from proofrail.wire.readable import objects

_COLOURS: Final = {
    "audited": "green",
    "proven": "cyan",
    "proving": "cyan",
    "given up": "red",
    "mismatch": "bold red",
    "undecided": "yellow",
}
_SHORT: Final = 8
_SHOWN: Final = 4
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")


class History:
    """The runs on the topics, and which allocations each was about."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._runs = RunsSeen(record for record in records if record.topic in TOPICS).runs

    @classmethod
    async def read(cls, kafka: KafkaSettings, names: Collection[str]) -> History:
        """What is told of the runs whose ids begin with one of `names`, and of the allocations that are called so.

        Raises UnusableInputError `topics-missing`, BrokerUnavailableError."""
        prefixes = tuple(name for name in names if _PREFIX.fullmatch(name))
        spelt = [_spelt(name) for name in names]

        def may_tell(record: Record) -> bool:
            if record.topic == topics.INDEX:
                return record.key_text in names
            return record.key_text.startswith(prefixes) or any(one in record.value for one in spelt)

        found = await read(kafka, [topics.COMMITMENTS, topics.INDEX], may_tell)
        runs = {record.key_text for record in found if record.topic == topics.COMMITMENTS}
        runs |= {str(entry.get("run_id")) for record in found for entry in _entries(record)}
        went_on = {name for run in runs if run.startswith(prefixes) for name in cls(found).allocations(run)}

        def tells(record: Record) -> bool:
            if record.topic == topics.INDEX:
                return record.key_text in went_on and record.key_text not in names
            return record.key_text in runs or record.key_text.startswith(prefixes)

        names_of_runs = (topics.PROOFS, topics.REPORTS, *((topics.INDEX,) if went_on else ()))
        return cls([*found, *await read(kafka, names_of_runs, tells)])

    def named(self, prefix: str) -> list[str]:
        """The runs whose ids begin so."""
        return [run for run in self._runs if run.startswith(prefix)] if _PREFIX.fullmatch(prefix) else []

    def run_object(self, run_id: str) -> dict[str, Any]:
        """A run as a line of JSON: its state, each attempt and verdict with its reason, and where its allocations went
        on."""
        run = self._runs[run_id]
        found: dict[str, Any] = {
            "v": 1,
            "type": "RunStatus",
            "run_id": run_id,
            "state": run.state,
            "attempts": [_told(one) for one in run.terminals],
            "reports": [_told(one) for one in run.reports],
            "later_runs": self._later(run_id),
        }
        if run.seal is not None:
            found["sealed"] = rfc3339(run.seal.at_ms)
            for name in ("inputs_count", "n_steps", "items", "root"):
                found |= {name: run.seal[name]} if run.seal[name] is not None else {}
        return found

    def run_tree(self, run_id: str, now_ms: int) -> Tree:
        """A run for a person."""
        tree = self._tree(self._runs[run_id], now_ms)
        for later, names in self._later(run_id).items():
            shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
            tree.add(Text(f"{len(names)} allocations went on in run {later[:_SHORT]}: {shown}"))
        return tree

    def attempts(self, allocation_id: str) -> list[dict[str, Any]]:
        """The runs that an allocation was in, in order, as objects."""
        return [
            {"run_id": run.run_id, "state": run.state, "attempts": [_told(one) for one in run.terminals]}
            for run in self._of(allocation_id)
        ]

    def allocations(self, run_id: str) -> set[str]:
        """The allocation ids of a run's inputs."""
        return {
            str(form.get("allocation_id"))
            for record in self._records
            if record.topic == topics.COMMITMENTS and record.key_text == run_id
            for line in objects(record.value)
            if isinstance(form := line.get("input"), dict)
        }

    def trees(self, allocation_id: str, now_ms: int) -> list[Tree]:
        """The runs that an allocation was in, in order, for a person."""
        return [self._tree(run, now_ms) for run in self._of(allocation_id)]

    def _of(self, allocation_id: str) -> list[RunSeen]:
        spelt = _spelt(allocation_id)
        found = {
            record.key_text
            for record in self._records
            if record.topic == topics.COMMITMENTS and spelt in record.value
        }
        for record in self._records:
            if record.key_text == allocation_id:
                found |= {str(entry.get("run_id")) for entry in _entries(record)}
        return [run for run_id, run in self._runs.items() if run_id in found]

    def _later(self, run_id: str) -> dict[str, list[str]]:
        """Where the allocations of a run are now, if not in it: allocation ids by run."""
        names = self.allocations(run_id)
        last = {
            record.key_text: str(entry.get("run_id"))
            for record in self._records
            if record.key_text in names
            for entry in _entries(record)
        }
        found: dict[str, list[str]] = {}
        for name, later in last.items():
            if later != run_id:
                found.setdefault(later, []).append(name)
        return found

    @staticmethod
    def _tree(run: RunSeen, now_ms: int) -> Tree:
        head = Text(f"run {run.run_id}  ")
        head.append(run.state, style=_COLOURS[run.state])
        tree = Tree(head)
        if run.seal is not None:
            tree.add(_line("tracer", run.seal, now_ms))
        for one in run.terminals:
            tree.add(_line("prover", one, now_ms))
        if run.terminal is None:
            tree.add(Text("prover: no answer yet", style="dim"))
        for one in run.reports:
            tree.add(_line("auditor", one, now_ms))
        return tree


def _spelt(allocation_id: str) -> bytes:
    """How canonical JSON names the allocation."""
    return f'"allocation_id":"{allocation_id}"'.encode(errors="surrogateescape")


def _entries(record: Record) -> Iterator[dict[str, Any]]:
    """The index entries of a record of the index."""
    return objects(record.value) if record.topic == topics.INDEX else iter(())


def _line(who: str, said: Said, now_ms: int) -> Text:
    verdict = verdict_of(said.message)
    line = Text(f"{who}: ")
    if verdict:
        line.append(f"{verdict} ", style=STYLES.get(verdict, ""))
    line.append(words_of(said.message))
    until = waits_until(said)
    line.append(f", waits until {until}" if until else "")
    line.append(f"  {_ago(said, now_ms)}", style="dim")
    return line


def _ago(said: Said, now_ms: int) -> str:
    return f"{rfc3339(said.at_ms)}, {span(now_ms - said.at_ms)} ago"


def _told(said: Said) -> dict[str, Any]:
    found: dict[str, Any] = {"type": said["type"], "timestamp": said.at_ms * 1_000_000}
    for name in ("subject", "verdict", "code", "final", "attempts", "backend", "security_bits", "digest"):
        if said[name] is not None:
            found[name] = said[name]
    reason = why(said)
    until = waits_until(said)
    return found | ({"why": reason} if reason else {}) | ({"until": until} if until else {})
