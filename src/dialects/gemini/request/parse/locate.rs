//! Which field of a body a JSON error is about: serde knows the line and column alone.

use crate::ir::error::Error;

/// The 400 for a body that is no request.
pub(super) fn bad_request(body: &[u8], error: &serde_json::Error) -> Error {
    let message = error.to_string();
    let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
    if !error.is_data() {
        return Error::invalid("body", format!("the body is no valid JSON: {message}"));
    }
    let field = field_at(body, offset(body, error.line(), error.column()));
    Error::invalid(field.clone(), format!("{field}: {reason}"))
}

fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        Some(before) => memchr::memchr_iter(b'\n', body).nth(before).map_or(0, |at| at + 1),
        None => 0,
    };
    start.saturating_add(column).min(body.len())
}

/// Where a value stands: in an object under a key, or in a list at a place.
enum Place {
    Key { key: String, is_next: bool },
    Index(usize),
}

/// The path of the value that ends at or holds the offset: `contents.0.parts.1.text`.
fn field_at(body: &[u8], offset: usize) -> String {
    let mut places: Vec<Place> = Vec::new();
    let mut rest = body.get(..offset).unwrap_or(body);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' => places.push(Place::Key { key: String::new(), is_next: true }),
            b'[' => places.push(Place::Index(0)),
            b'}' | b']' => {
                places.pop();
            }
            b',' => match places.last_mut() {
                Some(Place::Index(index)) => *index += 1,
                Some(Place::Key { is_next, .. }) => *is_next = true,
                None => {}
            },
            b'"' => {
                let (text, after) = string(rest);
                rest = after;
                if let Some(Place::Key { key, is_next: is_next @ true }) = places.last_mut() {
                    *key = String::from_utf8_lossy(text).into_owned();
                    *is_next = false;
                }
            }
            _ => {}
        }
    }
    let path: Vec<String> = places.iter().filter_map(name).collect();
    if path.is_empty() { "body".to_owned() } else { path.join(".") }
}

fn name(place: &Place) -> Option<String> {
    match place {
        Place::Key { key, .. } => (!key.is_empty()).then(|| key.clone()),
        Place::Index(index) => Some(index.to_string()),
    }
}

/// A string's text, and what follows its closing quote.
fn string(rest: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    while let Some(byte) = rest.get(end) {
        match byte {
            b'"' => break,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    let (text, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    (text, after.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let body = br#"{"a":[{"x":"\"}"},{"text":17}],"b":{}}"#;
        let at = |needle: &str| String::from_utf8_lossy(body).find(needle).unwrap() + needle.len();
        assert_eq!(field_at(body, at("17")), "a.1.text");
        assert_eq!(field_at(body, at(r#""\"}""#)), "a.0.x");
        assert_eq!(field_at(body, at("{}")), "b");
        assert_eq!(field_at(body, 0), "body");
        assert_eq!(field_at(b"\"\\", 2), "body");
    }

    #[test]
    fn lines_are_counted() {
        let body = b"{\n \"a\":\n  17\n}";
        assert_eq!(field_at(body, offset(body, 3, 4)), "a");
    }
}
