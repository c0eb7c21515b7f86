//! The proxy port closed under running streams: they finish, or end at the deadline in their own words.

use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::harness::{self, Console};
use crate::support::client::{Open, post};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Gate};
use crate::support::upstream::Upstream;
use crate::support::{eventually, soon, within};

const CHAT: Dialect = Dialect::OpenAiChat;

/// A stream that waits at a gate after its first word.
fn gated(dialect: Dialect, gate: &Gate) -> Answer {
    let (events, begun) = (samples::events(dialect), samples::begun(dialect).len());
    let answer = Answer::sse(&events[..begun]).wait(gate);
    events[begun..].iter().fold(answer, |answer, event| answer.event(event))
}

/// Waits until the console says that the gateway is in this state.
async fn reaches(console: &Console, state: &str) {
    console.status(state, |status| status["state"] == state).await;
}

async fn stop(console: &Console, body: &str) -> serde_json::Value {
    let reply = console.send(post("/api/stop", body.to_owned())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn a_running_stream_finishes_after_a_stop() {
    let gate = Gate::closed();
    let upstream = Upstream::always(gated(CHAT, &gate)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    let status = stop(&console, "").await;
    assert_eq!(status["state"], "stopping");
    assert!(TcpStream::connect(gateway.address).await.is_err(), "the port is open");
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), samples::events(CHAT).concat());
    reaches(&console, "stopped").await;
}

#[tokio::test]
async fn at_the_deadline_a_stream_ends_with_the_error_of_its_dialect() {
    for dialect in Dialect::ALL {
        let gate = Gate::closed();
        let upstream = Upstream::always(gated(dialect, &gate)).await;
        let (gateway, console) = harness::start(Config::one(dialect, &upstream)).await;
        let mut open: Open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
        open.until("one ").await;
        stop(&console, "{\"deadline_ms\": 100}").await;
        assert!(soon("the end", open.end()).await, "a cut");
        samples::broke_off(dialect, &open.text());
        assert!(open.text().contains("the gateway was stopped"), "{dialect}: {}", open.text());
        reaches(&console, "stopped").await;
        let line = |gateway: &Gateway| gateway.stderr().contains("outcome=\"gateway stopped\"");
        eventually("the log's line", || line(&gateway).then_some(())).await;
    }
}

#[tokio::test]
async fn at_the_deadline_an_answer_that_has_not_begun_is_an_error() {
    for dialect in Dialect::ALL {
        let gate = Gate::closed();
        let upstream = Upstream::always(samples::good(dialect).held_by(&gate)).await;
        let (gateway, console) = harness::start(Config::one(dialect, &upstream)).await;
        let address = gateway.address;
        let asking = tokio::spawn(async move {
            let mut connection = crate::support::client::Connection::open(address).await.unwrap();
            connection.send(&samples::call(dialect, MODEL)).await
        });
        upstream.reached(1).await;
        stop(&console, "{\"deadline_ms\": 0}").await;
        let reply = soon("the refusal", asking).await.unwrap().unwrap();
        let said = samples::refused(dialect, 503, &reply);
        assert!(said.contains("the gateway was stopped"), "{said}");
        reaches(&console, "stopped").await;
    }
}

#[tokio::test]
async fn at_the_deadline_who_waits_in_line_is_told() {
    let gate = Gate::closed();
    let upstream = Upstream::always(gated(CHAT, &gate)).await;
    let account = Account::new("only", CHAT, &upstream.url()).set("max_concurrency", 1);
    let (gateway, console) = harness::start(Config::new().account(account)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    let mut waiting = gateway.connect().await;
    let asking = tokio::spawn(async move { waiting.send(&samples::call(CHAT, MODEL)).await });
    console.status("both", |status| status["requests"]["open"] == 2).await;
    stop(&console, "{\"deadline_ms\": 0}").await;
    let reply = soon("the refusal", asking).await.unwrap().unwrap();
    assert!(samples::refused(CHAT, 503, &reply).contains("the gateway was stopped"));
    assert!(open.end().await, "a cut");
    reaches(&console, "stopped").await;
}

#[tokio::test]
async fn a_second_stop_can_shorten_the_first() {
    let gate = Gate::closed();
    let upstream = Upstream::always(gated(CHAT, &gate)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    assert_eq!(stop(&console, "").await["state"], "stopping");
    stop(&console, "{\"deadline_ms\": 1}").await;
    assert!(soon("the end", open.end()).await, "a cut");
    reaches(&console, "stopped").await;
}

#[tokio::test]
async fn a_start_while_streams_still_run_leaves_them_alone() {
    let gate = Gate::closed();
    let upstream = Upstream::in_turn([gated(CHAT, &gate), samples::good(CHAT)]).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    stop(&console, "").await;
    let started = console.send(post("/api/start", "")).await.json();
    assert_eq!(started["state"], "running");
    console.status("the stream alone", |status| status["requests"]["open"] == 1).await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(console.read("/api/status").await["state"], "running");
}

#[tokio::test]
async fn the_configs_deadline_counts_for_a_signal() {
    let gate = Gate::closed();
    let upstream = Upstream::always(gated(CHAT, &gate)).await;
    let timeouts = serde_json::json!({ "drain": "100ms" });
    let config = Config::one(CHAT, &upstream).set("proxy", "timeouts", timeouts);
    let mut gateway = Gateway::start(&config).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    gateway.signal(Signal::SIGTERM);
    assert!(soon("the end", open.end()).await, "a cut");
    samples::broke_off(CHAT, &open.text());
    assert_eq!(within(Duration::from_secs(5), "the exit", gateway.exit_code()).await, Some(0));
}

#[tokio::test]
async fn a_gateway_without_a_usable_account_is_not_started() {
    let account = Account::new("only", CHAT, "http://127.0.0.1:1");
    let (gateway, console) = harness::start(Config::new().account(account.clone())).await;
    stop(&console, "").await;
    let file = gateway.home.config();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "proxy: { port: 0 }\n").unwrap();
    let reload = console.send(post("/api/reload", "")).await;
    assert_eq!(
        reload.status,
        200,
        "a gateway that is stopped may have no account: {}",
        reload.text()
    );
    let refused = console.send(post("/api/start", "")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert!(refused.json()["error"]["hint"].as_str().unwrap().contains("add an account"));
    std::fs::write(&file, good).unwrap();
    assert_eq!(console.send(post("/api/reload", "")).await.status, 200);
    assert_eq!(console.send(post("/api/start", "")).await.status, 200);
}
