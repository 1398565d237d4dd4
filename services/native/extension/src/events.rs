//! The lines of a run's log and their way into the commitment (design section 5, Trace events).

use std::collections::VecDeque;

use crate::canonical::{push_item, push_number, push_string};
use crate::commitment::{Commitment, MAX_LINE};
use crate::digest::{push_hex, sha256};
use crate::error::Fault;

/// The greatest depth whose spans have a path.
pub const MAX_PATH_DEPTH: usize = 64;

/// Lines that travel together, and the blocks that they complete.
#[derive(Default)]
pub struct Chunk {
    pub lines: Vec<u8>,
    pub blocks: Vec<Vec<u8>>,
}

/// What the events of one span have in common.
pub struct SpanFacts<'a> {
    /// True for a tile, false for a sequence.
    pub tile: bool,
    /// As JSON writes it, without the quotes.
    pub name: &'a [u8],
    pub id: u64,
    pub parent: Option<u64>,
    /// As JSON writes it, without the quotes; used down to the depth that has one.
    pub path: &'a [u8],
    pub depth: usize,
    pub iteration: Option<u64>,
}

/// When an event happened, in steps of the run.
pub struct Clock {
    started_ns: u64,
    duration_ns: u64,
    steps: u64,
    /// Nanoseconds a step, with 32 binary places.
    rate: u128,
}

impl Clock {
    pub fn new(started_ns: u64, finished_ns: u64, steps: u64) -> Self {
        let duration_ns = finished_ns.saturating_sub(started_ns);
        let rate = (u128::from(duration_ns) << 32) / u128::from(steps.max(1));
        Self {
            started_ns,
            duration_ns,
            steps,
            rate,
        }
    }

    fn at(&self, step: u64) -> u64 {
        if step >= self.steps {
            self.started_ns + self.duration_ns
        } else {
            self.started_ns + self.span(step)
        }
    }

    fn span(&self, steps: u64) -> u64 {
        (u128::from(steps) * self.rate >> 32) as u64
    }
}

pub struct Writer {
    commitment: Commitment,
    clock: Clock,
    chunk_bytes: usize,
    chunk: Chunk,
    ready: VecDeque<Chunk>,
    seq: u64,
    /// The line being written, and the parts of it that are volatile.
    line: Vec<u8>,
    cuts: [(usize, usize); 2],
    n_cuts: usize,
    item: Vec<u8>,
    run_id: String,
    /// `,"run_id":"…","seq":`
    run_and_seq: Vec<u8>,
    /// `"artifact":{…}`
    artifact: Vec<u8>,
}

impl Writer {
    pub fn new(
        run_id: &str,
        method_id: &str,
        commitment: Commitment,
        clock: Clock,
        chunk_bytes: usize,
    ) -> Self {
        let mut run_and_seq = b",\"run_id\":".to_vec();
        push_string(run_id, &mut run_and_seq);
        run_and_seq.extend_from_slice(b",\"seq\":");
        let mut artifact = b"\"artifact\":{\"backend\":\"cairo\",\"method_id\":".to_vec();
        push_string(method_id, &mut artifact);
        artifact.push(b'}');
        Self {
            commitment,
            clock,
            chunk_bytes,
            chunk: Chunk::default(),
            ready: VecDeque::new(),
            seq: 0,
            line: Vec::with_capacity(1024),
            cuts: [(0, 0); 2],
            n_cuts: 0,
            item: Vec::with_capacity(1024),
            run_id: run_id.to_owned(),
            run_and_seq,
            artifact,
        }
    }

