//! Strict reading of one JSON line (design section 5). The rules and their codes are those of
//! `proofrail.wire.canonical.parse_object`; the tests hold the two together.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::error::Fault;

/// Arrays and objects inside one another, the outermost counted.
pub const MAX_DEPTH: usize = 127;

const MAX_SAFE: i128 = (1 << 53) - 1;

/// More digits than a signed 128-bit integer has are refused without being read.
const MAX_DIGITS: usize = 41;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    /// Names in canonical order.
    Object(Vec<Member<'a>>),
}

pub type Member<'a> = (Cow<'a, str>, Value<'a>);

/// Members whose value may exceed 2^53−1: nanoseconds, up to a signed 128-bit integer.
pub fn is_nanoseconds(name: &[u8]) -> bool {
    matches!(name, b"timestamp" | b"duration_ns")
}

/// The members of the object on one line, in canonical order.
pub fn parse_object(line: &[u8]) -> Result<Vec<Member<'_>>, Fault> {
    let text = std::str::from_utf8(line)
        .map_err(|e| Fault::new("malformed-utf8", format!("byte {} is not UTF-8", e.valid_up_to())))?;
    let mut parser = Parser { text, bytes: line, at: 0, depth: 0, objects: 0, surrogate: false };
    parser.space();
    let value = parser.value(b"")?;
    parser.space();
    if parser.at != line.len() {
        return Err(parser.malformed("something follows the value"));
    }
    let Value::Object(members) = value else {
        return Err(Fault::new("malformed-not-an-object", "the line does not hold a JSON object"));
    };
    if parser.surrogate {
        return Err(Fault::new("malformed-surrogate", "a string or a name holds a lone surrogate"));
    }
    Ok(members)
}

/// The string whose opening quote is at `at`, and where what follows it starts; `None` if it is malformed.
pub fn decode_string(text: &str, at: usize) -> Option<(Cow<'_, str>, usize)> {
    let mut parser = Parser { text, bytes: text.as_bytes(), at, depth: 0, objects: 0, surrogate: false };
    let decoded = parser.string().ok()?;
    (!parser.surrogate).then_some((decoded, parser.at))
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    objects: usize,
    surrogate: bool,
}

