// No builtin at all, not even an output: it proves that some n was counted down to zero.

func main() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    count_down(n);
    return ();
}

func count_down(n) {
    if (n == 0) {
        return ();
    }
    return count_down(n - 1);
}
