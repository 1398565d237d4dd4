"""What is traced: decorated functions, and the program that they make up (schemas/trace-v1.md, "Native traces")."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, Literal

from proofrail.tracing.errors import TracingError
from proofrail.wire.canonical import canonical, sha256_hex

BACKEND: Final = "native"
ATTRIBUTE: Final = "__proofrail_traced__"
"""Where a decorated function keeps its `TracedFunction`."""

_NAME: Final = re.compile(r"[^/\[\]\s\x00-\x1f\x7f\ud800-\udfff]{1,128}")
_IDENTITY_TAG: Final = b"proofrail/native/v1\n"


class TracedFunction:
    """A decorated function: its name in traces, its kind, and its source.

    `kind` is what the function may do: a tile calls no traced function; a sequence may.
    """

    def __init__(self, function: FunctionType, kind: Literal["tile", "sequence"], name: str | None) -> None:
        self.function = function
        self.kind = kind
        self.name = _checked_name(function, name)
        self.signature = inspect.signature(function)
        self.code: CodeType = inspect.unwrap(function).__code__
        """What runs; below other decorators, the code whose source it is."""
        # Now, while the file still holds what was loaded: it may be edited before the first trace.
        self._source = _read_source(function, self.code)
        self.artifact: dict[str, str] | None = None
        """{backend, method_id}, once the source was read."""

    @property
    def source(self) -> str:
        """The source as method_id hashes it: from the first decorator to the end of the body, dedented, each line
        with its line feed. Raises TracingError `traced-source`."""
        if isinstance(self._source, Exception):
            raise TracingError(
                "traced-source",
                f"the source of {self.name} cannot be had: {self._source}",
                "Define traced functions in a file: what was typed or exec'd has no source to identify it by",
                function=self.name,
            ) from self._source
        return self._source

    @cached_property
    def method_id(self) -> str:
        """SHA-256 of the source, as hex."""
        return sha256_hex(self.source.encode())

    def identify(self) -> dict[str, str]:
        """The artifact of the function's spans. Raises TracingError `traced-source`."""
        if self.artifact is None:
            self.artifact = {"backend": BACKEND, "method_id": self.method_id}
        return self.artifact

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The call's arguments by parameter, defaults filled in. Raises TypeError as the call itself would."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments


def _read_source(function: FunctionType, code: CodeType) -> str | Exception:
    key = (code.co_filename, code)
    if key not in _sources:
        try:
            _sources[key] = textwrap.dedent(inspect.getsource(function)).rstrip("\n") + "\n"
        except (OSError, TypeError) as error:
            return error
    return _sources[key]


_sources: Final[dict[tuple[str, CodeType], str]] = {}
"""By file and code: a function that is defined inside another is decorated at each call of that."""


