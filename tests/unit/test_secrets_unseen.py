"""Secrets in settings stay there: one stands in each setting that may hold one, and no output has it."""

from __future__ import annotations

import logging
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest
from pydantic import SecretStr
from structlog.testing import capture_logs
from tests.unit.registrar_cases import Scribe, starknet_ledger
from typer.testing import CliRunner

from proofrail.artifacts.store import ArtifactStore
from proofrail.cli.application import app
from proofrail.cli.settings_known import OTHERS, known_variables, services, variables_of
from proofrail.messaging import jars
from proofrail.messaging.host import ServiceContext
from proofrail.messaging.logs import configure_logging
from proofrail.messaging.metrics import Metrics
from proofrail.messaging.settings import ServiceSettings
from proofrail.messaging.spans import spans_from_environment
from proofrail.wire.canonical import canonical, parse_object
from proofrail.wire.errors import ProofrailError, TransientError
from proofrail.wire.shown_url import shown_url

CANARY = "c4n4ry"
SECRET = {
    "PROOFRAIL_CALLDATA_COMMAND": f"serialize --key {CANARY}",
    "PROOFRAIL_CHAIN_SIGNER": f"sign --pin {CANARY}",
    "PROOFRAIL_CHAIN_URL": f"https://name:{CANARY}@node.example/v3/{CANARY}?key={CANARY}",
    "PROOFRAIL_EXPLORER_TOKEN": f"{CANARY}-and-ten-more",
    "PROOFRAIL_KAFKA_SASL_PASSWORD": CANARY,
    "PROOFRAIL_KAFKA_TLS_KEY_PASSWORD": CANARY,
    "PROOFRAIL_MAVEN_REPOSITORY": f"https://name:{CANARY}@mirror.example/maven2",
    "PROOFRAIL_STORE_URL": f"s3://id:{CANARY}/{CANARY}@bucket/artifacts?secret={CANARY}",
}
"""Each setting that may hold a secret, with one."""

PUBLIC = {
    "AUDITOR_KEYS", "CACHE", "CAIRO_COMPILE", "CHAIN_ACCOUNTS", "CHAIN_CONTRACT", "CHAIN_NETWORK", "CHECKPOINT_KEYS",
    "CONFIG", "EXPLORER", "EXPLORER_HOST", "EXPLORER_NAMES", "HEALTH_HOST", "HOME", "INSTANCE", "JAVA",
    "KAFKA_BOOTSTRAP", "KAFKA_JARS", "KAFKA_SASL_USERNAME", "PROOF_MEMORY_LIMIT", "PROVER_BACKENDS",
    "REGISTRAR_LEDGER", "REGISTRAR_PRESETS", "REGISTRY_ADDRESS", "REGISTRY_NETWORK", "REGISTRY_PRESETS", "RISK_ENGINE",
    "STONE_PROVER", "STONE_VERIFIER", "STWO_PROVER",
}  # fmt: skip
"""Other texts: names, addresses, public keys."""


