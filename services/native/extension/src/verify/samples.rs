//! How many values of each column a proof gives at the point out of domain.
//!
//! The library asserts their number in the middle of an evaluation that asserts, when it is dropped,
//! that it came to its end: two panics at once end the process, and no verdict is given.

use cairo_air::cairo_components::CairoComponents;
use cairo_air::relations::CommonLookupElements;
use stwo::core::air::Components;
use stwo::core::channel::MerkleChannel;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;

use super::Proof;
use crate::error::Fault;
use crate::quiet;

/// Values by column, for each of the trees.
type Shape = Vec<Vec<usize>>;

pub fn check(proof: &Proof) -> Result<(), Fault> {
    let expected = quiet::catch(|| shape(proof)).map_err(refuse)?;
    let trees = proof.stark_proof.0.sampled_values.iter();
    let found: Shape = trees.map(|tree| tree.iter().map(Vec::len).collect()).collect();
    if found == expected {
        return Ok(());
    }
    Err(refuse("a column has another number of sampled values than its constraints read".to_owned()))
}

fn refuse(message: String) -> Fault {
    Fault::new("proof-structure", message)
}

/// As the verifier computes it; what it draws at random does not change it.
fn shape(proof: &Proof) -> Shape {
    let channel = &mut <Blake2sMerkleChannel as MerkleChannel>::C::default();
    let columns = proof.preprocessed_trace_variant.to_preprocessed_trace().ids();
    let elements = CommonLookupElements::draw(channel);
    let generator = CairoComponents::new(&proof.claim, &elements, &proof.interaction_claim, &columns);
    let components = Components { components: generator.components(), n_preprocessed_columns: columns.len() };
    let config = &proof.stark_proof.0.config;
    let degree_bound =
        config.lifting_log_size.unwrap_or_default().saturating_sub(config.fri_config.log_blowup_factor);
    let point = CirclePoint::<SecureField>::get_random_point(channel);
    let masks = components.mask_points(point, degree_bound, false);
    let mut shape: Shape = masks.iter().map(|tree| tree.iter().map(Vec::len).collect()).collect();
    shape.push(vec![1; 2 * SECURE_EXTENSION_DEGREE]);
    shape
}