    /// The number of the next event to be written.
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    pub fn span_id(&self, seq: u64) -> u64 {
        let mut text = b"proofrail/span/v1\n".to_vec();
        text.extend_from_slice(self.run_id.as_bytes());
        text.push(b':');
        push_number(seq, &mut text);
        let mut first = [0; 8];
        first.copy_from_slice(&sha256(&text)[..8]);
        u64::from_be_bytes(first)
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn take_ready(&mut self) -> Option<Chunk> {
        self.ready.pop_front()
    }

    /// Ends the stream: what is left of it, and the seal's core.
    pub fn finish(&mut self) -> Vec<u8> {
        let (last, seal) = self.commitment.finish();
        self.chunk.blocks.extend(last);
        self.flush();
        seal
    }

    /// A line written by others: TraceStart.
    pub fn foreign(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.begin();
        self.item.clear();
        self.item.push(0);
        push_item(line, &mut self.item)?;
        self.line.extend_from_slice(line);
        self.add()
    }

    pub fn start(
        &mut self,
        span: &SpanFacts<'_>,
        seq: u64,
        step: u64,
        input: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Fault> {
        debug_assert_eq!(seq, self.seq);
        self.begin();
        self.raw(b"{");
        self.line.extend_from_slice(&self.artifact);
        self.raw(b",\"depth\":");
        push_number(span.depth as u64, &mut self.line);
        self.raw(b",\"input_bytes\":\"");
        input(&mut self.line);
        self.raw(b"\"");
        self.iteration(span);
        if !span.tile {
            self.text(b",\"name\":\"", span.name);
        }
        if let Some(parent) = span.parent {
            self.id(b",\"parent_span_id\":\"", parent);
        }
        self.path(span);
        self.run_and_seq();
        self.id(b",\"span_id\":\"", span.id);
        if span.tile {
            self.text(b",\"tile_id\":\"", span.name);
        }
        self.raw(b",");
        self.timestamp(step);
        self.close(if span.tile { b"TileStart" } else { b"SequenceStart" })
    }

    /// `output` is absent for an iteration that is not the last.
    pub fn end<O: FnOnce(&mut Vec<u8>)>(
        &mut self,
        span: &SpanFacts<'_>,
        from: u64,
        to: u64,
        output: Option<O>,
    ) -> Result<(), Fault> {
        self.begin();
        self.raw(b"{\"cycles\":");
        push_number(to - from, &mut self.line);
        self.raw(b",");
        let start = self.line.len();
        self.raw(b"\"duration_ns\":");
        push_number(self.clock.span(to - from), &mut self.line);
        self.raw(b",");
        self.cut(start);
        let mut comma = false;
        if !span.tile {
            self.text(b"\"name\":\"", span.name);
            comma = true;
        }
        if let Some(output) = output {
            self.raw(if comma {
                b",\"output_bytes\":\""
            } else {
                b"\"output_bytes\":\""
            });
            output(&mut self.line);
            self.raw(b"\"");
            comma = true;
        }
        let from = usize::from(!comma);
        self.line.extend_from_slice(&self.run_and_seq[from..]);
        push_number(self.seq, &mut self.line);
        self.id(b",\"span_id\":\"", span.id);
        if span.tile {
            self.text(b",\"tile_id\":\"", span.name);
        }
        self.raw(b",");
        self.timestamp(to);
        self.close(if span.tile { b"TileEnd" } else { b"SequenceEnd" })
    }

    pub fn failure(
        &mut self,
        span: &SpanFacts<'_>,
        step: u64,
        error: (&str, &str),
        detail: Option<&str>,
        input: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Fault> {
        self.begin();
        self.raw(b"{");
        self.line.extend_from_slice(&self.artifact);
        self.raw(b",\"depth\":");
        push_number(span.depth as u64, &mut self.line);
        self.raw(b",");
        if let Some(detail) = detail {
            let start = self.line.len();
            self.raw(b"\"detail\":");
            push_string(detail, &mut self.line);
            self.raw(b",");
            self.cut(start);
        }
        self.raw(b"\"error\":{\"code\":");
        push_string(error.0, &mut self.line);
        self.raw(b",\"message\":");
        push_string(error.1, &mut self.line);
        self.raw(b"},\"input_bytes\":\"");
        input(&mut self.line);
        self.raw(b"\"");
        self.iteration(span);
        if !span.tile {
            self.text(b",\"name\":\"", span.name);
        }
        self.path(span);
        self.run_and_seq();
        self.id(b",\"span_id\":\"", span.id);
        if span.tile {
            self.text(b",\"tile_id\":\"", span.name);
        }
        self.raw(b",");
        self.timestamp(step);
        self.close(if span.tile {
            b"TileFailure"
        } else {
            b"SequenceFailure"
        })
    }

    pub fn step_block(&mut self, block: u64, first: u64, steps: u64, root: &[u8; 32]) -> Result<(), Fault> {
        self.begin();
        self.number(b"{\"block\":", block);
        self.number(b",\"first_step\":", first);
        self.root(root);
        self.run_and_seq();
        self.number(b",\"steps\":", steps);
        self.raw(b",");
        self.timestamp(u64::MAX);
        self.close(b"StepBlock")
    }

    pub fn memory_block(&mut self, block: u64, first: u64, cells: u64, root: &[u8; 32]) -> Result<(), Fault> {
        self.begin();
        self.number(b"{\"block\":", block);
        self.number(b",\"cells\":", cells);
        self.number(b",\"first_cell\":", first);
        self.root(root);
        self.run_and_seq();
        self.raw(b",");
        self.timestamp(u64::MAX);
        self.close(b"MemoryBlock")
    }

    pub fn trace_end(&mut self, n_steps: u64, outcome: &str, output: &[String]) -> Result<(), Fault> {
        let mut felts = b"[".to_vec();
        for (i, felt) in output.iter().enumerate() {
            if i > 0 {
                felts.push(b',');
            }
            push_string(felt, &mut felts);
        }
        felts.push(b']');
        self.begin();
        self.number(b"{\"n_steps\":", n_steps);
        self.text(b",\"outcome\":\"", outcome.as_bytes());
        self.number(b",\"output_count\":", output.len() as u64);
        self.raw(b",\"output_sha256\":\"");
        push_hex(&mut self.line, &sha256(&felts));
        self.raw(b"\"");
        self.run_and_seq();
        self.raw(b",");
        self.timestamp(u64::MAX);
        self.close(b"TraceEnd")
    }

    fn begin(&mut self) {
        self.line.clear();
        self.n_cuts = 0;
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.line.extend_from_slice(bytes);
    }

    fn text(&mut self, name: &[u8], text: &[u8]) {
        self.raw(name);
        self.raw(text);
        self.raw(b"\"");
    }

    fn number(&mut self, name: &[u8], number: u64) {
        self.raw(name);
        push_number(number, &mut self.line);
    }

    fn id(&mut self, name: &[u8], id: u64) {
        self.raw(name);
        push_hex(&mut self.line, &id.to_be_bytes());
        self.raw(b"\"");
    }

    fn root(&mut self, root: &[u8; 32]) {
        self.raw(b",\"root\":\"");
        push_hex(&mut self.line, root);
        self.raw(b"\"");
    }

    fn iteration(&mut self, span: &SpanFacts<'_>) {
        if let Some(iteration) = span.iteration {
            self.number(b",\"iteration\":", iteration);
        }
    }

    fn path(&mut self, span: &SpanFacts<'_>) {
        if span.depth <= MAX_PATH_DEPTH {
            self.text(b",\"path\":\"", span.path);
        }
    }

    fn run_and_seq(&mut self) {
        self.line.extend_from_slice(&self.run_and_seq);
        push_number(self.seq, &mut self.line);
    }

    fn timestamp(&mut self, step: u64) {
        let start = self.line.len();
        self.raw(b"\"timestamp\":");
        push_number(self.clock.at(step), &mut self.line);
        self.raw(b",");
        self.cut(start);
    }

    /// What was written since `start` is volatile.
    fn cut(&mut self, start: usize) {
        self.cuts[self.n_cuts] = (start, self.line.len());
        self.n_cuts += 1;
    }

    fn close(&mut self, kind: &[u8]) -> Result<(), Fault> {
        self.text(b"\"type\":\"", kind);
        self.raw(b",\"v\":1}");
        self.item.clear();
        self.item.push(0);
        let mut from = 0;
        for (start, end) in &self.cuts[..self.n_cuts] {
            self.item.extend_from_slice(&self.line[from..*start]);
            from = *end;
        }
        self.item.extend_from_slice(&self.line[from..]);
        self.add()
    }

    fn add(&mut self) -> Result<(), Fault> {
        if self.line.len() > MAX_LINE {
            let message = format!(
                "event {} is a line of {} bytes, more than {MAX_LINE}: a function takes or returns too many felts",
                self.seq,
                self.line.len()
            );
            return Err(Fault::new("line-too-long", message));
        }
        let block = self.commitment.append(sha256(&self.item));
        if self.chunk.lines.len() + self.line.len() + 1 > self.chunk_bytes {
            self.flush();
        }
        self.chunk.lines.extend_from_slice(&self.line);
        self.chunk.lines.push(b'\n');
        self.chunk.blocks.extend(block);
        self.seq += 1;
        Ok(())
    }

    fn flush(&mut self) {
        let capacity = self.chunk.lines.len();
        if capacity > 0 {
            let next = Chunk {
                lines: Vec::with_capacity(capacity),
                blocks: Vec::new(),
            };
            self.ready.push_back(std::mem::replace(&mut self.chunk, next));
        }
    }
}
