//! The program's input and the hints that read it.
//!
//! Two forms of hint are understood, each also valid in the reference `cairo-run --program_input`:
//!
//! ```text
//! ids.NAME = program_input["KEY"]
//! segments.write_arg(ids.NAME, program_input["KEY"])
//! ```
//!
//! A hint may hold several such lines. All other hints go to the VM's own library.

mod input;
mod processor;
mod statement;

pub use input::{InputError, ProgramInput, Value};
pub use processor::InputHints;
