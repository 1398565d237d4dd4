"""A Stone proof as bytes, and what it states: read strictly, for Stone's own verifier is lenient.

That verifier accepts bytes after the end of the proof, upper-case hex, felts spelled as value + P, unknown
members, parameters left to its defaults, and any security; a proof with such freedoms has no identity. The
canonical form has exactly three members, `proof_hex`, `proof_parameters` and `public_input`, as RFC 8785, with all
parameters given; its SHA-256 is the proof's digest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from proofrail.proving.errors import RefusedProof
from proofrail.proving.statement import PublicRange, Segment, State, Statement
from proofrail.proving.stone.layouts import Layout, layout_named, log_steps
from proofrail.proving.stone.parameters import StoneParameters
from proofrail.proving.stone.spelling import check_spelling, spelled_out
from proofrail.proving.stone.transcript import check_work
from proofrail.wire.canonical import canonical, parse_felt, parse_object, sha256_hex
from proofrail.wire.errors import MalformedError

_MEMBERS: Final = ("proof_hex", "proof_parameters", "public_input")
_LOCAL: Final = ("private_input", "prover_config", "version", "annotations")
"""Members of Stone's output that say nothing of the statement: paths of the prover's host among them."""
_PUBLIC_INPUT: Final = frozenset(
    {"dynamic_params", "layout", "memory_segments", "n_steps", "public_memory", "rc_max", "rc_min"}
)
_BEGINNING: Final = b'{"proof_hex":"'
_HEX: Final = re.compile(r"0x(?:[0-9a-f]{2})+", re.ASCII)
_MAX_RC: Final = (1 << 16) - 1


@dataclass(frozen=True)
class StoneProof:
    """`data`: the canonical bytes; `parameters` as the proof says, `layout` and `log_n_steps` of its run."""

    data: bytes
    parameters: StoneParameters
    public_input: Mapping[str, Any]
    layout: Layout
    log_n_steps: int

    @classmethod
    def read(cls, data: bytes) -> StoneProof:
        """A proof in canonical form.

        Raises RefusedProof `proof-malformed`, `proof-not-canonical` (other white space or order of members),
        `proof-hex` (another spelling), `proof-short`, `proof-nonce`; PolicyError `parameters-…`.
        """
        try:
            obj = parse_object(data)
            if canonical(obj) != data:
                raise RefusedProof(
                    "proof-not-canonical",
                    "the proof is not in canonical form",
                    "`proofrail verify FILE --json` reads proofs of Stone's in any form and gives their digest.",
                )
        except MalformedError as error:
            raise RefusedProof("proof-malformed", f"the proof is no JSON object: {error.message}") from error
        if tuple(sorted(obj)) != _MEMBERS:
            raise RefusedProof(
                "proof-malformed",
                f"the proof has the members {', '.join(sorted(obj))}, not {', '.join(_MEMBERS)}",
            )
        if not isinstance(obj["proof_hex"], str) or not _HEX.fullmatch(obj["proof_hex"]):
            raise RefusedProof(
                "proof-hex", "proof_hex is no lower-case hex of whole bytes with the prefix 0x"
            )
        public = _public_input(obj["public_input"])
        if not isinstance(obj["proof_parameters"], dict):
            raise RefusedProof("proof-malformed", "proof_parameters is no object")
        parameters = StoneParameters.of(obj["proof_parameters"])
        layout = layout_named(public["layout"])
        log_n_steps = log_steps(layout, public["n_steps"])
        parameters.check(log_n_steps)
        check_spelling(obj["proof_parameters"], parameters, log_n_steps)
        check_work(bytes.fromhex(obj["proof_hex"][2:]), layout, parameters)
        return cls(data, parameters, public, layout, log_n_steps)

    @classmethod
    def canonical_form(cls, output: bytes) -> bytes:
        """The canonical form of what Stone's prover wrote, or of a proof from elsewhere: white space, order,
        members about the prover's host and whether parameters equal to Stone's defaults are given do not matter.

        Raises RefusedProof `proof-malformed`; PolicyError `parameters-…`.
        """
        try:
            obj = parse_object(b" ".join(output.split(b"\n")))
            kept = {name: obj[name] for name in _MEMBERS}
        except MalformedError as error:
            raise RefusedProof("proof-malformed", f"the file is no JSON object: {error.message}") from error
        except KeyError as error:
            raise RefusedProof(
                "proof-malformed", f"the file is no proof of Stone's: it lacks {error}"
            ) from error
        strange = sorted(set(obj) - set(_MEMBERS) - set(_LOCAL))
        if strange:
            raise RefusedProof("proof-malformed", f"the file has unknown members: {', '.join(strange)}")
        if not isinstance(kept["proof_parameters"], dict):
            raise RefusedProof("proof-malformed", "proof_parameters is no object")
        return canonical(kept | {"proof_parameters": spelled_out(kept["proof_parameters"])})

    @cached_property
    def statement(self) -> Statement:
        """What the proof states. Raises RefusedProof `proof-public-memory`, `proof-felt`, `proof-segments`."""
        return _statement(self.public_input, self.layout, self.segments)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All memory segments, `program` and `execution` among them. Raises RefusedProof `proof-segments`."""
        return tuple(_segment(name, place) for name, place in self.public_input["memory_segments"].items())

    def shortened(self, count: int) -> bytes:
        """The proof without the last `count` bytes of proof_hex."""
        # In canonical form proof_hex is the first member.
        end = self.data.index(b'"', len(_BEGINNING))
        return self.data[: end - 2 * count] + self.data[end:]


