%builtins output range_check96

func main{output_ptr: felt*, range_check96_ptr}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert [range_check96_ptr] = n;
    assert [output_ptr] = n;
    let range_check96_ptr = range_check96_ptr + 1;
    let output_ptr = output_ptr + 1;
    return ();
}
