//! One response as it is remembered: who gave it, what was put in, and what came out.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, LazyLock};

use memchr::{memchr, memmem};

use super::items::{self, Item, quoted};
use crate::config::Provider;
use crate::dialects::Dialect;
use crate::json;

/// One remembered response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id, as the client knows it.
    pub id: Arc<str>,
    /// The response that it goes on from.
    pub previous: Option<Arc<str>>,
    /// When it was given, in seconds since 1970.
    pub created: u64,
    /// The name of the account that gave it.
    pub account: Box<str>,
    /// What was spoken to that account.
    pub dialect: Dialect,
    /// Whether the account remembers it too.
    pub kept: Kept,
    /// The request's own items, a JSON array.
    pub(super) input: Box<str>,
    /// The response object.
    pub(super) answer: Answer,
}

/// Who remembers a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The gateway alone.
    Here,
    /// The account that gave it too: it can be asked to go on from the id.
    ThereToo,
}

/// Who gave an answer.
#[derive(Clone, Copy, Debug)]
pub struct Answerer<'a> {
    /// The account's name.
    pub account: &'a str,
    /// What was spoken to it.
    pub dialect: Dialect,
    /// Whose API it is.
    pub provider: Provider,
}

/// A response object that is whole: `completed` or `incomplete`.
/// <https://platform.openai.com/docs/api-reference/responses/object>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) text: Box<str>,
    pub(super) id: Box<str>,
    /// Where the array of output items stands.
    output: Range<usize>,
    /// What it says of being stored by its account.
    stored: Option<bool>,
    /// Whether its account is still at it, in the background.
    is_running: bool,
}

/// What tells that a response object is one to remember, as far as it has been read.
#[derive(Default)]
struct Found {
    id: Option<Box<str>>,
    output: Option<Range<usize>>,
    stored: Option<bool>,
    /// How far it has come; one that does not say so is over.
    progress: Option<Progress>,
}

/// How far a response has come: its `status`.
enum Progress {
    Over,
    /// <https://platform.openai.com/docs/guides/background>
    Running,
    /// Nothing can come of it: `failed`, `cancelled`.
    Ended,
}

impl Answer {
    /// Reads a response object; `None` where it is none, or nothing will come of it (`failed`, `cancelled`).
    pub fn read(text: impl Into<Box<str>>) -> Option<Self> {
        let text = text.into();
        let mut found = Found::default();
        json::members(text.as_bytes(), |key, range| found.note(&text, key, range)).ok()?;
        found.answer(text)
    }

    /// The same for one that the gateway wrote: it is whole, and behind its output it repeats the request, tools and all,
    /// which need not be looked at.
    pub fn written(text: impl Into<Box<str>>) -> Option<Self> {
        let text = text.into();
        let mut found = Found::default();
        json::members_until(text.as_bytes(), |key, range| {
            found.note(&text, key, range);
            match found {
                Found { id: Some(_), output: Some(_), progress: Some(_), .. } => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        })
        .ok()?;
        found.answer(text)
    }

    /// The response's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether its account is still at it, in the background: there is nothing to go on from yet.
    pub const fn is_running(&self) -> bool {
        self.is_running
    }

    /// The same, naming the response that it goes on from: an account that got the whole conversation knows of none.
    pub(super) fn following(self, previous: Option<&str>) -> Self {
        let Some(previous) = previous else { return self };
        let quoted = quoted(previous);
        // A quote in a string is escaped: this is a member, and a translation has it already.
        let named = ["\"previous_response_id\":", &quoted].concat();
        if memmem::find(self.text.as_bytes(), named.as_bytes()).is_some() {
            return self;
        }
        let mut place = None;
        let _ = json::members(self.text.as_bytes(), |key, range| {
            if key == b"previous_response_id" {
                place = Some(range);
            }
        });
        let named = match place {
            Some(place) if self.text.get(place.clone()) == Some("null") => {
                let mut named = String::from(&*self.text);
                named.replace_range(place, &quoted);
                named
            }
            Some(_) => return self,
            None => {
                let rest = self.text.trim_ascii_start().strip_prefix('{').unwrap_or_default();
                format!("{{\"previous_response_id\":{quoted},{rest}")
            }
        };
        Self::read(named).unwrap_or(self)
    }

    /// The output items, a JSON array.
    pub(super) fn output(&self) -> &str {
        self.text.get(self.output.clone()).unwrap_or_default()
    }
}

impl Found {
    fn note(&mut self, text: &str, key: &[u8], range: Range<usize>) {
        let value = text.get(range.clone()).unwrap_or_default();
        match key {
            b"id" => self.id = items::string(value).map(Into::into),
            b"output" if value.starts_with('[') => self.output = Some(range),
            b"store" => self.stored = value.parse().ok(),
            b"status" => {
                self.progress = Some(match value {
                    "\"completed\"" | "\"incomplete\"" | "null" => Progress::Over,
                    "\"queued\"" | "\"in_progress\"" => Progress::Running,
                    _ => Progress::Ended,
                });
            }
            _ => {}
        }
    }

