"""What the documents say is there: commands and their options, targets of make, files, settings. That the manual's
commands do what it says is for tests/e2e/test_readme.py."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests import documents
from tests.documents import DOCUMENTS, MANUAL, ROOT, Step

from proofrail.cli.settings_known import known_variables

_FILE = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*|[\w*-]+\.[a-z]+)`")
_HOUSES = ("", "services/proofrail/", "services/", "tests/", "schemas/", "services/proofrail/proving/")
"""Where a file that CONTRIBUTING.md names without its folder may lie: beside the one before it, or in one of these."""


def _lines(document: str) -> Iterator[str]:
    yield from documents.forms(document)
    if document != "CONTRIBUTING.md":
        yield from (one.command for one in documents.followed(document) if isinstance(one, Step))


def _ours() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for line in _lines(document):
            yield from ((document, found) for found in documents.calls_of_ours(line))


@pytest.mark.parametrize(("document", "line"), sorted(set(_ours())))
def test_every_command_that_is_shown_exists_with_its_options(document: str, line: str) -> None:
    """A reader types what stands there; brackets and capitals stand for what he chooses."""
    assert [] == documents.unknown(line)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_target_of_make_exists(document: str) -> None:
    """`make X` stands for a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for line in _lines(document) for name in re.findall(r"^ *make ([a-z-]+)", line)}
    assert set() == named - targets


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_to_a_file(document: str) -> None:
    """Links within the repository."""
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", documents.prose(document))
    assert [] == [link for link in links if not ((ROOT / document).parent / link).exists()]


@pytest.mark.parametrize("document", sorted({*DOCUMENTS} - {"CONTRIBUTING.md"}))
def test_every_setting_is_read(document: str) -> None:
    """A variable that is named is one that some part reads; `…_NAME` goes on from the one before it."""
    named = set(re.findall(r"\bPROOFRAIL_[A-Z0-9_]*[A-Z0-9]\b(?!_)", documents.text_of(document)))
    assert set() == named - known_variables()


def test_every_page_of_the_manual_is_led_to() -> None:
    """README.md links each of the others."""
    links = re.findall(r"\]\(([^)#]+)", documents.prose("README.md"))
    assert set() == {*MANUAL, *DOCUMENTS} - {"README.md", *links}


def _python() -> Iterator[str]:
    for document in MANUAL:
        yield from documents.fenced(document, "python")


@pytest.mark.parametrize("block", list(_python()))
def test_python_in_the_manual_is_executed(block: str) -> None:
    """It is an introduction to tracing, which tests/unit/test_tracing_example.py runs, or a part of an example, which
    tests/e2e/test_examples.py does."""
    lines = {line for path in (ROOT / "examples").glob("*.py") for line in path.read_text().splitlines()}
    assert "proofrail.tracing" in block or {*block.splitlines()} <= lines


def _files_named(document: str) -> Iterator[tuple[str, bool]]:
    """Each file or folder in code, and whether it is there: named in full, from one of the houses, or beside the one
    before it on the line."""
    for line in documents.text_of(document).splitlines():
        beside = ""
        for name in _FILE.findall(line):
            bases = [base for base in (beside, *_HOUSES) if any(ROOT.glob(f"{base}{name}".rstrip("/")))]
            yield name, bool(bases)
            beside = (
                f"{bases[0]}{name}".rpartition("/")[0] + "/" if bases and "/" in f"{bases[0]}{name}" else ""
            )


def test_the_map_of_the_house_is_true() -> None:
    """Every file and folder that CONTRIBUTING.md names is there."""
    named = list(_files_named("CONTRIBUTING.md"))
    assert 60 < len(named)
    assert [] == [name for name, there in named if not there]


def test_every_package_stands_on_the_map() -> None:
    """With what it holds."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", documents.text_of("CONTRIBUTING.md"), re.MULTILINE)
    packages = {path.parent.name for path in (ROOT / "services" / "proofrail").glob("*/__init__.py")}
    assert packages == {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_no_document_speaks_of_one_machine() -> None:
    """Nor of the folders of whoever wrote it."""
    for document in DOCUMENTS:
        assert [] == re.findall(r"(?:/work|/root|/home)/\S*", documents.text_of(document))
