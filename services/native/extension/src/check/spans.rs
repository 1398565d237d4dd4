//! The invariants of spans: nesting, identity, place, loops, cycles, failures. The rules, their order and their
//! codes are those of `proofrail.audit.invariants.spans`, up to the first violation.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::canonical::push_number;
use crate::check::event::{Event, Kind, SpanId, is_hash, member};
use crate::check::{At, Broken, Checked};
use crate::digest::sha256;
use crate::events::MAX_PATH_DEPTH;
use crate::json::{Member, Value};

const UNSEEN_PARENTS: u64 = 8;
const MAX_FUNCTIONS: usize = 10_000;
/// Bytes of input or output up to which they are kept as they are, not as their digest.
const KEPT: usize = 256;
const FELT: usize = 64;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// P, as a felt is written.
const PRIME: &[u8; FELT] = b"0800000000000011000000000000000000000000000000000000000000000001";

const ERROR_CODES: [&str; 8] = [
    "assert-failed",
    "memory-unknown",
    "memory-inconsistent",
    "out-of-range",
    "builtin-inconsistent",
    "hint-failed",
    "step-limit",
    "vm-error",
];

/// The texts that are kept of an open span.
const NAME: usize = 0;
const INPUT: usize = 1;
const BACKEND: usize = 2;
const METHOD: usize = 3;
const TEXTS: usize = 4;

struct Open {
    id: SpanId,
    tile: bool,
    iteration: Option<u64>,
    /// Where its texts lie in `Spans::texts`, and where each ends, counted from there.
    at: usize,
    ends: [u32; TEXTS],
    /// How much of `Spans::path` is this span's.
    path: usize,
    children: u64,
    /// Of the spans inside, so far.
    cycles: Option<u128>,
    is_loop: Option<bool>,
    next: Option<u64>,
    last: Option<Ended>,
}

/// The iteration that ended last within its loop.
struct Ended {
    line: u64,
    output: Option<Vec<u8>>,
}

#[derive(Clone, Copy)]
enum Fact {
    Input,
    Output,
    Loop,
}

pub struct Spans {
    pub cairo: bool,
    /// A trace by the rules of "Native traces"; not merely one whose backend is native.
    pub native: bool,
    /// A native or an imported run, all of whose spans have the backend of the program.
    pub own: bool,
    program: (String, String),
    /// `proofrail/span/v1\n…:`, and room for a number.
    span: Vec<u8>,
    open: Vec<Open>,
    texts: Vec<u8>,
    path: Vec<u8>,
    functions: HashMap<String, [Option<u64>; 3]>,
    facts: usize,
    error: Option<Vec<Member<'static>>>,
    pub any_failed: bool,
    /// Whether the outermost span that ended last has failed.
    pub failed: Option<bool>,
    pub count: u64,
    pub iterations: u64,
    pub max_depth: Option<u64>,
    pub least_steps: u128,
    /// Name and input_bytes of the first outermost span.
    pub entry: Option<(String, String)>,
    /// output_bytes of the outermost span that ended last.
    pub output: Option<String>,
}

impl Spans {
    pub fn new(run_id: &str, program: (&str, &str), layout: &str) -> Self {
        Self {
            cairo: program.0 == "cairo",
            native: layout == "native",
            own: matches!(layout, "native" | "raster"),
            program: (program.0.to_owned(), program.1.to_owned()),
            span: format!("proofrail/span/v1\n{run_id}:").into_bytes(),
            open: Vec::new(),
            texts: Vec::new(),
            path: Vec::new(),
            functions: HashMap::new(),
            facts: 0,
            error: None,
            any_failed: false,
            failed: None,
            count: 0,
            iterations: 0,
            max_depth: None,
            least_steps: 0,
            entry: None,
            output: None,
        }
    }

    /// The whole of section 4 holds, not only what it asks of traces from elsewhere.
    fn strict(&self) -> bool {
        self.cairo || self.native
    }

