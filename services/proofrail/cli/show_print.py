"""A run and its spans for a person."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from proofrail.cairo.program import SourceLocation
from proofrail.cairo.source import SourceFiles
from proofrail.cli.show_source import RunSource
from proofrail.cli.show_tree import Folded, Span, Summary
from proofrail.cli.show_values import (
    SHOWN_VALUES,
    bytes_text,
    count_text,
    felts_of,
    felts_text,
    inputs_text,
    signature_of,
)
from proofrail.cli.terminal import SafeConsole

_LIBRARY: Final = "starkware"
"""Begins the names of Cairo's own library."""


def console() -> Console:
    return SafeConsole(file=sys.stdout, highlight=False)


def print_run(
    run: RunSource, summary: Summary, spans: list[Span | Folded], sources: SourceFiles, *, whole: bool
) -> None:
    """Header, failure, tree; `whole` cuts no values."""
    out = console()
    print_failure(out, run, summary.innermost_failure, sources)
    out.print(facts_table(header(run, summary)))
    if run.program_note:
        out.print(Text(f"note: {run.program_note}", style="italic"))
    out.print()
    for root in spans:
        tree = Tree(_label(root, run, whole), guide_style="dim")
        _grow(tree, root, run, whole)
        out.print(tree)


def header(run: RunSource, summary: Summary) -> list[tuple[str, str]]:
    """What is said of the whole run, in words."""
    start, end, seal = run.start, summary.end or {}, run.seal
    program: Any = start["program"] if isinstance(start.get("program"), dict) else {}
    outcome = end.get("outcome", "not ended")
    # A run of another backend has no steps: 0 would look as if they had been counted.
    steps = f"{count_text(end.get('n_steps'))} steps, " if run.backend == "cairo" else ""
    unit = "felts" if run.backend == "cairo" else "values"
    rows = [
        ("run", str(start.get("run_id", "?"))),
        ("program", f"{program.get('backend', '?')} {program.get('method_id', '?')}"),
        ("layout", f"{start.get('layout', '?')}, spans {start.get('spans', '?')}"),
        ("inputs", inputs_text(run)),
        ("outcome", f"{outcome}, {steps}{summary.spans:,} spans"),
        ("output", f"{count_text(end.get('output_count'))} {unit}, sha256 {end.get('output_sha256', '?')}"),
    ]
    if seal is not None:
        parts = f"{count_text(seal.get('items'))} items, root {seal.get('root', '?')}"
        rows.append(("commitment", parts))
        rows.append(("checkpoint", "signed; not verified here" if "checkpoint" in seal else "none"))
    else:
        rows.append(("commitment", "not at hand"))
    if isinstance(start.get("label"), str):
        rows.append(("label", start["label"]))
    return rows


def print_failure(out: Console, run: RunSource, failed: Span | None, sources: SourceFiles) -> None:
    """The error of a failed run, before all else; nothing for any other run."""
    if failed is None or failed.error is None:
        return
    out.print(Text(f"FAILED  {failed.error.get('message', 'no message')}", style="bold red"))
    rows = [("code", str(failed.error.get("code", "none")))]
    if failed.path:
        rows.append(("span", failed.path))
    location = str(failed.error.get("message", "")).rpartition(" at ")[2]
    file, colon, line = location.rpartition(":")
    if colon and line.isdigit() and (text := sources.line(file, int(line))) is not None:
        rows.append(("source", f"{line} | {text.strip()}"))
    if failed.detail:
        rows.append(("the VM said", failed.detail.strip()))
    out.print(facts_table(rows))
    next_steps = [f"`proofrail explain {failed.error['code']}`"] if failed.error.get("code") else []
    if run.program is not None and run.inputs is not None:
        next_steps.insert(0, f"`proofrail show {run.name} --at last`")
    if next_steps:
        out.print(Text(f"  next: {', '.join(next_steps)}", style="dim"))
    out.print()


def facts_table(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Name and value pairs, the values folded where they must be."""
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(name), Text(value) if isinstance(value, str) else value)
    return table


def place_text(location: SourceLocation | None) -> str:
    """File and line, the file as short as it can be told: below the current folder, or in Cairo's own library."""
    return "" if location is None else f"{_short_file(location.file)}:{location.line}"


def _short_file(file: str) -> str:
    path = Path(file)
    if not path.is_absolute():
        return file
    if _LIBRARY in path.parts:
        return str(Path(*path.parts[path.parts.index(_LIBRARY) :]))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def counted(count: int, what: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _grow(tree: Tree, root: Span | Folded, run: RunSource, whole: bool) -> None:
    # Not by recursion: --all shows runs deeper than Python's own stack.
    waiting = [(tree, root)]
    while waiting:
        branch, span = waiting.pop()
        if isinstance(span, Folded):
            continue
        waiting += [(branch.add(_label(child, run, whole)), child) for child in span.children]
        if span.below:
            branch.add(Text(f"… {counted(span.below, 'deeper span')}", style="dim italic"))


def _label(span: Span | Folded, run: RunSource, whole: bool) -> Text:
    if isinstance(span, Folded):
        return Text(f"… {span.count:,} more, {counted(span.cycles, 'step')}", style="dim italic")
    text = Text()
    index = "" if span.iteration is None else f"[{span.iteration}]"
    text.append(span.name + index, style="bold")
    text.append("(")
    felts = felts_of(span, run)
    most = None if whole else SHOWN_VALUES
    if felts is None:
        text.append(bytes_text(span.input_bytes, run, short=not whole))
    else:
        text.append(felts_text(felts[0], most, short=not whole))
    text.append(")")
    output = felts[1] if felts is not None else None
    if output:
        text.append(" = ").append(felts_text(output, most, short=not whole))
    elif felts is None and span.output_bytes:
        text.append(" = ").append(bytes_text(span.output_bytes, run, short=not whole))
    text.append(_about(span, run), style="dim")
    if span.error is not None:
        text.append(f"  FAILED {span.error.get('code', '')}", style="bold red")
    elif not span.is_ended:
        text.append("  not ended", style="bold red")
    return text


def _about(span: Span, run: RunSource) -> str:
    parts: list[str] = []
    if span.cycles is not None:
        parts.append(counted(span.cycles, "step"))
    if span.first_step is not None:
        parts.append(f"from {span.first_step:,}" if parts else f"from step {span.first_step:,}")
    said = " ".join(parts)
    signature = signature_of(span, run) if span.iteration is None else None
    place = place_text(run.program.location(signature.entry)) if run.program and signature else ""
    proven = ", ".join(f"{name} {_brief(value)}" for name, value in span.proven.items())
    found = ", ".join(part for part in (said, place, proven) if part)
    return f"  {found}" if found else ""


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:16]}…"
