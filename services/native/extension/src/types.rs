//! Sizes of Cairo types in felts, from the identifiers of a compiled program.

use std::collections::HashMap;

use cairo_vm::serde::deserialize_program::Identifier;

use crate::error::Fault;

/// Aliases and definitions in a row before they are taken for a circle.
const MAX_HOPS: usize = 64;

pub struct Types<'a> {
    identifiers: HashMap<&'a str, &'a Identifier>,
}

impl<'a> Types<'a> {
    pub fn new(identifiers: impl Iterator<Item = (&'a str, &'a Identifier)>) -> Self {
        Self { identifiers: identifiers.collect() }
    }

    /// Felts of what `name` denotes: a struct (as in compiled forms of all ages) or a type definition; 0 if
    /// there is no such identifier.
    pub fn size_of_identifier(&self, name: &str) -> Result<usize, Fault> {
        if self.identifiers.contains_key(name) { self.named(name, MAX_HOPS) } else { Ok(0) }
    }

    fn named(&self, name: &str, hops: usize) -> Result<usize, Fault> {
        let Some(hops) = hops.checked_sub(1) else {
            return Err(unusable(format!("the type {name} is defined by itself")));
        };
        let found = self.identifiers.get(name);
        let identifier = found.ok_or_else(|| unusable(format!("the type {name} is not defined")))?;
        if let Some(size) = identifier.size {
            return Ok(size);
        }
        if let Some(destination) = &identifier.destination {
            return self.named(destination, hops);
        }
        if let Some(text) = &identifier.cairo_type {
            return self.size_of(text, hops);
        }
        let members = identifier.members.iter().flatten();
        let mut ends = members.map(|(_, member)| Ok(member.offset + self.size_of(&member.cairo_type, hops)?));
        ends.try_fold(0, |most, end: Result<usize, Fault>| Ok(most.max(end?)))
    }

    /// Felts of a type as the compiler writes it: `felt`, `T*`, a struct's full name, `(a: felt, b: T)`.
    fn size_of(&self, text: &str, hops: usize) -> Result<usize, Fault> {
        let text = text.trim();
        match text {
            "felt" | "codeoffset" => return Ok(1),
            _ if text.ends_with('*') => return Ok(1),
            _ => {}
        }
        let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
            return self.named(text, hops);
        };
        members_of(inner).into_iter().map(|member| self.size_of(unnamed(member), hops)).sum()
    }
}

/// The comma-separated members of a tuple; a comma at the end adds none.
fn members_of(inner: &str) -> Vec<&str> {
    let mut members = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (i, byte) in inner.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                members.push(&inner[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    members.push(&inner[start..]);
    members.retain(|member| !member.trim().is_empty());
    members
}

/// The type of a tuple's member, which may have a name.
fn unnamed(member: &str) -> &str {
    let end = member.find('(').unwrap_or(member.len());
    match member[..end].find(':') {
        Some(colon) => &member[colon + 1..],
        None => member,
    }
}

fn unusable(why: String) -> Fault {
    Fault::new("program-unusable", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(json: &str) -> Identifier {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_form_of_type_has_its_size() {
        let pair = identifier(r#"{"type":"struct","full_name":"m.Pair","size":2}"#);
        let old = identifier(
            r#"{"type":"struct","members":{"a":{"cairo_type":"felt","offset":0},"b":{"cairo_type":"m.Pair","offset":1}}}"#,
        );
        let alias = identifier(r#"{"type":"alias","destination":"m.Old"}"#);
        let circle = identifier(r#"{"type":"alias","destination":"m.Circle"}"#);
        let identifiers = [("m.Pair", &pair), ("m.Old", &old), ("m.Alias", &alias), ("m.Circle", &circle)];
        let types = Types::new(identifiers.into_iter());
        for (text, expected) in [
            ("felt", 1),
            ("()", 0),
            ("felt**", 1),
            ("(felt, felt)*", 1),
            ("m.Pair", 2),
            ("m.Alias", 3),
            ("(felt,)", 1),
            ("(a: felt, b: m.Pair*, c: m.Pair)", 4),
            ("(a : (x : felt, y : m.Pair), b : felt)", 4),
            ("((felt, felt), (m.Pair, m.Old))", 7),
        ] {
            assert_eq!(Ok(expected), types.size_of(text, MAX_HOPS), "{text}");
        }
        assert_eq!("program-unusable", types.size_of("m.Circle", MAX_HOPS).unwrap_err().code);
        assert_eq!("program-unusable", types.size_of("m.None", MAX_HOPS).unwrap_err().code);
        assert_eq!(Ok(0), types.size_of_identifier("m.main.Args"));
    }
}
