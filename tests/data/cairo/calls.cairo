// Calls that are none by name: pointers, labels, jumps, other modules, code on the heap; and shapes of values.
%builtins output range_check

from modules.shared import apply, each
from modules.shared import twice as doubled
from starkware.cairo.common.alloc import alloc
from starkware.cairo.common.registers import get_label_location

struct Leaf {
    key: felt,
    values: felt*,
}

struct Tree {
    left: Leaf,
    right: (leaf: Leaf, weight: (felt, felt)),
    next: Tree*,
}

using Pair = (first: Leaf, second: felt);

func square(a: felt) -> (b: felt) {
    return (b=a * a);
}

// No arguments, no values.
func idle() {
    ret;
}

// A struct with a tuple with a struct comes in and goes out; the array comes by pointer.
func mirror(tree: Tree, pair: Pair, leaves: Leaf*) -> (pair: Pair, tree: Tree, last: Leaf) {
    return (
        pair=(first=tree.left, second=pair.second),
        tree=Tree(left=pair.first, right=(leaf=leaves[1], weight=(1, 2)), next=tree.next),
        last=leaves[0],
    );
}

namespace Outer {
    namespace Inner {
        // Iterates inside two namespaces.
        func walk(leaves: Leaf*, n: felt) -> (sum: felt) {
            if (n == 0) {
                return (sum=0);
            }
            doubled(leaves.key);
            return walk(leaves + Leaf.SIZE, n - 1);
        }
    }
}

// A loop of jumps is one span.
func jumping(n: felt) -> (n: felt) {
    [ap] = n, ap++;
    again:
    [ap] = [ap - 1] - 1, ap++;
    call idle;
    [ap] = [ap - 3], ap++;
    jmp again if [ap - 1] != 0;
    [ap] = n, ap++;
    ret;
}

// Goes on in another function, which is no call.
func jumps(a: felt) -> (b: felt) {
    jmp square;
}

// Calls itself last, but through a pointer: nests.
func by_pointer(f: felt*, n: felt) -> (n: felt) {
    jmp more if n != 0;
    [ap] = 7, ap++;
    ret;

    more:
    [ap] = [fp - 4], ap++;
    [ap] = n - 1, ap++;
    call abs f;
    ret;
}

// Calls itself, and jumps to its `ret`: nests.
func not_last(n: felt) -> (n: felt) {
    jmp more if n != 0;
    [ap] = 3, ap++;
    ret;

    more:
    [ap] = n - 1, ap++;
    call not_last;
    jmp done;

    done:
    ret;
}

// Calls the label at its own entry last: iterates.
func labelled(n: felt) -> (n: felt) {
    entry:
    jmp more if n != 0;
    [ap] = 5, ap++;
    ret;

    more:
    [ap] = n - 1, ap++;
    call entry;
    ret;
}

// Calls itself last from a label: there the label was called, not the function, so that it nests.
func within(n: felt) -> (n: felt) {
    jmp more if n != 0;
    [ap] = 4, ap++;
    ret;

    more:
    [ap] = n - 1, ap++;
    call inside;
    ret;

    inside:
    [ap] = [fp - 3], ap++;
    call within;
    ret;
}

// Reaches itself through the entry of another: nests.
func here(n: felt) -> (n: felt) {
    jmp more if n != 0;
    [ap] = 9, ap++;
    ret;

    more:
    [ap] = n - 1, ap++;
    call there;
    ret;
}

func there(n: felt) -> (n: felt) {
    jmp here;
}

// Data between its instructions, one word of which looks like a call with an operand.
func with_data(n: felt) -> (n: felt) {
    jmp more if n != 0;
    [ap] = 2, ap++;
    ret;

    dw 0x1104800180018000;
    dw 3618502788666131213697322783095070105623107215331596699973092056135872020480;
    dw 0x5000400000000000000000000;

    more:
    [ap] = n - 1, ap++;
    call with_data;
    ret;
}

func main{output_ptr: felt*, range_check_ptr}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    let (words: felt*) = alloc();
    %{ segments.write_arg(ids.words, program_input["leaves"]) %}
    local leaves: Leaf* = cast(words, Leaf*);
    let (code: felt*) = alloc();
    %{ segments.write_arg(ids.code, program_input["code"]) %}

    local tree: Tree = Tree(
        left=leaves[0], right=(leaf=leaves[1], weight=(3, 4)), next=cast(leaves, Tree*)
    );
    let (pair, _, last) = mirror(tree, (first=leaves[1], second=n), leaves);
    local key = pair.first.key + last.key;
    Outer.Inner.walk(leaves, 2);
    idle();
    jumping(n);
    let (a) = jumps(n);
    let (location: felt*) = get_label_location(by_pointer);
    by_pointer(location, n);
    not_last(n);
    labelled(n);
    within(n);
    here(n);
    with_data(n);
    let (location: felt*) = get_label_location(square);
    apply(location, n);
    each(location, n);
    let (location: felt*) = get_label_location(labelled);
    each(location, n);
    // Words that a hint wrote: a call of `square` by pointer, and `ret`.
    let (location: felt*) = get_label_location(square);
    [ap] = location, ap++;
    [ap] = n, ap++;
    call abs code;
    assert [output_ptr] = key;
    let output_ptr = output_ptr + 1;
    return ();
}
