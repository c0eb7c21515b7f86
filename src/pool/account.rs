//! One upstream account: what it serves, and how it fares.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use super::cooldown::Standing;
use super::gate::Gate;
use super::limits::Limit;
use super::model::Models;
use super::queue::Queue;
use super::{Reach, Want};
use crate::config::{self, Dispatch};
use crate::dialects::Dialect;
use crate::dialects::count::Counter;
use crate::embeddings::Api;
use crate::pattern::{Pattern, Table};

/// An account's place in the pool that gave it out: the file's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub(super) u32);

impl AccountId {
    /// Its place as an index: the accounts of the configuration are numbered from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An account as configured, with its live state.
#[derive(Debug)]
pub struct Account {
    /// As the owner wrote it.
    pub config: config::Account,
    pub(super) id: AccountId,
    models: Vec<Pattern>,
    model_map: Table<Arc<str>>,
    pub(super) live: Arc<Live>,
    pub(super) gates: Arc<Gates>,
    /// Shared by all accounts at the same provider and base URL.
    pub(super) provider: Arc<Gate>,
    /// Who waits for a place at any account.
    queue: Arc<Queue>,
}

/// How an account serves one model to one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// What to speak to the account: the client's own dialect where it can.
    pub dialect: Dialect,
    /// The model's name there.
    pub model: Cow<'a, str>,
}

