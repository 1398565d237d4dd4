%builtins output ecdsa

from starkware.cairo.common.cairo_builtins import SignatureBuiltin
from starkware.cairo.common.signature import verify_ecdsa_signature

func main{output_ptr: felt*, ecdsa_ptr: SignatureBuiltin*}() {
    alloc_locals;
    local message;
    local key;
    local r;
    local s;
    %{
        ids.message = program_input["message"]
        ids.key = program_input["key"]
        ids.r = program_input["r"]
        ids.s = program_input["s"]
    %}
    verify_ecdsa_signature(message, key, r, s);
    assert [output_ptr] = message;
    let output_ptr = output_ptr + 1;
    return ();
}
