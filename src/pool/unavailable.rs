//! Why no account can be asked, and when one can be again.

use std::fmt;
use std::time::{Duration, Instant};

use super::account::AccountId;
use super::cooldown::{Cause, Standing};
use crate::clock;

/// Why there is no lease.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No account serves the model: a mistake in its name, or in the configuration.
    #[error("no account serves the model")]
    NoSuchModel,
    /// Accounts serve the model, but none serves this client's dialect.
    #[error("no account serves the model to clients of this dialect")]
    NotForClient,
    /// Accounts serve it, and none can be asked now.
    #[error("no account can answer now")]
    Exhausted(Exhausted),
}

/// All accounts that serve a request are out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// The soonest moment that any of them can be asked again; `None` when no time helps.
    pub retry_at: Option<Instant>,
    /// Each of them and why, in file order.
    pub passed: Vec<Passed>,
}

/// An account that was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Which.
    pub account: AccountId,
    /// Why.
    pub why: Why,
}

/// Why an account was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It had its chance with this request.
    Tried,
    /// Its `max_concurrency` is reached, or another request is testing it.
    Busy,
    /// It is avoided for a moment, and was tried all the same.
    Resting {
        /// Why.
        cause: Cause,
        /// For how long.
        until: Instant,
    },
    /// It may not be asked.
    Cooling {
        /// Why.
        cause: Cause,
        /// For how long; `None`: until the owner changes something.
        until: Option<Instant>,
    },
}

/// When a slot will be free is not known; clients may ask again after this.
const BUSY: Duration = Duration::from_secs(1);

impl Exhausted {
    pub(super) fn new(passed: Vec<Passed>, now: Instant) -> Self {
        let again = passed.iter().filter_map(|passed| match passed.why {
            Why::Tried | Why::Cooling { until: None, .. } => None,
            Why::Busy => Some(clock::add(now, BUSY)),
            // The next request may ask it, rested or not: agents wait as long as they are told, and for nothing.
            Why::Resting { until, .. } => Some(until.min(clock::add(now, BUSY))),
            Why::Cooling { until: Some(until), .. } => Some(until),
        });
        Self { retry_at: again.min(), passed }
    }

    /// Whether any of them only has no place left.
    pub fn is_busy(&self) -> bool {
        self.passed.iter().any(|passed| passed.why == Why::Busy)
    }

    /// Whether the callers' own demand is the reason, which is a 429; else it is a 503.
    pub fn is_limit(&self) -> bool {
        self.passed.iter().any(|passed| match passed.why {
            Why::Busy => true,
            Why::Tried => false,
            Why::Resting { cause, .. } | Why::Cooling { cause, .. } => {
                matches!(cause, Cause::Rate | Cause::Quota)
            }
        })
    }

    /// Whole seconds from now to `retry_at`, rounded up: what `retry-after` says.
    pub fn retry_after(&self, now: Instant) -> Option<u64> {
        let wait = self.retry_at?.saturating_duration_since(now);
        Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
    }
}

impl Why {
    /// What a gate's standing says; a gate that lets through is no reason.
    pub(super) const fn of(standing: Standing) -> Option<Self> {
        match standing {
            Standing::Open | Standing::Due => None,
            Standing::Resting { cause, until } => Some(Self::Resting { cause, until }),
            Standing::Barred { cause, until } => Some(Self::Cooling { cause, until }),
        }
    }

    /// When it ends, to compare: a reason without an end is the greatest, and what bars ends later
    /// than advice.
    pub(super) const fn end(self) -> (u8, Option<Instant>) {
        match self {
            Self::Tried | Self::Busy => (0, None),
            Self::Resting { until, .. } => (1, Some(until)),
            Self::Cooling { until: Some(until), .. } => (2, Some(until)),
            Self::Cooling { until: None, .. } => (3, None),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tried => f.write_str("tried"),
            Self::Busy => f.write_str("busy"),
            Self::Resting { cause, .. } | Self::Cooling { cause, .. } => f.write_str(cause.words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soonest_account_decides_and_seconds_are_rounded_up() {
        let now = Instant::now();
        let cooling = |cause, milliseconds| Passed {
            account: AccountId(0),
            why: Why::Cooling { cause, until: Some(now + Duration::from_millis(milliseconds)) },
        };
        let exhausted = Exhausted::new(
            vec![
                cooling(Cause::Quota, 90_000),
                cooling(Cause::Failure, 1_001),
                Passed {
                    account: AccountId(0),
                    why: Why::Cooling { cause: Cause::Rejected, until: None },
                },
            ],
            now,
        );
        assert_eq!(exhausted.retry_after(now), Some(2));
        assert!(exhausted.is_limit());
    }

    #[test]
    fn no_time_helps_against_a_refused_key() {
        let now = Instant::now();
        let why = Why::Cooling { cause: Cause::Rejected, until: None };
        let exhausted = Exhausted::new(vec![Passed { account: AccountId(0), why }], now);
        assert_eq!(exhausted.retry_after(now), None);
        assert!(!exhausted.is_limit());
    }
}