def _checked_name(function: Any, name: str | None) -> str:
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise TracingError(
            "traced-not-a-function",
            f"{function!r:.80} is no function written with def",
            "Put the decorator directly above `def`, below @staticmethod, @classmethod and @property",
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TracingError(
            "traced-generator",
            f"{function.__qualname__} is a generator function: its call ends before its body runs",
            "Return a list; or trace the function that consumes the generator, with a `loop` around each element",
        )
    # Where a function is defined inside another, only what it is called there: `<locals>` is no name.
    found = function.__qualname__.rpartition("<locals>.")[2] if name is None else name
    check_name(found)
    return found


def check_name(name: str) -> None:
    """Raises TracingError `traced-name` for what cannot be the name of a span."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TracingError(
            "traced-name",
            f"{name!r:.80} cannot be a name in a path",
            "Use 1 to 128 characters other than /, [, ], white space and control characters",
        )


def traced(candidate: Any) -> TracedFunction | None:
    """The traced function behind a decorated function or method, if it is one."""
    try:
        inner = candidate.__func__ if isinstance(candidate, staticmethod | classmethod) else candidate
        found = inner.__dict__.get(ATTRIBUTE)
    except Exception:  # a module may hold anything, also proxies that raise whatever they are asked
        return None
    return found if isinstance(found, TracedFunction) else None


@dataclasses.dataclass(frozen=True)
class NativeProgram:
    """The identity of a native run: its entry and all functions that may be called in it.

    The manifest is what a compiled file is to a Cairo program: canonical JSON {"entry", "functions": [{"kind",
    "name", "source"}…]} by ascending name.
    """

    entry: TracedFunction
    functions: Mapping[str, TracedFunction]

    @cached_property
    def manifest(self) -> bytes:
        functions = [
            {"kind": function.kind, "name": name, "source": function.source}
            for name, function in self._sorted()
        ]
        return canonical({"entry": self.entry.name, "functions": functions})

    @cached_property
    def identity(self) -> dict[str, str]:
        """`program` of TraceStart and seal: {backend, method_id, artifact_sha256}."""
        functions = {name: function.method_id for name, function in self._sorted()}
        digest = sha256_hex(_IDENTITY_TAG + canonical({"entry": self.entry.name, "functions": functions}))
        return {"backend": BACKEND, "method_id": digest, "artifact_sha256": sha256_hex(self.manifest)}

    @cached_property
    def codes(self) -> Mapping[CodeType, str]:
        """The functions' names by the code they run."""
        return {function.code: name for name, function in self.functions.items()}

    def _sorted(self) -> list[tuple[str, TracedFunction]]:
        return sorted(self.functions.items(), key=lambda entry: entry[0].encode())


def program_of(entry: TracedFunction, more: Iterable[Callable[..., Any] | ModuleType] = ()) -> NativeProgram:
    """The program that starts with `entry`: the traced functions that the module of `entry` defines or imports by
    name, at its top level or in its classes, those of their modules in turn, those in the closures of all of them,
    and `more`, functions or whole modules.

    Raises TracingError: `program-duplicate`, `traced-source`.
    """
    found: dict[str, TracedFunction] = {}
    modules: set[str] = set()
    waiting: list[TracedFunction] = [entry]
    waiting.extend(function for function, _ in functions_of(more))
    while waiting:
        function = waiting.pop()
        known = found.setdefault(function.name, function)
        if known is not function:
            if known.code == function.code and known.source == function.source:
                continue  # made again, by a factory or a reloaded module
            raise TracingError(
                "program-duplicate",
                f"two functions of the program are named {function.name}",
                "Give one of them another name: @tile(id=…)",
                function=function.name,
            )
        if known is function and function.artifact is None:
            function.identify()
        for cell in function.function.__closure__ or ():
            try:
                inner = traced(cell.cell_contents)
            except ValueError:  # a name that is not bound yet
                continue
            if inner is not None and inner.name not in found:
                waiting.append(inner)
        name = function.function.__module__
        if name not in modules:
            modules.add(name)
            module = sys.modules.get(name)
            waiting.extend(member for member, _ in (_members(module) if module is not None else ()))
    return NativeProgram(entry, found)


def functions_of(
    candidates: Iterable[Callable[..., Any] | ModuleType],
) -> Iterator[tuple[TracedFunction, Callable[..., Any]]]:
    """The traced functions among functions and in modules, and what to call. Raises TracingError
    `traced-not-a-function` for a candidate that is neither."""
    for candidate in candidates:
        if isinstance(candidate, ModuleType):
            yield from _members(candidate)
            continue
        function = traced(candidate)
        if function is None:
            raise TracingError(
                "traced-not-a-function",
                f"{candidate!r:.80} is no traced function",
                "Name functions with @tile or @sequence, or modules that hold such functions",
            )
        yield function, candidate


def _members(module: ModuleType) -> Iterator[tuple[TracedFunction, Callable[..., Any]]]:
    for value in list(vars(module).values()):
        function = traced(value)
        if function is not None:
            yield function, value
        elif issubclass(type(value), type) and value.__module__ == module.__name__:
            for member in list(vars(value).values()):
                function = traced(member)
                if function is not None:
                    yield function, member
