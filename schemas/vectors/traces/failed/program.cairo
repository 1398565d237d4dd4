// An assertion fails in the tenth iteration of a loop, two calls deep.
%builtins output

func check(i: felt, bad: felt) {
    if (i == bad) {
        assert i = bad + 1;
    }
    return ();
}

func examine(i: felt, bad: felt) {
    check(i, bad);
    return ();
}

func walk(i: felt, bad: felt, end: felt) -> (i: felt) {
    if (i == end) {
        return (i=i);
    }
    examine(i, bad);
    return walk(i + 1, bad, end);
}

func main{output_ptr: felt*}() {
    alloc_locals;
    local bad;
    %{ ids.bad = program_input["bad"] %}
    let (i) = walk(0, bad, 20);
    assert [output_ptr] = i;
    let output_ptr = output_ptr + 1;
    return ();
}
