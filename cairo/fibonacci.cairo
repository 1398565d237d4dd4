// The n-th Fibonacci number: a program whose length is chosen by its input, for benchmarks and for trying
// `proofrail trace`. Input: {"n": 0..}. Output: [n, F(n) mod P], F(0) = 0, F(1) = 1.

%builtins output

func main{output_ptr: felt*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    let (result) = fibonacci(first=0, second=1, n=n);
    assert output_ptr[0] = n;
    assert output_ptr[1] = result;
    let output_ptr = output_ptr + 2;
    return ();
}

// The loop ends for every n of the field, so that the output proves F(n) for the n it states.
func fibonacci(first, second, n) -> (result: felt) {
    jmp next if n != 0;
    return (result=first);

    next:
    return fibonacci(first=second, second=first + second, n=n - 1);
}