impl Account {
    /// An account with the state that belongs to it: fresh, or carried over a reload.
    pub(super) fn new(
        config: config::Account,
        id: AccountId,
        (provider, queue): (Arc<Gate>, &Arc<Queue>),
        previous: Option<&Self>,
    ) -> Self {
        let models = config.models.iter().map(|text| Pattern::new(text)).collect();
        let entries =
            config.model_map.iter().map(|(name, target)| (name, Arc::from(target.as_str())));
        let model_map = Table::new(entries);
        let live = previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.live));
        // What was said of another key, or by another server, says nothing of this one.
        let gates = match previous {
            Some(previous) if same_account(&previous.config, &config) => {
                Arc::clone(&previous.gates)
            }
            Some(_) | None => Arc::default(),
        };
        Self { config, id, models, model_map, live, gates, provider, queue: Arc::clone(queue) }
    }

    /// Gives a slot back, and calls whoever waits for one.
    pub(super) fn give_slot(&self) {
        self.live.give_slot();
        if self.config.max_concurrency > 0 {
            self.queue.call();
        }
    }

    /// Its place in the pool.
    pub const fn id(&self) -> AccountId {
        self.id
    }

    /// How it serves a want; `None` when it does not. An account that is off serves nothing.
    pub fn serves<'a>(&'a self, want: &Want<'a>) -> Option<Service<'a>> {
        let model = self.upstream_model(want.model)?;
        let dialect = self.dialect_for(want.client, want.reach, &model)?;
        Some(Service { dialect, model })
    }

    /// The dialect to speak to it for a client about a model of its own; `None` when it does not serve such clients.
    pub fn dialect_for(&self, client: Dialect, reach: Reach, model: &str) -> Option<Dialect> {
        let Self { config, .. } = self;
        if !config.clients.contains(&client) {
            return None;
        }
        let spoken = config.dialects_for(model);
        if spoken.contains(&client) {
            return Some(client);
        }
        let mut dialects = spoken.iter().copied();
        match reach {
            Reach::OwnDialect => None,
            Reach::Translated => dialects.next(),
            Reach::Counted => dialects.find(|dialect| Counter::of(*dialect).is_some()),
            Reach::Embedded => dialects.find(|dialect| Api::of(*dialect).is_some()),
        }
    }

    /// The name there of a model that it serves: as mapped, else as asked.
    pub fn upstream_model<'a>(&'a self, model: &'a str) -> Option<Cow<'a, str>> {
        if !self.config.enabled || self.config.dispatch == Dispatch::Off {
            return None;
        }
        if let Some(mapped) = self.model_map.find(model) {
            return Some(Cow::Borrowed(mapped));
        }
        self.models.iter().any(|pattern| pattern.matches(model)).then_some(Cow::Borrowed(model))
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.live.in_flight.load(Ordering::Relaxed)
    }

    /// What became of its requests so far.
    pub fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Live { leased, served, refused, limited, failed, .. } = &*self.live;
        Tally {
            leased: read(leased),
            served: read(served),
            refused: read(refused),
            limited: read(limited),
            failed: read(failed),
        }
    }

    /// Adds to what its answers have cost.
    pub fn spend(&self, tokens: Tokens) {
        let Live { input, output, cached, .. } = &*self.live;
        for (counter, more) in
            [(input, tokens.input), (output, tokens.output), (cached, tokens.cached)]
        {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// What its answers have cost since the process began.
    pub fn spent(&self) -> Tokens {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Live { input, output, cached, .. } = &*self.live;
        Tokens { input: read(input), output: read(output), cached: read(cached) }
    }

    /// Forgets all that bars the account, its models and its provider: the owner knows better.
    pub fn reset(&self) {
        self.provider.reset();
        self.gates.account.reset();
        for (_, model) in self.gates.models.all() {
            model.gate.reset();
        }
    }

    /// What stands in the way of asking the account at all: itself, else its provider.
    pub fn standing(&self, now: Instant) -> Standing {
        match self.gates.account.standing(now) {
            Standing::Open => self.provider.standing(now),
            standing @ (Standing::Due | Standing::Resting { .. } | Standing::Barred { .. }) => {
                standing
            }
        }
    }

    /// The models that are not open at this account.
    pub fn resting_models(&self, now: Instant) -> Vec<(Arc<str>, Standing)> {
        let models = self.gates.models.all().into_iter();
        let standings = models.map(|(name, model)| (name, model.gate.standing(now)));
        standings.filter(|(_, standing)| *standing != Standing::Open).collect()
    }

    /// What its provider last said of the limits of each model, with what is left of them now.
    pub fn limits(&self, now: Instant) -> Vec<(Arc<str>, Vec<Limit>)> {
        let models = self.gates.models.all().into_iter();
        let limits = models.map(|(name, model)| (name, model.limits.all(now)));
        limits.filter(|(_, limits)| !limits.is_empty()).collect()
    }
}

/// Whether what is known of the one holds for the other.
fn same_account(before: &config::Account, after: &config::Account) -> bool {
    before.provider == after.provider
        && before.base_url == after.base_url
        && before.api_key == after.api_key
        && before.headers == after.headers
        && before.vertex == after.vertex
}

/// What became of an account's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Attempts begun.
    pub leased: u64,
    /// Answered.
    pub served: u64,
    /// Refused for the request's own fault, or for what the account does not have.
    pub refused: u64,
    /// Refused for a limit or the key.
    pub limited: u64,
    /// Failed.
    pub failed: u64,
}

/// What answers have cost, in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of prompts, cached or not.
    pub input: u64,
    /// Of answers, thoughts included.
    pub output: u64,
    /// Those of the prompts that were read from a cache.
    pub cached: u64,
}

/// Counters that outlive a reload.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) in_flight: AtomicU32,
    /// Whether it has answered since it last failed.
    pub(super) proven: AtomicBool,
    pub(super) leased: AtomicU64,
    pub(super) served: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) limited: AtomicU64,
    pub(super) failed: AtomicU64,
    input: AtomicU64,
    output: AtomicU64,
    cached: AtomicU64,
}

impl Live {
    /// Takes a slot; `most` 0 means no limit.
    pub(super) fn take_slot(&self, most: u32) -> bool {
        let taken = self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |current| {
            (most == 0 || current < most).then(|| current.saturating_add(1))
        });
        taken.is_ok()
    }

    /// Gives it back.
    pub(super) fn give_slot(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What bars an account, and what is known of its models.
#[derive(Debug, Default)]
pub(super) struct Gates {
    pub(super) account: Gate,
    pub(super) models: Models,
}
