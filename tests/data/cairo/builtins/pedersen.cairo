%builtins output pedersen

from starkware.cairo.common.cairo_builtins import HashBuiltin

func main{output_ptr: felt*, pedersen_ptr: HashBuiltin*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert pedersen_ptr.x = n;
    assert pedersen_ptr.y = 5;
    assert [output_ptr] = pedersen_ptr.result;
    let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
    let output_ptr = output_ptr + 1;
    return ();
}
