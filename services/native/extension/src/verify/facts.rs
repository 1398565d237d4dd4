//! What a proof states.

use cairo_air::air::SegmentRange;
use cairo_air::utils::get_verification_output;
use serde_json::{Map, Value, json};
use stwo_cairo_common::prover_types::cpu::CasmState;

use super::Proof;
use crate::error::Fault;

/// 2^251 + 17·2^192 + 1, limbs of 32 bits from the lowest.
const STARK_PRIME: [u32; 8] = [1, 0, 0, 0, 0, 0, 17, 0x0800_0000];

pub fn is_felt(word: &[u32; 8]) -> bool {
    word.iter().rev().lt(STARK_PRIME.iter().rev())
}

pub fn of(proof: &Proof) -> Result<Value, Fault> {
    let data = &proof.claim.public_data;
    let memory = &data.public_memory;
    let config = &proof.stark_proof.0.config;
    let fri = &config.fri_config;
    Ok(json!({
        "variant": proof.preprocessed_trace_variant,
        "preprocessed_root": hex(&proof.stark_proof.0.commitments[0].0),
        "config": {
            "pow_bits": config.pow_bits,
            "n_queries": fri.n_queries,
            "log_blowup": fri.log_blowup_factor,
            "fold_step": fri.fold_step,
            "log_last_layer": fri.log_last_layer_degree_bound,
            "lifting_log_size": config.lifting_log_size,
            "channel_salt": proof.channel_salt,
        },
        "program": memory.program.iter().map(|(_, word)| felt(word)).collect::<Vec<_>>(),
        "program_hash_blake": format!("{:#x}", get_verification_output(memory).program_hash),
        "output": memory.output.iter().map(|(_, word)| felt(word)).collect::<Vec<_>>(),
        "segments": segments(proof),
        "initial_state": state(&data.initial_state),
        "final_state": state(&data.final_state),
    }))
}

/// The builtins' segments in the order in which the program's `main` takes them.
fn segments(proof: &Proof) -> Value {
    let ranges = &proof.claim.public_data.public_memory.public_segments;
    let optional = [
        ("pedersen", ranges.pedersen),
        ("range_check", ranges.range_check_128),
        ("ecdsa", ranges.ecdsa),
        ("bitwise", ranges.bitwise),
        ("ec_op", ranges.ec_op),
        ("keccak", ranges.keccak),
        ("poseidon", ranges.poseidon),
        ("range_check96", ranges.range_check_96),
        ("add_mod", ranges.add_mod),
        ("mul_mod", ranges.mul_mod),
    ];
    let present = optional.iter().filter_map(|(name, range)| range.as_ref().map(|r| (*name, r)));
    let list: Vec<Value> = std::iter::once(("output", &ranges.output))
        .chain(present)
        .map(|(name, range)| segment(name, range))
        .collect();
    Value::from(list)
}

fn segment(name: &str, range: &SegmentRange) -> Value {
    json!({"builtin": name, "begin": range.start_ptr.value, "end": range.stop_ptr.value})
}

fn state(state: &CasmState) -> Value {
    let members = [("pc", state.pc), ("ap", state.ap), ("fp", state.fp)];
    Value::Object(Map::from_iter(members.map(|(name, value)| (name.to_owned(), Value::from(value.0)))))
}

fn felt(word: &[u32; 8]) -> String {
    let digits: String = word.iter().rev().map(|limb| format!("{limb:08x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prime_itself_is_no_felt() {
        assert!(!is_felt(&STARK_PRIME));
        assert!(!is_felt(&[0, 0, 0, 0, 0, 0, 18, 0x0800_0000]));
        assert!(is_felt(&[0, 0, 0, 0, 0, 0, 17, 0x0800_0000]));
        assert!(is_felt(&[0; 8]));
    }
}
