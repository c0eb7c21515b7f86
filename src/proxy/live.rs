//! Everything that requests share: the configuration as it stands, its accounts, and who is being served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rand::RngExt as _;
use tokio::sync::Notify;

use super::catalog::Catalog;
use super::destination::Ways;
use super::fetch::Fetch;
use super::token::Tokens;
use super::upstream::Upstream;
use crate::auth::Keys;
use crate::clock::Now;
use crate::config::{self, AuthMode, Config, Secret};
use crate::pattern::Table;
use crate::pool::Pool;
use crate::pool::account::AccountId;

/// One configuration at work.
pub struct Live {
    /// As the owner wrote it.
    pub config: Config,
    /// Who must show a key.
    pub auth: AuthMode,
    /// The keys that are right.
    pub keys: Keys,
    /// Other names of models.
    pub aliases: Table<String>,
    /// The accounts.
    pub pool: Pool,
    /// What the accounts' providers have.
    pub catalog: Catalog,
    /// The gateway as a client of its own.
    pub fetch: Arc<Fetch>,
    /// What a request carries in `x-levity-probe` that is the console's own: its answer says who gave it.
    pub probe: String,
    /// How each account is reached, in the pool's order.
    upstreams: Vec<Arc<Upstream>>,
    /// Their names, in the same order.
    names: Vec<Arc<str>>,
}

impl Live {
    /// Puts a configuration to work. `key` is the client key, configured or generated; what `previous` knew of accounts
    /// that stay is kept.
    pub fn new(
        config: Config,
        key: Option<&Secret>,
        certificates: Option<String>,
        previous: Option<&Self>,
    ) -> Self {
        let fetch = Arc::new(Fetch::new(certificates));
        let timeouts = config.proxy.timeouts;
        let upstreams = config.accounts.iter().zip(1..).map(|(account, group)| {
            let certificates = fetch.certificates();
            let ways = Ways { out: &account.way_out, connect: timeouts.connect, certificates };
            let kept = || previous?.tokens_of(account);
            let made = || {
                let vertex = account.vertex.as_ref()?;
                let (name, patience) = (account.name.as_str(), timeouts.first_byte);
                Some(Arc::new(Tokens::new(name, vertex, ways, patience, Arc::clone(&fetch))))
            };
            Arc::new(Upstream::new(account, ways, group, kept().or_else(made)))
        });
        let upstreams = upstreams.collect();
        Self {
            auth: config.proxy.effective_auth(),
            keys: Keys::new(key),
            aliases: Table::new(config.aliases.iter().cloned()),
            pool: Pool::new(
                &config.accounts,
                config.pool.scheduling,
                previous.map(|previous| &previous.pool),
            ),
            probe: format!("{:032x}", rand::rng().random::<u128>()),
            upstreams,
            names: config.accounts.iter().map(|account| account.name.as_str().into()).collect(),
            catalog: Catalog::new(config.accounts.len(), Arc::clone(&fetch)),
            fetch,
            config,
        }
    }

    /// How an account is reached.
    pub fn upstream(&self, account: AccountId) -> Option<&Arc<Upstream>> {
        self.upstreams.get(account.index())
    }

    /// The name of an account.
    pub fn name(&self, account: AccountId) -> &str {
        self.pool.account(account).map_or("?", |account| account.config.name.as_str())
    }

    /// The name of an account, to be kept.
    pub fn shared_name(&self, account: AccountId) -> Arc<str> {
        self.names.get(account.index()).map_or_else(|| "?".into(), Arc::clone)
    }

    /// Whether choices among accounts are kept to be explained.
    pub fn explains(&self) -> bool {
        self.config.monitor.enabled || tracing::enabled!(tracing::Level::DEBUG)
    }

    /// The tokens of an account of the same name, as long as they are asked for in the same way.
    fn tokens_of(&self, account: &config::Account) -> Option<Arc<Tokens>> {
        let same = |before: &config::Account| {
            before.name == account.name
                && before.vertex == account.vertex
                && before.way_out == account.way_out
        };
        let mut accounts = self.config.accounts.iter().zip(&self.upstreams);
        let (_, upstream) = accounts.find(|(before, _)| same(before))?;
        upstream.tokens().cloned()
    }

    /// The model's name after the aliases.
    pub fn resolve<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.find(model).map_or(model, String::as_str)
    }
}

/// How many requests of one port are open, so that a stop can wait for them, and cut them off in the end.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    open: AtomicUsize,
    held: AtomicUsize,
    idle: Notify,
    cut: AtomicBool,
}

/// One open request.
pub struct Open(Arc<State>);

/// More requests may come, though none is open.
pub struct Held(Arc<State>);

/// Whether a request's time is over.
pub struct Cut(Arc<State>);

impl InFlight {
    /// Counts one more request, until it is dropped.
    pub fn enter(&self) -> Open {
        self.state.open.fetch_add(1, Ordering::AcqRel);
        Open(Arc::clone(&self.state))
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.state.open.load(Ordering::Acquire)
    }

    /// Keeps `drained` waiting, until it is dropped.
    pub fn hold(&self) -> Held {
        self.state.held.fetch_add(1, Ordering::AcqRel);
        Held(Arc::clone(&self.state))
    }

    /// Whether none is open, and none will come.
    pub fn is_drained(&self) -> bool {
        self.count() == 0 && self.state.held.load(Ordering::Acquire) == 0
    }

    /// Ends those that are open, each in its client's dialect: they look up once a second.
    pub fn cut(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
    }

    /// Whether both count the same port's requests.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Resolves when none is open, and none will come.
    pub async fn drained(&self) {
        loop {
            let idle = self.state.idle.notified();
            if self.is_drained() {
                return;
            }
            idle.await;
        }
    }
}

impl Open {
    /// Whether the request is to end now.
    pub fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Relaxed)
    }

    /// Where the request sees that its time is over.
    pub fn cut(&self) -> Cut {
        Cut(Arc::clone(&self.0))
    }
}

impl Cut {
    /// Whether the request is to end now.
    pub fn is_due(&self) -> bool {
        self.0.cut.load(Ordering::Relaxed)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
        self.0.idle.notify_waiters();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// A new request id: `req_` and 20 letters and digits, nine of them for the millisecond and the rest by chance.
///
/// Ids of one time stand together where they are sorted: a store that is written in their order touches few pages.
pub fn request_id(now: Now) -> String {
    const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
    let chance: u64 = rand::rng().random();
    let (time, chance) = (now.since_epoch().as_millis(), u128::from(chance));
    let bits = time << 55 | chance >> 9;
    let mut id = String::with_capacity(24);
    id.push_str("req_");
    for place in (0..20).rev() {
        let letter = ALPHABET.get((bits >> (5 * place) & 31) as usize).copied().unwrap_or(b'a');
        id.push(char::from(letter));
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ids_are_short_and_differ() {
        let now = Now::read();
        let (first, second) = (request_id(now), request_id(now));
        assert_eq!(first.len(), 24);
        assert_ne!(first, second);
        let later = request_id(now.after(Duration::from_millis(1)));
        assert!(later > first && later > second, "{first} {second} {later}");
    }

    #[tokio::test]
    async fn drained_waits_for_the_last() {
        let in_flight = InFlight::default();
        in_flight.drained().await;
        let open = in_flight.enter();
        let waiting = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.drained().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(open);
        waiting.await.unwrap();
    }
}
