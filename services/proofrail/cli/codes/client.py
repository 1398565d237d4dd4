"""Codes of the client library: what a consumer refuses, and what its place in the topics comes to."""

from __future__ import annotations

from typing import Final

from proofrail.cli.codes.entry import TRACE, Area, Entry

_DO_NOT_ACT = "Do not act on it; tell the auditor's operator, and keep the line: it is evidence."
_NOT_OURS = "Whoever wrote it can write to the topic, and is not the auditor; or the auditor is wrong."
_ANEW = "Find out elsewhere what is missing, then start anew from the beginning: effects must be idempotent."

CLIENT: Final = Area.of(
    "client",
    "Consumers: what is refused, and where reading goes on",
    "services/proofrail/client",
    (
        Entry(
            "attestation-signature",
            "The attestation is signed by no accepted auditor.",
            "Another key signed it, nobody did, or it was altered since.",
            "Do not act on it. If the auditor has a new key, have it confirmed before you accept it.",
        ),
        Entry("attestation-proposal", "The attestation is about another proposal.", _NOT_OURS, _DO_NOT_ACT),
        Entry(
            "attestation-decision",
            "The attestation decides otherwise than the model does on this proposal.",
            _NOT_OURS,
            _DO_NOT_ACT,
        ),
        Entry(
            "attestation-proof",
            "The attestation rests on another proof than the Proof message is about.",
            "Run, digest, uri, backend or security bits differ.",
            _DO_NOT_ACT,
        ),
        Entry(
            "attestation-report",
            "A report that the attestation rests on is not there, not signed, or says no MATCH on its run.",
            _NOT_OURS,
            _DO_NOT_ACT,
        ),
        Entry(
            "attestation-root",
            "The attestation's root is not that of the run's seal.",
            _NOT_OURS,
            _DO_NOT_ACT,
        ),
        Entry(
            "attestation-row",
            "The proof holds, and its row is not what the attestation says.",
            "The attestation was made for another row, another proof or other inputs.",
            _DO_NOT_ACT,
        ),
        Entry(
            "attestation-chain",
            "The attestation places its row under another root than was proven, or does not say where it stands.",
            "Program, count or root differ from the proof's; or the auditor that signed it is too old.",
            _DO_NOT_ACT,
            f"{TRACE}, The chain build",
        ),
        Entry(
            "grounds-expired",
            "Something that the attestation rests on is not on its topic, which has lost its oldest records.",
            "It was read so late that retention had removed it: proposals go after 90 days.",
            "Nothing is recorded that cannot be checked. Have the allocation proposed again; or publish the message of "
            "the digest that is named once more, and let the registrar read anew without its position.",
        ),
        Entry(
            "grounds-missing",
            "Something that the attestation rests on was not seen on its topic.",
            "Topics are read apart from each other, or it was never published. The topic has lost nothing.",
            "Try again; if it stays, ask the operator for the message of the digest that is named.",
        ),
        Entry(
            "position-ahead",
            "The log ends before the position.",
            "The topic was made anew, or the broker lost the log's end.",
            _ANEW,
        ),
        Entry(
            "position-expired",
            "The records at the position have been removed.",
            "The consumer was away for longer than the topic keeps its records.",
            _ANEW,
        ),
        Entry(
            "position-file",
            "The position file cannot be read or written.",
            "Its path, permissions or the disk.",
            "Correct that; what was done since the last position is delivered again.",
        ),
        Entry(
            "position-foreign",
            "The position was kept for another Kafka cluster.",
            "The broker's address or the position file was mixed up, or the broker's data are new.",
            "Name the broker it belongs to, or give this one a position of its own.",
        ),
        Entry(
            "position-malformed",
            "What was kept as a position is none of version 1.",
            "It was altered, or a newer Proofrail wrote it.",
            "Restore it; without it, start anew from the beginning.",
        ),
        Entry(
            "topic-unreadable",
            "The broker refuses to let a topic be read.",
            "Permissions, or a log that is damaged.",
            "The message has the broker's answer; its log says more.",
        ),
        Entry(
            "trust-keys",
            "No auditor's key is accepted, so no attestation could be.",
            "An empty list, or a text instead of a list.",
            "Give the auditors' vkeys: the content of keys/auditor.vkey in the system's home.",
        ),
    ),
)
