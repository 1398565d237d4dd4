/// One line of a hint that reads the program's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `ids.NAME = program_input["KEY"]`
    Assign { name: String, key: String },
    /// `segments.write_arg(ids.NAME, program_input["KEY"])`
    WriteArg { name: String, key: String },
}

/// The statements of a hint, or `None` if any of its lines is something else.
pub fn parse(code: &str) -> Option<Vec<Statement>> {
    let lines: Vec<&str> =
        code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.is_empty() {
        return None;
    }
    lines.into_iter().map(line).collect()
}

fn line(text: &str) -> Option<Statement> {
    if let Some(rest) = text.strip_prefix("segments.write_arg") {
        let arguments = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
        let (target, source) = arguments.split_once(',')?;
        return Some(Statement::WriteArg { name: identifier(target)?, key: input_key(source)? });
    }
    let (target, source) = text.split_once('=')?;
    Some(Statement::Assign { name: identifier(target)?, key: input_key(source)? })
}

fn identifier(text: &str) -> Option<String> {
    let name = text.trim().strip_prefix("ids.")?;
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    valid.then(|| name.to_owned())
}

fn input_key(text: &str) -> Option<String> {
    let inner =
        text.trim().strip_prefix("program_input")?.trim_start().strip_prefix('[')?.strip_suffix(']')?.trim();
    let quote = inner.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let key = inner.strip_prefix(quote)?.strip_suffix(quote)?;
    (!key.contains(['"', '\'', '\\'])).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_understood() {
        let statements =
            parse("\n  ids.n = program_input[\"n\"]\n segments.write_arg(ids.data, program_input['data'])\n");
        assert_eq!(
            statements,
            Some(vec![
                Statement::Assign { name: "n".into(), key: "n".into() },
                Statement::WriteArg { name: "data".into(), key: "data".into() },
            ])
        );
    }

    #[test]
    fn anything_else_is_left_to_the_library() {
        for code in [
            "memory[ap] = segments.add()",
            "ids.a = program_input[\"a\"] + 1",
            "ids.a = program_input[\"a\"][0]",
            "ids.a.b = program_input[\"a\"]",
            "ids.a = program_input[\"a\"]\nprint(1)",
            "# nothing",
            "",
        ] {
            assert_eq!(parse(code), None, "{code:?}");
        }
    }
}
