//! One execution of a program in proof mode.

use std::sync::Arc;

use cairo_vm::air_private_input::AirPrivateInput;
use cairo_vm::types::layout_name::LayoutName;
use cairo_vm::vm::errors::runner_errors::RunnerError;
use cairo_vm::vm::errors::vm_errors::VirtualMachineError;
use cairo_vm::vm::runners::cairo_runner::CairoRunner;
use proofrail_hints::{InputHints, ProgramInput};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value as Json;

use crate::error::{Fault, guarded};
use crate::failure::Failure;
use crate::functions::Recorded;
use crate::memory::{Buffer, Bytes, Memory, Step};
use crate::program::Code;
use crate::stream::{EventStream, Parameters};

/// What is kept of a run: no more than the VM's relocated trace and memory, in their own allocations.
pub struct RunData {
    pub code: Arc<Code>,
    pub trace: Vec<Step>,
    pub memory: Memory,
    /// Steps before padding.
    pub real_steps: u64,
    /// The registers after the last step.
    pub end: Step,
    pub failure: Option<Failure>,
    pub output: Vec<String>,
    public_input: Option<Json>,
    private_input: Option<AirPrivateInput>,
}

pub fn execute(
    code: Arc<Code>,
    input: ProgramInput,
    layout: LayoutName,
    max_steps: Option<usize>,
    private_input: bool,
) -> Result<RunData, Fault> {
    let mut runner =
        CairoRunner::new(&code.program, layout, None, true, true, false).map_err(not_startable)?;
    let mut hints = InputHints::new(input, max_steps);
    let end = runner.initialize(false).map_err(not_startable)?;
    let mut real_steps = None;
    let failure = match runner.run_until_pc(end, &mut hints) {
        Err(error) => Some(Failure::of(error, false, &runner, &code)?),
        Ok(()) => {
            // One step more is made at __end__ itself.
            real_steps = Some(runner.vm.get_current_step() + 1);
            match finish(&mut runner, &mut hints) {
                Err(error) => Some(Failure::of(error, true, &runner, &code)?),
                Ok(()) => None,
            }
        }
    };
    collect(code, runner, failure, real_steps, private_input)
}

fn not_startable(error: RunnerError) -> Fault {
    Fault::new("layout-unusable", format!("the program cannot run in this layout: {error}"))
}

/// After the last instruction: padding to what the layout demands, and the checks on builtins.
fn finish(runner: &mut CairoRunner, hints: &mut InputHints) -> Result<(), VirtualMachineError> {
    runner.run_for_steps(1, hints)?;
    runner.end_run(false, false, hints, false)?;
    runner.read_return_values(false)?;
    runner.finalize_segments()?;
    Ok(())
}

fn collect(
    code: Arc<Code>,
    mut runner: CairoRunner,
    failure: Option<Failure>,
    real_steps: Option<usize>,
    private_input: bool,
) -> Result<RunData, Fault> {
    let steps = runner.vm.get_current_step();
    let unreadable = |error: &dyn std::fmt::Display| {
        Fault::new("run-unreadable", format!("the memory of the run cannot be laid out: {error}"))
    };
    if failure.is_some() {
        runner.vm.segments.memory.relocate_memory().map_err(|e| unreadable(&e))?;
    }
    runner.relocate(true, true).map_err(|e| unreadable(&e))?;
    let end = registers(&runner);
    let (mut output, mut public, mut private) = (Vec::new(), None, None);
    if failure.is_none() {
        let input = runner.get_air_public_input().map_err(|e| unreadable(&e))?;
        if let Some(segment) = input.memory_segments.get("output") {
            let cells = runner.relocated_memory.get(segment.begin_addr..segment.stop_ptr).unwrap_or_default();
            let felts = cells.iter().map(|cell| cell.map(|felt| format!("{felt:#x}")));
            output = felts
                .collect::<Option<_>>()
                .ok_or_else(|| Fault::new("output-incomplete", "a cell of the output was never written"))?;
        }
        public = Some(serde_json::to_value(&input).map_err(|e| unreadable(&e))?);
        private = private_input.then(|| runner.get_air_private_input());
    }
    let relocated = runner.relocated_trace.take().unwrap_or_default();
    let memory = std::mem::take(&mut runner.relocated_memory);
    let real_steps = real_steps.unwrap_or(steps).min(steps);
    drop(runner);
    // Step has the size and alignment of an entry: the steps are written where the entries were.
    let mut trace: Vec<Step> =
        relocated.into_iter().map(|entry| [entry.ap as u64, entry.fp as u64, entry.pc as u64]).collect();
    if failure.is_some() {
        // A step whose registers could not be updated is in the VM's trace, but was not completed.
        trace.truncate(steps);
    }
    Ok(RunData {
        code,
        trace,
        memory: Memory::new(memory),
        real_steps: real_steps as u64,
        end,
        failure,
        output,
        public_input: public,
        private_input: private,
    })
}

