//! The items of a Responses conversation as JSON text: what one is, what it is called, and how it is listed.
//! <https://platform.openai.com/docs/api-reference/responses/input-items>

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::ir::seal;
use crate::json;

/// One item, and what the store needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    /// The whole of it.
    pub(super) text: &'a str,
    /// What it is.
    pub(super) kind: Kind,
    /// The value of `id`, as written.
    id: Option<&'a str>,
    /// The value of `content`, as written.
    content: Option<&'a str>,
    /// The value of `encrypted_content`, as written.
    encrypted: Option<&'a str>,
    is_typed: bool,
    is_the_models: bool,
}

/// The kinds of items that the store treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words of any role.
    Message,
    /// A call of a function tool.
    FunctionCall,
    /// What that function answered.
    FunctionOutput,
    /// A call of a free text tool.
    CustomCall,
    /// What that tool answered.
    CustomOutput,
    /// The model's thinking.
    Reasoning,
    /// What an account made of all items before it.
    Compaction,
    /// Stands for another item.
    Reference,
    /// Anything else: hosted tools, shells, approvals.
    Other,
}

/// How a reasoning item proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// By nothing in it: only whoever keeps the item knows it.
    Nothing,
    /// By its words, which stand in it.
    Words,
    /// By what its provider encrypted.
    Native,
    /// By what this gateway packed for a provider of another dialect.
    Packed,
}

impl<'a> Item<'a> {
    /// Reads one item; what is no JSON object is of kind `Other`.
    pub(super) fn read(text: &'a str) -> Self {
        let mut item = Self {
            text,
            kind: Kind::Other,
            id: None,
            content: None,
            encrypted: None,
            is_typed: false,
            is_the_models: false,
        };
        let (mut kind, mut role, mut members) = (None, None, 0_usize);
        let whole = json::members(text.as_bytes(), |key, range| {
            let value = text.get(range).unwrap_or_default();
            members += 1;
            match key {
                b"type" => kind = Some(value),
                b"role" => role = Some(value),
                b"id" => item.id = Some(value),
                b"content" => item.content = Some(value),
                b"encrypted_content" => item.encrypted = Some(value),
                _ => {}
            }
        });
        if whole.is_err() {
            return Self { id: None, ..item };
        }
        let kind = kind.filter(|kind| *kind != "null");
        item.is_typed = kind.is_some();
        item.is_the_models = role == Some("\"assistant\"");
        item.kind = match kind {
            Some(name) => Kind::named(name),
            None if role.is_some() => Kind::Message,
            // A reference may leave its type out.
            None if item.id.is_some() && members <= 2 => Kind::Reference,
            None => Kind::Other,
        };
        item
    }

    /// The id that it came with.
    pub(super) fn id(&self) -> Option<Cow<'a, str>> {
        self.id.and_then(string).filter(|id| !id.is_empty())
    }

    /// How it proves itself, where it is reasoning.
    pub(super) fn proof(&self) -> Proof {
        match self.encrypted.and_then(string) {
            Some(text) if text.is_empty() => {}
            Some(text) if seal::from_text(&text).is_some() => return Proof::Packed,
            Some(_) => return Proof::Native,
            None => {}
        }
        match self.content {
            Some(content) if content.starts_with('[') && !is_empty_array(content) => Proof::Words,
            Some(_) | None => Proof::Nothing,
        }
    }

    /// Appends it the way OpenAI lists items: with an id and a type, and the content of a message as parts.
    pub(super) fn list(&self, id: &str, out: &mut String) {
        let untyped = self.kind == Kind::Message && !self.is_typed;
        let words = self.content.filter(|content| content.starts_with('"'));
        let words = words.filter(|_| self.kind == Kind::Message);
        out.push('{');
        let _ = write!(out, "\"id\":{}", quoted(id));
        if untyped {
            out.push_str(",\"type\":\"message\"");
        }
        let _ = json::members(self.text.as_bytes(), |key, range| {
            let value = self.text.get(range).unwrap_or_default();
            match (key, words) {
                (b"id", _) => {}
                (b"type", _) if untyped => {}
                (b"content", Some(words)) => {
                    out.push_str(",\"content\":");
                    self.list_words(words, out);
                }
                _ => {
                    let _ = write!(out, ",\"{}\":{value}", String::from_utf8_lossy(key));
                }
            }
        });
        out.push('}');
    }

    fn list_words(&self, words: &str, out: &mut String) {
        let _ = if self.is_the_models {
            write!(out, "[{{\"type\":\"output_text\",\"text\":{words},\"annotations\":[]}}]")
        } else {
            write!(out, "[{{\"type\":\"input_text\",\"text\":{words}}}]")
        };
    }

    /// It without its id, where the API asks for none: an id ties an item to others that its account keeps.
    pub(super) fn without_id(&self) -> Cow<'a, str> {
        let optional = matches!(self.kind, Kind::Message | Kind::FunctionCall | Kind::CustomCall);
        if self.id.is_none() || !optional {
            return Cow::Borrowed(self.text);
        }
        let mut out = String::with_capacity(self.text.len());
        out.push('{');
        let _ = json::members(self.text.as_bytes(), |key, range| {
            if key != b"id" {
                let comma = if out.len() > 1 { "," } else { "" };
                let value = self.text.get(range).unwrap_or_default();
                let _ = write!(out, "{comma}\"{}\":{value}", String::from_utf8_lossy(key));
            }
        });
        out.push('}');
        Cow::Owned(out)
    }
}

