//! The invariants of a stream of trace events: the fast twin of `proofrail.audit.invariants.checker.Checker`.
//!
//! It finds out whether a stream is clean, and the first violation otherwise; to describe them all is left to its
//! twin. One pass, in memory that grows with the open spans alone.

mod ending;
mod event;
mod spans;

use std::borrow::Cow;

use memchr::memchr;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyDict;

use crate::canonical::push_string;
use crate::check::ending::Ending;
use crate::check::event::{Event, KINDS, Kind};
use crate::check::spans::Spans;
use crate::commitment::MAX_LINE;
use crate::digest::{push_hex, sha256};
use crate::error::{Fault, guarded};
use crate::json::parse_object;

const NO_INPUTS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NO_OUTPUT: &str = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

/// A violation: line, from 1, and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    line: u64,
    code: Cow<'static, str>,
}

pub type Checked = Result<(), Broken>;

/// A line at which something is checked.
#[derive(Clone, Copy)]
pub struct At(u64);

impl At {
    fn code(self, code: impl Into<Cow<'static, str>>) -> Broken {
        Broken { line: self.0, code: code.into() }
    }

    fn broken(self, code: &'static str) -> Checked {
        Err(self.code(code))
    }

    fn holds(self, right: bool, code: &'static str) -> Checked {
        if right { Ok(()) } else { self.broken(code) }
    }
}

#[pyclass(module = "proofrail._native")]
pub struct Checker {
    state: State,
}

#[pymethods]
impl Checker {
    #[new]
    fn new() -> Self {
        Self { state: State::default() }
    }

    /// Takes the next piece of the stream, cut anywhere; false once a violation was found.
    fn feed(&mut self, py: Python<'_>, ndjson: PyBackedBytes) -> PyResult<bool> {
        let state = &mut self.state;
        guarded(py, || {
            state.feed(&ndjson);
            Ok(state.broken.is_none())
        })
    }

    /// Ends the stream: None when it is clean, else line and code of the violation that was found first.
    fn finish(&mut self, py: Python<'_>) -> PyResult<Option<(u64, String)>> {
        let state = &mut self.state;
        guarded(py, || {
            state.finish();
            Ok::<_, Fault>(state.broken.as_ref().map(|broken| (broken.line, broken.code.to_string())))
        })
    }

    /// What was read of a clean stream.
    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.state.summary(py)
    }
}

#[derive(Default)]
struct State {
    rest: Vec<u8>,
    lines: u64,
    events: [u64; KINDS.len()],
    unknown: u64,
    run_id: String,
    backend: String,
    /// Count and digest of a native run's inputs, until its outermost span has begun.
    inputs: Option<(u64, String)>,
    spans: Option<Spans>,
    ending: Ending,
    phase: u8,
    end: Option<(bool, u64)>,
    broken: Option<Broken>,
}

impl State {
    fn feed(&mut self, mut ndjson: &[u8]) {
        while self.broken.is_none() {
            let Some(end) = memchr(b'\n', ndjson) else {
                if self.rest.len() + ndjson.len() > MAX_LINE {
                    self.broken = Some(At(self.lines + 1).code("line-too-long"));
                } else {
                    self.rest.extend_from_slice(ndjson);
                }
                return;
            };
            let (head, tail) = ndjson.split_at(end);
            ndjson = &tail[1..];
            if self.rest.is_empty() {
                self.take(head);
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(head);
                self.take(&line);
                line.clear();
                self.rest = line;
            }
        }
    }

    fn finish(&mut self) {
        if self.broken.is_none() && !self.rest.is_empty() {
            let line = std::mem::take(&mut self.rest);
            self.take(&line);
        }
        if self.broken.is_none() && self.end.is_none() {
            self.broken = Some(At(self.lines + 1).code("not-ended"));
        }
    }

    fn take(&mut self, line: &[u8]) {
        self.lines += 1;
        if let Err(broken) = self.line(line) {
            self.broken = Some(broken);
        }
    }

    fn line(&mut self, line: &[u8]) -> Checked {
        let here = At(self.lines);
        here.holds(line.len() <= MAX_LINE, "line-too-long")?;
        let members = parse_object(line).map_err(|fault| here.code(fault.code))?;
        let kind = event::kind(&members).map_err(|code| here.code(code))?;
        let event = event::read(&members, kind).ok_or_else(|| here.code("malformed-message"))?;
        self.events[kind as usize] += 1;
        self.unknown += event.unknown;
        here.holds(self.end.is_none(), "after-end")?;
        let seq = self.lines - 1;
        if kind == Kind::TraceStart {
            here.holds(seq == 0, "start-again")?;
            self.start(here, &event)?;
        } else {
            here.holds(seq != 0, "start-missing")?;
            here.holds(event.run_id == self.run_id, "run-id-differs")?;
        }
        here.holds(event.seq == seq, "seq-wrong")?;
        if kind == Kind::TraceStart {
            return Ok(());
        }
        self.in_order(here, kind)?;
        let Some(spans) = &mut self.spans else {
            return here.broken("start-missing");
        };
        match kind {
            Kind::TraceStart => Ok(()),
            Kind::SequenceStart | Kind::TileStart => {
                spans.start(self.lines, &event, kind)?;
                let Some((entry, inputs)) = spans.entry.as_ref().zip(self.inputs.take()) else {
                    return Ok(());
                };
                here.holds(inputs == (1, native_input(entry)), "inputs-wrong")
            }
            Kind::SequenceEnd | Kind::TileEnd => spans.end(self.lines, &event, kind),
            Kind::SequenceFailure | Kind::TileFailure => spans.failure(self.lines, &event, kind),
            Kind::StepBlock => self.ending.steps.take(self.lines, &event),
            Kind::MemoryBlock => self.ending.cells.take(self.lines, &event),
            Kind::TraceEnd => {
                self.end = Some((event.failed, event.n_steps));
                self.ending.end(self.lines, &event, spans)
            }
        }
    }

