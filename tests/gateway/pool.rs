//! Which account is asked: weight, dispatch, models, clients, and slots that come back.

use levity::dialects::Dialect;
use serde_json::json;

use crate::support::client::{Request, post};
use crate::support::gateway::{Account, Config, Gateway, credential};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Gate, Seen};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// How many of `count` requests went to each of these accounts.
async fn shares(accounts: Vec<(&str, Account)>, count: usize) -> Vec<usize> {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let names: Vec<&str> = accounts.iter().map(|(name, _)| *name).collect();
    let config = Config::new().set("pool", "scheduling", "balance");
    let base = format!("{}/v1", upstream.url());
    let config = accounts
        .into_iter()
        .fold(config, |config, (_, account)| config.account(account.set("base_url", base.clone())));
    let gateway = Gateway::start(&config).await;
    for _ in 0..count {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    let asked = upstream.credentials();
    let share = |name: &&str| asked.iter().filter(|key| **key == credential(name)).count();
    names.iter().map(share).collect()
}

/// An account to be put on the upstream of `shares`.
fn account(name: &str) -> (&str, Account) {
    (name, Account::new(name, CHAT, "http://127.0.0.1:1"))
}

fn with<'a>(
    (name, account): (&'a str, Account),
    key: &str,
    value: impl Into<serde_json::Value>,
) -> (&'a str, Account) {
    (name, account.set(key, value))
}

#[tokio::test]
async fn equal_accounts_share_equally() {
    assert_eq!(shares(vec![account("a"), account("b")], 10).await, [5, 5]);
}

#[tokio::test]
async fn weight_decides_the_share() {
    let accounts = vec![with(account("a"), "weight", 3), account("b")];
    assert_eq!(shares(accounts, 12).await, [9, 3]);
}

/// With `cache_first`, which is the default: by the client's own session, or by how the conversation began.
#[tokio::test]
async fn a_conversation_stays_with_one_account() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let base = format!("{}/v1", upstream.url());
    let config = ["a", "b", "c"]
        .into_iter()
        .fold(Config::new(), |config, name| config.account(Account::new(name, CHAT, &base)));
    let gateway = Gateway::start(&config).await;
    for by_session in [true, false] {
        let mut homes = Vec::new();
        for conversation in 0..12 {
            let mut turns = Vec::new();
            for turn in 0..3 {
                let call = turn_of(conversation, turn, by_session);
                assert_eq!(gateway.send(&call).await.status, 200);
                turns.push(upstream.credentials().pop().unwrap());
            }
            assert!(turns.iter().all(|account| *account == turns[0]), "{turns:?}");
            homes.push(turns.remove(0));
        }
        homes.sort();
        homes.dedup();
        assert_eq!(homes.len(), 3, "all accounts are used");
    }
}

/// A turn of a conversation that is known by its session, or by its first words.
fn turn_of(conversation: usize, turn: usize, by_session: bool) -> Request {
    let said = |role: &str, text: &str| json!({ "role": role, "content": text });
    let began = if by_session { turn } else { conversation };
    let mut messages = vec![said("system", "S"), said("user", &began.to_string())];
    messages.extend((0..turn).map(|_| said("assistant", "more")));
    let mut body = samples::body(CHAT, MODEL);
    body["messages"] = messages.into();
    let call = post("/v1/chat/completions", body.to_string());
    if by_session { call.header("x-session-id", &format!("s{conversation}")) } else { call }
}

#[tokio::test]
async fn an_exclusive_account_takes_everything_it_can_serve() {
    let accounts = vec![account("a"), with(account("b"), "dispatch", "exclusive")];
    assert_eq!(shares(accounts, 5).await, [0, 5]);
}

#[tokio::test]
async fn an_exclusive_account_leaves_what_it_cannot_serve() {
    let exclusive = with(account("b"), "dispatch", "exclusive");
    let accounts = vec![account("a"), with(exclusive, "models", json!(["something-else"]))];
    assert_eq!(shares(accounts, 5).await, [5, 0]);
}

