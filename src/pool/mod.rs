//! The only way to an account: `Pool::lease` says which one, and the verdict on its answer keeps it
//! so.
//!
//! ```text
//! Want ─▶ Lineup (who serves the model) ─▶ pick (a pure choice) ─▶ Lease ─▶ Verdict ─▶ gates
//! ```
//!
//! A time that a provider names is a fact: until then the account is not asked. A guess of ours is
//! advice: the account is asked when there is no other, for a refusal that we made up helps nobody.

pub mod account;
pub mod cooldown;
pub mod explain;
mod fault;
mod gate;
pub mod hedge;
pub mod kept;
mod latency;
pub mod lease;
pub mod limits;
mod lineup;
mod model;
pub mod pick;
pub mod queue;
pub mod spread;
pub mod unavailable;
pub mod verdict;
mod wait;
mod words;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use url::Url;

use self::account::{Account, AccountId};
use self::explain::Considered;
use self::gate::Gate;
use self::hedge::Hedges;
use self::lease::Lease;
use self::lineup::Lineup;
use self::queue::Queue;
use self::spread::Form;
use self::unavailable::Unavailable;
use crate::config::outbound::OutboundProxy;
use crate::config::{self, Dispatch, Provider, Scheduling};
use crate::dialects::Dialect;

/// All accounts, and which of them answers.
#[derive(Debug)]
pub struct Pool {
    accounts: Vec<Arc<Account>>,
    scheduling: Scheduling,
    providers: HashMap<Way, Arc<Gate>>,
    queue: Arc<Queue>,
    hedges: Arc<Hedges>,
    /// Who serves which model, remembered from the first request for it on.
    lineups: ArcSwap<HashMap<Arc<str>, Arc<Lineup>>>,
}

/// A provider, where it is, and the proxy on the way to it.
type Way = (Provider, Url, Option<Arc<OutboundProxy>>);

/// Model names come from clients: a pattern `*` must not make them a leak.
const LINEUPS_KEPT: usize = 1024;

/// What a request asks of the pool.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// The model, aliases resolved.
    pub model: &'a str,
    /// What the client speaks.
    pub client: Dialect,
    /// How far the request may go.
    pub reach: Reach,
    /// The account that had better answer, where it can: it holds what the request goes on from.
    pub prefer: Option<AccountId>,
    /// About how many tokens it holds: an account that has fewer left of its limit is passed over.
    pub tokens: u64,
    /// A number of the conversation that it belongs to: with `cache_first` all its turns go to one account.
    pub conversation: Option<u64>,
}

/// Whether a request may be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Only accounts that speak the client's dialect: what is passed on as it came.
    OwnDialect,
    /// Any account; those that speak the client's dialect come first.
    Translated,
    /// Accounts that count tokens, in whatever dialect; those that speak the client's come first.
    Counted,
    /// Accounts that have embeddings, in whatever dialect; those that have the client's own API for them come first.
    Embedded,
}