impl<'a> Parser<'a> {
    fn malformed(&self, why: &str) -> Fault {
        Fault::new("malformed-json", format!("not JSON at byte {}: {why}", self.at))
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    fn value(&mut self, member: &[u8]) -> Result<Value<'a>, Fault> {
        match self.peek() {
            b'"' => self.string().map(Value::String),
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'-' | b'0'..=b'9' => self.number(member),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            b'n' => self.literal("null", Value::Null),
            b'N' | b'I' => Err(self.not_a_number()),
            _ => Err(self.malformed("a value is expected")),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value<'a>, Fault>) -> Result<Value<'a>, Fault> {
        if self.depth == MAX_DEPTH {
            let message = format!("arrays and objects are nested more than {MAX_DEPTH} deep");
            return Err(Fault::new("malformed-depth", message));
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Fault> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.malformed("a value is expected"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn not_a_number(&self) -> Fault {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"NaN") || rest.starts_with(b"Infinity") || rest.starts_with(b"-Infinity") {
            return float();
        }
        self.malformed("a value is expected")
    }

    fn object(&mut self) -> Result<Value<'a>, Fault> {
        let mut members: Vec<Member<'a>> = Vec::new();
        self.objects += 1;
        if self.peek() != b'}' {
            members.reserve(if self.depth == 1 { 16 } else { 4 });
            loop {
                if self.peek() != b'"' {
                    return Err(self.malformed("a member name in quotes is expected"));
                }
                let name = self.string()?;
                self.space();
                if self.peek() != b':' {
                    return Err(self.malformed("a colon is expected"));
                }
                self.at += 1;
                self.space();
                let value = self.value(name.as_bytes())?;
                members.push((name, value));
                self.space();
                if !self.comma(b'}')? {
                    break;
                }
            }
            // Most writers sort names, or nearly: then this is one comparison a member.
            if !members.is_sorted_by(|(left, _), (right, _)| utf16_order(left, right).is_lt()) {
                members.sort_unstable_by(|(left, _), (right, _)| utf16_order(left, right));
                refuse_duplicates(&members)?;
            }
        }
        self.at += 1;
        self.objects -= 1;
        Ok(Value::Object(members))
    }

    fn array(&mut self) -> Result<Value<'a>, Fault> {
        let mut values = Vec::new();
        if self.peek() != b']' {
            loop {
                values.push(self.value(b"")?);
                self.space();
                if !self.comma(b']')? {
                    break;
                }
            }
        }
        self.at += 1;
        Ok(Value::Array(values))
    }

    /// True after a comma, false before the closing bracket.
    fn comma(&mut self, close: u8) -> Result<bool, Fault> {
        match self.peek() {
            b',' => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            byte if byte == close => Ok(false),
            _ => Err(self.malformed("a comma or the closing bracket is expected")),
        }
    }

    fn number(&mut self, member: &[u8]) -> Result<Value<'a>, Fault> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            b'I' => {
                self.at = start;
                return Err(self.not_a_number());
            }
            _ => return Err(self.malformed("a digit is expected")),
        }
        let end = self.at;
        if self.fraction_or_exponent() {
            return Err(float());
        }
        let text = &self.text[start..end];
        let value: Option<i128> = if text.len() <= MAX_DIGITS { text.parse().ok() } else { None };
        let nanoseconds = is_nanoseconds(member);
        match value {
            Some(value) if value.abs_diff(0) <= MAX_SAFE.unsigned_abs() || nanoseconds => {
                Ok(Value::Integer(value))
            }
            None if text.len() > MAX_DIGITS || nanoseconds => Err(large_integer()),
            // Outside every object the line is refused for what it is: no object.
            _ if self.objects == 0 => Ok(Value::Integer(0)),
            _ => Err(large_integer()),
        }
    }

    fn digits(&mut self) {
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
    }

    fn fraction_or_exponent(&self) -> bool {
        let digit = |at: usize| self.bytes.get(at).is_some_and(u8::is_ascii_digit);
        match self.peek() {
            b'.' => digit(self.at + 1),
            b'e' | b'E' => {
                let sign = matches!(self.bytes.get(self.at + 1), Some(b'+' | b'-'));
                digit(self.at + 1 + usize::from(sign))
            }
            _ => false,
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let start = self.at;
        self.plain();
        if self.peek() == b'"' && self.at < self.bytes.len() {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        let mut owned = self.text[start..self.at].to_owned();
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => self.escape(&mut owned)?,
                _ if self.at >= self.bytes.len() => return Err(self.malformed("a string does not end")),
                _ => return Err(self.malformed("a control character stands in a string")),
            }
            let from = self.at;
            self.plain();
            owned.push_str(&self.text[from..self.at]);
        }
        self.at += 1;
        Ok(Cow::Owned(owned))
    }

    fn plain(&mut self) {
        self.at += plain_bytes(&self.bytes[self.at..]);
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Fault> {
        self.at += 1;
        let plain = match self.peek() {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit(self.at + 1)?;
                self.at += 5;
                out.push(self.scalar(unit));
                return Ok(());
            }
            _ => return Err(self.malformed("an unknown escape stands in a string")),
        };
        self.at += 1;
        out.push(plain);
        Ok(())
    }

    /// The scalar value that starts with the code unit just read; reads its second half where there is one.
    fn scalar(&mut self, unit: u32) -> char {
        if let Some(scalar) = char::from_u32(unit) {
            return scalar;
        }
        if unit < 0xdc00
            && self.bytes[self.at..].starts_with(b"\\u")
            && let Ok(low @ 0xdc00..=0xdfff) = self.unit(self.at + 2)
        {
            self.at += 6;
            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        }
        self.surrogate = true;
        char::REPLACEMENT_CHARACTER
    }

    fn unit(&self, at: usize) -> Result<u32, Fault> {
        let digits = self.bytes.get(at..at + 4).unwrap_or(b"");
        let mut unit = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16);
            unit = unit * 16 + value.ok_or_else(|| self.malformed("four hex digits are expected"))?;
        }
        if digits.is_empty() {
            return Err(self.malformed("four hex digits are expected"));
        }
        Ok(unit)
    }
}

/// The order of RFC 8785. It is that of the UTF-8 bytes, but for characters beyond U+FFFF: in UTF-16 their
/// surrogates stand before U+E000 … U+FFFF.
fn utf16_order(left: &str, right: &str) -> Ordering {
    match left.bytes().zip(right.bytes()).find(|(left, right)| left != right) {
        None => left.len().cmp(&right.len()),
        Some((0xf0.., 0xee | 0xef)) => Ordering::Less,
        Some((0xee | 0xef, 0xf0..)) => Ordering::Greater,
        Some((left, right)) => left.cmp(&right),
    }
}

