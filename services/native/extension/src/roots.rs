//! The roots of StepBlocks and MemoryBlocks.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::digest::{self, Digest};
use crate::error::{Fault, guarded};
use crate::run::RunData;

pub const STEPS_PER_BLOCK: usize = 4096;
pub const CELLS_PER_BLOCK: usize = 4096;
const STEPS_CHUNK: usize = 64 * 24;
const CELLS_CHUNK: usize = 32 * 40;

/// Roots by block.
#[derive(Default)]
pub struct Roots {
    pub steps: Vec<Digest>,
    pub cells: Vec<Digest>,
}

impl Roots {
    fn of(run: &RunData) -> Self {
        let steps = run.trace.chunks(STEPS_PER_BLOCK);
        let cells = run.memory.cells().chunks(CELLS_PER_BLOCK);
        Self {
            steps: steps.map(|block| digest::chunk_root(bytemuck::cast_slice(block), STEPS_CHUNK)).collect(),
            cells: cells.map(|block| digest::chunk_root(bytemuck::cast_slice(block), CELLS_CHUNK)).collect(),
        }
    }
}

/// The roots of a run, begun at once in a thread of their own where the run is long.
pub struct PendingRoots {
    run: Arc<RunData>,
    thread: Option<JoinHandle<Roots>>,
}

impl PendingRoots {
    pub fn begin(run: &Arc<RunData>, threaded: bool) -> Self {
        let begin = || {
            let run = Arc::clone(run);
            thread::Builder::new().name("proofrail-roots".to_owned()).spawn(move || Roots::of(&run)).ok()
        };
        Self { run: Arc::clone(run), thread: if threaded { begin() } else { None } }
    }

    pub fn wait(self) -> Result<Roots, Fault> {
        match self.thread {
            Some(thread) => thread.join().map_err(|_| {
                Fault::new(
                    "native-panic",
                    "a defect of the native part: the thread that hashes blocks has died",
                )
            }),
            None => Ok(Roots::of(&self.run)),
        }
    }
}

/// The RFC 6962 root over consecutive chunks of `chunk_size` bytes, the last one possibly shorter.
#[pyfunction]
pub fn chunk_root(py: Python<'_>, data: PyBackedBytes, chunk_size: usize) -> PyResult<Bound<'_, PyBytes>> {
    let root = guarded(py, || match chunk_size {
        0 => Err(Fault::new("chunk-size", "a chunk has at least 1 byte")),
        size => Ok(digest::chunk_root(&data, size)),
    })?;
    Ok(PyBytes::new(py, &root))
}
