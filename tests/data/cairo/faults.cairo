// Fails where it is hard to tell; `how` says in which way, 0 not at all. failing.cairo has the simple ways.
%builtins output range_check

from modules.shared import apply, refuse
from starkware.cairo.common.alloc import alloc
from starkware.cairo.common.math import assert_le, assert_not_zero
from starkware.cairo.common.registers import get_label_location

// Iterations that are tiles; one of them fails.
func count(i: felt, bad: felt, end: felt) -> (i: felt) {
    if (i == end) {
        return (i=i);
    }
    if (i == bad) {
        assert i = bad + 1;
    }
    return count(i + 1, bad, end);
}

// A loop in a loop; one of the inner ones fails.
func rows(i: felt, bad: felt, end: felt) -> (i: felt) {
    if (i == end) {
        return (i=i);
    }
    if (i == bad) {
        count(0, bad, end);
        return rows(i + 1, bad, end);
    }
    count(0, end, end);
    return rows(i + 1, bad, end);
}

// Fails at the bottom.
func deep(n: felt) -> (n: felt) {
    if (n == 0) {
        assert n = 1;
        return (n=0);
    }
    let (rest) = deep(n - 1);
    return (n=rest + 1);
}

func label(a: felt) -> (b: felt) {
    call inside;
    return (b=a);

    inside:
    [ap] = 1, ap++;
    [ap - 1] = 2;
    ret;
}

func read(p: felt*) -> (a: felt) {
    return (a=[p + 3] + 1);
}

func tile(a: felt) -> (b: felt) {
    assert a = a + 1;
    return (b=a);
}

func write{range_check_ptr}() {
    let cell = [range_check_ptr];
    %{ ids.cell = program_input["cell"] %}
    let range_check_ptr = range_check_ptr + 1;
    return ();
}

func write_again(a: felt) {
    let cell = a;
    %{ ids.cell = program_input["cell"] %}
    return ();
}

func sum_of_pointers(p: felt*) -> (a: felt) {
    return (a=cast(p, felt) + cast(p, felt));
}

func away() {
    jmp rel 1000;
}

func into(p: felt*) {
    call abs p;
    ret;
}

func main{output_ptr: felt*, range_check_ptr}() {
    alloc_locals;
    local how;
    %{ ids.how = program_input["how"] %}
    if (how == 1) {
        count(0, 9, 20);
        return ();
    }
    if (how == 2) {
        rows(0, 3, 6);
        return ();
    }
    if (how == 3) {
        deep(70);
        return ();
    }
    if (how == 4) {
        label(1);
        return ();
    }
    if (how == 5) {
        refuse(1);
        return ();
    }
    if (how == 6) {
        let (location: felt*) = get_label_location(tile);
        apply(location, 1);
        return ();
    }
    if (how == 7) {
        assert_not_zero(0);
        return ();
    }
    if (how == 8) {
        assert_le(2, 1);
        return ();
    }
    if (how == 9) {
        let (p: felt*) = alloc();
        read(p);
        return ();
    }
    if (how == 10) {
        write();
        return ();
    }
    if (how == 11) {
        write_again(1);
        return ();
    }
    if (how == 12) {
        sum_of_pointers(output_ptr);
        return ();
    }
    if (how == 13) {
        away();
        return ();
    }
    if (how == 14) {
        let (p: felt*) = alloc();
        into(p);
        return ();
    }
    if (how == 15) {
        let (p: felt*) = alloc();
        %{ segments.write_arg(ids.p, program_input["code"]) %}
        into(p);
        return ();
    }
    if (how == 16) {
        assert output_ptr = cast(5, felt*);
        return ();
    }
    if (how == 17) {
        assert [range_check_ptr] = cast(output_ptr, felt);
        let range_check_ptr = range_check_ptr + 1;
        return ();
    }
    if (how == 18) {
        deep(how);
        return ();
    }
    if (how == 19) {
        let (p: felt*) = alloc();
        far(p);
        return ();
    }
    rows(0, 20, 4);
    assert [output_ptr] = how;
    let output_ptr = output_ptr + 1;
    return ();
}

// No machine has so much memory.
func far(p: felt*) {
    assert [p + 0x1000000000000000] = 1;
    return ();
}
