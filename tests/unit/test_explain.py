"""The catalogue of codes beside the source: each code that is given is explained, and none besides."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from proofrail.audit.findings import KINDS
from proofrail.audit.invariants.violations import CODES as VIOLATIONS
from proofrail.cli.codes.catalogue import AREAS, ENTRIES
from proofrail.cli.offline import register
from proofrail.tracing.errors import CODES as TRACING
from proofrail.wire.canonical import parse_object

CHECKOUT = Path(__file__).parents[2]
SERVICES = CHECKOUT / "services" / "proofrail"
NATIVE = CHECKOUT / "services" / "native"

MALFORMED = (
    "utf8", "json", "not-an-object", "duplicate-member", "float", "integer", "surrogate", "depth",
)  # fmt: skip

BUILT = {
    ("wire/proposals.py", "f'proposal-{error.code}'"): [f"proposal-malformed-{how}" for how in MALFORMED],
    ("wire/proposals.py", "f'proposal-unknown-{name}'"): ["proposal-unknown-version", "proposal-unknown-type"],
    ("wire/proposals.py", "f'proposal-{kind}'"): [
        "proposal-unknown-member", "proposal-missing-member", "proposal-wrong-type", "proposal-out-of-range",
        "proposal-invalid-text", "proposal-missing-risk", "proposal-duplicate-protocol", "proposal-shares-sum",
    ],
        ("audit/proof_audit.py", "kind"): [],
    ("audit/proof_audit.py", "ALTERED"): ["artifact-altered"],
    ("audit/signature.py", "f'checkpoint-{name}'"): ["checkpoint-origin", "checkpoint-size", "checkpoint-root"],
    ("audit/second_opinion.py", "PART"): ["reference-vm"],
    ("artifacts/sqlite_file.py", "f'{owner}-in-use'"): ["explorer-in-use", "registrar-in-use"],
    ("artifacts/sqlite_file.py", "f'{self._owner}-disk'"): ["explorer-disk", "registrar-disk"],
    ("artifacts/sqlite_file.py", "f'{self._owner}-file'"): ["explorer-file", "registrar-file"],
}  # fmt: skip
"""Codes that are put together, or passed in, where the source does not spell them as they are given."""

PASSED_ON = re.compile(r"code|name|kind or .*|subject\.input_fault|[a-z.]*(?:error|failure|fault|self)\.code")
"""A code that was given elsewhere, where it is collected."""

REPORTED = {"after-mismatch", "not-at-hand", "not-reached"}
"""Codes of unchecked parts that no finding has (audit/report.py)."""

RUST = (
    re.compile(r'\b(?:Fault|Failure)::[a-z]+\(\s*"([a-z0-9-]+)"'),
    re.compile(r'=>\s*(?:Ok\()?"([a-z]+(?:-[a-z]+)+)"'),
    re.compile(r'"code": "([a-z-]+)"'),
)
RUST_FILES_OF_OTHER_WORDS = {"progress.rs"}


Node = ast.Call | ast.ClassDef | ast.FunctionDef


def _python() -> list[tuple[str, Node]]:
    """The calls and definitions of all modules, with their files."""
    return [
        (str(path.relative_to(SERVICES)), node)
        for path in sorted(SERVICES.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Node)
    ]


def _named(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def _errors(nodes: list[tuple[str, Node]]) -> set[str]:
    """ProofrailError and all classes below it."""
    classes = [node for _, node in nodes if isinstance(node, ast.ClassDef)]
    found = {"ProofrailError"}
    while more := {c.name for c in classes if {_named(base) for base in c.bases} & found} - found:
        found |= more
    return found


def _constants(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _constants(node.body)
        yield from _constants(node.orelse)


def _passing(nodes: list[tuple[str, Node]]) -> set[str]:
    """Functions whose first parameter is a code that they pass on. (`add` is too common a name.)"""
    functions = [node for _, node in nodes if isinstance(node, ast.FunctionDef)]
    first = ((f.name, [a.arg for a in f.args.args if a.arg != "self"][:1]) for f in functions)
    return {name for name, parameters in first if parameters == ["code"]} - {"add", "__init__"}


def _passed(node: ast.Call, passing: set[str]) -> list[str]:
    if _named(node.func) not in passing or not node.args:
        return []
    return [code for code in _constants(node.args[0]) if re.fullmatch("[a-z0-9]+(-[a-z0-9]+)+", code)]


def _said_by_name(node: ast.Call) -> Iterator[ast.expr]:
    """What is given as `code=…`, or as the member "code" of an object that is given."""
    for keyword in node.keywords:
        if keyword.arg == "code":
            yield keyword.value
        elif isinstance(keyword.value, ast.Dict):
            yield from _member(keyword.value)
    for argument in node.args:
        if isinstance(argument, ast.Dict):
            yield from _member(argument)


def _member(node: ast.Dict) -> Iterator[ast.expr]:
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "code":
            yield value


def _own(node: ast.ClassDef) -> Iterator[str]:
    """The code that a class of errors gives all its instances."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and _named(call.func) == "__init__" and call.args:
            yield from _constants(call.args[0])


