//! What the pool does, one scene a test.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/pool.rs"]
mod support;

use std::time::Duration;

use levity::clock::Now;
use levity::config::vertex::{Credentials, Vertex};
use levity::config::{self, Dispatch, Scheduling, Secret};
use levity::dialects::Dialect;
use levity::pool::account::{Account, AccountId, Tally};
use levity::pool::cooldown::{Cause, Standing, Wait};
use levity::pool::kept::Kept;
use levity::pool::unavailable::{Exhausted, Unavailable, Why};
use levity::pool::verdict::{Failure, Kind, Outcome, Scope, Verdict};
use levity::pool::{Pool, Reach, Want};
use support::{account, name, want, weighted};

fn pool(accounts: &[config::Account]) -> Pool {
    Pool::new(accounts, Scheduling::Balance, None)
}

/// The name of the account that is asked next, which serves at once.
fn serve(pool: &Pool, want: &Want<'_>, now: Now) -> String {
    let lease = pool.lease(want, &[], now.monotonic).unwrap();
    let name = name(&lease).to_owned();
    lease.settle(Verdict::SERVED, now.monotonic);
    name
}

/// Asks, and settles with a verdict; which account it was.
fn settle(pool: &Pool, verdict: Verdict, now: Now) -> String {
    let lease = pool.lease(&want("m"), &[], now.monotonic).unwrap();
    let name = name(&lease).to_owned();
    lease.settle(verdict, now.monotonic);
    name
}

fn limited(scope: Scope, kind: Kind, wait: Wait) -> Verdict {
    Verdict { outcome: Outcome::Limited { scope, kind, wait }, note: "limited" }
}

fn limited_for(scope: Scope, seconds: u64, now: Now) -> Verdict {
    limited(scope, Kind::Rate, Wait::Until(now.monotonic + Duration::from_secs(seconds)))
}

const REJECTED: Verdict = Verdict { outcome: Outcome::Rejected, note: "rejected" };

