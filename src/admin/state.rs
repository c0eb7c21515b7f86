//! What state the gateway is in, and the paths that change it: start, stop, reload.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::error::{Body, Error};
use super::{Admin, written};
use crate::config::{self, AuthMode, Config};
use crate::control::state::{self, Phase};
use crate::pool::Pool;
use crate::pool::cooldown::Standing;
use crate::pool::hedge::Counted;
use crate::proxy::live::Live;
use crate::server::lan;

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/api/status", get(status))
        .route("/api/start", post(start))
        .route("/api/stop", post(stop))
        .route("/api/reload", post(reload))
}

/// `GET /api/status`
#[derive(Debug, Deserialize, Serialize)]
pub struct Status {
    /// `running`, `stopping` or `stopped`.
    pub state: String,
    /// The program's version.
    pub version: String,
    /// When the port was opened.
    pub started: Option<String>,
    /// When the process began.
    pub process_started: String,
    /// Whether the embedded upstream runs.
    pub demo: bool,
    /// The proxy port and what guards it.
    pub proxy: Proxy,
    /// What each SDK is to be given.
    pub base_urls: BaseUrls,
    /// How many accounts there are.
    pub accounts: Accounts,
    /// How many requests there are.
    pub requests: Requests,
    /// Second accounts, asked beside one whose answer is late.
    pub hedges: Hedges,
    /// The configuration at work.
    pub config: Origin,
    /// What the owner should know.
    pub warnings: Vec<String>,
    /// The request log.
    pub monitor: Monitor,
}

/// The proxy port and what guards it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Proxy {
    /// Where it listens; nothing while it is closed.
    pub address: Option<String>,
    /// The port that it listens on, or else the configured one.
    pub port: u16,
    /// As configured.
    pub allow_lan_access: bool,
    /// Where other machines find it, if they may.
    pub lan_address: Option<String>,
    /// As configured.
    pub auth_mode: String,
    /// The mode that `auto` comes to.
    pub effective_auth: String,
    /// Whether there is a client key.
    pub has_key: bool,
}

/// What each SDK is to be given.
#[derive(Debug, Deserialize, Serialize)]
pub struct BaseUrls {
    /// With `/v1`.
    pub openai: String,
    /// Without anything.
    pub anthropic: String,
    /// Without anything.
    pub gemini: String,
}

/// How many accounts there are.
#[derive(Debug, Deserialize, Serialize)]
pub struct Accounts {
    /// Those that take part.
    pub active: usize,
    /// Those of them that can be asked now.
    pub available: usize,
    /// All.
    pub total: usize,
}

/// How many requests there are.
#[derive(Debug, Deserialize, Serialize)]
pub struct Requests {
    /// Under way.
    pub open: usize,
}

/// Second accounts, asked beside one whose answer is late; counted since the process began.
#[derive(Debug, Deserialize, Serialize)]
pub struct Hedges {
    /// When an answer is late, or `off`, as configured.
    pub after: String,
    /// As configured.
    pub budget: String,
    /// Requests that could have asked one.
    pub requests: u64,
    /// Those that answered,
    pub won: u64,
    /// that were not needed,
    pub lost: u64,
    /// and that failed.
    pub failed: u64,
    /// Percent of the requests that asked one.
    pub share: f64,
}

/// Where the configuration at work comes from.
#[derive(Debug, Deserialize, Serialize)]
pub struct Origin {
    /// The file; nothing when it is the environment alone.
    pub path: Option<String>,
    /// When it was loaded.
    pub loaded: String,
    /// Why the newest file was not taken.
    pub error: Option<String>,
}

/// The request log.
#[derive(Debug, Deserialize, Serialize)]
pub struct Monitor {
    /// Whether requests are recorded.
    pub enabled: bool,
    /// Records that were lost.
    pub dropped: u64,
}

