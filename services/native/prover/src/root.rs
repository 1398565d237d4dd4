//! The root of the fixed tables, as every proof of the same settings has it.

use std::sync::Arc;

use stwo::core::poly::circle::CanonicCoset;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::CommitmentTreeProver;
use stwo_cairo_common::preprocessed_columns::preprocessed_trace::PreProcessedTraceVariant;
use stwo_cairo_prover::witness::preprocessed_trace::gen_trace;

/// Hex of the root for these settings; no program enters it.
pub fn preprocessed_root(log_blowup: u32, lifting_log_size: u32) -> String {
    let twiddles =
        SimdBackend::precompute_twiddles(CanonicCoset::new(lifting_log_size).circle_domain().half_coset);
    let trace = Arc::new(PreProcessedTraceVariant::CanonicalSmall.to_preprocessed_trace());
    let polynomials = SimdBackend::interpolate_columns(gen_trace(trace), &twiddles);
    let tree = CommitmentTreeProver::<SimdBackend, Blake2sMerkleChannel>::new(
        polynomials,
        log_blowup,
        &twiddles,
        false,
        Some(lifting_log_size),
        &BaseColumnPool::new(),
    );
    tree.commitment.root().0.iter().map(|byte| format!("{byte:02x}")).collect()
}
