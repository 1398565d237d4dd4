"""A Starknet node over JSON-RPC 0.10, with starknet-py (the extra `chain`)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from proofrail.registrar.ledger import LedgerMisconfigured
from proofrail.registrar.starknet.chain import (
    Call,
    ChainAway,
    Fees,
    Finality,
    NodeRefusal,
    Resource,
    Signed,
    Status,
)
from proofrail.registrar.starknet.signer import Signer
from proofrail.wire.canonical import felt_hex

_DEPTH: Final = sys.getrecursionlimit()
try:
    import aiohttp
    from starknet_py.hash.selector import get_selector_from_name
    from starknet_py.net.client_errors import ClientError
    from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
    from starknet_py.net.http_client import RpcHttpClient, ServerError
    from starknet_py.net.models.transaction import InvokeV3
except ImportError as error:
    raise LedgerMisconfigured(
        "chain-extra",
        f"the Starknet ledger needs the extra `chain`: {error.name} is not installed",
        "Run `pip install 'proofrail[chain]'`, or use PROOFRAIL_REGISTRAR_LEDGER=file",
    ) from error
finally:
    # A library below it raises the limit for the whole process, and nested JSON then overflows the stack.
    sys.setrecursionlimit(_DEPTH)

_BLOCK: Final = "pre_confirmed"
_QUERY: Final = hex(2**128 + 3)
"""Version of a transaction that can be estimated and never executed."""
_EXECUTED: Final = {one.value for one in Finality} - {Finality.UNKNOWN.value, Finality.WAITING.value}


class RpcChain:
    """The node at `url`. `chain_id`: what it must say it is, such as SN_SEPOLIA."""

    def __init__(self, url: str, chain_id: str, signer: Signer, timeout_s: float) -> None:
        self._url = url
        self._chain_id = int.from_bytes(chain_id.encode("ascii"), "big")
        self._chain_name = chain_id
        self._signer = signer
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._rpc: RpcHttpClient | None = None

    @property
    def accounts(self) -> Sequence[int]:
        """See Chain."""
        return self._signer.accounts

    async def open(self) -> None:
        """See Chain."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
            self._rpc = RpcHttpClient(self._url, self._session)
        found = await self._ask("chainId")
        if found != hex(self._chain_id):
            raise LedgerMisconfigured(
                "chain-other-network",
                f"the node's chain is {found}, and {hex(self._chain_id)} ({self._chain_name}) was due",
                "Correct PROOFRAIL_CHAIN_URL or PROOFRAIL_CHAIN_NETWORK",
            )

    async def close(self) -> None:
        """See Chain."""
        session, self._session, self._rpc = self._session, None, None
        if session is not None:
            await session.close()

    async def view(self, call: Call) -> list[int]:
        """See Chain."""
        request = {
            "contract_address": felt_hex(call.to),
            "entry_point_selector": felt_hex(get_selector_from_name(call.function)),
            "calldata": [felt_hex(felt) for felt in call.calldata],
        }
        answer = await self._ask("call", {"request": request, "block_id": _BLOCK})
        if not isinstance(answer, list):
            answer = [answer]  # which is no felt
        with _read(answer):
            return [int(felt, 16) for felt in answer]

    async def nonce(self, account: int) -> int:
        """See Chain."""
        answer = await self._ask("getNonce", {"block_id": _BLOCK, "contract_address": felt_hex(account)})
        with _read(answer):
            return int(answer, 16)

    async def estimate(self, account: int, nonce: int, calls: Sequence[Call]) -> Fees:
        """See Chain. Unsigned, so that nothing that could be executed exists before the journal has it."""
        nothing = Resource(0, 0)
        unsigned = self._invoke(account, nonce, calls, Fees(nothing, nothing, nothing))
        params = {
            "request": [{**_payload(unsigned), "version": _QUERY}],
            "simulation_flags": ["SKIP_VALIDATE"],
            "block_id": _BLOCK,
        }
        answer = await self._ask("estimateFee", params)
        with _read(answer):
            (found,) = answer
            return Fees(
                *(
                    Resource(int(found[f"{name}_consumed"], 16), int(found[f"{name}_price"], 16))
                    for name in ("l1_gas", "l1_data_gas", "l2_gas")
                )
            )

    async def sign(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> Signed:
        """See Chain."""
        unsigned = self._invoke(account, nonce, calls, bounds)
        # Some thousand felts of a proof take it half a second.
        transaction = await asyncio.to_thread(unsigned.calculate_hash, self._chain_id)
        signature = await self._signer.sign(account, transaction, _payload(unsigned))
        return Signed(felt_hex(transaction), _payload(replace(unsigned, signature=signature)))

    async def send(self, signed: Signed) -> None:
        """See Chain."""
        answer = await self._ask("addInvokeTransaction", {"invoke_transaction": signed.payload})
        with _read(answer):
            called = answer["transaction_hash"]
        if called != signed.hash:
            raise LedgerMisconfigured(
                "chain-other-network",
                f"the node calls transaction {signed.hash} {called!r:.80}",
                "It is of another chain or version: look the transaction up there before anything else",
            )

    async def status(self, transaction: str) -> Status:
        """See Chain."""
        found = await self._ask("getTransactionStatus", {"transaction_hash": transaction})
        with _read(found):
            finality = found["finality_status"]
        if finality not in _EXECUTED:
            return Status(Finality.WAITING)
        if found.get("execution_status") != "REVERTED":
            return Status(Finality(finality))
        return Status(Finality(finality), str(found.get("failure_reason") or "no reason was given"))

    def _invoke(self, account: int, nonce: int, calls: Sequence[Call], bounds: Fees) -> InvokeV3:
        return InvokeV3(
            calldata=_execute(calls),
            sender_address=account,
            resource_bounds=ResourceBoundsMapping(
                **{name: ResourceBounds(one.amount, one.price) for name, one in vars(bounds).items()}
            ),
            version=3,
            signature=[],
            nonce=nonce,
            tip=0,
        )

    async def _ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        if self._rpc is None:
            raise ChainAway("chain-away", "the connection is not open")
        try:
            return await self._rpc.call(method, params)
        except ClientError as error:
            code = str(error.code)
            if not code.lstrip("-").isdigit() or 300 <= int(code) < 600:
                raise ChainAway("chain-away", f"{self._url} answers {code}", "It is asked again") from error
            # starknet-py puts message and data into one text.
            said = str(error.message).partition("Message: ")[2].partition(". Data: ")[0]
            raise NodeRefusal(int(code), said, error.data) from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            raise ChainAway(
                "chain-away", f"{self._url} gives no answer: {error!r}", "It is asked again"
            ) from error
        except (ServerError, ValueError, KeyError, TypeError) as error:
            raise ChainAway(
                "chain-away",
                f"{self._url} answers what is no JSON-RPC: {error!r:.200}",
                "Is the address a node's?",
            ) from error


@contextmanager
def _read(answer: Any) -> Iterator[None]:
    """What is done here with an answer takes it for what the specification says."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ChainAway(
            "chain-away",
            f"the node answers something else than was asked: {answer!r:.200}",
            "It is asked again",
        ) from error


def _execute(calls: Sequence[Call]) -> list[int]:
    """What an account's __execute__ takes: an array of calls."""
    felts = [len(calls)]
    for call in calls:
        felts += [call.to, get_selector_from_name(call.function), len(call.calldata), *call.calldata]
    return felts


def _payload(invoke: InvokeV3) -> dict[str, Any]:
    """The transaction as the specification writes it."""
    bounds: Mapping[str, ResourceBounds] = vars(invoke.resource_bounds)
    return {
        "type": "INVOKE",
        "version": hex(invoke.version),
        "sender_address": felt_hex(invoke.sender_address),
        "calldata": [felt_hex(felt) for felt in invoke.calldata],
        "signature": [felt_hex(felt) for felt in invoke.signature],
        "nonce": hex(invoke.nonce),
        "resource_bounds": {
            name: {"max_amount": hex(one.max_amount), "max_price_per_unit": hex(one.max_price_per_unit)}
            for name, one in bounds.items()
        },
        "tip": hex(invoke.tip),
        "paymaster_data": [],
        "account_deployment_data": [],
        "nonce_data_availability_mode": "L1",
        "fee_data_availability_mode": "L1",
    }
