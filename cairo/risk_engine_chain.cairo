// The risk engine for a registry on chain: the decisions of risk_engine.cairo, for the builtins of the layout
// `recursive` and with an output of three felts (design section 6).
//
// Input: as for risk_engine.cairo. Output: [2, n, root], root that of the tree over the rows (merkle.cairo,
// risk_rows.cairo).
//
// The decisions are made by the first build's own functions, which take their pointers from their caller:
// - What they put into range-check cells goes to plain memory, and every cell of it is then shown to lie in
//   [0, 2^128) by the bitwise builtin: with a single range check a run takes 65,536 steps instead of 16,384.
// - Rows go to plain memory instead of to the output, and from there into the tree.
// - The inputs' hash that they make takes more Pedersen instances than a run of 16,384 steps has. It goes to plain
//   memory too, where every result is 0, and nothing is made of it: rows get the hash of risk_rows.cairo.

%builtins output pedersen range_check bitwise

from merkle import tree_root
from risk_checks import show_ranges
from risk_engine import Header, RowHeader, evaluate_all
from risk_rows import blank_hashes, hash_rows
from starkware.cairo.common.alloc import alloc
from starkware.cairo.common.cairo_builtins import BitwiseBuiltin, HashBuiltin

const SCHEMA = 2;

func main{output_ptr: felt*, pedersen_ptr: HashBuiltin*, range_check_ptr, bitwise_ptr: BitwiseBuiltin*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    let (local data: felt*) = alloc();
    %{ segments.write_arg(ids.data, program_input["data"]) %}
    let (scores: felt*) = alloc();
    let (local checks: felt*) = alloc();
    let (local rows: felt*) = alloc();
    let (local blanks: HashBuiltin*) = alloc();

    // evaluate_all counts n down to 0 by ones: that it ends shows that n is in range.
    blank_hashes(data=cast(data, Header*), blanks=blanks, left=n - 1);

    let decided = rows;
    let blanks_end = blanks;
    let checks_end = cast(checks, felt);
    evaluate_all{output_ptr=decided, pedersen_ptr=blanks_end, range_check_ptr=checks_end}(
        data=cast(data, Header*), scores=scores, left=n - 1
    );
    // The leaves go behind the rows.
    local leaves: felt* = decided;
    show_ranges(values=checks, count=checks_end - cast(checks, felt));
    hash_rows(data=cast(data, Header*), row=cast(rows, RowHeader*), leaf=leaves, left=n - 1);
    let (root) = tree_root(nodes=leaves, count=n);

    assert output_ptr[0] = SCHEMA;
    assert output_ptr[1] = n;
    assert output_ptr[2] = root;
    let output_ptr = output_ptr + 3;
    return ();
}
