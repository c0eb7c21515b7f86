//! What a request leans on, and the body that leans on nothing: a pure rewriting of JSON text.
//!
//! `previous_response_id` and item references are taken out, and the items that they mean are put in their place. Every item
//! keeps its own bytes; the rest of the body keeps each member's.
//! <https://platform.openai.com/docs/guides/conversation-state>

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;

use super::asked::Asked;
use super::items::{self, Item, Kind, Proof};
use super::record::{Answer, Answerer, Record};
use crate::dialects::Dialect;
use crate::ir::error::{Error, ErrorKind};
use crate::json;

/// What a reference stands for: the response, and its item's text.
#[derive(Clone, Debug)]
pub(super) struct Cited {
    record: Arc<Record>,
    text: Box<str>,
}

/// A request, and what is to become of it.
#[derive(Clone, Debug)]
pub struct Turn {
    body: Bytes,
    /// Where it may go.
    pub resolution: Resolution,
    /// What is to be remembered of it; `None` with `store: false`.
    pub draft: Option<Draft>,
    asked: Asked,
    /// The responses that it goes on from, the first one first.
    past: Vec<Arc<Record>>,
    /// What its references stand for, in their order.
    cited: Vec<Cited>,
}

/// Where a request may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Anywhere, as it came: it leans on nothing.
    AsIs,
    /// To this account, which remembers all that it leans on, as it came; to any other one, rebuilt.
    Owned {
        /// The account's name.
        account: Box<str>,
    },
    /// Anywhere, rebuilt.
    Rebuilt {
        /// The account that answered last, and may have the conversation in its prompt cache.
        last: Box<str>,
    },
}

/// Whom a body is written for.
#[derive(Clone, Copy, Debug)]
pub enum Audience<'a> {
    /// An account of another dialect: the translation leaves out what it cannot read.
    Translation,
    /// The account of this name, which speaks Responses itself and gets the client's words.
    Account(&'a str),
}

/// What will be remembered of a request once it is answered.
#[derive(Clone, Debug)]
pub struct Draft {
    previous: Option<Arc<str>>,
    past: Vec<Arc<Record>>,
    /// The value of `input`, its references replaced.
    input: Bytes,
    /// Whether the account goes on with it when the client leaves.
    pub is_background: bool,
}

impl Cited {
    /// The item of an id in a response that holds it.
    pub(super) fn of(record: Arc<Record>, id: &str) -> Option<Self> {
        let text = record.item(id)?.text.into();
        Some(Self { record, text })
    }
}

impl Turn {
    /// A request with all that it leans on. `most` is how large a rebuilt body may become.
    pub(super) fn new(
        (body, asked): (&Bytes, Asked),
        past: Vec<Arc<Record>>,
        cited: Vec<Cited>,
        most: usize,
    ) -> Result<Self, Error> {
        let resolution = resolution(&past, &cited);
        let size: usize = past.iter().map(|record| record.weight()).sum();
        let cited_size: usize = cited.iter().map(|cited| cited.text.len()).sum();
        if resolution != Resolution::AsIs && size + cited_size + body.len() > most {
            return Err(too_long());
        }
        let mut turn = Self { body: body.clone(), resolution, draft: None, asked, past, cited };
        if turn.asked.stores() {
            turn.draft = Some(Draft {
                previous: turn.asked.previous.clone(),
                past: turn.past.clone(),
                input: turn.own_input(),
                is_background: turn.asked.is_background(),
            });
        }
        Ok(turn)
    }

    /// The body for an account: as it came where it can be, else rebuilt.
    pub fn body(&self, audience: Audience<'_>) -> Bytes {
        match (&self.resolution, audience) {
            (Resolution::AsIs, _) => self.body.clone(),
            (Resolution::Owned { account }, Audience::Account(name)) if **account == *name => {
                self.body.clone()
            }
            (Resolution::Owned { .. } | Resolution::Rebuilt { .. }, _) => self.rebuilt(audience),
        }
    }

    /// The account that the pool had better choose, where it can be had.
    pub fn preferred(&self) -> Option<&str> {
        match &self.resolution {
            Resolution::AsIs => None,
            Resolution::Owned { account } | Resolution::Rebuilt { last: account } => Some(account),
        }
    }

    /// The response that it goes on from: what an answer's `previous_response_id` has to say.
    pub fn previous(&self) -> Option<&str> {
        self.asked.previous.as_deref()
    }

