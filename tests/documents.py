"""What README.md and the other documents show a reader: commands to type, what they print, forms of commands, files.

The convention of the documents: an indented block is for the shell. With `$` before its commands it is a transcript,
and the other lines are what they print (`…` for what is left out); without, each line is a command. `# exit status N`
says that a command ends so, `# until Ctrl-C` that it does not end. Inline code that begins with the name of a program
is a form: brackets and capitals stand for what the reader chooses. A fenced block is of the language it names; where
"Say `NAME` is" stands before it, the reader writes it into that file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from proofrail.cli.application import app

ROOT: Final = Path(__file__).parents[1]
MANUAL: Final = ("README.md", *sorted(str(one.relative_to(ROOT)) for one in (ROOT / "docs").glob("*.md")))
"""What a reader follows, README.md first."""
DEPLOYMENT: Final = tuple(sorted(str(one.relative_to(ROOT)) for one in (ROOT / "deploy").rglob("*.md")))
DOCUMENTS: Final = (*MANUAL, "CONTRIBUTING.md", *DEPLOYMENT)
PROGRAMS: Final = frozenset(
    {"proofrail", "make", "python", "pip", "cargo", "docker", "kubectl", "apt-get", "git", "curl"}
)
"""Inline code that begins with one of these is a command."""

_FENCED = re.compile(r"^```(\w*)\n([\s\S]*?)^```$", re.MULTILINE)
_BLOCK = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_WRITTEN = re.compile(r"Say `([^`]+)` is[^`]*\Z")
_EXIT = re.compile(r"#.*\bexit status (\d+)")
_ENDLESS = "# until Ctrl-C"
_OURS = re.compile(r"(?:^|(?<!from)(?<!--namespace)[\s(`/|;&])proofrail ((?:[^`|;&>#\n])+)")
_ADDRESS = re.compile(r"(?<!`)http://127\.0\.0\.1:\d+[^\s;,`)]*")
_SETTING = re.compile(r"^(?:[A-Z_]+=\S* )+")
_OPTION = re.compile(r"--?[a-zA-Z][a-z-]*")
_COMMANDS: Any = typer.main.get_command(app)


@dataclass(frozen=True)
class Step:
    """One command that the reader types, with what it then shows."""

    document: str
    section: str
    line: int
    command: str
    shown: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        found = _EXIT.search(self.command)
        return int(found.group(1)) if found else 0

    @property
    def endless(self) -> bool:
        return _ENDLESS in self.command

    @property
    def bare(self) -> str:
        """Without the remark behind it."""
        return re.split(r"\s+#\s", self.command)[0].strip()


@dataclass(frozen=True)
class File:
    """What the reader writes into a file."""

    document: str
    section: str
    line: int
    name: str
    text: str


@dataclass(frozen=True)
class Call:
    """A call of a program, as far as one can stand for another: its command and options, not their values."""

    command: tuple[str, ...]
    options: frozenset[str]

    def covers(self, other: Call) -> bool:
        return self.command == other.command and other.options <= self.options


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def prose(document: str) -> str:
    """The text without its blocks."""
    return _BLOCK.sub("\n", _FENCED.sub("", text_of(document)))


def fenced(document: str, language: str) -> list[str]:
    """The blocks in that language."""
    return [body for named, body in _FENCED.findall(text_of(document)) if named == language]


def followed(document: str) -> list[Step | File]:
    """What the reader does, from top to bottom."""
    text = text_of(document)
    found: list[tuple[int, Step | File]] = []
    for match in _FENCED.finditer(text):
        if named := _WRITTEN.search(text[: match.start()]):
            file = File(document, *_place(text, match.start()), named.group(1), match.group(2))
            found.append((match.start(), file))
    for match in _BLOCK.finditer(_FENCED.sub(lambda one: "\n" * one.group().count("\n"), text)):
        lines = match.group().splitlines()
        start = _offset(text, match)
        section, first = _place(text, start)
        found += [
            (start + number, Step(document, section, first + number, command, shown))
            for number, command, shown in _steps([line[4:] for line in lines])
        ]
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


def _offset(text: str, match: re.Match[str]) -> int:
    """Where a block stands in the text from which the fenced blocks were not taken."""
    line = match.string.count("\n", 0, match.start())
    return sum(len(one) for one in text.splitlines(keepends=True)[:line])


def _place(text: str, offset: int) -> tuple[str, int]:
    """The section, and the number of the line."""
    before = text[:offset]
    return (re.findall(r"^## (.+)$", before, re.MULTILINE) or [""])[-1], before.count("\n") + 1


def _steps(lines: list[str]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    transcript = any(line.startswith("$ ") for line in lines)
    number = 0
    while number < len(lines):
        first, command = number, lines[number].removeprefix("$ ")
        while command.endswith("\\"):
            number += 1
            command = command[:-1].rstrip() + " " + lines[number].strip()
        while command.startswith("for ") and not command.endswith("done"):
            number += 1
            command += "\n" + lines[number]
        number += 1
        shown = []
        while transcript and number < len(lines) and not lines[number].startswith("$ "):
            shown.append(lines[number])
            number += 1
        yield first, command, tuple(shown)


def addresses(document: str, section: str) -> list[str]:
    """Addresses of pages in the section's prose."""
    parts = re.split(r"^## ", prose(document), flags=re.MULTILINE)
    return [found for part in parts if part.startswith(section) for found in _ADDRESS.findall(part)]


