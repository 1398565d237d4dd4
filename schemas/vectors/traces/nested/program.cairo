// Recursion that nests, below the greatest depth that has a path; calls by pointer, and from a label.
%builtins output

from starkware.cairo.common.registers import get_label_location

// A short name, for its paths are long.
func d(n: felt) -> (n: felt) {
    if (n == 0) {
        return (n=0);
    }
    let (rest) = d(n - 1);
    return (n=rest + 1);
}

namespace Last {
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
}

func by_pointer(f: felt*, n: felt) -> (n: felt) {
    [ap] = n, ap++;
    call abs f;
    ret;
}

func label(n: felt) -> (n: felt) {
    [ap] = n, ap++;
    call inside;
    [ap] = [ap - 1], ap++;
    ret;

    inside:
    [ap] = [fp - 3], ap++;
    call Last.even;
    ret;
}

func main{output_ptr: felt*}() {
    alloc_locals;
    local depth;
    %{ ids.depth = program_input["depth"] %}
    let (a) = d(depth);
    let (location: felt*) = get_label_location(Last.odd);
    let (b) = by_pointer(location, 3);
    let (c) = label(2);
    assert [output_ptr] = a;
    assert [output_ptr + 1] = b;
    assert [output_ptr + 2] = c;
    let output_ptr = output_ptr + 3;
    return ();
}
