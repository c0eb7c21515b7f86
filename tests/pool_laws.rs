//! What holds of the pool over any sequence of requests, answers and waits.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/pool.rs"]
mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use levity::clock::Now;
use levity::config::{self, Dispatch, Scheduling};
use levity::pool::Pool;
use levity::pool::account::{Account, AccountId};
use levity::pool::cooldown::{Standing, Wait};
use levity::pool::lease::Lease;
use levity::pool::unavailable::Unavailable;
use levity::pool::verdict::{Failure, Kind, Outcome, Scope, Verdict};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use support::{account, name, want, weighted};

const MODELS: [&str; 3] = ["x", "y", "z"];

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Lease { model: &'static str, tried: usize },
    Beside { lease: usize, model: &'static str },
    Answer { lease: usize },
    Settle { lease: usize, outcome: Outcome, seconds: u64 },
    Drop { lease: usize },
    Pass { milliseconds: u64 },
    Reload,
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let scope = prop_oneof![Just(Scope::Model), Just(Scope::Account), Just(Scope::Provider)];
    let kind = prop_oneof![Just(Kind::Rate), Just(Kind::Quota), Just(Kind::Capacity)];
    let failure =
        prop_oneof![Just(Failure::Connect), Just(Failure::Stalled), Just(Failure::Server)];
    let limited = |(scope, kind)| Outcome::Limited { scope, kind, wait: Wait::Unknown };
    let failed = |(scope, failure)| Outcome::Failed { scope, failure };
    prop_oneof![
        4 => Just(Outcome::Served),
        1 => Just(Outcome::ClientFault),
        1 => Just(Outcome::Unfit),
        1 => Just(Outcome::Missing),
        6 => (scope.clone(), kind).prop_map(limited),
        2 => (scope, failure).prop_map(failed),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let model = prop::sample::select(&MODELS[..]);
    let lease = 0_usize..8;
    let settled = (lease.clone(), outcomes(), 0_u64..100);
    let step = prop_oneof![
        6 => (model.clone(), 0_usize..3).prop_map(|(model, tried)| Step::Lease { model, tried }),
        2 => (lease.clone(), model).prop_map(|(lease, model)| Step::Beside { lease, model }),
        1 => lease.clone().prop_map(|lease| Step::Answer { lease }),
        4 => settled.prop_map(|(lease, outcome, seconds)| Step::Settle { lease, outcome, seconds }),
        1 => lease.prop_map(|lease| Step::Drop { lease }),
        3 => (0_u64..20_000).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => Just(Step::Reload),
    ];
    prop::collection::vec(step, 1..120)
}

/// What providers named so far: until when whom not to ask.
#[derive(Default)]
struct Named(HashMap<(String, Option<String>), Instant>);

impl Named {
    fn add(&mut self, lease: &Lease, scope: Scope, until: Instant) {
        let key = match scope {
            Scope::Model => (name(lease).to_owned(), Some(lease.model().to_string())),
            Scope::Account => (name(lease).to_owned(), None),
            Scope::Provider => (lease.account().config.base_url.to_string(), None),
        };
        let known = self.0.entry(key).or_insert(until);
        *known = until.max(*known);
    }

    fn bars(&self, lease: &Lease, now: Instant) -> bool {
        let owner = name(lease).to_owned();
        let url = lease.account().config.base_url.to_string();
        let keys = [(owner.clone(), Some(lease.model().to_string())), (owner, None), (url, None)];
        keys.iter().any(|key| self.0.get(key).is_some_and(|until| *until > now))
    }
}

fn accounts() -> Vec<config::Account> {
    let twin = config::Account { name: "twin".to_owned(), ..account("a") };
    let narrow = config::Account { max_concurrency: 2, ..weighted("narrow", 3) };
    let spare = config::Account { dispatch: Dispatch::Fallback, ..account("spare") };
    let other = config::Account { dispatch: Dispatch::Fallback, ..account("other") };
    vec![account("a"), twin, narrow, weighted("b", 2), spare, other]
}

struct History {
    pool: Pool,
    now: Now,
    leases: Vec<Lease>,
    named: Named,
}

impl History {
    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Lease { model, tried } => return self.lease(model, tried),
            Step::Beside { lease, model } => return self.beside(lease, model),
            Step::Answer { lease } => {
                if let Some(lease) = self.leases.get_mut(lease) {
                    lease.answered();
                }
            }
            Step::Settle { lease, outcome, seconds } if lease < self.leases.len() => {
                let lease = self.leases.swap_remove(lease);
                let outcome = self.name_time(&lease, outcome, seconds);
                lease.settle(Verdict { outcome, note: "" }, self.now.monotonic);
            }
            Step::Drop { lease } if lease < self.leases.len() => {
                drop(self.leases.swap_remove(lease));
            }
            Step::Settle { .. } | Step::Drop { .. } => {}
            Step::Pass { milliseconds } => {
                self.now = self.now.after(Duration::from_millis(milliseconds));
            }
            Step::Reload => {
                self.pool = Pool::new(&accounts(), Scheduling::Balance, Some(&self.pool));
            }
        }
        Ok(())
    }

    /// Every other limit comes with a time.
    fn name_time(&mut self, lease: &Lease, outcome: Outcome, seconds: u64) -> Outcome {
        let Outcome::Limited { scope, kind, .. } = outcome else { return outcome };
        if seconds.is_multiple_of(2) {
            return outcome;
        }
        let until = self.now.monotonic + Duration::from_secs(seconds);
        self.named.add(lease, scope, until);
        Outcome::Limited { scope, kind, wait: Wait::Until(until) }
    }

    fn lease(&mut self, model: &str, tried: usize) -> Result<(), TestCaseError> {
        let first: Vec<AccountId> = self.pool.accounts().take(tried).map(Account::id).collect();
        match self.pool.lease(&want(model), &first, self.now.monotonic) {
            Ok(lease) => {
                prop_assert!(
                    !self.named.bars(&lease, self.now.monotonic),
                    "{} is cooling",
                    name(&lease)
                );
                prop_assert!(!first.contains(&lease.account().id()));
                self.leases.push(lease);
            }
            Err(Unavailable::Exhausted(out)) => {
                prop_assert!(
                    out.retry_at.is_none_or(|at| at > self.now.monotonic),
                    "a wait that is over"
                );
                prop_assert_eq!(out.passed.len(), self.pool.accounts().len());
            }
            Err(other) => prop_assert!(false, "{other:?}"),
        }
        self.count()
    }

    /// A second account is another one of the same dispatch, and nothing speaks against it.
    fn beside(&mut self, lease: usize, model: &str) -> Result<(), TestCaseError> {
        let Some(first) = self.leases.get(lease) else { return Ok(()) };
        let (dispatch, asked) = (first.account().config.dispatch, [first.account().id()]);
        let now = self.now.monotonic;
        if let Some(second) = self.pool.lease_beside(dispatch, &want(model), &asked, now) {
            prop_assert!(!self.named.bars(&second, now), "{} is cooling", name(&second));
            prop_assert_ne!(second.account().id(), asked[0]);
            prop_assert_eq!(second.account().config.dispatch, dispatch);
            prop_assert_eq!(second.account().standing(now), Standing::Open);
            self.leases.push(second);
        }
        self.count()
    }

    fn count(&self) -> Result<(), TestCaseError> {
        let held = u32::try_from(self.leases.len()).unwrap();
        prop_assert_eq!(self.pool.accounts().map(Account::in_flight).sum::<u32>(), held);
        for account in self.pool.accounts().filter(|account| account.config.max_concurrency > 0) {
            prop_assert!(account.in_flight() <= account.config.max_concurrency);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_cooling_account_is_leased_and_every_slot_comes_back(steps in steps()) {
        history(steps)?;
    }

    #[test]
    fn weights_are_honoured_at_any_moment(
        weights in prop::collection::vec(1_u32..20, 1..12),
        rounds in 1_u32..5,
    ) {
        share(&weights, rounds)?;
    }
}

fn history(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let pool = Pool::new(&accounts(), Scheduling::Balance, None);
    let (leases, named) = (Vec::new(), Named::default());
    let mut history = History { pool, now: Now::read(), leases, named };
    for step in steps {
        history.step(step)?;
    }
    history.leases.clear();
    let History { pool, now, .. } = history;
    prop_assert!(pool.accounts().all(|account| account.in_flight() == 0));
    // When the pool says that it can be asked again, it can.
    for model in MODELS {
        if let Err(Unavailable::Exhausted(out)) = pool.lease(&want(model), &[], now.monotonic) {
            let wait = out.retry_at.unwrap() - now.monotonic;
            prop_assert!(pool.lease(&want(model), &[], now.after(wait).monotonic).is_ok());
        }
    }
    Ok(())
}

/// After every single request each account has had its share, give or take two.
fn share(weights: &[u32], rounds: u32) -> Result<(), TestCaseError> {
    let named =
        weights.iter().zip(0..).map(|(weight, place)| weighted(&format!("a{place}"), *weight));
    let pool = Pool::new(&named.collect::<Vec<_>>(), Scheduling::Balance, None);
    let now = Now::read();
    let total: u32 = weights.iter().sum();
    for served in 1..=total * rounds {
        pool.lease(&want("m"), &[], now.monotonic).unwrap().settle(Verdict::SERVED, now.monotonic);
        for (account, weight) in pool.accounts().zip(weights) {
            let fair = f64::from(*weight) * f64::from(served) / f64::from(total);
            let found = f64::from(u32::try_from(account.tally().served).unwrap());
            prop_assert!((found - fair).abs() < 2.0, "{found} of {fair} at {served}");
        }
    }
    Ok(())
}

/// An upstream with limits of its own, as providers have them.
struct Upstream {
    per_minute: u32,
    minute: u64,
    used: u32,
    down_until: u64,
}

#[test]
fn a_day_of_random_limits() {
    const DAY: u64 = 24 * 60 * 60;
    let mut random = SmallRng::seed_from_u64(8045);
    let accounts: Vec<_> =
        (0..5_u32).map(|place| weighted(&format!("a{place}"), 1 + place % 2)).collect();
    let pool = Pool::new(&accounts, Scheduling::CacheFirst, None);
    let start = Now::read();
    let mut upstreams: Vec<Upstream> = (0..5)
        .map(|place| Upstream { per_minute: 10 + 5 * place, minute: 0, used: 0, down_until: 0 })
        .collect();
    let mut named: HashMap<AccountId, Instant> = HashMap::new();
    let (mut served, mut refused, mut last) = (0_u32, 0_u32, [0_u64; 5]);
    for second in 0..DAY {
        let now = start.after(Duration::from_secs(second));
        let mut tried = Vec::new();
        let answered = loop {
            let Ok(lease) = pool.lease(&want("m"), &tried, now.monotonic) else { break false };
            let id = lease.account().id();
            assert!(
                named.get(&id).is_none_or(|until| *until <= now.monotonic),
                "asked before its time"
            );
            let place = pool.accounts().position(|account| account.id() == id).unwrap();
            last[place] = second;
            tried.push(id);
            let verdict = upstreams[place].answer(second, now, &mut random);
            if let Outcome::Limited { wait: Wait::Until(until), .. } = verdict.outcome {
                named.insert(id, until);
            }
            lease.settle(verdict, now.monotonic);
            if verdict.outcome == Outcome::Served {
                break true;
            }
        };
        served += u32::from(answered);
        refused += u32::from(!answered);
        // What can be asked is asked: the longest rest is an hour.
        assert!(
            last.iter().all(|last| second - last < 2 * 60 * 60),
            "starved: {last:?} at {second}"
        );
    }
    // Together they allow 100 a minute and are asked 60.
    assert!(refused * 100 < served, "{refused} of {served} refused");
    assert!(pool.accounts().all(|account| account.in_flight() == 0));
}

impl Upstream {
    fn answer(&mut self, second: u64, now: Now, random: &mut SmallRng) -> Verdict {
        if self.minute != second / 60 {
            (self.minute, self.used) = (second / 60, 0);
        }
        if self.down_until > second {
            return Verdict::failed(Failure::Server);
        }
        if random.random_ratio(1, 2000) {
            self.down_until = second + random.random_range(1..120);
            return Verdict::failed(Failure::Broken);
        }
        self.used += 1;
        if self.used <= self.per_minute {
            return Verdict::SERVED;
        }
        let until = now.monotonic + Duration::from_secs(60 - second % 60);
        let wait = if random.random_ratio(1, 2) { Wait::Until(until) } else { Wait::Unknown };
        let outcome = Outcome::Limited { scope: Scope::Model, kind: Kind::Rate, wait };
        Verdict { outcome, note: "" }
    }
}

#[test]
fn many_threads_leave_no_slot_behind_and_pass_no_limit() {
    let narrow = |name| config::Account { max_concurrency: 3, ..account(name) };
    let pool = Pool::new(&[narrow("a"), narrow("b")], Scheduling::Balance, None);
    let most = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for seed in 0..8 {
            let (pool, most) = (&pool, &most);
            scope.spawn(move || hammer(pool, most, SmallRng::seed_from_u64(seed)));
        }
    });
    assert!(most.into_inner() <= 3);
    assert!(pool.accounts().all(|account| account.in_flight() == 0));
}

/// Leases and ends them in every way.
fn hammer(pool: &Pool, most: &AtomicU32, mut random: SmallRng) {
    for _ in 0..2_000 {
        let Ok(mut lease) = pool.lease(&want("m"), &[], Now::read().monotonic) else { continue };
        most.fetch_max(lease.account().in_flight(), Ordering::Relaxed);
        match random.random_range(0..4) {
            0 => drop(lease),
            1 => lease.settle(Verdict::failed(Failure::Server), Now::read().monotonic),
            2 => lease.answered(),
            _ => lease.settle(Verdict::SERVED, Now::read().monotonic),
        }
    }
}
