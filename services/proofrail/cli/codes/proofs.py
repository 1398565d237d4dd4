"""Codes of proofs, of their policy, and of the prover programs."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_OTHER = "It was made for another run, program or input, or the file was altered."
_FORGED = "No honest prover makes such a proof."
_REFUSE = "Do not rely on it; ask for the proof of this run."
_SMALLER = "Allow more, or fewer allocations in a run."
_RETRIED = "It is tried again by itself; look at the host if it stays."

_STONE = "services/proofrail/proving/stone"
_UNPROVABLE = "Stone takes only certain sizes, layouts and hashes; the run or the settings have others."

_PARAMETERS: Final = tuple(
    Entry(
        code,
        means,
        _UNPROVABLE,
        "Choose others; the message names those in use.",
        "services/proofrail/proving/stone",
    )
    for code, means in (
        ("parameters-calldata", "No proof with such bits fits the calldata of a transaction."),
        ("parameters-fri", "No list of FRI steps fits these sizes."),
        ("parameters-hash", "The hash is none that is in use."),
        ("parameters-instances", "The run uses a builtin more often than one proof takes."),
        ("parameters-layout", "The layout is none that Stone proves."),
        ("parameters-malformed", "The parameters that a proof names cannot be read."),
        ("parameters-goal", "The prover makes no proofs for this goal."),
        ("parameters-security", "No parameters give so many bits of security, or the hashes cap them."),
        ("parameters-steps", "The number of steps is no power of two, or out of range for the layout."),
    )
)

PROOFS: Final = Area.of(
    "proofs",
    "Proofs that are refused",
    "schemas/trace-v1.md section 8, Proof; services/proofrail/proving/verifier.py",
    (
        Entry(
            "proof-malformed",
            "The bytes are no stwo proof in its one encoding.",
            "Cut, padded or altered.",
            _REFUSE,
        ),
        Entry(
            "proof-structure", "The proof has parts of sizes that do not fit each other.", _FORGED, _REFUSE
        ),
        Entry("proof-refused", "The proof does not verify.", "It is false, or was altered.", _REFUSE),
        Entry(
            "proof-too-large", "The proof is larger than any of ours.", "It is no proof, or padded.", _REFUSE
        ),
        Entry(
            "proof-public-memory",
            "The public memory of the proof is not that of a run of the program.",
            _OTHER,
            _REFUSE,
            _STONE,
        ),
        Entry(
            "proof-trailing",
            "The proof goes on behind its end.",
            "Stone's own verifier does not look there; a proof with such bytes has no identity.",
            _REFUSE,
            _STONE,
        ),
        Entry("proof-salt", "The transcript does not start as agreed.", _FORGED, _REFUSE),
        Entry("proof-tables", "The proof rests on fixed tables that are not in use.", _FORGED, _REFUSE),
        Entry("proof-program", "The proof is about other program words.", _OTHER, _REFUSE),
        Entry("proof-output", "The proof states another output.", _OTHER, _REFUSE),
        Entry("proof-builtins", "The proof gives the program other builtins.", _OTHER, _REFUSE),
        Entry(
            "proof-states",
            "The proof's run begins or ends in another state than a whole run.",
            _FORGED,
            _REFUSE,
        ),
        Entry(
            "proof-segments", "The memory segments in the proof cannot be those of a run.", _FORGED, _REFUSE
        ),
        Entry("proof-statement", "The proof states something else than what was asked for.", _OTHER, _REFUSE),
        Entry(
            "proof-claim",
            "The Proof message beside the proof claims something that does not hold.",
            "The message was altered, or belongs to another proof.",
            _REFUSE,
        ),
        Entry(
            "proof-message-unusable",
            "The file is no Proof message.",
            "Another file was given.",
            "Give proof.json as `proofrail prove` wrote it.",
        ),
        Entry(
            "statement-empty",
            "The file states nothing.",
            "It is {}.",
            "Name at least program_hash and output.",
        ),
        Entry(
            "statement-unknown-member",
            "The file states something that a proof cannot.",
            "A member is misspelled.",
            "Name some of those in the message.",
        ),
        Entry(
            "verifier-missing",
            "There is no verifier for this proof.",
            "The native part was built without stwo's, or Stone's cpu_air_verifier is not on PATH.",
            "Build it again with pip install . for stwo; name Stone's in PROOFRAIL_STONE_VERIFIER.",
        ),
        Entry(
            "backend-unknown",
            "The setting names a prover that there is not.",
            "PROOFRAIL_PROVER_BACKENDS is misspelled or empty.",
            "Name stwo, stone, or both separated by a comma, the preferred one first.",
            "services/proofrail/proving/backends.py",
        ),
        Entry(
            "verifier-does-not-run",
            "Stone's verifier could not be started.",
            "It is no program of this host, or the host is out of memory or processes.",
            "See to the program and the host; what waits for it goes on by itself.",
            _STONE,
        ),
        Entry(
            "verifier-broken",
            "Stone's verifier gave no verdict.",
            "It crashed, was killed, or took too long: by the proof's doing, or for want of memory.",
            "Run cpu_air_verifier by hand and see what it says.",
            _STONE,
        ),
        Entry(
            "public-input-of-stwo",
            "--public-input was given for a proof that has none.",
            "Only proofs of Stone's carry a public input.",
            "Use --statement.",
        ),
        Entry(
            "policy-mock",
            "The proof is a mock.",
            "It proves nothing, by its own word.",
            _REFUSE,
            "design section 7",
        ),
        Entry(
            "policy-backend",
            "Its backend is not accepted.",
            "The policy names others.",
            "Prove it with one of those.",
        ),
        Entry(
            "policy-security",
            "The proof has fewer bits of security than asked for.",
            "Its parameters are weaker than the policy.",
            "Prove it again with stronger parameters.",
        ),
        Entry(
            "policy-layout",
            "Its layout is not accepted.",
            "The policy names others.",
            "Prove it in one of those.",
        ),
        Entry("policy-program", "Its program is not accepted.", "The policy names others by hash.", _REFUSE),
        Entry(
            "policy-parameters",
            "Its parameters are none that are in use.",
            "They were chosen by hand, or by another version.",
            "Prove it again with parameters that are.",
        ),
        *_PARAMETERS,
    ),
)

_PROGRAM = "services/native/prover"
_PROVABLE = "services/proofrail/proving/provable.py"

PROVER: Final = Area.of(
    "prover",
    "Failures of proving; ProofFailure and dead letters carry them",
    f"{TRACE} section 8, ProofFailure; services/proofrail/proving/outcome.py",
    (
        Entry(
            "seal-mismatch",
            "The run is not what its seal says.",
            "The prover executes every run again before it proves it.",
            "Audit the run; ask its tracer.",
        ),
        Entry(
            "seal-unverifiable",
            "The run could not be checked against its seal.",
            "A part of it is missing.",
            "Audit it.",
        ),
        Entry(
            "program-not-proof-mode",
            "The program was not compiled with --proof_mode.",
            "A proof's run lies between __start__ and __end__.",
            "Compile it with cairo-compile --proof_mode.",
            _PROGRAM,
        ),
        Entry(
            "program-without-output",
            "The program has no output builtin first.",
            "A proof without output would say nothing about the inputs.",
            "Let %builtins begin with output.",
            _PROGRAM,
        ),
        Entry(
            "program-not-runnable",
            "The prover's VM cannot start the program.",
            "Its file is of another version, or was altered.",
            "Compile it again, with the version that the project names.",
            _PROGRAM,
        ),
        Entry(
            "builtin-not-provable",
            "The program needs a builtin that stwo does not prove.",
            "It runs no program that names ecdsa or keccak, used or not, and has no tables for a use of ec_op.",
            "Prove ecdsa by Stone: trace with --layout small, prove with --backend stone. Do without the others.",
            _PROGRAM,
        ),
        Entry(
            "layout-not-provable",
            "Stone does not prove in the layout in which the run was traced.",
            "Stone proves the traced run itself; its layouts here are plain, small, dex, recursive and "
            "recursive_with_poseidon.",
            "Trace the run again in the layout that the message names, or take --backend stwo.",
            _PROVABLE,
        ),
        Entry(
            "run-too-short",
            "The run has fewer steps than Stone proves.",
            "Layout plain pads a run to a power of two and no further; Stone takes 512 steps at least.",
            "Trace it again with --layout small, which pads every run to 512.",
            _PROVABLE,
        ),
        Entry(
            "chain-layout",
            "The registry on chain has no verifier for the layout of the run.",
            "It knows small, dex, recursive and recursive_with_poseidon of those that Stone proves here.",
            "Trace the run again in one of those.",
            _PROVABLE,
        ),
        Entry(
            "chain-builtins",
            "The registry would not verify a proof of this program in its strict mode.",
            "It computes where program and output lie from the builtins of the layout: the program must name them all.",
            "Name all of them in %builtins and main's implicit arguments, used or not; compile and trace again. Or "
            "take --memory-verification relaxed.",
            _PROVABLE,
        ),
        Entry(
            "params-options",
            "`proofrail params` was given options that do not go together.",
            "A preset says layout, hasher and goal itself; stwo proves in one layout only.",
            "Leave out those that the message names.",
            "services/proofrail/cli/params.py",
        ),
        Entry(
            "prove-options",
            "Options of `proofrail prove` contradict each other.",
            "--hasher and --memory-verification are the registry's; no other proof has them.",
            "Add --backend stone --for chain, or leave them out.",
            _PROVABLE,
        ),
        Entry(
            "input-unreadable",
            "The program's input cannot be read by the prover program.",
            "It is no JSON object, or was cut.",
            "Give the inputs file of the run.",
            _PROGRAM,
        ),
        Entry(
            "file-unreadable",
            "A file for the prover cannot be read.",
            "The path is wrong, or its permissions forbid it.",
            "Check the path in the message.",
            _PROGRAM,
        ),
        Entry(
            "run-too-large",
            "The run is more than one proof takes, in steps or in memory.",
            "The batch is too large, or the memory that a proof may take too little (PROOFRAIL_PROOF_MEMORY_LIMIT).",
            _SMALLER,
            _PROGRAM,
        ),
        Entry(
            "run-not-adaptable",
            "The run cannot be laid out as stwo needs it.",
            "Memory or builtins have a form that its tables do not cover.",
            "Report it, with program and inputs.",
            _PROGRAM,
        ),
        Entry(
            "vm-failed",
            "The run failed in the prover's VM.",
            "An assertion or a range check does not hold: it fails in the tracer's VM too.",
            "`proofrail trace` and `proofrail show RUN --at last` show where.",
            _PROGRAM,
        ),
        Entry(
            "proving-failed",
            "stwo refused to prove the run.",
            "Constraints do not hold.",
            "Report it.",
            _PROGRAM,
        ),
        Entry(
            "encoding-failed",
            "The proof was made and cannot be written as bytes.",
            "A defect of the prover program.",
            "Report it, with the run.",
            _PROGRAM,
        ),
        Entry(
            "prover-panic",
            "The prover program ended in the middle of its work.",
            "A defect of the prover program; the message names its place.",
            "Report it, with the run.",
            _PROGRAM,
        ),
        Entry(
            "prover-aborted",
            "The prover gave up on a check of its own.",
            "Deterministic: the same run would fail again.",
            "The message has its last words.",
        ),
        Entry(
            "prover-timeout",
            "The prover was not done in time and was ended.",
            "A large run, or a busy host.",
            _SMALLER,
        ),
        Entry("prover-out-of-memory", "The prover reached its memory limit.", "A large run.", _SMALLER),
        Entry(
            "prover-killed", "The prover was ended by a signal.", "By hand, or for lack of memory.", _RETRIED
        ),
        Entry(
            "prover-wrong-host",
            "The prover was built for another CPU.",
            "It uses an instruction that this one lacks.",
            "Build it on this host: python -m proofrail.proving.build",
        ),
        Entry(
            "prover-broken",
            "The prover ended without a reason or without a result that can be read.",
            "The host is failing, or program and service are of different versions.",
            "It is tried again by itself; build the prover again if it stays.",
        ),
        Entry(
            "prover-missing",
            "The prover program was not found.",
            "It is built apart from the package.",
            "`make prover`, or name it in PROOFRAIL_STWO_PROVER.",
        ),
        Entry(
            "prover-does-not-run",
            "The prover program could not be started.",
            "It was built for another platform, or may not be executed.",
            "Build it again: python -m proofrail.proving.build",
        ),
        Entry(
            "output-path",
            "The prover was given no file name for the proof.",
            "A defect of the caller.",
            "Report it.",
            _PROGRAM,
        ),
        Entry(
            "scratch-full",
            "There is no room on disk for the files of a proof.",
            "The disk of the scratch folder is full.",
            "Make room, or name another folder in PROOFRAIL_SCRATCH_DIR. Runs wait meanwhile.",
        ),
        Entry(
            "scratch-unusable",
            "The scratch folder for proofs cannot be used.",
            "It is not there, or may not be written.",
            "See to its permissions, or name another in PROOFRAIL_SCRATCH_DIR.",
        ),
        Entry(
            "proof-other-statement",
            "The prover proved another run than it was given.",
            "A defect of the prover program; the proof is never published.",
            "Report it, with the run and the prover's version.",
        ),
        Entry(
            "memory-limit",
            "The memory that a proof may take is not an amount of memory.",
            "The setting or option is misspelt.",
            "Write bytes, or a number with KiB, MiB, GiB, or % of this machine's memory.",
        ),
        Entry(
            "output-not-written",
            "The proof could not be written.",
            "The disk is full, or may not be written.",
            _RETRIED,
            _PROGRAM,
        ),
        Entry(
            "parent-gone",
            "The prover's parent had ended before it began.",
            "The service was killed.",
            _RETRIED,
            _PROGRAM,
        ),
        Entry(
            "limit-refused",
            "The operating system refused a limit on memory or time.",
            "The limit asked for is above what the host allows the process.",
            "Ask for less, or raise the host's limit.",
            _PROGRAM,
        ),
    ),
)
