"""Codes of audits: kinds of mismatch, and why a part was not decided."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_ALTERED = "The published run was altered, or its tracer does not follow the text."
_TRUST = (
    "Do not rely on the run. The report's expected and claimed values, and `proofrail show`, show the place."
)
_PROOF = "Do not rely on the proof. Ask its prover for the one that was verified."


def _item(member: str, what: str, why: str = _ALTERED) -> Entry:
    return Entry(member, f"An item's {member} is not that of the recomputed run: {what}.", why, _TRUST)


MISMATCHES: Final = Area.of(
    "mismatch",
    "Kinds of mismatch, in the order in which they are looked for",
    f"{TRACE} section 7",
    (
        Entry("malformed", "A published line breaks the wire format; `code` says how.", _ALTERED, _TRUST),
        Entry("version", "`v` of a line is not 1.", "It is of another version, or was altered.", _TRUST),
        Entry(
            "program",
            "The run is of another program than the auditor's.",
            "The tracer ran something else, or the wrong program.json was given.",
            "Give the program that was agreed on with --program; if that is what you did, do not rely on the run.",
        ),
        Entry(
            "layout",
            "The run was made in another layout than it says, or than is accepted.",
            _ALTERED,
            _TRUST,
        ),
        Entry(
            "inputs",
            "The inputs, their number or their digest do not fit, or the program does not take them.",
            "An input was altered, dropped or added after the run.",
            _TRUST,
        ),
        Entry(
            "proposal",
            "An input that nobody published as a proposal, or that is none in normal form.",
            "The tracer invented or altered an allocator's proposal.",
            "Compare with the proposals topic; do not rely on the run.",
        ),
        Entry(
            "length",
            "One side ends before the other: items, blocks or lines.",
            "The tail was cut, or something was added after the real end.",
            _TRUST,
        ),
        _item("type", "it is another kind of event", "Items were dropped, added, moved or relabelled."),
        _item(
            "seq", "items are not numbered from 0 without gaps", "Items were dropped, duplicated or moved."
        ),
        Entry(
            "run_id",
            "A line carries another run_id than the run's.",
            "Lines of another run were spliced in, or the settings of the run are not those it was made with.",
            _TRUST,
        ),
        _item("name", "a sequence is called otherwise"),
        _item("tile_id", "a tile is called otherwise"),
        _item("span_id", "it is no longer the digest of run_id and seq"),
        _item("parent_span_id", "the span hangs elsewhere in the tree"),
        _item("path", "the names on the way to it differ"),
        _item("depth", "the span lies deeper or higher"),
        _item("iteration", "it is another round of its loop"),
        _item("artifact", "other code ran"),
        _item("input_bytes", "the function was called with other arguments"),
        _item("output_bytes", "the function returned something else"),
        Entry(
            "member",
            "Any other member of an item, a block or the seal differs; `member` names it.",
            _ALTERED,
            _TRUST,
        ),
        Entry(
            "invariant",
            "An event cannot be right whatever the run was; `code` says which invariant it breaks.",
            _ALTERED,
            "`proofrail check EVENTS` lists all that the events break; `proofrail explain` tells each code.",
        ),
        Entry(
            "step",
            "The registers of a step are not what the VM does: pc, ap, fp and the source line are in the report.",
            "trace.bin or the root of a StepBlock was altered.",
            "Without the claimed trace.bin only the block is known: give it with --trace. `show --at STEP` shows "
            "the step as it is.",
        ),
        Entry(
            "cell",
            "A memory cell holds something else than in the recomputed run.",
            "memory.bin or the root of a MemoryBlock was altered.",
            "Without the claimed memory.bin only the block is known: give it with --memory.",
        ),
        Entry(
            "packed",
            "A packed value of a block is not that of its item; `item` is the first.",
            "A block was altered. Packed values locate only: they are forged in 2^bits tries, chain and root are not.",
            _TRUST,
            f"{TRACE} section 6",
        ),
        Entry(
            "chain",
            "The full chain value of a block or the seal differs, though all packed values agree.",
            "An item before it was altered so that the truncated value stayed equal.",
            _TRUST,
            f"{TRACE} section 6",
        ),
        Entry("root", "The root over all items differs.", _ALTERED, _TRUST, f"{TRACE} section 6"),
        Entry(
            "signature",
            "The checkpoint is missing, of no accepted key, or about another tree head.",
            "Somebody else sealed the run, or the signed text was altered.",
            "Check the keys you accept (--key). If they are right, do not rely on the run.",
            f"{TRACE} section 6, Checkpoint",
        ),
        Entry(
            "output",
            "The program's output is not what the independent model computes.",
            "Program or model have a defect: the run itself is as it was executed.",
            "Decide by hand; report it.",
            "design section 6",
        ),
        Entry(
            "reference-vm",
            "The original Cairo VM does something else with the same program and inputs than ours, and than was "
            "published.",
            "One of the two VMs has a defect, or the program uses what they take differently.",
            "Do not rely on the run until it is known which of them is wrong; report it with program and inputs.",
            "services/proofrail/audit/second_opinion.py",
        ),
    ),
)

PROOF_MISMATCHES: Final = Area.of(
    "proof-mismatch",
    "Kinds of mismatch of a Proof message",
    f"{TRACE} section 8, Proof",
    (
        Entry("is_mock", "The Proof says of itself that it is a mock.", "Mocks are for tests only.", _PROOF),
        Entry("backend", "The Proof is of a backend that is not accepted.", "Policy accepts others.", _PROOF),
        Entry(
            "artifact-altered",
            "What the store holds is not what its digest says.",
            "The blob was altered, cut or replaced in the store.",
            "Restore it from where it came; never re-publish what the store holds now.",
        ),
        Entry(
            "size",
            "The stored proof has another length than the message says.",
            "Either was altered.",
            _PROOF,
        ),
        Entry(
            "proof",
            "The proof does not hold for this run; `code` says why.",
            "It is of another program, other outputs, or no proof at all.",
            "`proofrail explain CODE` for the report's code. " + _PROOF,
        ),
        Entry(
            "policy",
            "The proof holds, and is not good enough; `code` says why.",
            "Its parameters are weak.",
            _PROOF,
        ),
        Entry("statement", "The message states something else than its proof.", _ALTERED, _PROOF),
        Entry(
            "parameters", "The message names other parameters than the proof was made with.", _ALTERED, _PROOF
        ),
        Entry(
            "security_bits", "The message claims other bits of security than the proof has.", _ALTERED, _PROOF
        ),
        Entry("identities", "The on-chain identities do not follow from the statement.", _ALTERED, _PROOF),
    ),
)

_WAIT = "Wait until it arrives, or give it; the report says until when waiting is of use."

UNDECIDED: Final = Area.of(
    "undecided",
    "Why a part was not checked, and why a verdict is INDETERMINATE",
    f"{TRACE} section 7",
    (
        Entry(
            "unfinished",
            "The events end before TraceEnd.",
            "The run has not ended, or its end is on its way or was cut off.",
            _WAIT,
        ),
        Entry(
            "not-sealed",
            "The seal has not arrived.",
            "The run has not ended, or its end is on its way.",
            _WAIT,
        ),
        Entry(
            "program-missing",
            "The run cannot be executed again for want of the program.",
            "No compiled program was given or installed.",
            "Give it with --program FILE.",
        ),
        Entry(
            "too-many-steps",
            "The run is claimed to take more steps than are executed on a tracer's word.",
            "It is very long, or somebody wants to keep auditors busy.",
            "Say how many steps it may take: `proofrail audit --max-steps N`.",
        ),
        Entry(
            "inputs-missing",
            "The run cannot be executed again for want of its inputs.",
            "The commitments hold no Input lines.",
            "Give the commitments that the tracer published, whole.",
        ),
        Entry(
            "key-missing",
            "The signature could not be checked: no key is accepted.",
            "No key was given.",
            "Give the tracer's public key with --key FILE, from a source you trust.",
        ),
        Entry(
            "unknown-member",
            "A line has a member that this version does not define.",
            "A newer version wrote it. What it means cannot be judged, so it never passes as MATCH.",
            "Audit with a version that knows it.",
        ),
        Entry(
            "proposal-unknown",
            "Whether an input was proposed cannot be known now.",
            "The proposals topic could not be read, or has expired.",
            _WAIT,
        ),
        Entry(
            "artifact-missing",
            "The proof cannot be had from the store.",
            "It has not arrived yet, or was deleted.",
            _WAIT,
        ),
        Entry(
            "proof-failed",
            "No proof was made: the run's terminal record is a ProofFailure.",
            "The prover gave up for good; the record has its code.",
            "`proofrail explain CODE` for that code.",
        ),
        Entry(
            "run-not-recomputed",
            "What the proof should state is not known.",
            "The run itself could not be executed again.",
            "See why the run's own audit is undecided.",
        ),
        Entry(
            "after-mismatch",
            "A part was not reached: the audit ended at the first mismatch.",
            "What comes after the first difference says nothing more.",
            "Nothing: the mismatch decides.",
        ),
        Entry(
            "not-at-hand",
            "A part was not given, and the verdict does not need it.",
            "For example trace.bin: the StepBlocks bind its steps.",
            "Give it to have it checked too.",
        ),
        Entry(
            "not-reached",
            "A part rests on another that could not be checked.",
            "Something before it is missing.",
            "Give what the parts before it say is missing.",
        ),
    ),
)
