// Fibonacci by jumps alone: one span, whatever the number of steps (five for each of n ≥ 1 rounds).
%builtins output

func main{output_ptr: felt*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    tempvar first = 0;
    tempvar second = 1;
    tempvar left = n;

    round:
    let first = [ap - 3];
    let second = [ap - 2];
    let left = [ap - 1];
    tempvar sum = first + second;
    tempvar first = second;
    tempvar second = sum;
    tempvar left = left - 1;
    jmp round if left != 0;

    assert output_ptr[0] = n;
    assert output_ptr[1] = first;
    let output_ptr = output_ptr + 2;
    return ();
}
