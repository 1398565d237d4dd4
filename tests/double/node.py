"""A Starknet node on loopback that plays the chain: JSON-RPC answers in the form of the specification (0.10), from the
chain in memory, with exchanges scripted beforehand put in their place.

A script entry is for one call of a method: an error as the specification documents it, or how the connection fails,
before or after the chain has taken what was sent.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

from starknet_py.hash.selector import get_selector_from_name
from starknet_py.net.client_models import ResourceBounds, ResourceBoundsMapping
from starknet_py.net.models.transaction import InvokeV3

from proofrail.registrar.starknet.chain import Call, Finality, NodeRefusal
from tests.double.chain import ChainModel

CHAIN_ID = "SN_TEST"
_WRITTEN = json.loads((Path(__file__).parents[1] / "data" / "chain" / "exchanges.json").read_text())
EXCHANGES = _WRITTEN["specified"] | _WRITTEN["recorded"]
"""Errors by name, and the states of transactions: as the specification has them, and as a real node says them."""

Failing = Literal["drop", "take, then drop", "take, then say nothing", "take, then fail", "garbage", "busy"]
_FUNCTIONS = {
    get_selector_from_name(name): name
    for name in (
        "record",
        "verify_proof_full_and_register_fact",
        "fact_registry",
        "min_security_bits",
        "accepts_program",
        "accepts_configuration",
        "may_record",
        "decision",
        "get_all_verifications_for_fact_hash",
    )
}


class Node:
    """What the server answers, and what it was asked."""

    def __init__(self, model: ChainModel) -> None:
        self.model = model
        self.chain_id = CHAIN_ID
        self.script: dict[str, deque[Failing | Mapping[str, Any]]] = defaultdict(deque)
        self.asked: list[tuple[str, Any]] = []
        self.closing = threading.Event()
        self._busy = threading.Lock()
        self._chain_id = int.from_bytes(CHAIN_ID.encode(), "big")

    def sent(self) -> list[Any]:
        """The payloads of all transactions that were sent, in order."""
        return [
            params["invoke_transaction"] for method, params in self.asked if method == "addInvokeTransaction"
        ]

    def next_of(self, method: str, *exchanges: Failing | str) -> None:
        """Script the next calls of a method: how they fail, or the name of an error in exchanges.json."""
        self.script[method].extend(EXCHANGES.get(one, one) for one in exchanges)

    def answer(self, method: str, params: Any) -> dict[str, Any] | str:
        """The result or error object, or how the connection fails."""
        with self._busy:
            self.asked.append((method, params))
            exchange = self.script[method].popleft() if self.script[method] else None
            if isinstance(exchange, Mapping):
                return {"error": dict(exchange)}
            if exchange is not None and not exchange.startswith("take"):
                return exchange
            try:
                result = getattr(self, f"_{method}")(params)
            except NodeRefusal as refusal:
                said = {"code": refusal.code, "message": refusal.message}
                return {"error": said | ({"data": refusal.data} if refusal.data is not None else {})}
            if exchange == "take, then fail":
                return {"error": EXCHANGES["unexpected"]}
            return exchange or {"result": result}

    def _specVersion(self, _: Any) -> str:  # noqa: N802 -- the specification's name
        return "0.10.2"

    def _chainId(self, _: Any) -> str:  # noqa: N802
        return hex(int.from_bytes(self.chain_id.encode(), "big"))

    def _getNonce(self, params: Any) -> str:  # noqa: N802
        account = int(params["contract_address"], 16)
        if account not in self.model.accounts:
            raise NodeRefusal(20, "Contract not found")
        return hex(self.model.nonces[account])

    def _call(self, params: Any) -> list[str]:
        request = params["request"]
        name = _FUNCTIONS[int(request["entry_point_selector"], 16)]
        felts = tuple(int(felt, 16) for felt in request["calldata"])
        return [
            hex(felt) for felt in self.model.view(Call(int(request["contract_address"], 16), name, felts))
        ]

    def _estimateFee(self, params: Any) -> list[dict[str, str]]:  # noqa: N802
        (transaction,) = params["request"]
        assert (["SKIP_VALIDATE"], hex(2**128 + 3)) == (params["simulation_flags"], transaction["version"])
        fees = self.model.estimate(
            int(transaction["sender_address"], 16), int(transaction["nonce"], 16), _calls(transaction)
        )
        gas = {f"{name}_consumed": hex(one.amount) for name, one in vars(fees).items()}
        prices = {f"{name}_price": hex(one.price) for name, one in vars(fees).items()}
        return [{**gas, **prices, "overall_fee": hex(fees.total), "unit": "FRI"}]

    def _addInvokeTransaction(self, params: Any) -> dict[str, str]:  # noqa: N802
        payload = params["invoke_transaction"]
        hash_ = _hash(payload, self._chain_id)
        assert payload["signature"], "unsigned"
        bounds = payload["resource_bounds"]["l2_gas"]
        taken = {
            "account": int(payload["sender_address"], 16),
            "nonce": int(payload["nonce"], 16),
            "calls": [[call.to, call.function, call.calldata] for call in _calls(payload)],
            "amount": int(bounds["max_amount"], 16),
            "price": int(bounds["max_price_per_unit"], 16),
        }
        self.model.send(hash_, taken)
        return {"transaction_hash": hash_}

    def _getTransactionStatus(self, params: Any) -> dict[str, Any]:  # noqa: N802
        found = self.model.transactions.get(params["transaction_hash"])
        if found is None:
            raise NodeRefusal(29, "Transaction hash not found")
        if found.finality is Finality.WAITING:
            return {"finality_status": "RECEIVED"}
        outcome = {"execution_status": "SUCCEEDED", "failure_reason": None}
        if found.reverted is not None:
            outcome = {"execution_status": "REVERTED", "failure_reason": found.reverted}
        return {"finality_status": found.finality.value, **outcome}


def _hash(payload: Any, chain_id: int) -> str:
    """The hash of what was sent, computed from nothing else."""
    bounds = {
        name: ResourceBounds(int(one["max_amount"], 16), int(one["max_price_per_unit"], 16))
        for name, one in payload["resource_bounds"].items()
    }
    invoke = InvokeV3(
        calldata=[int(felt, 16) for felt in payload["calldata"]],
        sender_address=int(payload["sender_address"], 16),
        resource_bounds=ResourceBoundsMapping(**bounds),
        version=3,
        signature=[],
        nonce=int(payload["nonce"], 16),
        tip=int(payload["tip"], 16),
    )
    return hex(invoke.calculate_hash(chain_id))


def _calls(transaction: Any) -> list[Call]:
    """The calls in an account's __execute__."""
    count, *felts = [int(felt, 16) for felt in transaction["calldata"]]
    calls = []
    for _ in range(count):
        to, selector, length, *felts = felts
        calls.append(Call(to, _FUNCTIONS[selector], tuple(felts[:length])))
        felts = felts[length:]
    assert not felts
    return calls


@contextmanager
def serving(node: Node) -> Iterator[str]:
    """Serve the node on a free port; the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = node.answer(asked["method"].removeprefix("starknet_"), asked.get("params"))
            if answer in ("drop", "take, then drop"):
                self.close_connection = True
                self.connection.close()
                return
            if answer == "take, then say nothing":
                node.closing.wait(30)
                return
            status, body = 200, b"<html>"
            if answer == "busy":
                status = 503
            elif not isinstance(answer, str):
                body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

        def finish(self) -> None:
            # The connection may have been dropped on purpose.
            with suppress(OSError, ValueError):
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/rpc"
    finally:
        node.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
