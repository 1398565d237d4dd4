"""The registrar's parts: who signs, what refusals mean, what serializes proofs, and how far the position may move."""

from __future__ import annotations

import json
import sqlite3
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_proving_child import Eventually, alive

from proofrail.client import Item, Place
from proofrail.messaging.records import Record
from proofrail.proving.stone.presets import preset_named
from proofrail.registrar.calldata import CalldataCommand
from proofrail.registrar.cases import Case, OpenCases
from proofrail.registrar.settings import RegistrarSettings
from proofrail.registrar.starknet.answers import Answer, Reason, answer_of, reason_of, revert_text
from proofrail.registrar.starknet.chain import NodeRefusal, Signed
from proofrail.registrar.starknet.journal import Entry, Journal
from proofrail.registrar.starknet.signer import KeyFile, SignerCommand
from proofrail.wire.errors import ProofrailError, TransientError, UnusableInputError

PRESET = preset_named("recursive/keccak_160_lsb/stone6/strict")
RECORDED = json.loads((Path(__file__).parents[1] / "data" / "chain" / "exchanges.json").read_text())[
    "recorded"
]
PYTHON = f"{sys.executable} -c"
KILLED = f'{PYTHON} "import os; os.kill(os.getpid(), 9)"'


def _wallet(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


# --- who signs --------------------------------------------------------------------------------------------


def test_a_wallet_holds_several_accounts(tmp_path: Path) -> None:
    """A line each; comments and empty lines are passed over; neither `repr` nor errors show a key."""
    wallet = KeyFile.read(_wallet(tmp_path / "wallet", "# ours\n0xa1 0x5ec12e7\n\n0xa2 0x2\n"))
    assert (0xA1, 0xA2) == wallet.accounts
    assert "5ec12e7" not in repr(wallet)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o610])
def test_a_wallet_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """Whatever access a group or others have."""
    with pytest.raises(UnusableInputError, match="chmod 600") as refused:
        KeyFile.read(_wallet(tmp_path / "wallet", "0xa1 0x1\n", mode))
    assert "wallet-file" == refused.value.code


@pytest.mark.parametrize(
    "text",
    ["", "0xa1\n", "0xa1 0x5ec 0x2\n", "0xa1 0x0\n", "0x0 0x5ec\n", "0xa1 0x5ec\n0xa1 0x2\n", "a1 0x5ec\n"],
)
def test_a_wallet_of_another_form_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    """Nothing of the file stands in the message."""
    with pytest.raises(UnusableInputError) as refused:
        KeyFile.read(_wallet(tmp_path / "wallet", text))
    assert "wallet-file" == refused.value.code
    assert "5ec" not in str(refused.value)


async def test_an_external_signer_is_asked_by_hash_and_transaction() -> None:
    """One JSON object in, an array of felts out; the key never comes here."""
    program = (
        "import json,sys; o = json.load(sys.stdin); "
        "print(json.dumps([o['hash'], o['account'], o['transaction']['n']]))"
    )
    signer = SignerCommand(f'{PYTHON} "{program}"', [0xA1])
    assert [0x77, 0xA1, 5] == await signer.sign(0xA1, 0x77, {"n": "0x5"})


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("/nowhere/signer", "signer-refused"),
        (f'{PYTHON} "exit(1)"', "signer-refused"),
        (f'{PYTHON} "exit(75)"', "signer-away"),
        (KILLED, "signer-away"),
        (f"{PYTHON} \"print('[]')\"", "signer-refused"),
        (f"{PYTHON} \"print('0x1 0x2')\"", "signer-refused"),
    ],
)
async def test_a_signer_that_does_not_sign(command: str, code: str) -> None:
    """Status 75 is asked again; everything else ends the service, with nothing sent."""
    with pytest.raises(ProofrailError) as refused:
        await SignerCommand(command, [0xA1]).sign(0xA1, 1, {})
    assert code == refused.value.code


# --- what serializes --------------------------------------------------------------------------------------


async def test_a_program_serializes_proofs() -> None:
    """The proof on its standard input, the preset's names behind its own arguments; felts in any spelling."""
    program = "import sys; print([len(sys.stdin.buffer.read()), len(sys.argv)], hex(255))"
    assert [5, 5, 255] == await CalldataCommand(f'{PYTHON} "{program}"').felts(b"proof", PRESET)


@pytest.mark.parametrize(
    ("serializer", "code"),
    [
        (CalldataCommand("/nowhere/serializer"), "calldata-unavailable"),
        (CalldataCommand(f'{PYTHON} "exit(3)"'), "calldata-refused"),
        (CalldataCommand(KILLED), "calldata-unavailable"),
        (CalldataCommand(f'{PYTHON} "print()"'), "calldata-refused"),
        (CalldataCommand(f"{PYTHON} \"print('proof')\""), "calldata-refused"),
        (CalldataCommand(f'{PYTHON} "print(2**252)"'), "calldata-refused"),
    ],
)
async def test_what_does_not_serialize_says_so(serializer: Any, code: str) -> None:
    """One that is not there, one that fails, and output that is no felts."""
    with pytest.raises(ProofrailError) as refused:
        await serializer.felts(b"proof", PRESET)
    assert code == refused.value.code