#[tokio::test]
async fn a_fallback_account_waits_for_the_pooled_ones_to_fail() {
    let accounts = vec![with(account("a"), "dispatch", "fallback"), account("b")];
    assert_eq!(shares(accounts, 5).await, [0, 5]);
}

#[tokio::test]
async fn an_account_that_is_off_or_disabled_stays_idle() {
    let off = with(account("a"), "dispatch", "off");
    let disabled = with(account("b"), "enabled", false);
    assert_eq!(shares(vec![off, disabled, account("c")], 5).await, [0, 0, 5]);
}

#[tokio::test]
async fn an_account_serves_only_the_clients_that_it_names() {
    let accounts = vec![with(account("a"), "clients", json!(["anthropic"])), account("b")];
    assert_eq!(shares(accounts, 5).await, [0, 5]);
    let accounts = vec![with(account("a"), "clients", json!(["openai_chat"])), account("b")];
    assert_eq!(shares(accounts, 4).await, [2, 2]);
}

#[tokio::test]
async fn an_account_serves_only_its_models() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let account =
        |name: &str, models| Account::new(name, CHAT, &upstream.url()).set("models", json!(models));
    let config = Config::new()
        .account(account("a", ["alpha-*", "exact"]))
        .account(account("b", ["*-beta", "mid*dle"]));
    let gateway = Gateway::start(&config).await;
    for (model, name) in
        [("alpha-1", "a"), ("exact", "a"), ("any-beta", "b"), ("mid-in-the-dle", "b")]
    {
        assert_eq!(gateway.send(&samples::call(CHAT, model)).await.status, 200, "{model}");
        assert_eq!(upstream.seen().pop().unwrap().credential(), credential(name), "{model}");
    }
    assert_eq!(gateway.send(&samples::call(CHAT, "exactly")).await.status, 404);
}

#[tokio::test]
async fn accounts_of_the_clients_own_dialect_come_first() {
    let upstream = Upstream::new(|seen: &Seen| {
        let answers = Dialect::ALL
            .into_iter()
            .find(|dialect| seen.credential() == credential(dialect.name()));
        samples::good(answers.unwrap())
    })
    .await;
    let gateway = Gateway::start(&Config::all(&upstream)).await;
    for dialect in Dialect::ALL {
        for _ in 0..3 {
            gateway.send(&samples::call(dialect, MODEL)).await;
            assert_eq!(upstream.seen().pop().unwrap().credential(), credential(dialect.name()));
        }
    }
}

#[tokio::test]
async fn a_full_account_leaves_the_next_request_to_another() {
    let gate = Gate::closed();
    let upstream = Upstream::always(samples::good(CHAT).held_by(&gate)).await;
    let account = |name| Account::new(name, CHAT, &upstream.url());
    let config = Config::new()
        .account(account("first").set("max_concurrency", 1))
        .account(account("second").set("dispatch", "fallback"));
    let gateway = Gateway::start(&config).await;
    let call = samples::call(CHAT, MODEL);
    let one = gateway.send(&call);
    let two = async {
        upstream.reached(1).await;
        gateway.send(&call).await
    };
    let three = async {
        upstream.reached(2).await;
        gate.open();
    };
    let (one, two, ()) = tokio::join!(one, two, three);
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(upstream.credentials(), ["first", "second"].map(credential));
}

#[tokio::test]
async fn a_slot_comes_back_after_every_kind_of_end() {
    let answers = [
        samples::good(CHAT),
        samples::refusal(CHAT, 400, "a field is wrong"),
        samples::good(CHAT),
        samples::good(CHAT).chunked(),
        samples::good(CHAT).close(),
        samples::good(CHAT),
    ];
    let upstream = Upstream::in_turn(answers).await;
    let account = Account::new("only", CHAT, &upstream.url()).set("max_concurrency", 1);
    let gateway = Gateway::start(&Config::new().account(account)).await;
    for expected in [200, 400, 200, 200, 200, 200] {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, expected);
    }
}
