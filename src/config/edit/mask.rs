//! A configuration's text for people's eyes: what may be a secret is covered, in values and in comments.

use std::ops::Range;

use super::layout::{self, Node, Shape};

/// What a secret is covered with.
pub const COVER: &str = "•••";

/// How the names of keys and headers that hold a secret end, with `_` for `-`.
const SECRET: [&str; 8] =
    ["key", "token", "secret", "password", "authorization", "credentials", "cookie", "passphrase"];

/// How keys of well-known providers begin, wherever they stand.
const KEYS: [&str; 3] = ["sk-", "AIza", "ya29."];

/// The text with its secrets covered; `known` are secrets in use, found wherever they stand. A reference to the
/// environment (`${NAME}`) is no secret. `None` for a text that is no YAML: what in it is a value cannot be told.
pub fn masked<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut text = text.to_owned();
    let mut secrets = Vec::new();
    if let Some(root) = layout::parse(text.trim_start_matches('\u{feff}')).ok()? {
        find(&root, false, &mut secrets);
    }
    let skipped = text.len() - text.trim_start_matches('\u{feff}').len();
    for range in secrets.into_iter().rev() {
        let range = range.start + skipped..range.end + skipped;
        if text.get(range.clone()).is_some_and(|value| !is_harmless(value)) {
            text.replace_range(range, COVER);
        }
    }
    // The longest first: one may be the beginning of another.
    let mut known: Vec<&str> = known.into_iter().filter(|secret| secret.len() > 3).collect();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    let text = known.iter().fold(text, |text, secret| text.replace(secret, COVER));
    Some(text.split_inclusive('\n').map(line).collect())
}

/// The texts that stand at a secret's key, in order.
fn find(node: &Node, secret: bool, found: &mut Vec<Range<usize>>) {
    match &node.shape {
        Shape::Scalar if secret => found.push(node.range.clone()),
        Shape::Empty | Shape::Scalar => {}
        Shape::List(_, items) => items.iter().for_each(|item| find(item, secret, found)),
        Shape::Map(_, entries) => {
            for entry in entries {
                // Whatever header it is, its value may be a key.
                let inside = secret || entry.key == "headers" || is_secret(&entry.key);
                find(&entry.value, inside, found);
            }
        }
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRET.iter().any(|end| key.ends_with(end))
}

/// Whether a value as written is nothing but a reference to the environment, or covered already.
fn is_harmless(written: &str) -> bool {
    let value = written.trim().trim_matches(['"', '\'']).trim();
    value.is_empty() || value == COVER || is_reference(value)
}

fn is_reference(value: &str) -> bool {
    let inside = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|inside| match inside.split_once(":-") {
        None => !inside.contains(['$', '}']),
        Some((name, default)) => {
            !name.contains(['$', '}']) && (default.is_empty() || is_reference(default))
        }
    })
}

/// One line with what looks like a secret covered: `…key: value`, users in URLs, and keys of well-known providers.
fn line(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, value, after)) = next_value(rest) {
        shown.push_str(before);
        shown.push_str(if is_harmless(value) { value } else { COVER });
        rest = after;
    }
    shown.push_str(rest);
    words(&users(&shown))
}

/// Splits a line at the next value of a secret's key.
fn next_value(line: &str) -> Option<(&str, &str, &str)> {
    for (at, sign) in line.match_indices([':', '=']) {
        let before = line.get(..at)?.trim_end_matches([' ', '"', '\'']);
        let name =
            before.rsplit(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).next()?;
        let behind = line.get(at + sign.len()..)?;
        // A URL's colon, or the default of a reference, ends no key.
        if !is_secret(name) || behind.starts_with(['/', '-']) {
            continue;
        }
        let value = behind.trim_start_matches([' ', '\t']);
        let start = line.len() - value.len();
        let length = value_length(value);
        return Some((
            line.get(..start)?,
            line.get(start..start + length)?,
            line.get(start + length..)?,
        ));
    }
    None
}