    fn answer(self, text: Box<str>) -> Option<Answer> {
        let id = self.id.filter(|id| !id.is_empty())?;
        let is_running = match self.progress {
            None | Some(Progress::Over) => false,
            Some(Progress::Running) => true,
            Some(Progress::Ended) => return None,
        };
        Some(Answer { text, id, output: self.output?, stored: self.stored, is_running })
    }
}

impl Record {
    /// Puts a record together; `store` is what the request said of being stored.
    pub(super) fn new(
        (answer, input): (Answer, Box<str>),
        previous: Option<Arc<str>>,
        by: Answerer<'_>,
        created: u64,
    ) -> Self {
        // An organisation that retains nothing gets `"store":false` back, whatever it asked for; other servers have to
        // say that they keep it.
        let says_so = match answer.stored {
            Some(stored) => stored,
            None => by.provider == Provider::OpenAi,
        };
        let kept = says_so && by.dialect == Dialect::OpenAiResponses;
        let answer = answer.following(previous.as_deref());
        Self {
            id: answer.id.as_ref().into(),
            previous,
            created,
            account: by.account.into(),
            dialect: by.dialect,
            kept: if kept { Kept::ThereToo } else { Kept::Here },
            input,
            answer,
        }
    }

    /// The request's own items, a JSON array.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// The response object, JSON.
    pub fn response(&self) -> &str {
        &self.answer.text
    }

    /// Whether its account is still at it, in the background.
    pub const fn is_running(&self) -> bool {
        self.answer.is_running
    }

    /// The same response as its account tells of it later.
    #[must_use]
    pub fn told_again(&self, answer: Answer) -> Self {
        Self { answer: answer.following(self.previous.as_deref()), ..self.clone() }
    }

    /// The account, where it remembers the response too.
    pub fn owner(&self) -> Option<&str> {
        (self.kept == Kept::ThereToo).then_some(&*self.account)
    }

    /// The items put in and the items given out, in their order; each with the id that it is listed under.
    pub(super) fn items(&self) -> Vec<(Item<'_>, String)> {
        let put_in = items::elements(&self.input);
        let given = items::elements(self.answer.output());
        put_in
            .into_iter()
            .chain(given)
            .enumerate()
            .map(|(place, text)| {
                let item = Item::read(text);
                let id = item
                    .id()
                    .map_or_else(|| items::made_id(item.kind, place, &self.id), Cow::into_owned);
                (item, id)
            })
            .collect()
    }

    /// The items put in, each with the id that it is listed under.
    pub(super) fn input_items(&self) -> Vec<(Item<'_>, String)> {
        let mut items = self.items();
        items.truncate(items::elements(&self.input).len());
        items
    }

    /// The item of an id.
    pub(super) fn item(&self, id: &str) -> Option<Item<'_>> {
        // Backwards: what the model gave is asked for, hardly ever what it was given.
        self.items().into_iter().rev().find(|(_, own)| own == id).map(|(item, _)| item)
    }

