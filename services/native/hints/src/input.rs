use std::collections::BTreeMap;
use std::fmt;

use cairo_vm::Felt252;
use num_bigint::{BigInt, Sign};
use serde_json::Value as Json;

/// Deeper nesting is no program input that a Cairo program could walk by hints of one line.
const MAX_DEPTH: usize = 16;

/// One member of the program's input: a felt, or a list that is written to memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Felt(Felt252),
    List(Vec<Value>),
}

/// The parsed inputs file: a JSON object of integers and (nested) lists of integers.
#[derive(Clone, Debug, Default)]
pub struct ProgramInput(BTreeMap<String, Value>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError(pub String);

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InputError {}

impl ProgramInput {
    /// Parses a JSON object; integers of any size and sign, or `"0x…"`, are taken mod P.
    pub fn parse(json: &[u8]) -> Result<Self, InputError> {
        let root: Json = serde_json::from_slice(json).map_err(|e| InputError(format!("not JSON: {e}")))?;
        Self::from_json(&root)
    }

    pub fn from_json(root: &Json) -> Result<Self, InputError> {
        let Json::Object(members) = root else {
            return Err(InputError("the program input must be a JSON object".into()));
        };
        members
            .iter()
            .map(|(name, json)| Ok((name.clone(), value(json, name, 0)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }
}

fn value(json: &Json, path: &str, depth: usize) -> Result<Value, InputError> {
    match json {
        Json::Number(number) => decimal(&number.to_string(), path).map(Value::Felt),
        Json::String(text) => hexadecimal(text, path).map(Value::Felt),
        Json::Array(_) if depth == MAX_DEPTH => {
            Err(InputError(format!("{path}: lists nest deeper than {MAX_DEPTH}")))
        }
        Json::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| value(item, &format!("{path}[{i}]"), depth + 1))
            .collect::<Result<_, _>>()
            .map(Value::List),
        other => Err(InputError(format!(
            "{path}: an integer, \"0x…\" or a list is expected, not {}",
            match other {
                Json::Null => "null",
                Json::Bool(_) => "a boolean",
                _ => "an object",
            }
        ))),
    }
}

fn decimal(text: &str, path: &str) -> Result<Felt252, InputError> {
    let number: BigInt = text.parse().map_err(|_| InputError(format!("{path}: {text} is not an integer")))?;
    Ok(Felt252::from(number))
}

fn hexadecimal(text: &str, path: &str) -> Result<Felt252, InputError> {
    text.strip_prefix("0x")
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
        .and_then(|digits| BigInt::parse_bytes(digits.as_bytes(), 16))
        .filter(|number| number.sign() != Sign::Minus)
        .map(Felt252::from)
        .ok_or_else(|| InputError(format!("{path}: a string must be \"0x…\", not {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn felt(n: i64) -> Value {
        Value::Felt(Felt252::from(BigInt::from(n)))
    }

    #[test]
    fn integers_of_any_form_are_felts() {
        let input = ProgramInput::parse(br#"{"a":-1,"b":"0x10","c":[1,[2]]}"#).unwrap();
        assert_eq!(input.get("a"), Some(&felt(-1)));
        assert_eq!(input.get("b"), Some(&felt(16)));
        assert_eq!(input.get("c"), Some(&Value::List(vec![felt(1), Value::List(vec![felt(2)])])));
        assert_eq!(input.get("d"), None);
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (json, culprit) in [
            (r#"{"a":1.5}"#, "a"),
            (r#"{"a":[0,true]}"#, "a[1]"),
            (r#"{"a":"12"}"#, "a"),
            (r#"{"a":"0x"}"#, "a"),
            (r#"[]"#, "object"),
        ] {
            let error = ProgramInput::parse(json.as_bytes()).unwrap_err();
            assert!(error.0.contains(culprit), "{error}");
        }
    }
}
