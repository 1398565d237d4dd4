"""The content-addressed store: what is read is what was named, or an error that says which of the two."""

from __future__ import annotations

import hashlib
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
from proofrail.artifacts.reference import digest_of, uri_of
from proofrail.artifacts.store import ArtifactStore
from proofrail.wire.errors import PoisonError, TransientError

DATA = b"a proof"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(f"file://{tmp_path}/store")


def blob(tmp_path: Path) -> Path:
    return tmp_path / "store" / "sha256" / DIGEST[:2] / DIGEST


def test_what_was_put_is_got_by_digest(store: ArtifactStore) -> None:
    """A blob comes back by its digest, with or without its length."""
    ref = store.put(DATA)
    assert (DIGEST, len(DATA)) == (ref.digest, ref.size)
    assert DATA == store.get(ref.digest, ref.size)
    assert DATA == store.get(ref.digest)
    assert store.has(DIGEST)


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


def test_a_missing_blob_may_still_come(store: ArtifactStore) -> None:
    """What is not there is a transient finding with its own code."""
    with pytest.raises(MissingArtifact) as caught:
        store.get(DIGEST)
    assert "artifact-missing" == caught.value.code
    assert isinstance(caught.value, TransientError)
    assert not store.has(DIGEST)


@pytest.mark.parametrize("altered", [b"another", DATA + b"\0", DATA[:-1], b""])
def test_an_altered_blob_is_named_as_such(store: ArtifactStore, tmp_path: Path, altered: bytes) -> None:
    """Other bytes under a digest are never handed out, and no retry is suggested."""
    store.put(DATA)
    blob(tmp_path).write_bytes(altered)
    with pytest.raises(AlteredArtifact) as caught:
        store.get(DIGEST)
    assert hashlib.sha256(altered).hexdigest() == caught.value.context["found"]
    assert isinstance(caught.value, PoisonError)


def test_another_length_than_published_is_altered(store: ArtifactStore) -> None:
    """The length that was published is checked too."""
    with pytest.raises(AlteredArtifact):
        store.get(store.put(DATA).digest, len(DATA) + 1)


def test_an_altered_blob_is_repaired_by_its_content(store: ArtifactStore, tmp_path: Path) -> None:
    """Putting the right content again replaces an altered blob."""
    store.put(DATA)
    blob(tmp_path).write_bytes(b"another")
    store.put(DATA)
    assert DATA == store.get(DIGEST)


def test_uris_name_no_machine(store: ArtifactStore, tmp_path: Path) -> None:
    """A published URI holds the digest alone and leads back to it."""
    uri = store.put(DATA).uri
    assert f"artifact:sha256/{DIGEST}" == uri
    assert str(tmp_path) not in uri
    assert DIGEST == digest_of(uri)


@pytest.mark.parametrize(
    "digest", ["", "../../etc/passwd", DIGEST.upper(), DIGEST[:-1], DIGEST + "0", DIGEST + "\n"]
)
def test_a_digest_from_outside_never_becomes_another_path(store: ArtifactStore, digest: str) -> None:
    """Only 64 lower-case hex digits name a blob."""
    with pytest.raises(InvalidReference):
        store.get(digest)
    with pytest.raises(InvalidReference):
        uri_of(digest)


def test_a_uri_of_another_kind_is_refused() -> None:
    """A path or a web address is no artifact."""
    with pytest.raises(InvalidReference):
        digest_of(f"file:///tmp/{DIGEST}")


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
