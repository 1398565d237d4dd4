%builtins output bitwise

from starkware.cairo.common.cairo_builtins import BitwiseBuiltin

func main{output_ptr: felt*, bitwise_ptr: BitwiseBuiltin*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert bitwise_ptr.x = n;
    assert bitwise_ptr.y = 12;
    assert [output_ptr] = bitwise_ptr.x_and_y;
    let bitwise_ptr = bitwise_ptr + BitwiseBuiltin.SIZE;
    let output_ptr = output_ptr + 1;
    return ();
}
