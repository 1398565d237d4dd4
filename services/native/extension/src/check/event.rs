//! A line as a trace event of version 1: the same members, types and codes as the models of `proofrail.wire.events`.

use crate::json::{Member, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    TraceStart,
    SequenceStart,
    SequenceEnd,
    TileStart,
    TileEnd,
    TileFailure,
    SequenceFailure,
    StepBlock,
    MemoryBlock,
    TraceEnd,
}

pub const KINDS: [(&str, Kind); 10] = [
    ("TraceStart", Kind::TraceStart),
    ("SequenceStart", Kind::SequenceStart),
    ("SequenceEnd", Kind::SequenceEnd),
    ("TileStart", Kind::TileStart),
    ("TileEnd", Kind::TileEnd),
    ("TileFailure", Kind::TileFailure),
    ("SequenceFailure", Kind::SequenceFailure),
    ("StepBlock", Kind::StepBlock),
    ("MemoryBlock", Kind::MemoryBlock),
    ("TraceEnd", Kind::TraceEnd),
];

impl Kind {
    pub fn is_tile(self) -> bool {
        matches!(self, Self::TileStart | Self::TileEnd | Self::TileFailure)
    }

    fn is_start(self) -> bool {
        matches!(self, Self::TileStart | Self::SequenceStart)
    }

    fn is_end(self) -> bool {
        matches!(self, Self::TileEnd | Self::SequenceEnd)
    }

    fn is_failure(self) -> bool {
        matches!(self, Self::TileFailure | Self::SequenceFailure)
    }

    fn is_span(self) -> bool {
        self.is_start() || self.is_end() || self.is_failure()
    }

    fn is_block(self) -> bool {
        matches!(self, Self::StepBlock | Self::MemoryBlock)
    }
}

/// The sixteen characters of a span_id.
pub type SpanId = [u8; 16];

const MAX_SAFE: i128 = (1 << 53) - 1;
const MAX_BLOCK: i128 = 4096;

/// An event of any type; what its type does not have is empty.
#[derive(Default)]
pub struct Event<'a> {
    pub run_id: &'a str,
    pub seq: u64,
    /// `name` or `tile_id`.
    pub name: &'a str,
    pub span_id: SpanId,
    pub parent: Option<SpanId>,
    pub path: Option<&'a str>,
    pub depth: u64,
    pub iteration: Option<u64>,
    /// backend and method_id, of a span or of the program.
    pub artifact: Option<(&'a str, &'a str)>,
    pub artifact_sha256: &'a str,
    pub input: &'a str,
    pub output: Option<&'a str>,
    pub cycles: Option<u64>,
    pub error: Option<&'a [Member<'a>]>,
    pub detail: bool,
    /// Whether it has a member that only a proving virtual machine gives.
    pub proven: bool,
    pub layout: &'a str,
    pub all_spans: bool,
    pub inputs_count: u64,
    pub inputs_sha256: &'a str,
    pub bits: u64,
    pub block_items: u64,
    pub block: u64,
    /// `first_step` or `first_cell`.
    pub first: u64,
    /// `steps` or `cells`.
    pub count: u64,
    pub failed: bool,
    pub n_steps: u64,
    pub output_count: u64,
    pub output_sha256: &'a str,
    /// Members that version 1 does not define.
    pub unknown: u64,
}

