"""Source lines of packaged programs: the ones that ran, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from proofrail.cairo import packaged_source
from proofrail.cairo.decode import OWN_MODULE, ProgramNames
from proofrail.cairo.packaged_source import Excerpt, PackagedSource, source_of
from proofrail.cairo.risk_builds import BUILDS, BuildName
from proofrail.cairo.risk_program import packaged
from proofrail.wire.canonical import sha256_hex

ENGINE = "cairo/risk_engine.cairo"


def shown(found: Excerpt | str) -> Excerpt:
    assert isinstance(found, Excerpt), found
    return found


@pytest.mark.parametrize("build", list(BUILDS))
def test_every_function_of_a_program_is_found(build: BuildName) -> None:
    """The line that is shown for a span is the one on which its function begins, in both builds; functions of Cairo's
    library have none."""
    program = BUILDS[build].load()
    source = source_of(program.artifact_sha256)
    assert source is not None
    names = [one.full_name for one in ProgramNames(program.compiled).functions]
    ours = [name for name in names if not name.startswith("starkware.")]
    assert 5 < len(ours) < len(names)
    for name in ours:
        found = shown(source.function(f"main/walk[3]/{name}[12]", "all"))
        short = name.rpartition(".")[2]
        assert found.lines[found.line - found.first].lstrip().startswith(f"func {short}")
        assert (name, found.lines) == (found.function, shown(source.around(found.file, found.line)).lines)
        if name.startswith(OWN_MODULE):
            assert found.line == shown(source.function(f"main/{name.removeprefix(OWN_MODULE)}", "own")).line
    other = next(name for name in names if name not in ours)
    assert "no source of the program's own" in str(source.function(other, "all"))


def test_the_lines_around_one() -> None:
    """Three on either side, fewer at the file's ends."""
    source = source_of(BUILDS["risk_engine"].load().artifact_sha256)
    assert source is not None
    lines = packaged("risk_engine.cairo").read_text().splitlines()
    found = shown(source.around(ENGINE, 120))
    assert (ENGINE, 120, 117, tuple(lines[116:123])) == (found.file, found.line, found.first, found.lines)
    assert tuple(lines[:4]) == shown(source.around(ENGINE, 1)).lines
    assert tuple(lines[-4:]) == shown(source.around(ENGINE, len(lines))).lines
    assert f"no line {len(lines) + 1}" in str(source.around(ENGINE, len(lines) + 1))


def test_what_is_not_the_source_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another digest, of Cairo's library, of no name, and a line that is not there are answered in words; a
    program that is not packaged has no sources."""
    program = BUILDS["risk_engine"].load()
    digest = sha256_hex(packaged("risk_engine.cairo").read_bytes())
    monkeypatch.setattr(packaged_source, "packaged", lambda name: tmp_path / name)
    source = PackagedSource(program, {ENGINE: digest, "cairo/gone.cairo": digest})
    (tmp_path / "risk_engine.cairo").write_text("// another\n" * 1000)
    for file, line, said in (
        (ENGINE, 3, "not as it was when the program was compiled"),
        ("cairo/gone.cairo", 3, "the package does not have"),
        ("starkware/cairo/common/alloc.cairo", 3, "no source of the program's own"),
        ("../../etc/passwd", 1, "no source of the program's own"),
    ):
        assert said in str(source.around(file, line))
    assert "not as it was" in str(source.function("main", "own"))
    assert "no function nobody" in str(source.function("main/nobody[1]", "own"))
    assert source_of("0" * 64) is None
