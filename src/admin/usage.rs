//! What requests and tokens come to: by the hour or day, by model, account, caller, dialect or status.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Admin;
use super::error::{Error, Query};
use super::log::time;
use crate::monitor::query::{By, Total};

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/usage", get(usage))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    by: By,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
}

/// `GET /api/usage`
#[derive(Debug, Deserialize, Serialize)]
pub struct Usage {
    /// One for each key; times and statuses in their order, else what had most requests first.
    pub rows: Vec<Total>,
}

async fn usage(
    State(admin): State<Admin>,
    Query(asked): Query<Asked>,
) -> Result<Json<Usage>, Error> {
    let (since, until) = (time("since", &asked.since)?, time("until", &asked.until)?);
    let monitor = &admin.control.watch_over().monitor;
    let rows = monitor.ask(move |reader| reader.usage(asked.by, since, until)).await?;
    Ok(Json(Usage { rows: rows.unwrap_or_default() }))
}
