"""The functions of a golden trace. Their source is part of what is committed to: not a character of it changes."""

# fmt: off

from dataclasses import dataclass

from proofrail.tracing import loop, sequence, tile


@dataclass(frozen=True)
class Position:
    name: str
    amount: int
    weights: tuple[int, ...]


@tile
def weigh(position: Position) -> int:
    return position.amount * sum(position.weights)


@tile
def sign(value: int, *, of: bytes = b"\x00\xff") -> tuple[bool, bytes | None]:
    return value < 0, of if value < 0 else None


@sequence
def examine(position: Position, depth: int) -> int:
    if depth:
        return examine(position, depth - 1)
    return weigh(position)


@sequence
def total(positions: list[Position], labels: dict[str, bool]) -> int:
    result = 0
    with loop("positions", positions) as steps:
        for position in steps:
            result += examine(position, 2)
    sign(result)
    return result


def call() -> int:
    """The run of the golden trace."""
    return total(
        [Position("a", 5, (1, 2)), Position("€", -(2**70), ()), Position("c", 2**64, (3,))],
        {"short": False, "long": True},
    )
