//! Claimed events beside a run's own, item by item, as both come.

use memchr::memchr;

use crate::canonical::push_item;
use crate::commitment::MAX_LINE;
use crate::error::Fault;
use crate::events::{Lines, Mark};
use crate::spelling::Spelling;

/// Gives the run's own lines, one chunk after another; none at their end.
pub trait More: FnMut() -> Result<Option<Lines>, Fault> {}

impl<F: FnMut() -> Result<Option<Lines>, Fault>> More for F {}

/// Where the comparison stands.
#[derive(Default)]
pub struct Claimed {
    /// The line read so far whose line feed has not come yet.
    rest: Vec<u8>,
    own: Lines,
    /// The next of the run's own lines at hand.
    next: usize,
    scratch: Scratch,
}

#[derive(Default)]
struct Scratch {
    spelling: Spelling,
    own: Vec<u8>,
    claimed: Vec<u8>,
}

impl Claimed {
    /// Takes the next piece of the claimed NDJSON, cut anywhere. False once an item differs, is malformed,
    /// or is one too many: then nothing more is to be taken.
    pub fn takes(&mut self, mut ndjson: &[u8], more: &mut impl More) -> Result<bool, Fault> {
        while let Some(end) = memchr(b'\n', ndjson) {
            let (head, tail) = ndjson.split_at(end);
            ndjson = &tail[1..];
            let same = if self.rest.is_empty() {
                self.line(head, more)?
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(head);
                self.line(&line, more)?
            };
            if !same {
                return Ok(false);
            }
        }
        if self.rest.len() + ndjson.len() > MAX_LINE {
            return Ok(false);
        }
        self.rest.extend_from_slice(ndjson);
        Ok(true)
    }

    /// Nothing more is claimed: true if the run has no more either. The last line feed is optional.
    pub fn ends(&mut self, more: &mut impl More) -> Result<bool, Fault> {
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() && !self.line(&line, more)? {
            return Ok(false);
        }
        Ok(!self.has_own(more)?)
    }

    fn line(&mut self, line: &[u8], more: &mut impl More) -> Result<bool, Fault> {
        if line.len() > MAX_LINE || !self.has_own(more)? {
            return Ok(false);
        }
        let mark = &self.own.marks[self.next];
        self.next += 1;
        Ok(differs_in_time_alone(&self.own, mark, line) || self.scratch.same_item(&self.own, mark, line))
    }

    fn has_own(&mut self, more: &mut impl More) -> Result<bool, Fault> {
        while self.next == self.own.marks.len() {
            let Some(lines) = more()? else {
                return Ok(false);
            };
            (self.own, self.next) = (lines, 0);
        }
        Ok(true)
    }
}

impl Scratch {
    fn same_item(&mut self, own: &Lines, mark: &Mark, line: &[u8]) -> bool {
        self.own.clear();
        self.claimed.clear();
        own.push_item(mark, &mut self.own).is_ok()
            && push_item(line, &mut self.spelling, &mut self.claimed).is_ok()
            && self.own == self.claimed
    }
}

/// True if the claimed line is the run's own, byte for byte, but for other nanoseconds where that has
/// nanoseconds: the usual case, told without reading either as JSON.
fn differs_in_time_alone(own: &Lines, mark: &Mark, line: &[u8]) -> bool {
    let Some((own, cuts)) = own.volatile_parts(mark) else {
        return false;
    };
    let (mut own_at, mut at) = (0, 0);
    for (from, to) in cuts {
        let Some(colon) = memchr(b':', &own[from..to]) else {
            return false;
        };
        let name_end = from + colon + 1;
        let Some(digits) = line[at..].strip_prefix(&own[own_at..name_end]).and_then(nanoseconds) else {
            return false;
        };
        at += name_end - own_at + digits;
        own_at = to;
    }
    line[at..] == own[own_at..]
}