async def test_what_a_program_started_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    """Signer and serializer: whoever it has left behind, whether it answers or its time is over."""
    pids = tmp_path / "pids"
    family = (
        "import os, subprocess, sys, time; "
        "one = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"print(one.pid, file=open('{pids}', 'a')); "
    )
    asked = [
        (
            SignerCommand(f'{PYTHON} "{family}print(sys.argv[0:0] or [])"', [0xA1]).sign(0xA1, 1, {}),
            "signer-refused",
        ),
        (CalldataCommand(f'{PYTHON} "{family}sys.exit(3)"').felts(b"proof", PRESET), "calldata-refused"),
    ]
    for question, code in asked:
        with pytest.raises(ProofrailError) as refused:
            await question
        assert code == refused.value.code
    monkeypatch.setattr("proofrail.registrar.calldata._TIMEOUT_S", 1.0)
    monkeypatch.setattr("proofrail.registrar.starknet.signer._TIMEOUT_S", 1.0)
    waits = f'{PYTHON} "{family}time.sleep(600)"'
    with pytest.raises(TransientError, match="more than 1 s"):
        await SignerCommand(waits, [0xA1]).sign(0xA1, 1, {})
    with pytest.raises(TransientError, match="more than 1 s"):
        await CalldataCommand(waits).felts(b"proof", PRESET)
    left = [int(pid) for pid in pids.read_text().split()]
    assert 4 == len(left)
    await eventually(lambda: not any(alive(pid) for pid in left))


async def test_a_program_that_does_not_read_its_question_is_heard() -> None:
    """However long the question is: a signer may refuse before it has read it all."""
    signer = SignerCommand(f'{PYTHON} "import sys; sys.exit(75)"', [0xA1])
    with pytest.raises(TransientError):
        await signer.sign(0xA1, 1, {"calldata": ["0x1"] * 200_000})
    program = "import sys; print(len(sys.stdin.buffer.read()))"
    assert [4 << 20] == await CalldataCommand(f'{PYTHON} "{program}"').felts(bytes(4 << 20), PRESET)


# --- what refusals mean -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("… Failure reason: 0x414c52454144595f5245434f52444544 ('ALREADY_RECORDED').", Reason.DONE),
        ("(0x4e4f545f415f5245434f52444552)", Reason.SETTINGS),
        ("Failure reason: 'ANOTHER_DECISION'", Reason.ENTRY),
        ("0x50524f4752414d5f4e4f545f4143434550544544", Reason.SETTINGS),
        ("0x464143545f4e4f545f52454749535445524544", Reason.FACT),
        ("'decommitment failed'", Reason.ENTRY),
        ("Insufficient max L2Gas: max amount: 1, actual used: 2.", Reason.RESOURCES),
        ("Out of gas", Reason.RESOURCES),
        ("Could not reach the end of the program. RunResources has no remaining steps.", Reason.RESOURCES),
        ("0x1234567", Reason.UNKNOWN),
        ("", Reason.UNKNOWN),
    ],
)
def test_reverts_are_told_apart_by_the_contracts_own_words(text: str, reason: Reason) -> None:
    """As a felt, as its short string, or as the node puts it; nothing unknown is taken for success."""
    assert reason is reason_of(text)[0]


def test_the_last_word_counts() -> None:
    """Outer frames may name what inner ones caused; the innermost panic stands last."""
    assert (Reason.ENTRY, "PATH_WRONG") == reason_of("'FACT_NOT_REGISTERED' caught; 'PATH_WRONG'")


def test_nested_causes_are_read_in_whole() -> None:
    """However deep the node nests them."""
    refusal = NodeRefusal(
        41, "Transaction execution error", {"execution_error": {"error": [{"error": "'PATH_WRONG'"}]}}
    )
    assert Reason.ENTRY is reason_of(revert_text(refusal))[0]


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("contract not found", Answer.SETTINGS),
        ("no such function", Answer.SETTINGS),
        ("a view that panics", Answer.REVERTS),
        ("duplicate", Answer.TAKEN),
        ("nonce", Answer.NONCE),
        ("nonce ahead", Answer.NONCE),
        ("bounds", Answer.BOUNDS),
        ("balance", Answer.BALANCE),
        ("signature", Answer.SETTINGS),
        ("estimate: panic", Reason.FACT),
        ("estimate: nonce", Reason.NONCE),
        ("estimate: out of gas", Reason.RESOURCES),
        ("estimate: no contract", Reason.SETTINGS),
        ("reverted: panic", Reason.FACT),
        ("reverted: too little gas", Reason.RESOURCES),
    ],
)
def test_what_a_real_node_said_is_understood(name: str, meaning: Answer | Reason) -> None:
    """Each recorded exchange (tests/double/exchanges.py) has one meaning."""
    said = RECORDED[name]
    if isinstance(meaning, Answer):
        found: Answer | Reason = answer_of(NodeRefusal(**said))
    elif "code" in said:
        found, _ = reason_of(revert_text(NodeRefusal(**said)))
    else:
        found, _ = reason_of(said["failure_reason"])
    assert meaning is found


