%builtins output poseidon

from starkware.cairo.common.cairo_builtins import PoseidonBuiltin
from starkware.cairo.common.poseidon_state import PoseidonBuiltinState

func main{output_ptr: felt*, poseidon_ptr: PoseidonBuiltin*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    assert poseidon_ptr.input = PoseidonBuiltinState(s0=n, s1=1, s2=2);
    assert [output_ptr] = poseidon_ptr.output.s0;
    let poseidon_ptr = poseidon_ptr + PoseidonBuiltin.SIZE;
    let output_ptr = output_ptr + 1;
    return ();
}