def _public_input(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or set(value) != _PUBLIC_INPUT:
        raise RefusedProof("proof-malformed", "public_input has other members than Stone writes")
    numbers = [value[name] for name in ("n_steps", "rc_min", "rc_max")]
    if (
        not all(type(number) is int and number >= 0 for number in numbers)
        or not isinstance(value["layout"], str)
        or value["dynamic_params"] is not None
        or not isinstance(value["memory_segments"], dict)
        or not isinstance(value["public_memory"], list)
    ):
        raise RefusedProof("proof-malformed", "a member of public_input is of another type")
    if not value["rc_min"] <= value["rc_max"] <= _MAX_RC:
        raise RefusedProof(
            "proof-malformed", f"the range check goes from {value['rc_min']} to {value['rc_max']}"
        )
    return value


def _statement(public: Mapping[str, Any], layout: Layout, listed: tuple[Segment, ...]) -> Statement:
    segments = {segment.builtin: segment for segment in listed}
    if set(segments) != {"program", "execution", *layout.builtins}:
        raise RefusedProof(
            "proof-segments",
            f"layout {layout.name} has the segments program, execution, {', '.join(layout.builtins)}, "
            f"the proof has {', '.join(sorted(segments))}",
        )
    program, execution = segments.pop("program"), segments.pop("execution")
    cells = _cells(public["public_memory"])
    # The program lies at 1, then the two cells of the first call frame.
    words = tuple(_value(cells, address) for address in range(1, execution.begin - 2))
    output = segments.get("output", Segment("output", 0, 0))
    return Statement(
        layout=layout.name,
        n_steps=public["n_steps"],
        rc_bounds=(public["rc_min"], public["rc_max"]),
        public_memory=_ranges(public["public_memory"]),
        public_input_sha256=sha256_hex(canonical(public)),
        words=words,
        output=tuple(_value(cells, address) for address in range(output.begin, output.end)),
        segments=tuple(segments[name] for name in layout.builtins),
        initial_state=State(pc=program.begin, ap=execution.begin, fp=execution.begin),
        final_state=State(pc=program.end, ap=execution.end, fp=execution.begin),
    )


def public_memory(statement: Statement, builtins: tuple[str, ...]) -> list[tuple[int, int]]:
    """Addresses and values of the public memory that a run of a program with these builtins has, in order:
    the program, the first call frame, the builtins' first and last pointers, the output."""
    places = {segment.builtin: segment for segment in statement.segments}
    begin, end = statement.initial_state.ap, statement.final_state.ap
    cells = list(enumerate(statement.words, 1))
    cells += [(begin - 2, begin), (begin - 1, 0)]
    cells += [(begin + index, places[name].begin) for index, name in enumerate(builtins)]
    cells += [(end - len(builtins) + index, places[name].end) for index, name in enumerate(builtins)]
    if "output" in builtins:
        cells += list(enumerate(statement.output, places["output"].begin))
    return cells


def _ranges(cells: list[Any]) -> tuple[PublicRange, ...]:
    ranges: list[PublicRange] = []
    for cell in cells:
        page, address = cell["page"], cell["address"]
        if ranges and (ranges[-1].page, ranges[-1].end) == (page, address):
            ranges[-1] = PublicRange(page, ranges[-1].begin, address + 1)
        else:
            ranges.append(PublicRange(page, address, address + 1))
    return tuple(ranges)


def _segment(name: str, place: Any) -> Segment:
    if (
        not isinstance(place, dict)
        or set(place) != {"begin_addr", "stop_ptr"}
        or not all(type(address) is int and 0 <= address < 1 << 64 for address in place.values())
        or place["begin_addr"] > place["stop_ptr"]
    ):
        raise RefusedProof("proof-segments", f"the segment {name} is {place!r:.200}")
    return Segment(name, place["begin_addr"], place["stop_ptr"])


def _cells(listed: list[Any]) -> dict[int, int]:
    cells: dict[int, int] = {}
    for cell in listed:
        if not isinstance(cell, dict) or set(cell) != {"address", "page", "value"} or cell["page"] != 0:
            raise RefusedProof("proof-public-memory", f"{cell!r:.200} is no cell of the main page")
        address = cell["address"]
        if type(address) is not int or address < 0 or address in cells:
            raise RefusedProof(
                "proof-public-memory", f"the address {address!r:.40} is no address, or repeated"
            )
        try:
            cells[address] = parse_felt(cell["value"])
        except (MalformedError, TypeError, ValueError) as error:
            raise RefusedProof(
                "proof-felt", f"the value at {address} is no canonical felt: {cell['value']!r:.80}"
            ) from error
    return cells


def _value(cells: Mapping[int, int], address: int) -> int:
    try:
        return cells[address]
    except KeyError:
        raise RefusedProof("proof-public-memory", f"the public memory lacks address {address}") from None
