//! What a request says that concerns the store, read without parsing the rest of it.
//! <https://platform.openai.com/docs/api-reference/responses/create>

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use memchr::memchr;
use memchr::memmem::Finder;

use super::items::{self, Item, Kind};
use crate::ir::error::Error;
use crate::json;

/// What a request says that concerns the store.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `previous_response_id`.
    pub(super) previous: Option<Arc<str>>,
    /// Whether that is something else than a string.
    is_previous_wrong: bool,
    /// `store: false`.
    is_private: bool,
    /// `background: true`.
    is_background: bool,
    /// Where the value of `input` stands.
    pub(super) input: Option<Range<usize>>,
    /// The item references in it.
    pub(super) references: Vec<Reference>,
}

/// An item of the request that stands for another one.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Where it stands in the body.
    pub(super) at: Range<usize>,
    /// The id of the item that it stands for.
    pub(super) id: Box<str>,
}

impl Asked {
    /// Takes note of a top-level member of the body: its key, unescaped, and where its value stands.
    pub fn note(&mut self, body: &[u8], key: &[u8], range: &Range<usize>) {
        let value = body.get(range.clone()).unwrap_or_default();
        match key {
            b"previous_response_id" => {
                let text = text(value);
                self.is_previous_wrong = text.is_none() && value != b"null";
                self.previous = text.filter(|id| !id.is_empty()).map(Into::into);
            }
            b"store" => self.is_private = value == b"false",
            b"background" => self.is_background = value == b"true",
            b"input" => self.input = Some(range.clone()),
            _ => {}
        }
    }

    /// Looks for item references, now that all members are noted. The error names a field of the wrong type.
    pub(super) fn finish(&mut self, body: &[u8]) -> Result<(), Error> {
        if self.is_previous_wrong {
            let message = "previous_response_id must be a string";
            return Err(Error::invalid("previous_response_id", message));
        }
        self.references = self.find_references(body);
        Ok(())
    }

    /// Whether the response may be remembered.
    pub(super) const fn stores(&self) -> bool {
        !self.is_private
    }

    /// Whether the account is to go on with it when the client leaves.
    pub(super) const fn is_background(&self) -> bool {
        self.is_background
    }

    /// Whether it can be understood by itself.
    pub(super) fn leans_on_nothing(&self) -> bool {
        self.previous.is_none() && self.references.is_empty()
    }

    fn find_references(&self, body: &[u8]) -> Vec<Reference> {
        let Some(input) = self.input.clone() else { return Vec::new() };
        let array = body.get(input.clone()).unwrap_or_default();
        // Nearly no request has one, and looking for the word costs a small part of walking through the items.
        if !array.starts_with(b"[") || !may_refer(array) {
            return Vec::new();
        }
        let mut references = Vec::new();
        let whole = json::elements(array, |range| {
            let item = array.get(range.clone()).and_then(|item| std::str::from_utf8(item).ok());
            let item = item.map(Item::read).filter(|item| item.kind == Kind::Reference);
            if let Some(id) = item.and_then(|item| item.id()) {
                let at = range.start + input.start..range.end + input.start;
                references.push(Reference { at, id: id.into() });
            }
        });
        // A broken body is for the dialect's own parser to complain of.
        if whole.is_ok() { references } else { Vec::new() }
    }
}

/// Whether an array may hold a reference: one with its type, or `{"id":"…"}` alone.
fn may_refer(array: &[u8]) -> bool {
    static TYPED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"item_reference"));
    static ID: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"{\"id\""));
    if TYPED.find(array).is_some() {
        return true;
    }
    ID.find_iter(array).any(|at| {
        let rest = array.get(at + 5..).unwrap_or_default().trim_ascii_start();
        let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        let value = value.and_then(|value| value.strip_prefix(b"\"")).unwrap_or_default();
        let end = memchr(b'"', value).map_or(value.len(), |end| end + 1);
        value.get(end..).unwrap_or_default().trim_ascii_start().starts_with(b"}")
    })
}

fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    items::string(std::str::from_utf8(value).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_read(body: &[u8]) -> Result<Asked, Error> {
        let mut asked = Asked::default();
        let _ = json::members(body, |key, range| asked.note(body, key, &range));
        asked.finish(body).map(|()| asked)
    }

    fn read(body: &str) -> Asked {
        try_read(body.as_bytes()).unwrap()
    }

    fn references(body: &str) -> Vec<(String, String)> {
        let asked = read(body);
        asked
            .references
            .iter()
            .map(|found| (body[found.at.clone()].into(), found.id.clone().into()))
            .collect()
    }

    #[test]
    fn what_leans_on_nothing() {
        for body in [
            r#"{"model":"m","input":"item_reference"}"#,
            r#"{"model":"m","input":[{"role":"user","content":"{\"id\":\"x\"}"}]}"#,
            r#"{"input":[{"id":"x","type":"reasoning"},{"type":"item_reference"}]}"#,
            r#"{"previous_response_id":null,"input":[]}"#,
            r#"{"previous_response_id":"","tools":[{"id":"x"}]}"#,
            "{}",
        ] {
            assert!(read(body).leans_on_nothing(), "{body}");
        }
    }

    #[test]
    fn store_is_on_unless_it_is_off() {
        assert!(read("{}").stores() && read(r#"{"store":null}"#).stores());
        assert!(read(r#"{"store":true}"#).stores() && !read(r#"{"store" : false}"#).stores());
    }

    #[test]
    fn the_previous_response_is_text() {
        let asked =
            read(r#"{"previous_response_id":"resp_\u0031","x":{"previous_response_id":"no"}}"#);
        assert_eq!(asked.previous.as_deref(), Some("resp_1"));
        let error = try_read(br#"{"previous_response_id":7}"#).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some("previous_response_id")));
    }

    #[test]
    fn references_with_and_without_their_type() {
        let typed = r#"{"type":"item_reference","id":"fc_1"}"#;
        let bare = r#"{ "id" : "msg_1" }"#;
        let body = format!(r#"{{"input":[{typed}, {{"role":"user","content":"x"}},{bare}]}}"#);
        let found = references(&body);
        assert_eq!(found, [(typed.into(), "fc_1".into()), (bare.into(), "msg_1".into())]);
        assert_eq!(references(r#"{"input":[{"id":"a"}]}"#).len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in "\\{(\"(input|id|store|previous_response_id|type)\":|[\\[\\]{}\",:\\\\a 1])*") {
            let _ = try_read(&bytes);
            let _ = try_read(text.as_bytes());
        }
    }
}
