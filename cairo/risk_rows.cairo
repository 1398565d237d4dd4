// The leaves of a batch's tree: what was asked and what was decided, in few Pedersen instances.
//
//     inputs_hash = h(…h(h(INPUTS_TAG, id), element)…, element)
//         elements: for every two protocols, or the last alone, a word of their numbers and then their names
//     leaf = h(…h(h(h(ROW_TAG, id), inputs_hash), word)…, word)
//         words: for every four protocols, or the last alone, a word of what was decided
//
// A word holds numbers side by side, the first one highest, each in as many bits as its range needs. All of them
// have been shown to be in range, so no two lists of numbers make the same word; how many elements there are
// follows from n, which stands in the first word. A chain that begins with a tag is no part of
// another one, and no node of the tree: no hash is a tag.

from risk_engine import MODEL_VERSION, Header, Protocol, RowHeader, Share
from starkware.cairo.common.cairo_builtins import HashBuiltin

const INPUTS_TAG = 'proofrail/inputs/v1';
const ROW_TAG = 'proofrail/row/v1';
const PROTOCOLS_A_WORD = 2;
const SHARES_A_WORD = 4;
// Blanked at once: as many as evaluate_all takes for a protocol. For the allocation itself it takes no more.
const BLANKS = Protocol.SIZE;

// What the loop over an allocation's protocols takes along.
struct Blanking {
    blanks: HashBuiltin*,
    left: felt,
}

// Puts 0 into the results of what evaluate_all hashes of the allocation at `data` and the `left` ones behind it, and
// into some more: what lies there beside them is not used.
func blank_hashes(data: Header*, blanks: HashBuiltin*, left) {
    tempvar zero = 0;
    let zero = [fp];
    tempvar blanking = Blanking(blanks=blanks, left=data.n);

    blank:
    let blanking = [cast(ap - Blanking.SIZE, Blanking*)];
    let blanks = blanking.blanks;
    assert blanks[0].result = zero;
    assert blanks[1].result = zero;
    assert blanks[2].result = zero;
    assert blanks[3].result = zero;
    assert blanks[4].result = zero;
    assert blanks[5].result = zero;
    assert blanks[6].result = zero;
    assert blanks[7].result = zero;
    assert blanks[8].result = zero;
    assert blanks[9].result = zero;
    assert blanks[10].result = zero;
    tempvar next = Blanking(
        blanks=blanks + BLANKS * HashBuiltin.SIZE, left=blanking.left - 1
    );
    jmp blank if blanking.left != 0;
    jmp more if left != 0;
    return ();

    more:
    return blank_hashes(
        data=data + Header.SIZE + data.n * Protocol.SIZE, blanks=next.blanks, left=left - 1
    );
}

// Writes the leaf of the allocation at `data`, decided in the row at `row`, and of the `left` ones behind it.
func hash_rows{pedersen_ptr: HashBuiltin*}(data: Header*, row: RowHeader*, leaf: felt*, left) {
    alloc_locals;
    local n = data.n;
    tempvar word = MODEL_VERSION * 2 ** 4 + n;
    tempvar word = word * 2 ** 14 + data.max_single;
    tempvar word = word * 2 ** 4 + data.min_diversification;
    tempvar word = word * 2 ** 14 + data.max_deviation;
    tempvar word = word * 2 ** 14 + data.max_volatility;
    tempvar word = word * 2 ** 2 + data.min_liquidity;
    assert pedersen_ptr.x = INPUTS_TAG;
    assert pedersen_ptr.y = data.id;
    let first = pedersen_ptr.result;
    let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
    let (inputs_hash) = hash_protocols(
        protocol=cast(data + Header.SIZE, Protocol*), left=n, word=word, hash=first
    );

    let hash = pedersen_ptr;
    assert hash[0].x = ROW_TAG;
    assert hash[0].y = row.id;
    assert hash[1].x = hash[0].result;
    assert hash[1].y = inputs_hash;
    let pedersen_ptr = pedersen_ptr + 2 * HashBuiltin.SIZE;
    let (result) = hash_shares(
        share=cast(row + RowHeader.SIZE, Share*),
        left=n,
        room=SHARES_A_WORD,
        word=(MODEL_VERSION * 2 ** 6 + row.verdict) * 2 ** 4 + n,
        hash=hash[1].result,
    );
    assert leaf[0] = result;
    jmp next if left != 0;
    return ();

    next:
    return hash_rows(
        data=data + Header.SIZE + n * Protocol.SIZE,
        row=row + RowHeader.SIZE + n * Share.SIZE,
        leaf=leaf + 1,
        left=left - 1,
    );
}

