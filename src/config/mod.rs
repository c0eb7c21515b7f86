//! What the owner asked for: complete and typed, nothing left to check.

mod account;
pub mod edit;
pub mod environment;
mod file;
mod forms;
pub mod key;
pub mod load;
pub mod outbound;
pub mod private;
pub mod problem;
mod provider;
mod reader;
pub mod save;
mod secrets;
pub mod telemetry;
pub mod vertex;
mod yaml;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::dialects::Dialect;
use outbound::{Outbound, WayOut};
use telemetry::Telemetry;
use vertex::Vertex;

/// The whole configuration of one gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None` when it came from the environment alone.
    pub path: Option<PathBuf>,
    /// The proxy port and what guards it.
    pub proxy: Proxy,
    /// The accounts, in file order.
    pub accounts: Vec<Account>,
    /// Model aliases, in file order: pattern and replacement.
    pub aliases: Vec<(String, String)>,
    /// How accounts are chosen.
    pub pool: Pool,
    /// The request log.
    pub monitor: Monitor,
    /// The console page and the admin API.
    pub console: Console,
    /// Where traces are sent; `None`: nowhere.
    pub telemetry: Option<Telemetry>,
    /// Where shared state lives.
    pub state: State,
    /// What the owner should know though nothing is wrong, one sentence each.
    pub warnings: Vec<String>,
}

/// `proxy:` the port that clients use.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// Whether other machines may connect.
    pub allow_lan_access: bool,
    /// As written; `effective_auth` resolves `Auto`.
    pub auth_mode: AuthMode,
    /// The client key, where one is configured.
    pub api_key: Option<Secret>,
    /// Largest request body, in bytes, after decompression.
    pub max_body: u64,
    /// Worker threads; 0 means one per core.
    pub threads: usize,
    /// Whether `x-levity-*` headers are put on answers.
    pub expose_routing: bool,
    /// Whether whatever a translation would drop is a 400.
    pub strict: bool,
    /// How long each stage may take.
    pub timeouts: Timeouts,
    /// How often a client that waits for a stream is told that it is not forgotten; `None`: never.
    pub keepalive: Option<Duration>,
    /// The proxies that requests to providers go through.
    pub outbound: Arc<Outbound>,
}

impl Proxy {
    /// The address to bind.
    pub fn bind(&self) -> SocketAddr {
        let ip = if self.allow_lan_access { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        SocketAddr::new(IpAddr::V4(ip), self.port)
    }

    /// The auth mode with `Auto` resolved: guarded on the LAN, open on loopback.
    pub fn effective_auth(&self) -> AuthMode {
        match self.auth_mode {
            AuthMode::Auto if self.allow_lan_access => AuthMode::AllExceptHealth,
            AuthMode::Auto => AuthMode::Off,
            mode @ (AuthMode::Off | AuthMode::Strict | AuthMode::AllExceptHealth) => mode,
        }
    }
}

/// Which requests need the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// None.
    Off,
    /// Every one, `/healthz` too.
    Strict,
    /// Every one but `GET /healthz`.
    AllExceptHealth,
    /// `AllExceptHealth` when open to the LAN, else `Off`.
    Auto,
}

/// `proxy.timeouts`.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP and TLS to the upstream.
    pub connect: Duration,
    /// From the request's last byte to the response's head.
    pub first_byte: Duration,
    /// Between two reads of a response body.
    pub idle: Duration,
    /// For requests under way when the port is closed.
    pub drain: Duration,
}

/// One entry of `accounts:`, with its provider's defaults filled in.
#[derive(Clone, Debug)]
pub struct Account {
    /// The owner's label, unique; shown in logs, never sent upstream.
    pub name: String,
    /// Whose API it is.
    pub provider: Provider,
    /// The provider's key; empty where a custom endpoint wants none, or the account is idle.
    pub api_key: Secret,
    /// Base URL without a trailing slash; see `Provider` for what it includes.
    pub base_url: Url,
    /// What the account speaks, best first; OpenAI accounts speak two.
    pub dialects: Vec<Dialect>,
    /// Patterns of the models that it serves (`*` matches anything).
    pub models: Vec<String>,
    /// Names that this account gets instead: pattern and replacement, in file order.
    pub model_map: Vec<(String, String)>,
    /// How it shares the load.
    pub dispatch: Dispatch,
    /// The client dialects that it serves.
    pub clients: Vec<Dialect>,
    /// Its share among pooled accounts.
    pub weight: NonZeroU32,
    /// Requests in flight at most; 0 means no limit.
    pub max_concurrency: u32,
    /// Whether it takes part at all.
    pub enabled: bool,
    /// Headers added to each upstream request.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// How its requests leave this machine.
    pub way_out: WayOut,
    /// Vertex AI: the project and who asks there. No other account has it, and an idle one may not.
    pub vertex: Option<Vertex>,
}

