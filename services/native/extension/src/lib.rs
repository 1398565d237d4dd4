//! `proofrail._native`: the Cairo VM, the spans of a run and their commitment, for Python.
//!
//! The normative text is section 5 of the design (schemas/trace-v1.md). Everything here is a pure function of
//! its arguments: no clock, no randomness, no I/O. Long work releases the GIL, and a panic becomes a
//! `NativeError("native-panic", …)`.

#[cfg(target_endian = "big")]
compile_error!("trace.bin and memory.bin are read in place as little-endian words");

mod canonical;
mod check;
mod claimed;
mod code;
mod commitment;
mod committer;
mod digest;
mod error;
mod events;
mod failure;
mod functions;
mod json;
mod memory;
mod pedersen;
mod pipeline;
mod program;
mod quiet;
mod roots;
mod run;
mod spans;
mod spelling;
mod stream;
mod types;
mod verify;

use pyo3::prelude::*;

#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::check::Checker;
    #[pymodule_export]
    use crate::committer::Committer;
    #[pymodule_export]
    use crate::error::NativeError;
    #[pymodule_export]
    use crate::memory::Buffer;
    #[pymodule_export]
    use crate::pedersen::pedersen_array_hash;
    #[pymodule_export]
    use crate::program::Program;
    #[pymodule_export]
    use crate::roots::chunk_root;
    #[pymodule_export]
    use crate::run::Run;
    #[pymodule_export]
    use crate::stream::EventStream;
    #[pymodule_export]
    use crate::verify::{read_stwo, verify_stwo};
}
