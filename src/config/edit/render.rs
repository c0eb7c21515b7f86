//! A given value → YAML text: on one line, or as lines of a block.

use std::fmt::Write as _;

use super::super::yaml::Style;
use super::given::Given;

/// How keys and texts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Where YAML needs them.
    Needed,
    /// Always, as JSON does.
    Always,
}

/// The lines of a block: where they begin and how they end.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    pub(super) indent: usize,
    pub(super) newline: &'a str,
    pub(super) quotes: Quotes,
}

/// The value on one line.
pub(super) fn inline(given: &Given, quotes: Quotes, out: &mut String) {
    match given {
        Given::Null => out.push_str("null"),
        Given::Truth(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Given::Number(number) => out.push_str(number),
        Given::Text(written) => text(written, quotes, out),
        Given::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                inline(item, quotes, out);
            }
            out.push(']');
        }
        Given::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Given::Map(entries) => {
            out.push_str("{ ");
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                pair(key, value, quotes, out);
            }
            out.push_str(" }");
        }
    }
}

/// `key: value` on one line.
pub(super) fn pair(key: &str, value: &Given, quotes: Quotes, out: &mut String) {
    text(key, quotes, out);
    out.push_str(": ");
    inline(value, quotes, out);
}

/// `key: value` as lines: mappings, and lists of them, one key a line.
pub(super) fn entry(key: &str, value: &Given, lines: Lines<'_>, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', lines.indent));
    text(key, lines.quotes, out);
    out.push(':');
    let deeper = Lines { indent: lines.indent + 2, ..lines };
    match value {
        Given::Map(entries) if !entries.is_empty() => {
            out.push_str(lines.newline);
            for (key, value) in entries {
                entry(key, value, deeper, out);
            }
        }
        Given::List(items) if items.iter().any(|item| matches!(item, Given::Map(_))) => {
            out.push_str(lines.newline);
            for value in items {
                item(value, deeper, out);
            }
        }
        Given::Null => out.push_str(lines.newline),
        Given::Truth(_) | Given::Number(_) | Given::Text(_) | Given::List(_) | Given::Map(_) => {
            out.push(' ');
            inline(value, lines.quotes, out);
            out.push_str(lines.newline);
        }
    }
}

/// `- value` as lines.
pub(super) fn item(value: &Given, lines: Lines<'_>, out: &mut String) {
    let start = out.len();
    match value {
        Given::Map(entries) if !entries.is_empty() => {
            let inner = Lines { indent: lines.indent + 2, ..lines };
            for (key, value) in entries {
                entry(key, value, inner, out);
            }
            // The first key stands behind the dash.
            let dash = start + lines.indent;
            out.replace_range(dash..dash + 2, "- ");
        }
        Given::Null
        | Given::Truth(_)
        | Given::Number(_)
        | Given::Text(_)
        | Given::List(_)
        | Given::Map(_) => {
            out.extend(std::iter::repeat_n(' ', lines.indent));
            out.push_str("- ");
            inline(value, lines.quotes, out);
            out.push_str(lines.newline);
        }
    }
}

/// What the writing of a text will say of its type.
pub(super) fn style(written: &str) -> Style {
    if is_plain(written) { Style::Plain } else { Style::Quoted }
}

fn text(written: &str, quotes: Quotes, out: &mut String) {
    if quotes == Quotes::Needed && is_plain(written) {
        out.push_str(written);
        return;
    }
    out.push('"');
    for character in written.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // JSON has this form too, for all of them.
            control
                if control.is_control()
                    || matches!(control, '\u{2028}' | '\u{2029}' | '\u{feff}') =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Whether a text means itself without quotes, to every reader of YAML: one that is not sure is quoted.
fn is_plain(written: &str) -> bool {
    const WORDS: [&str; 10] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "none"];
    let begins = |test: fn(&char) -> bool| written.chars().next().is_some_and(|first| test(&first));
    if WORDS.contains(&written.to_ascii_lowercase().as_str()) || written.parse::<f64>().is_ok() {
        return false;
    }
    if begins(char::is_ascii_digit) {
        let based = ["0x", "0o", "0b"].iter().any(|base| written.starts_with(base));
        return !based && written.chars().all(|c| c.is_ascii_alphanumeric());
    }
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-');
    let url = ["http://", "https://"].iter().find_map(|scheme| written.strip_prefix(scheme));
    match url {
        Some(rest) => rest.chars().all(|c| word(c) || c == ':') && !rest.ends_with(':'),
        None => begins(char::is_ascii_alphabetic) && written.chars().all(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_yaml_needs_it() {
        for (written, expected) in [
            ("strict", "strict"),
            ("all_except_health", "all_except_health"),
            ("gemini-3-flash", "gemini-3-flash"),
            ("sk-abc_DEF", "sk-abc_DEF"),
            ("10s", "10s"),
            ("64MiB", "64MiB"),
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80"),
            ("", "\"\""),
            ("off", "\"off\""),
            ("Yes", "\"Yes\""),
            ("null", "\"null\""),
            ("~", "\"~\""),
            ("012", "\"012\""),
            ("1e5", "\"1e5\""),
            ("0x1F", "\"0x1F\""),
            ("1_000", "\"1_000\""),
            ("2026-01-01", "\"2026-01-01\""),
            (".inf", "\".inf\""),
            ("inf", "\"inf\""),
            ("a: b", "\"a: b\""),
            ("a #b", "\"a #b\""),
            ("${X}", "\"${X}\""),
            ("gpt-4o*", "\"gpt-4o*\""),
            ("*", "\"*\""),
            (" a", "\" a\""),
            ("- a", "\"- a\""),
            ("a\"\\b\n\u{1}", "\"a\\\"\\\\b\\n\\u0001\""),
            ("ü", "\"ü\""),
        ] {
            let mut out = String::new();
            text(written, Quotes::Needed, &mut out);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn blocks_are_indented_by_two() {
        let account: Given = serde_json::from_str(
            r#"{"name": "a", "models": ["x*", "y"], "model_map": {"c*": "d"}, "headers": {}}"#,
        )
        .unwrap();
        let lines = Lines { indent: 2, newline: "\n", quotes: Quotes::Needed };
        let mut out = String::new();
        item(&account, lines, &mut out);
        assert_eq!(
            out,
            "  - name: a\n    models: [\"x*\", \"y\"]\n    model_map:\n      \"c*\": d\n    headers: {}\n"
        );
        let mut out = String::new();
        inline(&account, Quotes::Always, &mut out);
        assert!(out.starts_with(r#"{ "name": "a", "models": ["x*", "y"], "#), "{out}");
    }
}