impl Kind {
    /// The kind that a `type` means, given with its quotes.
    fn named(name: &str) -> Self {
        match name {
            "\"message\"" => Self::Message,
            "\"function_call\"" => Self::FunctionCall,
            "\"function_call_output\"" => Self::FunctionOutput,
            "\"custom_tool_call\"" => Self::CustomCall,
            "\"custom_tool_call_output\"" => Self::CustomOutput,
            "\"reasoning\"" => Self::Reasoning,
            "\"compaction\"" => Self::Compaction,
            "\"item_reference\"" => Self::Reference,
            _ => Self::Other,
        }
    }

    /// How OpenAI begins the ids of such items.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::FunctionCall | Self::FunctionOutput => "fc",
            Self::CustomCall => "ctc",
            Self::CustomOutput => "ctco",
            Self::Reasoning => "rs",
            Self::Compaction => "cmp",
            Self::Reference | Self::Other => "item",
        }
    }
}

/// The id of an input item that came without one. It says where the item stands, so that nothing has to be kept for it.
pub(super) fn made_id(kind: Kind, place: usize, response: &str) -> String {
    format!("{}_{place}_{response}", kind.prefix())
}

/// What a made id says: the item's place and its response.
pub(super) fn read_made_id(id: &str) -> Option<(usize, &str)> {
    let (_, rest) = id.split_once('_')?;
    let (place, response) = rest.split_once('_')?;
    Some((place.parse().ok()?, response))
}

/// Where an output item stands that the gateway wrote itself: `msg_ab12_0` in `resp_ab12`. Nothing has to be kept for it
/// either.
pub(super) fn response_of(id: &str) -> Option<String> {
    Some(["resp_", exchange_of(id)?].concat())
}

/// Whether an item's id says by itself that it stands in this response.
pub(super) fn stands_in(id: &str, response: &str) -> bool {
    response.strip_prefix("resp_").is_some_and(|exchange| exchange_of(id) == Some(exchange))
}

fn exchange_of(id: &str) -> Option<&str> {
    let (exchange, number) = id.split_once('_')?.1.rsplit_once('_')?;
    number.parse::<u32>().ok().map(|_| exchange)
}

/// The elements of an array; none of what is no array.
pub(super) fn elements(array: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let whole = json::elements(array.as_bytes(), |range| found.extend(array.get(range)));
    if whole.is_ok() { found } else { Vec::new() }
}

/// What stands between the brackets of an array.
pub(super) fn inside(array: &str) -> &str {
    let array = array.trim_ascii();
    array.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default().trim_ascii()
}

/// An `input` that is a string, as the message it means.
pub(super) fn message(words: &str) -> String {
    format!(
        "{{\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":{words}}}]}}"
    )
}

