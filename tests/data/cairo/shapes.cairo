// Arguments and return values of every shape, calls that are no functions, and the library.
%builtins output range_check

from starkware.cairo.common.alloc import alloc
from starkware.cairo.common.math import assert_nn, unsigned_div_rem
from starkware.cairo.common.registers import get_fp_and_pc
from starkware.cairo.common.uint256 import Uint256, uint256_add

using Pair = (left: felt, right: felt);

struct Point {
    x: felt,
    y: felt*,
}

struct Box {
    corner: Point,
    pair: Pair,
    next: Box*,
}

namespace Geometry {
    func double(a: felt) -> felt {
        return a + a;
    }

    func corner(box: Box) -> (corner: Point) {
        return (corner=box.corner);
    }
}

func nothing() {
    return ();
}

func several(point: Point, pair: (felt, Pair), box: Box*) -> (point: Point, size: felt, rest: (felt, felt*)) {
    return (point=point, size=pair[0], rest=(box.pair.left, box.corner.y));
}

func unnamed(a: felt, b: felt*) -> (felt, felt*) {
    return (a, b);
}

// Implicit arguments come and go; only `value` and `quotient` are seen.
func library{range_check_ptr}(value: felt) -> (quotient: felt) {
    let (q, _) = unsigned_div_rem(value, 7);
    let (sum, _) = uint256_add(Uint256(low=value, high=0), Uint256(low=1, high=1));
    assert_nn(sum.low);
    return (quotient=q);
}

// A call to a label is part of the function around it, and so is what is called from there.
func labels(a: felt) -> (b: felt) {
    call inner;
    call inner;
    return (b=[ap - 1]);

    inner:
    [ap] = 5, ap++;
    call nothing;
    [ap] = [fp - 1], ap++;
    [ap] = 6, ap++;
    ret;
}

func sum(values: felt*, n: felt) -> (total: felt) {
    if (n == 0) {
        return (total=0);
    }
    let (rest) = sum(values + 1, n - 1);
    return (total=[values] + rest);
}

func main{output_ptr: felt*, range_check_ptr}() {
    alloc_locals;
    let (__fp__, _) = get_fp_and_pc();
    local n;
    local extra;
    %{
        ids.n = program_input["n"]
        ids.extra = program_input['extra']
    %}
    let (values: felt*) = alloc();
    %{ segments.write_arg(ids.values, program_input["values"]) %}
    let (rows: felt**) = alloc();
    %{ segments.write_arg(ids.rows, program_input["rows"]) %}

    let (total) = sum(values, n);
    local point: Point = Point(x=n, y=values);
    local box: Box = Box(corner=point, pair=(left=3, right=extra), next=cast(0, Box*));
    nothing();
    let (copy, _, _) = several(point, (n, box.pair), &box);
    let (one, _) = unnamed(extra, values);
    let (corner) = Geometry.corner(box);
    let twice = Geometry.double(corner.x);
    let (q) = library(1000);
    labels(1);

    assert [output_ptr] = total;
    assert [output_ptr + 1] = copy.x + twice;
    assert [output_ptr + 2] = one;
    assert [output_ptr + 3] = q;
    assert [output_ptr + 4] = [rows[0]];
    let output_ptr = output_ptr + 5;
    return ();
}
