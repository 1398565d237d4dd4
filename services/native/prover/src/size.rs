//! How large the prover's tables become: decides the size of the commitment, and what fits at all.

use std::collections::BTreeMap;

use stwo_cairo_adapter::{ExecutionResources, ProverInput};

use crate::failure::Failure;

/// The fixed tables of the small preprocessed trace have up to 2^20 rows: no proof is smaller, and
/// tables that number their rows cannot be larger.
pub const FIXED_LOG_ROWS: u32 = 20;

/// The address table is split into this many parallel columns.
const ADDRESSES_PER_ROW: usize = 16;

/// Instances of a builtin or opcode also fill tables of their own: rows for each instance.
const DERIVED_TABLES: [(&str, &str, usize); 6] = [
    // Two inputs of 28 windows of 9 bits.
    ("pedersen_builtin", "partial_ec_mul", 56),
    ("poseidon_builtin", "poseidon_rounds", 27),
    ("poseidon_builtin", "cube_252", 107),
    ("ec_op_builtin", "partial_ec_mul_generic", 252),
    ("blake_compress_opcode", "blake_round", 10),
    ("blake_compress_opcode", "blake_g", 80),
];

/// Tables whose rows are numbered by a fixed column.
fn is_numbered(table: &str) -> bool {
    table.starts_with("memory_") || table.ends_with("_builtin")
}

/// Rows of the tables that grow with the run, by table, before padding to a power of two.
pub fn rows(input: &ProverInput) -> BTreeMap<String, usize> {
    let resources = ExecutionResources::from_prover_input(input);
    let memory = resources.memory_tables_sizes;
    let mut rows: BTreeMap<String, usize> = resources
        .opcodes_instance_counter
        .into_iter()
        .chain(resources.builtin_instance_counter)
        .filter(|(name, _)| name != "output_builtin")
        .collect();
    for (source, table, factor) in DERIVED_TABLES {
        let instances = rows.get(source).copied().unwrap_or_default();
        rows.insert(table.into(), instances * factor);
    }
    rows.insert("memory_address_to_id".into(), memory.memory_address_to_id.div_ceil(ADDRESSES_PER_ROW));
    rows.insert("memory_id_to_big".into(), memory.memory_id_to_big);
    rows.insert("memory_id_to_small".into(), memory.memory_id_to_small);
    rows.insert("verify_instruction".into(), resources.verify_instruction);
    rows.retain(|_, count| *count > 0);
    rows
}

/// log2 of the largest table; refuses a run with a table that the caller or the fixed tables do
/// not allow.
pub fn log_rows(rows: &BTreeMap<String, usize>, max_log_rows: u32) -> Result<u32, Failure> {
    let too_large: Vec<String> = rows
        .iter()
        .filter(|(table, count)| {
            let limit = if is_numbered(table) { FIXED_LOG_ROWS } else { max_log_rows };
            padded_log(**count) > limit
        })
        .map(|(table, count)| format!("{table} {count}"))
        .collect();
    if !too_large.is_empty() {
        return Err(Failure::unusable(
            "run-too-large",
            format!(
                "tables with more rows than one proof can take (2^{FIXED_LOG_ROWS}, or \
                 2^{max_log_rows} where rows are not numbered): {}",
                too_large.join(", ")
            ),
        ));
    }
    let largest = rows.values().map(|count| padded_log(*count)).max().unwrap_or_default();
    Ok(largest.max(FIXED_LOG_ROWS))
}

fn padded_log(count: usize) -> u32 {
    count.next_power_of_two().ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(table: &str, count: usize) -> BTreeMap<String, usize> {
        BTreeMap::from([(table.to_owned(), count)])
    }

    #[test]
    fn no_proof_is_smaller_than_the_fixed_tables() {
        assert_eq!(log_rows(&rows_of("ret_opcode", 5), 20).unwrap(), 20);
    }

    #[test]
    fn numbered_tables_have_a_hard_limit() {
        let failure = log_rows(&rows_of("memory_id_to_big", (1 << 20) + 1), 22).unwrap_err();
        assert_eq!(failure.code, "run-too-large");
        assert!(failure.message.contains("memory_id_to_big 1048577"), "{}", failure.message);
    }

    #[test]
    fn other_tables_grow_up_to_the_given_limit() {
        let rows = rows_of("partial_ec_mul", (1 << 20) + 1);
        assert_eq!(log_rows(&rows, 21).unwrap(), 21);
        assert_eq!(log_rows(&rows, 20).unwrap_err().exit, 2);
    }
}
