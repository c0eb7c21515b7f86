//! The free text inside `{"input":"…"}`, taken out as it comes.

use memchr::memchr2;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Reads the arguments of one call, however they are cut.
#[derive(Debug, Default)]
pub(super) struct Unwrap {
    stage: Stage,
    /// What came before the text began; all of it where the arguments have another form.
    held: String,
    /// An escape whose end has not come yet, with its backslash.
    escape: String,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Before the text.
    #[default]
    Head,
    /// Inside it.
    Body,
    /// Behind it.
    Tail,
    /// Not the form that was asked for: known when all of it is there.
    Odd,
}

/// What `input` holds in arguments of another form: with other members before it, for example.
#[derive(Deserialize)]
struct Odd<'a> {
    #[serde(borrow)]
    input: &'a RawValue,
}

impl Unwrap {
    /// Feeds a piece of the arguments; appends the text in it to `out`.
    pub(super) fn push(&mut self, piece: &str, out: &mut String) {
        match self.stage {
            Stage::Head => {
                self.held.push_str(piece);
                match head(&self.held) {
                    Head::Cut => {}
                    Head::Other => self.stage = Stage::Odd,
                    Head::Whole(at) => {
                        self.stage = Stage::Body;
                        let held = std::mem::take(&mut self.held);
                        self.body(held.get(at..).unwrap_or_default(), out);
                    }
                }
            }
            Stage::Body => self.body(piece, out),
            Stage::Tail => {}
            Stage::Odd => self.held.push_str(piece),
        }
    }

    /// Ends the arguments. Where they had another form, the whole text is what `input` holds in them, else all of them.
    pub(super) fn finish(&mut self, out: &mut String) {
        self.lone_half(out);
        if !matches!(self.stage, Stage::Head | Stage::Odd) {
            return;
        }
        let held = std::mem::take(&mut self.held);
        match serde_json::from_str::<Odd<'_>>(&held) {
            Ok(odd) => match serde_json::from_str::<Cow<'_, str>>(odd.input.get()) {
                Ok(text) => out.push_str(&text),
                Err(_) => out.push_str(odd.input.get()),
            },
            // Cut short before any text, or nothing at all.
            Err(_) if self.stage == Stage::Head => {}
            Err(_) => out.push_str(&held),
        }
    }

    fn body(&mut self, piece: &str, out: &mut String) {
        let mut rest = piece;
        while !rest.is_empty() {
            if !self.escape.is_empty() {
                rest = self.more_of_escape(rest, out);
                continue;
            }
            let Some(at) = memchr2(b'"', b'\\', rest.as_bytes()) else {
                self.text(rest, out);
                return;
            };
            let (text, tail) = rest.split_at(at);
            self.text(text, out);
            if tail.starts_with('"') {
                self.lone_half(out);
                self.stage = Stage::Tail;
                return;
            }
            self.escape.push('\\');
            rest = tail.get(1..).unwrap_or_default();
        }
    }

    fn text(&mut self, text: &str, out: &mut String) {
        if !text.is_empty() {
            self.lone_half(out);
            out.push_str(text);
        }
    }

    /// Takes one character of an escape; gives the rest.
    fn more_of_escape<'a>(&mut self, rest: &'a str, out: &mut String) -> &'a str {
        let mut chars = rest.chars();
        self.escape.extend(chars.next());
        let plain = match self.escape.as_str() {
            "\\n" => '\n',
            "\\t" => '\t',
            "\\r" => '\r',
            "\\b" => '\u{8}',
            "\\f" => '\u{c}',
            unicode if unicode.starts_with("\\u") => {
                if unicode.len() >= 6 {
                    let unit = unicode.get(2..).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                    self.escape.clear();
                    self.unit(unit, out);
                }
                return chars.as_str();
            }
            // `\"`, `\\`, `\/`; any other is not JSON, and stands for itself.
            other => other.chars().next_back().unwrap_or_default(),
        };
        self.escape.clear();
        self.lone_half(out);
        out.push(plain);
        chars.as_str()
    }

    /// A `\u` escape: a character, or half of one.
    fn unit(&mut self, unit: Option<u16>, out: &mut String) {
        let unit = unit.unwrap_or(0xFFFD);
        match (self.high, unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                self.high = None;
                out.extend(char::decode_utf16([high, unit]).map(|c| c.unwrap_or('\u{FFFD}')));
            }
            (_, 0xD800..=0xDBFF) => {
                self.lone_half(out);
                self.high = Some(unit);
            }
            _ => {
                self.lone_half(out);
                out.push(char::from_u32(unit.into()).unwrap_or('\u{FFFD}'));
            }
        }
    }

    /// A first half whose second never came.
    fn lone_half(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push('\u{FFFD}');
        }
    }
}

enum Head {
    /// It may become the right one.
    Cut,
    /// The text begins at this byte.
    Whole(usize),
    Other,
}

/// Whether `held` begins like `{"input":"`.
fn head(held: &str) -> Head {
    let mut rest = held;
    for token in ["{", "\"input\"", ":", "\""] {
        rest = rest.trim_ascii_start();
        match rest.strip_prefix(token) {
            Some(after) => rest = after,
            None if token.starts_with(rest) => return Head::Cut,
            None => return Head::Other,
        }
    }
    Head::Whole(held.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrap(pieces: &[&str]) -> String {
        let mut unwrap = Unwrap::default();
        let mut out = String::new();
        for piece in pieces {
            unwrap.push(piece, &mut out);
        }
        unwrap.finish(&mut out);
        out
    }

    const CASES: &[(&str, &str)] = &[
        (r#"{"input":""}"#, ""),
        (r#"{"input":"plain ü text"}"#, "plain ü text"),
        (" {\n \"input\" : \"a\\nb\\t\\\"\\\\\\/\\b\\f\\r\" } ", "a\nb\t\"\\/\u{8}\u{c}\r"),
        (r#"{"input":"\u00fc \ud83d\ude00!"}"#, "ü 😀!"),
        (
            r#"{"input":"\ud83d \ude00 \ud83d\n\ud83d\ud83d\ude00"}"#,
            "\u{FFFD} \u{FFFD} \u{FFFD}\n\u{FFFD}😀",
        ),
        (r#"{"input":"\ud83d"}"#, "\u{FFFD}"),
        // Other forms.
        (r#"{"why":"so","input":"a\n"}"#, "a\n"),
        (r#"{"input":{"a":1}}"#, r#"{"a":1}"#),
        (r#"{"patch":"a"}"#, r#"{"patch":"a"}"#),
        ("free text", "free text"),
        ("{}", "{}"),
        ("", ""),
        // Cut short.
        (r#"{"inp"#, ""),
        (r#"{"input":"abc"#, "abc"),
        (r#"{"input":"abc\"#, "abc"),
        (r#"{"input":"abc\u00f"#, "abc"),
        (r#"{"input":"abc\ud83d\ud"#, "abc\u{FFFD}"),
    ];

    #[test]
    fn whole() {
        for (json, text) in CASES {
            assert_eq!(unwrap(&[json]), *text, "{json}");
        }
    }

    #[test]
    fn every_cut() {
        for (json, text) in CASES {
            let cuts = (0..=json.len()).filter(|cut| json.is_char_boundary(*cut));
            for cut in cuts {
                let (first, second) = json.split_at(cut);
                assert_eq!(unwrap(&[first, second]), *text, "{json} cut at {cut}");
            }
            let chars: Vec<String> = json.chars().map(String::from).collect();
            let chars: Vec<&str> = chars.iter().map(String::as_str).collect();
            assert_eq!(unwrap(&chars), *text, "{json} by characters");
        }
    }
}
