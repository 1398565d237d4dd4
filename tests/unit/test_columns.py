"""Lists on narrow and wide terminals, and what may have been meant by a wrong name."""

from __future__ import annotations

import pytest

from proofrail.cli import config, dlq, tail, topics_command
from proofrail.cli.columns import Column, fitted
from proofrail.cli.meant import meant

_LISTS = {"tail": tail, "dlq list": dlq, "topics plan": topics_command, "config": config}


def test_narrow_lists_leave_out_then_narrow_the_widest() -> None:
    """Nothing changes where there is room; columns that may not become narrower do not."""
    columns = [Column("a", 10), Column("b", 30, 8), Column("c", 20, 8), Column("d", 10, 0)]
    assert [10, 30, 20, 10] == fitted(columns, 200)
    assert [10, 30, 20, 0] == fitted(columns, 90)
    assert [10, 18, 19, 0] == fitted(columns, 70)
    assert [10, 8, 8, 0] == fitted(columns, 20)


@pytest.mark.parametrize("name", list(_LISTS))
def test_the_last_column_of_each_list_can_be_read_at_80(name: str) -> None:
    """It is the one that says why."""
    widths = fitted(_LISTS[name]._COLUMNS, 80)
    assert 20 <= 80 - sum(width + 1 for width in widths if width)


def test_a_wrong_name_is_answered_with_what_was_meant() -> None:
    """The names spelled most alike first, in whatever case; all of them in any case."""
    known = ["Proof", "ProofFailure", "Attestation"]
    assert "Did you mean Proof? There are Proof, ProofFailure, Attestation." == meant("prof", known)
    assert "There are Proof, ProofFailure, Attestation." == meant("zzz", known)
