//! Which account may be asked beside another, and from when on an answer is late: one scene a test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/pool.rs"]
mod support;

use std::time::Duration;

use levity::clock::Now;
use levity::config::{self, Dispatch, Scheduling};
use levity::dialects::Dialect;
use levity::pool::account::Account;
use levity::pool::cooldown::Wait;
use levity::pool::spread::Form;
use levity::pool::verdict::{Failure, Kind, Outcome, Scope, Verdict};
use levity::pool::{Pool, Reach};
use support::{account, name, want, weighted};

const FAILED: Verdict = Verdict {
    outcome: Outcome::Failed { scope: Scope::Account, failure: Failure::Server },
    note: "failed",
};

fn pool(accounts: &[config::Account]) -> Pool {
    Pool::new(accounts, Scheduling::Balance, None)
}

fn with(name: &str, dispatch: Dispatch) -> config::Account {
    config::Account { dispatch, ..account(name) }
}

/// Who is asked beside the first account that a request is given.
fn beside(pool: &Pool, now: Now) -> Option<String> {
    let first = pool.lease(&want("m"), &[], now.monotonic).unwrap();
    let (dispatch, asked) = (first.account().config.dispatch, [first.account().id()]);
    let second = pool.lease_beside(dispatch, &want("m"), &asked, now.monotonic)?;
    Some(name(&second).to_owned())
}

/// What the account of this place in the file comes to.
fn settle(pool: &Pool, place: usize, verdict: Verdict, now: Now) {
    let others: Vec<_> = pool.accounts().map(Account::id).collect();
    let others: Vec<_> = others.iter().copied().filter(|id| id.index() != place).collect();
    pool.lease(&want("m"), &others, now.monotonic).unwrap().settle(verdict, now.monotonic);
}

#[test]
fn it_is_the_one_that_would_be_next() {
    let (pool, now) = (pool(&[weighted("a", 9), account("b"), account("c")]), Now::read());
    assert_eq!(beside(&pool, now).as_deref(), Some("b"));
    assert!(pool.accounts().all(|account| account.in_flight() == 0), "places come back");
}

#[test]
fn another_dispatch_is_another_standing() {
    for (first, second) in [
        (Dispatch::Pooled, Dispatch::Fallback),
        (Dispatch::Exclusive, Dispatch::Pooled),
        (Dispatch::Exclusive, Dispatch::Off),
    ] {
        let pool = pool(&[with("a", first), with("b", second)]);
        assert_eq!(beside(&pool, Now::read()), None, "{first:?} {second:?}");
    }
    let pool = pool(&[with("a", Dispatch::Exclusive), with("b", Dispatch::Exclusive)]);
    assert_eq!(beside(&pool, Now::read()).as_deref(), Some("b"));
}

#[test]
fn one_that_rests_or_is_to_be_tested_is_not_asked() {
    let (pool, now) = (pool(&[account("a"), account("b")]), Now::read());
    settle(&pool, 1, FAILED, now);
    assert_eq!(beside(&pool, now), None, "it rests");
    let later = now.after(Duration::from_mins(10));
    assert_eq!(beside(&pool, later), None, "one request tests it, and that is none");
    settle(&pool, 1, Verdict::SERVED, later);
    assert_eq!(beside(&pool, later).as_deref(), Some("b"));
}

#[test]
fn a_limited_one_is_not_asked() {
    let (pool, now) = (pool(&[account("a"), account("b")]), Now::read());
    let wait = Wait::Until(now.monotonic + Duration::from_mins(1));
    let outcome = Outcome::Limited { scope: Scope::Model, kind: Kind::Rate, wait };
    settle(&pool, 1, Verdict { outcome, note: "limited" }, now);
    assert_eq!(beside(&pool, now), None);
}

#[test]
fn a_full_one_is_not_asked_and_who_waits_comes_first() {
    let narrow = config::Account { max_concurrency: 1, ..account("b") };
    let (pool, now) = (pool(&[weighted("a", 9), narrow]), Now::read());
    assert_eq!(beside(&pool, now).as_deref(), Some("b"));
    let line = ("m", Dialect::OpenAiChat, Reach::Translated);
    let place = pool.queue().join(line, 9).unwrap();
    assert_eq!(beside(&pool, now), None);
    drop(place);
    let asked = [pool.accounts().next().unwrap().id()];
    let busy = pool.lease(&want("m"), &asked, now.monotonic).unwrap();
    assert_eq!(beside(&pool, now), None);
    drop(busy);
    assert_eq!(beside(&pool, now).as_deref(), Some("b"));
}

#[test]
fn late_is_known_of_the_account_else_of_the_model() {
    let (pool, now) = (pool(&[account("a"), account("b")]), Now::read());
    let lease = |place: usize| {
        let others = pool.accounts().map(Account::id).filter(|id| id.index() != place);
        pool.lease(&want("m"), &others.collect::<Vec<_>>(), now.monotonic).unwrap()
    };
    let usual = |place, form| pool.usual((&lease(place), "m"), form, 95, now.monotonic);
    let note = |place, milliseconds| {
        for _ in 0..10 {
            let after = now.monotonic + Duration::from_millis(milliseconds);
            lease(place).note(Form::Stream, after);
        }
    };
    note(0, 100);
    assert_eq!(usual(0, Form::Stream), None);
    note(1, 1000);
    let of_the_model = usual(0, Form::Stream).unwrap();
    assert!(of_the_model >= Duration::from_secs(1), "{of_the_model:?}");
    note(0, 100);
    let of_the_account = usual(0, Form::Stream).unwrap();
    assert!(of_the_account < Duration::from_millis(120), "{of_the_account:?}");
    assert_eq!(usual(0, Form::Whole), None, "one that is no stream begins when it is whole");
}