fn refuse_duplicates(sorted: &[Member<'_>]) -> Result<(), Fault> {
    let Some(twice) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) else {
        return Ok(());
    };
    let shown: String = twice[0].0.chars().take(64).collect();
    Err(Fault::new("malformed-duplicate-member", format!("the member {shown:?} stands twice in one object")))
}

/// How many bytes from the first on are plain in a JSON string: no quote, no backslash, no control character.
pub fn plain_bytes(bytes: &[u8]) -> usize {
    plain::<false>(bytes)
}

/// Likewise, and all of them ASCII.
pub fn plain_ascii(bytes: &[u8]) -> usize {
    plain::<true>(bytes)
}

fn plain<const ASCII: bool>(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zero_in = |x: u64| x.wrapping_sub(ONES) & !x & HIGH;
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let other = if ASCII { word & HIGH } else { 0 };
        // Above a byte that is found the borrow may find others wrongly; the lowest is always right.
        let found = control | zero_in(word ^ (ONES * 0x22)) | zero_in(word ^ (ONES * 0x5c)) | other;
        if found != 0 {
            return 8 * i + (found.trailing_zeros() / 8) as usize;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f) || (ASCII && !byte.is_ascii());
    8 * words.len() + rest.iter().position(special).unwrap_or(rest.len())
}

fn float() -> Fault {
    Fault::new("malformed-float", "numbers have no fraction and no exponent")
}

fn large_integer() -> Fault {
    Fault::new(
        "malformed-integer",
        "a bare integer lies beyond ±(2^53-1); write it as a string \"0x…\" in lower-case hex",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> String {
        parse_object(line.as_bytes()).map_or_else(|fault| fault.code.into_owned(), |_| "ok".to_owned())
    }

    #[test]
    fn each_rule_has_its_code() {
        for (line, expected) in [
            (r#" { "a" : [ ] } "#, "ok"),
            (r#"{"a":-0}"#, "ok"),
            (r#"{"a":9007199254740991,"timestamp":18446744073709551616}"#, "ok"),
            (r#"{"a":9007199254740992}"#, "malformed-integer"),
            (r#"{"timestamp":[9007199254740992]}"#, "malformed-integer"),
            (r#"{"timestamp":170141183460469231731687303715884105728}"#, "malformed-integer"),
            (r#"{"a":1.0}"#, "malformed-float"),
            (r#"{"a":1e3}"#, "malformed-float"),
            (r#"{"a":-Infinity}"#, "malformed-float"),
            (r#"{"a":1.}"#, "malformed-json"),
            (r#"{"a":01}"#, "malformed-json"),
            (r#"{"a":1,}"#, "malformed-json"),
            (r#"{"a":1}x"#, "malformed-json"),
            (r#""#, "malformed-json"),
            (r#"[1]"#, "malformed-not-an-object"),
            (r#"{"a":1,"\u0061":2}"#, "malformed-duplicate-member"),
            (r#"{"a":"\ud800"}"#, "malformed-surrogate"),
            (r#"{"a":"\udc00\ud800"}"#, "malformed-surrogate"),
            (r#"{"a":"\ud83d\ude00"}"#, "ok"),
            (r#"{"a":"\u12"}"#, "malformed-json"),
            ("{\"a\":\"\t\"}", "malformed-json"),
            ("\u{feff}{}", "malformed-json"),
        ] {
            assert_eq!(expected, code(line), "{line}");
        }
    }

    #[test]
    fn names_sort_by_their_utf16_units() {
        let names =
            ["", "a", "aa", "\u{7f}", "é", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10000}", "\u{10ffff}z"];
        for left in names {
            for right in names {
                let expected = left.encode_utf16().cmp(right.encode_utf16());
                assert_eq!(expected, utf16_order(left, right), "{left:?} {right:?}");
            }
        }
    }

    #[test]
    fn special_bytes_are_found_at_every_place() {
        for byte in 0..=255u8 {
            for place in 0..19 {
                let mut bytes = [b'a'; 19];
                bytes[place] = byte;
                let special = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                assert_eq!(if special { place } else { 19 }, plain_bytes(&bytes), "{byte:02x}");
                let special = special || !byte.is_ascii();
                assert_eq!(if special { place } else { 19 }, plain_ascii(&bytes), "{byte:02x}");
            }
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert_eq!("ok", code(&nested(MAX_DEPTH - 1)));
        assert_eq!("malformed-depth", code(&nested(MAX_DEPTH)));
    }
}
