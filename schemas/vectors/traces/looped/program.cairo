// A loop in a loop; a loop of one iteration; a function that loops and nests.
%builtins output

func tile(a: felt) -> (b: felt) {
    return (b=a * a);
}

func inner(n: felt, sum: felt) -> (sum: felt) {
    if (n == 0) {
        return (sum=sum);
    }
    return inner(n - 1, sum + n);
}

func outer(i: felt, n: felt, sum: felt) -> (sum: felt) {
    if (i == 0) {
        return (sum=sum);
    }
    let (a) = inner(n, 0);
    let (b) = tile(a);
    return outer(i - 1, n, sum + b);
}

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

func main{output_ptr: felt*}() {
    alloc_locals;
    local i;
    local n;
    %{ ids.i = program_input["i"] %}
    %{ ids.n = program_input["n"] %}
    let (a) = outer(i, n, 0);
    let (b) = inner(0, 7);
    let (c) = ackermann(1, 1);
    assert [output_ptr] = a;
    assert [output_ptr + 1] = b;
    assert [output_ptr + 2] = c;
    let output_ptr = output_ptr + 3;
    return ();
}
