//! The access token of an account: fetched when it is first wanted, then ahead of its end, by one task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use http::{HeaderValue, Uri};
use openssl::error::ErrorStack;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::destination::{Destination, Ways};
use super::fetch::{Answered, Fetch};
use super::grant::Grant;
use crate::clock;
use crate::config::outbound::WayOut;
use crate::config::vertex::{Credentials, Vertex};

/// How long before its end a token is replaced. A metadata server has no new one much earlier.
const AHEAD: Duration = Duration::from_secs(225);
/// How long before its end a token is no longer sent: a request is under way for a moment.
const MARGIN: Duration = Duration::from_secs(10);
/// How long after a failure a token that is still good is asked to be replaced again.
const AGAIN: Duration = Duration::from_secs(10);
/// With less than this left of a token, the next request fetches another.
const TOO_LATE: Duration = Duration::from_millis(100);
/// A token that comes without its time is good for an hour, as all of Google's are.
const USUAL: u64 = 3600;
/// The longest that an answer is waited for, once there is a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// One account's tokens.
pub struct Tokens {
    /// The account's name, for the log.
    account: String,
    grant: Result<Grant, ErrorStack>,
    destination: Destination,
    target: Uri,
    patience: Duration,
    fetch: Arc<Fetch>,
    current: ArcSwapOption<Token>,
    /// Whether a request has taken the current one.
    used: AtomicBool,
    keeper: Mutex<Option<Keeper>>,
}

/// A token and its times.
#[derive(Debug)]
struct Token {
    /// `Authorization`.
    bearer: HeaderValue,
    fetched: Instant,
    replaced: Instant,
    expires: Instant,
}

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Lacking {
    /// The credentials were refused, and will be again.
    #[error("{0}")]
    Refused(String),
    /// They could not be shown, which may pass.
    #[error("{0}")]
    Unreachable(String),
}

/// The task that keeps the token fresh.
struct Keeper {
    /// `None` while the first token is fetched.
    outcome: watch::Receiver<Option<Result<(), Lacking>>>,
    task: AbortHandle,
}

impl Tokens {
    /// No token yet. `first_byte` is how long an answer may take.
    pub fn new(
        account: &str,
        vertex: &Vertex,
        ways: Ways<'_>,
        first_byte: Duration,
        fetch: Arc<Fetch>,
    ) -> Self {
        let url = &vertex.token_url;
        // A proxy has a metadata server of its own, or none.
        let out = match vertex.credentials {
            Credentials::Metadata => &WayOut::Direct,
            Credentials::ServiceAccount { .. } | Credentials::AuthorizedUser { .. } => ways.out,
        };
        Self {
            account: account.to_owned(),
            grant: Grant::new(&vertex.credentials),
            destination: Destination::new(url, Ways { out, ..ways }, 0),
            target: url.path().parse().unwrap_or_default(),
            patience: ways.connect + first_byte.min(PATIENCE),
            fetch,
            current: ArcSwapOption::empty(),
            used: AtomicBool::new(false),
            keeper: Mutex::new(None),
        }
    }

    /// The header that shows the token; `None` before there is one.
    pub fn bearer(&self) -> Option<HeaderValue> {
        self.current.load().as_ref().map(|token| token.bearer.clone())
    }

