// The builtins of modular circuits, not used.
%builtins output range_check96 add_mod mul_mod

from starkware.cairo.common.cairo_builtins import ModBuiltin

func main{
    output_ptr: felt*, range_check96_ptr, add_mod_ptr: ModBuiltin*, mul_mod_ptr: ModBuiltin*
}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert [output_ptr] = n;
    let output_ptr = output_ptr + 1;
    return ();
}
