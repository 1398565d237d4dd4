"""A chain in memory: accounts with nonces, a registry of facts and the DecisionRegistry, as a node answers for them.

It refuses with the codes and words of a real node (JSON-RPC specification 0.10; the contracts' own reasons).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from proofrail.cairo import merkle, risk_rows
from proofrail.proving.identities import fact_hash, output_hash
from proofrail.proving.stone.presets import PRESETS, Preset
from proofrail.registrar.starknet.chain import Call, Fees, Finality, NodeRefusal, Resource, Signed, Status

FACTS, REGISTRY = 0xFAC7, 0xDEC1
PRESET = PRESETS["recursive/keccak_160_lsb/stone6/strict"]
BITS = 96
PRICE = 1_000


def configuration(preset: Preset) -> tuple[int, ...]:
    return tuple(int.from_bytes(text.encode(), "big") for text in vars(preset).values())


# Pedersen in Python takes a millisecond.
_leaf = cache(risk_rows.leaf)
_root = cache(merkle.root_above)


class Panic(Exception):  # noqa: N818 -- as contracts call it
    """A contract's reason."""


@dataclass
class Transaction:
    payload: dict[str, Any]
    finality: Finality
    reverted: str | None = None


@dataclass
class ChainModel:
    """The chain itself; it outlives whoever talks to it."""

    program: int
    accounts: tuple[int, ...] = (0xA1, 0xA2)
    min_bits: int = BITS
    presets: tuple[Preset, ...] = (PRESET,)
    price: int = PRICE
    gas: int = 1_000
    holding: bool = False
    """Whether transactions are taken and not executed."""
    gas_limit: int = 10**9
    """More is estimated for nobody."""
    hidden_gas: int = 0
    """What execution takes beyond the estimate."""
    proofs: dict[tuple[int, ...], tuple[int, int]] = field(default_factory=dict)
    """What the verifier makes of calldata: fact and bits; anything else fails."""
    facts: dict[int, list[tuple[int, tuple[int, ...]]]] = field(default_factory=dict)
    decisions: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    nonces: Counter[int] = field(default_factory=Counter)
    transactions: dict[str, Transaction] = field(default_factory=dict)
    executed: Counter[str] = field(default_factory=Counter)
    """How often each effect was executed in a transaction that succeeded."""

    # --- what a node does ---------------------------------------------------------------------------------

    def send(self, hash_: str, payload: dict[str, Any]) -> None:
        if hash_ in self.transactions:
            raise NodeRefusal(59, "Duplicate transaction")
        account, nonce = payload["account"], payload["nonce"]
        waiting = sum(one.finality is Finality.WAITING for one in self._of(account))
        if nonce != self.nonces[account] + waiting:
            raise NodeRefusal(
                52,
                "Invalid transaction nonce",
                f"Invalid transaction nonce of contract at address {account:#066x}. "
                f"Account nonce: {self.nonces[account] + waiting}; got: {nonce}.",
            )
        if payload["price"] < self.price:
            raise NodeRefusal(
                53, "The transaction's resources don't cover validation or the minimal transaction fee"
            )
        self.transactions[hash_] = Transaction(payload, Finality.WAITING)
        if not self.holding:
            self.execute_waiting()

    def execute_waiting(self) -> None:
        for one in self.transactions.values():
            if one.finality is Finality.WAITING:
                one.finality = Finality.ACCEPTED_ON_L2
                self.nonces[one.payload["account"]] += 1
                one.reverted = self._executed(one.payload)

    def fork(self) -> Callable[[], None]:
        """Remembers the chain as it is; the result, once called, takes back all that came after."""
        state, nonces, executed = self._state(), Counter(self.nonces), Counter(self.executed)
        transactions = dict(self.transactions)

        def take_back() -> None:
            self._restore(state)
            self.nonces, self.executed, self.transactions = nonces, executed, transactions

        return take_back

    def estimate(self, account: int, nonce: int, calls: Sequence[Call]) -> Fees:
        if nonce != self.nonces[account]:
            raise _in_vain("Account transaction nonce is invalid.")
        before = self._state()
        try:
            for call in calls:
                self.run(account, call)
        except Panic as panic:
            told = f'{nested(panic)} ["{_felt(panic)}"]'
            inner = {"contract_address": hex(REGISTRY), "class_hash": "0x6", "selector": "0x7", "error": told}
            raise _in_vain({**_OUTER, "error": {**_OUTER, "error": inner}}) from panic
        finally:
            self._restore(before)
        if self.gas * len(calls) > self.gas_limit:
            raise _in_vain("Could not reach the end of the program. RunResources has no remaining steps.\n")
        return Fees(Resource(0, 1), Resource(96, 1), Resource(self.gas * len(calls), self.price))

    def view(self, call: Call) -> list[int]:
        try:
            return self._views()[call.function](*call.calldata)
        except Panic as panic:
            raise NodeRefusal(40, "Contract error", {"revert_error": nested(panic)}) from panic
        except KeyError:
            raise NodeRefusal(21, "Requested entrypoint does not exist in the contract") from None

    # --- the contracts ------------------------------------------------------------------------------------

    def run(self, account: int, call: Call) -> str:
        """Execute a call; the name of its effect."""
        if (call.to, call.function) == (FACTS, "verify_proof_full_and_register_fact"):
            config, felts = call.calldata[:4], call.calldata[4:]
            if felts not in self.proofs:
                raise Panic("decommitment failed")
            fact, bits = self.proofs[felts]
            self.facts.setdefault(fact, []).append((bits, config))
            return f"fact {fact:#x}"
        if (call.to, call.function) != (REGISTRY, "record"):
            raise Panic("ENTRYPOINT_NOT_FOUND")
        if account not in self.accounts:
            raise Panic("NOT_A_RECORDER")
        program, count, root, length, *rest = call.calldata
        row, (index, depth, *path) = tuple(rest[:length]), rest[length:]
        if program != self.program:
            raise Panic("PROGRAM_NOT_ACCEPTED")
        leaf = _leaf(row)
        if len(path) != depth or depth != merkle.depth(count):
            raise Panic("PATH_LENGTH")
        if _root(leaf, index, tuple(path)) != root:
            raise Panic("PATH_WRONG")
        verified = self.facts.get(fact_hash(program, output_hash(risk_rows.output(count, root))), [])
        if not verified:
            raise Panic("FACT_NOT_REGISTERED")
        configured = [bits for bits, config in verified if config in map(configuration, self.presets)]
        if not configured:
            raise Panic("CONFIGURATION_NOT_ACCEPTED")
        if max(configured) < self.min_bits:
            raise Panic("TOO_FEW_SECURITY_BITS")
        known = self.decisions.get(row[0])
        if known is not None and known[2] != leaf:
            raise Panic("ANOTHER_DECISION")
        self.decisions[row[0]] = (row[1], row[3], leaf)
        return f"decision {row[0]:#x}"

    def _views(self) -> dict[str, Callable[..., list[int]]]:
        return {
            "fact_registry": lambda: [FACTS],
            "min_security_bits": lambda: [self.min_bits],
            "accepts_program": lambda program: [int(program == self.program)],
            "accepts_configuration": lambda *felts: [int(felts in map(configuration, self.presets))],
            "may_record": lambda account: [int(account in self.accounts)],
            "decision": lambda id_: [1, *self.decisions[id_]] if id_ in self.decisions else [0, 0, 0, 0],
            "get_all_verifications_for_fact_hash": self._verifications,
        }

    def _verifications(self, fact: int) -> list[int]:
        found = self.facts.get(fact, [])
        return [len(found), *(felt for bits, config in found for felt in (0x5EE, bits, *config))]

    def _executed(self, payload: dict[str, Any]) -> str | None:
        before = self._state()
        if payload["amount"] < self.gas * len(payload["calls"]) + self.hidden_gas:
            return "Insufficient max L2Gas: max amount: 1, actual used: 2."
        try:
            effects = [self.run(payload["account"], call_of(call)) for call in payload["calls"]]
        except Panic as panic:
            self._restore(before)
            return nested(panic)
        self.executed.update(effects)
        return None

    def _of(self, account: int) -> list[Transaction]:
        return [one for one in self.transactions.values() if one.payload["account"] == account]

    def _state(self) -> tuple[Any, Any]:
        return {fact: list(found) for fact, found in self.facts.items()}, dict(self.decisions)

    def _restore(self, state: tuple[Any, Any]) -> None:
        self.facts, self.decisions = state


