"""The content-addressed store: what is read is what was named, or an error that says which of the two."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofrail.artifacts.errors import (
    AlteredArtifact,
    InvalidReference,
    MissingArtifact,
    StoreUnavailable,
)
from proofrail.artifacts.reference import uri_of
from proofrail.artifacts.store import ArtifactStore
from proofrail.wire.errors import PoisonError, TransientError

DATA = b"a proof"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}/store")


@pytest.fixture(params=["file", "memory", "s3"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """A store of each kind, empty."""
    if request.param == "s3":
        return ArtifactStore(f"{request.getfixturevalue('s3')}/{tmp_path.name}")
    return ArtifactStore(f"{request.param}://{tmp_path}/store")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket on a real S3 server on loopback."""
    s3fs, moto = pytest.importorskip("s3fs"), pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    with suppress(FileExistsError):  # the servers of one process share what they hold
        s3fs.S3FileSystem().mkdir("proofs")
    yield "s3://proofs"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def blob(tmp_path: Path) -> Path:
    return tmp_path / "store" / "sha256" / DIGEST[:2] / DIGEST


def test_what_was_put_is_got_by_digest(any_store: ArtifactStore) -> None:
    """A blob comes back by its digest, with or without its length."""
    ref = any_store.put(DATA)
    assert (DIGEST, len(DATA)) == (ref.digest, ref.size)
    assert DATA == any_store.get(ref.digest, ref.size)
    assert DATA == any_store.get(ref.digest)
    assert any_store.has(DIGEST)


@given(data=st.binary(max_size=500))
def test_any_content_comes_back(data: bytes) -> None:
    """Every content survives the way through a store, also one in memory."""
    memory = ArtifactStore("memory://proofrail-test")
    assert data == memory.get(memory.put(data).digest, len(data))


def test_putting_twice_changes_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    """The second put of a content leaves the blob as it is, and no scratch file behind."""
    store.put(DATA)
    before = blob(tmp_path).stat().st_mtime_ns
    assert store.put(DATA).digest == DIGEST
    assert before == blob(tmp_path).stat().st_mtime_ns
    assert [DIGEST] == [path.name for path in blob(tmp_path).parent.iterdir()]


def test_a_missing_blob_may_still_come(any_store: ArtifactStore) -> None:
    """What is not there is a transient finding with its own code."""
    with pytest.raises(MissingArtifact) as caught:
        any_store.get(DIGEST)
    assert "artifact-missing" == caught.value.code
    assert isinstance(caught.value, TransientError)
    assert not any_store.has(DIGEST)


@pytest.mark.parametrize("altered", [b"another", DATA + b"\0", DATA[:-1], b""])
def test_an_altered_blob_is_named_as_such(store: ArtifactStore, tmp_path: Path, altered: bytes) -> None:
    """Other bytes under a digest are never handed out, and no retry is suggested."""
    store.put(DATA)
    blob(tmp_path).write_bytes(altered)
    with pytest.raises(AlteredArtifact) as caught:
        store.get(DIGEST)
    assert hashlib.sha256(altered).hexdigest() == caught.value.context["found"]
    assert isinstance(caught.value, PoisonError)


def test_another_length_than_published_is_altered(any_store: ArtifactStore) -> None:
    """The length that was published is checked too."""
    with pytest.raises(AlteredArtifact):
        any_store.get(any_store.put(DATA).digest, len(DATA) + 1)


def test_an_altered_blob_is_repaired_by_its_content(store: ArtifactStore, tmp_path: Path) -> None:
    """Putting the right content again replaces an altered blob."""
    store.put(DATA)
    blob(tmp_path).write_bytes(b"another")
    store.put(DATA)
    assert DATA == store.get(DIGEST)


def test_uris_name_no_machine(store: ArtifactStore, tmp_path: Path) -> None:
    """A published URI holds the digest alone."""
    uri = store.put(DATA).uri
    assert f"artifact:sha256/{DIGEST}" == uri
    assert str(tmp_path) not in uri


@pytest.mark.parametrize(
    "digest", ["", "../../etc/passwd", DIGEST.upper(), DIGEST[:-1], DIGEST + "0", DIGEST + "\n"]
)
def test_a_digest_from_outside_never_becomes_another_path(store: ArtifactStore, digest: str) -> None:
    """Only 64 lower-case hex digits name a blob."""
    with pytest.raises(InvalidReference):
        store.get(digest)
    with pytest.raises(InvalidReference):
        uri_of(digest)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """A store below a file is unavailable, which may pass, and the path is not published."""
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(StoreUnavailable) as caught:
        ArtifactStore(f"file://{tmp_path}/store").put(DATA)
    assert "artifact-store-unavailable" == caught.value.code
    assert str(tmp_path) not in caught.value.message


def test_an_unknown_kind_of_store_is_refused() -> None:
    """A URL that fsspec does not know fails when the store is made, not at the first proof."""
    with pytest.raises(StoreUnavailable):
        ArtifactStore("nothing-of-this-kind://x")


def test_what_lies_under_a_digest_is_repaired_in_any_store(any_store: ArtifactStore) -> None:
    """Other bytes under a name are found as such wherever they lie, and the right content replaces them."""
    path = any_store._path(any_store.put(DATA).digest)
    any_store._fs.pipe_file(path, b"another")
    with pytest.raises(AlteredArtifact):
        any_store.get(DIGEST)
    any_store.put(DATA)
    assert DATA == any_store.get(DIGEST)


def test_a_blob_that_another_process_puts_is_seen(any_store: ArtifactStore, tmp_path: Path) -> None:
    """That a blob was missing is not remembered: the auditor waits for what the prover puts."""
    assert not any_store.has(DIGEST)
    any_store._fs.makedirs(any_store._path(DIGEST).rpartition("/")[0], exist_ok=True)
    any_store._fs.pipe_file(any_store._path(DIGEST), DATA)
    assert any_store.has(DIGEST)
    assert DATA == any_store.get(DIGEST)


def test_a_bucket_that_is_not_there_is_no_missing_blob(s3: str) -> None:
    """A store without its bucket is unavailable, whatever is asked of it."""
    nowhere = ArtifactStore(f"{s3}-elsewhere/x")
    for use in (lambda: nowhere.get(DIGEST), lambda: nowhere.put(DATA)):
        with pytest.raises(StoreUnavailable):
            use()


def test_a_server_that_is_away_is_an_outage(
    s3: str, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """What S3's library raises when nobody answers is no OSError, and must not look like a defect."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
    away = ArtifactStore(f"{s3}/away")
    away._fs.retries = 1
    for use in (lambda: away.get(DIGEST), lambda: away.put(DATA), lambda: away.has(DIGEST)):
        with pytest.raises(StoreUnavailable):
            use()
