"""What calls become: spans, loops, failures, identities; and what cannot be traced."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import importlib
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import plain_native
import pytest
from tracing_runs import Collected, events_of, names

from proofrail.tracing import Tracer, TracingError, decode, loop, sequence, tile
from proofrail.wire.errors import InvalidProposalError, MalformedError
from proofrail.wire.events import parse_event


@tile
def double(value: int) -> int:
    return 2 * value


@tile(id="sum-of")
def add(*values: int, **named: int) -> int:
    return sum(values) + sum(named.values())


@tile
def nothing() -> None:
    pass


@tile
def divide(a: int, b: int) -> int:
    return a // b


@sequence
def main(value: int, extra: int = 1) -> int:
    nothing()
    return add(double(value), extra, also=3)


@sequence(name="leaf")
def calls_nothing(value: int) -> int:
    return value


@sequence
def walk(values: list[int]) -> int:
    total = 0
    with loop("steps", values) as steps:
        for value in steps:
            if value == 99:
                break
            if value > 0:
                total += double(value)
    return total


@sequence
def grid(width: int, height: int) -> int:
    cells = 0
    with loop("rows", range(height)) as rows:
        for _row in rows:
            with loop("columns", range(width)) as columns:
                for _column in columns:
                    cells = add(cells, 1)
    return cells


@sequence
def dive(depth: int) -> int:
    return depth if depth == 0 else dive(depth - 1)


@sequence
def failing(values: list[int]) -> int:
    with loop("parts", values) as parts:
        return sum([divide(10, value) for value in parts])


@sequence
def forgiving(value: int) -> int:
    try:
        return divide(1, value)
    except ZeroDivisionError:
        return double(value)


@dataclasses.dataclass
class Account:
    rate: int

    @tile
    def fee(self, amount: int) -> int:
        return amount // self.rate

    @staticmethod
    @tile
    def interest(amount: int) -> int:
        return amount // 10

    @sequence
    def settle(amount: int) -> int:  # noqa: N805
        return Account.interest(amount)


def test_outside_of_a_tracer_functions_run_plainly() -> None:
    """Decorated functions keep name, documentation, signature and result, and leave no mark."""
    assert 12 == main(4)
    assert ("main", inspect.signature(main.__wrapped__)) == (main.__name__, inspect.signature(main))
    assert 4 == walk([1, 0, 1, 99, 5])


def test_calls_become_spans() -> None:
    """A tile is a call that calls none, a sequence one that calls others; arguments are named, defaults filled in."""
    trace = events_of(lambda: main(4))
    assert [
        "TraceStart",
        "SequenceStart main",
        "TileStart nothing",
        "TileEnd nothing",
        "TileStart double",
        "TileEnd double",
        "TileStart sum-of",
        "TileEnd sum-of",
        "SequenceEnd main",
        "TraceEnd",
    ] == names(trace.events)
    given = [
        decode(bytes.fromhex(e["input_bytes"]))
        for e in trace.events
        if e["type"].endswith("Start") and e["seq"]
    ]
    assert [{"value": 4, "extra": 1}, None, {"value": 4}, {"values": (8, 1), "named": {"also": 3}}] == given
    results = [decode(bytes.fromhex(e["output_bytes"])) for e in trace.events if "output_bytes" in e]
    assert [None, 8, 12, 12] == results
    for line in trace.lines:
        parse_event(line)


def test_a_sequence_that_calls_none_is_a_tile() -> None:
    """What a call is depends on what it does, not on what it was declared as."""
    assert ["TraceStart", "TileStart leaf", "TileEnd leaf", "TraceEnd"] == names(
        events_of(lambda: calls_nothing(1)).events
    )


def test_loops_have_iterations() -> None:
    """A loop is a sequence, its iterations count from 0 at the next depth, also the one that `break` leaves."""
    trace = events_of(lambda: walk([1, 0, 99, 5]))
    starts = [e for e in trace.events if e["type"].endswith("Start") and "path" in e]
    assert [
        ("walk", 0, None),
        ("walk/steps", 1, None),
        ("walk/steps[0]", 2, 0),
        ("walk/steps[0]/double", 3, None),
        ("walk/steps[1]", 2, 1),
        ("walk/steps[2]", 2, 2),
    ] == [(e["path"], e["depth"], e.get("iteration")) for e in starts]
    assert [{"item": 1}, {"item": 0}, {"item": 99}] == [
        decode(bytes.fromhex(e["input_bytes"])) for e in starts if "iteration" in e
    ]


def test_items_that_calls_make() -> None:
    """What is called for the first item stands before the loop, for a later one in the iteration before it."""

    @sequence
    def lazy() -> int:
        with loop("each", (double(value) for value in (1, 2))) as steps:
            return sum(steps)

    paths = [e["path"] for e in events_of(lazy).events if e["type"].endswith("Start") and e["seq"]]
    assert [
        "lazy",
        "lazy/double",
        "lazy/each",
        "lazy/each[0]",
        "lazy/each[0]/double",
        "lazy/each[1]",
    ] == paths


def test_loops_within_loops() -> None:
    """Loops nest, and an empty loop is a tile."""
    trace = events_of(lambda: grid(2, 2))
    assert "grid/rows[1]/columns[1]/sum-of" in [e.get("path") for e in trace.events]
    assert "TileStart rows" in names(events_of(lambda: grid(0, 0)).events)


def test_paths_end_at_depth_64() -> None:
    """Recursion nests, with paths down to depth 64 and without them below."""
    trace = events_of(lambda: dive(70))
    depths = [e["depth"] for e in trace.events if e["type"].endswith("Start") and e["seq"] and "path" in e]
    assert list(range(65)) == depths
    assert 70 == max(e["depth"] for e in trace.events if "depth" in e)


def test_recursion_as_deep_as_python_allows() -> None:
    """Tracing costs a stack frame a call and no more, and each start is told when the next call begins."""
    deep = sys.getrecursionlimit() // 2 - 150
    assert deep == max(e["depth"] for e in events_of(lambda: dive(deep)).events if "depth" in e)

    seen: list[int] = []

    @sequence
    def watched(depth: int, trace: None = None) -> int:
        seen.append(len(collected.events))
        return watched(depth - 1) if depth else 0

    collected = Collected()
    with Tracer(collected):
        watched(3)
    assert [1, 2, 3, 4] == seen


def test_functions_below_other_decorators() -> None:
    """A function is known by its own source and code, whatever wraps it, also as the origin of an exception."""

    def twice(function: Callable[[int], int]) -> Callable[[int], int]:
        @functools.wraps(function)
        def call(value: int) -> int:
            return function(function(value))

        return call

    @tile
    @twice
    def invert(value: int) -> int:
        return 10 // value

    @tile
    @twice
    def other(value: int) -> int:
        return value

    @sequence
    def both(value: int) -> int:
        return other(invert(value))

    assert "TileEnd invert" in names(events_of(lambda: both(3)).events)
    failed = events_of(lambda: both(0), raises=ZeroDivisionError)
    assert "ZeroDivisionError in invert" == failed.events[-2]["error"]["message"]


def test_an_exception_ends_every_span_it_leaves() -> None:
    """Failures stand innermost first, with one code and message and the input again; the exception passes; the run is
    sealed as failed."""
    trace = events_of(lambda: failing([5, 0, 1]), raises=ZeroDivisionError)
    failures = [e for e in trace.events if e["type"].endswith("Failure")]
    assert ["failing/parts[1]/divide", "failing/parts[1]", "failing/parts", "failing"] == [
        e["path"] for e in failures
    ]
    assert [{"code": "zero-division-error", "message": "ZeroDivisionError in divide"}] * 4 == [
        e["error"] for e in failures
    ]
    assert [True, False, False, False] == ["detail" in e for e in failures]
    assert failures[0]["detail"].startswith("line 3 of divide: ")
    assert "failed" == trace.events[-1]["outcome"]
    assert trace.completed is not None
    assert "failed" == trace.completed.outcome


def test_a_failure_that_is_caught_is_no_failure_of_its_caller() -> None:
    """The span that failed says so; the one that caught it goes on and completes."""
    trace = events_of(lambda: forgiving(0))
    assert ["TileFailure divide", "TileStart double"] == names(trace.events)[3:5]
    assert "completed" == trace.events[-1]["outcome"]


def test_own_codes_are_kept() -> None:
    """An exception with a stable code of its own is recorded under it, without its text in the message."""

    @tile
    def refuse() -> None:
        raise InvalidProposalError("proposal-empty", "at 0x7f00", "")

    trace = events_of(refuse, raises=InvalidProposalError)
    assert {"code": "proposal-empty", "message": "InvalidProposalError in refuse"} == trace.events[2]["error"]


def test_methods_are_functions_with_a_class_in_their_name() -> None:
    """Static methods are decorated below their decorator; names say the class; `self` is an argument."""
    trace = events_of(lambda: Account.settle(50))
    assert "Account.settle/Account.interest" in [e.get("path") for e in trace.events]
    start = events_of(lambda: Account(4).fee(8)).events[1]
    expected = {"self": Account(4), "amount": 8}
    assert ("Account.fee", expected) == (
        start["tile_id"],
        decode(bytes.fromhex(start["input_bytes"]), [Account]),
    )


def test_the_source_is_the_identity() -> None:
    """method_id is the digest of the dedented source from the first decorator on; the program's, of all its
    functions; another text is another run."""

    def of(text: str, name: str) -> str:
        return hashlib.sha256((textwrap.dedent(text).rstrip("\n") + "\n").encode()).hexdigest()

    trace = events_of(lambda: main(1))
    used = {plain_native.name_of(e): e["artifact"]["method_id"] for e in trace.events if "artifact" in e}
    assert of(inspect.getsource(double.__wrapped__), "double") == used["double"]
    assert of("@tile\ndef nothing() -> None:\n    pass\n", "nothing") == used["nothing"]
    assert trace.completed is not None
    manifest = trace.completed.manifest
    program = trace.events[0]["program"]
    assert hashlib.sha256(manifest).hexdigest() == program["artifact_sha256"]
    assert b"Account.interest" in manifest
    assert events_of(lambda: main(1)).events[0]["run_id"] == trace.events[0]["run_id"]
    assert events_of(lambda: main(2)).events[0]["run_id"] != trace.events[0]["run_id"]
    assert events_of(lambda: walk([])).events[0]["program"] != program


def test_async_functions() -> None:
    """Async tiles and sequences are traced where they run, whatever the loop does in between."""

    @tile
    async def fetch(key: str) -> str:
        await asyncio.sleep(0)
        return key.upper()

    @sequence
    async def both() -> str:
        return await fetch("a") + await fetch("b")

    trace = events_of(lambda: asyncio.run(both()))
    assert 3 == sum(e["type"].endswith("Start") and e["seq"] > 0 for e in trace.events)
    assert "AB" == decode(bytes.fromhex(trace.events[-2]["output_bytes"]))
    assert "AB" == asyncio.run(both())


def _misuse(call: Callable[[], Any], code: str, **options: Any) -> Collected:
    collected = Collected()
    with pytest.raises(TracingError) as caught, Tracer(collected, **options) as tracer:
        call()
    assert code == caught.value.code
    assert not tracer.sealed
    assert collected.completed is None
    assert collected.abandoned is not None
    assert code == collected.abandoned.code
    return collected


@tile
def tile_that_calls(value: int) -> int:
    return double(value)


@tile
def tile_that_loops(value: int) -> None:
    with loop("x", [value]) as steps:
        list(steps)


@sequence
def gives(value: Any) -> Any:
    return value


@sequence
def swallows() -> int:
    try:
        tile_that_calls(1)
    except TracingError:
        return 0
    return 1


@sequence
def interrupted() -> None:
    raise KeyboardInterrupt


@sequence
def iterates_badly() -> list[int]:
    return list(loop("x", [1]))


@sequence
def loops_twice() -> None:
    steps = loop("x", [1])
    for _ in range(2):
        with steps:
            list(steps)


@sequence
def calls_beside_iterations(values: list[int]) -> None:
    with loop("x", values) as steps:
        list(steps)
        nothing()


@sequence
def names_badly() -> None:
    with loop("a/b", [1]) as steps:
        list(steps)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: tile_that_calls(1), "tile-calls"),
        (lambda: tile_that_loops(1), "tile-calls"),
        (lambda: gives(1.5), "value-not-encodable"),
        (lambda: gives(None) or gives(None), "trace-second-root"),
        (lambda: None, "trace-empty"),
        (lambda: gives("x" * 40_000), "value-too-large"),
        (swallows, "tile-calls"),
        (iterates_badly, "loop-misused"),
        (loops_twice, "loop-misused"),
        (lambda: calls_beside_iterations([1]), "loop-misused"),
        (lambda: calls_beside_iterations([]), "loop-misused"),
        (names_badly, "traced-name"),
    ],
)
def test_misuse_is_an_error_and_never_sealed(call: Callable[[], Any], code: str) -> None:
    """What breaks a rule of tracing is raised, also where the program swallows it, and the trace is not sealed."""
    _misuse(call, code)


class _Proxy:
    """What some libraries keep in modules: it raises whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