_OUTER = {
    "contract_address": "0xa1",
    "class_hash": "0x5",
    "selector": "0x15d40a3d6ca2ac30f4031e42be28da9b056fef9bb7",
}


def _in_vain(why: Any) -> NodeRefusal:
    """What an estimate says of a transaction that cannot be executed."""
    return NodeRefusal(41, "Transaction execution error", {"transaction_index": 0, "execution_error": why})


def nested(panic: Panic) -> str:
    """A revert as a node tells it: the outer failures first, the contract's felt and its short string last."""
    return (
        "Transaction execution has failed:\n0: Error in the called contract (contract address: 0xa1, class hash: 0x5, "
        "selector: 0x15d40a3d6ca2ac30f4031e42be28da9b056fef9bb7):\nExecution failed. Failure reason:\n"
        "Error in contract (contract address: 0xa1, class hash: 0x5, selector: 0x15d40a3d):\n"
        "Error in contract (contract address: 0xdec1, class hash: 0x6, selector: 0x7):\n"
        f"{_felt(panic)} ('{panic}').\n"
    )


def _felt(panic: Panic) -> str:
    return f"0x{str(panic).encode().hex()}"


def call_of(written: Sequence[Any]) -> Call:
    return Call(written[0], written[1], tuple(written[2]))


class MemoryChain:
    """A `Chain` on the model, in the same process. Signing is hashing."""

    def __init__(self, model: ChainModel) -> None:
        self.model = model

    @property
    def accounts(self) -> Sequence[int]:
        return self.model.accounts

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to give back."""

    async def view(self, call: Call) -> list[int]:
        return self.model.view(call)

    async def nonce(self, account: int) -> int:
        return self.model.nonces[account]

    async def estimate(self, account: int, nonce: int, calls: Sequence[Call]) -> Fees:
        return self.model.estimate(account, nonce, calls)

    async def sign(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> Signed:
        payload = {
            "account": account,
            "nonce": nonce,
            "calls": [[str(call.to), call.function, [str(felt) for felt in call.calldata]] for call in calls],
            "amount": bounds.l2_gas.amount,
            "price": bounds.l2_gas.price,
        }
        digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
        return Signed(f"0x{digest[:60]}", payload)

    async def send(self, signed: Signed) -> None:
        calls = [[int(to), name, tuple(map(int, data))] for to, name, data in signed.payload["calls"]]
        self.model.send(signed.hash, {**signed.payload, "calls": calls})

    async def status(self, transaction: str) -> Status:
        found = self.model.transactions.get(transaction)
        if found is None:
            raise NodeRefusal(29, "Transaction hash not found")
        return Status(found.finality, found.reverted)
