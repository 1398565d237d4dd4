"""The manual as its reader follows it: each command in README.md and docs/ is executed, and shows what stands there.

One reader does it all, in order, from the first section to the last: a section alone lacks what those before it made.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests import documents
from tests.documents import MANUAL, ROOT, Call, File, Step
from tests.faults import processes
from tests.terminal import Terminal, terminal

from proofrail.cairo import cairo_lang
from proofrail.proving.stone import programs

SECONDS: Final = 240.0
DEPLOYMENT: Final = "deploy/kubernetes/README.md"

NOT_HERE: Final = {
    "make test": "this is a part of it",
    "make test-exhaustive": "half an hour; a seeded sample is a part of make test",
    "make bench": "minutes, and figures of an idle machine",
    "make cairo": "writes into the checkout; CI's make check compiles the same and compares",
    "cargo install": "another program, built from a registry",
    "pip install": "builds the native part again; with make the extras are there",
    "docker": "needs a Docker engine and images from elsewhere",
    "kubectl": "needs a cluster",
    "proofrail calibrate": "half a minute of CPU time, and keeps what a busy machine gives",
}
"""Commands that no test executes, by how they begin, and why."""

_PROVE_TESTS: Final = "tests/e2e/test_cli_prove.py"
_CHAIN_TEST: Final = "tests/integration/test_chain_deploy.py::test_the_contract_is_deployed_shown_and_asked"
ELSEWHERE: Final = {
    "proofrail demo --chain --integrity": "tests/e2e/test_demo_chain.py::test_a_proposal_ends_as_the_contracts_answer",
    "proofrail demo --proposals --json --keep": "tests/e2e/test_system_demo.py::kept",
    "proofrail up": "tests/e2e/test_system_demo.py::test_up_refuses_a_home_in_use",
    "proofrail chain deploy": _CHAIN_TEST,
    "proofrail chain deploy --fact-registry --network --node --wallet": _CHAIN_TEST,
    "proofrail chain show": _CHAIN_TEST,
    "proofrail chain decision": _CHAIN_TEST,
    "proofrail prove --backend --for": f"{_PROVE_TESTS}::test_what_cannot_be_is_refused_before_a_prover_is_looked_for",
    "python examples/risk_model_native.py": "tests/unit/test_tracing_example.py::test_the_example_runs",
    "python -m proofrail.messaging.metric_table": "Makefile::check",
}
"""Commands that others execute, with the options that count: where."""

INSTANCES: Final = (
    (
        "proofrail propose mine.ndjson --wait --json --auditor-key $PROOFRAIL_HOME/keys/auditor.vkey",
        0,
        '"allocation_id":"mine"',
    ),
    ("proofrail status", 0, "prover"),
    ("proofrail dlq list --open", 0, "proposal-out-of-range"),
    ("proofrail requeue e8dd", 1, "none of its proposals is given up now"),
    ("proofrail export e8dd --out run.ndjson", 0, "are in run.ndjson"),
    ("proofrail topics", 0, ""),
    ("proofrail keys --help", 0, "make"),
    ("proofrail keys show keys/tracer.vkey", 0, "proofrail-tracer"),
    ("proofrail commit run/events.ndjson --run-id e8dd5d33c5c0f03c6b9137543df1a3fa", 0, "5f4edb52c9f8b475"),
    ("proofrail show run --at 2000", 0, "assess_protocols"),
    ("proofrail diff run altered", 1, "recommend_shares[1]"),
    ("proofrail explain output_bytes", 0, "the function returned something else"),
    (
        "proofrail params --backend stone --steps 4096 --layout small --bits 96 --for size --all --pedersen 0",
        0,
        "queries",
    ),
    ("proofrail explorer --file run.ndjson   # until Ctrl-C", 0, "http://127.0.0.1:"),
)
"""Commands that stand in tables and prose alone, as somebody types them: exit status, what they show."""

STONE: Final = "proofrail prove pledge --backend stone"

_TOKEN: Final = re.compile(
    r"(?P<copied>127\.0\.0\.1:\d+|/\S*/proofrail-demo-\w+)"
    r"|(?P<free>[\d,]+(?:\.\d+)?(?= *(?:s|ms|kB|MB)\b))|(?P<any>…)|(?P<blank>\s+)"
)
"""Within a shown line: addresses and folders, which the reader copies; times and sizes of proofs; what is left out."""


def _pattern(line: str) -> re.Pattern[str]:
    """What a shown line stands for; a group for each thing that is copied."""
    found, end = "", 0
    for token in _TOKEN.finditer(line.strip()):
        found += re.escape(line.strip()[end : token.start()])
        shapes = {"copied": _shape(token.group()), "free": r"[\d.,]+", "any": ".*", "blank": r"\s*"}
        found += shapes[str(token.lastgroup)]
        end = token.end()
    return re.compile(found + re.escape(line.strip()[end:]))


def _shape(copied: str) -> str:
    return r"(127\.0\.0\.1:\d+)" if copied[0].isdigit() else r"(/\S*/proofrail-demo-\w+)"


def _copies(line: str) -> list[str]:
    return [token.group() for token in _TOKEN.finditer(line) if token.lastgroup == "copied"]


class Reader:
    """Who types what stands in the documents, in a folder like a fresh clone, and copies what was printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._copied: dict[str, str] = {}
        self._open: list[tuple[Step, Terminal]] = []
        self._terminals = ExitStack()
        self._state = folder.with_name(f"{folder.name}-state")
        self._state.mkdir()
        scratch = folder.with_name("scratch")
        scratch.mkdir()
        left_out = (
            "PROOFRAIL_HOME",
            "PROOFRAIL_KAFKA_BOOTSTRAP",
            "PROOFRAIL_CONFIG",
            "MAKEFLAGS",
            "MAKELEVEL",
        )
        self._env = {name: value for name, value in os.environ.items() if name not in left_out}
        programs_of_make = f"{folder / '.venv' / 'bin'}{os.pathsep}{self._env['PATH']}"
        self._env |= {"TMPDIR": str(scratch), "NO_COLOR": "1", "PATH": programs_of_make}
        (self._state / "env").write_text("")
        (self._state / "cwd").write_text(str(folder))

    @property
    def scratch(self) -> Path:
        return Path(self._env["TMPDIR"])

    def does(self, one: Step | File) -> None:
        """Raises AssertionError where the command ends otherwise or does not show what stands there."""
        if isinstance(one, File):
            (self.folder / one.name).write_text(one.text)
            return
        where = f"{one.document}:{one.line}: {one.command}"
        started = self._start(one.command, keep=one.endless)
        if one.endless:
            assert started.until(lambda said: not self._missing(one.shown, said), SECONDS), started.shown
            self._open.append((one, started))
        else:
            status = started.end(SECONDS)
            assert one.status == status, f"{where} ended with {status}:\n{started.shown}"
        missing = self._missing(one.shown, started.shown)
        assert not missing, f"{where}\ndid not show: {missing}\nbut:\n{started.shown}"
        self._copy(one.shown, started.shown)

    def goes_to(self, folder: Path) -> None:
        (self._state / "cwd").write_text(str(folder))

    def ends(self) -> list[tuple[str, int]]:
        """Ctrl-C in each terminal where something still runs, the last one first: commands and exit statuses."""
        found = []
        for step, started in reversed(self._open):
            started.interrupt()
            found.append((step.command, started.end(60)))
        self._open.clear()
        return found

    def close(self) -> None:
        """Nothing is left; where all went well only what was started here runs still."""
        self._terminals.close()
        left = processes.of_home(self.scratch)
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        asyncio.run(processes.gone(left, 60))

    def copied(self, text: str) -> str:
        """With the addresses and folders of this system for those that stand in the text."""
        return _TOKEN.sub(lambda token: self._copied.get(token.group(), token.group()), text)

    def _start(self, command: str, *, keep: bool) -> Terminal:
        script = (
            f'. {self._state}/env; cd "$(cat {self._state}/cwd)"\n{self.copied(command)}\nstatus=$?\n'
            + ("" if keep else f"export -p > {self._state}/env; pwd > {self._state}/cwd\n")
            + "exit $status\n"
        )
        file = self._state / f"{len(list(self._state.iterdir()))}.sh"
        file.write_text(script)
        return self._terminals.enter_context(terminal(["bash", str(file)], columns=200, env=self._env))

    @staticmethod
    def _missing(shown: tuple[str, ...], said: str) -> str | None:
        """The first line that does not come, behind those before it."""
        lines = iter(said.splitlines())
        for line in shown:
            if line.strip() not in ("", "…"):
                pattern = _pattern(line)
                if not any(pattern.fullmatch(one.strip()) for one in lines):
                    return line
        return None

    def _copy(self, shown: tuple[str, ...], said: str) -> None:
        for line in filter(_copies, shown):
            matches = (_pattern(line).fullmatch(one.strip()) for one in said.splitlines())
            self._copied.update(zip(_copies(line), next(filter(None, matches)).groups(), strict=True))


