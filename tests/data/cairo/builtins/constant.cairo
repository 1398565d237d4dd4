// Reads no input.
%builtins output

func main{output_ptr: felt*}() {
    assert [output_ptr] = 42;
    let output_ptr = output_ptr + 1;
    return ();
}
