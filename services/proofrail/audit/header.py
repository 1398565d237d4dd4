"""What a run claims about itself before its first item: version, program, layout, inputs, run_id.

Each check raises FoundError at the first claim that differs. A claim stands in the seal, in TraceStart
(item 0), or in both; the seal is looked at first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proofrail.audit.claims import ClaimedLine, Claims
from proofrail.audit.compare import Difference, compare_objects
from proofrail.audit.findings import Finding, FoundError, Notes, Where, from_difference
from proofrail.audit.settings import RunPolicy, Settings
from proofrail.audit.subject import Subject
from proofrail.audit.values import ABSENT, same
from proofrail.audit.vocabulary import SEAL_MEMBERS, Members, event_members
from proofrail.wire.canonical import JsonObject, canonical, sha256_hex
from proofrail.wire.errors import ProofrailError

_WHERE: Mapping[Any, Where] = {"Input": "input", "CommitmentBlock": "block", "CommitmentSeal": "seal"}


def check_lines(claims: Claims) -> None:
    """Every commitment line can be read and stands where its type belongs."""
    if claims.malformed:
        broken = claims.malformed[0]
        raise FoundError(
            Finding(
                "malformed",
                "commitments",
                f"line {broken.number} of the commitments breaks the wire format: {broken.error.message}",
                line=broken.number,
                more={"code": broken.error.code},
            )
        )
    for line in claims.misplaced:
        kind = line.members.get("type")
        if not isinstance(kind, str) or kind not in _WHERE:
            raise FoundError(
                Finding(
                    "type",
                    "commitments",
                    f"line {line.number} of the commitments is of no type that belongs there",
                    line=line.number,
                    member="type",
                    expected=_meant(line.members),
                    claimed=line.members.get("type", ABSENT),
                )
            )
    if claims.misplaced:
        raise FoundError(_out_of_order(claims))


def _out_of_order(claims: Claims) -> Finding:
    """Where the order of Input lines, blocks and seal is broken first.

    How many of each there are is what the seal says, so that a line put in is told from one that was moved
    away; without such a word, the line that comes too late is named.
    """
    line, wanted = claims.misplaced[0], None
    expected = _expected_lines(claims)
    if expected:
        for position, claimed in enumerate(claims.in_order()):
            wanted, name, number = expected[position] if position < len(expected) else (None, "", None)
            if claimed.members["type"] != wanted:
                line = claimed
                break
            if name and not same(number, claimed.members.get(name, ABSENT)):
                return _misnumbered(claimed, name, number)
    kind = line.members["type"]
    if wanted is None:
        message = f"line {line.number} is a surplus {kind}: the run's commitments have none there"
        return Finding("length", "commitments", message, line=line.number, claimed=kind)
    return Finding(
        "type",
        "commitments",
        f"line {line.number} is a {kind}, where the run's commitments have a {wanted}",
        line=line.number,
        member="type",
        expected=wanted,
        claimed=kind,
    )


def _expected_lines(claims: Claims) -> list[tuple[str, str, int | None]]:
    """Type, numbering member and number of each line that the seal says there are."""
    seal = claims.seal
    if seal is None:
        return []
    counts = [_count(seal.members.get(name)) for name in ("inputs_count", "blocks")]
    inputs, blocks = (min(count or 0, claims.lines) for count in counts)
    return [
        *(("Input", "index", index) for index in range(inputs)),
        *(("CommitmentBlock", "block", number) for number in range(blocks)),
        ("CommitmentSeal", "", None),
    ]


def _misnumbered(line: ClaimedLine, name: str, number: int | None) -> Finding:
    kind = line.members["type"]
    claimed = line.members.get(name, ABSENT)
    return from_difference(
        Difference("inputs" if name == "index" else "member", name, f"/{name}", number, claimed),
        _WHERE[kind],
        f"the {kind} at line {line.number}",
        block=number if name == "block" else None,
        line=line.number,
    )


def check_versions(claims: Claims, start: JsonObject) -> None:
    """Every commitment line and TraceStart have version 1."""
    for line in claims.in_order():
        if not same(1, line.members.get("v", ABSENT)):
            kind = line.members.get("type")
            raise FoundError(
                from_difference(
                    Difference("version", "v", "/v", 1, line.members.get("v", ABSENT)),
                    _WHERE[kind],
                    f"the {kind} at line {line.number}",
                    block=_count(line.members.get("block")),
                    line=line.number,
                )
            )
    if start and not same(1, start.get("v", ABSENT)):
        raise FoundError(
            from_difference(
                Difference("version", "v", "/v", 1, start.get("v", ABSENT)), "event", "item 0", item=0, line=1
            )
        )


def check_program(subject: Subject, seal: ClaimedLine | None, start: JsonObject) -> None:
    """Seal, where there is one, and TraceStart name the auditor's program."""
    identity = {
        "backend": "cairo",
        "method_id": subject.method_id,
        "artifact_sha256": subject.artifact_sha256,
    }
    _both("program", identity, seal, start)


