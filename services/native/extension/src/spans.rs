//! The spans of a run, from its trace (design section 5, Cairo and Loops).
//!
//! One pass. Whether an invocation is a tile shows at its first recorded call or at its end, whichever comes
//! first, so its Start waits until then; nothing else can be written in between.

use crate::canonical::push_number;
use crate::code::Effect;
use crate::commitment::MAX_LINE;
use crate::digest::push_hex;
use crate::error::Fault;
use crate::events::{MAX_PATH_DEPTH, SpanFacts, Writer};
use crate::functions::{Functions, Recorded};
use crate::memory::Memory;
use crate::run::RunData;

/// What a Failure has beside its arguments and the VM's own text, and some more.
const FAILURE_ROOM: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    /// All iterations of a function that calls itself last.
    Loop,
    Iteration,
}

/// An open span; its depth is its place on the stack.
struct Span {
    function: u32,
    role: Role,
    id: u64,
    start: u64,
    /// fp of the invocation; of the first one for a loop.
    fp: u64,
    /// How much of the path is this span's.
    path: usize,
    /// The number of an iteration; for a loop, the self-calls made, each of which has a `ret` to come.
    count: u64,
    /// Calls inside it that are not recorded and have not returned.
    inner: u64,
}

pub struct Walker {
    recorded: Recorded,
    names: Vec<Vec<u8>>,
    open: Vec<Span>,
    path: Vec<u8>,
    /// The number of the innermost span's Start, while that waits.
    waiting: Option<u64>,
    /// Unrecorded calls outside every span.
    outside: u64,
    step: u64,
    /// The VM's own text stands in the innermost failure; it is not repeated in those around it.
    explained: bool,
}

impl Walker {
    pub fn new(functions: &Functions, recorded: Recorded) -> Self {
        let names = functions.iter().map(|function| function.escaped_name(recorded)).collect();
        Self {
            recorded,
            names,
            open: Vec::new(),
            path: Vec::new(),
            waiting: None,
            outside: 0,
            step: 0,
            explained: false,
        }
    }

    /// Goes on until the writer has a chunk ready; true when there are no more steps.
    pub fn advance(&mut self, run: &RunData, writer: &mut Writer) -> Result<bool, Fault> {
        let functions = &run.code.functions;
        while self.step < run.real_steps {
            let [ap, _, pc] = run.trace[self.step as usize];
            let word = || run.memory.get(pc).map_or(0, |value| value[0]);
            match functions.effect_at(pc, word) {
                Effect::None => {
                    self.step += 1;
                    continue;
                }
                Effect::Return => self.returns(run, writer, ap)?,
                effect => self.calls(run, writer, effect)?,
            }
            self.step += 1;
            if writer.has_ready() {
                return Ok(false);
            }
        }
        if run.failure.is_none() && !self.open.is_empty() {
            return Err(Fault::new("call-stack-broken", "the program ended inside a function"));
        }
        Ok(true)
    }

    /// Closes the innermost open span of a failed run; true when none was left.
    pub fn fail(&mut self, run: &RunData, writer: &mut Writer) -> Result<bool, Fault> {
        let Some(failure) = run.failure.as_ref().filter(|_| !self.open.is_empty()) else {
            return Ok(true);
        };
        let detail = if self.explained { None } else { Some(failure.detail.as_str()) };
        self.fails(run, writer, detail)?;
        self.explained = true;
        Ok(false)
    }

    fn fails(&mut self, run: &RunData, writer: &mut Writer, detail: Option<&str>) -> Result<(), Fault> {
        let Some(failure) = &run.failure else {
            return Ok(());
        };
        let tile = self.waiting.is_some();
        self.write_waiting(run, writer, tile)?;
        let (facts, span) = self.facts(tile);
        let error = (failure.code, failure.message.as_str());
        let arguments = run.code.functions.get(span.function).arguments;
        // A volatile member must not decide whether the line fits. A byte takes six where JSON escapes it.
        let room =
            MAX_LINE.saturating_sub(FAILURE_ROOM).saturating_sub(arguments.saturating_mul(64) as usize);
        let detail = detail.filter(|detail| 6 * detail.len() <= room);
        writer.failure(&facts, run.real_steps, error, detail, |line| {
            push_felts(line, &run.memory, span.fp.wrapping_sub(2 + arguments), arguments);
        })?;
        self.pop();
        Ok(())
    }

    fn calls(&mut self, run: &RunData, writer: &mut Writer, effect: Effect) -> Result<(), Fault> {
        let next = run.trace.get(self.step as usize + 1).filter(|_| self.step + 1 < run.real_steps);
        let [_, fp, entry] = *next.unwrap_or(&run.end);
        let functions = &run.code.functions;
        let top = self.open.last();
        let iterates = top.is_some_and(|top| {
            let own = top.role == Role::Iteration && functions.get(top.function).entry == entry;
            effect == Effect::Iterate && own && top.inner == 0
        });
        if iterates {
            return self.iterates(run, writer, fp);
        }
        match functions.recorded_at(entry, self.recorded) {
            Some(function) => self.opens(run, writer, function, fp),
            None => {
                *self.unrecorded() += 1;
                Ok(())
            }
        }
    }

    fn unrecorded(&mut self) -> &mut u64 {
        match self.open.last_mut() {
            Some(top) => &mut top.inner,
            None => &mut self.outside,
        }
    }

