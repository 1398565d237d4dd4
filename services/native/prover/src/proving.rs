//! The proof itself: parameters, proving, and its encoding.

use cairo_air::{CairoProof, CairoProofForRustVerifier};
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;
use stwo::core::vcs_lifted::blake2_merkle::{Blake2sMerkleChannel, Blake2sMerkleHasher};
use stwo_cairo_adapter::ProverInput;
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::PreProcessedTraceVariant;
use stwo_cairo_prover::prover::{prove_cairo, ChannelHash, ProverParameters};

use crate::failure::Failure;

pub type Proof = CairoProofForRustVerifier<Blake2sMerkleHasher>;

/// What the caller may choose; the rest is fixed here.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Parameters {
    /// Proof-of-work bits before the queries are drawn.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=40))]
    pub pow_bits: u32,
    /// Number of FRI queries.
    #[arg(long, default_value_t = 76, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub queries: u32,
    /// log2 of the blow-up factor.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4))]
    pub log_blowup: u32,
    /// log2 of the folding factor of a FRI layer.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=4))]
    pub fold_step: u32,
    /// log2 of the degree bound of the last FRI layer.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    pub log_last_layer: u32,
    /// Do not keep polynomial coefficients in memory: a third slower, a tenth less memory.
    #[arg(long)]
    pub recompute_coefficients: bool,
}

impl Parameters {
    /// Conjectured security, without the fixed proof of work of the lookup argument.
    pub fn security_bits(&self) -> u32 {
        self.pow_bits + self.queries * self.log_blowup
    }

    fn config(&self, log_rows: u32) -> PcsConfig {
        PcsConfig {
            pow_bits: self.pow_bits,
            fri_config: FriConfig::new(
                self.log_last_layer,
                self.log_blowup,
                self.queries as usize,
                self.fold_step,
            ),
            lifting_log_size: Some(log_rows + self.log_blowup),
        }
    }
}

/// Proves the run; `log_rows` is log2 of its largest table.
pub fn prove(input: ProverInput, parameters: Parameters, log_rows: u32) -> Result<Proof, Failure> {
    let proof: CairoProof<Blake2sMerkleHasher> = prove_cairo::<Blake2sMerkleChannel>(
        input,
        ProverParameters {
            channel_hash: ChannelHash::Blake2s,
            channel_salt: 0,
            pcs_config: parameters.config(log_rows),
            preprocessed_trace: PreProcessedTraceVariant::CanonicalSmall,
            store_polynomials_coefficients: !parameters.recompute_coefficients,
            include_all_preprocessed_columns: false,
        },
    )
    .map_err(|e| Failure::proving("proving-failed", e.to_string()))?;
    Ok(proof.into())
}

/// bincode with fixed-size little-endian integers: no choices are left to an encoder.
pub fn encode(proof: &Proof) -> Result<Vec<u8>, Failure> {
    bincode::serialize(proof).map_err(|e| Failure::proving("encoding-failed", e.to_string()))
}

/// The output words that the proof states, as "0x…".
pub fn output(proof: &Proof) -> Vec<String> {
    proof.claim.public_data.public_memory.output.iter().map(|(_, limbs)| hex(limbs)).collect()
}

fn hex(limbs: &[u32; 8]) -> String {
    let digits: String = limbs.iter().rev().map(|limb| format!("{limb:08x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

/// Root of the preprocessed tables: a verifier must know it.
pub fn preprocessed_root(proof: &Proof) -> String {
    proof.stark_proof.commitments[0].0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_printed_without_leading_zeros() {
        assert_eq!(hex(&[0; 8]), "0x0");
        assert_eq!(hex(&[0x10, 0, 1, 0, 0, 0, 0, 0]), "0x10000000000000010");
    }
}