PROXY = _Proxy()
"""Every program of this module is made up with it around."""


def test_errors_say_where() -> None:
    """The message names the function and the argument, or the result, and the next step is about the type."""

    @tile
    def late() -> Any:
        return (value for value in (1, 2))

    for call, where in (
        (lambda: main(1, extra=0.5), "main: argument extra: a value of type float"),
        (lambda: walk([0.5]), "walk: argument values"),
        (late, "late: its result: a value of type generator"),
    ):
        with pytest.raises(TracingError, match=where), Tracer():
            call()


def test_a_result_without_encoding_is_an_error() -> None:
    """The call has been made, but what it returned cannot be recorded: no empty bytes, an error."""

    @tile
    def weigh() -> float:
        return 0.5

    collected = _misuse(weigh, "value-not-encodable")
    assert ["TraceStart", "TileStart weigh"] == names(collected.events)


def test_an_interrupt_is_no_fact_about_a_run() -> None:
    """Ctrl-C, cancelled tasks and exhausted memory leave the trace unsealed; the exception passes with a note."""
    for error in (KeyboardInterrupt, asyncio.CancelledError, MemoryError, RecursionError, SystemExit):

        @sequence
        def stops(error: str = error.__name__, _kind: str = "") -> None:
            raise _KINDS[error]

        collected = Collected()
        with pytest.raises(error) as caught, Tracer(collected):
            stops()
        assert "trace-interrupted" in str(caught.value.__notes__)
        assert collected.completed is None