    pub fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub fn start(&mut self, line: u64, event: &Event<'_>, kind: Kind) -> Checked {
        let here = At(line);
        if self.cairo && self.any_failed {
            return here.broken("after-failure");
        }
        self.parent(here, event)?;
        let depth = self.open.len();
        if self.open.last().is_some_and(|parent| parent.tile) {
            return here.broken("tile-has-child");
        }
        if event.span_id != self.span_id(event.seq) {
            return here.broken("span-id-wrong");
        }
        here.holds(event.depth == depth as u64, "depth-wrong")?;
        self.iteration(here, event)?;
        here.holds(self.extend_path(event), "path-wrong")?;
        self.artifact(here, event)?;
        if self.cairo {
            self.felts(here, event.name, event.input, Fact::Input)?;
        }
        let parent = self.open.last().filter(|_| self.strict());
        if let Some(parent) = parent.filter(|parent| parent.is_loop == Some(true) && parent.children == 0) {
            here.holds(*self.text(parent, INPUT) == *kept(event.input), "loop-input-differs")?;
        }
        if self.native && self.open.is_empty() {
            here.holds(self.entry.is_none(), "outermost-again")?;
            self.entry = Some((event.name.to_owned(), event.input.to_owned()));
        }
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        }
        self.push(event, kind.is_tile());
        self.count += 1;
        self.iterations += u64::from(event.iteration.is_some());
        self.max_depth = self.max_depth.max(Some(depth as u64));
        Ok(())
    }

    fn parent(&self, here: At, event: &Event<'_>) -> Checked {
        let depth = self.open.len() as u64;
        let place = match event.parent {
            None if depth == 0 => return Ok(()),
            None => Some(0),
            Some(id) if self.open.last().is_some_and(|open| open.id == id) => return Ok(()),
            Some(id) => self.place_of(id).map(|place| place + 1),
        };
        match place {
            Some(inside) if event.depth == inside && inside < depth => here.broken("end-missing"),
            None if depth < event.depth && event.depth <= depth + UNSEEN_PARENTS => {
                here.broken("parent-missing")
            }
            _ => here.broken("parent-wrong"),
        }
    }

    fn place_of(&self, id: SpanId) -> Option<u64> {
        self.open.iter().position(|open| open.id == id).map(|place| place as u64)
    }

    fn span_id(&mut self, seq: u64) -> SpanId {
        let prefix = self.span.len();
        push_number(seq, &mut self.span);
        let digest = sha256(&self.span);
        self.span.truncate(prefix);
        let mut id = [0; 16];
        for (pair, byte) in id.chunks_exact_mut(2).zip(digest) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        id
    }

    fn iteration(&mut self, here: At, event: &Event<'_>) -> Checked {
        let strict = self.strict();
        let Some(number) = event.iteration else {
            return match self.open.last_mut() {
                Some(parent) if strict && parent.is_loop == Some(true) => here.broken("iteration-missing"),
                Some(parent) => {
                    parent.is_loop = Some(false);
                    last_output(parent)
                }
                None => Ok(()),
            };
        };
        let Some(parent) = self.open.last() else {
            return here.broken("iteration-misplaced");
        };
        if strict {
            let same = self.text(parent, NAME) == event.name.as_bytes();
            let stranger = parent.is_loop.is_none() && !same && !self.is_beneath(event, number);
            if parent.is_loop == Some(false) || parent.iteration.is_some() || stranger {
                return here.broken("iteration-misplaced");
            }
            here.holds(same, "iteration-name-differs")?;
            if self.cairo && parent.children == 0 {
                self.same(here, event.name, Fact::Loop, 1)?;
            }
        }
        let Some(parent) = self.open.last_mut() else {
            return Ok(());
        };
        if strict {
            parent.is_loop = Some(true);
        } else if number == 0 && parent.next.is_some() {
            last_output(parent)?;
            parent.next = None;
        }
        if let Some(ended) = parent.last.take()
            && strict
            && ended.output.is_some()
        {
            return At(ended.line).broken("output-unexpected");
        }
        here.holds(number == parent.next.unwrap_or(0), "iteration-wrong")?;
        parent.next = Some(number + 1);
        Ok(())
    }

    /// Whether the path of an iteration is that of the innermost span and its number.
    fn is_beneath(&self, event: &Event<'_>, number: u64) -> bool {
        let Some(path) = event.path else {
            return false;
        };
        self.open.len() <= MAX_PATH_DEPTH + 1
            && path.as_bytes().strip_prefix(self.path.as_slice()) == Some(format!("[{number}]").as_bytes())
    }

    /// Makes the path that of the span that begins; false when it is not what the event says.
    fn extend_path(&mut self, event: &Event<'_>) -> bool {
        let Some(claimed) = event.path else {
            return self.open.len() > MAX_PATH_DEPTH;
        };
        if self.open.len() > MAX_PATH_DEPTH {
            return false;
        }
        let claimed = claimed.as_bytes();
        let before = self.path.len();
        if event.iteration.is_some() && !self.strict() {
            self.push_name(event);
            self.push_iteration(event);
            if self.path == claimed {
                return true;
            }
            self.path.truncate(before);
        }
        if event.iteration.is_none() {
            self.push_name(event);
        }
        self.push_iteration(event);
        self.path == claimed
    }

    fn push_name(&mut self, event: &Event<'_>) {
        if !self.open.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(event.name.as_bytes());
    }

    fn push_iteration(&mut self, event: &Event<'_>) {
        if let Some(number) = event.iteration {
            self.path.push(b'[');
            push_number(number, &mut self.path);
            self.path.push(b']');
        }
    }

    fn artifact(&self, here: At, event: &Event<'_>) -> Checked {
        let (backend, method) = event.artifact.unwrap_or_default();
        let of_program = || !self.own || backend == self.program.0;
        let of_loop = || match self.open.last().filter(|parent| parent.is_loop == Some(true)) {
            Some(parent) => self.has_artifact(parent, (backend, method)),
            None => true,
        };
        let right = if self.cairo {
            self.is_program((backend, method))
        } else {
            backend != "cairo" && of_program() && (!self.native || is_hash(method) && of_loop())
        };
        here.holds(right, "artifact-differs")
    }

    fn felts(&mut self, here: At, name: &str, text: &str, fact: Fact) -> Checked {
        let right = text.len().is_multiple_of(FELT)
            && text.as_bytes().chunks_exact(FELT).all(|felt| felt < PRIME.as_slice());
        here.holds(right, "felts-wrong")?;
        self.same(here, name, fact, (text.len() / FELT) as u64)
    }

    fn same(&mut self, here: At, name: &str, fact: Fact, value: u64) -> Checked {
        if let Some(known) = self.functions.get_mut(name) {
            let known = &mut known[fact as usize];
            if let Some(known) = *known {
                return here.holds(known == value, "function-differs");
            }
            if self.facts < MAX_FUNCTIONS {
                self.facts += 1;
                *known = Some(value);
            }
        } else if self.facts < MAX_FUNCTIONS {
            self.facts += 1;
            let mut known = [None; 3];
            known[fact as usize] = Some(value);
            self.functions.insert(name.to_owned(), known);
        }
        Ok(())
    }

    pub fn end(&mut self, line: u64, event: &Event<'_>, kind: Kind) -> Checked {
        let here = At(line);
        let mut span = self.close(here, event, kind)?;
        if self.open.is_empty() {
            self.failed = Some(false);
            self.output = event.output.filter(|_| self.native).map(str::to_owned);
        }
        here.holds(!(self.cairo && self.any_failed), "after-failure")?;
        self.not_empty(here, &span)?;
        if let Some(output) = event.output.filter(|_| self.cairo) {
            self.felts(here, event.name, output, Fact::Output)?;
        }
        let is_loop = span.is_loop == Some(true);
        let last = span.last.take();
        if last.as_ref().is_some_and(|ended| ended.output.is_none()) {
            return At(last.map_or(line, |ended| ended.line)).broken("output-missing");
        }
        if self.cairo && span.iteration.is_none() && !is_loop {
            self.same(here, event.name, Fact::Loop, 0)?;
        }
        if let (true, Some(last), Some(output)) = (self.strict() && is_loop, &last, event.output) {
            here.holds(last.output.as_deref() == Some(&*kept(output)), "loop-output-differs")?;
        }
        let iterates = span.iteration.is_some();
        match self.open.last_mut().filter(|_| iterates) {
            Some(parent) => {
                let output = event.output.map(|output| kept(output).into_owned());
                parent.last = Some(Ended { line, output });
            }
            None => here.holds(event.output.is_some(), "output-missing")?,
        }
        here.holds(!self.cairo || !event.proven, "proof-misplaced")?;
        here.holds(!self.native || event.cycles.is_none(), "cycles-misplaced")?;
        let cycles = if self.cairo { Some(self.cycles(here, event, &span, is_loop)?) } else { None };
        self.add_cycles(cycles);
        self.forget(&span);
        Ok(())
    }

    fn cycles(&self, here: At, event: &Event<'_>, span: &Open, is_loop: bool) -> Result<u128, Broken> {
        let Some(claimed) = event.cycles.map(u128::from) else {
            return Err(here.code("cycles-missing"));
        };
        let (Some(inside), children) = (span.cycles, u128::from(span.children)) else {
            return Ok(claimed);
        };
        let right = if is_loop { claimed + 1 == inside + children } else { claimed > inside + children };
        here.holds(right, "cycles-wrong")?;
        Ok(claimed)
    }

    fn add_cycles(&mut self, cycles: Option<u128>) {
        match self.open.last_mut() {
            None => self.least_steps += cycles.map_or(0, |cycles| cycles + 1),
            Some(parent) => parent.cycles = parent.cycles.zip(cycles).map(|(sum, cycles)| sum + cycles),
        }
    }

    pub fn failure(&mut self, line: u64, event: &Event<'_>, kind: Kind) -> Checked {
        let here = At(line);
        let span = self.close(here, event, kind)?;
        if self.open.is_empty() {
            self.failed = Some(true);
            self.output = None;
        }
        if self.strict() {
            let error = event.error.unwrap_or_default();
            let has_code = self.error.is_some() || member(error, "code").is_some();
            here.holds(has_code, "error-code-missing")?;
            here.holds(event.artifact.is_some(), "artifact-missing")?;
            if self.cairo {
                self.error(here, event, error)?;
            }
        }
        self.not_empty(here, &span)?;
        self.any_failed = true;
        self.as_started(here, event, &span)?;
        let calls = if span.is_loop == Some(true) { 0 } else { u128::from(span.children) };
        self.add_cycles(span.cycles.map(|cycles| cycles + calls));
        self.forget(&span);
        Ok(())
    }

    fn error(&mut self, here: At, event: &Event<'_>, error: &[Member<'_>]) -> Checked {
        let Some(first) = &self.error else {
            here.holds(self.is_cairo_error(error), "error-wrong")?;
            self.error = Some(owned_members(error));
            return Ok(());
        };
        here.holds(first == error, "error-differs")?;
        here.holds(!event.detail, "detail-misplaced")
    }

    /// Whether this can be the error of the span that has just been closed.
    fn is_cairo_error(&self, error: &[Member<'_>]) -> bool {
        let (Some(Value::String(code)), Some(Value::String(message))) =
            (member(error, "code"), member(error, "message"))
        else {
            return false;
        };
        let rest = message.strip_prefix(code.as_ref()).unwrap_or_default();
        ERROR_CODES.contains(&code.as_ref())
            && (rest.starts_with(" in ") && rest.contains(" at ") || rest.starts_with(" at "))
            && (self.open.is_empty() || !message.ends_with(" at the end of the run"))
    }

    /// Whether a Failure repeats its Start, whose texts and path are still there.
    fn as_started(&self, here: At, event: &Event<'_>, span: &Open) -> Checked {
        let depth = self.open.len();
        let same_artifact = event.artifact.is_none_or(|(backend, method)| {
            if self.cairo {
                self.is_program((backend, method))
            } else {
                self.has_artifact(span, (backend, method))
            }
        });
        let same_path = match event.path {
            Some(claimed) => depth <= MAX_PATH_DEPTH && claimed.as_bytes() == self.path,
            None => depth > MAX_PATH_DEPTH,
        };
        let right = event.depth == depth as u64
            && same_path
            && event.iteration == span.iteration
            && same_artifact
            && *kept(event.input) == *self.text(span, INPUT);
        here.holds(right, "failure-differs")
    }

    fn not_empty(&self, here: At, span: &Open) -> Checked {
        here.holds(!self.strict() || span.tile || span.children > 0, "sequence-empty")
    }

    fn close(&mut self, here: At, event: &Event<'_>, kind: Kind) -> Result<Open, Broken> {
        let Some(span) = self.open.last() else {
            return Err(here.code("end-without-start"));
        };
        let same_name = self.text(span, NAME) == event.name.as_bytes();
        if span.id != event.span_id {
            let code = if self.place_of(event.span_id).is_some() {
                "end-missing"
            } else if same_name && span.tile == kind.is_tile() {
                "end-span-wrong"
            } else {
                "end-without-start"
            };
            return Err(here.code(code));
        }
        here.holds(span.tile == kind.is_tile(), "end-kind-wrong")?;
        here.holds(same_name, "name-differs")?;
        let Some(span) = self.open.pop() else {
            return Err(here.code("end-without-start"));
        };
        Ok(span)
    }

    fn push(&mut self, event: &Event<'_>, tile: bool) {
        let at = self.texts.len();
        let mut ends = [0; TEXTS];
        // In a Cairo run every artifact is the program's.
        let (backend, method) = event.artifact.filter(|_| !self.cairo).unwrap_or_default();
        let input = kept(event.input);
        let texts = [event.name.as_bytes(), &input, backend.as_bytes(), method.as_bytes()];
        for (text, end) in texts.iter().zip(&mut ends) {
            self.texts.extend_from_slice(text);
            *end = (self.texts.len() - at) as u32;
        }
        self.open.push(Open {
            id: event.span_id,
            tile,
            iteration: event.iteration,
            at,
            ends,
            path: self.path.len(),
            children: 0,
            cycles: Some(0),
            is_loop: None,
            next: None,
            last: None,
        });
    }

    /// Lets go of what was kept of a span that is no longer open.
    fn forget(&mut self, span: &Open) {
        self.texts.truncate(span.at);
        self.path.truncate(self.open.last().map_or(0, |open| open.path));
    }

    fn text(&self, span: &Open, which: usize) -> &[u8] {
        let from = if which == 0 { 0 } else { span.ends[which - 1] as usize };
        &self.texts[span.at + from..span.at + span.ends[which] as usize]
    }

    fn has_artifact(&self, span: &Open, (backend, method): (&str, &str)) -> bool {
        backend.as_bytes() == self.text(span, BACKEND) && method.as_bytes() == self.text(span, METHOD)
    }

    fn is_program(&self, artifact: (&str, &str)) -> bool {
        artifact == (self.program.0.as_str(), self.program.1.as_str())
    }
}

/// The last iteration of a loop has output; if one has just ended, it was the last.
fn last_output(parent: &mut Open) -> Checked {
    match parent.last.take() {
        Some(ended) if ended.output.is_none() => At(ended.line).broken("output-missing"),
        _ => Ok(()),
    }
}

/// Bytes to compare with later: themselves when few, else their digest.
fn kept(text: &str) -> Cow<'_, [u8]> {
    if text.len() <= KEPT {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut kept = b"H".to_vec();
    kept.extend_from_slice(&sha256(text.as_bytes()));
    Cow::Owned(kept)
}

fn owned_members(members: &[Member<'_>]) -> Vec<Member<'static>> {
    members.iter().map(|(name, value)| (Cow::Owned(name.to_string()), owned(value))).collect()
}

fn owned(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Null => Value::Null,
        Value::Bool(truth) => Value::Bool(*truth),
        Value::Integer(number) => Value::Integer(*number),
        Value::String(text) => Value::String(Cow::Owned(text.to_string())),
        Value::Array(values) => Value::Array(values.iter().map(owned).collect()),
        Value::Object(members) => Value::Object(owned_members(members)),
    }
}