/// The type of an event of version 1.
pub fn kind(members: &[Member<'_>]) -> Result<Kind, &'static str> {
    if !matches!(member(members, "v"), Some(Value::Integer(1))) {
        return Err("unknown-version");
    }
    let Some(Value::String(name)) = member(members, "type") else {
        return Err("unknown-type");
    };
    KINDS.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind).ok_or("unknown-type")
}

/// The event, or None where a member is missing or not what the type says.
pub fn read<'a>(members: &'a [Member<'a>], kind: Kind) -> Option<Event<'a>> {
    let mut event = Event::default();
    let mut missing = Missing(required(kind));
    for (name, value) in members {
        match name.as_ref() {
            "v" | "type" => {}
            "run_id" => {
                event.run_id = short(value, 256)?;
                missing.found(Missing::RUN_ID);
            }
            "seq" => {
                event.seq = count(value)?;
                missing.found(Missing::SEQ);
            }
            "timestamp" => {
                nanoseconds(value)?;
                missing.found(Missing::TIMESTAMP);
            }
            "name" if kind.is_span() && !kind.is_tile() => {
                event.name = filled(value)?;
                missing.found(Missing::NAME);
            }
            "tile_id" if kind.is_tile() => {
                event.name = filled(value)?;
                missing.found(Missing::NAME);
            }
            "span_id" if kind.is_span() => {
                event.span_id = span_id(value)?;
                missing.found(Missing::SPAN_ID);
            }
            "parent_span_id" if kind.is_start() => event.parent = Some(span_id(value)?),
            "path" if kind.is_start() || kind.is_failure() => event.path = Some(filled(value)?),
            "depth" if kind.is_start() || kind.is_failure() => {
                event.depth = count(value)?;
                missing.found(Missing::DEPTH);
            }
            "iteration" if kind.is_start() || kind.is_failure() => event.iteration = Some(count(value)?),
            "artifact" if kind.is_start() || kind.is_failure() => {
                event.artifact(value, false)?;
                missing.found(Missing::ARTIFACT);
            }
            "input_bytes" if kind.is_start() || kind.is_failure() => {
                event.input = hex_bytes(value)?;
                missing.found(Missing::INPUT);
            }
            "output_bytes" if kind.is_end() => event.output = Some(hex_bytes(value)?),
            "duration_ns" if kind.is_end() => nanoseconds(value)?,
            "cycles" if kind.is_end() => event.cycles = Some(count(value)?),
            "error" if kind.is_failure() => {
                event.error(value)?;
                missing.found(Missing::ERROR);
            }
            "detail" if kind.is_failure() => {
                text(value)?;
                event.detail = true;
            }
            _ => event.rest(name, value, kind, &mut missing)?,
        }
    }
    (missing.0 == 0).then_some(event)
}

impl<'a> Event<'a> {
    /// What few events have.
    fn rest(&mut self, name: &str, value: &'a Value<'a>, kind: Kind, missing: &mut Missing) -> Option<()> {
        match (name, kind) {
            ("program", Kind::TraceStart) => {
                self.artifact(value, true)?;
                missing.found(Missing::PROGRAM);
            }
            ("layout", Kind::TraceStart) => {
                self.layout = filled(value)?;
                missing.found(Missing::LAYOUT);
            }
            ("spans", Kind::TraceStart) => {
                self.all_spans = one_of(value, "own", "all")?;
                missing.found(Missing::SPANS);
            }
            ("inputs_count", Kind::TraceStart) => {
                self.inputs_count = count(value)?;
                missing.found(Missing::INPUTS_COUNT);
            }
            ("inputs_sha256", Kind::TraceStart) => {
                self.inputs_sha256 = hash(value)?;
                missing.found(Missing::INPUTS_SHA256);
            }
            ("commitment", Kind::TraceStart) => {
                self.commitment(value)?;
                missing.found(Missing::COMMITMENT);
            }
            ("label", Kind::TraceStart) => {
                text(value)?;
            }
            ("proof_cycles", Kind::TileEnd) => self.proven = count(value).map(|_| true)?,
            ("receipt", Kind::TileEnd) => self.proven = hex_bytes(value).map(|_| true)?,
            ("verified", Kind::TileEnd) => self.proven = matches!(value, Value::Bool(_)).then_some(true)?,
            ("desc", Kind::TileStart) | ("output_type", Kind::TileEnd) => {
                text(value)?;
            }
            ("inputs", Kind::TileStart) => arguments(value)?,
            ("block", _) if kind.is_block() => {
                self.block = count(value)?;
                missing.found(Missing::BLOCK);
            }
            ("first_step", Kind::StepBlock) | ("first_cell", Kind::MemoryBlock) => {
                self.first = count(value)?;
                missing.found(Missing::FIRST);
            }
            ("steps", Kind::StepBlock) | ("cells", Kind::MemoryBlock) => {
                self.count = within(value, 1, MAX_BLOCK)?;
                missing.found(Missing::COUNT);
            }
            ("root", _) if kind.is_block() => {
                hash(value)?;
                missing.found(Missing::ROOT);
            }
            ("outcome", Kind::TraceEnd) => {
                self.failed = one_of(value, "completed", "failed")?;
                missing.found(Missing::OUTCOME);
            }
            ("n_steps", Kind::TraceEnd) => {
                self.n_steps = count(value)?;
                missing.found(Missing::N_STEPS);
            }
            ("output_count", Kind::TraceEnd) => {
                self.output_count = count(value)?;
                missing.found(Missing::OUTPUT_COUNT);
            }
            ("output_sha256", Kind::TraceEnd) => {
                self.output_sha256 = hash(value)?;
                missing.found(Missing::OUTPUT_SHA256);
            }
            _ => self.unknown += 1,
        }
        Some(())
    }

    fn artifact(&mut self, value: &'a Value<'a>, program: bool) -> Option<()> {
        let (mut backend, mut method, mut digest) = (None, None, None);
        for (name, value) in object(value)? {
            match name.as_ref() {
                "backend" => backend = Some(filled(value)?),
                "method_id" => method = Some(short(value, 128)?),
                "artifact_sha256" if program => digest = Some(hash(value)?),
                _ => self.unknown += 1,
            }
        }
        self.artifact = Some((backend?, method?));
        if program {
            self.artifact_sha256 = digest?;
        }
        Some(())
    }

    fn commitment(&mut self, value: &'a Value<'a>) -> Option<()> {
        let (mut bits, mut block_items) = (None, None);
        for (name, value) in object(value)? {
            match name.as_ref() {
                "bits" => bits = Some(within(value, 1, 64)?),
                "block_items" => block_items = Some(within(value, 1, MAX_SAFE)?),
                _ => self.unknown += 1,
            }
        }
        (self.bits, self.block_items) = (bits?, block_items?);
        Some(())
    }

    fn error(&mut self, value: &'a Value<'a>) -> Option<()> {
        let members = object(value)?;
        let mut message = None;
        for (name, value) in members {
            match name.as_ref() {
                "code" => {
                    filled(value)?;
                }
                "message" => message = Some(text(value)?),
                _ => self.unknown += 1,
            }
        }
        self.error = Some(members);
        message.map(|_| ())
    }
}

/// The names are in order, and those asked for most stand last.
pub fn member<'a>(members: &'a [Member<'a>], wanted: &str) -> Option<&'a Value<'a>> {
    members.iter().rfind(|(name, _)| name == wanted).map(|(_, value)| value)
}

/// Members that have not been seen yet.
struct Missing(u32);

impl Missing {
    const RUN_ID: u32 = 1;
    const SEQ: u32 = 1 << 1;
    const TIMESTAMP: u32 = 1 << 2;
    const NAME: u32 = 1 << 3;
    const SPAN_ID: u32 = 1 << 4;
    const DEPTH: u32 = 1 << 5;
    const ARTIFACT: u32 = 1 << 6;
    const INPUT: u32 = 1 << 7;
    const ERROR: u32 = 1 << 8;
    const PROGRAM: u32 = 1 << 9;
    const LAYOUT: u32 = 1 << 10;
    const SPANS: u32 = 1 << 11;
    const INPUTS_COUNT: u32 = 1 << 12;
    const INPUTS_SHA256: u32 = 1 << 13;
    const COMMITMENT: u32 = 1 << 14;
    const BLOCK: u32 = 1 << 15;
    const FIRST: u32 = 1 << 16;
    const COUNT: u32 = 1 << 17;
    const ROOT: u32 = 1 << 18;
    const OUTCOME: u32 = 1 << 19;
    const N_STEPS: u32 = 1 << 20;
    const OUTPUT_COUNT: u32 = 1 << 21;
    const OUTPUT_SHA256: u32 = 1 << 22;

    fn found(&mut self, member: u32) {
        self.0 &= !member;
    }
}

fn required(kind: Kind) -> u32 {
    type M = Missing;
    let all = M::RUN_ID | M::SEQ | M::TIMESTAMP;
    all | match kind {
        Kind::TraceStart => {
            M::PROGRAM | M::LAYOUT | M::SPANS | M::INPUTS_COUNT | M::INPUTS_SHA256 | M::COMMITMENT
        }
        Kind::SequenceStart | Kind::TileStart => M::NAME | M::SPAN_ID | M::DEPTH | M::ARTIFACT | M::INPUT,
        Kind::SequenceEnd | Kind::TileEnd => M::NAME | M::SPAN_ID,
        Kind::TileFailure | Kind::SequenceFailure => M::NAME | M::SPAN_ID | M::DEPTH | M::ERROR | M::INPUT,
        Kind::StepBlock | Kind::MemoryBlock => M::BLOCK | M::FIRST | M::COUNT | M::ROOT,
        Kind::TraceEnd => M::OUTCOME | M::N_STEPS | M::OUTPUT_COUNT | M::OUTPUT_SHA256,
    }
}

fn text<'a>(value: &'a Value<'a>) -> Option<&'a str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn filled<'a>(value: &'a Value<'a>) -> Option<&'a str> {
    text(value).filter(|text| !text.is_empty())
}

fn object<'a>(value: &'a Value<'a>) -> Option<&'a [Member<'a>]> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn within(value: &Value<'_>, low: i128, high: i128) -> Option<u64> {
    match value {
        Value::Integer(number) if (low..=high).contains(number) => Some(*number as u64),
        _ => None,
    }
}

fn count(value: &Value<'_>) -> Option<u64> {
    within(value, 0, MAX_SAFE)
}

fn nanoseconds(value: &Value<'_>) -> Option<()> {
    matches!(value, Value::Integer(0..)).then_some(())
}

fn one_of(value: &Value<'_>, no: &str, yes: &str) -> Option<bool> {
    let text = text(value)?;
    (text == no || text == yes).then_some(text == yes)
}

/// Without an early end, so that it takes many bytes at once: nearly all texts are hex.
fn is_hex(text: &str) -> bool {
    let hex = |byte: u8| byte.wrapping_sub(b'0') < 10 || byte.wrapping_sub(b'a') < 6;
    text.bytes().fold(true, |all, byte| all & hex(byte))
}

fn hex_bytes<'a>(value: &'a Value<'a>) -> Option<&'a str> {
    text(value).filter(|text| text.len() % 2 == 0 && is_hex(text))
}

fn hash<'a>(value: &'a Value<'a>) -> Option<&'a str> {
    text(value).filter(|text| is_hash(text))
}

pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn span_id(value: &Value<'_>) -> Option<SpanId> {
    let text = text(value).filter(|text| text.len() == 16 && is_hex(text))?;
    text.as_bytes().try_into().ok()
}

/// An array of objects with name and ty.
fn arguments(value: &Value<'_>) -> Option<()> {
    let Value::Array(values) = value else {
        return None;
    };
    for value in values {
        let members = object(value)?;
        text(member(members, "name")?)?;
        text(member(members, "ty")?)?;
    }
    Some(())
}

/// At most `most` characters, and at least one.
fn short<'a>(value: &'a Value<'a>, most: usize) -> Option<&'a str> {
    filled(value).filter(|text| text.len() <= most || text.chars().count() <= most)
}
