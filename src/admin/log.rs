//! The request log over the API: its list, one request, an export, and how it is emptied.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::error::{Error, Query};
use crate::monitor::Monitor;
use crate::monitor::filter::{Filter, Status};
use crate::monitor::query::Unreadable;
use crate::monitor::record::{Record, Row, Time, number};

/// Rows of a page, where nobody says how many, and at most.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1000;

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/log", get(list).delete(clear)).route("/api/log/{id}", get(detail))
}

/// What a list is asked for; what is left out or empty does not matter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    before: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    dialect: String,
    #[serde(default)]
    caller: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    format: Format,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// A page of it.
    #[default]
    Json,
    /// All of it, a line each.
    Jsonl,
}

/// `GET /api/log`
#[derive(Debug, Deserialize, Serialize)]
pub struct Page {
    /// The newest first.
    pub requests: Vec<Row>,
    /// What `before` is to be for the next page; nothing where this is the last.
    pub next: Option<String>,
    /// Requests that were not recorded, since the process began.
    pub dropped: u64,
}

impl Asked {
    /// The filter in it.
    pub(super) fn filter(&self) -> Result<Filter, Error> {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let status = some(&self.status).map(|status| {
            let wrong = "status: a status (429), a class (2xx) or error is expected";
            Status::parse(&status).ok_or_else(|| Error::bad(wrong))
        });
        Ok(Filter {
            status: status.transpose()?,
            model: some(&self.model),
            account: some(&self.account),
            dialect: some(&self.dialect),
            caller: some(&self.caller),
            text: some(&self.text),
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
        })
    }

    fn before(&self) -> Result<Option<String>, Error> {
        if self.before.is_empty() {
            return Ok(None);
        }
        let wrong = "before: a request's id is expected";
        number(&self.before).ok_or_else(|| Error::bad(wrong))?;
        Ok(Some(self.before.clone()))
    }
}

/// Reads a time of a query; nothing where it is empty.
pub(super) fn time(name: &str, text: &str) -> Result<Option<Time>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("{name}: a time like 2026-01-31T12:00:00Z is expected");
    Time::parse(text).map(Some).ok_or_else(|| Error::bad(wrong()))
}

async fn list(State(admin): State<Admin>, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let (filter, before) = (asked.filter()?, asked.before()?);
    let monitor = &admin.control.watch_over().monitor;
    if let Format::Jsonl = asked.format {
        return Ok(export(monitor.clone(), filter, before, asked.limit));
    }
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(Error::bad(format!("limit: 1 to {LARGEST_PAGE} is expected")));
    }
    let mut requests = page(monitor, filter, before, limit + 1).await?;
    let is_last = requests.len() <= limit;
    requests.truncate(limit);
    let next = requests.last().filter(|_| !is_last).map(|row| row.id.clone());
    Ok(Json(Page { requests, next, dropped: monitor.dropped() }).into_response())
}

async fn page(
    monitor: &Monitor,
    filter: Filter,
    before: Option<String>,
    limit: usize,
) -> Result<Vec<Row>, Unreadable> {
    let rows = monitor.ask(move |reader| reader.rows(&filter, before.as_deref(), limit)).await?;
    Ok(rows.unwrap_or_default())
}

/// Where an export has come to.
struct Export {
    monitor: Monitor,
    filter: Filter,
    before: Option<String>,
    left: usize,
}

/// All rows as JSON lines, a page after the other: a slow reader holds nothing open in the file.
fn export(
    monitor: Monitor,
    filter: Filter,
    before: Option<String>,
    limit: Option<usize>,
) -> Response {
    let left = limit.unwrap_or(usize::MAX);
    let export = Export { monitor, filter, before, left };
    let pages = stream::try_unfold(export, |mut export| async move {
        let size = LARGEST_PAGE.min(export.left);
        if size == 0 {
            return Ok::<_, Unreadable>(None);
        }
        let rows =
            page(&export.monitor, export.filter.clone(), export.before.clone(), size).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        export.before = Some(last.id.clone());
        export.left -= rows.len();
        Ok(Some((lines(&rows), export)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"levity-log.jsonl\""),
    ];
    (headers, Body::from_stream(pages)).into_response()
}

fn lines(rows: &[Row]) -> Bytes {
    let mut lines = Vec::with_capacity(rows.len() * 512);
    for row in rows {
        if serde_json::to_writer(&mut lines, row).is_ok() {
            lines.push(b'\n');
        }
    }
    lines.into()
}

async fn detail(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Record>, Error> {
    let monitor = &admin.control.watch_over().monitor;
    let found = monitor.ask(move |reader| reader.find(&id)).await?.flatten();
    found.map(Json).ok_or_else(|| {
        Error::not_found("no request of that id is in the log")
            .with_hint("it may be too old, or the log was off (monitor.enabled, monitor.retention)")
    })
}

async fn clear(State(admin): State<Admin>) -> Result<StatusCode, Error> {
    let cleared = admin.control.watch_over().monitor.clear().await;
    cleared
        .map_err(|error| Error::internal(format!("the request log cannot be emptied: {error}")))?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<Unreadable> for Error {
    fn from(error: Unreadable) -> Self {
        Self::internal(error.to_string())
    }
}
