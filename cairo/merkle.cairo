// A Pedersen Merkle tree over any number of leaves.
//
// A level of k nodes has ceil(k / 2) parents, h(left, right); where the last node has no neighbour, 0 stands in
// its place. The depth is thus that of the smallest power of two that holds all leaves. No leaf may be 0.

from starkware.cairo.common.cairo_builtins import HashBuiltin

// The root of `count` nodes at `nodes`, at least one. `free` is free memory.
func tree_root{pedersen_ptr: HashBuiltin*}(nodes: felt*, count, free: felt*) -> (root: felt) {
    tempvar others = count - 1;
    jmp level if others != 0;
    return (root=nodes[0]);

    level:
    let (end) = hash_level(nodes=nodes, left=count, parents=free);
    return tree_root(nodes=free, count=end - free, free=end);
}

// Writes the parents of the `left` nodes at `nodes`, at least one, to `parents`.
func hash_level{pedersen_ptr: HashBuiltin*}(nodes: felt*, left, parents: felt*) -> (end: felt*) {
    assert pedersen_ptr.x = nodes[0];
    tempvar others = left - 1;
    jmp paired if others != 0;
    assert pedersen_ptr.y = 0;
    assert parents[0] = pedersen_ptr.result;
    let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
    return (end=parents + 1);

    paired:
    assert pedersen_ptr.y = nodes[1];
    assert parents[0] = pedersen_ptr.result;
    let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
    tempvar others = left - 2;
    jmp more if others != 0;
    return (end=parents + 1);

    more:
    return hash_level(nodes=nodes + 2, left=others, parents=parents + 1);
}
