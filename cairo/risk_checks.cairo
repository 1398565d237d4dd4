// Range checks by the bitwise builtin, for a run that must not use the builtin of that name.
//
// A value is an integer of [0, 2^128) if clearing all bits from the 128th on leaves it as it is.

from risk_engine import RC_MAX
from starkware.cairo.common.cairo_builtins import BitwiseBuiltin

const AT_ONCE = 8;

// Shows that each of the `count` cells at `values` holds an integer of [0, 2^128).
func show_ranges{bitwise_ptr: BitwiseBuiltin*}(values: felt*, count) {
    alloc_locals;
    local q;
    local r;
    let value = count;
    tempvar div = AT_ONCE;
    %{
        from starkware.cairo.common.math_utils import assert_integer
        assert_integer(ids.div)
        assert 0 < ids.div <= PRIME // range_check_builtin.bound, \
            f'div={hex(ids.div)} is out of the valid range.'
        ids.q, ids.r = divmod(ids.value, ids.div)
    %}
    // Any q and r will do: both loops count down to 0 by ones, so that together they reach every cell.
    assert count = q * AT_ONCE + r;
    show_many(values=values, left=q);
    return show_single(values=values + q * AT_ONCE, left=r);
}

func show_many{bitwise_ptr: BitwiseBuiltin*}(values: felt*, left) {
    jmp show if left != 0;
    return ();

    show:
    tempvar bound = RC_MAX;
    let bound = [fp];
    tempvar value = values[0];
    assert bitwise_ptr[0].x = value;
    assert bitwise_ptr[0].y = bound;
    assert bitwise_ptr[0].x_and_y = value;
    tempvar value = values[1];
    assert bitwise_ptr[1].x = value;
    assert bitwise_ptr[1].y = bound;
    assert bitwise_ptr[1].x_and_y = value;
    tempvar value = values[2];
    assert bitwise_ptr[2].x = value;
    assert bitwise_ptr[2].y = bound;
    assert bitwise_ptr[2].x_and_y = value;
    tempvar value = values[3];
    assert bitwise_ptr[3].x = value;
    assert bitwise_ptr[3].y = bound;
    assert bitwise_ptr[3].x_and_y = value;
    tempvar value = values[4];
    assert bitwise_ptr[4].x = value;
    assert bitwise_ptr[4].y = bound;
    assert bitwise_ptr[4].x_and_y = value;
    tempvar value = values[5];
    assert bitwise_ptr[5].x = value;
    assert bitwise_ptr[5].y = bound;
    assert bitwise_ptr[5].x_and_y = value;
    tempvar value = values[6];
    assert bitwise_ptr[6].x = value;
    assert bitwise_ptr[6].y = bound;
    assert bitwise_ptr[6].x_and_y = value;
    tempvar value = values[7];
    assert bitwise_ptr[7].x = value;
    assert bitwise_ptr[7].y = bound;
    assert bitwise_ptr[7].x_and_y = value;
    let bitwise_ptr = bitwise_ptr + AT_ONCE * BitwiseBuiltin.SIZE;
    return show_many(values=values + AT_ONCE, left=left - 1);
}

func show_single{bitwise_ptr: BitwiseBuiltin*}(values: felt*, left) {
    jmp show if left != 0;
    return ();

    show:
    tempvar value = values[0];
    assert bitwise_ptr.x = value;
    assert bitwise_ptr.y = RC_MAX;
    assert bitwise_ptr.x_and_y = value;
    let bitwise_ptr = bitwise_ptr + BitwiseBuiltin.SIZE;
    return show_single(values=values + 1, left=left - 1);
}
