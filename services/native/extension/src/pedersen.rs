//! The Pedersen array hash for the independent risk model, from another implementation than the VM's builtin
//! (starknet-types-core here, starknet-crypto there): the two agree or the audit says so.

use pyo3::prelude::*;
use starknet_types_core::felt::Felt;
use starknet_types_core::hash::{Pedersen, StarkHash};

use crate::error::{Fault, guarded};

/// h(…h(h(0, x_0), x_1)…, count) of felts "0x…", as "0x…".
#[pyfunction]
pub fn pedersen_array_hash(py: Python<'_>, elements: Vec<String>) -> PyResult<String> {
    guarded(py, || {
        let felts = elements.iter().map(|text| felt(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Pedersen::hash_array(&felts).to_hex_string())
    })
}

fn felt(text: &str) -> Result<Felt, Fault> {
    Felt::from_hex(text).map_err(|_| Fault::new("felt-malformed", format!("{text:.80?} is no felt")))
}