    /// Returns once there is a token that can be sent, however many wait for it.
    pub async fn ready(self: &Arc<Self>) -> Result<(), Lacking> {
        if self.is_ready(Instant::now()) {
            return Ok(());
        }
        let mut outcome = self.watch();
        let told = outcome.wait_for(Option::is_some).await;
        match told.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => {
                self.used.store(true, Ordering::Relaxed);
                outcome
            }
            Ok(None) | Err(_) => {
                Err(Lacking::Unreachable("no access token was fetched".to_owned()))
            }
        }
    }

    /// The server refused the token of a request that began at `began`: it is not sent again. One that was fetched since is
    /// another one.
    pub fn distrust(&self, began: Instant) {
        let current = self.current.load();
        if current.as_ref().is_some_and(|token| token.fetched <= began) {
            self.current.compare_and_swap(&*current, None);
        }
    }

    fn is_ready(&self, now: Instant) -> bool {
        let current = self.current.load();
        let ready = current.as_ref().is_some_and(|token| now < token.expires);
        if ready && !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        ready
    }

    /// Where the outcome of the one fetch is told, which is begun when none is under way.
    fn watch(self: &Arc<Self>) -> watch::Receiver<Option<Result<(), Lacking>>> {
        let mut keeper = self.keeper.lock();
        if self.is_ready(Instant::now()) {
            return watch::channel(Some(Ok(()))).1;
        }
        if let Some(keeper) = &*keeper
            && keeper.outcome.borrow().is_none()
            && !keeper.task.is_finished()
        {
            return keeper.outcome.clone();
        }
        // A task that sleeps over a token that is no good any more makes room.
        if let Some(keeper) = keeper.take() {
            keeper.task.abort();
        }
        let (tell, outcome) = watch::channel(None);
        let task = tokio::spawn(keep(Arc::clone(self), tell)).abort_handle();
        *keeper = Some(Keeper { outcome: outcome.clone(), task });
        outcome
    }

    /// When a replacement that failed is tried again: while the last token is good for a moment longer.
    fn retry_at(&self, now: Instant) -> Option<Instant> {
        let current = self.current.load();
        let left = current.as_ref()?.expires.checked_duration_since(now)?;
        (left > TOO_LATE).then(|| clock::add(now, AGAIN.min(left / 2)))
    }

    /// Fetches a token and puts it in the place of the last one; gives when it is to be replaced.
    async fn renew(&self) -> Result<Instant, Lacking> {
        let renewed = self.ask().await;
        match renewed {
            Ok(token) => {
                let replaced = token.replaced;
                self.used.store(false, Ordering::Relaxed);
                self.current.store(Some(Arc::new(token)));
                tracing::debug!(account = self.account, "a new access token");
                Ok(replaced)
            }
            Err(lacking) => {
                tracing::warn!(account = self.account, "no access token: {lacking}");
                Err(lacking)
            }
        }
    }

    async fn ask(&self) -> Result<Token, Lacking> {
        let cannot = |error: &ErrorStack| {
            Lacking::Refused(format!("the private key of the credentials cannot sign: {error}"))
        };
        let grant = self.grant.as_ref().map_err(cannot)?;
        let request = grant.request(&self.target, clock::wall()).map_err(|error| cannot(&error))?;
        let answered = self.fetch.send(&self.destination, request, self.patience).await;
        let server = self.destination.authority();
        let answer = answered.map_err(|why| {
            Lacking::Unreachable(format!("the token endpoint {server} gave no access token: {why}"))
        })?;
        judge(&answer, &server, grant)
    }
}

/// Fetches the first token, then the next ones for as long as the last one was used.
async fn keep(tokens: Arc<Tokens>, tell: watch::Sender<Option<Result<(), Lacking>>>) {
    let first = tokens.renew().await;
    let told = first.as_ref().map(|_| ()).map_err(Lacking::clone);
    tell.send_replace(Some(told));
    let Ok(mut next) = first else { return };
    // A configuration that is no longer in force must not be kept alive by its tokens.
    let idle = Arc::downgrade(&tokens);
    drop(tokens);
    loop {
        tokio::time::sleep_until(next.into()).await;
        let Some(tokens) = idle.upgrade() else { return };
        if !tokens.used.load(Ordering::Relaxed) {
            return;
        }
        next = match tokens.renew().await {
            Ok(next) => next,
            Err(_) => match tokens.retry_at(Instant::now()) {
                Some(at) => at,
                // The next request asks anew, and hears why.
                None => return,
            },
        };
    }
}

/// <https://www.rfc-editor.org/rfc/rfc6749#section-5.1>
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

/// <https://www.rfc-editor.org/rfc/rfc6749#section-5.2>
#[derive(Default, Deserialize)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

fn judge(answer: &Answered, server: &str, grant: &Grant) -> Result<Token, Lacking> {
    let status = answer.status;
    if status.is_success() {
        let granted = serde_json::from_slice::<Granted>(&answer.body).ok();
        return granted.as_ref().and_then(Token::new).ok_or_else(|| {
            Lacking::Unreachable(format!("the token endpoint {server} answered without a token"))
        });
    }
    let refusal: Refusal = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = [refusal.error, refusal.error_description];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let words = if words.is_empty() { status.to_string() } else { words.join(": ") };
    if status.is_client_error() && !matches!(status.as_u16(), 408 | 429) {
        let advice = grant.advice(&words);
        let message =
            format!("the token endpoint {server} refused the credentials: {words}; {advice}");
        // What no change of the config mends is asked for again.
        let lacking = if grant.is_final(&words) { Lacking::Refused } else { Lacking::Unreachable };
        return Err(lacking(message));
    }
    Err(Lacking::Unreachable(format!("the token endpoint {server} failed: {words}")))
}

impl Token {
    fn new(granted: &Granted) -> Option<Self> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", granted.access_token)).ok()?;
        bearer.set_sensitive(true);
        let lifetime = Duration::from_secs(granted.expires_in.unwrap_or(USUAL));
        let fetched = Instant::now();
        // Of a short life a part is kept free, too.
        let (ahead, margin) = (AHEAD.min(lifetime / 4), MARGIN.min(lifetime / 10));
        Some(Self {
            bearer,
            fetched,
            replaced: clock::add(fetched, lifetime.saturating_sub(ahead)),
            expires: clock::add(fetched, lifetime.saturating_sub(margin)),
        })
    }
}
