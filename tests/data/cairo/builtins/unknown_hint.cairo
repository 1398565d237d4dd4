%builtins output

func main{output_ptr: felt*}() {
    alloc_locals;
    local n;
    %{ ids.n = len(open("/etc/hostname").read()) %}
    assert [output_ptr] = n;
    let output_ptr = output_ptr + 1;
    return ();
}
