//! Many requests at once over many broken accounts and one that works, on a simulated clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/pool.rs"]
mod support;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use levity::clock::Now;
use levity::config::Scheduling;
use levity::pool::Pool;
use levity::pool::account::AccountId;
use levity::pool::cooldown::Wait;
use levity::pool::lease::Lease;
use levity::pool::verdict::{Failure, Kind, Outcome, Scope, Verdict};
use support::{account, name, want, weighted};

const REQUESTS: usize = 10_000;
const AT_ONCE: usize = 64;

/// What each broken account does, and after how many milliseconds.
fn broken(place: usize, now: Now) -> Option<(u64, Verdict)> {
    let limited = |kind, wait| Verdict {
        outcome: Outcome::Limited { scope: Scope::Model, kind, wait },
        note: "",
    };
    let until = |seconds| Wait::Until(now.monotonic + Duration::from_secs(seconds));
    let only = |outcome| Verdict { outcome, note: "" };
    Some(match place {
        0 => (2, only(Outcome::Rejected)),
        1 => (3, limited(Kind::Rate, until(7))),
        2 => (80, limited(Kind::Quota, until(600))),
        3 => (4, limited(Kind::Rate, Wait::Unknown)),
        4 => (5, limited(Kind::Capacity, Wait::Unknown)),
        5 => (5, Verdict::failed(Failure::Server)),
        6 => (1, Verdict::failed(Failure::Connect)),
        7 => (10, Verdict::failed(Failure::Broken)),
        8 => (6, Verdict::failed(Failure::Garbled)),
        9 => (9, Verdict::failed(Failure::Empty)),
        10 => (2, only(Outcome::Missing)),
        11 => (5_000, Verdict::failed(Failure::Stalled)),
        _ => return None,
    })
}

/// One request: when its present attempt ends, and what it tried before.
struct Request {
    tried: Vec<AccountId>,
    lease: Lease,
    verdict: Verdict,
}

struct Storm {
    pool: Pool,
    start: Now,
    /// When an attempt ends, and whose it is.
    ends: BinaryHeap<Reverse<(u64, usize)>>,
    requests: Vec<Option<Request>>,
    begun: usize,
    served: usize,
    failed: usize,
}

impl Storm {
    fn begin(&mut self, slot: usize, at: u64) {
        if self.begun < REQUESTS {
            self.begun += 1;
            self.attempt(slot, Vec::new(), at);
        }
    }

    fn attempt(&mut self, slot: usize, mut tried: Vec<AccountId>, at: u64) {
        let now = self.start.after(Duration::from_millis(at));
        let Ok(lease) = self.pool.lease(&want("m"), &tried, now.monotonic) else {
            self.failed += 1;
            return self.begin(slot, at + 1);
        };
        tried.push(lease.account().id());
        let place = name(&lease).trim_start_matches('a').parse().unwrap();
        let (delay, _) = broken(place, now).unwrap_or((20, Verdict::SERVED));
        let end = self.start.after(Duration::from_millis(at + delay));
        let verdict = broken(place, end).map_or(Verdict::SERVED, |(_, verdict)| verdict);
        *self.requests.get_mut(slot).unwrap() = Some(Request { tried, lease, verdict });
        self.ends.push(Reverse((at + delay, slot)));
    }

    fn run(&mut self, most_attempts: usize) {
        for slot in 0..AT_ONCE {
            self.begin(slot, 0);
        }
        while let Some(Reverse((at, slot))) = self.ends.pop() {
            let request = self.requests.get_mut(slot).and_then(Option::take).unwrap();
            let Request { tried, lease, verdict } = request;
            lease.settle(verdict, self.start.after(Duration::from_millis(at)).monotonic);
            if !verdict.moves_on() {
                self.served += 1;
                self.begin(slot, at);
            } else if tried.len() < most_attempts {
                self.attempt(slot, tried, at);
            } else {
                self.failed += 1;
                self.begin(slot, at);
            }
        }
    }
}

fn storm(most_attempts: usize) -> Storm {
    let mut accounts: Vec<_> = (0..12).map(|place| weighted(&format!("a{place}"), 1)).collect();
    accounts.push(account("a12"));
    let mut storm = Storm {
        pool: Pool::new(&accounts, Scheduling::CacheFirst, None),
        start: Now::read(),
        ends: BinaryHeap::new(),
        requests: (0..AT_ONCE).map(|_| None).collect(),
        begun: 0,
        served: 0,
        failed: 0,
    };
    storm.run(most_attempts);
    assert!(storm.pool.accounts().all(|account| account.in_flight() == 0));
    storm
}

#[test]
fn nothing_fails_while_one_account_works() {
    let storm = storm(13);
    assert_eq!((storm.served, storm.failed), (REQUESTS, 0));
}

#[test]
fn three_attempts_are_enough_once_the_accounts_are_known() {
    let storm = storm(3);
    println!("{} of {REQUESTS} failed", storm.failed);
    assert!(storm.failed <= AT_ONCE, "{} failed", storm.failed);
}
