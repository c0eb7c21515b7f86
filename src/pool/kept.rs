//! The cooldowns that are worth keeping over a restart, and how they come back: pure.
//!
//! Kept are the times that providers named, and the limits that were backed off from by steps. A refused key is not: whoever
//! starts the gateway again may have mended it at the provider, and one request finds out.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Pool;
use super::account::Account;
use super::cooldown::{Cause, Rested};
use super::gate::Gate;
use crate::clock::{self, Now};
use crate::config;

/// One cooldown as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The account's name, for who reads the file.
    account: String,
    /// What the account was: a cooldown says nothing of another key, or of another server.
    identity: String,
    /// How much of it rests.
    rests: Rests,
    /// Why.
    cause: Cause,
    /// Until when, in milliseconds since 1970.
    until_ms: u64,
    /// Strikes in a row.
    strikes: usize,
}

/// How much of an account rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rests {
    Provider,
    Account,
    Model(String),
}

impl Pool {
    /// All cooldowns that outlast `now` and a restart.
    pub fn kept(&self, now: Now) -> Vec<Kept> {
        let mut kept: Vec<Kept> = Vec::new();
        for account in &self.accounts {
            let mut keep = |rests: Rests, gate: &Gate| {
                if gate.is_open() {
                    return;
                }
                kept.extend(
                    gate.rested(now.monotonic).map(|rested| account.keep(rests, rested, now)),
                );
            };
            keep(Rests::Provider, &account.provider);
            keep(Rests::Account, &account.gates.account);
            for (name, model) in account.gates.models.all() {
                keep(Rests::Model(name.as_ref().to_owned()), &model.gate);
            }
        }
        kept
    }

    /// Puts cooldowns of an earlier run back; those of accounts that are no more, or are others now, are left out.
    pub fn restore(&self, kept: &[Kept], now: Now) {
        for account in &self.accounts {
            let identity = identity(&account.config);
            for kept in kept.iter().filter(|kept| kept.identity == identity) {
                let Some(rested) = kept.rested(now) else { continue };
                match &kept.rests {
                    Rests::Provider => account.provider.restore(rested),
                    Rests::Account => account.gates.account.restore(rested),
                    Rests::Model(name) => account.gates.models.named(name).1.gate.restore(rested),
                }
            }
        }
    }
}

impl Account {
    fn keep(&self, rests: Rests, rested: Rested, now: Now) -> Kept {
        let until = now.after(rested.until.saturating_duration_since(now.monotonic));
        Kept {
            account: self.config.name.clone(),
            identity: identity(&self.config),
            rests,
            cause: rested.cause,
            until_ms: clock::milliseconds(until.since_epoch()),
            strikes: rested.strikes,
        }
    }
}

impl Kept {
    /// Whether both say the same; the two clocks drift a little against each other.
    pub fn is_like(&self, other: &Self) -> bool {
        const DRIFT_MS: u64 = 1_000;
        let moved = Self { until_ms: other.until_ms, ..self.clone() };
        moved == *other && self.until_ms.abs_diff(other.until_ms) < DRIFT_MS
    }

    /// What is left of it; nothing when its time is over.
    fn rested(&self, now: Now) -> Option<Rested> {
        let until = UNIX_EPOCH.checked_add(Duration::from_millis(self.until_ms))?;
        let left = until.duration_since(now.wall).ok()?;
        let until = clock::add(now.monotonic, left);
        Some(Rested { cause: self.cause, until, strikes: self.strikes })
    }
}

/// A number of all that makes an account this account; the key cannot be found out of it.
fn identity(config: &config::Account) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(config.provider.name().as_bytes());
    add(config.base_url.as_str().as_bytes());
    add(config.api_key.expose().as_bytes());
    if let Some(vertex) = &config.vertex {
        add(vertex.project.as_bytes());
        add(vertex.region.as_bytes());
        for part in vertex.credentials.identity() {
            add(part.as_bytes());
        }
    }
    for (name, value) in &config.headers {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}