impl Pool {
    /// A pool of these accounts. Over a reload accounts are known by name: they keep their
    /// counters, and as long as key and server are the same their cooldowns too.
    pub fn new(
        accounts: &[config::Account],
        scheduling: Scheduling,
        previous: Option<&Self>,
    ) -> Self {
        let known =
            |name: &str| previous?.accounts.iter().find(|account| account.config.name == name);
        let mut providers: HashMap<Way, Arc<Gate>> = HashMap::new();
        let queue = previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.queue));
        let hedges = previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.hedges));
        let accounts = accounts.iter().zip(0..).map(|(config, place)| {
            // What stands between us and a provider may fail for those alone that go through it.
            let proxy = config.way_out.proxy_for(&config.base_url).cloned();
            let key = (config.provider, config.base_url.clone(), proxy);
            let kept = || previous.and_then(|previous| previous.providers.get(&key)).cloned();
            let gate = kept().unwrap_or_default();
            let gate = Arc::clone(providers.entry(key).or_insert(gate));
            let before = known(&config.name).map(Arc::as_ref);
            Arc::new(Account::new(config.clone(), AccountId(place), (gate, &queue), before))
        });
        let accounts = accounts.collect();
        Self { accounts, scheduling, providers, queue, hedges, lineups: ArcSwap::default() }
    }

    /// Leases the best account that can be asked now, but none that this request has `tried`.
    pub fn lease(
        &self,
        want: &Want<'_>,
        tried: &[AccountId],
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        let lease = |lineup: &Lineup| lineup.lease(want, tried, self.scheduling, now);
        self.in_lineup(want.model, lease).unwrap_or(Err(Unavailable::NoSuchModel))
    }

    /// The same, and why: what it found of each account that serves the model. Nothing where there is only one.
    pub fn lease_and_explain(
        &self,
        want: &Want<'_>,
        tried: &[AccountId],
        now: Instant,
    ) -> (Result<Lease, Unavailable>, Vec<Considered>) {
        let lease = |lineup: &Lineup| {
            let considered = lineup.explain(want, tried, self.scheduling, now);
            (lineup.lease(want, tried, self.scheduling, now), considered)
        };
        let nobody = || (Err(Unavailable::NoSuchModel), Vec::new());
        self.in_lineup(want.model, lease).unwrap_or_else(nobody)
    }

    /// Why a lease would find what it finds now, without one.
    pub fn explain(&self, want: &Want<'_>, tried: &[AccountId], now: Instant) -> Vec<Considered> {
        let explain = |lineup: &Lineup| lineup.explain(want, tried, self.scheduling, now);
        self.in_lineup(want.model, explain).unwrap_or_default()
    }

    /// Leases a second account to be asked beside one of this dispatch: the one that a lease would give next, where it is
    /// of the same standing. Nobody waits for one, and nobody who waits is passed by.
    pub fn lease_beside(
        &self,
        dispatch: Dispatch,
        want: &Want<'_>,
        tried: &[AccountId],
        now: Instant,
    ) -> Option<Lease> {
        if self.queue.has_line((want.model, want.client, want.reach)) {
            return None;
        }
        self.lineup(want.model)?.lease_beside(dispatch, (want, self.scheduling), tried, now)
    }

    /// The time within which so many of a hundred answers of this form begin: at the account, or where that is not known
    /// with this model at all. `None` where too few were noted.
    pub fn usual(
        &self,
        (lease, model): (&Lease, &str),
        form: Form,
        percentile: u8,
        now: Instant,
    ) -> Option<Duration> {
        let anywhere = || self.lineup(model)?.usual(form, percentile, now);
        lease.usual(form, percentile, now).or_else(anywhere)
    }

    /// The second accounts that were asked.
    pub const fn hedges(&self) -> &Arc<Hedges> {
        &self.hedges
    }

    /// How many requests ask, and who waits.
    pub const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// Whether it matters which conversation a request for this model belongs to.
    pub fn keeps_conversations(&self, model: &str) -> bool {
        self.scheduling == Scheduling::CacheFirst
            && self.lineups.load().get(model).is_none_or(|lineup| lineup.has_choice())
    }

    /// The accounts in file order, those that are off too.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Account> {
        self.accounts.iter().map(Arc::as_ref)
    }

    /// The account of a name.
    pub fn named(&self, name: &str) -> Option<&Account> {
        self.accounts().find(|account| account.config.name == name)
    }

    /// The account of an id that this pool gave out.
    pub fn account(&self, AccountId(place): AccountId) -> Option<&Account> {
        self.accounts.get(usize::try_from(place).ok()?).map(Arc::as_ref)
    }

    /// Asks those who serve a model; `None` where nobody does.
    fn in_lineup<T>(&self, model: &str, ask: impl FnOnce(&Lineup) -> T) -> Option<T> {
        if let Some(lineup) = self.lineups.load().get(model) {
            return Some(ask(lineup));
        }
        self.lineup(model).map(|lineup| ask(&lineup))
    }

    /// Who serves a model, remembered from now on; `None` where nobody does.
    fn lineup(&self, model: &str) -> Option<Arc<Lineup>> {
        if let Some(lineup) = self.lineups.load().get(model) {
            return Some(Arc::clone(lineup));
        }
        let lineup = Lineup::new(&self.accounts, model).map(Arc::new)?;
        self.lineups.rcu(|known| {
            // A full memory is emptied: what is in use comes back with its next request.
            let full = known.len() >= LINEUPS_KEPT;
            let mut next = if full { HashMap::new() } else { HashMap::clone(known) };
            next.entry(model.into()).or_insert_with(|| Arc::clone(&lineup));
            next
        });
        Some(lineup)
    }
}
