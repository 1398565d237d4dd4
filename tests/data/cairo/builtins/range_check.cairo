%builtins output range_check

func main{output_ptr: felt*, range_check_ptr}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert [range_check_ptr] = n;
    assert [output_ptr] = n;
    let range_check_ptr = range_check_ptr + 1;
    let output_ptr = output_ptr + 1;
    return ();
}
