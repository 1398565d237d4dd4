"""What can be audited of a run nobody can execute again: whether its events can be right, and its blocks and seal
are theirs; without the events, whether blocks and seal fit one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from proofrail.audit.blocks import UnknownMembers, check_blocks, check_seal
from proofrail.audit.blocks_alone import check_blocks_alone
from proofrail.audit.claimed_events import Events, pieces_of
from proofrail.audit.claims import ClaimedLine, Claims
from proofrail.audit.compare import compare_objects
from proofrail.audit.consistency import check_invariants
from proofrail.audit.events import first_event
from proofrail.audit.findings import Finding, FoundError, Notes, from_difference
from proofrail.audit.recommit import recommit
from proofrail.audit.signature import check_signature
from proofrail.audit.unknown import note_unknown_in_lines
from proofrail.audit.values import ABSENT
from proofrail.audit.vocabulary import SEAL_MEMBERS
from proofrail.commitment.blocks import MAX_BITS
from proofrail.commitment.runid import inputs_sha256
from proofrail.wire.canonical import JsonObject, canonical, parse_object
from proofrail.wire.errors import MalformedError

_EVENTS: Final = "the events"


def check_arithmetic(
    claims: Claims,
    seal: ClaimedLine,
    inputs: Sequence[JsonObject],
    events: Events | None,
    keys: Sequence[str],
    notes: Notes,
) -> None:
    """Raises FoundError where the claimed commitment is not that of the claimed events, the events break an
    invariant, or the inputs are not those the seal names.

    Says nothing about whether the events are those of the run: the caller leaves the execution unchecked.
    """
    if "inputs_sha256" in seal.members:
        _check_inputs(seal, inputs)
    run_id, bits, block_items = _settings(seal)
    unknown = UnknownMembers()
    if events is None:
        check_blocks_alone(claims, seal, run_id, bits, block_items, unknown)
        notes.leave(
            "blocks", "without events and program only their numbers, lengths and chains were compared"
        )
        core = {"run_id": run_id, "items": seal.members["items"], "root": seal.members.get("root", "")}
    else:
        own = recommit(pieces_of(events), run_id, bits, block_items)
        if own.core is None:
            raise FoundError(_malformed(events))
        check_blocks(own.blocks, claims.blocks, unknown, lambda _item: None, truth=_EVENTS)
        claimed = {name: seal.members[name] for name in own.core if name in seal.members}
        check_seal(own.core, ClaimedLine(seal.number, claimed), unknown, truth=_EVENTS)
        notes.done("events")
        notes.done("blocks")
        if "program" in seal.members or first_event(events).get("type") == "TraceStart":
            check_invariants(events, notes)
        else:
            notes.leave("invariants", "the events are no trace of a run: any objects can be committed to")
        core = own.core
    if "checkpoint" in seal.members:
        check_signature(seal, core, keys, notes)
    note_unknown_in_lines(unknown, notes)


def _check_inputs(seal: ClaimedLine, inputs: Sequence[JsonObject]) -> None:
    own = {"inputs_count": len(inputs), "inputs_sha256": inputs_sha256(canonical(value) for value in inputs)}
    claimed = {name: seal.members[name] for name in own if name in seal.members}
    difference = compare_objects(own, claimed, SEAL_MEMBERS).difference
    if difference is not None:
        truth = "the Input lines"
        raise FoundError(from_difference(difference, "seal", "the seal", line=seal.number, truth=truth))


def _settings(seal: ClaimedLine) -> tuple[str, int, int]:
    run_id, bits, block_items = (seal.members.get(name) for name in ("run_id", "bits", "block_items"))
    if not isinstance(run_id, str):
        raise FoundError(_unfit(seal, "run_id", run_id))
    if type(bits) is not int or not 1 <= bits <= MAX_BITS:
        raise FoundError(_unfit(seal, "bits", bits))
    if type(block_items) is not int or block_items < 1:
        raise FoundError(_unfit(seal, "block_items", block_items))
    return run_id, bits, block_items


def _unfit(seal: ClaimedLine, member: str, claimed: object) -> Finding:
    return Finding(
        "run_id" if member == "run_id" else "member",
        "seal",
        f"the seal's {member} cannot be committed with",
        line=seal.number,
        member=member,
        pointer=f"/{member}",
        claimed=claimed if member in seal.members else ABSENT,
    )


def _malformed(events: Events) -> Finding:
    lines = events()
    item = 0
    while True:
        try:
            line = next(lines, None)
            if line is None:
                return Finding("malformed", "event", "an event breaks the wire format")
            _parsed: JsonObject = parse_object(line)
        except MalformedError as error:
            return Finding(
                "malformed",
                "event",
                f"item {item} breaks the wire format: {error.message}",
                item=item,
                line=item + 1,
                more={"code": error.code},
            )
        item += 1