_KINDS = {
    kind.__name__: kind
    for kind in (KeyboardInterrupt, asyncio.CancelledError, MemoryError, RecursionError, SystemExit)
}


def test_wrong_arguments_raise_what_they_raise() -> None:
    """A call that Python refuses is no span of its own: its caller fails as it would untraced."""

    @sequence
    def calls_wrongly() -> int:
        return divide(1)

    trace = events_of(calls_wrongly, raises=TypeError)
    assert ["TraceStart", "TileStart calls_wrongly", "TileFailure calls_wrongly", "TraceEnd"] == names(
        trace.events
    )


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: tile(lambda value: value), "traced-not-a-function"),
        (lambda: tile(staticmethod(double)), "traced-not-a-function"),
        (lambda: tile(int), "traced-not-a-function"),
        (lambda: sequence(_generator), "traced-generator"),
        (lambda: tile(_async_generator), "traced-generator"),
        (lambda: tile(id="a b")(_plain), "traced-name"),
        (lambda: tile(id="")(_plain), "traced-name"),
    ],
)
def test_what_cannot_be_decorated(make: Callable[[], Any], code: str) -> None:
    """Generators, lambdas, classes and names that break a path are refused where they are decorated."""
    with pytest.raises(TracingError) as caught:
        make()
    assert code == caught.value.code


