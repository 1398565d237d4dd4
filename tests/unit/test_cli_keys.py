"""`proofrail keys`, and what counts as private."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from proofrail.cli.application import app
from proofrail.commitment.checkpoint import AUDITOR_KEY_NAME, Signer, parse_vkey
from proofrail.commitment.keyfile import is_private


def invoke(*words: object) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(app, ["keys", *map(str, words)])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """The private key is its owner's alone, the public one beside it is its own; a second call changes nothing."""
    out = tmp_path / "keys" / "auditor.key"
    status, (said,) = invoke("make", "auditor", "--out", out)
    assert (0, True) == (status, said["made"])
    assert 0o600 == out.stat().st_mode & 0o777
    assert Signer.parse(out.read_text()).vkey == said["vkey"] == out.with_suffix(".vkey").read_text().strip()
    assert AUDITOR_KEY_NAME == parse_vkey(said["vkey"])[0]
    before = out.read_bytes()
    assert (0, [{**said, "made": False}]) == invoke("make", "auditor", "--out", out)
    assert before == out.read_bytes()


def test_a_key_of_the_other_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    """A tracer's key file is no auditor's."""
    invoke("make", "tracer", "--out", tmp_path / "a.key")
    assert 2 == invoke("make", "auditor", "--out", tmp_path / "a.key")[0]


def test_public_keys_are_shown_with_their_id(tmp_path: Path) -> None:
    """The id is what stands in signatures; a private key is refused, and never shown."""
    _, (made,) = invoke("make", "tracer", "--out", tmp_path / "a.key")
    status, (shown,) = invoke("show", tmp_path / "a.vkey")
    assert (0, made["vkey"]) == (status, shown["vkey"])
    assert shown["id"] == made["vkey"].split("+")[1]
    assert (2, []) == invoke("show", tmp_path / "a.key")


@pytest.mark.parametrize(
    ("mode", "owner", "group", "private"),
    [
        (0o600, "us", "ours", True),
        (0o400, "us", "ours", True),
        (0o640, "us", "ours", False),
        (0o604, "us", "ours", False),
        (0o440, "root", "ours", True),
        (0o444, "root", "ours", False),
        (0o460, "root", "ours", False),
        (0o440, "root", "theirs", False),
        (0o440, "another", "ours", False),
    ],
)
def test_what_is_private(
    monkeypatch: pytest.MonkeyPatch, mode: int, owner: str, group: str, private: bool
) -> None:
    """The owner's alone; or a secret as container platforms mount it, root's, for a group of the process."""
    monkeypatch.setattr(os, "geteuid", lambda: 10001)
    monkeypatch.setattr(os, "getegid", lambda: 10001)
    monkeypatch.setattr(os, "getgroups", list)
    status: Any = SimpleNamespace(
        st_mode=0o100000 | mode,
        st_uid={"us": 10001, "root": 0, "another": 5}[owner],
        st_gid={"ours": 10001, "theirs": 7}[group],
    )
    assert private is is_private(status)
