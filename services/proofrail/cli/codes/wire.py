"""Codes of lines that break the wire format, and of proposals that break theirs."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_WRITER = "Whoever wrote the line does not follow the wire format, or the file was cut or edited."
_REWRITE = "Correct the writer, or take the file from its source again; the error names the line."

_MALFORMED: Final = (
    Entry("malformed-utf8", "A line holds bytes that are not UTF-8.", _WRITER, _REWRITE),
    Entry(
        "malformed-json",
        "A line is not JSON by RFC 8259, begins with a byte order mark, or has something behind its object.",
        "The file was cut inside a line, holds text between the lines, or spreads an object over several lines.",
        _REWRITE,
    ),
    Entry(
        "malformed-not-an-object",
        "A line holds JSON that is no object.",
        "An array of events was written where one object a line is asked for, or a line is empty.",
        "Write one object on each line (NDJSON); `jq -c '.[]'` turns an array into lines.",
    ),
    Entry(
        "malformed-duplicate-member",
        "An object has one member name twice.",
        "Readers would disagree about which of the two counts, so nobody may write it.",
        _REWRITE,
    ),
    Entry(
        "malformed-float",
        "A number has a fraction or an exponent, or is NaN or Infinity.",
        "Floats have no canonical form that all languages agree on; `1.0` and `1e2` are refused like `1.5`.",
        "Write integers, or the value as a string.",
    ),
    Entry(
        "malformed-integer",
        "A bare integer lies beyond ±(2^53−1).",
        "Many readers of JSON would round it. Only timestamp and duration_ns may be larger.",
        'Write it as a string "0x…", lower case, without leading zeros.',
    ),
    Entry(
        "malformed-surrogate",
        "A string or a name holds half of a surrogate pair.",
        "It stands for no character, so it has no UTF-8.",
        _REWRITE,
    ),
    Entry(
        "malformed-depth",
        "More than 127 arrays and objects stand inside one another.",
        "The limit keeps every reader's stack bounded.",
        "Flatten the value.",
    ),
)

_LINES: Final = (
    Entry(
        "malformed-felt",
        'A string is no felt: not "0x…" in lower case without leading zeros, or not below P.',
        "Another spelling of the same number would change what is committed to.",
        'Write felts as "0x…" of their residue mod P.',
        f"{TRACE} section 2",
    ),
    Entry(
        "malformed-native-value",
        "Bytes are no value in the canonical encoding of native tiles.",
        "They are cut, not in their one spelling, or of another backend.",
        "Take input_bytes or output_bytes of a native span whole.",
        TRACE,
    ),
    Entry(
        "malformed-message",
        "A line has a known type, and a member that the type does not allow: missing, of another type, or null.",
        _WRITER,
        "The error names the member; the type's JSON Schema lies in schemas/.",
        f"{TRACE} sections 4 and 8",
    ),
    Entry(
        "line-too-long",
        "A line has more than 65,536 bytes (64 MiB for a commitment line in a file).",
        "A span takes or returns more felts than fit, or the file has no line feeds where they belong.",
        "Pass large values by pointer; check that lines end at 0x0A.",
        f"{TRACE} section 1",
    ),
    Entry(
        "unknown-version",
        "A line has another `v` than 1.",
        "It was written by a newer Proofrail, or it is no line of Proofrail's.",
        "Read it with a version that knows it.",
        f"{TRACE} section 2",
    ),
    Entry(
        "unknown-type",
        "A line's `type` is none that version 1 has in this place.",
        "The file is of another kind, or a newer version wrote it.",
        "Check which file was given; read it with a version that knows the type.",
        f"{TRACE} section 2",
    ),
    Entry(
        "commitment-bits",
        "`bits` is not in 1 … 64.",
        "A packed value is that many bits of a chain value.",
        "Give a width from 1 to 64; 16 is usual.",
        f"{TRACE} section 6",
    ),
    Entry(
        "commitment-block-items",
        "`block_items` is below 1.",
        "A block holds at least one item.",
        "Give a positive number; 256 is usual.",
        f"{TRACE} section 6",
    ),
    Entry(
        "run-id-length",
        "A run_id has none, or more than 256 characters.",
        "It goes into every line and every record's key.",
        "Give --run-id ID with 1 to 256 characters.",
        f"{TRACE} section 5",
    ),
    Entry(
        "committer-over",
        "A commitment was fed after its end, or after a line that failed.",
        "The caller goes on after `finish`, or after an error.",
        "Make a new committer for each stream.",
        f"{TRACE} section 6",
    ),
)

WIRE: Final = Area.of(
    "wire", "Lines that break the wire format", f"{TRACE} section 2", (*_MALFORMED, *_LINES)
)

_CORRECT = "Correct the proposal and publish it again; the dead letter names the member and what is allowed."


def _refused(code: str, means: str, why: str, remedy: str = _CORRECT) -> Entry:
    return Entry(code, means, why, remedy)


PROPOSALS: Final = Area.of(
    "proposals",
    "Proposals that are dead-lettered, not run",
    f"{TRACE} section 3",
    (
        _refused(
            "proposal-empty", "The record holds no object.", "A tombstone or an empty message was sent."
        ),
        _refused(
            "proposal-too-large",
            "The proposal has more than 65,536 bytes.",
            "No valid proposal comes near that: something else was sent.",
        ),
        _refused(
            "proposal-not-one-object",
            "The record holds several lines.",
            "One record is one proposal, on one line.",
            "Publish each proposal as a record of its own, without line breaks inside.",
        ),
        _refused(
            "proposal-unknown-version",
            "`v` is not 1.",
            "A newer client sent it, or `v` is missing or a string.",
        ),
        _refused(
            "proposal-unknown-type", "`type` is not AllocationProposal.", "Another message was sent here."
        ),
        _refused(
            "proposal-unknown-member",
            "A member is none of a proposal's, at some level.",
            "A limit that is misspelled would silently not apply, so unknown members are refused here.",
        ),
        _refused(
            "proposal-missing-member",
            "A required member is absent.",
            "All but `limits` and its members are required.",
        ),
        _refused(
            "proposal-wrong-type",
            "A member has a value of another type.",
            'Numbers are JSON integers: not "5", not true, not null.',
        ),
        _refused(
            "proposal-out-of-range",
            "A number lies outside its range.",
            "Units are basis points, not percent.",
        ),
        _refused(
            "proposal-invalid-text",
            "A name or an allocation_id has a length or characters that are not allowed.",
            "They become felts and Kafka keys: ASCII letters, digits and few marks.",
        ),
        _refused(
            "proposal-missing-risk", "A protocol has neither metrics nor risk.", "One of them is needed."
        ),
        _refused(
            "proposal-duplicate-protocol", "Two protocols have one name.", "Shares could not be told apart."
        ),
        _refused(
            "proposal-shares-sum",
            "The proposed shares do not add up to 10,000 basis points.",
            "They are parts of one whole; in the seed's form percent that add up to 100.",
        ),
        _refused(
            "proposal-id-reused",
            "The allocation_id was used before, for other content.",
            "One id is one decision for ever; the same proposal again would start no new run.",
            "Publish the new proposal under an allocation_id of its own.",
        ),
        _refused(
            "proposal-not-normal",
            "An input of a run is no proposal in its normal form.",
            "The inputs of a risk engine's run are normal forms; somebody wrote them by hand or altered them.",
            "Let the tracer make the inputs, or pass proposals through `parse_proposal`.",
        ),
        *(
            _refused(
                f"proposal-{entry.code}",
                f"The proposal's line breaks the wire format: {entry.means[0].lower()}{entry.means[1:]}",
                entry.why,
            )
            for entry in _MALFORMED
        ),
    ),
)