def check_layout(settings: Settings, policy: RunPolicy, seal: ClaimedLine | None, start: JsonObject) -> None:
    """Layout as recomputed; and where the policy sets spans or commitment settings, those of the seal too. The
    events are compared with them later, item by item."""
    _both("layout", settings.layout, seal, start)
    for name, wanted in (
        ("spans", policy.spans),
        ("bits", policy.bits),
        ("block_items", policy.block_items),
    ):
        if wanted is not None and seal is not None:
            _compare({name: wanted}, {name: seal.members.get(name, ABSENT)}, SEAL_MEMBERS, seal)


def check_input_lines(claims: Claims, inputs: Sequence[JsonObject], subject: Subject) -> None:
    """The Input lines count from 0, and are what the program takes."""
    for index, line in enumerate(claims.inputs):
        if not same(index, line.members.get("index", ABSENT)):
            raise FoundError(_misnumbered(line, "index", index))
    for line, value in zip(claims.inputs, inputs, strict=True):
        try:
            subject.check_input(value)
        except ProofrailError as error:
            raise FoundError(
                Finding(
                    subject.input_fault,
                    "input",
                    f"input {line.members['index']} is none the program takes: {error.message}",
                    line=line.number,
                    member="input",
                    claimed=value,
                    more={"index": line.members["index"], "code": error.code},
                )
            ) from error


def check_inputs(
    claims: Claims, digest: str, settings: Settings, seal: ClaimedLine, start: JsonObject
) -> None:
    """The inputs are those that the run_id, the seal and TraceStart name."""
    _both("inputs_count", len(claims.inputs), seal, start)
    if settings.anchored and settings.inputs_sha256 != digest:
        raise FoundError(
            Finding(
                "inputs",
                "input",
                "the Input lines are not those the run was made from: its run_id was made with another hash",
                line=claims.inputs[0].number if len(claims.inputs) == 1 else None,
                member="inputs_sha256",
                expected=digest,
                claimed=settings.inputs_sha256,
            )
        )
    _both("inputs_sha256", digest, seal, start)


def check_asked(
    claims: Claims, inputs: Sequence[JsonObject], asked: Sequence[JsonObject], notes: Notes
) -> None:
    """The inputs are those that the auditor knows the run was asked to take, all of them, in their order."""
    for index, (line, value, wanted) in enumerate(zip(claims.inputs, inputs, asked, strict=False)):
        if not same(wanted, value):
            raise FoundError(
                Finding(
                    "inputs",
                    "input",
                    f"input {index} is not what the run was asked to take",
                    line=line.number,
                    member="input",
                    expected=wanted,
                    claimed=value,
                    more={"index": index},
                )
            )
    if len(asked) != len(inputs):
        raise FoundError(
            Finding(
                "inputs",
                "input",
                f"the run was asked to take {len(asked)} inputs, and took {len(inputs)}",
                member="inputs_count",
                expected=len(asked),
                claimed=len(inputs),
            )
        )
    notes.done("published")


