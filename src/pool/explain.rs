//! Why an account was chosen and the others were not: the same looks as a choice, kept to be told.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::account::AccountId;
use super::pick::{Rank, Readiness};
use super::unavailable::Why;
use crate::config::Dispatch;

/// An account that serves the model, and what spoke for or against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Considered {
    /// Which.
    pub account: AccountId,
    /// What of it.
    pub finding: Finding,
}

/// What spoke for or against an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It was the best choice.
    Chosen,
    /// It could have been asked; this put another one first.
    Behind(Behind),
    /// It could not be asked.
    Passed(Why),
    /// It does not serve this client's dialect, or not this operation.
    NotForClient,
}

/// What puts one account behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Another one keeps what the request goes on from.
    Kept,
    /// It is due for a test after a rest.
    Due,
    /// Too little is left of its provider's limits for this request.
    Short,
    /// It failed or refused a moment ago.
    Resting,
    /// Its `dispatch`.
    Dispatch,
    /// The request would have to be translated for it.
    Translated,
    /// It has not answered since it last failed.
    Unproven,
    /// `pool.scheduling`: it was another's turn.
    Turn,
}

/// A look at one seat.
pub(super) struct Looked {
    pub(super) account: AccountId,
    pub(super) found: Found,
}

/// What a look found.
pub(super) enum Found {
    Ready(Rank),
    Passed(Why),
    NotForClient,
}

/// Compares the looks: of those that are ready the preferred one was chosen, else the best.
pub(super) fn compare(looks: &[Looked], prefer: Option<AccountId>) -> Vec<Considered> {
    let ranks = || {
        looks.iter().filter_map(|look| match look.found {
            Found::Ready(rank) => Some((rank, look.account)),
            Found::Passed(_) | Found::NotForClient => None,
        })
    };
    let is_preferred = |(rank, account): &(Rank, AccountId)| {
        prefer == Some(*account) && rank.readiness <= Readiness::Due
    };
    let preferred = ranks().find(is_preferred);
    let best = preferred.or_else(|| ranks().min());
    let finding = |look: &Looked| match (&look.found, best) {
        (Found::Ready(_), Some((_, chosen))) if chosen == look.account => Finding::Chosen,
        (Found::Ready(_), _) if preferred.is_some() => Finding::Behind(Behind::Kept),
        (Found::Ready(rank), Some((best, _))) => Finding::Behind(behind(*rank, best)),
        (Found::Ready(_), None) => Finding::Behind(Behind::Turn),
        (Found::Passed(why), _) => Finding::Passed(*why),
        (Found::NotForClient, _) => Finding::NotForClient,
    };
    looks.iter().map(|look| Considered { account: look.account, finding: finding(look) }).collect()
}

/// The first reason that counts.
fn behind(rank: Rank, best: Rank) -> Behind {
    if rank.readiness > best.readiness {
        return match rank.readiness {
            Readiness::Open | Readiness::Due => Behind::Due,
            Readiness::Resting => Behind::Resting,
        };
    }
    if rank.tier > best.tier {
        return Behind::Dispatch;
    }
    if rank.headroom > best.headroom {
        return Behind::Short;
    }
    if rank.speech > best.speech {
        return Behind::Translated;
    }
    if rank.record > best.record {
        return Behind::Unproven;
    }
    if best.tier == Rank::tier(Dispatch::Fallback) { Behind::Dispatch } else { Behind::Turn }
}

impl Considered {
    /// Appends the finding in words, with the time that is left of a rest. It is said of every request: what is found most
    /// often costs least.
    pub fn say(&self, now: Instant, out: &mut String) {
        let left = |until: Instant| {
            let left = until.saturating_duration_since(now);
            humantime::format_duration(Duration::from_secs(left.as_secs() + 1))
        };
        // A text can always be written.
        let _ = match self.finding {
            Finding::Chosen => out.write_str("chosen"),
            Finding::Behind(behind) => out.write_str(behind.words()),
            Finding::Passed(why @ Why::Cooling { until: Some(until), .. }) => {
                write!(out, "not asked: {why}, {} left", left(until))
            }
            Finding::Passed(why @ Why::Cooling { until: None, .. }) => {
                write!(out, "not asked: {why}, until the owner changes it")
            }
            Finding::Passed(why @ (Why::Tried | Why::Busy | Why::Resting { .. })) => {
                write!(out, "not asked: {why}")
            }
            Finding::NotForClient => out.write_str("does not serve such requests of this client"),
        };
    }
}

impl Behind {
    const fn words(self) -> &'static str {
        match self {
            Self::Kept => "behind: another keeps what the request goes on from",
            Self::Due => "behind: has rested, and waits for its test",
            Self::Short => "behind: too little is left of its limit for this request",
            Self::Resting => "behind: failed a moment ago",
            Self::Dispatch => "behind: others come first by dispatch",
            Self::Translated => "behind: the request would have to be translated",
            Self::Unproven => "behind: has not answered since it last failed",
            Self::Turn => "behind: pool.scheduling chose another",
        }
    }
}
