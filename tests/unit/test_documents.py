"""What README.md and CONTRIBUTING.md say is there: commands and their options, settings, targets of make, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from proofrail.cli.main import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "deploy/kubernetes/README.md"]
CODE = re.compile(r"^```[a-z]*\n[\s\S]*?^```$|(?:^ {4}.*\n)+|`[^`\n]+`", re.MULTILINE)
COMMANDS: Any = typer.main.get_command(app)
COMMAND = re.compile(r"(?:^|(?<!from)[\s(`/|;])proofrail ((?:[^`\n|;&>]|\\\n)+)")


def pieces(document: str) -> Iterator[str]:
    """Each piece of code in the document."""
    for match in CODE.finditer((ROOT / document).read_text()):
        yield match.group().strip("`")


def commands() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for piece in pieces(document):
            joined = piece.replace("\\\n", " ").replace("\\|", " ")  # in a table, between what may be chosen
            for match in COMMAND.finditer(joined):
                yield document, match.group(1).strip()


def missing(words: list[str]) -> list[str]:
    """What in a command line of ours the program does not know: a command, or an option of it."""
    command = COMMANDS
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return words[:1]
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return [
        word for word in words if word.startswith("--") and word.partition("=")[0] not in {*known, "--help"}
    ]


@pytest.mark.parametrize(("document", "line"), sorted(set(commands())))
def test_every_command_that_is_shown_exists_with_its_options(document: str, line: str) -> None:
    """A reader types what stands there; brackets and capitals stand for what he chooses."""
    plain = re.sub(r"[\[\]()]", " ", line.split(" #")[0]).replace("…", "").replace("·", "")
    if words := shlex.split(plain):
        assert [] == missing(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_exists(document: str) -> None:
    """`make X` stands for a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name for piece in pieces(document) for name in re.findall(r"^ *make ([a-z-]+)", piece, re.MULTILINE)
    }
    assert set() == named - targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    """Links within the repository."""
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / document).read_text())
    assert [] == [link for link in links if not ((ROOT / document).parent / link).exists()]
