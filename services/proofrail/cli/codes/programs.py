"""Codes of programs, their inputs and their runs in the VM."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_FAILED = "`proofrail show RUN --at last` shows the step that failed, with the values in reach."
_DEFECT = "This is a defect of Proofrail: report it, with the program and its inputs."

VM: Final = Area.of(
    "vm",
    "Failures of a run in the VM; the run is sealed as failed",
    f"{TRACE} section 4, Failed runs",
    (
        Entry(
            "assert-failed",
            "An `assert` does not hold: the two sides are known and differ.",
            "The program refuses its input here, as it should, or it has a defect.",
            _FAILED,
        ),
        Entry(
            "out-of-range",
            "A value that the range_check builtin holds is not in 0 … 2^128−1.",
            "An input is out of range, or a difference is negative: felts wrap around at P.",
            _FAILED,
        ),
        Entry(
            "step-limit",
            "The run was not done after the number of steps it was allowed.",
            "The program loops for ever, or --max-steps is too low for these inputs.",
            "Give more with --max-steps; else look where it loops: `proofrail show RUN --at last`.",
        ),
        Entry(
            "hint-failed",
            "A hint found no values that it could write.",
            "An assertion inside a hint of the standard library does not hold, usually a range.",
            _FAILED,
        ),
        Entry(
            "memory-unknown",
            "An instruction reads a cell that was never written, and that cannot be deduced.",
            "A pointer leads nowhere, or an array is shorter than the program takes it for.",
            _FAILED,
        ),
        Entry(
            "memory-inconsistent",
            "A cell was to be written a second time, with another value.",
            "Cairo's memory is write-once: two parts of the program use one address.",
            _FAILED,
        ),
        Entry(
            "builtin-inconsistent",
            "A cell that a builtin computes holds something else.",
            "The program wrote a result of its own, such as a hash, that is not the builtin's.",
            _FAILED,
        ),
        Entry(
            "vm-error",
            "The VM gave up for another reason; `detail` has its own words.",
            "For example a jump to what is no instruction, or a pointer where a number is needed.",
            _FAILED,
        ),
    ),
)

PROGRAMS: Final = Area.of(
    "programs",
    "Programs and inputs that cannot be run",
    f"{TRACE} sections 3 and 4",
    (
        Entry(
            "program-unreadable",
            "The file of the compiled program cannot be read.",
            "The path is wrong, or it may not be opened.",
            "Check the path.",
        ),
        Entry(
            "program-unusable",
            "The file is no compiled Cairo 0 program, or its identifiers contradict each other.",
            "It is a source file, a Cairo 1 program, a contract class, a PIE, or was cut.",
            "Compile it again: cairo-compile --proof_mode prog.cairo --output prog.json.",
        ),
        Entry(
            "program-not-provable",
            "The program was compiled without --proof_mode.",
            "It then lacks __start__ and __end__, between which a proof's run lies.",
            "Compile it with cairo-compile --proof_mode.",
        ),
        Entry(
            "program-without-main",
            "The compiled file has no function main.",
            "It is a library, or a program whose main lies in another module.",
            "Give it a `func main`, and compile it with cairo-compile --proof_mode.",
        ),
        Entry(
            "builtins-disordered",
            "The program names its builtins in an order that no layout has.",
            "Stacks and segments of a proof follow one order: output pedersen range_check ecdsa bitwise ec_op keccak "
            "poseidon range_check96 add_mod mul_mod.",
            "Write %builtins and main's implicit arguments in that order, and compile again.",
        ),
        Entry(
            "unknown-hint",
            "The program has a hint that this VM does not know.",
            "Hints are Python text; the VM knows those of the standard library and two that read inputs.",
            'Use ids.X = program_input["K"] and segments.write_arg(ids.X, program_input["K"]).',
        ),
        Entry(
            "input-malformed",
            "The program's input is no object of integers and nested lists of them.",
            'A value is a float, null, true, or a text that is no "0x…".',
            'Give integers, strings "0x…" and nested lists of them.',
        ),
        Entry(
            "input-missing",
            "A hint asks for a member that the inputs do not have.",
            "The inputs file is of another program, or a name is misspelled.",
            "Add the member that the message names.",
        ),
        Entry(
            "input-type",
            "A hint asks for a list where the inputs have an integer, or the other way round.",
            "The inputs are not of the shape the program takes.",
            "Give a list where the program writes a list, an integer where it takes one.",
        ),
        Entry(
            "inputs-count",
            "A run of a program other than the risk engine has not exactly one input.",
            "Only the risk engine takes a batch.",
            "Give one JSON object as input.",
        ),
        Entry(
            "layout-unknown",
            "There is no layout of that name.",
            "It is misspelled, or one of Cairo 1 only.",
            "Name one of those in the message.",
        ),
        Entry(
            "layout-unusable",
            "The program cannot run in this layout.",
            "The layout lacks one of the builtins that the program names in %builtins, used or not.",
            "Trace it again with --layout and the layout that the message names: it is the cheapest that has them all.",
        ),
        Entry(
            "memory-exhausted",
            "The run needs more memory than there is.",
            "The program writes far apart or loops for very long.",
            "Give a lower --max-steps, or a larger host.",
        ),
        Entry(
            "risk-engine-missing",
            "The compiled risk engine, or its samples, cannot be found.",
            "The installation is incomplete, or PROOFRAIL_RISK_ENGINE names a file that is not there.",
            "Install the package again, or correct PROOFRAIL_RISK_ENGINE.",
        ),
        Entry(
            "risk-output-malformed",
            "The output is none that the risk engine gives.",
            "The program that ran is another one, or the output was altered.",
            "Compare the program's hash; audit the run.",
        ),
        Entry(
            "row-path-malformed",
            "Index, count and path of a row are no place in a tree.",
            "The index lies outside the batch, the path is not as long as the count demands, or a node is no felt.",
            "Take the path from the attestation as it is, or make it again from the run's inputs.",
            f"{TRACE}, The chain build",
        ),
        Entry(
            "row-path-wrong",
            "The path does not lead from the row to the root that the proof is about.",
            "Row, index or path were altered, or belong to another batch.",
            "Do not act on the decision. Compare the run's inputs with the proposal, and audit the run.",
            f"{TRACE}, The chain build",
        ),
        Entry(
            "compiler-unavailable",
            "cairo-lang could not be set up in an environment of its own.",
            "There is no package index, or no Python with venv.",
            "Give pip a package index, or name a cairo-compile in PROOFRAIL_CAIRO_COMPILE.",
            "cairo/README.md",
        ),
        Entry(
            "compilation-failed",
            "cairo-compile refused a source, or is of another version.",
            "The message has the compiler's words.",
            "Correct the source; the version that is needed is in the message.",
            "cairo/README.md",
        ),
        Entry(
            "reference-hint",
            "A hint cannot be run in the original Cairo VM.",
            "It imports a module that cairo-lang's environment does not have.",
            "Audit without --vm reference.",
        ),
        Entry(
            "reference-vm-failed",
            "The original Cairo VM does not take the program.",
            "It was compiled by another version, or for a layout that VM does not have.",
            "Audit without --vm reference.",
        ),
        Entry(
            "malformed-instruction",
            "A word of memory is no Cairo instruction.",
            "pc points at data, or the program was altered.",
            "Look at the step: `proofrail show RUN --at STEP`.",
        ),
    ),
)

NATIVE: Final = Area.of(
    "native",
    "Faults inside the native part and its callers",
    "services/proofrail/_native.pyi",
    (
        Entry("native-panic", "The native part ended in the middle of its work.", "A defect in it.", _DEFECT),
        Entry(
            "call-stack-broken",
            "A run returns from a function that was never called, or ends inside one.",
            "The program jumps over call frames by hand; spans cannot be told then.",
            "Use calls and returns as the compiler writes them.",
        ),
        Entry(
            "run-unreadable",
            "The memory of a run cannot be laid out.",
            "Segments overlap or have no size.",
            _DEFECT,
        ),
        Entry(
            "output-incomplete",
            "A cell of the program's output was never written.",
            "The program moves output_ptr on over a cell that it does not write.",
            "Write every cell between the output pointers.",
        ),
        Entry(
            "private-input-not-kept",
            "The prover's private input was asked of a run that was made without it.",
            "The run was made for a stwo proof or an audit, which need none.",
            "Make the run with private_input=True.",
        ),
        Entry("input-not-written", "A prover's input cannot be written as JSON.", "A defect.", _DEFECT),
        Entry(
            "chunk-size",
            "A root over chunks of no bytes was asked for.",
            "A chunk has at least one byte.",
            "Ask for the chunks of StepBlocks or MemoryBlocks.",
        ),
        Entry(
            "spans-unknown",
            "Spans are neither `own` nor `all`.",
            "The caller misspelled it.",
            "Give own or all.",
        ),
        Entry(
            "chunk-bytes",
            "Chunks of events were asked for that may not hold a whole line.",
            "A chunk must be larger than the 64 KiB that one line may have.",
            "Ask for larger chunks.",
        ),
        Entry(
            "stream-unfinished",
            "The seal was asked for before all events were read.",
            "It commits to all of them.",
            "Read the stream to its end first.",
        ),
        Entry(
            "felt-malformed",
            'A text is no felt "0x…".',
            "The caller passed something else.",
            'Pass "0x…" below P.',
        ),
        Entry(
            "run-failed",
            "Something was asked of a failed run that only a completed one has: prover inputs, a proof.",
            "There is nothing to prove about a run that failed.",
            "`proofrail show RUN` says why it failed; trace a run that completes.",
        ),
    ),
)