/// `POST /api/stop`
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// How long requests under way may take; `proxy.timeouts.drain` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// A body that says nothing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// The gateway's status as it is now.
pub fn status_of(admin: &Admin) -> Status {
    let state = admin.control.state();
    let live = admin.live.load();
    let config = &live.config;
    let port = state.address.map_or(config.proxy.port, |address| address.port());
    let base = format!("http://127.0.0.1:{port}");
    let loader = admin.control.loader();
    Status {
        state: state.phase.name().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: state.opened.map(written),
        process_started: written(admin.process_started),
        demo: loader.is_demo(),
        proxy: proxy(config, &state, port),
        base_urls: BaseUrls { openai: format!("{base}/v1"), anthropic: base.clone(), gemini: base },
        accounts: accounts(&live.pool),
        requests: Requests { open: state.requests() },
        hedges: hedges(&live),
        config: Origin {
            path: config.path.as_ref().map(|path| path.display().to_string()),
            loaded: written(state.loaded),
            error: state.problem.clone(),
        },
        warnings: config.warnings.iter().chain(&state.warnings).cloned().collect(),
        monitor: Monitor {
            enabled: config.monitor.enabled,
            dropped: admin.control.watch_over().monitor.dropped(),
        },
    }
}

fn proxy(config: &Config, state: &state::State, port: u16) -> Proxy {
    let lan = config.proxy.allow_lan_access.then(lan::address).flatten();
    Proxy {
        address: state.address.map(|address| address.to_string()),
        port,
        allow_lan_access: config.proxy.allow_lan_access,
        lan_address: lan.map(|ip| ip.to_string()),
        auth_mode: config.proxy.auth_mode.name().to_owned(),
        effective_auth: config.proxy.effective_auth().name().to_owned(),
        has_key: config.proxy.effective_auth() != AuthMode::Off && state.client_key.is_some(),
    }
}

fn accounts(pool: &Pool) -> Accounts {
    let now = Instant::now();
    let active = || pool.accounts().filter(|account| account.config.is_active());
    let can_be_asked = |standing: Standing| matches!(standing, Standing::Open | Standing::Due);
    Accounts {
        active: active().count(),
        available: active().filter(|account| can_be_asked(account.standing(now))).count(),
        total: pool.accounts().len(),
    }
}

fn hedges(live: &Live) -> Hedges {
    let config::Hedge { after, budget } = live.config.pool.hedge;
    let counted = live.pool.hedges().counted();
    let Counted { requests, won, lost, failed } = counted;
    Hedges {
        after: after.map_or_else(|| "off".to_owned(), |late| late.to_string()),
        budget: budget.to_string(),
        requests,
        won,
        lost,
        failed,
        share: (counted.share() * 100.0).round() / 100.0,
    }
}

async fn healthz() -> Response {
    ([("content-type", "application/json")], r#"{"status":"ok"}"#).into_response()
}

/// 200 while the port is open and an account can be asked, else 503 with the reason.
async fn readyz(State(admin): State<Admin>) -> Result<Response, Error> {
    let unready = |why: &str| Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, why));
    if admin.control.state().phase != Phase::Running {
        return unready("the proxy port is closed");
    }
    if accounts(&admin.live.load().pool).available == 0 {
        return unready("no account can be asked now");
    }
    Ok(([("content-type", "application/json")], r#"{"status":"ready"}"#).into_response())
}

async fn status(State(admin): State<Admin>) -> Json<Status> {
    Json(status_of(&admin))
}

async fn start(
    State(admin): State<Admin>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Status>, Error> {
    admin.control.start().await?;
    Ok(Json(status_of(&admin)))
}

async fn stop(State(admin): State<Admin>, Body(stop): Body<Stop>) -> Json<Status> {
    admin.control.stop(stop.deadline_ms.map(Duration::from_millis)).await;
    Json(status_of(&admin))
}

async fn reload(
    State(admin): State<Admin>,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<Status>, Error> {
    admin.control.reload().await?;
    Ok(Json(status_of(&admin)))
}
