// The builtins of layout small in full, as a registry on chain wants them; all but the output unused.
%builtins output pedersen range_check ecdsa

from starkware.cairo.common.cairo_builtins import HashBuiltin, SignatureBuiltin

func main{
    output_ptr: felt*, pedersen_ptr: HashBuiltin*, range_check_ptr, ecdsa_ptr: SignatureBuiltin*
}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert [output_ptr] = n;
    let output_ptr = output_ptr + 1;
    return ();
}
