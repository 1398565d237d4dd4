// A Pedersen Merkle tree over any number of leaves.
//
// A level of k nodes has ceil(k / 2) parents, h(left, right); where the last node has no neighbour, 0 stands in
// its place. The depth is thus that of the smallest power of two that holds all leaves. No leaf may be 0.

from starkware.cairo.common.cairo_builtins import HashBuiltin

// What the loop over a level takes along.
struct Pairing {
    node: felt*,
    parent: felt*,
    hash: HashBuiltin*,
    left: felt,
}

// The root of `count` nodes at `nodes`, at least one. The memory behind them is free: each level goes behind the one
// below, with a cell between them for the 0.
func tree_root{pedersen_ptr: HashBuiltin*}(nodes: felt*, count) -> (root: felt) {
    tempvar others = count - 1;
    jmp level if others != 0;
    return (root=nodes[0]);

    level:
    tempvar parents = nodes + count + 1;
    let parents = cast([fp + 2], felt*);
    tempvar pairing = Pairing(node=nodes, parent=parents, hash=pedersen_ptr, left=count);

    pair:
    tempvar zero = 0;
    let pairing = [cast(ap - Pairing.SIZE - 1, Pairing*)];
    tempvar others = pairing.left - 1;
    jmp paired if others != 0;
    assert pairing.node[1] = zero;

    paired:
    let pairing = [cast(ap - Pairing.SIZE - 2, Pairing*)];
    assert pairing.hash.x = pairing.node[0];
    assert pairing.hash.y = pairing.node[1];
    assert pairing.parent[0] = pairing.hash.result;
    tempvar rest = others - 1;
    // 0 for two nodes, and for one.
    tempvar more = rest * others;
    tempvar next = Pairing(
        node=pairing.node + 2,
        parent=pairing.parent + 1,
        hash=pairing.hash + HashBuiltin.SIZE,
        left=rest,
    );
    jmp pair if more != 0;
    let pedersen_ptr = next.hash;
    return tree_root(nodes=parents, count=next.parent - parents);
}
