//! The lines of a run's log and their way into the commitment (design section 5, Trace events).

use std::collections::VecDeque;

use crate::canonical::{push_item, push_number, push_string};
use crate::commitment::MAX_LINE;
use crate::digest::{push_hex, sha256};
use crate::error::Fault;
use crate::spelling::Spelling;

/// The greatest depth whose spans have a path.
pub const MAX_PATH_DEPTH: usize = 64;

/// Lines that travel together.
#[derive(Default)]
pub struct Lines {
    pub bytes: Vec<u8>,
    pub marks: Vec<Mark>,
}

/// Where a line lies, and which parts of it are volatile.
pub struct Mark {
    start: u32,
    /// Without its line feed.
    end: u32,
    cuts: [(u32, u32); 2],
    /// Written by others: the volatile parts are not marked.
    foreign: bool,
}

impl Lines {
    /// Appends the item of a line to `out`.
    pub fn push_item(&self, mark: &Mark, out: &mut Vec<u8>) -> Result<(), Fault> {
        let (start, end) = (mark.start as usize, mark.end as usize);
        if mark.foreign {
            return push_item(&self.bytes[start..end], &mut Spelling::default(), out);
        }
        let mut from = start;
        for (cut_from, cut_to) in mark.cuts {
            if cut_to > 0 {
                out.extend_from_slice(&self.bytes[from..start + cut_from as usize]);
                from = start + cut_to as usize;
            }
        }
        out.extend_from_slice(&self.bytes[from..end]);
        Ok(())
    }

    /// A line and where its volatile members, each with its comma, stand in it; `None` where that is not known.
    pub fn volatile_parts(&self, mark: &Mark) -> Option<(&[u8], impl Iterator<Item = (usize, usize)>)> {
        let line = &self.bytes[mark.start as usize..mark.end as usize];
        let cuts = mark.cuts.into_iter().filter(|(_, to)| *to > 0);
        (!mark.foreign).then_some((line, cuts.map(|(from, to)| (from as usize, to as usize))))
    }
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

/// When an event happened: `started + ⌊step · duration / steps⌋`.
pub struct Clock {
    started_ns: u64,
    duration_ns: u64,
    steps: u64,
}

impl Clock {
    pub fn new(started_ns: u64, finished_ns: u64, steps: u64) -> Self {
        Self { started_ns, duration_ns: finished_ns.saturating_sub(started_ns), steps: steps.max(1) }
    }

    fn at(&self, step: u64) -> u64 {
        self.started_ns + self.span(step.min(self.steps))
    }

    fn span(&self, steps: u64) -> u64 {
        match steps.checked_mul(self.duration_ns) {
            Some(product) => product / self.steps,
            None => (u128::from(steps) * u128::from(self.duration_ns) / u128::from(self.steps)) as u64,
        }
    }
}

pub struct Writer {
    clock: Clock,
    chunk_bytes: usize,
    lines: Lines,
    ready: VecDeque<Lines>,
    seq: u64,
    /// Where the line being written starts, and its volatile parts, counted from there.
    begun: usize,
    cuts: [(u32, u32); 2],
    /// `proofrail/span/v1\n…:`, and room for a number.
    span: Vec<u8>,
    /// `,"run_id":"…","seq":`
    run_and_seq: Vec<u8>,
    /// `{"artifact":{…},"depth":`
    artifact: Vec<u8>,
}

impl Writer {
    pub fn new(run_id: &str, method_id: &str, clock: Clock, chunk_bytes: usize) -> Self {
        let mut run_and_seq = b",\"run_id\":".to_vec();
        push_string(run_id, &mut run_and_seq);
        run_and_seq.extend_from_slice(b",\"seq\":");
        let mut artifact = b"{\"artifact\":{\"backend\":\"cairo\",\"method_id\":".to_vec();
        push_string(method_id, &mut artifact);
        artifact.extend_from_slice(b"},\"depth\":");
        Self {
            clock,
            chunk_bytes,
            lines: Lines::default(),
            ready: VecDeque::new(),
            seq: 0,
            begun: 0,
            cuts: [(0, 0); 2],
            span: format!("proofrail/span/v1\n{run_id}:").into_bytes(),
            run_and_seq,
            artifact,
        }
    }