    fn returns(&mut self, run: &RunData, writer: &mut Writer, ap: u64) -> Result<(), Fault> {
        let inner = self.unrecorded();
        if *inner > 0 {
            *inner -= 1;
            return Ok(());
        }
        let role = self.open.last().map(|top| top.role);
        match role {
            None => {
                return Err(Fault::new("call-stack-broken", "a function returned that was never called"));
            }
            Some(Role::Plain) => self.closes(run, writer, Some(ap))?,
            Some(Role::Iteration) => {
                self.closes(run, writer, Some(ap))?;
                self.closes_loop(run, writer, ap)?;
            }
            Some(Role::Loop) => {
                if let Some(top) = self.open.last_mut() {
                    top.count -= 1;
                }
                self.closes_loop(run, writer, ap)?;
            }
        }
        Ok(())
    }

    fn closes_loop(&mut self, run: &RunData, writer: &mut Writer, ap: u64) -> Result<(), Fault> {
        let to_come = self.open.last().map_or(0, |top| top.count);
        if to_come == 0 { self.closes(run, writer, Some(ap)) } else { Ok(()) }
    }

    fn iterates(&mut self, run: &RunData, writer: &mut Writer, fp: u64) -> Result<(), Fault> {
        self.closes(run, writer, None)?;
        let Some(top) = self.open.last_mut() else {
            return Ok(());
        };
        top.count += 1;
        let (function, iteration) = (top.function, top.count);
        self.push(writer, function, Role::Iteration, fp, iteration);
        Ok(())
    }

    fn opens(&mut self, run: &RunData, writer: &mut Writer, function: u32, fp: u64) -> Result<(), Fault> {
        self.write_waiting(run, writer, false)?;
        if run.code.functions.get(function).iterates {
            self.push(writer, function, Role::Loop, fp, 0);
            self.write_waiting(run, writer, false)?;
            self.push(writer, function, Role::Iteration, fp, 0);
        } else {
            self.push(writer, function, Role::Plain, fp, 0);
        }
        Ok(())
    }

    fn push(&mut self, writer: &mut Writer, function: u32, role: Role, fp: u64, count: u64) {
        if self.open.len() <= MAX_PATH_DEPTH {
            if role == Role::Iteration {
                self.path.push(b'[');
                push_number(count, &mut self.path);
                self.path.push(b']');
            } else {
                if !self.open.is_empty() {
                    self.path.push(b'/');
                }
                self.path.extend_from_slice(&self.names[function as usize]);
            }
        }
        let (seq, id) = writer.next_span();
        let path = self.path.len();
        self.open.push(Span { function, role, id, start: self.step + 1, fp, path, count, inner: 0 });
        self.waiting = Some(seq);
    }

    fn pop(&mut self) {
        self.open.pop();
        self.path.truncate(self.open.last().map_or(0, |span| span.path));
    }

    /// Writes the innermost span's Start, if it waits.
    fn write_waiting(&mut self, run: &RunData, writer: &mut Writer, tile: bool) -> Result<(), Fault> {
        let Some(seq) = self.waiting.take() else {
            return Ok(());
        };
        let (facts, span) = self.facts(tile);
        let arguments = run.code.functions.get(span.function).arguments;
        writer.start(&facts, seq, span.start, |line| {
            push_felts(line, &run.memory, span.fp.wrapping_sub(2 + arguments), arguments);
        })
    }

    /// Closes the innermost span after the current step; `ap` is there if it returns a value.
    fn closes(&mut self, run: &RunData, writer: &mut Writer, ap: Option<u64>) -> Result<(), Fault> {
        // What is found wrong after the end is a failure of the outermost span.
        if self.open.len() == 1 && run.failure.as_ref().is_some_and(|failure| failure.after_end) {
            let detail = run.failure.as_ref().map(|failure| failure.detail.as_str());
            return self.fails(run, writer, detail);
        }
        let tile = self.waiting.is_some();
        self.write_waiting(run, writer, tile)?;
        let (facts, span) = self.facts(tile);
        let returns = run.code.functions.get(span.function).returns;
        let output = ap.map(|ap| {
            move |line: &mut Vec<u8>| push_felts(line, &run.memory, ap.wrapping_sub(returns), returns)
        });
        writer.end(&facts, span.start, self.step + 1, output)?;
        self.pop();
        Ok(())
    }

    fn facts(&self, tile: bool) -> (SpanFacts<'_>, &Span) {
        let depth = self.open.len() - 1;
        let span = &self.open[depth];
        let facts = SpanFacts {
            tile,
            name: &self.names[span.function as usize],
            id: span.id,
            parent: depth.checked_sub(1).map(|parent| self.open[parent].id),
            path: &self.path[..span.path],
            depth,
            iteration: (span.role == Role::Iteration).then_some(span.count),
        };
        (facts, span)
    }
}

/// Appends cells as felts of 32 bytes, big-endian, in hex. A cell that was never written is zero, as the prover
/// fills it.
fn push_felts(line: &mut Vec<u8>, memory: &Memory, first: u64, count: u64) {
    for i in 0..count {
        let [a, b, c, d] = memory.get(first.wrapping_add(i)).unwrap_or_default();
        for word in [d, c, b, a] {
            // Most felts are small numbers.
            if word == 0 {
                line.extend_from_slice(b"0000000000000000");
            } else {
                push_hex(line, &word.to_be_bytes());
            }
        }
    }
}
