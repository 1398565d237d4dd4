"""The table of decisions: one line for each allocation, printed as it is settled."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from proofrail.client.settlement import RunFacts, Settled
from proofrail.wire.messages import Attestation, AuditReport, DeadLetter

_COLUMNS = (
    ("allocation", 24),
    ("verdict", 9),
    ("reasons", 16),
    ("risks", 11),
    ("recommended", 14),
    ("proposed", 14),
    ("run", 9),
    ("items", 7),
    ("steps", 8),
    ("bits", 5),
    ("proof", 8),
    ("audit", 8),
    ("time", 7),
)
_RIGHT = frozenset({"items", "steps", "bits", "proof", "time"})
_SHORT_REASONS = {
    "RISK_MISMATCH": "risk",
    "OVER_MAX_SINGLE": "max-single",
    "UNDER_DIVERSIFIED": "diversification",
    "OVER_DEVIATION": "deviation",
    "OVER_VOLATILITY": "volatility",
    "UNDER_LIQUIDITY": "liquidity",
}


class DecisionTable:
    """Prints rows with columns of a fixed width; a long cell pushes the rest of its own row only."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def header(self) -> None:
        cells = [_pad(name, width, name in _RIGHT) for name, width in _COLUMNS]
        self._print(Text(" ".join(cells), style="bold"))

    def row(self, settled: Settled, runs: Mapping[str, RunFacts]) -> None:
        match settled.message:
            case Attestation() as attestation:
                facts = runs.get(attestation.run_id, RunFacts())
                self._print(_attested(attestation, facts, settled.seconds))
            case DeadLetter() as letter:
                self._print(_refused(letter, settled.seconds))
            case AuditReport() as report:
                self._print(_mismatched(report, settled.published.allocation_id))

    def _print(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


def _attested(attestation: Attestation, facts: RunFacts, seconds: float) -> Text:
    approved = attestation.approved
    cells = {
        "allocation": _short(attestation.allocation_id),
        "verdict": "approved" if approved else "rejected",
        "reasons": ",".join(_SHORT_REASONS[name] for name in attestation.reasons) or "-",
        "risks": _numbers(attestation.risks),
        "recommended": _numbers(attestation.recommended_bps),
        "proposed": _numbers(attestation.proposed_bps),
        "run": attestation.run_id[:8],
        "items": facts.items,
        "steps": facts.n_steps,
        "bits": attestation.proof.security_bits,
        "proof": f"{facts.proof_bytes / 1000:.0f} kB" if facts.proof_bytes is not None else None,
        "audit": "/".join(facts.verdicts.get(subject, "?") for subject in ("run", "proof")),
        "time": f"{seconds:.1f} s",
    }
    if cells["audit"] == "MATCH/MATCH":
        cells["audit"] = "MATCH"
    row = Text()
    for name, width in _COLUMNS:
        style = ("green" if approved else "yellow") if name == "verdict" else ""
        value = cells[name]
        row.append(_pad("-" if value is None else str(value), width, name in _RIGHT) + " ", style=style)
    return row


def _refused(letter: DeadLetter, seconds: float) -> Text:
    row = Text()
    row.append(_pad(_short(letter.key or "-"), 24, False) + " ")
    row.append(_pad("invalid", 9, False) + " ", style="red")
    place = f"{letter.topic}/{letter.partition} offset {letter.offset}"
    row.append(f"[{letter.code}] {letter.message} ({place}, {seconds:.1f} s)")
    return row


def _mismatched(report: AuditReport, allocation_id: str | None) -> Text:
    found = report.first_mismatch
    row = Text()
    row.append(_pad(_short(allocation_id or "-"), 24, False) + " ")
    row.append(_pad("MISMATCH", 9, False) + " ", style="bold red")
    what = f"{found.kind}: {found.message or ''}" if found else ""
    row.append(f"{report.subject} {report.run_id[:8]}: {what}")
    return row


def _numbers(values: list[int]) -> str:
    return "/".join(str(value) for value in values)


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"


def _pad(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)
