//! One content, one encoding: numbers of the field below its order, felts below the Stark prime.
//!
//! The library computes with values as they stand in the proof and reduces some of them silently,
//! so that `x` and `x + P` would both verify.

use serde_json::Value;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SecureField;

use super::Proof;
use super::facts::is_felt;
use crate::error::Fault;

pub fn check(proof: &Proof) -> Result<(), Fault> {
    words(proof)?;
    claims(proof)?;
    let stark = &proof.stark_proof.0;
    let fri = &stark.fri_proof;
    let layers = std::iter::once(&fri.first_layer).chain(&fri.inner_layers);
    let secure = stark
        .sampled_values
        .iter()
        .flatten()
        .flatten()
        .chain(layers.flat_map(|layer| &layer.fri_witness))
        .all(is_secure);
    let base = stark.queried_values.iter().flatten().flatten().all(is_base);
    let last_layer = fri.last_layer_poly.iter().all(is_secure);
    if secure && base && last_layer { Ok(()) } else { Err(refuse("a field element")) }
}

fn refuse(what: &str) -> Fault {
    Fault::new("proof-encoding", format!("{what} is not written in its canonical form"))
}

fn is_base(value: &BaseField) -> bool {
    value.0 < P
}

fn is_secure(value: &SecureField) -> bool {
    value.to_m31_array().iter().all(is_base)
}

fn words(proof: &Proof) -> Result<(), Fault> {
    let memory = &proof.claim.public_data.public_memory;
    let canonical = memory.program.iter().chain(&memory.output).all(|(id, word)| *id < P && is_felt(word));
    if canonical { Ok(()) } else { Err(refuse("a word of the program or the output")) }
}

/// Everything else in the claims is a number of the field, or enters the transcript as one.
fn claims(proof: &Proof) -> Result<(), Fault> {
    let mut claim = proof.claim.clone();
    claim.public_data.public_memory.program.clear();
    claim.public_data.public_memory.output.clear();
    let parts = [
        serde_json::to_value(&claim),
        serde_json::to_value(&proof.interaction_claim),
        Ok(Value::from(proof.channel_salt)),
    ];
    for part in parts {
        let part = part.map_err(|error| Fault::new("proof-malformed", error.to_string()))?;
        if !numbers_are_reduced(&part) {
            return Err(refuse("a number of the claims"));
        }
    }
    Ok(())
}

fn numbers_are_reduced(part: &Value) -> bool {
    match part {
        Value::Number(number) => number.as_u64().is_some_and(|n| n < u64::from(P)),
        Value::Array(items) => items.iter().all(numbers_are_reduced),
        Value::Object(members) => members.values().all(numbers_are_reduced),
        _ => true,
    }
}