/// What a JSON string says; `None` for any other value.
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(raw).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn is_empty_array(array: &str) -> bool {
    inside(array).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Item::read(text).kind
    }

    #[test]
    fn kinds() {
        assert_eq!(kind(r#"{"role":"user","content":"x"}"#), Kind::Message);
        assert_eq!(kind(r#"{"type":"function_call","id":"fc_1"}"#), Kind::FunctionCall);
        assert_eq!(kind(r#"{"type":"item_reference","id":"fc_1"}"#), Kind::Reference);
        assert_eq!(kind(r#"{"id":"fc_1"}"#), Kind::Reference);
        assert_eq!(kind(r#"{"id":"fc_1","type":null}"#), Kind::Reference);
        assert_eq!(kind(r#"{"type":"web_search_call","id":"ws_1"}"#), Kind::Other);
        assert_eq!(kind(r#"{"id":"#), Kind::Other);
        assert_eq!(kind("7"), Kind::Other);
    }

    #[test]
    fn ids_with_and_without_escapes() {
        assert_eq!(Item::read(r#"{"id":"a\u0062"}"#).id().as_deref(), Some("ab"));
        assert_eq!(Item::read(r#"{"id":7}"#).id(), None);
        assert_eq!(Item::read(r#"{"id":""}"#).id(), None);
    }

    #[test]
    fn made_ids_lead_back() {
        let id = made_id(Kind::FunctionOutput, 12, "resp_a_b");
        assert_eq!(id, "fc_12_resp_a_b");
        assert_eq!(read_made_id(&id), Some((12, "resp_a_b")));
        for other in ["", "msg", "msg_68f", "msg_abc_1", "_"] {
            assert_eq!(read_made_id(other), None, "{other}");
        }
    }

    #[test]
    fn written_ids_lead_back() {
        assert_eq!(response_of("msg_ab12_0").as_deref(), Some("resp_ab12"));
        assert!(stands_in("fc_ab12_7", "resp_ab12") && !stands_in("fc_ab12_7", "resp_ab1"));
        for other in ["", "msg_68f", "msg_ab12_x", "msg__", "_"] {
            assert_eq!(response_of(other), None, "{other}");
        }
    }

    #[test]
    fn proofs() {
        let proof = |text: &str| Item::read(text).proof();
        let packed = seal::to_text(&[]);
        assert_eq!(proof(r#"{"type":"reasoning","summary":[]}"#), Proof::Nothing);
        assert_eq!(proof(r#"{"type":"reasoning","encrypted_content":null}"#), Proof::Nothing);
        assert_eq!(proof(r#"{"type":"reasoning","content":[ ]}"#), Proof::Nothing);
        assert_eq!(proof(r#"{"type":"reasoning","content":[{"text":"x"}]}"#), Proof::Words);
        assert_eq!(proof(r#"{"type":"reasoning","encrypted_content":"gAAA"}"#), Proof::Native);
        let text = format!(r#"{{"type":"reasoning","encrypted_content":"{packed}"}}"#);
        assert_eq!(proof(&text), Proof::Packed);
    }

    #[test]
    fn lists_as_openai_does() {
        let list = |text: &str| {
            let mut out = String::new();
            Item::read(text).list("i", &mut out);
            out
        };
        assert_eq!(
            list(r#"{"role":"user","content":"a\"b"}"#),
            r#"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"a\"b"}]}"#
        );
        assert_eq!(
            list(r#"{"role":"assistant","type":null,"content":"a"}"#),
            r#"{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[]}]}"#
        );
        assert_eq!(
            list(r#"{"type":"function_call","id":"x","content":"c"}"#),
            r#"{"id":"i","type":"function_call","content":"c"}"#
        );
        assert_eq!(list("7"), r#"{"id":"i"}"#);
    }

    #[test]
    fn ids_are_taken_off_where_the_api_wants_none() {
        let without = |text: &'static str| Item::read(text).without_id().into_owned();
        assert_eq!(without(r#"{"id":"m","type":"message"}"#), r#"{"type":"message"}"#);
        assert_eq!(without(r#"{"type":"message","id":"m"}"#), r#"{"type":"message"}"#);
        assert_eq!(without(r#"{"type":"mcp_call","id":"m"}"#), r#"{"type":"mcp_call","id":"m"}"#);
    }

    #[test]
    fn the_inside_of_an_array() {
        assert_eq!(inside(" [ 1, 2 ]\n"), "1, 2");
        assert_eq!(inside("[]"), "");
        assert_eq!(inside("\"x\""), "");
    }
}