/// The length of a canonical number of nanoseconds and its comma, where there is one.
fn nanoseconds(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.iter().take(39).take_while(|byte| byte.is_ascii_digit()).count();
    let fits = (1..=38).contains(&digits) && (bytes[0] != b'0' || digits == 1);
    (fits && bytes.get(digits) == Some(&b',')).then_some(digits + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Clock, Writer};

    /// Chunks of a few lines each, written by a clock that runs to `end`.
    fn own(end: u64) -> Vec<Lines> {
        let mut writer = Writer::new("r", "0x1", Clock::new(7, end, 5), 700);
        writer.foreign(br#"{ "type":"TraceStart", "label":"x" }"#).unwrap();
        for block in 0..20 {
            writer.step_block(block, 0, 1, &[7; 32]).unwrap();
        }
        let mut chunks: Vec<Lines> = std::iter::from_fn(|| writer.take_ready()).collect();
        chunks.push(writer.take_rest());
        chunks
    }

    fn equal(claimed: &[u8], piece: usize) -> bool {
        let mut chunks = own(12).into_iter();
        let more = &mut || Ok(chunks.next());
        let mut state = Claimed::default();
        claimed.chunks(piece).all(|piece| state.takes(piece, more).unwrap()) && state.ends(more).unwrap()
    }

    fn bytes(end: u64) -> Vec<u8> {
        own(end).into_iter().flat_map(|lines| lines.bytes).collect()
    }

    #[test]
    fn time_is_no_part_of_an_item() {
        for end in [7, 12, u64::MAX] {
            for piece in [1, 50, 10_000] {
                assert!(equal(&bytes(end), piece), "{end} {piece}");
            }
        }
        let line = bytes(12);
        assert!(equal(&line[..line.len() - 1], 64));
        let text = String::from_utf8(line).unwrap();
        for (spelled, expected) in [
            (text.replace("\"timestamp\":12,", ""), true),
            (text.replace("\"timestamp\":12,", "\"timestamp\":\"\\u0041\", "), true),
            (text.replace("\"timestamp\":12,", "\"timestamp\":-1,"), true),
            (text.replace("\"timestamp\":12,", "\"timestamp\":012,"), false),
            (text.replace("\"timestamp\":12,", "\"timestamp\":1.2,"), false),
            (text.replace("\"timestamp\":12,", "\"timestamp\":,"), false),
            (text.replace("\"timestamp\":12,", "\"timestamp\":12,\"timestamp\":12,"), false),
            (text.replace("\"timestamp\":12,", "\"timestomp\":12,"), false),
        ] {
            assert_eq!(expected, equal(spelled.as_bytes(), 100), "{}", &spelled[..500]);
        }
    }

    #[test]
    fn every_other_byte_counts() {
        let line = bytes(12);
        let volatile = |at: usize| {
            let start = line[..at].iter().rposition(|byte| *byte == b',').map_or(0, |comma| comma + 1);
            line[start..].starts_with(b"\"timestamp\":") && at >= start + 12
        };
        for at in (0..line.len()).filter(|at| line[*at] != b' ' && !volatile(*at)) {
            let mut claimed = line.clone();
            claimed[at] ^= 1;
            // What stands in the label of the start is as volatile as time.
            let label = line.get(at - at.min(10)..at).is_some_and(|before| before.ends_with(b"\"label\":\""));
            assert_eq!(label, equal(&claimed, 300), "{at}");
        }
    }

    #[test]
    fn lines_are_neither_more_nor_fewer() {
        let whole = bytes(12);
        let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        assert!(!equal(&whole[..last], 64));
        assert!(!equal(&[&whole[..], &whole[last..]].concat(), 64));
        assert!(!equal(&[&whole[..], b"\n"].concat(), 64));
        assert!(!equal(b"", 64));
        let padded = [&whole[..last], &b" ".repeat(MAX_LINE), &whole[last..]].concat();
        assert!(!equal(&padded, 300));
    }
}
