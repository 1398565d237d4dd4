//! A run's trace events and commitment as Python iterates over them.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::claimed::Claimed;
use crate::commitment::{Commitment, MAX_LINE};
use crate::error::{Fault, guarded};
use crate::events::{Clock, Writer};
use crate::functions::Recorded;
use crate::pipeline::{Chunk, Pipeline};
use crate::roots::{CELLS_PER_BLOCK, PendingRoots, STEPS_PER_BLOCK};
use crate::run::RunData;
use crate::spans::Walker;

/// Runs of fewer steps are done before a thread has started.
const LONG_RUN: u64 = 1 << 15;

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
    Blocks,
    End,
    /// Everything is written; the last chunk is to be handed over.
    Last,
    Over,
}

type PyChunk<'py> = (Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>);

#[pyclass(module = "proofrail._native")]
pub struct EventStream {
    state: State,
    claimed: Claimed,
    equal: bool,
}

struct State {
    run: Arc<RunData>,
    walker: Walker,
    writer: Writer,
    pipeline: Pipeline,
    roots: Option<PendingRoots>,
    phase: Phase,
    seal: Option<Vec<u8>>,
}

impl EventStream {
    pub fn new(run: Arc<RunData>, parameters: Parameters) -> Result<Self, Fault> {
        let Parameters { start_line, run_id, recorded, method_id, chunk_bytes, .. } = parameters;
        if chunk_bytes <= MAX_LINE {
            let message =
                format!("chunk_bytes is {chunk_bytes}; a line and its line feed must fit {MAX_LINE} + 1");
            return Err(Fault::new("chunk-bytes", message));
        }
        let commitment = Commitment::new(&run_id, parameters.bits, parameters.block_items)?;
        let clock = Clock::new(parameters.started_ns, parameters.finished_ns, run.trace.len() as u64);
        let writer = Writer::new(&run_id, &method_id, clock, chunk_bytes);
        let walker = Walker::new(&run.code.functions, recorded);
        let long = run.real_steps >= LONG_RUN;
        let pipeline = if long { Pipeline::threaded(commitment) } else { Pipeline::inline(commitment) };
        let roots = run.failure.is_none().then(|| PendingRoots::begin(&run, long));
        let phase = Phase::Start(start_line);
        let state = State { run, walker, writer, pipeline, roots, phase, seal: None };
        Ok(Self { state, claimed: Claimed::default(), equal: true })
    }
}

#[pymethods]
impl EventStream {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    /// NDJSON lines of at most chunk_bytes, and the lines of the blocks that they complete.
    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<PyChunk<'py>>> {
        let state = &mut self.state;
        let chunk = guarded(py, || state.next())?;
        Ok(chunk.map(|chunk| {
            let blocks = chunk.blocks.iter().map(|block| PyBytes::new(py, block)).collect();
            (PyBytes::new(py, &chunk.lines.bytes), blocks)
        }))
    }

    /// Compares the next piece of claimed NDJSON, or None at its end; the lines of the blocks that were completed.
    fn against<'py>(
        &mut self,
        py: Python<'py>,
        claimed: Option<PyBackedBytes>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let Self { state, claimed: comparison, equal } = self;
        let mut blocks = Vec::new();
        if std::mem::replace(equal, false) {
            let mut more = || {
                let chunk = state.next()?;
                Ok(chunk.map(|chunk| {
                    blocks.extend(chunk.blocks);
                    chunk.lines
                }))
            };
            *equal = guarded(py, || match claimed {
                Some(piece) => comparison.takes(&piece, &mut more),
                None => comparison.ends(&mut more),
            })?;
        }
        Ok(blocks.iter().map(|block| PyBytes::new(py, block)).collect())
    }

    /// False once the claimed events have been found to differ from the run's.
    #[getter]
    fn equal(&self) -> bool {
        self.equal
    }

    /// The core of the CommitmentSeal, once the stream is exhausted.
    #[getter]
    fn seal<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let seal = self.state.seal.as_ref();
        let unfinished =
            || Fault::new("stream-unfinished", "the seal is known when all events have been read");
        Ok(PyBytes::new(py, seal.ok_or_else(unfinished)?))
    }
}

impl State {
    fn next(&mut self) -> Result<Option<Chunk>, Fault> {
        let chunk = self.next_chunk();
        if chunk.is_err() {
            // A broken stream yields nothing more, and no seal.
            self.phase = Phase::Over;
            self.pipeline.abandon();
        }
        let chunk = chunk?;
        if let Some(seal) = chunk.as_ref().and_then(|chunk| chunk.seal.clone()) {
            self.seal = Some(seal);
        }
        Ok(chunk)
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>, Fault> {
        loop {
            let over = matches!(self.phase, Phase::Over);
            if let Some(chunk) = self.pipeline.take(over)? {
                return Ok(Some(chunk));
            }
            if over {
                return Ok(None);
            }
            if let Some(lines) = self.writer.take_ready() {
                self.pipeline.give(lines, false)?;
                continue;
            }
            let phase = std::mem::replace(&mut self.phase, Phase::Over);
            self.phase = self.go_on(phase)?;
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
            Phase::Spans if run.failure.is_none() => Phase::Blocks,
            Phase::Spans => Phase::Failures,
            Phase::Failures if self.walker.fail(&run, writer)? => Phase::End,
            Phase::Failures => Phase::Failures,
            Phase::Blocks => {
                self.blocks(&run)?;
                Phase::End
            }
            Phase::End => {
                let outcome = if run.failure.is_some() { "failed" } else { "completed" };
                writer.trace_end(run.trace.len() as u64, outcome, &run.output)?;
                Phase::Last
            }
            Phase::Last => {
                let rest = writer.take_rest();
                self.pipeline.give(rest, true)?;
                Phase::Over
            }
            Phase::Over => Phase::Over,
        })
    }

    /// A few hundred bytes for each 4,096 steps or cells.
    fn blocks(&mut self, run: &RunData) -> Result<(), Fault> {
        let roots = self.roots.take().map(PendingRoots::wait).transpose()?.unwrap_or_default();
        let steps = run.trace.chunks(STEPS_PER_BLOCK).map(<[_]>::len);
        for (block, (steps, root)) in steps.zip(&roots.steps).enumerate() {
            let first = block * STEPS_PER_BLOCK;
            self.writer.step_block(block as u64, first as u64, steps as u64, root)?;
        }
        let cells = run.memory.cells().chunks(CELLS_PER_BLOCK).map(<[_]>::len);
        for (block, (cells, root)) in cells.zip(&roots.cells).enumerate() {
            let first = block * CELLS_PER_BLOCK;
            self.writer.memory_block(block as u64, first as u64, cells as u64, root)?;
        }
        Ok(())
    }
}