// Continues `hash` with the `left` protocols at `protocol`; `word` stands above the numbers of the first two.
func hash_protocols{pedersen_ptr: HashBuiltin*}(protocol: Protocol*, left, word, hash) -> (
    inputs_hash: felt
) {
    let hashes = pedersen_ptr;
    let (word) = packed(word=word, protocol=protocol);
    tempvar others = left - 1;
    jmp two if others != 0;
    assert hashes[0].x = hash;
    assert hashes[0].y = word;
    assert hashes[1].x = hashes[0].result;
    assert hashes[1].y = protocol.name;
    let pedersen_ptr = pedersen_ptr + 2 * HashBuiltin.SIZE;
    return (inputs_hash=hashes[1].result);

    two:
    let second = protocol + Protocol.SIZE;
    let (word) = packed(word=word, protocol=second);
    assert hashes[0].x = hash;
    assert hashes[0].y = word;
    assert hashes[1].x = hashes[0].result;
    assert hashes[1].y = protocol.name;
    assert hashes[2].x = hashes[1].result;
    assert hashes[2].y = second.name;
    let pedersen_ptr = pedersen_ptr + 3 * HashBuiltin.SIZE;
    tempvar others = left - 2;
    jmp more if others != 0;
    return (inputs_hash=hashes[2].result);

    more:
    return hash_protocols(
        protocol=protocol + 2 * Protocol.SIZE, left=others, word=0, hash=hashes[2].result
    );
}

// `word` with a protocol's numbers behind it.
func packed(word, protocol: Protocol*) -> (word: felt) {
    tempvar word = word * 2 ** 17 + protocol.apy;
    tempvar word = word * 2 ** 14 + protocol.proposed;
    tempvar word = word * 2 + protocol.has_metrics;
    tempvar word = word * 2 ** 14 + protocol.utilization;
    tempvar word = word * 2 ** 14 + protocol.volatility;
    tempvar word = word * 2 ** 2 + protocol.liquidity;
    tempvar word = word * 2 ** 7 + protocol.audit_score;
    tempvar word = word * 2 ** 16 + protocol.age;
    tempvar word = word * 2 + protocol.has_risk;
    return (word=word * 2 ** 7 + protocol.risk);
}

// Continues `hash` with the words of the `left` shares at `share`, of which `room` more go into `word`.
func hash_shares{pedersen_ptr: HashBuiltin*}(share: Share*, left, room, word, hash) -> (result: felt) {
    tempvar word = word * 2 ** 7 + share.risk;
    tempvar word = word * 2 ** 14 + share.recommended;
    tempvar word = word * 2 ** 14 + share.proposed;
    tempvar others = left - 1;
    jmp more if others != 0;
    assert pedersen_ptr.x = hash;
    assert pedersen_ptr.y = word;
    let result = pedersen_ptr.result;
    let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
    return (result=result);

    more:
    tempvar room = room - 1;
    jmp same_word if room != 0;
    assert pedersen_ptr.x = hash;
    assert pedersen_ptr.y = word;
    let result = pedersen_ptr.result;
    let pedersen_ptr = pedersen_ptr + HashBuiltin.SIZE;
    return hash_shares(
        share=share + Share.SIZE, left=others, room=SHARES_A_WORD, word=0, hash=result
    );

    same_word:
    return hash_shares(share=share + Share.SIZE, left=others, room=room, word=word, hash=hash);
}