def _bare(command: str) -> str:
    return re.split(r"\s+#\s", command)[0]


def _calls(command: str) -> list[str]:
    """The calls in a line of shell that are to be executed: of ours, of make, of Python files and modules."""
    bare = _bare(command)
    if bare.startswith("make demo"):
        return ["make demo", f"proofrail demo {bare.partition('ARGS=')[2]}"]
    if bare.startswith(("make ", "python ")):
        return [bare]
    return list(documents.calls_of_ours(bare))


def _compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cairo-lang's environment, as `make cairo` and `make check` make it; set up now where it is not there."""
    if cairo_lang.is_ready(cairo_lang.IN_CHECKOUT):
        return cairo_lang.IN_CHECKOUT
    return cairo_lang.environment(tmp_path_factory.mktemp("cache") / "cairo-lang", lambda _: None)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """In a folder that leads to the checkout's files, with the environment that `make` made."""
    folder = tmp_path_factory.mktemp("readme") / "clone"
    (folder / ".venv").mkdir(parents=True)
    for name in ("cairo", "examples", "schemas", "services", "tests", "Makefile", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build").mkdir()
    (folder / "build" / "cairo-lang").symlink_to(_compiler(tmp_path_factory))
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    for stamp in (".tools", ".native"):
        (folder / ".venv" / stamp).touch()
    found = Reader(folder)
    try:
        yield found
    finally:
        found.close()


def _listed(command: str) -> str | None:
    """The entry of the tables above that stands for a command."""
    bare = _bare(command)
    for one in NOT_HERE:
        if re.search(rf"^\s*{one}(?!\S)", bare, re.MULTILINE):
            return one
    calls = [documents.call(one) for one in _calls(bare)]
    return next((one for one in ELSEWHERE if [documents.call(one)] == calls), None)


def _followed() -> Iterator[tuple[str, str]]:
    """Sections in order; what README.md begins with is said again in its tour."""
    for document in (*MANUAL, DEPLOYMENT):
        for section in dict.fromkeys(one.section for one in documents.followed(document)):
            if (document, section) != ("README.md", ""):
                yield document, section


@pytest.mark.kafka
@pytest.mark.prover
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("document", "section"), list(_followed()))
def test_what_a_section_shows_is_what_happens(reader: Reader, document: str, section: str) -> None:
    """Each command ends and prints as shown, each file is of use, and each address within it answers."""
    if document == DEPLOYMENT:
        reader.goes_to(reader.folder / Path(document).parent)
    for one in documents.followed(document):
        if one.section == section and not (isinstance(one, Step) and _listed(one.command)):
            reader.does(one)
    for address in documents.addresses(document, section):
        answer = httpx.get(reader.copied(address), timeout=30)
        assert (200, True) == (answer.status_code, "</html>" in answer.text), address