@cache
def in_python() -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """The codes that Python spells out, and where it does not."""
    nodes = _python()
    errors = _errors(nodes)
    # _ExitedError takes no code: its class gives it one.
    givers = (errors | {"Finding"}) - {"_ExitedError"}
    passing = _passing(nodes)
    codes: set[str] = set()
    unclear: set[tuple[str, str]] = set()
    for file, node in nodes:
        if isinstance(node, ast.ClassDef) and node.name in errors:
            codes.update(_own(node))
        if not isinstance(node, ast.Call):
            continue
        for said in _said_by_name(node):
            spelled = list(_constants(said))
            codes.update(spelled)
            if not spelled and isinstance(said, ast.JoinedStr):
                unclear.add((file, ast.unparse(said)))
        if _named(node.func) not in givers:
            codes.update(_passed(node, passing))
            continue
        keywords = [k.value for k in node.keywords if k.arg in ("code", "kind")]
        first = next(iter([*node.args[:1], *keywords]), None)
        if first is None:
            continue
        spelled = list(_constants(first))
        codes.update(spelled)
        if not spelled:
            unclear.add((file, ast.unparse(first)))
    return frozenset(codes), frozenset(unclear)


@cache
def in_rust() -> frozenset[str]:
    """The codes that the native parts give, outside of their tests."""
    found: set[str] = set()
    for path in NATIVE.glob("*/src/**/*.rs"):
        if path.name in RUST_FILES_OF_OTHER_WORDS:
            continue
        text = path.read_text().split("#[cfg(test)]")[0]
        found.update(code for pattern in RUST for code in pattern.findall(text))
    return frozenset(found)


def in_source() -> set[str]:
    built = {code for codes in BUILT.values() for code in codes}
    return {*in_python()[0], *built, *in_rust(), *KINDS, *VIOLATIONS, *TRACING, *REPORTED}


def test_each_code_in_the_source_is_explained() -> None:
    """Whoever adds a code explains it in services/proofrail/cli/codes."""
    assert [] == sorted(in_source() - ENTRIES.keys())


def test_nothing_is_explained_that_no_part_gives() -> None:
    """A code that is gone from the source goes from the catalogue too."""
    assert [] == sorted(ENTRIES.keys() - in_source())


def test_codes_that_are_put_together_are_enumerated() -> None:
    """Wherever a code is not spelled out, it was given elsewhere or stands in BUILT, and BUILT has no more."""
    unclear = {place for place in in_python()[1] if not PASSED_ON.fullmatch(place[1])}
    assert [] == sorted(unclear - BUILT.keys())
    assert [] == sorted(BUILT.keys() - in_python()[1])


def test_entries_are_complete_and_of_one_spelling() -> None:
    """Each entry says what, why, what next and where, in sentences; within an area a code stands once."""
    for area in AREAS:
        assert len(area.entries) == len({entry.code for entry in area.entries}), area.name
        for entry in area.entries:
            assert entry.spec, entry.code
            for text in (entry.means, entry.why, entry.remedy):
                assert len(text) > 4, (entry.code, text)


def call(*arguments: str) -> tuple[int, str, str]:
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["explain", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_explain_knows_every_code() -> None:
    """Each code of the catalogue is explained, in every area that gives it."""
    status, out, _ = call()
    lines = [parse_object(line.encode()) for line in out.splitlines()]
    assert 0 == status
    assert sum(map(len, ENTRIES.values())) == len(lines)
    status, out, _ = call("run-failed")
    assert (0, "run-failed") == (status, parse_object(out.splitlines()[0].encode())["code"])


def test_explain_takes_the_beginning_of_several_codes() -> None:
    """`malformed-` explains all that begin so."""
    status, out, _ = call("malformed-")
    found = [parse_object(line.encode())["code"] for line in out.splitlines()]
    assert 0 == status
    assert {f"malformed-{how}" for how in MALFORMED} <= set(found)


@pytest.mark.parametrize("code", ["malformed-jsn", "assert-fail", "xyzzy", "-", ""])
def test_an_unknown_code_is_answered_with_the_nearest(code: str) -> None:
    """Exit status 2; what is spelled alike is named."""
    status, out, err = call("--", code)
    assert (2, "") == (status, out)
    assert "code-unknown" in err
    if code == "malformed-jsn":
        assert "malformed-json" in err
