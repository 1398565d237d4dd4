"""Stands between the registrar and a real node, and loses answers, or changes things between two questions.

It speaks as tests/double/node.py does, and takes the same scripts; whatever is not scripted is the real node's answer.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any

from tests.double.node import EXCHANGES, Failing

Change = Callable[[Any], Any]
"""What becomes of a result on its way back, or merely happens then."""
_TIMEOUT_S = 300.0


class Relay:
    """Its answers are those of the node at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.script: dict[str, deque[Failing | Mapping[str, Any] | Change]] = defaultdict(deque)
        self.asked: list[tuple[str, Any]] = []
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        """What the real node answered."""
        self.closing = threading.Event()

    def sent(self) -> list[Any]:
        """The payloads of all transactions that were sent, in order."""
        return [
            params["invoke_transaction"] for method, params in self.asked if method == "addInvokeTransaction"
        ]

    def next_of(self, method: str, *exchanges: Failing | str | Change) -> None:
        """Script the next calls of a method: how they fail, the name of an error in exchanges.json, or what happens
        once the node has answered."""
        self.script[method].extend(one if callable(one) else EXCHANGES.get(one, one) for one in exchanges)

    def answer(self, method: str, params: Any) -> dict[str, Any] | str:
        """The result or error object, or how the connection fails."""
        self.asked.append((method, params))
        exchange = self.script[method].popleft() if self.script[method] else None
        if isinstance(exchange, Mapping):
            return {"error": dict(exchange)}
        if isinstance(exchange, str) and not exchange.startswith("take"):
            return exchange
        found = self._forward(method, params)
        self.said.append((method, found))
        if callable(exchange):
            return {"result": exchange(found["result"])}
        if exchange == "take, then fail":
            return {"error": EXCHANGES["unexpected"]}
        return exchange or found

    def _forward(self, method: str, params: Any) -> dict[str, Any]:
        asked = {"jsonrpc": "2.0", "id": 1, "method": f"starknet_{method}", "params": params or []}
        request = urllib.request.Request(  # noqa: S310
            self._url, json.dumps(asked).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            found = json.load(answer)
        return {name: value for name, value in found.items() if name in ("result", "error")}
