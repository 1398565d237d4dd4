"""What the node's refusals and the contracts' reverts mean, in one place.

Sources: JSON-RPC specification 0.10 (codes); cairo/contracts/decision_registry.cairo, Integrity (reasons).
What is not known here is refused by its own words: never taken for success, never tried for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from proofrail.registrar.starknet.chain import NodeRefusal

HASH_UNKNOWN: Final = 29


class Answer(Enum):
    """What a refusal to take a transaction asks for."""

    TAKEN = "taken"
    """The node has it already."""
    NONCE = "nonce"
    """Its nonce is not the account's next one."""
    BOUNDS = "bounds"
    """Its bounds are below what things cost now."""
    BALANCE = "balance"
    """The account cannot pay."""
    REVERTS = "reverts"
    """It would be executed in vain."""
    SETTINGS = "settings"
    """No transaction of this account or to this address can succeed."""
    MALFUNCTION = "malfunction"
    """The node's own fault: later, perhaps."""


_ANSWERS: Final[Mapping[int, Answer]] = {
    20: Answer.SETTINGS,  # contract not found
    21: Answer.SETTINGS,  # no such entry point
    40: Answer.REVERTS,  # a view that panics
    41: Answer.REVERTS,
    52: Answer.NONCE,
    53: Answer.BOUNDS,
    54: Answer.BALANCE,
    55: Answer.SETTINGS,  # the account refuses the signature
    58: Answer.SETTINGS,  # no account
    59: Answer.TAKEN,
    61: Answer.SETTINGS,  # transaction version
    64: Answer.NONCE,  # another transaction waits under this nonce
    65: Answer.BOUNDS,
    -32600: Answer.SETTINGS,
    -32601: Answer.SETTINGS,
    -32602: Answer.SETTINGS,
}


def answer_of(refusal: NodeRefusal) -> Answer:
    """What it asks for; a code that nobody has documented is taken for a malfunction."""
    return _ANSWERS.get(refusal.code, Answer.MALFUNCTION)


class Reason(Enum):
    """What a revert asks for."""

    DONE = "done"
    """What was to be done has been done."""
    FACT = "fact"
    """The fact is not registered (any more)."""
    ENTRY = "entry"
    """This fact or decision is refused."""
    SETTINGS = "settings"
    """The contract accepts nothing of what the registrar is set up for."""
    RESOURCES = "resources"
    """It needs more gas."""
    NONCE = "nonce"
    """Its nonce is not the account's next one, which an estimate says so."""
    UNKNOWN = "unknown"


_REASONS: Final[Mapping[str, Reason]] = {
    "ALREADY_RECORDED": Reason.DONE,
    "Account transaction nonce is invalid": Reason.NONCE,
    "NO_FACT_REGISTRY": Reason.SETTINGS,
    "NO_PROGRAM": Reason.SETTINGS,
    "NO_CONFIGURATION": Reason.SETTINGS,
    "NO_SECURITY": Reason.SETTINGS,
    "NOT_A_RECORDER": Reason.SETTINGS,
    "PROGRAM_NOT_ACCEPTED": Reason.SETTINGS,
    "FACT_NOT_REGISTERED": Reason.FACT,
    "CONFIGURATION_NOT_ACCEPTED": Reason.FACT,
    "TOO_FEW_SECURITY_BITS": Reason.FACT,
    "ROW_MALFORMED": Reason.ENTRY,
    "COUNT_OUT_OF_RANGE": Reason.ENTRY,
    "INDEX_OUT_OF_RANGE": Reason.ENTRY,
    "PATH_LENGTH": Reason.ENTRY,
    "PATH_WRONG": Reason.ENTRY,
    "ANOTHER_DECISION": Reason.ENTRY,
    "VERIFIER_NOT_FOUND": Reason.SETTINGS,
    # A registry of facts that is none: its address is the deployment's.
    "ENTRYPOINT_NOT_FOUND": Reason.SETTINGS,
    "Returned data too short": Reason.SETTINGS,
    "is not deployed": Reason.SETTINGS,
    "Invalid final_pc": Reason.ENTRY,
    "Invalid program": Reason.ENTRY,
    "Invalid builtin": Reason.ENTRY,
    "Invalid OODS": Reason.ENTRY,
    "Wrong trace size": Reason.ENTRY,
    "decommitment failed": Reason.ENTRY,
}
_OUT_OF: Final = re.compile(
    r"out of gas|insufficient max l[12]|no remaining steps|max.{1,20}(?:gas|fee|bound).{1,40}exceeded"
    r"|insufficient (?:gas|fee|resource)",
    re.IGNORECASE,
)
_FELT: Final = re.compile(r"0x([0-9a-fA-F]{2,63})\b")
_SHOWN: Final = 400


def reason_of(text: str) -> tuple[Reason, str]:
    """What a revert's text asks for, and the words in it that say so.

    The innermost panic stands last, as a felt and often beside it as the short string it spells.
    """
    if _OUT_OF.search(text):
        return Reason.RESOURCES, "out of resources"
    said = text + " ".join(_spelled(digits) for digits in _FELT.findall(text))
    known = [(said.rfind(word), word) for word in _REASONS if word in said]
    if known:
        word = max(known)[1]
        return _REASONS[word], word
    return Reason.UNKNOWN, text.strip()[-_SHOWN:]


def revert_text(refusal: NodeRefusal) -> str:
    """All that a refusal of code 40 or 41 says, however its causes are nested."""
    return " ".join([refusal.message, *_texts(refusal.data)])


def _texts(data: Any) -> list[str]:
    if isinstance(data, str):
        return [data]
    if isinstance(data, Mapping):
        return [text for value in data.values() for text in _texts(value)]
    if isinstance(data, list):
        return [text for value in data for text in _texts(value)]
    return []


def _spelled(digits: str) -> str:
    """The short string that a felt spells, "" if it spells none."""
    spelled = bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))
    return spelled.decode("ascii") if all(32 <= byte < 127 for byte in spelled) else ""