def test_codes_that_nobody_documented_are_malfunctions() -> None:
    """Neither success nor the caller's fault."""
    assert Answer.MALFUNCTION is answer_of(NodeRefusal(4711, "?"))


# --- the journal ------------------------------------------------------------------------------------------


def _entry(number: int) -> Entry:
    return Entry(Signed(hex(number), {"nonce": hex(number)}), 0xA1, number)


def test_the_journal_keeps_what_was_signed_until_its_outcome_is_known(tmp_path: Path) -> None:
    """Over a restart, oldest first; then it knows whose effect is whose."""
    journal = Journal(tmp_path / "journal")
    for number in (2, 1):
        journal.write(_entry(number), [f"effect {number}", "both"])
    journal.close_entry(_entry(2), "reverted", "why")
    journal.close()
    journal = Journal(tmp_path / "journal")
    assert [_entry(1)] == journal.open_entries()
    assert journal.transaction_of("effect 1") is None
    journal.close_entry(_entry(1), "succeeded")
    assert ([], "0x1") == (journal.open_entries(), journal.transaction_of("both"))
    assert journal.transaction_of("effect 2") is None
    journal.close()


def test_a_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    """What it says cannot be read, so nothing may be sent."""
    path = tmp_path / "journal"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(UnusableInputError) as refused:
        Journal(path)
    assert "registrar-file" == refused.value.code
    assert stat.S_ISREG(path.stat().st_mode)


# --- how far the position may move ------------------------------------------------------------------------


@given(st.permutations(range(8)))
def test_the_position_never_passes_an_open_case(order: list[int]) -> None:
    """In whatever order cases end, the position stands behind the last of those that ended from the beginning on."""
    cases = OpenCases()
    made = [
        Case(Item(Record("t", 0, offset, b"", b"{}", {}, 0), 0, 1, b"{}", None), 0.0) for offset in range(8)
    ]
    for case in made:
        cases.add(case)
    position, ended = 0, set()
    for offset in order:
        ended.add(offset)
        last = cases.settle(made[offset])
        position = last.after.offset if last is not None else position
        assert next((one for one in range(9) if one not in ended), 8) == position
    assert (0, None) == (len(cases), cases.next_due())
    assert Place(8) == Place(position)


def test_a_deferred_case_waits_longer_each_time() -> None:
    """Up to a minute, and holds nobody else up."""
    cases = OpenCases()
    slow, other = (
        Case(Item(Record("t", 0, at, b"", b"{}", {}, 0), 0, 1, b"{}", None), 0.0) for at in range(2)
    )
    cases.add(slow)
    cases.add(other)
    waits = []
    for _ in range(10):
        slow.defer(100.0)
        waits.append(slow.due_at - 100.0)
    assert sorted(waits) == waits
    assert (0.5, 60.0) == (waits[0], waits[-1])
    assert [other] == cases.due(100.0, most=9)


# --- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"chain_url": ""}, "CHAIN_URL"),
        ({"chain_contract": ""}, "CHAIN_CONTRACT"),
        ({"chain_wallet_file": None}, "CHAIN_WALLET_FILE"),
        ({"chain_signer": "sign"}, "CHAIN_SIGNER"),
        ({"chain_signer": "sign", "chain_wallet_file": None}, "CHAIN_ACCOUNTS"),
    ],
)
def test_a_ledger_on_chain_needs_to_know_where_and_who(changed: dict[str, Any], missing: str) -> None:
    """An address, a contract, and one way of signing."""
    whole: dict[str, Any] = {
        "store_url": "file:///tmp/a",
        "auditor_keys": "k",
        "registrar_dir": "/tmp/r",
        "registrar_ledger": "starknet",
        "chain_url": "http://127.0.0.1:1/rpc",
        "chain_contract": "0xdec1",
        "chain_wallet_file": "/tmp/wallet",
    }
    assert RegistrarSettings(**whole).chain_contract == "0xdec1"
    with pytest.raises(ValueError, match=missing):
        RegistrarSettings(**{**whole, **changed})
