// Loops in loops, recursion that is none, and both in one function.
%builtins output range_check

from starkware.cairo.common.math import assert_nn

func tile(a: felt) -> (b: felt) {
    return (b=a * a);
}

// A loop whose iterations are tiles.
func inner(n: felt, sum: felt) -> (sum: felt) {
    if (n == 0) {
        return (sum=sum);
    }
    return inner(n - 1, sum + n);
}

// A loop whose iterations are sequences, but for the last; with an implicit argument.
func outer{range_check_ptr}(i: felt, n: felt, sum: felt) -> (sum: felt) {
    if (i == 0) {
        return (sum=sum);
    }
    let (a) = inner(n, 0);
    let (b) = tile(a);
    assert_nn(b);
    return outer(i - 1, n, sum + b);
}

// Not last: nests.
func down(n: felt) -> (n: felt) {
    if (n == 0) {
        return (n=0);
    }
    let (rest) = down(n - 1);
    return (n=rest + 1);
}

// Last, but of one another: nests.
func even(n: felt) -> (yes: felt) {
    if (n == 0) {
        return (yes=1);
    }
    return odd(n - 1);
}

func odd(n: felt) -> (yes: felt) {
    if (n == 0) {
        return (yes=0);
    }
    return even(n - 1);
}

// Both: iterates where it is last, nests where it is not.
func ackermann(m: felt, n: felt) -> (a: felt) {
    if (m == 0) {
        return (a=n + 1);
    }
    if (n == 0) {
        return ackermann(m - 1, 1);
    }
    let (a) = ackermann(m, n - 1);
    return ackermann(m - 1, a);
}

func main{output_ptr: felt*, range_check_ptr}() {
    alloc_locals;
    local i;
    local n;
    local depth;
    local m;
    %{ ids.i = program_input["i"] %}
    %{ ids.n = program_input["n"] %}
    %{ ids.depth = program_input["depth"] %}
    %{ ids.m = program_input["m"] %}
    let (a) = outer(i, n, 0);
    let (b) = down(depth);
    let (c) = even(n);
    let (d) = ackermann(m, 1);
    assert [output_ptr] = a;
    assert [output_ptr + 1] = b;
    assert [output_ptr + 2] = c;
    assert [output_ptr + 3] = d;
    let output_ptr = output_ptr + 4;
    return ();
}
