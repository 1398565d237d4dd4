"""The inputs file of `proofrail trace`."""

from __future__ import annotations

from pathlib import Path

from proofrail.audit.cairo_subject import CairoSubject, RiskSubject
from proofrail.wire.canonical import JsonObject, parse_program_input
from proofrail.wire.errors import InvalidProposalError, MalformedError, UnusableInputError
from proofrail.wire.proposals import parse_proposal


def read_inputs(path: Path | None, subject: CairoSubject) -> list[JsonObject]:
    """A run's inputs in normal form: a batch of proposals for the risk engine, else the one object in the
    file, empty where there is no file.

    Proposals stand one on a line (NDJSON, native or seed's form); a single one may be spread over lines.
    Raises UnusableInputError, which names the line; `inputs-count` for the risk engine without proposals.
    """
    if path is None:
        if isinstance(subject, RiskSubject):
            raise UnusableInputError(
                "inputs-count",
                "the risk engine decides about proposals",
                "Name a file of them: --inputs FILE.",
            )
        return [{}]
    data = path.read_bytes()
    if isinstance(subject, RiskSubject):
        return _proposals(path, data)
    try:
        return [parse_program_input(data)]
    except MalformedError as error:
        raise UnusableInputError(
            error.code,
            f"{path}: {error.message}",
            "Give one JSON object of integers, strings 0x… and nested lists of them.",
        ) from error


def _proposals(path: Path, data: bytes) -> list[JsonObject]:
    lines = data.removesuffix(b"\n").split(b"\n")
    if lines[0].strip() == b"{":
        lines = [b" ".join(lines)]
    found: list[JsonObject] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(parse_proposal(line).normal_form())
        except InvalidProposalError as error:
            raise UnusableInputError(
                error.code, f"{path}: {error.message}", error.next_step, **(error.context | {"line": number})
            ) from error
    return found
