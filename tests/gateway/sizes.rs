//! How large a body may be, however it is framed, and whoever had to be asked twice.

use std::time::Duration;

use bytes::Bytes;
use levity::dialects::Dialect;

use crate::support::client::{Framing, Request, post, request};
use crate::support::gateway::{Config, Gateway, KEY};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;
use crate::support::{soon, within};

const CHAT: Dialect = Dialect::OpenAiChat;
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A chat request of exactly this many bytes, no two stretches of it alike.
fn body(size: usize) -> Bytes {
    let (start, end) = (r#"{"model":"test-model","messages":[],"pad":""#, r#""}"#);
    let pad = size - start.len() - end.len();
    let mut body = start.to_owned();
    body.extend((0..pad.div_ceil(8)).map(|number| format!("{number:08x}")));
    body.truncate(start.len() + pad);
    body.push_str(end);
    Bytes::from(body)
}

fn in_chunks(request: Request) -> Request {
    request.framing(Framing::Chunked(10_000))
}

/// Sends a body of this size in both framings, with a failed attempt before and without.
async fn arrives_whole(size: usize) {
    let body = body(size);
    assert_eq!(body.len(), size);
    let call = post(samples::path(CHAT, MODEL), body.clone());
    for request in [call.clone(), in_chunks(call)] {
        for failures in [0, 1] {
            let busy = samples::refusal(CHAT, 503, "busy");
            let answers = std::iter::repeat_n(busy, failures).chain([samples::good(CHAT)]);
            let upstream = Upstream::in_turn(answers).await;
            let gateway = Gateway::start(&Config::two(CHAT, &upstream)).await;
            let reply = gateway.send(&request).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let seen = upstream.seen();
            assert_eq!(seen.len(), failures + 1, "requests upstream");
            // Not assert_eq: nobody wants to read 32 MiB.
            assert!(seen.iter().all(|seen| seen.body == body), "another body arrived");
        }
    }
}

#[tokio::test]
async fn a_body_just_below_64_kib_arrives_whole() {
    arrives_whole(64 * KIB - 1).await;
}

#[tokio::test]
async fn a_body_of_64_kib_arrives_whole() {
    arrives_whole(64 * KIB).await;
}

#[tokio::test]
async fn a_body_just_above_64_kib_arrives_whole() {
    arrives_whole(64 * KIB + 1).await;
}

#[tokio::test]
async fn a_body_of_1_mib_arrives_whole() {
    arrives_whole(MIB).await;
}

#[tokio::test]
async fn a_body_of_32_mib_arrives_whole() {
    arrives_whole(32 * MIB).await;
}

#[tokio::test]
async fn an_empty_body_is_refused_at_once() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::two(CHAT, &upstream)).await;
    let empty = post(samples::path(CHAT, MODEL), "");
    let none = request("POST", samples::path(CHAT, MODEL));
    for request in [empty.clone(), in_chunks(empty), none] {
        refused(CHAT, 400, &gateway.send(&request).await);
    }
    assert_eq!(upstream.count(), 0, "requests upstream");
}

/// A gateway whose limit is 1 MiB.
async fn limited(dialect: Dialect) -> (Upstream, Gateway) {
    let upstream = Upstream::always(samples::good(dialect)).await;
    let config = Config::one(dialect, &upstream).set("proxy", "max_body", "1MiB");
    let gateway = Gateway::start(&config).await;
    (upstream, gateway)
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let (upstream, gateway) = limited(CHAT).await;
    let call = post(samples::path(CHAT, MODEL), body(MIB));
    assert_eq!(gateway.send(&call).await.status, 200);
    assert_eq!(gateway.send(&in_chunks(call)).await.status, 200);
    assert!(upstream.seen().iter().all(|seen| seen.body.len() == MIB));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_in_every_dialect() {
    for dialect in Dialect::ALL {
        let (upstream, gateway) = limited(dialect).await;
        for size in [MIB + 1, 8 * MIB] {
            let call = post(samples::path(dialect, MODEL), body(size));
            for call in [call.clone(), in_chunks(call)] {
                let message = refused(dialect, 413, &gateway.send(&call).await);
                assert!(message.contains("max_body"), "{message}");
            }
        }
        assert_eq!(upstream.count(), 0, "requests upstream");
    }
}

#[tokio::test]
async fn a_chunked_body_in_tiny_pieces_arrives_whole() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let body = body(5 * KIB);
    let call = post(samples::path(CHAT, MODEL), body.clone()).framing(Framing::Chunked(1));
    assert_eq!(gateway.send(&call).await.status, 200);
    assert!(upstream.only().body == body, "another body arrived");
}

#[tokio::test]
async fn a_body_that_comes_late_arrives_whole() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let (call, body) = (samples::call(CHAT, MODEL), samples::body(CHAT, MODEL).to_string());
    let mut connection = gateway.connect().await;
    connection.write(&call.head(gateway.address)).await.unwrap();
    for byte in body.bytes() {
        connection.write(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(soon("the answer", connection.head()).await.unwrap().status, 200);
    assert_eq!(upstream.only().text(), body);
}

#[tokio::test]
async fn expect_100_continue_is_answered_at_once() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let body = body(2 * MIB);
    let call = post(samples::path(CHAT, MODEL), body.clone()).header("Expect", "100-continue");
    let mut connection = gateway.connect().await;
    connection.write(&call.head(gateway.address)).await.unwrap();
    let limit = Duration::from_millis(900);
    let interim = within(limit, "the 100", connection.head()).await.unwrap();
    assert_eq!(interim.status, 100);
    connection.write(&body).await.unwrap();
    let head = soon("the answer", connection.head()).await.unwrap();
    assert_eq!(head.status, 200);
    let seen = upstream.only();
    assert!(seen.body == body, "another body arrived");
    assert_eq!(seen.header("expect"), None);
}

#[tokio::test]
async fn a_stranger_who_asks_before_sending_is_refused_before_sending() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream).guarded("strict")).await;
    let call = post(samples::path(CHAT, MODEL), body(2 * MIB)).header("expect", "100-continue");
    let mut connection = gateway.connect().await;
    connection.write(&call.head(gateway.address)).await.unwrap();
    let head = soon("the refusal", connection.head()).await.unwrap();
    assert_eq!(head.status, 401);
    let body = soon("the refusal", connection.body(&head)).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains(KEY));
}

#[tokio::test]
async fn an_upstream_that_refuses_early_is_left_for_the_next() {
    // It answers and closes without reading: the gateway is still sending.
    let early = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", early.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = early.accept().await {
            let answer = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.ok();
        }
    });
    let upstream = Upstream::always(Answer::json(200, "{}")).await;
    let config = Config::one(CHAT, &upstream);
    let account = crate::support::gateway::Account::new("early", CHAT, &url);
    let gateway = Gateway::start(&config.account(account)).await;
    let body = body(8 * MIB);
    for _ in 0..2 {
        let call = post(samples::path(CHAT, MODEL), body.clone());
        assert_eq!(gateway.send(&call).await.status, 200);
    }
    assert!(upstream.seen().iter().all(|seen| seen.body == body), "another body arrived");
}
