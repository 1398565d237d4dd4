"""The build step without a build: patches, stamps, and errors that say what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proofrail.proving import build, locate, patches, toolchain
from proofrail.proving.patches import Patch, PatchError, Replacement
from proofrail.proving.toolchain import BuildError, Toolchain

PATCH = Patch("a-crate", "1.0.0", (Replacement("src/lib.rs", "old()", "new()"),))
TOOLS = Toolchain(cargo="cargo", rustc_version="1.95", cpu_features="avx")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "cache" / "a-crate-1.0.0"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "lib.rs").write_text("fn f() { old() }\n")
    (folder / "Cargo.toml").write_text("[package]\n")
    return folder


def test_a_patch_changes_a_copy(source: Path, tmp_path: Path) -> None:
    """The copy has the new text and everything else; the original stays as it is."""
    target = patches.apply(PATCH, source, tmp_path)
    assert "fn f() { new() }\n" == (target / "src" / "lib.rs").read_text()
    assert "[package]\n" == (target / "Cargo.toml").read_text()
    assert "fn f() { old() }\n" == (source / "src" / "lib.rs").read_text()


def test_a_current_copy_is_left_alone(source: Path, tmp_path: Path) -> None:
    """A second application touches nothing, so that nothing is compiled again."""
    target = patches.apply(PATCH, source, tmp_path)
    before = (target / "src" / "lib.rs").stat().st_mtime_ns
    patches.apply(PATCH, source, tmp_path)
    assert before == (target / "src" / "lib.rs").stat().st_mtime_ns


def test_a_stale_copy_is_made_again(source: Path, tmp_path: Path) -> None:
    """A copy of an older patch is replaced as a whole."""
    target = patches.apply(PATCH, source, tmp_path)
    (target / "src" / "lib.rs").write_text("something else")
    patches.apply(PATCH, source, tmp_path)
    assert "fn f() { new() }\n" == (target / "src" / "lib.rs").read_text()


@pytest.mark.parametrize("text", ["fn f() {}\n", "old() old()\n"])
def test_a_patch_that_does_not_fit_says_so(source: Path, tmp_path: Path, text: str) -> None:
    """A text that is missing or stands twice stops the build."""
    (source / "src" / "lib.rs").write_text(text)
    with pytest.raises(PatchError, match="not once"):
        patches.apply(PATCH, source, tmp_path)


def test_a_missing_file_says_so(source: Path, tmp_path: Path) -> None:
    """A file that the crate no longer has stops the build too."""
    (source / "src" / "lib.rs").unlink()
    with pytest.raises(PatchError, match=r"src/lib\.rs"):
        patches.apply(PATCH, source, tmp_path)


def test_two_patches_of_a_file_add_up(source: Path, tmp_path: Path) -> None:
    """Several replacements of one file are all made."""
    both = replace(PATCH, replacements=(*PATCH.replacements, Replacement("src/lib.rs", "fn f", "fn g")))
    target = patches.apply(both, source, tmp_path)
    assert "fn g() { new() }\n" == (target / "src" / "lib.rs").read_text()


def test_the_stamp_depends_on_everything(tmp_path: Path) -> None:
    """Sources, compiler, CPU and settings each change the stamp; nothing else does."""
    source = tmp_path / "main.rs"
    source.write_text("fn main() {}")
    before = toolchain.stamp(TOOLS, [source], ["native"])
    assert before == toolchain.stamp(TOOLS, [source], ["native"])
    stamps = {
        before,
        toolchain.stamp(replace(TOOLS, rustc_version="1.96"), [source], ["native"]),
        toolchain.stamp(replace(TOOLS, cpu_features="sse"), [source], ["native"]),
        toolchain.stamp(TOOLS, [source], ["x86-64-v3"]),
    }
    source.write_text("fn main() { }")
    stamps.add(toolchain.stamp(TOOLS, [source], ["native"]))
    assert 5 == len(stamps)


def test_a_missing_cargo_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a Rust toolchain the error names it and the way out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        toolchain.find("native")
    assert "cargo-missing" == caught.value.code
    assert "Install" in caught.value.next_step


def fake(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_an_old_cargo_is_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toolchain that is too old is refused by version, before minutes of compiling."""
    fake(tmp_path / "cargo", "echo cargo 1.70.0")
    fake(tmp_path / "rustc", "echo rustc")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as caught:
        toolchain.find("native")
    assert "cargo-too-old" == caught.value.code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("error: failed to download from the registry", "no-network"),
        ("  Could not resolve host: index", "no-network"),
        ("error: No space left on device (os error 28)", "disk-full"),
        ("  process didn't exit successfully (signal: 9, SIGKILL: kill)", "build-failed"),
        ("error[E0599]: no method named `x`", "build-failed"),
    ],
)
def test_what_cargo_says_is_classified(line: str, code: str) -> None:
    """The cause that a user can do something about is named."""
    assert code == build._classified(["   Compiling a", line]).code


def test_a_program_of_another_cpu_is_explained(tmp_path: Path) -> None:
    """An illegal instruction is told apart from a broken program."""
    program = tmp_path / "prover"
    fake(program, "kill -ILL $$")
    with pytest.raises(BuildError) as caught:
        build.check(program)
    assert "another CPU" in caught.value.message


def test_a_program_that_fails_is_reported(tmp_path: Path) -> None:
    """A program that does not answer is not installed."""
    program = tmp_path / "prover"
    fake(program, "echo broken >&2; exit 1")
    with pytest.raises(BuildError, match="broken"):
        build.check(program)


def test_the_environment_names_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program named in the environment goes before all others."""
    monkeypatch.setenv(locate.ENVIRONMENT, str(tmp_path / "elsewhere"))
    assert tmp_path / "elsewhere" == locate.find()
