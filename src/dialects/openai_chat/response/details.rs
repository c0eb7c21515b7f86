//! OpenRouter's `reasoning_details`: kept whole, for it wants them back as they were.
//! <https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks>

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::dialects::openai_chat::wire::Str;
use crate::dialects::openai_chat::wire::json::{List, Object};

/// The details of a stream so far. Pieces of one text are put together again, as OpenRouter's own client does.
#[derive(Debug, Default)]
pub(in crate::dialects::openai_chat) struct Details {
    entries: Vec<Entry>,
}

/// One entry: its members as they came, save the text that grows.
#[derive(Debug)]
struct Entry {
    members: Vec<(String, Box<RawValue>)>,
    /// The key of the growing text (`text`, `summary`) and what it is so far.
    text: Option<(String, String)>,
}

/// An entry's members, in order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Maps;
        impl<'de> Visitor<'de> for Maps {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Str(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Maps)
    }
}

impl Details {
    pub(in crate::dialects::openai_chat) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a piece of the stream: a list of entries. Anything else says nothing.
    pub(in crate::dialects::openai_chat) fn push(&mut self, json: &str) {
        let Ok(pieces) = serde_json::from_str::<Vec<Members<'_>>>(json) else { return };
        for Members(piece) in pieces {
            match self.entries.last_mut() {
                Some(last) if last.goes_on(&piece) => last.append(&piece),
                _ => {
                    let mut entry = Entry { members: Vec::new(), text: None };
                    entry.append(&piece);
                    self.entries.push(entry);
                }
            }
        }
    }

    /// The details as one JSON list; they are forgotten here.
    pub(in crate::dialects::openai_chat) fn take(&mut self) -> String {
        let mut out = Vec::new();
        let mut list = List::begin(&mut out);
        for entry in self.entries.drain(..) {
            let mut object = list.object();
            for (key, value) in &entry.members {
                member(&mut object, key, value);
            }
            if let Some((key, text)) = &entry.text {
                object.put(key, text);
            }
            object.end();
        }
        list.end();
        String::from_utf8(out).unwrap_or_default()
    }
}

fn member(object: &mut Object<'_>, key: &str, value: &RawValue) {
    // A key with a character that JSON escapes is none that OpenRouter knows.
    if !key.contains(['"', '\\']) {
        object.put(key, value);
    }
}

impl Entry {
    /// Whether a piece is more of this entry: same kind, same index, and no signature has closed it.
    fn goes_on(&self, piece: &[(Cow<'_, str>, &RawValue)]) -> bool {
        let same = |key: &str| self.get(key) == get(piece, key);
        let grows =
            matches!(get(piece, "type"), Some("\"reasoning.text\"" | "\"reasoning.summary\""));
        let closed = self.get("signature").is_some() && text_of(piece).is_some();
        grows && same("type") && same("index") && !closed
    }

    fn get(&self, key: &str) -> Option<&str> {
        let value = self.members.iter().find(|(name, _)| name == key).map(|(_, value)| value.get());
        value.filter(|value| *value != "null")
    }

    fn append(&mut self, piece: &[(Cow<'_, str>, &RawValue)]) {
        let grown = text_of(piece);
        for (key, value) in piece {
            if grown.as_ref().is_some_and(|(name, _)| name == key) {
                continue;
            }
            match self.members.iter_mut().find(|(name, _)| name == key) {
                Some((_, old)) if value.get() != "null" => *old = (*value).to_owned(),
                Some(_) => {}
                None => self.members.push((key.clone().into_owned(), (*value).to_owned())),
            }
        }
        match (grown, &mut self.text) {
            (Some((_, more)), Some((_, text))) => text.push_str(&more),
            (Some(first), None) => self.text = Some(first),
            (None, _) => {}
        }
    }
}

fn get<'a>(piece: &[(Cow<'_, str>, &'a RawValue)], key: &str) -> Option<&'a str> {
    let value = piece.iter().find(|(name, _)| name == key).map(|(_, value)| value.get());
    value.filter(|value| *value != "null")
}

/// The text of a piece under its key.
fn text_of(piece: &[(Cow<'_, str>, &RawValue)]) -> Option<(String, String)> {
    ["text", "summary"].into_iter().find_map(|key| {
        let Str(text) = serde_json::from_str(get(piece, key)?).ok()?;
        Some((key.to_owned(), text.into_owned()))
    })
}

/// What is readable of a list of details.
pub(in crate::dialects::openai_chat) fn readable(json: &str) -> String {
    #[derive(Deserialize)]
    struct Readable<'a> {
        #[serde(borrow)]
        text: Option<Str<'a>>,
        #[serde(borrow)]
        summary: Option<Str<'a>>,
    }
    let list: Vec<Readable<'_>> = serde_json::from_str(json).unwrap_or_default();
    list.into_iter().filter_map(|it| it.text.or(it.summary)).map(|Str(text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&str]) -> String {
        let mut details = Details::default();
        for piece in pieces {
            details.push(piece);
        }
        let text = details.take();
        assert!(details.is_empty());
        text
    }

    #[test]
    fn pieces_of_a_text_are_one_entry() {
        let text = joined(&[
            r#"[{"type":"reasoning.text","text":"I \"pon","format":"anthropic-claude-v1","index":0}]"#,
            r#"[{"type":"reasoning.text","text":"der.","index":0}]"#,
            r#"[{"type":"reasoning.text","signature":"sig+/=","format":null,"index":0}]"#,
            r#"[{"type":"reasoning.text","text":"Again.","index":0}]"#,
        ]);
        assert_eq!(
            text,
            r#"[{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,"signature":"sig+/=","text":"I \"ponder."},{"type":"reasoning.text","index":0,"text":"Again."}]"#
        );
    }

    #[test]
    fn encrypted_entries_stay_apart() {
        let one = r#"{"type":"reasoning.encrypted","data":"AAA","id":"rs_1","index":0}"#;
        let two = r#"{"type":"reasoning.encrypted","data":"BBB","id":"rs_2","index":0}"#;
        assert_eq!(joined(&[&format!("[{one}]"), &format!("[{two}]")]), format!("[{one},{two}]"));
        assert_eq!(joined(&["17", "[3]", "{"]), "[]");
    }

    #[test]
    fn texts_are_read() {
        let json = r#"[{"text":"a"},{"summary":"b"},{"data":"c"}]"#;
        assert_eq!(readable(json), "ab");
        assert_eq!(readable("{"), "");
    }
}
