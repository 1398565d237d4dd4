"""A Starknet chain of the demo's own: starknet-devnet on a free port of loopback, gone when the demo is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

from proofrail.cli.home import Home
from proofrail.cli.leash import end, leashed
from proofrail.registrar.starknet.chain import ChainAway
from proofrail.registrar.starknet.extra import starknet_py
from proofrail.registrar.starknet.node import Node
from proofrail.wire.canonical import felt_hex
from proofrail.wire.errors import ProofrailError

with starknet_py():
    from starknet_py.net.http_client import RpcHttpClient

_START_S: Final = 60.0
_STOP_S: Final = 15.0
_POLL_S: Final = 0.1
_LOG_SHOWN: Final = 2000


class Devnet:
    """One chain, with one account that has funds; `wallet` holds its key. It ends with this process, or, without
    `leash`, with the system in the home."""

    def __init__(self, program: Path, home: Home, *, leash: bool) -> None:
        self._program = program
        self._home = home
        self._leash = leash
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""
        self.wallet = home.root / "keys" / "wallet"

    @property
    def log(self) -> Path:
        return self._home.root / "devnet.log"

    async def start(self) -> None:
        """Returns when it answers. Raises ProofrailError `devnet-not-started`."""
        self._home.prepare()
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}/rpc"
        env = {**os.environ, "PROOFRAIL_HOME": str(self._home.root)}  # says whose it is
        command = [str(self._program), "--host", "127.0.0.1", "--port", str(port)]
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "proofrail.cli.devnet_keeper", str(self._home.root)),
                *(*command, "--accounts", "1", "--seed", str(secrets.randbelow(2**32))),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=leashed(env) if self._leash else env,
                # Ctrl-C reaches the demo alone; it ends what it has started.
                start_new_session=True,
            )
        await self._until_alive(self._process)
        await self._keep_wallet()

    async def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is not None:
            await end(process, _STOP_S)

    async def _until_alive(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + _START_S
        async with Node(self.url, _START_S) as node:
            while time.monotonic() < deadline and process.returncode is None:
                with contextlib.suppress(ChainAway):
                    await node.chain_id()
                    return
                await asyncio.sleep(_POLL_S)
        said = self.log.read_text(errors="replace").strip()
        raise ProofrailError(
            "devnet-not-started",
            f"starknet-devnet does not answer at {self.url}: {said[-_LOG_SHOWN:]}",
            f"Try it by hand: {self._program} --port 5050",
        )

    async def _keep_wallet(self) -> None:
        accounts: list[dict[str, Any]] = await RpcHttpClient(self.url, method_prefix="devnet").call(
            "getPredeployedAccounts"
        )
        lines = [
            f"{felt_hex(int(one['address'], 16))} {felt_hex(int(one['private_key'], 16))}\n"
            for one in accounts
        ]
        self.wallet.touch(mode=0o600)
        self.wallet.write_text("".join(lines))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
