"""An audit report for a person."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from proofrail.cli.terminal import SafeConsole
from proofrail.wire.messages import AuditReport

_COLOURS: Final = {"MATCH": "green", "MISMATCH": "red", "INDETERMINATE": "yellow"}
_SAID_ABOVE: Final = frozenset({"kind", "message"})
_AFTER: Final = "after-mismatch"


def print_report(report: AuditReport) -> None:
    """Verdict first, then what differs or is missing, then what was checked."""
    console = SafeConsole(file=sys.stdout, highlight=False)
    colour = _COLOURS[report.verdict]
    console.print(f"[bold {colour}]{report.verdict}[/]  {report.subject} {escape(report.run_id)}")
    if report.first_mismatch is not None:
        found = report.first_mismatch.to_object()
        console.print(f"\n[bold]{escape(found['kind'])}[/]: {escape(str(found.get('message', '')))}")
        console.print(_table({n: v for n, v in found.items() if n not in _SAID_ABOVE}))
        console.print(f"[dim]more: proofrail explain {escape(found.get('code', found['kind']))}[/]")
    if report.evidence is not None:
        console.print(f"\nevidence: {escape(report.evidence.uri)} (SHA-256 {report.evidence.digest})")
    open_parts = [part for part in report.unchecked if part.code != _AFTER]
    if report.verdict == "INDETERMINATE" or open_parts:
        console.print("\n[bold]not checked[/]")
        console.print(_table({part.part: f"{part.message} ({part.code})" for part in open_parts}))
    skipped = [part.part for part in report.unchecked if part.code == _AFTER]
    if skipped:
        console.print(f"\nnot reached: {', '.join(skipped)}")
    if report.checked:
        console.print(f"\nchecked: {', '.join(report.checked)}")


def _table(members: dict[str, Any]) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in members.items():
        table.add_row(escape(name), escape(_text(value)))
    return table


def _text(value: Any) -> str:
    """Registers and the like as names and values; what is deeper as JSON."""
    if isinstance(value, dict) and not any(isinstance(inner, dict | list) for inner in value.values()):
        return "  ".join(f"{name} {inner}" for name, inner in value.items())
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
