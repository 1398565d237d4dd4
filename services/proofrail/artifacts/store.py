"""Content-addressed blobs (proofs, evidence) on any file system or object store that fsspec knows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from proofrail.artifacts.errors import AlteredArtifact, MissingArtifact, StoreUnavailable
from proofrail.artifacts.reference import Ref, checked_digest
from proofrail.wire.shown_url import shown_url

MAX_BYTES = 256 << 20
"""Longest blob read: the store is not trusted to be sane."""


class ArtifactStore:
    """The store at an fsspec URL (`file:///…`, `memory://…`, or `s3://BUCKET/PREFIX` with the extra `s3`).

    A blob lies at `sha256/<first two hex digits>/<digest>`. What is read is checked against its name each
    time; nothing is ever changed in place. An S3 store is reached as AWS's own tools reach it: AWS_ENDPOINT_URL,
    AWS_ACCESS_KEY_ID, … or the files and services that stand for them; its bucket must exist.
    """

    def __init__(self, url: str) -> None:
        try:
            # What others put there meanwhile is no business of a cache.
            filesystem, root = fsspec.core.url_to_fs(url, use_listings_cache=False)  # type: ignore[no-untyped-call]
        except (ValueError, ImportError, OSError) as error:
            raise StoreUnavailable(
                "artifact-store-unavailable",
                f"{shown_url(url)!r} is no artifact store: {_said(error)}",
                "Give an fsspec URL such as file:///var/lib/proofrail/artifacts, or s3://bucket/prefix after "
                "`pip install 'proofrail[s3]'`",
            ) from error
        self._fs: Any = filesystem
        self._root = str(root).rstrip("/")
        self._is_local = isinstance(filesystem, LocalFileSystem)

    def put(self, data: bytes) -> Ref:
        """Store `data`; storing the same again changes nothing. Readers see all of it or nothing.

        Raises StoreUnavailable.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        with _reaching():
            if not self._holds(path, data):
                self._write(path, data)
        return Ref(digest=digest, size=len(data))

    def get(self, digest: str, size: int | None = None) -> bytes:
        """The blob of `digest`, of `size` bytes where given.

        Raises MissingArtifact, AlteredArtifact, StoreUnavailable, InvalidReference.
        """
        path = self._path(digest)
        with _reaching():
            try:
                data: bytes = self._fs.cat_file(path, start=0, end=MAX_BYTES + 1)
            except FileNotFoundError as error:
                if not self._is_local and not self._fs.exists(self._root.partition("/")[0]):
                    raise  # an S3 store without its bucket lacks more than a blob
                raise MissingArtifact(
                    "artifact-missing", f"the store has no blob {digest}", digest=digest
                ) from error
        self._check(data, digest, size)
        return data

    def has(self, digest: str) -> bool:
        """Whether a blob of this name is there; what is in it, only `get` tells.

        Raises StoreUnavailable, InvalidReference.
        """
        path = self._path(digest)
        with _reaching():
            return bool(self._fs.exists(path))

    @staticmethod
    def _check(data: bytes, digest: str, size: int | None) -> None:
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise AlteredArtifact(
                "artifact-altered",
                f"the store's blob {digest} has the digest {found}",
                digest=digest,
                found=found,
                size=len(data),
            )
        if size is not None and len(data) != size:
            raise AlteredArtifact(
                "artifact-altered",
                f"the blob {digest} has {len(data)} bytes, {size} were published",
                digest=digest,
                found=found,
                size=len(data),
            )

    def _holds(self, path: str, data: bytes) -> bool:
        """An altered blob is written again: its right content is at hand."""
        if not self._fs.exists(path):
            return False
        return bool(self._fs.cat_file(path, start=0, end=len(data) + 1) == data)

    def _write(self, path: str, data: bytes) -> None:
        if not self._is_local:
            self._fs.pipe_file(path, data)  # an object is there as a whole, or not at all
            return
        scratch = f"{path}.{uuid.uuid4().hex}.part"
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        try:
            with self._fs.open(scratch, "wb") as file:
                file.write(data)
                _flush(file)
            self._fs.mv(scratch, path)
            for folder in (Path(path).parent, Path(path).parents[1]):
                _flush_folder(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                self._fs.rm(scratch)
            raise

    def _path(self, digest: str) -> str:
        digest = checked_digest(digest)
        return f"{self._root}/sha256/{digest[:2]}/{digest}"


def _flush(file: Any) -> None:
    """To the disk, where there is one: a proof is published as soon as it is stored."""
    file.flush()
    with contextlib.suppress(AttributeError, OSError):
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """The blob's name, too: without it the content is lost in a power cut."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """Whatever the store's library says of what stands in its way becomes StoreUnavailable."""
    botocore: Any = sys.modules.get("botocore.exceptions")  # there once a store of S3 is used
    failures = (OSError, botocore.BotoCoreError) if botocore else (OSError,)
    try:
        yield
    except failures as error:
        raise StoreUnavailable(
            "artifact-store-unavailable",
            f"the artifact store cannot be used: {_said(error)}",
            "Check the store's URL, space and permissions, and that it can be reached",
        ) from error


def _said(error: Exception) -> str:
    """Of what can be reached over a network nothing but the kind: clients quote the URL, with what is secret in it."""
    if isinstance(error, ValueError | ImportError):
        return str(error)
    return getattr(error, "strerror", None) or type(error).__name__
