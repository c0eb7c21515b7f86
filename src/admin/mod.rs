//! The console port: what its handlers share, and which paths there are.
//!
//! ```text
//! guard (who may ask at all) ─▶ a file for each group of paths ─▶ error (every refusal)
//! ```

pub mod error;
pub mod guard;
pub mod state;

pub mod events;
pub mod log;
pub mod metrics;
pub mod usage;

pub mod token;

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;

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
}

impl Admin {
    /// What the handlers share, for this gateway.
    pub fn new(control: Control, token: Token) -> Self {
        let live = Arc::clone(control.live());
        Self { control, live, token: Arc::new(token), process_started: clock::wall() }
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