impl Account {
    /// The path of the base URL without a trailing slash: nothing at all for a bare host.
    pub fn base_path(&self) -> &str {
        self.base_url.path().trim_end_matches('/')
    }

    /// What it speaks about a model, best first: at Vertex AI that depends on who made the model.
    pub fn dialects_for(&self, model: &str) -> &[Dialect] {
        if self.provider != Provider::Vertex {
            return &self.dialects;
        }
        let spoken = if model.starts_with("claude") { Dialect::Anthropic } else { Dialect::Gemini };
        let at = self.dialects.iter().position(|dialect| *dialect == spoken);
        at.and_then(|at| self.dialects.get(at..=at)).unwrap_or_default()
    }

    /// Whether it may be given requests.
    pub fn is_active(&self) -> bool {
        self.enabled && self.dispatch != Dispatch::Off
    }
}

/// Whose API an account belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Gemini API with an API key. Default base `https://generativelanguage.googleapis.com`.
    Gemini,
    /// Vertex AI. The base depends on the region.
    Vertex,
    /// OpenAI. Default base `https://api.openai.com/v1`.
    OpenAi,
    /// Anthropic. Default base `https://api.anthropic.com`.
    Anthropic,
    /// z.ai, in its Anthropic-compatible form. Default base `https://api.z.ai/api/anthropic`.
    Zai,
    /// Any endpoint that speaks one of the four dialects.
    Custom,
}

/// How an account shares the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// Shares the load with the other pooled accounts.
    Pooled,
    /// Takes every request that it can serve.
    Exclusive,
    /// Used only when no pooled account is available.
    Fallback,
    /// Configured and idle.
    Off,
}

/// `pool:` how accounts are chosen.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// The order of choice among equals.
    pub scheduling: Scheduling,
    /// Accounts tried for one request, before its first byte.
    pub max_attempts: NonZeroU32,
    /// Requests that ask accounts at a time; 0 means no limit.
    pub max_concurrency: u32,
    /// Where requests wait for a place.
    pub queue: Queue,
    /// When a second account is asked beside the first.
    pub hedge: Hedge,
}

/// `pool.queue:` where requests wait while the gateway or every account that could answer is at its `max_concurrency`.
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    /// Requests that wait at most.
    pub size: usize,
    /// How long each waits at most.
    pub wait: Duration,
}

/// `pool.hedge:` when a second account is asked beside one whose answer is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// How late an answer must be; `None`: no second account is asked.
    pub after: Option<Late>,
    /// The share of requests for which this is done at most.
    pub budget: Share,
}

/// When an answer that has not begun is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// When so many of a hundred answers have begun sooner, 50 to 99.
    Percentile(u8),
    /// After this time.
    After(Duration),
}

/// A part of a whole, in hundredths of a percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percentile(percentile) => write!(f, "p{percentile}"),
            Self::After(time) => humantime::format_duration(*time).fmt(f),
        }
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 100.0)
    }
}

/// `pool.scheduling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// Stay where the conversation's prompt cache is.
    CacheFirst,
    /// Spread by weight and load.
    Balance,
    /// Prefer the account that answers soonest.
    PerformanceFirst,
}

/// `monitor:` the request log.
#[derive(Clone, Copy, Debug)]
pub struct Monitor {
    /// Whether requests are recorded.
    pub enabled: bool,
    /// Whether bodies are recorded too.
    pub bodies: bool,
    /// What is kept.
    pub retention: Retention,
}

/// `monitor.retention`.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Days kept.
    pub days: u32,
    /// Rows kept.
    pub rows: u64,
    /// Bytes of the database file.
    pub size: u64,
}

/// `console:` the console page, the admin API and the metrics; always on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// Whether it is served.
    pub enabled: bool,
    /// Its TCP port.
    pub port: u16,
}

impl Console {
    /// The address to bind: this machine's own, always.
    pub fn address(self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port)
    }
}

/// `state:` where shared state lives.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// In this process.
    Memory,
    /// In Redis, shared by several gateways.
    Redis(Url),
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            // The URL may hold a password.
            Self::Redis(url) => write!(f, "Redis({})", url.host_str().unwrap_or_default()),
        }
    }
}

/// A key or token: never shown by `Debug` or `Display`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The secret itself: for a header or a hash, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
