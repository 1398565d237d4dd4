"""Kill −9, lost answers and rising prices at any point: nothing is sent twice to effect, and nothing is lost.

A registrar is killed by an exception that nothing of ours catches, at any of its steps with node, signer or journal;
its files stay as they are, and the next one goes on from them and from the chain.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.double.chain import MemoryChain
from tests.unit.registrar_cases import decisions, model, proven, starknet_ledger

from proofrail.registrar.ledger import Decision, Receipt
from proofrail.registrar.starknet.chain import ChainAway
from proofrail.registrar.starknet.ledger import StarknetLedger
from proofrail.wire.errors import TransientError

IDS = [f"allocation-{number}" for number in range(6)]
DUE = decisions(*IDS)
HOW = ["kill before", "kill after", "lose before", "lose after"]


class Killed(BaseException):
    """The process has ended here."""


class Fate:
    """What befalls the next steps: at most one of them is struck."""

    def __init__(self) -> None:
        self.steps = -1
        self.how = ""
        self.dead = False
        self.struck = False

    def strike_at(self, steps: int, how: str) -> None:
        self.steps, self.how = steps, how

    def before(self) -> str:
        """What befalls this step; raises when that comes before it."""
        if self.dead:
            raise Killed
        self.steps -= 1
        if self.steps != -1:
            return ""
        self.struck = True
        if self.how == "kill before":
            self.dead = True
            raise Killed
        if self.how == "lose before":
            raise ChainAway("chain-away", "connection refused")
        return self.how

    def after(self, how: str) -> None:
        if how == "kill after":
            self.dead = True
        if self.dead:
            raise Killed
        if how == "lose after":
            raise ChainAway("chain-away", "the connection was dropped")


class FatedChain(MemoryChain):
    """Each of its methods is a step."""

    def __init__(self, chain: MemoryChain, fate: Fate) -> None:
        super().__init__(chain.model)
        for name in ("view", "nonce", "estimate", "sign", "send", "status"):
            setattr(self, name, self._fated(getattr(chain, name), fate))

    @staticmethod
    def _fated(method: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
        async def step(*arguments: Any) -> Any:
            how = fate.before()
            result = await method(*arguments)
            fate.after(how)
            return result

        return step


def _fate_journal(ledger: StarknetLedger, fate: Fate) -> None:
    journal = ledger._journal
    for name in ("write", "close_entry"):
        method = getattr(journal, name)

        def step(*arguments: Any, method: Any = method) -> Any:
            # A disk does not lose its answer: only kills strike here.
            how = fate.before() if fate.how.startswith("kill") or fate.dead else ""
            result = method(*arguments)
            fate.after(how)
            return result

        setattr(journal, name, step)


class Registrars(RuleBasedStateMachine):
    """One registrar after another on the same files and the same chain."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.model = model()
        self.fate = Fate()
        self.ledger: StarknetLedger | None = None
        self.due: list[Decision] = DUE
        self.proof = proven(self.model, self.due[0].fact)
        self.asked: set[str] = set()

    @rule(steps=st.integers(0, 25), how=st.sampled_from(HOW))
    def strike(self, steps: int, how: str) -> None:
        self.fate.strike_at(steps, how)

    @rule(price=st.sampled_from([500, 1_000, 1_400, 1_600, 4_000]))
    def price(self, price: int) -> None:
        self.model.price = price

    @rule(gas=st.sampled_from([0, 400, 900]))
    def take_more_than_estimated(self, gas: int) -> None:
        self.model.hidden_gas = gas

    @rule()
    def hold(self) -> None:
        self.model.holding = True

    @rule()
    def make_a_block(self) -> None:
        self.model.holding = False
        self.model.execute_waiting()

    @rule()
    def register(self) -> None:
        self._run(lambda ledger: ledger.register(self.due[0].fact, self.proof))

    @rule(chosen=st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True))
    def record(self, chosen: Sequence[str]) -> None:
        self.asked |= set(chosen)
        self._run(lambda ledger: ledger.record([one for one in self.due if one.allocation_id in chosen]))

    @precondition(lambda self: self.ledger is not None)
    @rule()
    def stop(self) -> None:
        self._end()

    @invariant()
    def nothing_is_sent_twice_to_effect(self) -> None:
        if hasattr(self, "model"):
            assert {} == {name: times for name, times in self.model.executed.items() if times > 1}

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.fate.strike_at(-1, "")
        self.make_a_block()
        self.model.hidden_gas = 0
        for _ in range(3):
            self._run(lambda ledger: ledger.register(self.due[0].fact, self.proof))
        results = self._run(lambda ledger: ledger.record(self.due))
        assert results is not None
        assert all(isinstance(one, Receipt) for one in results), results
        # Each one's own transaction is known, whoever was killed after sending it.
        assert all(self.model.transactions[one.transaction].reverted is None for one in results)
        assert {one.id for one in self.due} == set(self.model.decisions)
        self.nothing_is_sent_twice_to_effect()
        assert [] == self.ledger._journal.open_entries() if self.ledger and self.ledger._journal else True
        self._end()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)

    def _run(self, work: Callable[[StarknetLedger], Any]) -> Any:
        async def one() -> Any:
            if self.ledger is None:
                ledger = starknet_ledger(FatedChain(MemoryChain(self.model), self.fate), self.folder)
                await ledger.open()
                self.ledger = ledger
                _fate_journal(ledger, self.fate)
            return await work(self.ledger)

        try:
            return self.loop.run_until_complete(one())
        except TransientError:
            return None
        except Killed:
            self._end()
            return None

    def _end(self) -> None:
        """The process is gone; what it had open, the system closes."""
        ledger, self.ledger = self.ledger, None
        if ledger is not None and ledger._journal is not None:
            ledger._journal.close()
        self.fate.dead = False
        self.fate.strike_at(-1, "")


class RegistrarsInFull(Registrars):
    """More of the same."""


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=15,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


Registrars.TestCase.settings = _settings(40)
TestRegistrars = Registrars.TestCase
RegistrarsInFull.TestCase.settings = _settings(300)
TestRegistrarsInFull = pytest.mark.exhaustive(RegistrarsInFull.TestCase)


@pytest.mark.parametrize("how", HOW)
def test_struck_at_each_step_in_turn(how: str) -> None:
    """A fact and three decisions, from an empty chain to all of them there: at each step once."""
    for step in range(200):
        registrars = Registrars()
        registrars.begin()
        registrars.strike(steps=step, how=how)
        registrars.register()
        registrars.record(chosen=IDS[:3])
        struck = registrars.fate.struck
        registrars.teardown()
        if not struck:
            break
    assert step > 20
    assert not struck
