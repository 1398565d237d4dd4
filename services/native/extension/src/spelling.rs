//! The usual way from a line to its item: one pass and no tree, whatever its white space, escapes and order of
//! members.
//!
//! It accepts nothing that the strict parser refuses. What it cannot judge it leaves to that one: malformed
//! lines, names that are not plain ASCII, integers of more than fifteen digits.

use crate::canonical::{is_volatile, push_string};
use crate::json::{MAX_DEPTH, decode_string, is_nanoseconds, plain_ascii, plain_bytes};

/// Digits of a number that cannot lie beyond 2^53−1.
const SAFE_DIGITS: usize = 15;

/// Digits of a number that fits a signed 128-bit integer, as nanoseconds must.
const NANOSECOND_DIGITS: usize = 38;

/// Room that is used again from line to line.
#[derive(Default)]
pub struct Spelling {
    members: Vec<Member>,
    spare: Vec<u8>,
}

/// A member of an object that is being read.
struct Member {
    /// The first eight bytes of the name, which decide most comparisons.
    key: u64,
    /// Where the name stands in the line, without its quotes.
    name: (usize, usize),
    /// Where name and value stand in `out`; nowhere for a volatile member.
    from: usize,
    to: usize,
}

impl Spelling {
    /// Appends the item of `line` to `out`; `None`, with anything appended, where it cannot be told.
    pub fn item(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let text = std::str::from_utf8(line).ok()?;
        self.members.clear();
        out.reserve(line.len());
        let Self { members, spare } = self;
        let mut reader = Reader { text, line, at: 0, from: 0, depth: 0, out, members, spare };
        reader.space();
        if reader.peek() != b'{' {
            return None;
        }
        reader.object::<true>()?;
        reader.space();
        reader.flush(reader.at);
        (reader.at == line.len()).then_some(())
    }
}

