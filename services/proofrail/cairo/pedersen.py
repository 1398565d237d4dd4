"""The Pedersen hash of two felts, in plain Python (Starkware's, as the VM's builtin and Cairo contracts compute it).

The native extension gives the chain over an array; what hashes in another shape, such as a tree, needs the hash of
two. A hash takes about a millisecond. Whoever checks the place of a row needs nothing but this module.

h(a, b) is the x coordinate of S + a_low·P0 + a_high·P1 + b_low·P2 + b_high·P3 on y² = x³ + x + β, where low are
the 248 lowest bits and high the 4 above.
"""

from __future__ import annotations

from functools import cache
from typing import Final

PRIME: Final = 2**251 + 17 * 2**192 + 1
"""The order of the field: felts are of [0, PRIME)."""

_Point = tuple[int, int]

_LOW_BITS: Final = 248
_HIGH_BITS: Final = 4

_SHIFT: Final = (
    0x49EE3EBA8C1600700EE1B87EB599F16716B0B1022947733551FDE4050CA6804,
    0x3CA0CFE4B3BC6DDF346D49D06EA0ED34E621062C0E056C1D0405D266E10268A,
)
_POINTS: Final = (
    (
        0x234287DCBAFFE7F969C748655FCA9E58FA8120B6D56EB0C1080D17957EBE47B,
        0x3B056F100F96FB21E889527D41F4E39940135DD7A6C94CC6ED0268EE89E5615,
    ),
    (
        0x4FA56F376C83DB33F9DAB2656558F3399099EC1DE5E3018B7A6932DBA8AA378,
        0x3FA0984C931C9E38113E0C0E47E4401562761F92A7A23B45168F4E80FF5B54D,
    ),
    (
        0x4BA4CC166BE8DEC764910F75B45F74B40C690C74709E90F3AA372F0BD2D6997,
        0x40301CF5C1751F4B971E46C4EDE85FCAC5C59A5CE5AE7C48151F27B24B219C,
    ),
    (
        0x54302DCB0E6CC1C6E44CCA8F61A63BB2CA65048D53FB325D36FF12C49A58202,
        0x1B77B3E37D13504B348046268D8AE25CE98AD783C25561A879DCC77E99C2426,
    ),
)


def pedersen_hash(left: int, right: int) -> int:
    """h(left, right) of two felts. Raises ValueError for what is no felt."""
    if not (0 <= left < PRIME and 0 <= right < PRIME):
        raise ValueError("the Pedersen hash takes felts, integers of 0 … P - 1")
    bits = left | right << (_LOW_BITS + _HIGH_BITS)
    chosen = (point for place, point in enumerate(_multiples()) if bits >> place & 1)
    # Jacobian coordinates: one inversion in the end instead of one a sum.
    x, y, z = (*_SHIFT, 1)
    for point_x, point_y in chosen:
        z_squared = z * z % PRIME
        run = (point_x * z_squared - x) % PRIME
        rise = (point_y * z_squared * z - y) % PRIME
        run_squared = run * run % PRIME
        run_cubed = run_squared * run % PRIME
        middle = x * run_squared % PRIME
        x, y_before = (rise * rise - run_cubed - 2 * middle) % PRIME, y
        y = (rise * (middle - x) - y_before * run_cubed) % PRIME
        z = z * run % PRIME
    # z is 0 if two equal or opposite points were added: whoever finds such felts knows a discrete logarithm.
    return x * pow(z * z, -1, PRIME) % PRIME


@cache
def _multiples() -> tuple[_Point, ...]:
    """What each bit of the two felts adds, from the lowest of the first."""
    low, high, right_low, right_high = _POINTS
    return (
        *_doublings(low, _LOW_BITS),
        *_doublings(high, _HIGH_BITS),
        *_doublings(right_low, _LOW_BITS),
        *_doublings(right_high, _HIGH_BITS),
    )


def _doublings(point: _Point, count: int) -> list[_Point]:
    found = [point]
    while len(found) < count:
        x, y = found[-1]
        slope = (3 * x * x + 1) * pow(2 * y, -1, PRIME) % PRIME
        doubled = (slope * slope - 2 * x) % PRIME
        found.append((doubled, (slope * (x - doubled) - y) % PRIME))
    return found
