%builtins output keccak

from starkware.cairo.common.cairo_builtins import KeccakBuiltin
from starkware.cairo.common.keccak_state import KeccakBuiltinState

func main{output_ptr: felt*, keccak_ptr: KeccakBuiltin*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert keccak_ptr.input = KeccakBuiltinState(n, 1, 2, 3, 4, 5, 6, 7);
    assert [output_ptr] = keccak_ptr.output.s0;
    let keccak_ptr = keccak_ptr + KeccakBuiltin.SIZE;
    let output_ptr = output_ptr + 1;
    return ();
}
