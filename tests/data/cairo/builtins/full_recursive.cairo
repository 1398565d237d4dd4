// The builtins of layout recursive in full, as a registry on chain wants them; all but the output unused.
%builtins output pedersen range_check bitwise

from starkware.cairo.common.cairo_builtins import BitwiseBuiltin, HashBuiltin

func main{
    output_ptr: felt*, pedersen_ptr: HashBuiltin*, range_check_ptr, bitwise_ptr: BitwiseBuiltin*
}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    let (result) = factorial(n);
    assert [output_ptr] = n;
    assert [output_ptr + 1] = result;
    let output_ptr = output_ptr + 2;
    return ();
}

// Not a loop: each call waits for the one it makes.
func factorial(n) -> (product: felt) {
    if (n == 0) {
        return (product=1);
    }
    let (rest) = factorial(n - 1);
    return (product=n * rest);
}
