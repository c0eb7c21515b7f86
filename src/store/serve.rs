//! What `/v1/responses/{id}` and the paths below it answer, from the store alone: only what was answered through the gateway
//! is known. <https://platform.openai.com/docs/api-reference/responses/get>

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;

use super::Store;
use super::items::{Item, quoted};
use super::record::Record;
use crate::ir::error::{Error, ErrorKind};

/// Items of a page, where the client does not say.
const PAGE: usize = 20;
/// Items of a page at most.
const LONGEST_PAGE: usize = 100;

/// What is asked of a response that was given before.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path behind `responses/`: an id, and what is wanted of it.
    pub path: &'a str,
    /// The query, as it came.
    pub query: Option<&'a str>,
}

impl Question<'_> {
    /// The response that is asked about.
    pub fn id(&self) -> Cow<'_, str> {
        let (id, _) = self.parts();
        percent_encoding::percent_decode_str(id).decode_utf8_lossy()
    }

    /// Whether the response is to be deleted.
    pub fn deletes(&self) -> bool {
        self.method == Method::DELETE && self.parts().1.is_empty()
    }

    /// Whether the response itself is wanted, or its end: what can be asked of one that is still being made.
    pub fn is_about_progress(&self) -> bool {
        let (_, rest) = self.parts();
        self.method == Method::GET && rest.is_empty()
            || self.method == Method::POST && rest == "cancel"
    }

    /// Whether the response is wanted as a stream.
    pub fn wants_stream(&self) -> bool {
        parameter(self.query, "stream").as_deref() == Some("true")
    }

    fn parts(&self) -> (&str, &str) {
        self.path.split_once('/').unwrap_or((self.path, ""))
    }
}

/// Which items are listed, and how.
#[derive(Debug)]
struct Page {
    limit: usize,
    order: Order,
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Ascending,
    Descending,
}

/// Answers with a JSON body of status 200, or says why not. `most` bounds what is read for it.
pub async fn answer(store: &Store, question: Question<'_>, most: usize) -> Result<Bytes, Error> {
    let (id, (_, rest)) = (question.id(), question.parts());
    match (question.method.as_str(), rest) {
        ("GET" | "HEAD", "") => whole(store, &id, question.wants_stream()).await,
        ("DELETE", "") => delete(store, &id).await,
        ("GET" | "HEAD", "input_items") => {
            let page = Page::read(question.query)?;
            input_items(store, &id, &page, most).await
        }
        ("POST", "cancel") => cancel(store, &id).await,
        _ => Err(Error::new(
            ErrorKind::NotFound,
            format!("responses/{} cannot be asked for", question.path),
        )),
    }
}

/// The response object.
async fn whole(store: &Store, id: &str, wants_stream: bool) -> Result<Bytes, Error> {
    let record = known(store, id).await?;
    if wants_stream {
        let message =
            "This response cannot be streamed because it was not created with background=true.";
        return Err(Error::invalid("stream", message));
    }
    Ok(Bytes::copy_from_slice(record.response().as_bytes()))
}

async fn delete(store: &Store, id: &str) -> Result<Bytes, Error> {
    if !store.remove(id).await? {
        return Err(unknown(id));
    }
    let id = quoted(id);
    Ok(format!("{{\"id\":{id},\"object\":\"response.deleted\",\"deleted\":true}}").into())
}

/// A response that is over: one that its account is still at is cancelled there.
async fn cancel(store: &Store, id: &str) -> Result<Bytes, Error> {
    known(store, id).await?;
    Err(Error::new(ErrorKind::InvalidRequest, "Cannot cancel a synchronous response."))
}

/// The items that the model was given: those of the responses before this one, then the request's own.
async fn input_items(store: &Store, id: &str, page: &Page, most: usize) -> Result<Bytes, Error> {
    let record = known(store, id).await?;
    let past = match &record.previous {
        Some(previous) => store.chain(previous, most).await?,
        None => Vec::new(),
    };
    let mut items: Vec<(Item<'_>, String)> =
        past.iter().flat_map(|record| record.items()).collect();
    items.extend(record.input_items());
    if page.order == Order::Descending {
        items.reverse();
    }
    let start = match &page.after {
        Some(after) => {
            items.iter().position(|(_, id)| id == after).ok_or_else(|| no_after(after))? + 1
        }
        None => 0,
    };
    let rest = items.get(start..).unwrap_or_default();
    let listed = rest.get(..page.limit).unwrap_or(rest);
    Ok(list(listed, rest.len() > listed.len()).into())
}

/// <https://platform.openai.com/docs/api-reference/responses/input-items>
fn list(items: &[(Item<'_>, String)], has_more: bool) -> String {
    let mut out = String::from("{\"object\":\"list\",\"data\":[");
    for (place, (item, id)) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        item.list(id, &mut out);
    }
    let end = |item: Option<&(Item<'_>, String)>| {
        item.map_or_else(|| Cow::Borrowed("null"), |(_, id)| Cow::Owned(quoted(id)))
    };
    let (first, last) = (end(items.first()), end(items.last()));
    let _ = write!(out, "],\"first_id\":{first},\"last_id\":{last},\"has_more\":{has_more}}}");
    out
}

impl Page {
    fn read(query: Option<&str>) -> Result<Self, Error> {
        let limit = match parameter(query, "limit") {
            Some(limit) => limit
                .parse()
                .ok()
                .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
                .ok_or_else(|| Error::invalid("limit", "limit must be between 1 and 100"))?,
            None => PAGE,
        };
        let order = match parameter(query, "order").as_deref() {
            Some("asc") => Order::Ascending,
            Some("desc") | None => Order::Descending,
            Some(_) => return Err(Error::invalid("order", "order must be asc or desc")),
        };
        Ok(Self { limit, order, after: parameter(query, "after") })
    }
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let query = query.unwrap_or_default().as_bytes();
    let (_, value) = url::form_urlencoded::parse(query).find(|(key, _)| key == name)?;
    Some(value.into_owned()).filter(|value| !value.is_empty())
}

async fn known(store: &Store, id: &str) -> Result<Arc<Record>, Error> {
    store.find(id).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("Response with id '{id}' not found."))
}

fn no_after(id: &str) -> Error {
    let message = format!("Item with id '{id}' not found in the response's input.");
    Error { param: Some("after".to_owned()), ..Error::new(ErrorKind::NotFound, message) }
}
