// Range checks by the bitwise builtin, for a run that must not use the builtin of that name.
//
// A value is an integer of [0, 2^128) if clearing all bits from the 128th on leaves it as it is.

from risk_engine import RC_MAX
from starkware.cairo.common.cairo_builtins import BitwiseBuiltin

const AT_ONCE = 2;

// What the loop takes along.
struct Showing {
    values: felt*,
    bitwise_ptr: BitwiseBuiltin*,
    left: felt,
}

// Shows that each of the `count` cells at `values` holds an integer of [0, 2^128). Behind them it puts a 0, so that
// an odd one has a neighbour.
func show_ranges{bitwise_ptr: BitwiseBuiltin*}(values: felt*, count) {
    alloc_locals;
    local q;
    local r;
    local bound = RC_MAX;
    assert values[count] = 0;
    let value = count + 1;
    let div = AT_ONCE;
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    // r is 0 or 1, and the loop counts q down to 0 by ones: it reaches every cell, and at most the 0 besides.
    assert r = r * r;
    assert count + 1 = q * AT_ONCE + r;
    tempvar showing = Showing(values=values, bitwise_ptr=bitwise_ptr, left=q);

    show:
    let showing = [cast(ap - Showing.SIZE, Showing*)];
    let bitwise = showing.bitwise_ptr;
    tempvar value = showing.values[0];
    assert bitwise[0].x = value;
    assert bitwise[0].y = bound;
    assert bitwise[0].x_and_y = value;
    tempvar value = showing.values[1];
    assert bitwise[1].x = value;
    assert bitwise[1].y = bound;
    assert bitwise[1].x_and_y = value;
    tempvar next = Showing(
        values=showing.values + AT_ONCE,
        bitwise_ptr=bitwise + AT_ONCE * BitwiseBuiltin.SIZE,
        left=showing.left - 1,
    );
    jmp show if next.left != 0;
    let bitwise_ptr = next.bitwise_ptr;
    return ();
}
