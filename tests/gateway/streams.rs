//! Streams that end early: the client leaves, the upstream dies, the gateway is told to stop.

use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;
use tokio::net::TcpStream;

use crate::support::client::{Framing, post};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, broke_off, refused};
use crate::support::script::{Answer, Gate, Step};
use crate::support::upstream::Upstream;
use crate::support::{soon, within};

const CHAT: Dialect = Dialect::OpenAiChat;

/// A gateway whose only account has a single slot: what is not given back is missed at once.
async fn single(dialect: Dialect, upstream: &Upstream) -> Gateway {
    let account = Account::new("only", dialect, &upstream.url()).set("max_concurrency", 1);
    Gateway::start(&Config::new().account(account)).await
}

/// Checks that the upstream is left within a second, and that the account is free again.
async fn leaves_nothing_behind(dialect: Dialect, upstream: &Upstream, gateway: &Gateway) {
    upstream.left().await;
    let reply = gateway.send(&samples::call(dialect, MODEL)).await;
    assert_eq!((reply.status, reply.text()), (200, samples::answer(dialect).to_string()));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_ends_the_upstream_request() {
    for dialect in Dialect::ALL {
        let answers = [Answer::nothing().hang(), samples::good(dialect)];
        let upstream = Upstream::in_turn(answers).await;
        let gateway = single(dialect, &upstream).await;
        let call = samples::stream_call(dialect, MODEL);
        let mut connection = gateway.connect().await;
        connection.write(&call.head(gateway.address)).await.unwrap();
        connection.write(&call.body).await.unwrap();
        upstream.reached(1).await;
        drop(connection);
        leaves_nothing_behind(dialect, &upstream, &gateway).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_mid_stream_ends_the_upstream_request() {
    for dialect in Dialect::ALL {
        let half = Answer::sse(samples::begun(dialect)).hang();
        let upstream = Upstream::in_turn([half, samples::good(dialect)]).await;
        let gateway = single(dialect, &upstream).await;
        let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
        open.until("one ").await;
        drop(open);
        leaves_nothing_behind(dialect, &upstream, &gateway).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_busy_stream_ends_the_upstream_request() {
    let events = samples::events(CHAT);
    let step =
        |answer: Answer, _| answer.event(&events[1]).step(Step::Pause(Duration::from_millis(20)));
    let busy = (0..500).fold(Answer::sse(&events[..1]), step);
    let upstream = Upstream::in_turn([busy, samples::good(CHAT)]).await;
    let gateway = single(CHAT, &upstream).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&events[1]).await;
    drop(open);
    leaves_nothing_behind(CHAT, &upstream, &gateway).await;
}

#[tokio::test]
async fn a_client_that_leaves_mid_upload_asks_nobody() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = single(CHAT, &upstream).await;
    let call = post(samples::path(CHAT, MODEL), vec![b' '; 100_000]);
    for call in [call.clone(), call.framing(Framing::Chunked(100))] {
        let mut connection = gateway.connect().await;
        connection.write(&call.head(gateway.address)).await.unwrap();
        connection.write(b"5\r\n{    \r\n").await.unwrap();
        drop(connection);
    }
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!((reply.status, upstream.count()), (200, 1));
}

#[tokio::test]
async fn many_clients_that_leave_at_once_leave_nothing_behind() {
    let half = Answer::sse(&samples::events(CHAT)[..2]).hang();
    let upstream = Upstream::always(half).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
        open.until(&samples::events(CHAT)[0]).await;
        streams.push(open);
    }
    drop(streams);
    upstream.left().await;
}

/// Checks that a stream that ends like this ends, for the client, in its dialect's error event.
async fn breaks_off(ending: fn(Answer) -> Answer) {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(ending(Answer::sse(samples::begun(dialect)))).await;
        let config = Config::two(dialect, &upstream).set(
            "proxy",
            "timeouts",
            serde_json::json!({ "idle": "500ms" }),
        );
        let gateway = Gateway::start(&config).await;
        let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
        open.until(&samples::begun(dialect).concat()).await;
        open.end().await;
        broke_off(dialect, &open.text());
        assert_eq!(upstream.count(), 1, "what has begun is not asked for again");
    }
}

#[tokio::test]
async fn an_upstream_that_resets_mid_stream_is_an_error_event() {
    breaks_off(Answer::reset).await;
}

#[tokio::test]
async fn an_upstream_that_closes_mid_stream_is_an_error_event() {
    breaks_off(Answer::close).await;
}

#[tokio::test]
async fn an_upstream_that_falls_silent_is_an_error_event() {
    breaks_off(Answer::hang).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_inside_an_event_is_an_event_of_its_own() {
    breaks_off(|begun| begun.event("event: half\ndata: {\"half\":\"of an ev").close()).await;
}

#[tokio::test]
async fn an_upstream_that_sends_garbage_instead_of_a_chunk_is_an_error_event() {
    breaks_off(|begun| begun.raw("this is no chunk size\r\n").hang()).await;
}

#[tokio::test]
async fn a_stream_that_ends_properly_but_too_soon_is_an_error_event() {
    breaks_off(|begun| begun).await;
}

#[tokio::test]
async fn an_answer_of_known_length_that_is_cut_is_an_honest_error() {
    for dialect in Dialect::ALL {
        let whole = samples::answer(dialect).to_string();
        let cut = Answer::status(200)
            .header("content-type", "application/json")
            .chunk(whole[..20].to_owned())
            .close()
            .chunk(whole[20..].to_owned());
        let upstream = Upstream::always(cut).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        assert!(matches!(reply.status, 502 | 503), "{}", reply.status);
        refused(dialect, reply.status, &reply);
    }
}

#[tokio::test]
async fn a_slow_reader_gets_everything() {
    let event = format!("data: {{\"pad\":\"{}\"}}\n\n", "x".repeat(60_000));
    let head = Answer::sse(&samples::events(CHAT)[..1]);
    let answer = (0..100).fold(head, |answer, _| answer.event(&event));
    let answer = samples::events(CHAT)[1..].iter().fold(answer, |answer, last| answer.event(last));
    let upstream = Upstream::always(answer).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text().len(), samples::events(CHAT).concat().len() + 100 * event.len());
    assert!(open.text().ends_with("data: [DONE]\n\n"));
}

/// A stream that waits at a gate after its first event, on a gateway that is told to stop meanwhile.
async fn drains(signal: Signal) {
    let (gate, events) = (Gate::closed(), samples::events(CHAT));
    let answer = Answer::sse(&events[..1]).wait(&gate);
    let answer = events[1..].iter().fold(answer, |answer, event| answer.event(event));
    let upstream = Upstream::always(answer).await;
    let mut gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&events[0]).await;
    gateway.signal(signal);
    soon("closing the port", async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
    let limit = Duration::from_secs(5);
    assert_eq!(within(limit, "the end", gateway.exit_code()).await, Some(0));
}

#[tokio::test]
async fn sigterm_lets_a_running_stream_finish() {
    drains(Signal::SIGTERM).await;
}

#[tokio::test]
async fn sigint_lets_a_running_stream_finish() {
    drains(Signal::SIGINT).await;
}

#[tokio::test]
async fn sigterm_ends_an_idle_gateway_at_once() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let mut gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    // Connections that are kept and say nothing must not hold it up.
    let mut kept = gateway.connect().await;
    kept.send(&samples::call(CHAT, MODEL)).await.unwrap();
    gateway.signal(Signal::SIGTERM);
    let limit = Duration::from_secs(2);
    assert_eq!(within(limit, "the end", gateway.exit_code()).await, Some(0));
}
