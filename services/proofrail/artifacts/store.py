"""Content-addressed blobs (proofs, evidence) on any file system that fsspec knows."""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from typing import Any

import fsspec

from proofrail.artifacts.errors import AlteredArtifact, MissingArtifact, StoreUnavailable
from proofrail.artifacts.reference import Ref, checked_digest

MAX_BYTES = 256 << 20
"""Longest blob read: the store is not trusted to be sane."""


class ArtifactStore:
    """The store at an fsspec URL (`file:///…`, `memory://…`, `s3://…`).

    A blob lies at `sha256/<first two hex digits>/<digest>`. What is read is checked against its name each
    time; nothing is ever changed in place.
    """

    def __init__(self, url: str) -> None:
        try:
            filesystem, root = fsspec.core.url_to_fs(url)  # type: ignore[no-untyped-call]
        except (ValueError, ImportError, OSError) as error:
            raise StoreUnavailable(
                "artifact-store-unavailable",
                f"{url!r} is no artifact store: {error}",
                "Give an fsspec URL such as file:///var/lib/proofrail/artifacts",
            ) from error
        self._fs: Any = filesystem
        self._root = str(root).rstrip("/")

    def put(self, data: bytes) -> Ref:
        """Store `data`; storing the same again changes nothing. Readers see all of it or nothing.

        Raises StoreUnavailable.
        """
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        try:
            if not self._holds(path, data):
                self._write(path, data)
        except OSError as error:
            raise _unavailable(error) from error
        return Ref(digest=digest, size=len(data))

    def get(self, digest: str, size: int | None = None) -> bytes:
        """The blob of `digest`, of `size` bytes where given.

        Raises MissingArtifact, AlteredArtifact, StoreUnavailable, InvalidReference.
        """
        path = self._path(digest)
        try:
            with self._fs.open(path, "rb") as file:
                data: bytes = file.read(MAX_BYTES + 1)
        except FileNotFoundError as error:
            raise MissingArtifact(
                "artifact-missing", f"the store has no blob {digest}", digest=digest
            ) from error
        except OSError as error:
            raise _unavailable(error) from error
        self._check(data, digest, size)
        return data

    def has(self, digest: str) -> bool:
        """Whether a blob of this name is there; what is in it, only `get` tells.

        Raises StoreUnavailable, InvalidReference.
        """
        try:
            return bool(self._fs.exists(self._path(digest)))
        except OSError as error:
            raise _unavailable(error) from error

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
        with self._fs.open(path, "rb") as file:
            return bool(file.read(len(data) + 1) == data)

    def _write(self, path: str, data: bytes) -> None:
        scratch = f"{path}.{uuid.uuid4().hex}.part"
        self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        try:
            with self._fs.open(scratch, "wb") as file:
                file.write(data)
                _flush(file)
            self._fs.mv(scratch, path)
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


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        "artifact-store-unavailable",
        f"the artifact store cannot be used: {error.strerror or type(error).__name__}",
        "Check the store's URL, space and permissions",
    )