def forms(document: str) -> Iterator[str]:
    """Commands in inline code. Within a cell of a table, what follows ` · ` stands for a sibling of the first: of
    `dlq list` · `show LETTER` the second is `dlq show LETTER`."""
    for line in re.sub(r"\n(?![\n|#]|- )", " ", prose(document)).splitlines():
        pieces = re.split(r"(?<!\\)\|", line) if line.startswith("|") else [line]
        for piece in pieces:
            yield from _forms(piece.replace("\\|", "|"))


def _forms(piece: str) -> Iterator[str]:
    before, end = "", 0
    for match in _INLINE.finditer(piece):
        form = _SETTING.sub("", match.group(1))
        if before and piece[end : match.start()] == " · ":
            words = before.split()
            depth = len(call(before).command)
            form = form if form.split()[0] in PROGRAMS else " ".join([*words[: depth - 1], form])
        before, end = "", match.end()
        if form.split()[0] in PROGRAMS and " " in form:
            before = form
            yield form


def call(line: str) -> Call:
    """What a command line calls. Of another program than ours all words count, of `make` its target alone."""
    found = words(line)
    if found[0] == "make":
        return Call(tuple(found[:2]), frozenset())
    if found[0] != "proofrail":
        return Call(tuple(found), frozenset())
    command, rest = _COMMANDS, found[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    named = found[: len(found) - len(rest)]
    return Call(tuple(named), frozenset(word.partition("=")[0] for word in rest if _OPTION.match(word)))


def unknown(line: str) -> list[str]:
    """What in a call of ours the program does not know: a command, or an option of it."""
    named, command = call(line), _COMMANDS
    for word in named.command[1:]:
        command = command.commands[word]
    if hasattr(command, "commands") and not command.invoke_without_command:
        return words(line)[len(named.command) :][:1]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return sorted(named.options - known - {"--help"})


def calls_of_ours(line: str) -> Iterator[str]:
    """The calls of `proofrail` in a line of shell, each as `proofrail …`."""
    for match in _OURS.finditer(line.replace("\\\n", " ")):
        yield f"proofrail {match.group(1).strip()}"


def words(line: str) -> list[str]:
    """The words of a command, without what marks its form."""
    plain = re.sub(r"[\[\]()]", " ", re.sub(r"\s#\s.*", "", line)).replace("…", " ").replace("|", " | ")
    return shlex.split(plain)
