"""Codes of proofs that are refused for how they are spelled, or for the run that they are about."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import Area, Entry

_SPELLING: Final = "The verifiers do not mind; a proof spelled in two ways would have two digests."
_CANONICAL: Final = (
    "Ask for the proof in its canonical form; for Stone's, `proofrail verify FILE` reads any form of it."
)
_OTHER: Final = "It was made for another run, or the public input beside it was altered."
_REFUSE: Final = "Do not rely on it; ask for the proof of this run."
_FORGED: Final = "No honest prover makes such a proof."
_STONE: Final = "services/proofrail/proving/stone"
_STWO: Final = "services/proofrail/proving/verifier.py; services/native/extension/src/verify.rs"

REFUSALS: Final = Area.of(
    "refusals",
    "Proofs that are refused for their spelling, or for the run they are about",
    "services/proofrail/proving",
    (
        Entry(
            "proof-not-canonical",
            "The proof has other white space, or another order of members, than the canonical form.",
            _SPELLING,
            _CANONICAL,
            _STONE,
        ),
        Entry(
            "proof-hex",
            "proof_hex is no lower-case hex of whole bytes with the prefix 0x.",
            _SPELLING,
            _CANONICAL,
            _STONE,
        ),
        Entry(
            "proof-felt",
            "A value of the public memory is no felt in its one spelling.",
            "It has capitals or leading zeros, or is P or more.",
            _CANONICAL,
            _STONE,
        ),
        Entry(
            "proof-encoding",
            "The proof is another encoding of a content that has one.",
            _SPELLING,
            _REFUSE,
            _STWO,
        ),
        Entry(
            "proof-short",
            "The proof ends before its queries.",
            "It was cut, or belongs to other parameters or another layout.",
            _REFUSE,
            _STONE,
        ),
        Entry(
            "proof-nonce",
            "The proof of work holds more than a nonce.",
            "With these bytes at will, the queries are drawn again without work. " + _FORGED,
            _REFUSE,
            _STONE,
        ),
        Entry(
            "parameters-spelling",
            "The parameters in the proof are not given in full.",
            "Stone fills in its defaults. " + _SPELLING,
            _CANONICAL,
            _STONE,
        ),
        Entry(
            "parameters-unbound",
            "A parameter that the proof does not bind has another value than the one agreed.",
            "It was edited, to look like another hash or another preset: Stone's verifier does not read it.",
            "Put in the value that the message names, or ask for the proof again.",
            _STONE,
        ),
        Entry(
            "public-input-unusable",
            "The file of --public-input is no public input.",
            "It is no JSON object, or has members that no public input has.",
            "Give the public input of the run as the VM wrote it.",
            "services/proofrail/cli/verify.py",
        ),
        Entry(
            "proof-layout", "The proof is of a run in another layout than the traced one.", _OTHER, _REFUSE
        ),
        Entry("proof-steps", "The proof is of a run of another length.", _OTHER, _REFUSE, _STONE),
        Entry(
            "proof-range-check",
            "The range-checked values lie between other bounds than in the traced run.",
            _OTHER,
            _REFUSE,
            _STONE,
        ),
        Entry(
            "proof-memory-order",
            "The cells of the public memory stand in another order.",
            _OTHER,
            _REFUSE,
            _STONE,
        ),
        Entry(
            "proof-preprocessed-root",
            "The proof rests on fixed tables of its own.",
            "Whoever chooses the tables can prove anything. " + _FORGED,
            _REFUSE,
            "services/proofrail/proving/roots.py",
        ),
        Entry(
            "proof-program-hash",
            "stwo's verifier gives the program another hash than its words have.",
            "The native part is not of this version.",
            "Build it again with pip install .",
            _STWO,
        ),
    ),
)