def _generator() -> Iterator[int]:
    yield 1


async def _async_generator() -> Any:
    yield 1


def _plain() -> None:
    pass


def test_functions_without_source_are_refused() -> None:
    """A function that was typed or exec'd has nothing to identify it by: an error, not a made-up identity."""
    scope: dict[str, Any] = {}
    exec("from proofrail.tracing import tile\n@tile\ndef bare(): return 1", scope)  # noqa: S102
    assert 1 == scope["bare"]()
    _misuse(scope["bare"], "traced-source")


def test_the_source_is_that_which_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is edited while its functions are in use does not change what they are identified by."""
    path = tmp_path / "edited_later.py"
    path.write_text("from proofrail.tracing import tile\n\n\n@tile\ndef one():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("edited_later")
    path.write_text(path.read_text().replace("return 1", "return 2  # and more"))
    start = events_of(module.one).events[1]
    assert hashlib.sha256(b"@tile\ndef one():\n    return 1\n").hexdigest() == start["artifact"]["method_id"]


def test_functions_of_another_program_are_refused() -> None:
    """A call that the program's identity does not cover is an error that says how to name it."""

    @tile
    def local() -> int:
        return 1

    hidden = {"local": local}

    @sequence
    def looks_it_up() -> int:
        return hidden["local"]()

    _misuse(looks_it_up, "program-foreign")
    assert "TileStart local" in names(events_of(looks_it_up, program=[local]).events)


def test_names_are_unique_in_a_program() -> None:
    """Two functions of one name would be one in every path: refused."""

    @tile(id="double")
    def other() -> int:
        return 1

    _misuse(lambda: other(), "program-duplicate")


def test_a_tracer_is_used_once() -> None:
    """A second block of one tracer is refused; a second close does nothing."""
    tracer = Tracer()
    with tracer:
        double(1)
    assert tracer.sealed
    tracer.close()
    with pytest.raises(TracingError, match="trace-used"), tracer:
        pass


@pytest.mark.parametrize("options", [{"bits": 0}, {"bits": 65}, {"block_items": 0}, {"bits": True}])
def test_parameters_out_of_range(options: dict[str, Any]) -> None:
    """A run that nobody could commit to is not begun."""
    with pytest.raises(ValueError, match="validation error"):
        Tracer(**options)


def test_labels_are_text() -> None:
    """A label is written into TraceStart; what is no text is refused before anything runs."""
    assert "nightly" == events_of(lambda: double(1), label="nightly").events[0]["label"]
    with pytest.raises(MalformedError):
        Tracer(label="\ud800")


def test_tracers_nest() -> None:
    """A tracer inside a traced call traces a run of its own, and the outer one goes on behind it."""
    inner = Collected()

    @sequence
    def outer() -> int:
        with Tracer(inner):
            first = double(1)
        return first + double(2)

    trace = events_of(outer)
    assert ["TraceStart", "TileStart double", "TileEnd double", "TraceEnd"] == names(inner.events)
    assert 1 == names(trace.events).count("TileStart double")