    /// The body that leans on nothing, for an owner too: it may have forgotten (see `forgotten`).
    pub fn rebuilt(&self, audience: Audience<'_>) -> Bytes {
        if self.asked.leans_on_nothing() {
            return self.body.clone();
        }
        let past: usize = self.past.iter().map(|record| record.weight()).sum();
        let mut out = Vec::with_capacity(self.body.len() + past);
        out.push(b'{');
        // The keys are kept as they are written, so a member that stands twice still does; the last one counts.
        let _ = json::members(&self.body, |key, range| {
            let is_input = self.asked.input.as_ref() == Some(&range);
            let name = json::key(key);
            if *name == *b"previous_response_id" || *name == *b"input" && !is_input {
                return;
            }
            begin_member(&mut out, key);
            if is_input {
                self.write_input(audience, &mut out);
            } else {
                out.extend_from_slice(self.body.get(range).unwrap_or_default());
            }
        });
        if self.asked.input.is_none() {
            begin_member(&mut out, b"input");
            self.write_input(audience, &mut out);
        }
        out.push(b'}');
        out.into()
    }

    /// All items: what was put in and given before, then what is new.
    fn write_input(&self, audience: Audience<'_>, out: &mut Vec<u8>) {
        out.push(b'[');
        let start = out.len();
        for record in &self.past {
            write_items(&items::elements(record.input()), record, audience, (start, out));
            // A compaction that was made on the way stands for what this body has in front of it.
            let mut given = items::elements(record.answer.output());
            given.retain(|text| Item::read(text).kind != Kind::Compaction);
            write_items(&given, record, audience, (start, out));
        }
        let said = |cited: &Cited| is_readable(&cited.text, &cited.record, audience);
        let all = self.cited.iter().all(said);
        self.write_own(
            |cited| match said(cited) {
                true if all => Cow::Borrowed(&cited.text),
                true => Item::read(&cited.text).without_id(),
                false => Cow::Borrowed(""),
            },
            (start, out),
        );
        out.push(b']');
    }

    /// The request's own items, each reference replaced by what it stands for, as `said` says it.
    fn write_own<'a>(
        &'a self,
        said: impl Fn(&'a Cited) -> Cow<'a, str>,
        (start, out): (usize, &mut Vec<u8>),
    ) {
        let input = self.asked.input.clone().unwrap_or_default();
        let value = self.body.get(input.clone()).unwrap_or_default();
        if value.starts_with(b"\"") {
            let words = String::from_utf8_lossy(value);
            return write_item(items::message(&words).as_bytes(), (start, out));
        }
        if self.asked.references.is_empty() {
            let value = value.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
            return write_item(value.unwrap_or_default().trim_ascii(), (start, out));
        }
        let mut references = self.asked.references.iter().zip(&self.cited).peekable();
        let _ = json::elements(value, |range| {
            let at = range.start + input.start;
            match references.next_if(|(reference, _)| reference.at.start == at) {
                Some((_, cited)) => write_item(said(cited).as_bytes(), (start, out)),
                None => write_item(value.get(range).unwrap_or_default(), (start, out)),
            }
        });
    }

    /// The value of `input` with nothing in it that stands for something else.
    fn own_input(&self) -> Bytes {
        let input = self.asked.input.clone().unwrap_or_default();
        if self.asked.references.is_empty() {
            return self.body.slice(input);
        }
        let mut out = vec![b'['];
        self.write_own(|cited| Cow::Borrowed(&cited.text), (1, &mut out));
        out.push(b']');
        out.into()
    }
}

impl Draft {
    /// What is remembered, now that there is an answer; `None` where the request is no text, or where nobody can be asked
    /// for the rest of the answer. `created` is in seconds since 1970.
    pub fn record(&self, answer: Answer, by: Answerer<'_>, created: u64) -> Option<Record> {
        let record = self.any_record(answer, by, created)?;
        (!record.is_running() || record.owner().is_some()).then_some(record)
    }

    fn any_record(&self, answer: Answer, by: Answerer<'_>, created: u64) -> Option<Record> {
        let own = std::str::from_utf8(&self.input).ok()?.trim_ascii();
        if self.past.iter().any(|record| *record.id == *answer.id()) {
            // Some servers give every response the same id: it would go on from itself.
            let before =
                self.past.iter().flat_map(|record| [record.input(), record.answer.output()]);
            let own = array(own);
            let items: Vec<&str> = before
                .chain([&*own])
                .map(items::inside)
                .filter(|items| !items.is_empty())
                .collect();
            let input = ["[", &items.join(","), "]"].concat();
            return Some(Record::new((answer, input.into()), None, by, created));
        }
        let input = array(own).into();
        Some(Record::new((answer, input), self.previous.clone(), by, created))
    }
}

