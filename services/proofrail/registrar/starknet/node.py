"""A Starknet node over JSON-RPC 0.10: what can be asked of it without an account."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from proofrail.registrar.starknet.chain import Call, ChainAway, NodeRefusal
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.wire.canonical import felt_hex
from proofrail.wire.shown_url import shown_url

with starknet_py():
    import aiohttp
    from starknet_py.constants import EXPECTED_RPC_VERSION
    from starknet_py.hash.selector import get_selector_from_name
    from starknet_py.net.client_errors import ClientError
    from starknet_py.net.http_client import HttpMethod, RpcHttpClient, ServerError

BLOCK: Final = "pre_confirmed"
"""What is asked about is the block that is being made."""

_CONTRACT_NOT_FOUND: Final = 20
_CLASS_HASH_NOT_FOUND: Final = 28

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Paid:
    """What a transaction took: amounts of gas, and its fee in fri."""

    l1_gas: int
    l1_data_gas: int
    l2_gas: int
    fee: int


class Node:
    """The node at `url`, of which nothing but `name` is ever shown. All questions raise ChainAway and NodeRefusal."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self.name = shown_url(url)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._rpc: _Client | None = None

    async def __aenter__(self) -> Node:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def open(self) -> None:
        """Make ready to ask; connects with the first question."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
            self._rpc = _Client(self._url, self._session)

    async def close(self) -> None:
        session, self._session, self._rpc = self._session, None, None
        if session is not None:
            await session.close()

    async def chain_id(self) -> int:
        """What it says its chain is, a short string as a felt."""
        answer = await self.ask("chainId")
        with reading(answer):
            return int(answer, 16)

    async def view(self, call: Call) -> list[int]:
        """What a function answers."""
        request = {
            "contract_address": felt_hex(call.to),
            "entry_point_selector": felt_hex(get_selector_from_name(call.function)),
            "calldata": [felt_hex(felt) for felt in call.calldata],
        }
        answer = await self.ask("call", {"request": request, "block_id": BLOCK})
        if not isinstance(answer, list):
            answer = [answer]  # which is no felt
        with reading(answer):
            return [int(felt, 16) for felt in answer]

    async def class_at(self, address: int) -> int | None:
        """The class hash of the contract there; None where there is none."""
        asked = {"block_id": BLOCK, "contract_address": felt_hex(address)}
        answer = await self._found("getClassHashAt", asked, _CONTRACT_NOT_FOUND)
        with reading(answer):
            return None if answer is None else int(answer, 16)

    async def knows_class(self, class_hash: int) -> bool:
        """Whether the class was declared."""
        asked = {"block_id": BLOCK, "class_hash": felt_hex(class_hash)}
        return await self._found("getClass", asked, _CLASS_HASH_NOT_FOUND) is not None

    async def storage(self, address: int, key: int) -> int:
        """The felt in a contract's storage."""
        asked = {"contract_address": felt_hex(address), "key": felt_hex(key), "block_id": BLOCK}
        answer = await self.ask("getStorageAt", asked)
        with reading(answer):
            return int(answer, 16)

    async def paid(self, transaction: str) -> Paid:
        """What a transaction that was executed took."""
        answer = await self.ask("getTransactionReceipt", {"transaction_hash": transaction})
        with reading(answer):
            used, fee = answer["execution_resources"], answer["actual_fee"]["amount"]
            return Paid(
                used["l1_gas"],
                used["l1_data_gas"],
                used["l2_gas"],
                int(fee, 16),
            )

    async def calldata(self, transaction: str) -> list[int]:
        """The calldata of a transaction that invokes its account."""
        answer = await self.ask("getTransactionByHash", {"transaction_hash": transaction})
        with reading(answer):
            return [int(felt, 16) for felt in answer["calldata"]]

    async def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """The node's answer to a question of the specification's."""
        if self._rpc is None:
            raise ChainAway("chain-away", "the connection is not open")
        try:
            return await self._rpc.call(method, params)
        except ClientError as error:
            code = str(error.code)
            if not code.lstrip("-").isdigit() or 300 <= int(code) < 600:
                raise ChainAway("chain-away", f"{self.name} answers {code}", "It is asked again") from error
            # starknet-py puts message and data into one text.
            said = str(error.message).partition("Message: ")[2].partition(". Data: ")[0].removesuffix(".")
            raise NodeRefusal(int(code), said, error.data) from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            # Those about the connection name host and port; others of aiohttp's name the URL.
            said = str(error) if isinstance(error, OSError) else ""
            raise ChainAway(
                "chain-away",
                f"{self.name} gives no answer: {type(error).__name__} {said}".rstrip(),
                "It is asked again",
            ) from error
        except (ServerError, ValueError, KeyError, TypeError) as error:
            raise ChainAway(
                "chain-away",
                f"{self.name} answers what is no JSON-RPC: {error!r:.200}",
                "Is the address a node's?",
            ) from error

    async def _found(self, method: str, asked: dict[str, Any], not_found: int) -> Any | None:
        try:
            return await self.ask(method, asked)
        except NodeRefusal as refusal:
            if refusal.code == not_found:
                return None
            raise


class _Client(RpcHttpClient):
    async def _warn_if_incompatible_rpc_version(self) -> None:
        """Said in our own words: starknet-py's have the URL in them."""
        if self._is_spec_version_verified:
            return
        asked = {"jsonrpc": "2.0", "method": "starknet_specVersion", "id": 0}
        answer = await self.request(self.url, HttpMethod.POST, payload=asked)
        version, self._is_spec_version_verified = answer["result"], True
        if version != EXPECTED_RPC_VERSION:
            _log.warning(
                "node-version", node=shown_url(self.url), version=version, expected=EXPECTED_RPC_VERSION
            )


@contextmanager
def reading(answer: Any) -> Iterator[None]:
    """What is done inside with an answer takes it for what the specification says. Raises ChainAway."""
    try:
        yield
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ChainAway(
            "chain-away",
            f"the node answers something else than was asked: {answer!r:.200}",
            "It is asked again",
        ) from error
