"""The strip on top of every page: how far each service is, and whether a person is needed."""

from __future__ import annotations

from typing import Literal

from proofrail.explorer.model.base import AllocationState, Part, RunState, StageName

Concern = Literal["unreachable", "mismatch", "undecided", "given-up", "refused", "stuck"]
"""`undecided`: an audit that waits for nothing any more. `given-up`: a proposal that no proof can be made for.
`refused`: by a ledger. `stuck`: in hand for longer than it should be."""


class StageError(Part):
    """The last thing that went wrong at a stage."""

    code: str
    """`proofrail explain CODE` says more."""
    message: str
    at_ms: int
    run_id: str | None
    allocation_id: str | None


class Stage(Part):
    """One service, as far as the topics tell."""

    name: StageName
    in_use: bool
    """Whether anything says that there is one: the registrar is optional."""
    instances: int | None
    """Members of its consumer group; null where it has none to be asked for (registrar) or the broker did not say."""
    unreachable_since_ms: int | None
    """Since when the group has had no member."""
    unit: str
    """What `lag` and `per_minute` count: `proposals`, `runs`, `allocations`."""
    per_minute: float
    """Finished in the last five minutes, by minute."""
    lag: int
    """What waits for it, or is in its hands."""
    lag_seconds: float
    """How long the oldest of them has waited."""
    oldest: str | None
    """Which one that is: a run_id or an allocation_id."""
    last_error: StageError | None
    attention: str | None
    """Why a person is needed, in one sentence, such as `prover unreachable since 18:04:05 UTC; 3 runs waiting; nothing
    lost`; null when none is. The only thing that is shown red."""
    concern: Concern | None
    """What `attention` is about."""


class Behind(Part):
    """How far the explorer's view lags behind the topics."""

    records: int
    """Records that are on the topics and not in the view yet."""
    caught_up: bool
    """Whether the view has been current since it was (re)built."""
    broker_since_ms: int | None
    """Since when the broker has not answered; null while it does."""
    gaps: tuple[str, ...]
    """What the topics had lost before it was read, in words."""


class Pipeline(Part):
    """The strip on top of every page."""

    at_ms: int
    stages: tuple[Stage, ...]
    allocations: dict[AllocationState, int]
    """How many allocations are in each state."""
    runs: dict[RunState, int]
    mismatches: int
    """Runs with the verdict MISMATCH. It is on every page for as long as the topics have one: nothing there says that
    somebody has seen to it."""
    last_mismatch: StageError | None
    """The first report of a mismatch on the youngest of them."""
    dead_letters: int
    unreadable: int
    """Lines on the topics that are no message of their topic."""
    behind: Behind
