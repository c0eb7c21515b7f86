//! How `pool.scheduling` chooses among accounts of which all else is alike, one scene a test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/pool.rs"]
mod support;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use levity::clock::Now;
use levity::config::{self, Scheduling};
use levity::pool::cooldown::Wait;
use levity::pool::lease::Lease;
use levity::pool::verdict::{Failure, Kind, Outcome, Scope, Verdict};
use levity::pool::{Pool, Want};
use support::{account, name, want, weighted};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease(pool: &Pool, want: &Want<'_>, now: Now) -> Lease {
    pool.lease(want, &[], now.monotonic).unwrap()
}

/// The name of the account that is asked next, which serves at once.
fn serve(pool: &Pool, want: &Want<'_>, now: Now) -> String {
    let lease = lease(pool, want, now);
    let name = name(&lease).to_owned();
    lease.settle(Verdict::SERVED, now.monotonic);
    name
}

fn limited_for(scope: Scope, seconds: u64, now: Now) -> Verdict {
    let wait = Wait::Until(now.monotonic + Duration::from_secs(seconds));
    Verdict { outcome: Outcome::Limited { scope, kind: Kind::Rate, wait }, note: "limited" }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(line).collect()
}

/// Asks once; the account answers with these headers, after this time.
fn answer(pool: &Pool, want: &Want<'_>, lines: &[(&'static str, &str)], now: Now) -> String {
    let mut lease = lease(pool, want, now);
    let name = name(&lease).to_owned();
    lease.heard(&headers(lines), Now::read);
    lease.measure(now.monotonic);
    lease.answered();
    lease.settle(Verdict::SERVED, now.monotonic);
    name
}

#[test]
fn an_account_with_too_little_left_is_passed_over_before_it_breaks() {
    let pool = Pool::new(&[account("a"), account("b")], Scheduling::Balance, None);
    let now = Now::read();
    let few = [
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "5000"),
        ("x-ratelimit-reset-tokens", "50s"),
    ];
    assert_eq!(answer(&pool, &want("m"), &few, now), "a");
    let large = Want { tokens: 10_000, ..want("m") };
    for _ in 0..4 {
        assert_eq!(serve(&pool, &large, now), "b", "10,000 tokens do not fit into 5,000");
    }
    let small: Vec<String> = (0..4).map(|_| serve(&pool, &want("m"), now)).collect();
    assert!(small.contains(&"a".to_owned()), "100 tokens do: {small:?}");
    let other: Vec<String> =
        (0..2).map(|_| serve(&pool, &Want { tokens: 10_000, ..want("n") }, now)).collect();
    assert!(other.contains(&"a".to_owned()), "another model has its own limit: {other:?}");
    let later = now.after(seconds(15));
    let back: Vec<String> = (0..4).map(|_| serve(&pool, &large, later)).collect();
    assert!(back.contains(&"a".to_owned()), "a limit fills up again: {back:?}");
}

#[test]
fn what_is_left_is_shared_by_the_requests_under_way() {
    let pool = Pool::new(&[account("a"), account("b")], Scheduling::CacheFirst, None);
    let now = Now::read();
    let three = [
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "3"),
        ("anthropic-ratelimit-requests-reset", "60s"),
    ];
    // Requests of one conversation, so that they all would go to one account.
    let conversation = Want { conversation: Some(7), ..want("m") };
    let home = answer(&pool, &conversation, &three, now);
    let leases: Vec<Lease> = (0..5).map(|_| lease(&pool, &conversation, now)).collect();
    let at_home = leases.iter().filter(|lease| name(lease) == home).count();
    assert_eq!(at_home, 3, "three are left, and no header has come since");
}

#[test]
fn a_lone_account_is_asked_whatever_is_left() {
    let pool = Pool::new(&[account("a")], Scheduling::Balance, None);
    let now = Now::read();
    let none = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "60s")];
    assert_eq!(answer(&pool, &want("m"), &none, now), "a");
    assert_eq!(serve(&pool, &want("m"), now), "a", "what we expect is no refusal");
}