struct Reader<'a> {
    text: &'a str,
    line: &'a [u8],
    at: usize,
    /// Where the part of the line starts that is to be copied as it stands.
    from: usize,
    depth: usize,
    out: &'a mut Vec<u8>,
    /// Those of all open objects, the innermost last.
    members: &'a mut Vec<Member>,
    spare: &'a mut Vec<u8>,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.line.get(self.at).copied().unwrap_or(0)
    }

    /// Where in `out` the byte at hand comes to stand.
    fn place(&self) -> usize {
        self.out.len() + (self.at - self.from)
    }

    /// Copies what was read up to `to`.
    fn flush(&mut self, to: usize) {
        self.out.extend_from_slice(&self.line[self.from..to]);
        self.from = to;
    }

    fn space(&mut self) {
        if self.peek() <= b' ' {
            self.flush(self.at);
            while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
                self.at += 1;
            }
            self.from = self.at;
        }
    }

    fn value(&mut self, nanoseconds: bool) -> Option<()> {
        match self.peek() {
            b'"' => self.string(),
            b'{' => self.object::<false>(),
            b'[' => self.array(),
            b'-' | b'0'..=b'9' => self.number(nanoseconds),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let found = self.line[self.at..].starts_with(word);
        self.at += word.len();
        found.then_some(())
    }

    /// What follows is for the caller to judge: it takes neither a digit nor a point.
    fn number(&mut self, nanoseconds: bool) -> Option<()> {
        let negative = self.peek() == b'-';
        self.at += usize::from(negative);
        if self.peek() == b'0' {
            self.at += 1;
            return (!negative).then_some(());
        }
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        let digits = self.at - start;
        let most = if nanoseconds { NANOSECOND_DIGITS } else { SAFE_DIGITS };
        (1..=most).contains(&digits).then_some(())
    }

    fn string(&mut self) -> Option<()> {
        let start = self.at;
        self.at += 1;
        self.at += plain_bytes(&self.line[self.at..]);
        if self.peek() == b'\\' {
            self.flush(start);
            let (text, end) = decode_string(self.text, start)?;
            push_string(&text, self.out);
            (self.at, self.from) = (end, end);
            return Some(());
        }
        let ends = self.peek() == b'"';
        self.at += 1;
        ends.then_some(())
    }

    fn array(&mut self) -> Option<()> {
        self.enter()?;
        if self.peek() == b']' {
            self.at += 1;
        } else {
            loop {
                self.value(false)?;
                self.space();
                let close = self.peek();
                self.at += 1;
                match close {
                    b',' => self.space(),
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    /// Past the opening bracket.
    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        self.at += 1;
        self.space();
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn object<const OUTERMOST: bool>(&mut self) -> Option<()> {
        self.enter()?;
        let (first, begin) = (self.members.len(), self.place());
        let mut sorted = true;
        let mut last = self.peek() == b'}';
        self.at += usize::from(last);
        while !last {
            let from = self.place();
            let (key, name) = self.name()?;
            self.space();
            if self.peek() != b':' {
                return None;
            }
            self.at += 1;
            self.space();
            let text = &self.line[name.0..name.1];
            self.value(is_nanoseconds(text))?;
            let to = self.place();
            self.space();
            last = match self.peek() {
                b',' => false,
                b'}' => true,
                _ => return None,
            };
            let mut member = Member { key, name, from, to };
            if OUTERMOST && is_volatile(text) {
                self.leave_out(&mut member, begin, last);
            }
            self.at += 1;
            if let Some(previous) = self.members[first..].last() {
                sorted &= before(self.line, previous, &member);
            }
            self.members.push(member);
            if !last {
                self.space();
            }
        }
        if !sorted {
            self.sort(first, begin)?;
        }
        self.members.truncate(first);
        self.depth -= 1;
        Some(())
    }

    /// A name that orders by its bytes and is spelled in one way only.
    fn name(&mut self) -> Option<(u64, (usize, usize))> {
        if self.peek() != b'"' {
            return None;
        }
        let start = self.at + 1;
        let length = plain_ascii(&self.line[start..]);
        self.at = start + length;
        if self.peek() != b'"' {
            return None;
        }
        self.at += 1;
        Some((first_eight(&self.line[start..], length), (start, start + length)))
    }

    /// Takes the member just read out of `out`, with the comma that follows it, or goes before it if it is the
    /// last.
    fn leave_out(&mut self, member: &mut Member, begin: usize, last: bool) {
        if member.from > self.out.len() {
            self.flush(self.from + (member.from - self.out.len()));
        }
        self.out.truncate(member.from);
        self.from = self.at + usize::from(!last);
        if last && member.from > begin {
            self.out.pop();
        }
        (member.from, member.to) = (0, 0);
    }

    /// Puts the members of the object that has just ended in order. `None` if a name stands twice.
    fn sort(&mut self, first: usize, begin: usize) -> Option<()> {
        self.flush(self.at);
        let line = self.line;
        let members = &mut self.members[first..];
        members.sort_unstable_by(|left, right| {
            left.key.cmp(&right.key).then_with(|| name(line, left).cmp(name(line, right)))
        });
        if !members.is_sorted_by(|left, right| before(line, left, right)) {
            return None;
        }
        self.spare.clear();
        for member in members.iter().filter(|member| member.to > 0) {
            self.spare.extend_from_slice(&self.out[member.from..member.to]);
            self.spare.push(b',');
        }
        self.spare.pop();
        self.spare.push(b'}');
        self.out.truncate(begin);
        self.out.extend_from_slice(self.spare);
        Some(())
    }
}

/// The first `length` bytes, eight at the most, in the order of their bytes.
fn first_eight(bytes: &[u8], length: usize) -> u64 {
    let word = match bytes.first_chunk() {
        Some(word) => u64::from_be_bytes(*word),
        None => bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)) << (64 - 8 * bytes.len()),
    };
    if length < 8 { word & !(u64::MAX >> (8 * length)) } else { word }
}

fn name<'a>(line: &'a [u8], member: &Member) -> &'a [u8] {
    &line[member.name.0..member.name.1]
}

fn before(line: &[u8], left: &Member, right: &Member) -> bool {
    left.key < right.key || (left.key == right.key && name(line, left) < name(line, right))
}