/// The value of `input` as an array of items.
fn array(input: &str) -> Cow<'_, str> {
    if input.starts_with('[') {
        return Cow::Borrowed(input);
    }
    if input.starts_with('"') {
        return Cow::Owned(["[", &items::message(input), "]"].concat());
    }
    Cow::Borrowed("[]")
}

/// Who may answer. An account that remembers the last response remembers all before it: it was given them with it.
fn resolution(past: &[Arc<Record>], cited: &[Cited]) -> Resolution {
    let leaned_on = || past.last().into_iter().chain(cited.iter().map(|cited| &cited.record));
    let Some(last) = leaned_on().next() else { return Resolution::AsIs };
    // An id that the gateway made up is known to nobody else.
    let known = |cited: &Cited| Item::read(&cited.text).id().is_some();
    match last.owner() {
        Some(owner)
            if leaned_on().all(|record| record.owner() == Some(owner))
                && cited.iter().all(known) =>
        {
            Resolution::Owned { account: owner.into() }
        }
        Some(_) | None => Resolution::Rebuilt { last: last.account.clone() },
    }
}

/// Items of a response, without those that the audience cannot read.
fn write_items(
    items: &[&str],
    record: &Record,
    audience: Audience<'_>,
    (start, out): (usize, &mut Vec<u8>),
) {
    let all = items.iter().all(|text| is_readable(text, record, audience));
    for text in items.iter().filter(|text| all || is_readable(text, record, audience)) {
        // The API refuses an item whose id it knows without the reasoning that came before it.
        let text = if all { Cow::Borrowed(*text) } else { Item::read(text).without_id() };
        write_item(text.as_bytes(), (start, out));
    }
}

/// Whether the audience can make something of an item: reasoning is for the account that it came from alone, and only
/// where its proof stands in it.
fn is_readable(text: &str, record: &Record, audience: Audience<'_>) -> bool {
    let Audience::Account(account) = audience else { return true };
    let item = Item::read(text);
    if item.kind != Kind::Reasoning {
        return true;
    }
    let is_its_own = *record.account == *account && record.dialect == Dialect::OpenAiResponses;
    is_its_own && matches!(item.proof(), Proof::Native | Proof::Words)
}

fn begin_member(out: &mut Vec<u8>, key: &[u8]) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key);
    out.extend_from_slice(b"\":");
}

/// One item or several with their commas, behind what the array that began at `start` has.
fn write_item(text: &[u8], (start, out): (usize, &mut Vec<u8>)) {
    if text.is_empty() {
        return;
    }
    if out.len() > start {
        out.push(b',');
    }
    out.extend_from_slice(text);
}

/// Whether an owner says that it does not remember: then the same request can be sent to it rebuilt.
pub fn forgotten(error: &Error) -> bool {
    error.code.as_deref() == Some("previous_response_not_found")
        || (error.message.starts_with("Item with id '") && error.message.contains("not found"))
}

/// No response of that id is known.
pub(super) fn no_previous(id: &str) -> Error {
    Error {
        code: Some("previous_response_not_found".to_owned()),
        param: Some("previous_response_id".to_owned()),
        ..Error::new(ErrorKind::NotFound, format!("Previous response with id '{id}' not found."))
    }
}

/// The response of that id is still being made.
pub(super) fn still_running(id: &str) -> Error {
    let message = format!(
        "Previous response with id '{id}' is still in progress: ask for it until it is completed, then go on from it."
    );
    Error::invalid("previous_response_id", message)
}

/// No item of that id is known.
pub(super) fn no_item(id: &str) -> Error {
    let message = format!(
        "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input."
    );
    Error { param: Some("input".to_owned()), ..Error::new(ErrorKind::NotFound, message) }
}

/// The conversation is larger than a request may be.
pub(super) fn too_long() -> Error {
    Error {
        param: Some("previous_response_id".to_owned()),
        ..Error::new(
            ErrorKind::TooLarge,
            "the conversation behind previous_response_id is larger than this gateway's proxy.max_body: start a new one, or compact it",
        )
    }
}