def check_inputs_said(inputs: Sequence[JsonObject], digest: str, start: JsonObject) -> None:
    """TraceStart names these inputs."""
    _both("inputs_count", len(inputs), None, start)
    _both("inputs_sha256", digest, None, start)


def check_published(
    claims: Claims, inputs: Sequence[JsonObject], published: Callable[[str], bool | None], notes: Notes
) -> None:
    """Every input was proposed, byte for byte."""
    open_questions: list[Finding] = []
    for line, value in zip(claims.inputs, inputs, strict=True):
        digest = sha256_hex(canonical(value))
        answer = published(digest)
        if answer:
            continue
        index, allocation = line.members["index"], value.get("allocation_id")
        finding = Finding(
            "proposal" if answer is False else "proposal-unknown",
            "input",
            f"nobody published the proposal that input {index} claims to be"
            if answer is False
            else f"whether the proposal of input {index} was published cannot be known now",
            line=line.number,
            member="input",
            claimed=digest,
            more={"index": index}
            | ({"allocation_id": allocation[:64]} if isinstance(allocation, str) else {}),
        )
        if answer is False:
            raise FoundError(finding)
        open_questions.append(finding)
    for finding in open_questions[:1]:
        notes.unsure("published", finding)
    if not open_questions:
        notes.done("published")


def check_run_ids(run_id: str, claims: Claims, published_under: str | None) -> None:
    """The run was published under the recomputed run_id, and every Input line carries it. Blocks and seal are
    compared member by member later."""
    if published_under is not None and published_under != run_id:
        raise FoundError(
            Finding(
                "run_id",
                "commitments",
                "the run was published under the key of another",
                member="run_id",
                expected=run_id,
                claimed=published_under,
            )
        )
    for line in claims.inputs:
        claimed = line.members.get("run_id", ABSENT)
        if not same(run_id, claimed):
            raise FoundError(
                from_difference(
                    Difference("run_id", "run_id", "/run_id", run_id, claimed),
                    "input",
                    f"the Input at line {line.number}",
                    line=line.number,
                    more={"index": line.members.get("index")},
                )
            )


def input_objects(claims: Claims) -> list[JsonObject]:
    """The claimed inputs. Raises FoundError for one that is no object."""
    for line in claims.inputs:
        if not isinstance(line.members.get("input"), dict):
            raise FoundError(
                Finding(
                    "inputs",
                    "input",
                    f"the Input at line {line.number} holds no object",
                    line=line.number,
                    member="input",
                    claimed=line.members.get("input", ABSENT),
                )
            )
    return [line.members["input"] for line in claims.inputs]


def _both(name: str, expected: Any, seal: ClaimedLine | None, start: JsonObject) -> None:
    if seal is not None:
        _compare({name: expected}, {name: seal.members.get(name, ABSENT)}, SEAL_MEMBERS, seal)
    if start.get("type") == "TraceStart":
        _compare({name: expected}, {name: start.get(name, ABSENT)}, event_members("TraceStart"), None)


def _compare(expected: JsonObject, claimed: JsonObject, members: Members, seal: ClaimedLine | None) -> None:
    present = {name: value for name, value in claimed.items() if value is not ABSENT}
    difference = compare_objects(expected, present, members).difference
    if difference is None:
        return
    if seal is None:
        raise FoundError(from_difference(difference, "event", "item 0 (TraceStart)", item=0, line=1))
    raise FoundError(from_difference(difference, "seal", "the seal", line=seal.number))


def _meant(members: JsonObject) -> Any:
    for name, kind in (("input", "Input"), ("packed", "CommitmentBlock"), ("root", "CommitmentSeal")):
        if name in members:
            return kind
    return ABSENT


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None