@pytest.mark.kafka
@pytest.mark.prover
@pytest.mark.slow
@pytest.mark.parametrize(("command", "status", "said"), INSTANCES)
def test_forms_of_commands_in_use(reader: Reader, command: str, status: int, said: str) -> None:
    """What stands in tables and prose alone, typed with values."""
    reader.goes_to(reader.folder)
    reader.does(
        Step("INSTANCES", "", 0, f"{command}  # exit status {status}", (f"…{said}…",) if said else ())
    )


@pytest.mark.stone
@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.skipif(
    any(programs.find(name) is None for name in (programs.PROVER, programs.VERIFIER)),
    reason="Stone's programs are not here",
)
def test_stone_proves_the_same_run(reader: Reader) -> None:
    """As docs/programs.md says of the program that its reader wrote."""
    if not (reader.folder / "pledge").is_dir():  # asked for alone, with none of the tests above
        for one in documents.followed("docs/programs.md"):
            if isinstance(one, File) or "pledge" in one.command or "inputs.json" in one.command:
                reader.does(one)
            if isinstance(one, Step) and one.command.startswith("proofrail prove"):
                break
    reader.does(Step("STONE", "", 0, STONE))


@pytest.mark.kafka
@pytest.mark.prover
@pytest.mark.slow
def test_what_was_started_ends_on_ctrl_c(reader: Reader) -> None:
    """Each service and the broker, with exit status 0."""
    ended = reader.ends()
    assert 6 < len(ended)
    assert [] == [one for one in ended if one[1] != 0]