    /// The number and id of the span whose Start is the next event.
    pub fn next_span(&mut self) -> (u64, u64) {
        let prefix = self.span.len();
        push_number(self.seq, &mut self.span);
        let mut first = [0; 8];
        first.copy_from_slice(&sha256(&self.span)[..8]);
        self.span.truncate(prefix);
        (self.seq, u64::from_be_bytes(first))
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn take_ready(&mut self) -> Option<Lines> {
        self.ready.pop_front()
    }

    /// What was written since the last full chunk.
    pub fn take_rest(&mut self) -> Lines {
        std::mem::take(&mut self.lines)
    }

    /// A line written by others: TraceStart.
    pub fn foreign(&mut self, line: &[u8]) -> Result<(), Fault> {
        push_item(line, &mut Spelling::default(), &mut Vec::new())?;
        self.begin();
        self.raw(line);
        self.add(true)
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
        self.lines.bytes.extend_from_slice(&self.artifact);
        push_number(span.depth as u64, &mut self.lines.bytes);
        self.raw(b",\"input_bytes\":\"");
        input(&mut self.lines.bytes);
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
        push_number(to - from, &mut self.lines.bytes);
        self.raw(b",");
        let start = self.lines.bytes.len();
        self.raw(b"\"duration_ns\":");
        push_number(self.clock.span(to - from), &mut self.lines.bytes);
        self.raw(b",");
        self.cut(start);
        let mut comma = false;
        if !span.tile {
            self.text(b"\"name\":\"", span.name);
            comma = true;
        }
        if let Some(output) = output {
            self.raw(if comma { b",\"output_bytes\":\"" } else { b"\"output_bytes\":\"" });
            output(&mut self.lines.bytes);
            self.raw(b"\"");
            comma = true;
        }
        let from = usize::from(!comma);
        self.lines.bytes.extend_from_slice(&self.run_and_seq[from..]);
        push_number(self.seq, &mut self.lines.bytes);
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
        self.lines.bytes.extend_from_slice(&self.artifact);
        push_number(span.depth as u64, &mut self.lines.bytes);
        self.raw(b",");
        if let Some(detail) = detail {
            let start = self.lines.bytes.len();
            self.raw(b"\"detail\":");
            push_string(detail, &mut self.lines.bytes);
            self.raw(b",");
            self.cut(start);
        }
        self.raw(b"\"error\":{\"code\":");
        push_string(error.0, &mut self.lines.bytes);
        self.raw(b",\"message\":");
        push_string(error.1, &mut self.lines.bytes);
        self.raw(b"},\"input_bytes\":\"");
        input(&mut self.lines.bytes);
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
        self.close(if span.tile { b"TileFailure" } else { b"SequenceFailure" })
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
        push_hex(&mut self.lines.bytes, &sha256(&felts));
        self.raw(b"\"");
        self.run_and_seq();
        self.raw(b",");
        self.timestamp(u64::MAX);
        self.close(b"TraceEnd")
    }

    fn begin(&mut self) {
        self.begun = self.lines.bytes.len();
        self.cuts = [(0, 0); 2];
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.lines.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, name: &[u8], text: &[u8]) {
        self.raw(name);
        self.raw(text);
        self.raw(b"\"");
    }

    fn number(&mut self, name: &[u8], number: u64) {
        self.raw(name);
        push_number(number, &mut self.lines.bytes);
    }

    fn id(&mut self, name: &[u8], id: u64) {
        self.raw(name);
        push_hex(&mut self.lines.bytes, &id.to_be_bytes());
        self.raw(b"\"");
    }

    fn root(&mut self, root: &[u8; 32]) {
        self.raw(b",\"root\":\"");
        push_hex(&mut self.lines.bytes, root);
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
        self.lines.bytes.extend_from_slice(&self.run_and_seq);
        push_number(self.seq, &mut self.lines.bytes);
    }

    fn timestamp(&mut self, step: u64) {
        let start = self.lines.bytes.len();
        self.raw(b"\"timestamp\":");
        push_number(self.clock.at(step), &mut self.lines.bytes);
        self.raw(b",");
        self.cut(start);
    }

    /// What was written since `start` is volatile.
    fn cut(&mut self, start: usize) {
        let cut = ((start - self.begun) as u32, (self.lines.bytes.len() - self.begun) as u32);
        let free = self.cuts.iter_mut().find(|(_, end)| *end == 0);
        *free.expect("no event has more than two volatile members") = cut;
    }

    fn close(&mut self, kind: &[u8]) -> Result<(), Fault> {
        self.text(b"\"type\":\"", kind);
        self.raw(b",\"v\":1}");
        self.add(false)
    }

    fn add(&mut self, foreign: bool) -> Result<(), Fault> {
        let length = self.lines.bytes.len() - self.begun;
        if length > MAX_LINE {
            let message = format!(
                "event {} is a line of {length} bytes, more than {MAX_LINE}: a function takes or returns too many felts",
                self.seq
            );
            return Err(Fault::new("line-too-long", message));
        }
        if self.lines.bytes.len() + 1 > self.chunk_bytes {
            self.turn();
        }
        let (start, end) = (self.begun as u32, (self.begun + length) as u32);
        self.lines.marks.push(Mark { start, end, cuts: self.cuts, foreign });
        self.raw(b"\n");
        self.seq += 1;
        Ok(())
    }

    /// Moves the line just written to a new chunk.
    fn turn(&mut self) {
        let mut next = Lines {
            bytes: Vec::with_capacity(self.chunk_bytes.min(1 << 20)),
            marks: Vec::with_capacity(self.lines.marks.len()),
        };
        next.bytes.extend_from_slice(&self.lines.bytes[self.begun..]);
        self.lines.bytes.truncate(self.begun);
        self.begun = 0;
        self.ready.push_back(std::mem::replace(&mut self.lines, next));
    }
}
