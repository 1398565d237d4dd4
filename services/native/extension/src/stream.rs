//! A run's trace events and commitment as Python iterates over them.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::commitment::{Commitment, MAX_LINE};
use crate::digest::chunk_root;
use crate::error::{Fault, guarded};
use crate::events::{Chunk, Clock, Writer};
use crate::functions::Recorded;
use crate::run::RunData;
use crate::spans::Walker;

const STEPS_PER_BLOCK: usize = 4096;
const STEPS_CHUNK: usize = 64 * 24;
const CELLS_PER_BLOCK: usize = 4096;
const CELLS_CHUNK: usize = 32 * 40;

pub struct Parameters {
    pub start_line: Vec<u8>,
    pub run_id: String,
    pub recorded: Recorded,
    pub method_id: String,
    pub bits: u32,
    pub block_items: u64,
    pub started_ns: u64,
    pub finished_ns: u64,
    pub chunk_bytes: usize,
}

enum Phase {
    Start(Vec<u8>),
    Spans,
    Failures,
    StepBlocks(usize),
    MemoryBlocks(usize),
    End,
    Over,
}

#[pyclass(module = "proofrail._native")]
pub struct EventStream {
    state: State,
}

struct State {
    run: Arc<RunData>,
    walker: Walker,
    writer: Writer,
    phase: Phase,
    seal: Option<Vec<u8>>,
}

impl EventStream {
    pub fn new(run: Arc<RunData>, parameters: Parameters) -> Result<Self, Fault> {
        let Parameters {
            start_line,
            run_id,
            recorded,
            method_id,
            chunk_bytes,
            ..
        } = parameters;
        if chunk_bytes <= MAX_LINE {
            let message =
                format!("chunk_bytes is {chunk_bytes}; a line and its line feed must fit {MAX_LINE} + 1");
            return Err(Fault::new("chunk-bytes", message));
        }
        let commitment = Commitment::new(&run_id, parameters.bits, parameters.block_items)?;
        let clock = Clock::new(
            parameters.started_ns,
            parameters.finished_ns,
            run.trace.len() as u64,
        );
        let writer = Writer::new(&run_id, &method_id, commitment, clock, chunk_bytes);
        let walker = Walker::new(&run.code.functions, recorded);
        let state = State {
            run,
            walker,
            writer,
            phase: Phase::Start(start_line),
            seal: None,
        };
        Ok(Self { state })
    }
}

#[pymethods]
impl EventStream {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// NDJSON lines of at most chunk_bytes, and the lines of the blocks that they complete.
    fn __next__<'py>(
        &mut self,
        py: Python<'py>,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)>> {
        let state = &mut self.state;
        let chunk = guarded(py, || state.next())?;
        Ok(chunk.map(|chunk| {
            let blocks = chunk.blocks.iter().map(|block| PyBytes::new(py, block)).collect();
            (PyBytes::new(py, &chunk.lines), blocks)
        }))
    }

    /// The core of the CommitmentSeal, once the stream is exhausted.
    #[getter]
    fn seal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let seal = self.state.seal.as_ref();
        let unfinished = || {
            Fault::new(
                "stream-unfinished",
                "the seal is known when all events have been read",
            )
        };
        Ok(PyBytes::new(py, seal.ok_or_else(unfinished)?))
    }
}

impl State {
    fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        loop {
            if let Some(chunk) = self.writer.take_ready() {
                return Ok(Some(chunk));
            }
            // Left in this phase if the next one fails: a broken stream yields nothing more, and no seal.
            match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Over => return Ok(None),
                phase => self.phase = self.go_on(phase)?,
            }
        }
    }

    fn go_on(&mut self, phase: Phase) -> Result<Phase, Fault> {
        let run = Arc::clone(&self.run);
        let writer = &mut self.writer;
        Ok(match phase {
            Phase::Start(line) => {
                writer.foreign(&line)?;
                Phase::Spans
            }
            Phase::Spans if !self.walker.advance(&run, writer)? => Phase::Spans,
            Phase::Spans if run.failure.is_none() => Phase::StepBlocks(0),
            Phase::Spans => Phase::Failures,
            Phase::Failures if self.walker.fail(&run, writer)? => Phase::End,
            Phase::Failures => Phase::Failures,
            Phase::StepBlocks(block) => match run.trace.chunks(STEPS_PER_BLOCK).nth(block) {
                None => Phase::MemoryBlocks(0),
                Some(steps) => {
                    let root = chunk_root(bytemuck::cast_slice(steps), STEPS_CHUNK);
                    writer.step_block(
                        block as u64,
                        (block * STEPS_PER_BLOCK) as u64,
                        steps.len() as u64,
                        &root,
                    )?;
                    Phase::StepBlocks(block + 1)
                }
            },
            Phase::MemoryBlocks(block) => match run.memory.cells().chunks(CELLS_PER_BLOCK).nth(block) {
                None => Phase::End,
                Some(cells) => {
                    let root = chunk_root(bytemuck::cast_slice(cells), CELLS_CHUNK);
                    writer.memory_block(
                        block as u64,
                        (block * CELLS_PER_BLOCK) as u64,
                        cells.len() as u64,
                        &root,
                    )?;
                    Phase::MemoryBlocks(block + 1)
                }
            },
            Phase::End => {
                let outcome = if run.failure.is_some() {
                    "failed"
                } else {
                    "completed"
                };
                writer.trace_end(run.trace.len() as u64, outcome, &run.output)?;
                self.seal = Some(writer.finish());
                Phase::Over
            }
            Phase::Over => Phase::Over,
        })
    }
}
