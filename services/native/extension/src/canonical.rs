//! From a line to its item: the canonical form (RFC 8785) without the volatile members (design section 5).
//!
//! Lines that are canonical already, as writers emit them, are recognised in one pass and copied; all others are
//! parsed and written anew.

use crate::error::Fault;
use crate::json::{MAX_DEPTH, Member, Value, is_nanoseconds, parse_object, plain_bytes};

/// Members outside every commitment, where they stand at the top level.
pub fn is_volatile(name: &[u8]) -> bool {
    matches!(name, b"timestamp" | b"duration_ns" | b"detail" | b"label")
}

/// Appends the item of `line` to `out`.
pub fn push_item(line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    if Scanner::new(line).item(out).is_none() {
        out.truncate(start);
        let mut members = parse_object(line)?;
        members.retain(|(name, _)| !is_volatile(name.as_bytes()));
        push_object(members, out);
    }
    Ok(())
}

fn push_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(integer) => push_integer(integer, out),
        Value::String(text) => push_string(&text, out),
        Value::Array(values) => {
            out.push(b'[');
            for (i, value) in values.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                push_value(value, out);
            }
            out.push(b']');
        }
        Value::Object(members) => push_object(members, out),
    }
}

fn push_object(members: Vec<Member<'_>>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (i, (name, value)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_string(&name, out);
        out.push(b':');
        push_value(value, out);
    }
    out.push(b'}');
}

fn push_integer(integer: i128, out: &mut Vec<u8>) {
    match u64::try_from(integer) {
        Ok(small) => push_number(small, out),
        Err(_) => out.extend_from_slice(integer.to_string().as_bytes()),
    }
}

pub fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A string with its quotes, in the one spelling of RFC 8785.
pub fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut bytes = text.as_bytes();
    loop {
        let (plain, rest) = bytes.split_at(plain_bytes(bytes));
        out.extend_from_slice(plain);
        let Some((byte, rest)) = rest.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        bytes = rest;
    }
    out.push(b'"');
}

