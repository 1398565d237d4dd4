"""Audit of native traces by re-execution: what the same functions do now, against what was committed to then.

The first mismatch is found as early as it can be: an event's at the event, where the claimed events are at hand; a
block's when the block is complete; the rest at the end. Blocks are compared by their full chain values; packed values
only locate.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from proofrail.audit.blocks import UnknownMembers, check_blocks, check_seal
from proofrail.audit.claims import Claims, read_claims
from proofrail.audit.compare import compare_objects
from proofrail.audit.findings import Finding, FoundError, Notes, Verdict, from_difference
from proofrail.audit.header import check_lines, check_versions
from proofrail.audit.items import first_item_difference
from proofrail.audit.report import make_report
from proofrail.audit.signature import check_signature
from proofrail.audit.values import ABSENT
from proofrail.audit.vocabulary import INPUT_MEMBERS, SEAL_MEMBERS
from proofrail.commitment.blocks import DEFAULT_BITS, DEFAULT_BLOCK_ITEMS, MAX_BITS
from proofrail.tracing.errors import TracingError
from proofrail.tracing.functions import functions_of
from proofrail.tracing.subscribers import Sealing
from proofrail.tracing.tracer import CompletedTrace, Subscriber, Tracer
from proofrail.tracing.values import decode
from proofrail.wire.canonical import JsonObject, parse_object
from proofrail.wire.errors import MalformedError, ProofrailError, UnusableInputError
from proofrail.wire.messages import AuditReport
from proofrail.wire.ndjson import MAX_FILE_LINE, iter_lines
from proofrail.wire.topics import MAX_LINE

PARTS: Final = (
    "version",
    "program",
    "layout",
    "inputs",
    "execution",
    "events",
    "blocks",
    "seal",
    "signature",
)
"""The parts of a native run, in the order in which they are checked."""

_HEADER: Final[Sequence[str]] = ("program", "layout", "inputs_count", "inputs_sha256")

Lines = Path | str | Iterable[bytes]
"""A file of lines, or the lines without their line feeds."""


class AuditSubscriber(Subscriber):
    """Compares the trace that is being made with a commitment, and with events where they are given.

    `keys` are the vkeys that may have signed the seal. None says that the commitment is the auditor's own, and
    nobody's signature matters; with an empty sequence the verdict stays open. `on_mismatch` is called once, with the
    first mismatch, while the traced program runs. A mismatch does not stop the program, and is no exception: read
    `report`, or call `require_match`, behind the tracer's block.
    """

    def __init__(
        self,
        commitments: Lines,
        *,
        events: Lines | None = None,
        keys: Sequence[str] | None = None,
        on_mismatch: Callable[[Finding], None] | None = None,
    ) -> None:
        self._claims: Claims = read_claims(_lines(commitments, MAX_FILE_LINE))
        self._events = None if events is None else iter(_lines(events))
        self._keys = keys
        self._on_mismatch = on_mismatch
        self._notes = Notes()
        self._unknown = UnknownMembers()
        self._unknown_event: tuple[int, str] | None = None
        self._sealing = Sealing()
        self._paths: list[str | None] = []
        self._open: list[str | None] = []
        self._first_item = 0
        self._block_items = 1
        self._blocks = 0
        self._run_id: str | None = None
        self._report: AuditReport | None = None
        self.finding: Finding | None = None
        """The first mismatch, as soon as there is one."""

    @property
    def report(self) -> AuditReport:
        """The report, once the tracer has closed. Raises TracingError `trace-open` before."""
        if self._report is None:
            raise TracingError("trace-open", "the audit ends when the tracer closes", "Ask behind its block")
        return self._report

    @property
    def concluded(self) -> bool:
        """Whether there is a report."""
        return self._report is not None

    @property
    def verdict(self) -> Verdict:
        """MATCH, MISMATCH or INDETERMINATE. Raises as `report`."""
        return self.report.verdict

    def require_match(self) -> None:
        """Raises TracingError `audit-no-match` unless the verdict is MATCH."""
        if self.verdict != "MATCH":
            mismatch = self.report.first_mismatch
            said = mismatch.message if mismatch is not None else self.report.unchecked[0].message
            raise TracingError("audit-no-match", f"{self.verdict}: {said}", "Look at the whole report")

    def on_trace(self, event: dict[str, Any], line: bytes) -> None:
        if self.finding is not None:
            return
        with _Found(self):
            if event["type"] == "TraceStart":
                self._start(event)
            self._compare_event(event["seq"], line)
            self._paths.append(self._path(event))
            self._compare_blocks(self._sealing.take(event, line))

    def on_complete(self, trace: CompletedTrace) -> None:
        if self.finding is None:
            with _Found(self):
                self._notes.done("execution")
                self._complete(trace)
        self._conclude()

    def on_abandon(self, error: ProofrailError) -> None:
        why = f"the run was not executed again: {error}"
        self._notes.unsure("execution", Finding("run-not-recomputed", "commitments", why))
        self._conclude()

    # The order of design section 5, "First mismatch"

    def _start(self, event: JsonObject) -> None:
        self._run_id = event["run_id"]
        self._block_items = event["commitment"]["block_items"]
        check_lines(self._claims)
        check_versions(self._claims, {})
        self._notes.done("version")
        seal = self._claims.seal
        if seal is None:
            return
        for name in _HEADER:
            # Each alone, for the order is that of the members here and not the canonical one.
            claimed = {name: seal.members[name]} if name in seal.members else {}
            difference = compare_objects({name: event[name]}, claimed, SEAL_MEMBERS).difference
            if difference is not None:
                raise FoundError(from_difference(difference, "seal", "the seal", line=seal.number))
            if name in PARTS:
                self._notes.done(name)

    def _compare_event(self, item: int, line: bytes | None) -> None:
        """Our event against the next claimed one; None behind our last."""
        if self._events is None:
            return
        ours = [] if line is None else [line]
        found, unknown = first_item_difference(iter(ours), islice(self._events, 1), item)
        if self._unknown_event is None and unknown.first:
            self._unknown_event = unknown.first[0][:2]
        if found is None:
            return
        path = self._path(found.expected) if found.expected is not None else None
        block = item // self._block_items
        place: dict[str, Any] = {"item": item, "block": block, "line": item + 1, "path": path}
        if found.difference is not None and found.expected is not None:
            kind = found.expected["type"]
            raise FoundError(from_difference(found.difference, "event", f"item {item} ({kind})", **place))
        expected: Any = ABSENT if found.expected is None else found.expected["type"]
        if found.error is not None:
            message = f"item {item} breaks the wire format: {found.error.message}"
            more = {"code": found.error.code}
            raise FoundError(Finding("malformed", "event", message, **place, expected=expected, more=more))
        claimed: Any = ABSENT if found.claimed is None else found.claimed.get("type", ABSENT)
        message = (
            f"the events end before item {item}"
            if found.claimed is None
            else f"the events go on at item {item}, where the run has ended"
        )
        raise FoundError(Finding("length", "event", message, **place, expected=expected, claimed=claimed))

    def _compare_blocks(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            ours = parse_object(line)
            if self._blocks >= len(self._claims.blocks):
                if self._claims.seal is None:
                    return
                raise FoundError(self._beyond(ours["first_item"]))
            check_blocks([ours], [self._claims.blocks[self._blocks]], self._unknown, self._path_of)
            self._blocks += 1
            del self._paths[: ours["items"]]
            self._first_item += ours["items"]

    def _beyond(self, item: int) -> Finding:
        published = len(self._claims.blocks)
        return Finding(
            "length",
            "block",
            f"the run has a block {self._blocks}; only {published} were published",
            item=item,
            block=self._blocks,
            path=self._path_of(item),
            claimed=published,
        )

    def _complete(self, trace: CompletedTrace) -> None:
        self._check_inputs(trace)
        seal = self._claims.seal
        items = self._first_item + len(self._paths)
        self._compare_event(items, None)
        if self._events is not None:
            self._notes.done("events")
        last, core = self._sealing.finish()
        self._compare_blocks(last)
        if seal is None:
            why = "the commitment has no seal: the run was not sealed, or the seal has not arrived"
            self._notes.unsure("seal", Finding("not-sealed", "seal", why))
            return
        if len(self._claims.blocks) > self._blocks:
            raise FoundError(
                Finding(
                    "length",
                    "block",
                    f"the run has {self._blocks} blocks; {len(self._claims.blocks)} were published",
                    block=self._blocks,
                    line=self._claims.blocks[self._blocks].number,
                    expected=self._blocks,
                    claimed=len(self._claims.blocks),
                )
            )
        self._notes.done("blocks")
        check_seal(core | trace.facts, seal, self._unknown)
        self._notes.done("seal")
        if self._keys is not None:
            check_signature(seal, core, self._keys, self._notes)

    def _check_inputs(self, trace: CompletedTrace) -> None:
        if not self._claims.inputs and self._claims.seal is None:
            return
        if len(self._claims.inputs) != len(trace.input_lines):
            raise FoundError(
                Finding(
                    "inputs",
                    "input",
                    "the commitment has another number of Input lines than the run",
                    expected=len(trace.input_lines),
                    claimed=len(self._claims.inputs),
                )
            )
        for ours, line in zip(trace.input_lines, self._claims.inputs, strict=True):
            compared = compare_objects(
                parse_object(ours), line.members, INPUT_MEMBERS, kinds={"input": "inputs"}
            )
            self._unknown.add(line, "input", compared.unknown)
            if compared.difference is not None:
                what = f"the Input at line {line.number}"
                raise FoundError(from_difference(compared.difference, "input", what, line=line.number))
        self._notes.done("inputs")

    def _conclude(self) -> None:
        for line, where, pointer in self._unknown.found[:1]:
            self._notes.unsure(
                "seal", Finding("unknown-member", where, _undefined(pointer), line=line.number)
            )
        if self._unknown_event is not None:
            item, pointer = self._unknown_event
            self._notes.unsure("events", Finding("unknown-member", "event", _undefined(pointer), item=item))
        parts = tuple(part for part in PARTS if part != "signature" or self._keys is not None)
        claimed = next((line.members.get("run_id") for line in self._claims.in_order()), None)
        run_id = self._run_id or (claimed if isinstance(claimed, str) and claimed else "unknown")
        self._report = make_report(run_id, "run", self._notes, self.finding, parts)

    def _path(self, event: JsonObject) -> str | None:
        """The path of the span that an event belongs to. Ends name it by its id only, and nest."""
        kind = event["type"]
        if kind.endswith("Start") and kind != "TraceStart":
            self._open.append(event.get("path"))
            return self._open[-1]
        if kind.endswith(("End", "Failure")) and kind != "TraceEnd":
            return self._open.pop()
        return None

    def _path_of(self, item: int) -> str | None:
        return self._paths[item - self._first_item]


class _Found:
    """Ends an audit at its first mismatch."""

    def __init__(self, audit: AuditSubscriber) -> None:
        self._audit = audit

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, FoundError):
            return False
        self._audit.finding = error.finding
        if self._audit._on_mismatch is not None:
            self._audit._on_mismatch(error.finding)
        return True


def reexecute(
    functions: Sequence[Callable[..., Any] | ModuleType],
    commitments: Lines,
    *,
    events: Lines | None = None,
    keys: Sequence[str] | None = None,
    records: Iterable[type[Any]] = (),
) -> AuditReport:
    """Audit a published native run: call its entry again with the arguments in its Input line, and compare.

    `functions` are the traced functions that the auditor has, or modules of them; the run's entry must be among them.
    `records` are the classes of the arguments' records. `commitments`, `events` and `keys` as for AuditSubscriber. An
    exception of the traced program is part of what is compared. An async entry gets an event loop of its own: from
    inside of one, call `await asyncio.to_thread(reexecute, …)`.

    Raises UnusableInputError: `native-input` when there is no one Input line that names an entry and its arguments,
    `native-entry` when no function of that name is among `functions`. Raises CheckpointError (`key-malformed`) for
    a malformed key.
    """
    lines = list(_lines(commitments, MAX_FILE_LINE))
    claims = read_claims(lines)
    entry, arguments = _call(claims, functions, records)
    audit = AuditSubscriber(lines, events=events, keys=keys)
    try:
        bits = _stated(claims, "bits", DEFAULT_BITS, MAX_BITS)
        block_items = _stated(claims, "block_items", DEFAULT_BLOCK_ITEMS, 2**53 - 1)
        with Tracer(audit, program=functions, bits=bits, block_items=block_items):
            result = entry(*arguments.args, **arguments.kwargs)
            if inspect.iscoroutine(result):
                asyncio.run(result)
    except Exception:
        # What the run ended with is in the trace; what kept it from being traced is in the report, if there is one.
        if not audit.concluded:
            raise
    return audit.report


def _call(
    claims: Claims, functions: Sequence[Callable[..., Any] | ModuleType], records: Iterable[type[Any]]
) -> tuple[Callable[..., Any], inspect.BoundArguments]:
    given = claims.inputs[0].members.get("input") if len(claims.inputs) == 1 else None
    name, encoded = (given.get("entry"), given.get("arguments")) if isinstance(given, dict) else (None, None)
    if not isinstance(name, str) or not isinstance(encoded, str):
        raise UnusableInputError(
            "native-input",
            "the commitment has no one Input line with the entry and the arguments of a native run",
            "Give the commitments of a run that proofrail.tracing made",
        )
    entry = next((one for one in functions_of(functions) if one[0].name == name), None)
    if entry is None:
        raise UnusableInputError(
            "native-entry",
            f"none of the given functions is named {name!r:.80}",
            "Give the module that has it",
        )
    function, call = entry
    try:
        decoded = decode(bytes.fromhex(encoded), records) or {}
        bound = function.signature.bind_partial()
        bound.arguments.update(decoded)
        function.signature.bind(*bound.args, **bound.kwargs)
    except (ValueError, TypeError, MalformedError) as error:
        raise UnusableInputError(
            "native-input",
            f"the arguments are none of {name}: {error}",
            "Give the functions that were traced",
        ) from error
    return call, bound


def _stated(claims: Claims, name: str, default: int, most: int) -> int:
    """A commitment parameter as the seal states it. Whatever it says falsely shows as a mismatch."""
    value = claims.seal.members.get(name) if claims.seal is not None else None
    return value if type(value) is int and 1 <= value <= most else default


def _lines(source: Lines, max_line: int = MAX_LINE) -> Iterator[bytes]:
    if not isinstance(source, Path | str):
        yield from source
        return
    with Path(source).open("rb") as file:
        for _, line in iter_lines(file, max_line):
            yield line


def _undefined(pointer: str) -> str:
    return f"the member {pointer} is none that this version defines"
