//! From a line to its item: the canonical form (RFC 8785) without the volatile members (design section 5).
//!
//! Most lines are respelled in one pass (`spelling`); those that this cannot judge are parsed and written anew.

use crate::error::Fault;
use crate::json::{Member, Value, parse_object, plain_bytes};
use crate::spelling::Spelling;

/// Members outside every commitment, where they stand at the top level.
pub fn is_volatile(name: &[u8]) -> bool {
    matches!(name, b"timestamp" | b"duration_ns" | b"detail" | b"label")
}

/// Appends the item of `line` to `out`.
pub fn push_item(line: &[u8], spelling: &mut Spelling, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    if spelling.item(line, out).is_none() {
        out.truncate(start);
        push_parsed_item(line, out)?;
    }
    Ok(())
}

fn push_parsed_item(line: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut members = parse_object(line)?;
    members.retain(|(name, _)| !is_volatile(name.as_bytes()));
    push_object(members, out);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn item(line: &str) -> String {
        let mut out = b"before".to_vec();
        push_item(line.as_bytes(), &mut Spelling::default(), &mut out).unwrap();
        String::from_utf8(out.split_off(6)).unwrap()
    }

    fn both_ways(line: &str) -> String {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        Spelling::default().item(line.as_bytes(), &mut one).expect("judged in one pass");
        push_parsed_item(line.as_bytes(), &mut other).unwrap();
        assert_eq!(other, one, "{line}");
        String::from_utf8(one).unwrap()
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
    fn volatile_members_leave_at_every_place() {
        let names = ["timestamp", "label", "a", "m", "z", "duration_ns"];
        for turn in 0..names.len() {
            for gap in ["", " "] {
                let member = |name: &&str| format!("{gap}\"{name}\"{gap}:{gap}\"\\u0041 \"{gap}");
                let members: Vec<String> = names[turn..].iter().chain(&names[..turn]).map(member).collect();
                let line = format!("{{{}}}", members.join(","));
                assert_eq!(r#"{"a":"A ","m":"A ","z":"A "}"#, both_ways(&line), "{line}");
            }
        }
    }

    #[test]
    fn other_spellings_are_written_anew() {
        let spelled = "{ \"b\":\"\\u00e9\\n\\u001F\\/\", \"a\" : 0 }\r";
        assert_eq!(r#"{"a":0,"b":"é\n\u001f/"}"#, both_ways(spelled));
        assert_eq!(r#"{"a":0}"#, item(r#"{"a":-0}"#));
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
            assert!(push_item(line.as_bytes(), &mut Spelling::default(), &mut Vec::new()).is_err(), "{line}");
        }
    }
}
