// All builtins of layout recursive_with_poseidon, not one of them used but the output.
%builtins output pedersen range_check bitwise poseidon

from starkware.cairo.common.cairo_builtins import BitwiseBuiltin, HashBuiltin, PoseidonBuiltin

func main{
    output_ptr: felt*,
    pedersen_ptr: HashBuiltin*,
    range_check_ptr,
    bitwise_ptr: BitwiseBuiltin*,
    poseidon_ptr: PoseidonBuiltin*,
}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert [output_ptr] = n;
    let output_ptr = output_ptr + 1;
    return ();
}
