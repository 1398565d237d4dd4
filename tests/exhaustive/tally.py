"""How many cases the suite tried, printed in any case: carried by the tests' reports, so that it comes from worker
processes too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import pytest

SEED: Final = "PROOFRAIL_EXHAUSTIVE_SEED"
_COUNT: Final = "exhaustive-count"
_SEED: Final = "exhaustive-seed"


def reported(item: pytest.Item, tally: Counter[tuple[str, str]], seed: int | None) -> None:
    """Put a test's counts, and the seed of its sample, into its report."""
    item.user_properties += [(_COUNT, [*key, count]) for key, count in sorted(tally.items())]
    if seed is not None:
        item.user_properties.append((_SEED, seed))


def _properties(terminal: pytest.TerminalReporter) -> Iterator[tuple[str, object]]:
    for reports in terminal.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                yield from report.user_properties


def _by(part: int, counts: Iterable[tuple[str, str, int]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in counts:
        found[str(one[part])] += one[2]
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    said = list(_properties(terminalreporter))
    counts = [(str(one[0]), str(one[1]), int(one[2])) for name, one in said if name == _COUNT]
    if not counts:
        return
    terminalreporter.section("exhaustive suite")
    for seed in sorted({one for name, one in said if name == _SEED}):
        terminalreporter.write_line(f"seed {seed} (again with {SEED}={seed})")
    families = sorted({family for family, _, _ in counts})
    if "exhaustive" in config.option.markexpr:
        for family in families:
            kinds = _by(1, (one for one in counts if one[0] == family))
            listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
            terminalreporter.write_line(f"{family}: {listed}")
    classes = _by(1, counts)
    listed = ", ".join(f"{count:,} {kind}" for kind, count in sorted(classes.items()))
    terminalreporter.write_line(f"{classes.total():,} cases in {len(families)} families: {listed}")
