//! Requests that find every account busy: who waits, in which order, and for how long.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use levity::dialects::Dialect;
use serde_json::json;

use crate::support::client::Request;
use crate::support::eventually;
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::{self, Seen};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// One account that takes one request at a time.
fn narrow(upstream: &Upstream) -> Config {
    let account = Account::new("only", CHAT, &upstream.url()).set("max_concurrency", 1);
    Config::new().account(account)
}

fn call(number: usize) -> Request {
    samples::call(CHAT, &format!("{MODEL}-{number}"))
}

#[tokio::test]
async fn requests_beyond_an_accounts_limit_wait_their_turn() {
    let gate = script::Gate::closed();
    let upstream = Upstream::always(samples::good(CHAT).chunked().held_by(&gate)).await;
    let gateway = Gateway::start(&narrow(&upstream).json_log()).await;
    let call = samples::call(CHAT, MODEL);
    let others = async {
        upstream.reached(1).await;
        join_all((0..4).map(|_| gateway.send(&call))).await
    };
    let open = async {
        upstream.reached(1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        gate.open();
    };
    let (first, others, ()) = tokio::join!(gateway.send(&call), others, open);
    assert_eq!(first.status, 200);
    let mut waited = Vec::new();
    for reply in &others {
        assert_eq!(reply.status, 200);
        waited.extend(gateway.logged(&reply.headers).await["waited_ms"].as_u64());
    }
    assert!(waited.iter().any(|waited| *waited > 100), "the wait is in the log: {waited:?}");
    assert_eq!((upstream.count(), upstream.most_at_once()), (5, 1));
}

#[tokio::test]
async fn who_came_first_is_answered_first() {
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let upstream = {
        let order = Arc::clone(&order);
        Upstream::new(move |seen: &Seen| {
            order.lock().push(seen.headers.get("x-place").unwrap_or_default().to_owned());
            samples::good(CHAT).after(250)
        })
        .await
    };
    let gateway = Gateway::start(&narrow(&upstream)).await;
    let sent = (0..6_u64).map(|place| {
        let gateway = &gateway;
        async move {
            tokio::time::sleep(Duration::from_millis(100 * place)).await;
            let call = samples::call(CHAT, MODEL).header("x-place", &place.to_string());
            gateway.send(&call).await.status
        }
    });
    assert_eq!(join_all(sent).await, [200; 6]);
    assert_eq!(*order.lock(), ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn the_gateways_own_limit_holds_over_all_accounts_and_models() {
    let upstream = Upstream::always(samples::good(CHAT).chunked().after(60)).await;
    let accounts = |config: Config, name| config.account(Account::new(name, CHAT, &upstream.url()));
    let config = ["a", "b", "c"].into_iter().fold(Config::new(), accounts);
    let gateway = Gateway::start(&config.set("pool", "max_concurrency", 2)).await;
    let calls: Vec<Request> = (0..8).map(call).collect();
    let replies = join_all(calls.iter().map(|call| gateway.send(call))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(upstream.most_at_once(), 2);
}

#[tokio::test]
async fn a_full_queue_is_a_429_that_says_when_to_come_back() {
    for dialect in Dialect::ALL {
        let gate = script::Gate::closed();
        let upstream = Upstream::always(samples::good(dialect).held_by(&gate)).await;
        let account = Account::new("only", dialect, &upstream.url()).set("max_concurrency", 1);
        let config = Config::new().account(account).set("pool", "queue", json!({ "size": 1 }));
        let gateway = Gateway::start(&config).await;
        let call = samples::call(dialect, MODEL);
        let third = async {
            upstream.reached(1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let reply = gateway.send(&call).await;
            gate.open();
            reply
        };
        let second = async {
            upstream.reached(1).await;
            gateway.send(&call).await
        };
        let (first, second, third) = tokio::join!(gateway.send(&call), second, third);
        assert_eq!((first.status, second.status), (200, 200));
        refused(dialect, 429, &third);
        assert_eq!(third.header("retry-after"), Some("1"));
        assert!(third.text().contains("1 requests wait already"), "{}", third.text());
    }
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline() {
    let gate = script::Gate::closed();
    let upstream = Upstream::always(samples::good(CHAT).held_by(&gate)).await;
    let queue = json!({ "wait": "300ms" });
    let gateway = Gateway::start(&narrow(&upstream).set("pool", "queue", queue)).await;
    let second = async {
        upstream.reached(1).await;
        let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
        gate.open();
        reply
    };
    let call = samples::call(CHAT, MODEL);
    let (first, second) = tokio::join!(gateway.send(&call), second);
    assert_eq!(first.status, 200);
    refused(CHAT, 429, &second);
    assert!(second.text().contains("300ms"), "{}", second.text());
}

#[tokio::test]
async fn a_client_that_leaves_the_line_frees_its_place() {
    let gate = script::Gate::closed();
    let upstream = Upstream::always(samples::good(CHAT).held_by(&gate)).await;
    let queue = json!({ "size": 1 });
    let config = narrow(&upstream).set("pool", "queue", queue).json_log();
    let gateway = Gateway::start(&config).await;
    let call = samples::call(CHAT, MODEL);
    let others = async {
        upstream.reached(1).await;
        let mut waiting = gateway.connect().await;
        waiting.write(&call.head(gateway.address)).await.unwrap();
        waiting.write(&call.body).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(waiting);
        eventually("the client's end", || gateway.stderr().contains("client left").then_some(()))
            .await;
        let next = gateway.send(&call);
        let open = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            gate.open();
        };
        tokio::join!(next, open).0
    };
    let (first, next) = tokio::join!(gateway.send(&call), others);
    assert_eq!((first.status, next.status), (200, 200));
    assert_eq!(upstream.count(), 2, "who left is not asked for");
}

#[tokio::test]
async fn a_request_whose_account_fails_waits_for_the_busy_one() {
    let gate = script::Gate::closed();
    let works = Upstream::always(samples::good(CHAT).held_by(&gate)).await;
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "40");
    let limited = Upstream::always(busy.after(100)).await;
    let config = Config::new()
        .account(Account::new("works", CHAT, &works.url()).set("max_concurrency", 1))
        .account(Account::new("limited", CHAT, &limited.url()).set("dispatch", "fallback"));
    let gateway = Gateway::start(&config.json_log()).await;
    let call = samples::call(CHAT, MODEL);
    let second = async {
        works.reached(1).await;
        gateway.send(&call).await
    };
    let open = async {
        limited.reached(1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        gate.open();
    };
    let (first, second, ()) = tokio::join!(gateway.send(&call), second, open);
    assert_eq!((first.status, second.status), (200, 200), "{}", second.text());
    assert_eq!((works.count(), limited.count()), (2, 1));
    let logged = gateway.logged(&second.headers).await;
    assert!(logged["waited_ms"].as_u64().unwrap() > 50, "{logged}");
}