/// How far a value goes: to its closing quote, or to a comma, a bracket, a comment or the line's end outside of `${…}`.
fn value_length(value: &str) -> usize {
    if let Some(quote) = value.chars().next().filter(|first| ['"', '\''].contains(first)) {
        let closing = value.char_indices().skip(1).find(|(_, c)| *c == quote);
        return closing.map_or_else(|| value.trim_end().len(), |(at, _)| at + 1);
    }
    let mut open = 0_usize;
    let mut previous = ' ';
    for (at, character) in value.char_indices() {
        match character {
            '{' if previous == '$' => open += 1,
            '}' if open > 0 => open -= 1,
            ',' | '}' | '\n' | '\r' if open == 0 => return at,
            '#' if previous == ' ' => return value.get(..at).unwrap_or_default().trim_end().len(),
            _ => {}
        }
        previous = character;
    }
    value.len()
}

/// Covers `user:password` before the host of a URL.
fn users(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority =
            behind.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(behind.len());
        let at = behind.get(..authority).and_then(|authority| authority.rfind('@'));
        if at.is_some() {
            shown.push_str(COVER);
        }
        rest = behind.get(at.unwrap_or(0)..).unwrap_or_default();
    }
    shown.push_str(rest);
    shown
}

/// Covers words that begin as keys do.
fn words(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"_-.".contains(c)) {
        let secret = KEYS.iter().any(|start| word.starts_with(start)) && word.len() > 9;
        let end =
            word.chars().next_back().filter(|c| !c.is_ascii_alphanumeric() && !"_-.".contains(*c));
        if secret {
            shown.push_str(COVER);
            shown.extend(end);
        } else {
            shown.push_str(word);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_wherever_they_stand() {
        for (text, expected) in [
            ("proxy:\n  api_key: sk-0123456789 # c\n", "proxy:\n  api_key: ••• # c\n"),
            ("proxy: { api_key: \"a,b #c\", port: 1 }\n", "proxy: { api_key: •••, port: 1 }\n"),
            ("a:\n- api_key: >-\n    one\n    two\n  port: 1\n", "a:\n- api_key: •••\n  port: 1\n"),
            ("api_key: ${A:-${B:-}} # c\n", "api_key: ${A:-${B:-}} # c\n"),
            ("api_key: \"${A}\"\n", "api_key: \"${A}\"\n"),
            ("api_key: ${A:-secret}\n", "api_key: •••\n"),
            ("api_key: x${A}\n", "api_key: •••\n"),
            ("headers: { x-team: blue, \"a\": 'b' }\n", "headers: { x-team: •••, \"a\": ••• }\n"),
            ("# api_key: old-secret # c\n", "# api_key: ••• # c\n"),
            ("  # headers: { x-api-key: abc, y: 1 }\n", "  # headers: { x-api-key: •••, y: 1 }\n"),
            ("# was sk-abcdefghij, then AIzaabcdefg.\n", "# was •••, then •••\n"),
            ("url: redis://me:pw@host:1/0\n", "url: redis://•••@host:1/0\n"),
            ("port: 1 # in use\nname: known-one\n", "port: 1 # in use\nname: •••\n"),
            ("\u{feff}api_key: abc\nport: 1\n", "\u{feff}api_key: •••\nport: 1\n"),
            (
                "base_url: https://host/v1 # the key: is above\n",
                "base_url: https://host/v1 # the key: •••\n",
            ),
        ] {
            assert_eq!(masked(text, ["known-one"]).unwrap(), expected, "{text}");
        }
        for text in ["api_key: [not yaml\n\tport: 1\n", "headers: { a: b\nc: \"d"] {
            assert_eq!(masked(text, []), None, "{text}");
        }
    }

    #[test]
    fn the_template_has_no_secret() {
        const TEMPLATE: &str = include_str!("../../../conf/levity.yaml");
        let shown = masked(TEMPLATE, []).unwrap();
        let changed = TEMPLATE.lines().zip(shown.lines()).filter(|(left, right)| left != right);
        // An example of headers is as good as covered.
        assert!(changed.clone().count() < 3, "{:?}", changed.collect::<Vec<_>>());
    }
}
