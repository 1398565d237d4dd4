"""The jars of the embedded broker: pinned coordinates, each file checked against its SHA-256.

jgo fetches them, but it only warns of a bad checksum and hands out truncated files from its cache, so
that everything it returns is checked here and thrown away when it is not what was pinned.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import resources
from pathlib import Path
from typing import Final

from proofrail.wire.errors import ProofrailError, UnusableInputError
from proofrail.wire.shown_url import shown_url

FOLDER_VARIABLE: Final = "PROOFRAIL_KAFKA_JARS"
REPOSITORY_VARIABLE: Final = "PROOFRAIL_MAVEN_REPOSITORY"

Progress = Callable[[int, int], None]
"""Called with (jars there, jars needed) as they come in."""

WAYS_OUT: Final = (
    "Name a running broker in PROOFRAIL_KAFKA_BOOTSTRAP, or a folder with Kafka's jars in "
    f"{FOLDER_VARIABLE} (the libs folder of an Apache Kafka 4.3.1 download will do), or a Maven mirror in "
    f"{REPOSITORY_VARIABLE}, or start a broker with `docker compose up kafka`"
)

_THREADS: Final = 8
_ATTEMPTS: Final = 3


def pinned() -> dict[str, str]:
    """SHA-256 (hex) by Maven coordinates `group:artifact:version`."""
    text = resources.files(__package__).joinpath("kafka_jars.json").read_text()
    found: dict[str, str] = json.loads(text)
    return found


def kafka_jars(cache_dir: Path, progress: Progress | None = None) -> list[Path]:
    """The class path of the broker, fetched into `cache_dir/jars` where it is not there yet.

    Raises ProofrailError `kafka-jars-missing` or `kafka-jar-altered` when they cannot be had, and
    UnusableInputError `kafka-jars-folder` when the folder in PROOFRAIL_KAFKA_JARS is not usable.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        return _from_folder(Path(folder))
    wanted = pinned()
    jars = cache_dir / "jars"
    jars.mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir / "jars.lock"):
        missing = {at: digest for at, digest in wanted.items() if not _intact(jars / _name(at), digest)}
        there = len(wanted) - len(missing)
        if missing and progress:
            progress(there, len(wanted))
        with ThreadPoolExecutor(_THREADS) as pool:
            jobs = [pool.submit(_fetch, at, digest, jars) for at, digest in missing.items()]
            try:
                for job in as_completed(jobs):
                    job.result()
                    there += 1
                    if progress:
                        progress(there, len(wanted))
            except BaseException:
                for job in jobs:
                    job.cancel()
                raise
    return [jars / _name(at) for at in wanted]


def _from_folder(folder: Path) -> list[Path]:
    """All jars of the folder. It is the operator's: other versions are taken, but a file that has the name
    of a pinned jar must be that jar."""
    jars = sorted(folder.glob("*.jar")) if folder.is_dir() else []
    if not any(jar.name.startswith("kafka_2.13-4.") for jar in jars):
        raise UnusableInputError(
            "kafka-jars-folder",
            f"{FOLDER_VARIABLE} names {folder}, which holds no kafka_2.13-4.*.jar",
            "Point it at the libs folder of an Apache Kafka 4 download",
        )
    digests = {_name(at): digest for at, digest in pinned().items()}
    for jar in jars:
        if jar.name in digests and not _intact(jar, digests[jar.name]):
            raise UnusableInputError(
                "kafka-jars-folder",
                f"{jar} is not the jar of that name: its SHA-256 is not {digests[jar.name]}",
                "Copy it again",
            )
    return jars


def _fetch(coordinates: str, digest: str, jars: Path) -> None:
    target = jars / _name(coordinates)
    said = ""
    for _ in range(_ATTEMPTS):
        target.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=jars.parent, prefix=".fetch-") as staging:
            try:
                found = _download(coordinates, Path(staging))
            except Exception as error:
                said = _without_login(f"{type(error).__name__}: {error}".splitlines()[0])
                continue
            if not _intact(found, digest):
                said = f"what was sent has SHA-256 {_sha256(found)}, pinned is {digest}"
                continue
            shutil.move(found, target)
            return
    altered = said.startswith("what was sent")
    raise ProofrailError(
        "kafka-jar-altered" if altered else "kafka-jars-missing",
        f"the embedded broker needs {coordinates}, and {_ATTEMPTS} attempts to fetch it failed ({said})",
        WAYS_OUT,
        coordinates=coordinates,
    )


def _download(coordinates: str, staging: Path) -> Path:
    from jgo.maven import MavenContext  # costs 0.2 s, and only a first start needs it

    group, artifact, version = coordinates.split(":")
    repository = os.environ.get(REPOSITORY_VARIABLE)
    remotes = {"configured": repository.rstrip("/")} if repository else None
    context = MavenContext(repo_cache=staging, remote_repos=remotes, timeout=30)
    logging.getLogger("jgo").setLevel(logging.ERROR)
    found: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    return found


def _without_login(text: str) -> str:
    repository = os.environ.get(REPOSITORY_VARIABLE, "").rstrip("/")
    return text.replace(repository, shown_url(repository)) if repository else text


def _name(coordinates: str) -> str:
    _, artifact, version = coordinates.split(":")
    return f"{artifact}-{version}.jar"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _intact(path: Path, digest: str) -> bool:
    return path.is_file() and _sha256(path) == digest


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two processes that start at once fetch the jars once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
