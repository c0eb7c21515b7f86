//! The console port: what its handlers share, and which paths there are.
//!
//! ```text
//! guard (who may ask at all) ─▶ a file for each group of paths ─▶ error (every refusal)
//! ```

pub mod accounts;
mod ask;
mod change;
pub mod error;
pub mod guard;
pub mod key;
pub mod models;
pub mod openapi;
pub mod page;
pub mod settings;
pub mod state;

pub mod events;
pub mod log;
pub mod metrics;
pub mod usage;

pub mod test;
pub mod token;
pub mod try_it;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tokio::sync::Mutex;

use self::error::Error;
use self::token::Token;
use crate::clock;
use crate::control::Control;
use crate::proxy::live::Live;

/// The largest request body, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// What the handlers share. A clone is another hand on the same.
#[derive(Clone)]
pub struct Admin {
    /// The running gateway; its `loader` knows where the configuration comes from, its `state` the client key.
    pub control: Control,
    /// The configuration at work, its accounts and their state.
    pub live: Arc<ArcSwap<Live>>,
    /// What every path under `/api` needs.
    pub token: Arc<Token>,
    /// When the process began.
    pub process_started: SystemTime,
    /// Who changes the configuration holds it, so that changes come one after the other.
    changing: Arc<Mutex<()>>,
}

impl Admin {
    /// What the handlers share, for this gateway.
    pub fn new(control: Control, token: Token) -> Self {
        let live = Arc::clone(control.live());
        let changing = Arc::default();
        Self { control, live, token: Arc::new(token), process_started: clock::wall(), changing }
    }
}

/// Everything on the console port.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .merge(state::routes())
        .merge(log::routes())
        .merge(events::routes())
        .merge(usage::routes())
        .merge(metrics::routes())
        .merge(settings::routes())
        .merge(key::routes())
        .merge(accounts::routes())
        .merge(test::routes())
        .merge(models::routes())
        .merge(try_it::routes())
        .merge(openapi::routes())
        .merge(page::routes())
        .fallback(|| async { Error::not_found("no such path") })
        .method_not_allowed_fallback(|| async { Error::method() })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(middleware::from_fn_with_state(admin.clone(), guard::guard))
        .with_state(admin)
}

/// A time as the API writes it: RFC 3339 in UTC, with milliseconds.
pub fn written(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
