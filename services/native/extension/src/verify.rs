//! Verifies a stwo proof and says what it states.
//!
//! The library's verifier (cairo-air 1.3.0) leaves gaps that a dishonest prover could use. Closed
//! here: everything that concerns the proof alone (`canonical`, `structure`). Left to the caller,
//! who alone knows what was to be proven: program, output, security, the root of the fixed tables.

mod canonical;
mod facts;
mod samples;
mod structure;

use bincode::Options;
use cairo_air::CairoProofForRustVerifier;
use cairo_air::verifier::verify_cairo;
use pyo3::prelude::*;
use stwo::core::vcs_lifted::blake2_merkle::{Blake2sMerkleChannel, Blake2sMerkleHasher};

use crate::error::{Fault, guarded};
use crate::quiet;

type Proof = CairoProofForRustVerifier<Blake2sMerkleHasher>;

/// Far above any proof of the settings in use (under 2 MiB), far below what would hurt to parse.
const MAX_PROOF_BYTES: usize = 64 << 20;

/// Reads a proof in the prover's own encoding. Returns JSON of everything that it states, which holds
/// only when `verify_stwo` says so.
///
/// Raises NativeError: `proof-malformed` (not the encoding), `proof-trailing` (bytes behind its end),
/// `proof-encoding` (not the only encoding of its content), `proof-structure` (parts that do not
/// belong together).
#[pyfunction]
pub fn read_stwo(py: Python<'_>, proof: &[u8]) -> PyResult<String> {
    guarded(py, || Ok(read(proof)?.1))
}

/// Verifies a proof, and returns what `read_stwo` does.
///
/// Raises NativeError as `read_stwo`, and `proof-refused` (it proves nothing).
#[pyfunction]
pub fn verify_stwo(py: Python<'_>, proof: &[u8]) -> PyResult<String> {
    guarded(py, || verify(proof))
}

fn read(bytes: &[u8]) -> Result<(Proof, String), Fault> {
    let proof = decode(bytes)?;
    structure::check(&proof)?;
    canonical::check(&proof)?;
    samples::check(&proof)?;
    let facts = facts::of(&proof)?.to_string();
    Ok((proof, facts))
}

fn verify(bytes: &[u8]) -> Result<String, Fault> {
    let (proof, facts) = read(bytes)?;
    match quiet::catch(|| verify_cairo::<Blake2sMerkleChannel>(proof)) {
        Ok(Ok(())) => Ok(facts),
        Ok(Err(error)) => Err(Fault::new("proof-refused", error.to_string())),
        // The library asserts where a verifier should say no.
        Err(assertion) => Err(Fault::new("proof-refused", assertion)),
    }
}

fn decode(bytes: &[u8]) -> Result<Proof, Fault> {
    if bytes.len() > MAX_PROOF_BYTES {
        return Err(Fault::new(
            "proof-malformed",
            format!("{} bytes are more than any proof has ({MAX_PROOF_BYTES})", bytes.len()),
        ));
    }
    // The limit makes a hostile length fail before anything is allocated for it.
    let encoding = bincode::options()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(bytes.len() as u64)
        .allow_trailing_bytes();
    let proof: Proof = quiet::catch(|| encoding.deserialize(bytes))
        .map_err(|panic| Fault::new("proof-malformed", panic))?
        .map_err(|error| Fault::new("proof-malformed", error.to_string()))?;
    let again =
        encoding.serialize(&proof).map_err(|error| Fault::new("proof-malformed", error.to_string()))?;
    if again.len() < bytes.len() && bytes.starts_with(&again) {
        let message = format!("{} bytes follow the end of the proof", bytes.len() - again.len());
        return Err(Fault::new("proof-trailing", message));
    }
    if again != bytes {
        return Err(Fault::new("proof-encoding", "the encoding is not the canonical one"));
    }
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_lengths_allocate_nothing() {
        for bytes in [vec![0xff; 64], vec![0xff; 8], vec![]] {
            assert_eq!(decode(&bytes).map(|_| ()).unwrap_err().code, "proof-malformed");
        }
    }
}