fn exhausted(pool: &Pool, tried: &[AccountId], now: Now) -> Exhausted {
    match pool.lease(&want("m"), tried, now.monotonic) {
        Err(Unavailable::Exhausted(exhausted)) => exhausted,
        other => panic!("{other:?}"),
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn equal_accounts_take_turns_in_file_order() {
    let (pool, now) = (pool(&[account("a"), account("b"), account("c")]), Now::read());
    let turns: String = (0..7).map(|_| serve(&pool, &want("m"), now)).collect();
    assert_eq!(turns, "abcabca");
}

#[test]
fn weights_are_interleaved() {
    let (pool, now) = (pool(&[weighted("a", 5), weighted("b", 1), weighted("c", 1)]), Now::read());
    let turns: String = (0..14).map(|_| serve(&pool, &want("m"), now)).collect();
    assert_eq!(turns, "aaabcaaaaabcaa");
}

#[test]
fn an_account_that_was_away_does_not_catch_up() {
    let (pool, now) = (pool(&[account("a"), account("b")]), Now::read());
    assert_eq!(settle(&pool, limited_for(Scope::Account, 60, now), now), "a");
    for _ in 0..100 {
        assert_eq!(serve(&pool, &want("m"), now), "b");
    }
    let later = now.after(seconds(60));
    let turns: String = (0..20).map(|_| serve(&pool, &want("m"), later)).collect();
    assert!((10..=11).contains(&turns.matches('a').count()), "{turns}");
}

#[test]
fn exclusive_then_pooled_then_fallbacks_in_order() {
    let with = |name, dispatch| config::Account { dispatch, ..account(name) };
    let accounts = [
        with("last", Dispatch::Fallback),
        with("later", Dispatch::Fallback),
        with("off", Dispatch::Off),
        with("pooled", Dispatch::Pooled),
        with("first", Dispatch::Exclusive),
        config::Account { enabled: false, ..with("disabled", Dispatch::Exclusive) },
    ];
    let (pool, now) = (pool(&accounts), Now::read());
    let mut tried = Vec::new();
    let mut order = Vec::new();
    while let Ok(lease) = pool.lease(&want("m"), &tried, now.monotonic) {
        tried.push(lease.account().id());
        order.push(name(&lease).to_owned());
    }
    assert_eq!(order, ["first", "pooled", "last", "later"]);
    assert_eq!(serve(&pool, &want("m"), now), "first");
    assert_eq!(serve(&pool, &want("m"), now), "first");
}

#[test]
fn the_clients_own_dialect_comes_first() {
    let speaks = |name, dialects| config::Account { dialects, ..account(name) };
    let accounts = [
        speaks("gemini", vec![Dialect::Gemini]),
        speaks("openai", vec![Dialect::OpenAiChat, Dialect::OpenAiResponses]),
    ];
    let (pool, now) = (pool(&accounts), Now::read());
    let ask = |client, reach| {
        pool.lease(
            &Want { model: "m", client, reach, prefer: None, tokens: 0, conversation: None },
            &[],
            now.monotonic,
        )
    };
    for (client, owner, dialect) in [
        (Dialect::Gemini, "gemini", Dialect::Gemini),
        (Dialect::OpenAiChat, "openai", Dialect::OpenAiChat),
        (Dialect::OpenAiResponses, "openai", Dialect::OpenAiResponses),
    ] {
        for _ in 0..2 {
            let lease = ask(client, Reach::Translated).unwrap();
            assert_eq!((name(&lease), lease.dialect()), (owner, dialect));
        }
    }
    let foreign = ask(Dialect::Anthropic, Reach::Translated).unwrap();
    assert_eq!(foreign.dialect(), Dialect::Gemini);
    assert_eq!(ask(Dialect::Anthropic, Reach::OwnDialect).unwrap_err(), Unavailable::NotForClient);
}

#[test]
fn a_count_goes_to_who_can_count() {
    let speaks = |name, dialects| config::Account { dialects, ..account(name) };
    let chat = speaks("chat", vec![Dialect::OpenAiChat]);
    let openai = speaks("openai", vec![Dialect::OpenAiChat, Dialect::OpenAiResponses]);
    let want = |client| Want {
        model: "m",
        client,
        reach: Reach::Counted,
        prefer: None,
        tokens: 0,
        conversation: None,
    };
    let now = Now::read();
    let both = pool(&[chat.clone(), openai]);
    for client in [Dialect::Anthropic, Dialect::OpenAiResponses] {
        for _ in 0..2 {
            let lease = both.lease(&want(client), &[], now.monotonic).unwrap();
            assert_eq!((name(&lease), lease.dialect()), ("openai", Dialect::OpenAiResponses));
        }
    }
    let only_chat = pool(&[chat]).lease(&want(Dialect::Gemini), &[], now.monotonic);
    assert_eq!(only_chat.unwrap_err(), Unavailable::NotForClient);
}

#[test]
fn only_accounts_that_serve_the_model_and_the_client_are_asked() {
    let mut mapped = account("mapped");
    mapped.models = vec!["gemini-*".to_owned()];
    mapped.model_map = vec![
        ("claude-*".to_owned(), "gemini-3-flash".to_owned()),
        ("claude-opus-*".to_owned(), "gemini-3-pro".to_owned()),
    ];
    mapped.clients = vec![Dialect::Anthropic];
    let (pool, now) = (pool(&[mapped]), Now::read());
    let want = |model| Want {
        model,
        client: Dialect::Anthropic,
        reach: Reach::Translated,
        prefer: None,
        tokens: 0,
        conversation: None,
    };
    for (asked, sent) in [
        ("gemini-3-flash-lite", "gemini-3-flash-lite"),
        ("claude-haiku-4-5", "gemini-3-flash"),
        ("claude-opus-4-5", "gemini-3-pro"),
    ] {
        assert_eq!(pool.lease(&want(asked), &[], now.monotonic).unwrap().model().as_ref(), sent);
    }
    assert_eq!(
        pool.lease(&want("gpt-5"), &[], now.monotonic).unwrap_err(),
        Unavailable::NoSuchModel
    );
    let other = Want { client: Dialect::Gemini, ..want("gemini-3-pro") };
    assert_eq!(pool.lease(&other, &[], now.monotonic).unwrap_err(), Unavailable::NotForClient);
}

#[test]
fn a_limit_of_a_model_leaves_the_others() {
    let (pool, now) = (pool(&[account("a")]), Now::read());
    settle(&pool, limited_for(Scope::Model, 30, now), now);
    assert_eq!(serve(&pool, &want("other"), now), "a");
    let out = exhausted(&pool, &[], now);
    assert_eq!(out.retry_after(now.monotonic), Some(30));
    assert!(out.is_limit());
    assert_eq!(pool.account(out.passed[0].account).unwrap().config.name, "a");
    assert_eq!(settle(&pool, Verdict::SERVED, now.after(seconds(30))), "a");
}

#[test]
fn two_names_for_one_upstream_model_share_its_limit() {
    let mut mapped = account("a");
    mapped.model_map = vec![("alias".to_owned(), "m".to_owned())];
    let (pool, now) = (pool(&[mapped]), Now::read());
    settle(&pool, limited_for(Scope::Model, 30, now), now);
    assert!(pool.lease(&want("alias"), &[], now.monotonic).is_err());
}

#[test]
fn the_soonest_account_decides_when_to_retry() {
    let (pool, now) = (pool(&[account("a"), account("b"), account("c")]), Now::read());
    settle(&pool, limited_for(Scope::Account, 90, now), now);
    settle(&pool, limited_for(Scope::Model, 20, now), now);
    settle(&pool, REJECTED, now);
    assert_eq!(exhausted(&pool, &[], now).retry_after(now.monotonic), Some(20));
}

#[test]
fn a_refused_key_is_out_until_it_changes() {
    let before = account("a");
    let (pool, now) = (pool(std::slice::from_ref(&before)), Now::read());
    settle(&pool, REJECTED, now);
    let later = now.after(Duration::from_hours(1000));
    assert_eq!(exhausted(&pool, &[], later).retry_at, None);
    let standing = pool.accounts().next().unwrap().standing(later.monotonic);
    assert_eq!(standing, Standing::Barred { cause: Cause::Rejected, until: None });

    let same = Pool::new(std::slice::from_ref(&before), Scheduling::Balance, Some(&pool));
    assert!(
        same.lease(&want("m"), &[], later.monotonic).is_err(),
        "a reload alone changes nothing"
    );
    let changed = config::Account { api_key: Secret::new("another"), ..before };
    let changed = Pool::new(&[changed], Scheduling::Balance, Some(&same));
    assert!(changed.lease(&want("m"), &[], later.monotonic).is_ok());
}

#[test]
fn what_a_provider_named_comes_back_after_a_restart() {
    let accounts = [account("a"), account("b"), account("c"), account("d"), account("e")];
    let (before, now) = (pool(&accounts), Now::read());
    for verdict in [
        limited_for(Scope::Account, 90, now),
        limited_for(Scope::Model, 20, now),
        Verdict::failed(Failure::Server),
        REJECTED,
    ] {
        settle(&before, verdict, now);
    }
    let written = serde_json::to_string(&before.kept(now)).unwrap();
    let kept: Vec<Kept> = serde_json::from_str(&written).unwrap();
    assert_eq!(kept.len(), 2, "two have a time: {written}");

    let later = now.after(seconds(10));
    let after = pool(&accounts);
    after.restore(&kept, later);
    let barred = |pool: &Pool, now: Now| -> Vec<String> {
        let open: Vec<String> = (0..10).map(|_| serve(pool, &want("m"), now)).collect();
        let names = ["a", "b", "c", "d", "e"].map(ToOwned::to_owned);
        names.into_iter().filter(|name| !open.contains(name)).collect()
    };
    assert_eq!(barred(&after, later), ["a", "b"]);
    assert_eq!(barred(&after, now.after(seconds(21))), ["a"]);
    assert!(after.kept(later).iter().zip(&kept).all(|(again, first)| again.is_like(first)));

    let changed =
        accounts.map(|account| config::Account { api_key: Secret::new("new"), ..account });
    let changed = pool(&changed);
    changed.restore(&kept, later);
    assert!(barred(&changed, later).is_empty(), "another key is another account");
}

#[test]
fn accounts_of_one_vertex_region_are_not_taken_for_each_other_after_a_restart() {
    let of = |name: &str, project: &str| {
        let vertex = Vertex {
            project: project.to_owned(),
            region: "global".to_owned(),
            credentials: Credentials::Metadata,
            found: String::new(),
            token_url: "http://metadata.test/".parse().unwrap(),
        };
        let base_url = "https://aiplatform.googleapis.com".parse().unwrap();
        let api_key = Secret::new("");
        config::Account { base_url, api_key, vertex: Some(vertex), ..account(name) }
    };
    let accounts = [of("a", "one"), of("b", "two")];
    let (before, after, now) = (pool(&accounts), pool(&accounts), Now::read());
    settle(&before, limited_for(Scope::Account, 90, now), now);
    after.restore(&before.kept(now), now);
    let standings: Vec<Standing> =
        after.accounts().map(|account| account.standing(now.monotonic)).collect();
    assert!(matches!(standings[..], [Standing::Barred { .. }, Standing::Open]), "{standings:?}");
}

#[test]
fn a_reload_keeps_counters_and_slots_of_accounts_by_name() {
    let limited = config::Account { max_concurrency: 1, ..account("a") };
    let (old, now) = (pool(&[account("gone"), limited.clone()]), Now::read());
    let tried = [old.accounts().next().unwrap().id()];
    let held = old.lease(&want("m"), &tried, now.monotonic).unwrap();
    let new = Pool::new(&[limited], Scheduling::Balance, Some(&old));
    assert!(
        new.lease(&want("m"), &[], now.monotonic).is_err(),
        "its one slot is taken by the old pool"
    );
    held.settle(Verdict::SERVED, now.monotonic);
    assert_eq!(settle(&new, Verdict::SERVED, now), "a");
    let tally = new.accounts().next().unwrap().tally();
    assert_eq!(tally, Tally { leased: 2, served: 2, ..Tally::default() });
}

#[test]
fn a_failure_is_avoided_and_asked_when_nothing_else_is_left() {
    let (pool, now) = (pool(&[account("a"), account("b")]), Now::read());
    assert_eq!(settle(&pool, Verdict::failed(Failure::Broken), now), "a");
    assert_eq!(serve(&pool, &want("m"), now), "b");
    assert_eq!(serve(&pool, &want("m"), now), "b");
    assert_eq!(settle(&pool, Verdict::failed(Failure::Stalled), now), "b");
    assert_eq!(serve(&pool, &want("m"), now), "a", "better than a refusal");
}

#[test]
fn what_is_alone_is_asked_again_after_any_guess() {
    let (pool, now) = (pool(&[account("a")]), Now::read());
    let missing = Verdict { outcome: Outcome::Missing, note: "missing" };
    let capacity = limited(Scope::Model, Kind::Capacity, Wait::Unknown);
    for verdict in [missing, capacity, Verdict::failed(Failure::Connect), missing] {
        assert_eq!(settle(&pool, verdict, now), "a");
    }
}

#[test]
fn a_dead_server_is_avoided_for_all_its_accounts() {
    let twin = config::Account { name: "twin".to_owned(), ..account("a") };
    let (pool, now) = (pool(&[account("a"), twin, account("b")]), Now::read());
    assert_eq!(settle(&pool, Verdict::failed(Failure::Connect), now), "a");
    assert_eq!(serve(&pool, &want("m"), now), "b");
    assert_eq!(serve(&pool, &want("m"), now), "b");
}

#[test]
fn one_request_tests_a_cooled_account_and_its_first_token_opens_it() {
    let (pool, now) = (pool(&[account("a")]), Now::read());
    settle(&pool, limited_for(Scope::Model, 5, now), now);
    let due = now.after(seconds(5));
    let mut probe = pool.lease(&want("m"), &[], due.monotonic).unwrap();
    assert_eq!(exhausted(&pool, &[], due).retry_after(due.monotonic), Some(1));
    probe.answered();
    assert!(
        pool.lease(&want("m"), &[], due.monotonic).is_ok(),
        "the stream goes on, the account is open"
    );
}

#[test]
fn a_second_attempt_is_no_probe_while_another_account_is_open() {
    let (pool, now) = (pool(&[account("a"), account("b"), account("c")]), Now::read());
    assert_eq!(settle(&pool, limited_for(Scope::Model, 5, now), now), "a");
    let due = now.after(seconds(5));
    let tried = [pool.accounts().nth(1).unwrap().id()];
    for _ in 0..3 {
        assert_eq!(name(&pool.lease(&want("m"), &tried, due.monotonic).unwrap()), "c");
    }
}

#[test]
fn a_second_attempt_goes_to_an_account_that_is_known_to_work() {
    let fallback = config::Account { dispatch: Dispatch::Fallback, ..account("fallback") };
    let (pool, now) = (pool(&[account("a"), account("b"), account("c"), fallback]), Now::read());
    let ids: Vec<_> = pool.accounts().map(Account::id).collect();
    let mut answered = pool.lease(&want("m"), &[ids[0], ids[1]], now.monotonic).unwrap();
    answered.answered();
    for _ in 0..3 {
        assert_eq!(name(&pool.lease(&want("m"), &[ids[0]], now.monotonic).unwrap()), "c");
    }
    let last = pool.lease(&want("m"), &[ids[0], ids[2]], now.monotonic).unwrap();
    assert_eq!(name(&last), "b", "unproven, and still before a fallback");
}

#[test]
fn full_accounts_are_passed_over() {
    let one = |name| config::Account { max_concurrency: 1, ..account(name) };
    let (pool, now) = (pool(&[one("a"), one("b")]), Now::read());
    let held = (
        pool.lease(&want("m"), &[], now.monotonic).unwrap(),
        pool.lease(&want("x"), &[], now.monotonic),
    );
    let _second = held.1.unwrap();
    let out = exhausted(&pool, &[], now);
    assert!(out.passed.iter().all(|passed| passed.why == Why::Busy));
    assert!(out.is_limit());
    drop(held.0);
    assert_eq!(serve(&pool, &want("m"), now), "a");
}

#[test]
fn a_bad_request_says_nothing_of_the_account() {
    let (pool, now) = (pool(&[account("a")]), Now::read());
    let fault = Verdict { outcome: Outcome::ClientFault, note: "wrong" };
    for _ in 0..5 {
        assert_eq!(settle(&pool, fault, now), "a");
    }
    assert_eq!(pool.accounts().next().unwrap().standing(now.monotonic), Standing::Open);
    let tried = [pool.accounts().next().unwrap().id()];
    assert_eq!(exhausted(&pool, &tried, now).passed[0].why, Why::Tried);
}

#[test]
fn made_up_model_names_are_no_leak() {
    let (pool, now) = (pool(&[account("a")]), Now::read());
    for number in 0..3000 {
        let lease = pool.lease(&want(&format!("made-up-{number}")), &[], now.monotonic).unwrap();
        lease.settle(limited_for(Scope::Model, 60, now), now.monotonic);
    }
    let remembered = pool.accounts().next().unwrap().resting_models(now.monotonic).len();
    assert!(remembered <= 1024, "{remembered}");
}
