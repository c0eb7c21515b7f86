//! `GET /api/events`: what happens, as it happens, as server-sent events.
//!
//! `event: request` with a row when a request is over, `event: state` with the status at the start and on each change.
//! A listener that falls too far behind is told so (`event: behind`), and its stream ends: it may come again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use axum::routing::get;
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::Admin;
use super::error::{Error, Query};
use super::log::Asked;
use super::state::status_of;
use crate::control::state;
use crate::monitor::filter::Filter;
use crate::monitor::record::Row;

/// How long nothing is said before a comment shows that the stream is alive.
const SILENCE: Duration = Duration::from_secs(15);

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/events", get(events))
}

/// `event: behind`
#[derive(Debug, Serialize)]
struct Behind {
    message: &'static str,
}

/// One listener.
struct Listener {
    admin: Admin,
    filter: Filter,
    rows: Receiver<Arc<Row>>,
    states: watch::Receiver<state::State>,
    is_behind: bool,
}

/// Takes the filters of `GET /api/log`; they hold for requests alone.
async fn events(
    State(admin): State<Admin>,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let filter = asked.filter()?;
    let mut states = admin.control.watch();
    states.mark_changed();
    let monitor = &admin.control.watch_over().monitor;
    // What ended before is not told: it can be read.
    monitor.flush().await;
    let rows = monitor.live();
    let listener = Listener { admin, filter, rows, states, is_behind: false };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(SILENCE)))
}

impl Listener {
    /// The next event; `None` where the listener has been told that it is behind, or there is nothing to come.
    async fn next(&mut self) -> Option<Event> {
        while !self.is_behind {
            tokio::select! {
                biased;
                changed = self.states.changed() => {
                    changed.ok()?;
                    return Some(event("state", &status_of(&self.admin)));
                }
                row = self.rows.recv() => match row {
                    Ok(row) if self.filter.passes(&row, None) => return Some(event("request", &*row)),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        self.is_behind = true;
                        let message = "events came faster than they were read: ask again, and read the log for what is missing";
                        return Some(event("behind", &Behind { message }));
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
        None
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    // What we say of ourselves can be said in JSON.
    event.clone().json_data(data).unwrap_or(event)
}