/// Reads a line on the assumption that it is canonical ASCII without escapes; `None` as soon as it is not.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, depth: 0 }
    }

    fn item(mut self, out: &mut Vec<u8>) -> Option<()> {
        self.expect(b'{')?;
        out.push(b'{');
        if self.next()? == b'}' {
            out.push(b'}');
            return (self.at == self.bytes.len()).then_some(());
        }
        self.depth = 1;
        let mut previous = None;
        let mut kept_from = None;
        let mut empty = true;
        loop {
            let start = self.at - 1;
            let name = self.name(previous)?;
            previous = Some(name);
            self.expect(b':')?;
            self.value(is_nanoseconds(name))?;
            let end = self.at;
            let last = match self.next()? {
                b',' => false,
                b'}' => true,
                _ => return None,
            };
            let volatile = is_volatile(name);
            if !volatile && kept_from.is_none() {
                kept_from = Some(start);
            }
            if let (true, Some(from)) = (volatile || last, kept_from) {
                let to = if volatile { start - 1 } else { end };
                if !empty {
                    out.push(b',');
                }
                out.extend_from_slice(&self.bytes[from..to]);
                (kept_from, empty) = (None, false);
            }
            if last {
                break;
            }
            self.expect(b'"')?;
        }
        out.push(b'}');
        (self.at == self.bytes.len()).then_some(())
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A member name whose opening quote has been read, and that stands after `previous`.
    fn name(&mut self, previous: Option<&[u8]>) -> Option<&'a [u8]> {
        if self.bytes.get(self.at - 1) != Some(&b'"') {
            return None;
        }
        let start = self.at;
        self.string()?;
        let name = &self.bytes[start..self.at - 1];
        previous.is_none_or(|previous| previous < name).then_some(name)
    }

    /// The rest of a string whose opening quote has been read.
    fn string(&mut self) -> Option<()> {
        loop {
            while let Some(word) = self.bytes.get(self.at..self.at + 8) {
                if has_special(u64::from_le_bytes(word.try_into().ok()?)) {
                    break;
                }
                self.at += 8;
            }
            match self.next()? {
                b'"' => return Some(()),
                b'\\' | 0..=0x1f | 0x80.. => return None,
                _ => {}
            }
        }
    }

    fn value(&mut self, nanoseconds: bool) -> Option<()> {
        match self.next()? {
            b'"' => self.string(),
            b'{' => self.object(),
            b'[' => self.array(),
            b'0' => self.number_end(),
            byte @ (b'-' | b'1'..=b'9') => self.number(byte, nanoseconds),
            b't' => self.word(b"rue"),
            b'f' => self.word(b"alse"),
            b'n' => self.word(b"ull"),
            _ => None,
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..self.at + rest.len())? == rest;
        self.at += rest.len();
        found.then_some(())
    }

    fn number(&mut self, first: u8, nanoseconds: bool) -> Option<()> {
        if first == b'-' && !matches!(self.next()?, b'1'..=b'9') {
            return None;
        }
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        // Fifteen digits are safe; longer numbers are rare and left to the parser, save nanoseconds.
        let digits = self.at - start + 1;
        (digits <= 15 || (nanoseconds && digits <= 38)).then_some(())?;
        self.number_end()
    }

    fn number_end(&mut self) -> Option<()> {
        matches!(self.bytes.get(self.at), Some(b',' | b'}' | b']')).then_some(())
    }

    fn object(&mut self) -> Option<()> {
        self.enter()?;
        let mut previous = None;
        if self.bytes.get(self.at) == Some(&b'}') {
            self.at += 1;
        } else {
            loop {
                self.expect(b'"')?;
                let name = self.name(previous)?;
                previous = Some(name);
                self.expect(b':')?;
                self.value(is_nanoseconds(name))?;
                match self.next()? {
                    b',' => {}
                    b'}' => break,
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.enter()?;
        if self.bytes.get(self.at) == Some(&b']') {
            self.at += 1;
        } else {
            loop {
                self.value(false)?;
                match self.next()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    fn enter(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= MAX_DEPTH).then_some(())
    }
}

/// True if one of eight bytes is a quote, a backslash, a control character or not ASCII.
fn has_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero_in = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    (word & HIGH) | control | zero_in(word ^ (ONES * 0x22)) | zero_in(word ^ (ONES * 0x5c)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(line: &str) -> String {
        let mut out = Vec::new();
        push_item(line.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn both_ways(line: &str) -> String {
        let fast = item(line);
        // A space in front sends the same line the slow way.
        assert_eq!(fast, item(&format!(" {line}")), "{line}");
        fast
    }

    #[test]
    fn volatile_members_leave_without_a_trace() {
        for (line, expected) in [
            (r#"{}"#, r#"{}"#),
            (r#"{"timestamp":1}"#, r#"{}"#),
            (r#"{"detail":"x","label":"y"}"#, r#"{}"#),
            (r#"{"a":1,"timestamp":2}"#, r#"{"a":1}"#),
            (r#"{"a":1,"detail":{},"label":[],"z":"t"}"#, r#"{"a":1,"z":"t"}"#),
            (
                r#"{"detail":1,"e":2,"f":3,"label":4,"m":{"label":1},"timestamp":99999999999999999999,"z":5}"#,
                r#"{"e":2,"f":3,"m":{"label":1},"z":5}"#,
            ),
            (r#"{"":{"":1},"b":-5,"c":[1,[],{}],"d":true}"#, r#"{"":{"":1},"b":-5,"c":[1,[],{}],"d":true}"#),
        ] {
            assert_eq!(expected, both_ways(line));
        }
    }

    #[test]
    fn other_spellings_are_written_anew() {
        assert_eq!(r#"{"a":0,"b":"é\n\u001f/"}"#, item("{ \"b\":\"\\u00e9\\n\\u001F\\/\", \"a\" : -0 }\r"));
    }

    #[test]
    fn names_sort_by_their_utf16_units() {
        assert_eq!("{\"\u{1f600}\":1,\"\u{ff00}\":2}", item("{\"\u{ff00}\":2,\"\u{1f600}\":1}"));
    }

    #[test]
    fn the_fast_way_never_accepts_what_the_parser_refuses() {
        for line in [
            r#"{"a":1,"a":2}"#,
            r#"{"":1,"":2}"#,
            r#"{"a":{"":1,"":2}}"#,
            r#"{"a":1.5}"#,
            r#"{"a":9007199254740992}"#,
            r#"{"a":1}}"#,
            r#"{"a":1"#,
            r#"{"a":01}"#,
            r#"{"a":}"#,
            r#"{"a":"}"#,
            r#"{,}"#,
            r#"{a":1}"#,
            "",
        ] {
            assert!(push_item(line.as_bytes(), &mut Vec::new()).is_err(), "{line}");
        }
    }

    #[test]
    fn special_bytes_are_found_at_every_place() {
        for byte in 0..=255u8 {
            for place in 0..8 {
                let mut word = [b'a'; 8];
                word[place] = byte;
                let expected = matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x80..);
                assert_eq!(expected, has_special(u64::from_le_bytes(word)), "{byte:02x}");
            }
        }
    }
}