def _shown() -> Iterator[str]:
    """Every command of the manual and of the documents on deployment."""
    for document in (*MANUAL, *documents.DEPLOYMENT):
        yield from documents.forms(document)
        yield from (one.command for one in documents.followed(document) if isinstance(one, Step))


def _executed() -> set[Call]:
    steps = [one for place in _followed() for one in documents.followed(place[0]) if one.section == place[1]]
    typed = [one.command for one in steps if isinstance(one, Step) and not _listed(one.command)]
    typed += [*(command for command, *_ in INSTANCES), STONE]
    return {documents.call(each) for one in typed for each in _calls(one)}


def test_every_command_is_executed_or_listed() -> None:
    """By this reader, or by the test that is named, or not at all for the reason given."""
    executed = _executed()
    left = {
        each
        for one in _shown()
        if not _listed(one)
        for each in _calls(one)
        if not any(done.covers(documents.call(each)) for done in executed)
    }
    assert set() == left


def test_no_list_is_longer_than_needed() -> None:
    """Each entry stands for a command that is shown, and so does each instance."""
    shown = list(_shown())
    assert set() == {*NOT_HERE, *ELSEWHERE} - {_listed(one) for one in shown}
    calls = {documents.call(each) for one in shown for each in _calls(one)}
    idle = [
        one
        for one, *_ in INSTANCES
        for each in _calls(one)
        if not any(documents.call(each).covers(c) for c in calls)
    ]
    assert [] == idle


@pytest.mark.parametrize(("command", "where"), ELSEWHERE.items())
def test_who_else_executes_a_command_is_there(command: str, where: str) -> None:
    """The test, or the target of make, and in its file each word of the command."""
    file, _, name = where.partition("::")
    text = (ROOT / file).read_text()
    assert re.search(rf"^(?:(?:async )?def {name}\(|{name}:)", text, re.MULTILINE), where
    assert [] == [word for word in documents.words(command)[1:] if Path(word).name not in text]


def test_named_benchmarks_exist() -> None:
    """Each word after `make bench ARGS=` selects one."""
    named = {word for one in _shown() for word in re.findall(r'make bench ARGS="?([a-z ]+)', one)}
    benches = [path.name for path in (ROOT / "tests" / "bench").glob("bench_*.py")]
    assert named
    assert [] == [word for one in named for word in one.split() if not any(word in name for name in benches)]
