// Words of output, as many as asked for: none, thousands, negative felts.
%builtins output

from starkware.cairo.common.alloc import alloc

func copy(target: felt*, source: felt*, n) {
    if (n == 0) {
        return ();
    }
    assert [target] = [source];
    return copy(target + 1, source + 1, n - 1);
}

func main{output_ptr: felt*}() {
    alloc_locals;
    local n;
    let (words: felt*) = alloc();
    %{
        ids.n = program_input["n"]
        segments.write_arg(ids.words, program_input["words"])
    %}
    copy(output_ptr, words, n);
    let output_ptr = output_ptr + n;
    return ();
}
