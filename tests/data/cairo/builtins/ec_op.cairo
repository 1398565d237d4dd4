%builtins output ec_op

from starkware.cairo.common.cairo_builtins import EcOpBuiltin
from starkware.cairo.common.ec import StarkCurve
from starkware.cairo.common.ec_point import EcPoint

func main{output_ptr: felt*, ec_op_ptr: EcOpBuiltin*}() {
    alloc_locals;
    local n;
    %{ ids.n = program_input["n"] %}
    // A point that is no small multiple of the generator: on the way to n times it, no sum is of equal points.
    assert ec_op_ptr.p = EcPoint(
        x=0x49ee3eba8c1600700ee1b87eb599f16716b0b1022947733551fde4050ca6804,
        y=0x3ca0cfe4b3bc6ddf346d49d06ea0ed34e621062c0e056c1d0405d266e10268a,
    );
    assert ec_op_ptr.q = EcPoint(x=StarkCurve.GEN_X, y=StarkCurve.GEN_Y);
    assert ec_op_ptr.m = n;
    assert [output_ptr] = ec_op_ptr.r.x;
    let ec_op_ptr = ec_op_ptr + EcOpBuiltin.SIZE;
    let output_ptr = output_ptr + 1;
    return ();
}
