//! Parts of a proof that must belong together, which the library does not check.

use serde::Serialize;
use serde_json::{Map, Value};
use stwo::core::fields::qm31::SecureField;
use stwo::core::pcs::quotients::CommitmentSchemeProof;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::PreProcessedTraceVariant;

use super::Proof;
use crate::error::Fault;

/// Preprocessed, base, interaction and composition tables.
const TREES: usize = 4;

/// No table of a proof that we can make or check is larger.
const MAX_LOG_ROWS: u64 = 26;

pub fn check(proof: &Proof) -> Result<(), Fault> {
    variant(proof)?;
    config(proof)?;
    trees(&proof.stark_proof.0)?;
    claims(proof)?;
    memory_sums(proof)?;
    segments(proof)
}

fn refuse(message: impl Into<String>) -> Fault {
    Fault::new("proof-structure", message)
}

/// The other variants would make the verifier build tables of gigabytes.
fn variant(proof: &Proof) -> Result<(), Fault> {
    if proof.preprocessed_trace_variant == PreProcessedTraceVariant::CanonicalSmall {
        return Ok(());
    }
    Err(refuse(format!("preprocessed tables {:?} are not in use here", proof.preprocessed_trace_variant)))
}

/// Bounds that keep the verifier's own work finite; how secure is enough is for the caller to say.
fn config(proof: &Proof) -> Result<(), Fault> {
    let config = &proof.stark_proof.0.config;
    let fri = &config.fri_config;
    let lifting = config.lifting_log_size.unwrap_or_default();
    let sane = config.pow_bits <= 64
        && (1..=1024).contains(&fri.n_queries)
        && (1..=16).contains(&fri.log_blowup_factor)
        && (1..=10).contains(&fri.fold_step)
        && fri.log_last_layer_degree_bound <= 10
        && (20..=30).contains(&lifting);
    if sane { Ok(()) } else { Err(refuse(format!("parameters out of range: {config:?}"))) }
}

fn trees(proof: &CommitmentSchemeProof<Blake2sMerkleHasher>) -> Result<(), Fault> {
    let counts = [
        proof.commitments.len(),
        proof.sampled_values.len(),
        proof.decommitments.len(),
        proof.queried_values.len(),
    ];
    if counts != [TREES; 4] {
        return Err(refuse(format!("{TREES} commitment trees are expected, not {counts:?}")));
    }
    // The length is stored twice, and the degree check reads the one that the prover may choose.
    let poly = json(&proof.fri_proof.last_layer_poly)?;
    let coefficients = poly["coeffs"].as_array().map_or(0, Vec::len);
    let log_size = poly["log_size"].as_u64().unwrap_or(u64::MAX);
    if log_size > 10 || coefficients != 1 << log_size {
        return Err(refuse("the last FRI layer has another length than it says"));
    }
    Ok(())
}

/// The library adds up the lookup sums of all components that the *interaction* claim names, but
/// checks only those that the claim names: a sum without a component would balance any statement.
fn claims(proof: &Proof) -> Result<(), Fault> {
    let claim = members(&proof.claim)?;
    let interaction = members(&proof.interaction_claim)?;
    for (name, sums) in &interaction {
        let component = claim.get(name).unwrap_or(&Value::Null);
        if component.is_null() != sums.is_null() {
            return Err(refuse(format!("{name} is in one of the two claims only")));
        }
        check_log_sizes(name, component)?;
    }
    let unknown = claim.iter().find(|(name, value)| {
        !interaction.contains_key(*name) && name.as_str() != "public_data" && !value.is_null()
    });
    match unknown {
        Some((name, _)) => Err(refuse(format!("{name} has no lookup sums"))),
        None => Ok(()),
    }
}

fn check_log_sizes(name: &str, component: &Value) -> Result<(), Fault> {
    let single = component.get("log_size").into_iter();
    let several = component.get("big_log_sizes").and_then(Value::as_array).into_iter().flatten();
    for log_size in single.chain(several) {
        if log_size.as_u64().is_none_or(|log| log > MAX_LOG_ROWS) {
            return Err(refuse(format!("{name} has 2^{log_size} rows")));
        }
    }
    Ok(())
}

/// Likewise this sum is read by the lookup check but is neither bound by the transcript nor
/// compared with the parts of which it is the sum.
fn memory_sums(proof: &Proof) -> Result<(), Fault> {
    let (Some(claim), Some(sums)) =
        (&proof.claim.memory_id_to_big, &proof.interaction_claim.memory_id_to_big)
    else {
        return Err(refuse("memory_id_to_big is missing"));
    };
    // A run may have no value beyond 72 bits: it then has no such table, and nothing can be looked up in it.
    if claim.big_log_sizes.len() != sums.big_claimed_sums.len() {
        return Err(refuse("memory_id_to_big has not one sum for each table"));
    }
    if sums.claimed_sum != sums.big_claimed_sums.iter().sum::<SecureField>() {
        return Err(refuse("memory_id_to_big states another sum than its parts have"));
    }
    Ok(())
}

/// The library reads the output words right after the execution segment, whatever the output
/// segment's own bounds say, and does not compare their number with these bounds.
fn segments(proof: &Proof) -> Result<(), Fault> {
    let data = &proof.claim.public_data;
    let memory = &data.public_memory;
    let output = memory.public_segments.output;
    let (start, stop) = (output.start_ptr.value, output.stop_ptr.value);
    if memory.program.len() < 6 {
        return Err(refuse("the program is shorter than its own prologue"));
    }
    if start != data.final_state.ap.0 {
        return Err(refuse("the output segment does not begin where its words are read"));
    }
    if stop.checked_sub(start).map(|cells| cells as usize) != Some(memory.output.len()) {
        return Err(refuse("the output segment has another length than the output"));
    }
    // Program at 1, then the two cells of the first call frame.
    if data.initial_state.ap.0 as usize != memory.program.len() + 3 {
        return Err(refuse("the execution segment does not begin after the program"));
    }
    for segment in memory.public_segments.present_segments() {
        if segment.start_ptr.value > segment.stop_ptr.value {
            return Err(refuse("a builtin segment ends before it begins"));
        }
    }
    Ok(())
}

fn json(part: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(part).map_err(|error| refuse(error.to_string()))
}

fn members(part: &impl Serialize) -> Result<Map<String, Value>, Fault> {
    match json(part)? {
        Value::Object(members) => Ok(members),
        _ => Err(refuse("a claim is not a structure")),
    }
}