@pytest.fixture
def secretive(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which every setting that may hold a secret has one, and the chain is asked for."""
    for variable in known_variables():
        monkeypatch.delenv(variable, raising=False)
    for variable, value in SECRET.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PROOFRAIL_REGISTRAR_LEDGER", "starknet")


def test_of_every_setting_it_is_known_whether_it_may_hold_a_secret() -> None:
    """A new text is put into one of the two lists above, before its value is shown to anybody."""
    texts = {str, SecretStr, str | None, SecretStr | None}
    found = {
        variable
        for kind in services().values()
        for name, variable in variables_of(kind).items()
        if kind.model_fields[name].annotation in texts
    }
    assert found | OTHERS.keys() == SECRET.keys() | {f"PROOFRAIL_{name}" for name in PUBLIC}


@pytest.mark.usefixtures("secretive")
@pytest.mark.parametrize("wrong", [{}, {"PROOFRAIL_MIN_SECURITY_BITS": "no number"}])
def test_config_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    """Valid settings and those that are not; host, program and bucket are seen, so that one knows which it is."""
    for variable, value in wrong.items():
        monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(app, ["config", "--home", str(tmp_path)])
    assert CANARY not in result.output
    assert CANARY not in str(result.exception)
    found = {one["variable"]: one["value"] for one in map(parse_object, result.stdout_bytes.splitlines())}
    assert {
        "PROOFRAIL_CALLDATA_COMMAND": "serialize …",
        "PROOFRAIL_CHAIN_SIGNER": "sign …",
        "PROOFRAIL_CHAIN_URL": "https://node.example/…",
        "PROOFRAIL_EXPLORER_TOKEN": "********",
        "PROOFRAIL_KAFKA_SASL_PASSWORD": "********",
        "PROOFRAIL_KAFKA_TLS_KEY_PASSWORD": "********",
        "PROOFRAIL_MAVEN_REPOSITORY": "https://mirror.example/…",
        "PROOFRAIL_STORE_URL": "s3://…/…",
    } == {variable: found[variable] for variable in SECRET}


@pytest.mark.usefixtures("secretive")
def test_a_service_that_cannot_start_quotes_no_setting(tmp_path: Path) -> None:
    """Settings that contradict each other name what is missing alone."""
    result = CliRunner().invoke(app, ["registrar", "--home", str(tmp_path)])
    assert (2, False) == (result.exit_code, CANARY in result.output)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///var/lib/artifacts", "file:///var/lib/artifacts"),
        ("/var/lib/artifacts", "/var/lib/artifacts"),
        ("s3://bucket/prefix", "s3://bucket/…"),
        (f"s3://id:{CANARY}@bucket", "s3://bucket/…"),
        ("memory://x", "memory://x"),
        ("http://127.0.0.1:5050", "http://127.0.0.1:5050"),
        ("http://127.0.0.1:5050/", "http://127.0.0.1:5050"),
        ("http://[::1]:5050/rpc", "http://[::1]:5050/…"),
        (f"https://{CANARY}@host/", "https://host/…"),
        (f"https://u:{CANARY}/{CANARY}@host/", "https://…/…"),
        (f"https://host#{CANARY}", "https://host/…"),
        (f"https//host/{CANARY}", "…"),
        (f"https://[{CANARY}", "https://…/…"),
        (f"htps://host/{CANARY}", "htps://host/…"),
        (f"cached::s3://u:{CANARY}@b/x#{CANARY}", "cached::s3://b/…"),
        ("", ""),
    ],
)
def test_of_a_url_only_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    """What cannot be told apart is left out."""
    assert shown == shown_url(url)


def test_a_store_that_cannot_be_used_is_named_without_its_login() -> None:
    """Of an unknown kind, of a known one that is not installed, and of one that does not answer."""
    for url in (f"nope://u:{CANARY}@h/x?{CANARY}", f"ftp://u:{CANARY}@127.0.0.1:1/x"):
        with pytest.raises(TransientError) as error:
            ArtifactStore(url)
        assert CANARY not in str(error.value), url


@pytest.mark.usefixtures("secretive")
def test_a_repository_that_fails_is_named_without_its_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients quote the URL that they asked."""

    def download(coordinates: str, staging: Path) -> Path:
        raise OSError(f"401 for url: {os.environ['PROOFRAIL_MAVEN_REPOSITORY']}/g/one")

    monkeypatch.setattr(jars, "pinned", lambda: {"g:one:1": "0" * 64})
    monkeypatch.setattr(jars, "_download", download)
    with pytest.raises(ProofrailError, match=r"mirror\.example") as error:
        jars.kafka_jars(tmp_path)
    assert CANARY not in str(error.value)


def test_headers_for_a_collector_are_not_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenTelemetry warns of those that it cannot read by quoting them."""
    headers = pytest.importorskip("opentelemetry.util.re")
    root = logging.getLogger()
    before, configured = (root.handlers, root.level), structlog.get_config()
    try:
        configure_logging("registrar", ServiceSettings(log_level="debug"))
        headers.parse_env_headers(f"api-key: {CANARY}, {CANARY}", liberal=True)
        headers.parse_env_headers(f"api-key: {CANARY}")
    finally:
        root.handlers, level = before
        root.setLevel(level)
        structlog.configure(**configured)
    assert CANARY not in capsys.readouterr().err


@pytest.mark.parametrize("path", [f"/{CANARY}", f"/{CANARY}/", f"/otlp?key={CANARY}"])
def test_the_path_of_a_collector_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """One that is away is told with the URL that was asked."""
    exporter = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:1{path}")
    spans = spans_from_environment("registrar", "one")
    assert spans is not None
    asked = spans._exporter._endpoint.partition("127.0.0.1:1")[2]
    logging.getLogger(exporter.__name__).warning("exceeded with url: %s (%s)", asked, "refused")
    spans.close()
    (said,) = caplog.messages
    assert ("exceeded with url: /…", False) == (said[:21], CANARY in said)


# --- the node ---------------------------------------------------------------------------------------------


@pytest.fixture
def url() -> Iterator[tuple[Any, str]]:
    """A node on loopback, and its URL with secrets wherever there is room."""
    pytest.importorskip("starknet_py", reason="the extra `chain` is not installed")
    from tests.double.node import Node, serving
    from tests.unit.registrar_cases import model

    node = Node(model())
    with serving(node) as plain:
        host = plain.removeprefix("http://").partition("/")[0]
        yield node, f"http://u:{CANARY}@{host}/{CANARY}?key={CANARY}#{CANARY}"


@pytest.mark.parametrize("how", ["drop", "busy", "garbage", "unexpected", "old"])
async def test_a_node_that_fails_is_named_by_its_host(url: tuple[Any, str], tmp_path: Path, how: str) -> None:
    """In what the registrar raises, logs, counts, and answers to whoever asks whether it is ready."""
    from faststream.kafka import KafkaBroker
    from tests.double.node import CHAIN_ID

    from proofrail.registrar.starknet.rpc import RpcChain

    node, secret = url
    ledger = starknet_ledger(RpcChain(secret, CHAIN_ID, Scribe(), 5.0), tmp_path)
    metrics = Metrics("registrar")
    context = ServiceContext("registrar", ServiceSettings(), metrics, KafkaBroker(logger=None))
    context._ready = True
    context.check("ledger", ledger.missing)
    if how == "old":
        node._specVersion = lambda _: "0.1.0"
    else:
        node.next_of("specVersion", *[how] * 9)
    with capture_logs() as logs, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            await ledger.open()
            said = ""
        except ProofrailError as error:
            said = str(error)
            metrics.retried(error)
            metrics.failed(error)
        ledger._chain._node.open()
        missing = await context.missing()
        await ledger.close()
    shown = f"{said} {canonical(missing)!r} {logs} {[str(one.message) for one in warned]}"
    assert CANARY not in shown
    assert CANARY.encode() not in generate_latest(metrics.registry)
    assert (how == "old") == ("node-version" in shown)
    if how != "old":
        assert f"http://{secret.partition('@')[2].partition('/')[0]}/…" in said
        assert "ledger" in missing


@pytest.mark.parametrize("command", ["show", "decision"])
def test_chain_names_a_node_by_its_host(url: tuple[Any, str], command: str) -> None:
    """One that answers nothing, one where no contract is, and an address that is none."""
    node, secret = url
    what = ("decision", "a") if command == "decision" else ("show",)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    node._getClassHashAt = lambda _: _not_found()
    for given in (
        secret,
        f"http://127.0.0.1:{closed}/{CANARY}",
        f"http://[{CANARY}/",
        f"nope://h/{CANARY}",
    ):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = CliRunner().invoke(app, ["chain", *what, "--node", given, "--contract", "0xdead"])
        assert result.exit_code in (2, 3), (given, result.exception)
        assert CANARY not in result.output + str([str(one.message) for one in warned]), given


def _not_found() -> None:
    from proofrail.registrar.starknet.chain import NodeRefusal

    raise NodeRefusal(20, "Contract not found")