fn registers(runner: &CairoRunner) -> Step {
    let bases = runner.vm.segments.relocate_segments().unwrap_or_default();
    let absolute = |segment: isize, offset: usize| {
        let base = usize::try_from(segment).ok().and_then(|segment| bases.get(segment));
        base.map_or(0, |base| (base + offset) as u64)
    };
    let [ap, fp, pc] = [runner.vm.get_ap(), runner.vm.get_fp(), runner.vm.get_pc()];
    [ap, fp, pc].map(|register| absolute(register.segment_index, register.offset))
}

struct TraceBytes(Arc<RunData>);

impl Bytes for TraceBytes {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0.trace)
    }
}

struct MemoryBytes(Arc<RunData>);

impl Bytes for MemoryBytes {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.0.memory.cells())
    }
}

#[pyclass(frozen, module = "proofrail._native")]
pub struct Run {
    data: Arc<RunData>,
}

impl Run {
    pub fn new(data: RunData) -> Self {
        Self { data: Arc::new(data) }
    }
}

#[pymethods]
impl Run {
    /// Steps in trace.bin: padded for a completed run, completed steps for a failed one.
    #[getter]
    fn n_steps(&self) -> usize {
        self.data.trace.len()
    }

    /// Steps before padding.
    #[getter]
    fn real_steps(&self) -> u64 {
        self.data.real_steps
    }

    #[getter]
    fn outcome(&self) -> &'static str {
        if self.data.failure.is_some() { "failed" } else { "completed" }
    }

    /// code, message, function, location and detail of a failed run.
    #[getter]
    fn error<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(failure) = &self.data.failure else {
            return Ok(None);
        };
        let error = PyDict::new(py);
        error.set_item("code", failure.code)?;
        error.set_item("message", &failure.message)?;
        error.set_item("function", &failure.function)?;
        error.set_item("location", &failure.location)?;
        error.set_item("detail", &failure.detail)?;
        Ok(Some(error))
    }

    #[getter]
    fn output(&self) -> Vec<String> {
        self.data.output.clone()
    }

    /// trace.bin
    #[getter]
    fn trace(&self) -> Buffer {
        Buffer::new(Arc::new(TraceBytes(Arc::clone(&self.data))))
    }

    /// memory.bin
    #[getter]
    fn memory(&self) -> Buffer {
        Buffer::new(Arc::new(MemoryBytes(Arc::clone(&self.data))))
    }

    /// air_public_input.json, its names sorted.
    fn public_input(&self, py: Python<'_>) -> PyResult<String> {
        let data = &self.data;
        guarded(py, || {
            let input = data.public_input.as_ref().ok_or_else(failed_run)?;
            to_text(input)
        })
    }

    /// air_private_input.json, its names sorted, for a trace and a memory at these paths.
    fn private_input(&self, py: Python<'_>, trace_path: String, memory_path: String) -> PyResult<String> {
        let data = &self.data;
        guarded(py, || {
            if data.failure.is_some() {
                return Err(failed_run());
            }
            let input = data.private_input.as_ref().ok_or_else(|| {
                Fault::new("private-input-not-kept", "the run was made with private_input=False")
            })?;
            let input = serde_json::to_value(input.to_serializable(trace_path, memory_path));
            to_text(&input.map_err(not_written)?)
        })
    }

    /// The run's trace events and their commitment, piece by piece.
    #[pyo3(signature = (start_line, run_id, spans, method_id, bits, block_items, started_ns, finished_ns, chunk_bytes))]
    #[allow(clippy::too_many_arguments)]
    fn events(
        &self,
        py: Python<'_>,
        start_line: Vec<u8>,
        run_id: String,
        spans: &str,
        method_id: String,
        bits: u32,
        block_items: u64,
        started_ns: u64,
        finished_ns: u64,
        chunk_bytes: usize,
    ) -> PyResult<EventStream> {
        let recorded = match spans {
            "own" => Recorded::Own,
            "all" => Recorded::All,
            _ => {
                return Err(Fault::new(
                    "spans-unknown",
                    format!("spans is {spans:?}; it must be own or all"),
                )
                .into());
            }
        };
        let run = Arc::clone(&self.data);
        let parameters = Parameters {
            start_line,
            run_id,
            recorded,
            method_id,
            bits,
            block_items,
            started_ns,
            finished_ns,
            chunk_bytes,
        };
        guarded(py, || EventStream::new(run, parameters))
    }
}

/// Through a map with sorted names: the VM's own is a hash map, whose order differs from run to run.
fn to_text(input: &Json) -> Result<String, Fault> {
    serde_json::to_string(input).map_err(not_written)
}

fn not_written(error: serde_json::Error) -> Fault {
    Fault::new("input-not-written", format!("the prover's input cannot be written: {error}"))
}

fn failed_run() -> Fault {
    Fault::new("run-failed", "a failed run has no inputs for a prover")
}