    fn start(&mut self, here: At, event: &Event<'_>) -> Checked {
        let program = event.artifact.unwrap_or_default();
        here.holds((event.inputs_count == 0) == (event.inputs_sha256 == NO_INPUTS), "inputs-wrong")?;
        let backend = match event.layout {
            "native" => program.0 == "native",
            "raster" => matches!(program.0, "native" | "risc0"),
            _ => true,
        };
        here.holds(backend, "layout-wrong")?;
        // Traces from elsewhere may have any run_id.
        let own = program.0 == "cairo" || matches!(event.layout, "native" | "raster");
        here.holds(!own || event.run_id == run_id(event), "run-id-wrong")?;
        self.run_id = event.run_id.to_owned();
        self.backend = program.0.to_owned();
        let spans = Spans::new(event.run_id, program, event.layout);
        self.inputs = spans.native.then(|| (event.inputs_count, event.inputs_sha256.to_owned()));
        self.spans = Some(spans);
        Ok(())
    }

    fn in_order(&mut self, here: At, kind: Kind) -> Checked {
        let phase = match kind {
            Kind::StepBlock => 2,
            Kind::MemoryBlock => 3,
            Kind::TraceEnd => 4,
            _ => 1,
        };
        here.holds(phase >= self.phase, "order-wrong")?;
        self.phase = phase;
        let any_open = self.spans.as_ref().is_some_and(Spans::any_open);
        here.holds(phase == 1 || !any_open, "span-open")
    }

    fn summary<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let summary = PyDict::new(py);
        let events = PyDict::new(py);
        for ((name, kind), count) in KINDS.iter().zip(self.events) {
            debug_assert_eq!(self.events[*kind as usize], count);
            if count > 0 {
                events.set_item(name, count)?;
            }
        }
        let spans = self.spans.as_ref();
        summary.set_item("run_id", &self.run_id)?;
        summary.set_item("backend", &self.backend)?;
        summary.set_item("lines", self.lines)?;
        summary.set_item("events", events)?;
        summary.set_item("spans", spans.map_or(0, |spans| spans.count))?;
        summary.set_item("iterations", spans.map_or(0, |spans| spans.iterations))?;
        summary.set_item("max_depth", spans.and_then(|spans| spans.max_depth))?;
        summary.set_item("steps", self.ending.steps.total)?;
        summary.set_item("cells", self.ending.cells.total)?;
        summary.set_item("n_steps", self.end.map(|(_, n_steps)| n_steps))?;
        let outcome = self.end.map(|(failed, _)| if failed { "failed" } else { "completed" });
        summary.set_item("outcome", outcome)?;
        summary.set_item("unknown_members", self.unknown)?;
        Ok(summary)
    }
}

/// The inputs_sha256 of a native run with this entry: its name and input_bytes.
fn native_input((name, arguments): &(String, String)) -> String {
    let mut text = b"{\"arguments\":".to_vec();
    push_string(arguments, &mut text);
    text.extend_from_slice(b",\"entry\":");
    push_string(name, &mut text);
    text.extend_from_slice(b"}\n");
    let mut hex = Vec::new();
    push_hex(&mut hex, &sha256(&text));
    String::from_utf8(hex).unwrap_or_default()
}

/// The run_id that follows from a TraceStart (section 5, Identity of a run).
fn run_id(event: &Event<'_>) -> String {
    let mut text = b"proofrail/run/v1\n{\"artifact\":".to_vec();
    push_string(event.artifact_sha256, &mut text);
    let (bits, block_items) = (event.bits, event.block_items);
    text.extend(format!(",\"commitment\":{{\"bits\":{bits},\"block_items\":{block_items}}}").bytes());
    for (name, value) in [
        ("inputs_sha256", event.inputs_sha256),
        ("layout", event.layout),
        ("program", event.artifact.unwrap_or_default().1),
        ("spans", if event.all_spans { "all" } else { "own" }),
    ] {
        text.extend(format!(",\"{name}\":").bytes());
        push_string(value, &mut text);
    }
    text.push(b'}');
    let mut hex = Vec::new();
    push_hex(&mut hex, &sha256(&text)[..16]);
    String::from_utf8(hex).unwrap_or_default()
}
