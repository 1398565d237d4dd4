// Fails in as many ways as `how` says: 0 not at all.
%builtins output pedersen range_check

from starkware.cairo.common.cairo_builtins import HashBuiltin
from starkware.cairo.common.math import assert_nn

func check(how: felt, i: felt) {
    if (how == 1) {
        assert i = 0;
    }
    return ();
}

func walk{range_check_ptr}(how: felt, i: felt) -> (i: felt) {
    alloc_locals;
    if (i == 5) {
        return (i=i);
    }
    check(how, i);
    if (how == 2) {
        assert_nn(1 - i);
        return walk(how, i + 1);
    }
    if (how == 3) {
        assert [range_check_ptr] = 2 - i;
        let range_check_ptr = range_check_ptr + 1;
        return walk(how, i + 1);
    }
    return walk(how, i + 1);
}

func forever(i: felt) {
    return forever(i + 1);
}

func unknown(p: felt*) -> (a: felt) {
    return (a=[p + 100] + 1);
}

func main{output_ptr: felt*, pedersen_ptr: HashBuiltin*, range_check_ptr}() {
    alloc_locals;
    local how;
    %{ ids.how = program_input["how"] %}
    let (i) = walk(how, 0);
    if (how == 4) {
        forever(0);
        return ();
    }
    if (how == 5) {
        unknown(output_ptr);
        return ();
    }
    if (how == 6) {
        // Wrong, and noticed only when the builtins are checked after the end.
        assert pedersen_ptr.result = 1;
        assert pedersen_ptr.x = 2;
        assert pedersen_ptr.y = 3;
        let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
        return ();
    }
    if (how == 7) {
        local missing;
        %{ ids.missing = program_input["missing"] %}
        return ();
    }
    if (how == 8) {
        %{ print("a hint that no library has") %}
        return ();
    }
    assert [output_ptr] = i;
    let output_ptr = output_ptr + 1;
    return ();
}