    /// The ids that its output items came with.
    pub(super) fn output_ids(&self) -> Vec<Box<str>> {
        own_ids(self.answer.output())
    }

    /// The ids of output items that do not say by themselves that they stand in this response.
    pub(super) fn foreign_output_ids(&self) -> Vec<Box<str>> {
        foreign_ids(self.answer.output(), &self.id)
    }

    /// The same of the last items of the input: an array, or its end behind some item.
    pub(super) fn foreign_ids_in(&self, items: &str) -> Vec<Box<str>> {
        if items.starts_with('[') {
            return foreign_ids(items, &self.id);
        }
        let items = items.trim_ascii_start();
        foreign_ids(&["[", items.strip_prefix(',').unwrap_or(items)].concat(), &self.id)
    }

    /// Bytes that it adds to a conversation.
    pub(super) fn weight(&self) -> usize {
        self.input.len() + self.answer.output().len()
    }

    /// Bytes that it holds.
    pub(super) fn size(&self) -> usize {
        self.input.len() + self.answer.text.len() + 512
    }
}

fn own_ids(array: &str) -> Vec<Box<str>> {
    let items = items::elements(array).into_iter().map(Item::read);
    items.filter_map(|item| Some(item.id()?.into())).collect()
}

fn foreign_ids(array: &str, response: &str) -> Vec<Box<str>> {
    static ID: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\"id\""));
    // Most input has no ids and most output has the gateway's own. To look for the word costs a small part of walking
    // through the items, and a quote in a string is escaped: what is found is a key.
    let is_own = |at: usize| {
        let value = array.get(at..).and_then(|rest| rest.strip_prefix("\"id\":\""));
        let end = value.and_then(|value| memchr(b'"', value.as_bytes()));
        let id = value.zip(end).and_then(|(value, end)| value.get(..end));
        id.is_some_and(|id| items::stands_in(id, response))
    };
    if ID.find_iter(array.as_bytes()).all(is_own) {
        return Vec::new();
    }
    let mut ids = own_ids(array);
    ids.retain(|id| !items::stands_in(id, response));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: Answerer<'_> = Answerer {
        account: "openai-1",
        dialect: Dialect::OpenAiResponses,
        provider: Provider::OpenAi,
    };

    fn record(answer: &str, previous: Option<&str>) -> Record {
        let answer = Answer::read(answer).unwrap();
        Record::new((answer, "[]".into()), previous.map(Into::into), BY, 1)
    }

    #[test]
    fn only_what_can_be_gone_on_from_is_an_answer() {
        for (text, is_one) in [
            (r#"{"id":"r","output":[]}"#, true),
            (r#"{"id":"r","output":[],"status":"completed"}"#, true),
            (r#"{"id":"r","output":[],"status":"incomplete"}"#, true),
            (r#"{"id":"r","output":[],"status":"failed"}"#, false),
            (r#"{"id":"r","output":[],"status":"cancelled"}"#, false),
            (r#"{"id":"","output":[]}"#, false),
            (r#"{"id":"r","output":{}}"#, false),
            (r#"{"output":[]}"#, false),
            (r#"{"error":{"message":"x"}}"#, false),
            ("no", false),
        ] {
            assert_eq!(Answer::read(text).is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn what_its_account_is_still_at_is_running() {
        for (status, is_running) in
            [("queued", true), ("in_progress", true), ("completed", false), ("incomplete", false)]
        {
            let answer = format!(r#"{{"id":"r","status":"{status}","output":[]}}"#);
            assert_eq!(Answer::read(answer).unwrap().is_running(), is_running, "{status}");
        }
        assert!(!Answer::read(r#"{"id":"r","output":[]}"#).unwrap().is_running());
    }

    #[test]
    fn says_what_it_goes_on_from() {
        let named = r#"{"id":"r","output":[],"previous_response_id":"p"}"#;
        let null = r#"{"id":"r","output":[],"previous_response_id":null}"#;
        assert_eq!(record(null, Some("p")).response(), named);
        assert_eq!(record(named, Some("p")).response(), named);
        assert_eq!(record(null, None).response(), null);
        let absent = record(r#"{"id":"r","output":[1]}"#, Some("p"));
        assert_eq!(absent.response(), r#"{"previous_response_id":"p","id":"r","output":[1]}"#);
        assert_eq!(absent.answer.output(), "[1]");
    }

    #[test]
    fn an_account_that_retains_nothing_is_no_owner() {
        assert_eq!(record(r#"{"id":"r","output":[]}"#, None).owner(), Some("openai-1"));
        assert_eq!(
            record(r#"{"id":"r","output":[],"store":true}"#, None).owner(),
            Some("openai-1")
        );
        assert_eq!(record(r#"{"id":"r","output":[],"store":false}"#, None).owner(), None);
        let custom = Answerer { provider: Provider::Custom, ..BY };
        let answer = Answer::read(r#"{"id":"r","output":[]}"#).unwrap();
        assert_eq!(Record::new((answer, "[]".into()), None, custom, 1).owner(), None);
        let answer = Answer::read(r#"{"id":"r","output":[],"store":true}"#).unwrap();
        let kept = Record::new((answer, "[]".into()), None, custom, 1);
        assert_eq!(kept.owner(), Some(custom.account));
    }

    #[test]
    fn items_are_found_by_their_own_and_by_made_ids() {
        let answer = Answer::read(r#"{"id":"r","output":[{"id":"o","type":"message"}]}"#).unwrap();
        let input = r#"[{"role":"user","content":"a"},{"id":"own","role":"user"}]"#;
        let record = Record::new((answer, input.into()), None, BY, 1);
        let ids: Vec<String> = record.items().into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, ["msg_0_r", "own", "o"]);
        assert_eq!(record.item("msg_0_r").unwrap().text, r#"{"role":"user","content":"a"}"#);
        assert_eq!(record.item("o").unwrap().text, r#"{"id":"o","type":"message"}"#);
        assert!(record.item("msg_1_r").is_none());
        assert_eq!(record.input_items().len(), 2);
        assert_eq!(record.output_ids(), ["o".into()]);
        assert_eq!(record.foreign_output_ids(), ["o".into()]);
        assert_eq!(record.foreign_ids_in(record.input()), ["own".into()]);
        assert_eq!(record.foreign_ids_in(r#" ,{"id":"own"}]"#), ["own".into()]);
        assert!(record.foreign_ids_in("]").is_empty());
    }

    #[test]
    fn ids_that_say_where_they_stand_are_not_foreign() {
        let foreign = |items: &str| {
            let text = format!(r#"{{"id":"resp_ab","output":{items}}}"#);
            Record::new((Answer::read(text).unwrap(), "[]".into()), None, BY, 1)
                .foreign_output_ids()
        };
        let said = r#"{"type":"message","id":"msg_ab_0","text":"\"id\":\"x\""}"#;
        assert!(foreign(&format!("[{said}]")).is_empty());
        assert_eq!(
            foreign(&format!(r#"[{said},{{"id" : "msg_ab_1"}},{{"id":"m"}}]"#)),
            ["m".into()]
        );
        assert_eq!(foreign(r#"[{"id":"msg_cd_0"},{"id":7}]"#), ["msg_cd_0".into()]);
    }

    #[test]
    fn what_the_gateway_wrote_is_read_as_far_as_its_output() {
        let said = r#"{"id":"r","status":"incomplete","output":[{"id":"o"}],"tools":"#;
        let answer = Answer::written(said).unwrap();
        assert_eq!((answer.id(), answer.output(), &*answer.text), ("r", r#"[{"id":"o"}]"#, said));
        for none in [
            r#"{"id":"r","status":"failed","output":[],"#,
            r#"{"id":"r","status":"completed","tools":[]}"#,
            r#"{"id":"","status":"completed","output":[]}"#,
            "no",
        ] {
            assert!(Answer::written(none).is_none(), "{none}");
        }
    }
}
