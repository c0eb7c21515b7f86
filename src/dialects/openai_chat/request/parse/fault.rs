//! Which field of a body could not be read.

use crate::ir::error::{Error, ErrorKind};

/// The error of a body that is not JSON, or holds a value of a wrong type: then it names the field.
pub(super) fn of(body: &str, error: &serde_json::Error) -> Error {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or(&said);
    if !error.is_data() {
        return Error::new(
            ErrorKind::InvalidRequest,
            format!("the request body is not valid JSON: {error}"),
        );
    }
    let path = path_at(body, offset(body, error.line(), error.column()));
    if path.is_empty() {
        return Error::new(ErrorKind::InvalidRequest, format!("the request body: {said}"));
    }
    Error::invalid(&path, format!("{path}: {said}"))
}

/// serde_json counts lines from one and columns in bytes.
fn offset(body: &str, line: usize, column: usize) -> usize {
    let before: usize = body.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column
}

enum Step<'a> {
    /// In an object: the member's key, empty before the first.
    Key(&'a str),
    /// In a list.
    Index(usize),
}

/// The path of the value that ends or stands at an offset of a text that is JSON up to there.
fn path_at(body: &str, end: usize) -> String {
    let mut steps = Vec::new();
    let mut at = 0;
    let mut key_next = false;
    while let Some(&byte) = body.as_bytes().get(at).filter(|_| at < end) {
        at += 1;
        match byte {
            b'{' => {
                steps.push(Step::Key(""));
                key_next = true;
            }
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => {
                steps.pop();
            }
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key(_)) => key_next = true,
                None => {}
            },
            b'"' => {
                let close = string_end(body, at);
                if std::mem::take(&mut key_next)
                    && let Some(Step::Key(key)) = steps.last_mut()
                {
                    *key = body.get(at..close).unwrap_or_default();
                }
                at = close + 1;
            }
            _ => {}
        }
    }
    let names = steps.iter().filter_map(|step| match step {
        Step::Key("") => None,
        Step::Key(key) => Some((*key).to_owned()),
        Step::Index(index) => Some(index.to_string()),
    });
    names.collect::<Vec<_>>().join(".")
}

/// Where the string that begins at an offset has its closing quote.
fn string_end(body: &str, mut at: usize) -> usize {
    let bytes = body.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::path_at;

    #[test]
    fn paths() {
        let body = r#"{"a":{"x]\"":1,"list":[0,{"y":[true,"z"]}]}}"#;
        for (upto, path) in [
            ("{\"a\":", "a"),
            ("{\"a\":{", "a"),
            (r#"{"a":{"x]\"":1"#, r#"a.x]\""#),
            (r#"{"a":{"x]\"":1,"list":[0"#, "a.list.0"),
            (r#"{"a":{"x]\"":1,"list":[0,{"y":[true,"z""#, "a.list.1.y.1"),
            (r#"{"a":{"x]\"":1,"list":[0,{"y":[true,"z"]"#, "a.list.1.y"),
        ] {
            assert!(body.starts_with(upto));
            assert_eq!(path_at(body, upto.len()), path, "{upto}");
        }
        assert_eq!(path_at("", 9), "");
        assert_eq!(path_at("{\"a\"", 400), "a");
    }
}