#[test]
fn performance_first_prefers_who_answers_soonest() {
    let pool = Pool::new(&[account("slow"), account("fast")], Scheduling::PerformanceFirst, None);
    let now = Now::read();
    let ask = |milliseconds: u64, now: Now| {
        let mut lease = lease(&pool, &want("m"), now);
        let name = name(&lease).to_owned();
        let slowness = if name == "slow" { 5 } else { 1 };
        let began = now.after(Duration::from_millis(milliseconds * slowness));
        lease.measure(began.monotonic);
        lease.answered();
        lease.settle(Verdict::SERVED, began.monotonic);
        name
    };
    // Each is measured once, in file order.
    assert_eq!([ask(200, now), ask(200, now)], ["slow", "fast"]);
    for _ in 0..20 {
        assert_eq!(ask(200, now), "fast");
    }
    // Six at once: the fast one is not buried while the slow one idles.
    let at_once: Vec<Lease> = (0..6).map(|_| lease(&pool, &want("m"), now)).collect();
    let slow = at_once.iter().filter(|lease| name(lease) == "slow").count();
    assert_eq!(slow, 1);
    drop(at_once);
    // A slow answer of long ago does not exclude it for ever: in ten minutes it is asked now and then.
    let asked: Vec<String> = (0..600).map(|second| ask(200, now.after(seconds(second)))).collect();
    let slow = asked.iter().filter(|name| *name == "slow").count();
    assert!((1..=5).contains(&slow), "{slow}");
    let later = now.after(seconds(600));
    // A failed account is avoided, however fast it was.
    let failing = lease(&pool, &want("m"), later);
    assert_eq!(name(&failing), "fast");
    failing.settle(Verdict::failed(Failure::Server), later.monotonic);
    assert_eq!(ask(200, later), "slow");
}

/// A thousand conversations of ten turns, interleaved, on five accounts.
#[test]
fn cache_first_keeps_conversations_and_spreads_them() {
    let names = ["a", "b", "c", "d", "e"];
    let cache_first =
        |accounts: &[config::Account]| Pool::new(accounts, Scheduling::CacheFirst, None);
    let pool = cache_first(&names.map(account));
    let now = Now::read();
    let turn = |pool: &Pool, conversation: u64, now: Now| {
        serve(pool, &Want { conversation: Some(conversation), ..want("m") }, now)
    };
    let conversations = || (0..1000_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let homes: Vec<String> = conversations().map(|number| turn(&pool, number, now)).collect();
    for later in 1..10 {
        let now = now.after(seconds(later));
        for (number, home) in conversations().zip(&homes) {
            assert_eq!(turn(&pool, number, now), *home);
        }
    }
    for name in names {
        let share = homes.iter().filter(|home| **home == name).count();
        assert!((160..=240).contains(&share), "{name}: {share}");
    }

    // One account is limited: its conversations are spread over the rest, no other moves, and then they come back.
    let lease = pool.lease(&Want { conversation: None, ..want("m") }, &[], now.monotonic).unwrap();
    let gone = name(&lease).to_owned();
    lease.settle(limited_for(Scope::Account, 60, now), now.monotonic);
    for (number, home) in conversations().zip(&homes) {
        let asked = turn(&pool, number, now.after(seconds(1)));
        assert_eq!(asked == *home, *home != gone);
    }
    for (number, home) in conversations().zip(&homes) {
        assert_eq!(turn(&pool, number, now.after(seconds(61))), *home);
    }

    // The same on another replica; an account of thrice the weight has thrice as many.
    let replica = cache_first(&names.map(account));
    let pool = cache_first(&[weighted("a", 3), account("b")]);
    let mut of_a = 0;
    for (number, home) in conversations().zip(&homes) {
        assert_eq!(turn(&replica, number, now), *home);
        of_a += u32::from(turn(&pool, number, now) == "a");
    }
    assert!((700..=800).contains(&of_a), "{of_a}");
}

#[test]
fn an_account_that_comes_moves_only_the_conversations_that_it_takes() {
    let names = ["a", "b", "c", "d", "e"];
    let cache_first =
        |accounts: &[config::Account]| Pool::new(accounts, Scheduling::CacheFirst, None);
    let (before, now) = (cache_first(&names.map(account)), Now::read());
    let mut more = names.map(account).to_vec();
    more.push(weighted("f", 2));
    let after = cache_first(&more);
    let mut moved = 0;
    for number in 0..1000_u64 {
        let conversation = Some(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let want = Want { conversation, ..want("m") };
        let (home, next) = (serve(&before, &want, now), serve(&after, &want, now));
        assert!(next == home || next == "f", "{home} {next}");
        moved += usize::from(next == "f");
    }
    // Two of seven shares.
    assert!((220..=350).contains(&moved), "{moved}");
}
