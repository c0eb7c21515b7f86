//! `GET /metrics`: the counters in Prometheus' text form.

use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Admin;
use super::error::Error;
use crate::metrics::{AccountState, Moment};
use crate::pool::account::Account;
use crate::pool::cooldown::{Cause, Standing};
use crate::pool::hedge::Counted;

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Error> {
    let watch = admin.control.watch_over();
    let live = admin.live.load();
    let now = Instant::now();
    let accounts = live.pool.accounts().map(|account| AccountState {
        name: &account.config.name,
        state: state(account, now),
        in_flight: account.in_flight(),
        attempts: {
            let tally = account.tally();
            [
                ("served", tally.served),
                ("refused", tally.refused),
                ("limited", tally.limited),
                ("failed", tally.failed),
            ]
        },
    });
    let Counted { won, lost, failed, .. } = live.pool.hedges().counted();
    let moment = Moment {
        open: admin.control.state().requests(),
        waiting: live.pool.queue().waiting(),
        dropped: watch.monitor.dropped(),
        hedges: [("won", won), ("lost", lost), ("failed", failed)],
    };
    let text = watch.metrics.text(moment, accounts);
    let text =
        text.map_err(|error| Error::internal(format!("cannot write the metrics: {error}")))?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

fn state(account: &Account, now: Instant) -> &'static str {
    if !account.config.is_active() {
        return "off";
    }
    match account.standing(now) {
        Standing::Open | Standing::Due => "ok",
        Standing::Resting { .. } => "resting",
        Standing::Barred { cause: Cause::Rejected, .. } => "rejected",
        Standing::Barred { .. } => "limited",
    }
}
