//! How many requests may ask a second account, and what became of those that did: a share of all, spent as it is earned.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::Share;

/// What a second account costs, in the unit of `Share`.
const ONE: u64 = 10_000;
/// What can be saved up: after a quiet day no more than this many are asked at once.
const SAVED: u64 = 10 * ONE;

/// The second accounts of a whole gateway. A reload keeps it.
#[derive(Debug, Default)]
pub struct Hedges {
    credit: AtomicU64,
    requests: AtomicU64,
    won: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
}

/// What became of a second account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It answered the client.
    Won,
    /// The first one did, or the client left.
    Lost,
    /// It did not answer.
    Failed,
}

/// What was counted since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests that could have asked a second account.
    pub requests: u64,
    /// Second accounts that answered the client,
    pub won: u64,
    /// that were not needed,
    pub lost: u64,
    /// and that failed.
    pub failed: u64,
}

impl Hedges {
    /// Counts a request, which earns the others a `share` of a second account.
    pub fn earn(&self, share: Share) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let more = |credit: u64| Some((credit + u64::from(share.0)).min(SAVED));
        let _ = self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether one more second account may be asked: then it is paid for.
    pub fn spend(&self) -> bool {
        let less = |credit: u64| credit.checked_sub(ONE);
        self.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// No account could be asked after all.
    pub fn refund(&self) {
        self.credit.fetch_add(ONE, Ordering::Relaxed);
    }

    /// Counts what became of one.
    pub fn end(&self, end: End) {
        let counter = match end {
            End::Won => &self.won,
            End::Lost => &self.lost,
            End::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// All that was counted.
    pub fn counted(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Self { requests, won, lost, failed, .. } = self;
        Counted { requests: read(requests), won: read(won), lost: read(lost), failed: read(failed) }
    }
}

impl Counted {
    /// Second accounts that are no longer asked.
    pub const fn hedged(&self) -> u64 {
        self.won + self.lost + self.failed
    }

    /// The share of requests that asked a second account, in percent.
    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    pub fn share(&self) -> f64 {
        self.hedged() as f64 * 100.0 / self.requests.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE_PERCENT: Share = Share(500);

    fn spent(hedges: &Hedges, tries: usize) -> usize {
        (0..tries).filter(|_| hedges.spend()).count()
    }

    #[test]
    fn the_first_one_is_earned() {
        let hedges = Hedges::default();
        for _ in 0..19 {
            hedges.earn(FIVE_PERCENT);
            assert!(!hedges.spend());
        }
        hedges.earn(FIVE_PERCENT);
        assert_eq!(spent(&hedges, 2), 1);
    }

    #[test]
    fn what_was_saved_is_spent_at_once_and_no_more() {
        let hedges = Hedges::default();
        (0..100_000).for_each(|_| hedges.earn(FIVE_PERCENT));
        assert_eq!(spent(&hedges, 100), 10);
        hedges.refund();
        assert_eq!(spent(&hedges, 100), 1);
    }

    #[test]
    fn all_may_be_where_the_owner_says_so() {
        let hedges = Hedges::default();
        for _ in 0..100 {
            hedges.earn(Share(10_000));
            assert!(hedges.spend());
        }
    }

    proptest! {
        /// Whatever the order of requests and wishes, the share is kept at every moment.
        #[test]
        fn the_share_is_never_passed(
            share in 10_u32..=10_000,
            wishes in proptest::collection::vec(0_usize..4, 1..400),
        ) {
            let hedges = Hedges::default();
            let mut total = 0;
            for (requests, wishes) in (1_u64..).zip(wishes) {
                hedges.earn(Share(share));
                total += spent(&hedges, wishes) as u64;
                prop_assert!(total * ONE <= requests * u64::from(share));
            }
        }
    }
}
