//! Same dialect on both sides: what goes through as it came, and the one thing that changes.

use std::io::Write;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use levity::dialects::Dialect;
use serde_json::json;

use crate::support::client::post;
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::{Answer, Gate};
use crate::support::upstream::Upstream;

/// What JSON allows and careful software keeps: spacing, order, repeated keys, escapes, odd numbers.
const ODD: &str = "\"a\" : [ 1.0, 1e+2 ,12345678901234567890123, -0 ],\r\n\t\"same\":1,\"same\":2,\
    \"text\":\"caf\\u00e9 \\ud83d\\ude00 \\/ é 😀 \\\"model\\\": \\\"gpt-4o\\\"\",\
    \"deep\":{\"model\":\"gpt-4o\",\"list\":[{\"model\":\"gpt-4o\"}]},\"empty\":{ }";

/// Posts `sent` and returns what the upstream got.
async fn forwarded(upstream: &Upstream, gateway: &Gateway, path: &str, sent: &str) -> String {
    let reply = gateway.send(&post(path, sent.to_owned())).await;
    assert_eq!(reply.status, 200, "{sent}: {}", reply.text());
    upstream.seen().pop().unwrap().text()
}

/// A body of this dialect, with odd JSON around what must be there.
fn odd_body(dialect: Dialect) -> String {
    let body = samples::body(dialect, MODEL).to_string();
    format!(" {{ {ODD} , {}\n", &body[1..])
}

async fn passes_byte_for_byte(dialect: Dialect) {
    let upstream = Upstream::always(samples::good(dialect)).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let body = odd_body(dialect);
    let reply = gateway.send(&post(samples::path(dialect, MODEL), body.clone())).await;
    assert_eq!(upstream.only().text(), body);
    assert_eq!(reply.text(), samples::answer(dialect).to_string());
}

#[tokio::test]
async fn a_chat_exchange_passes_byte_for_byte() {
    passes_byte_for_byte(Dialect::OpenAiChat).await;
}

#[tokio::test]
async fn a_responses_exchange_passes_byte_for_byte() {
    passes_byte_for_byte(Dialect::OpenAiResponses).await;
}

#[tokio::test]
async fn a_messages_exchange_passes_byte_for_byte() {
    passes_byte_for_byte(Dialect::Anthropic).await;
}

#[tokio::test]
async fn a_gemini_exchange_passes_byte_for_byte() {
    passes_byte_for_byte(Dialect::Gemini).await;
}

/// Where the model may stand in a body, and how it may be written: before and after mapping.
fn mapped_bodies() -> Vec<(String, String)> {
    [
        ("{\"model\":", "\"gpt-4o\"", ",\"messages\":[]}".to_owned()),
        ("{\"messages\":[],\"model\":", "\"gpt-4o\"", "}".to_owned()),
        ("\n{\t\"model\" \r\n:  ", "\"gpt-4o\"", format!("  , {ODD} }}  ")),
        ("{\"deep\":{\"model\":\"gpt-4o\"},\"model\":", "\"gpt-4o\"", format!(",{ODD}}}")),
        ("{\"text\":\"\\\"model\\\":\\\"gpt-4o\\\"\",\"model\":", "\"gpt-4o\"", "}".to_owned()),
        ("{\"list\":[\"model\",\"gpt-4o\"],\"model\":", "\"gpt-4o\"", "}".to_owned()),
        ("{\"model\":", "\"gpt\\u002d4o\"", ",\"user\":\"gpt-4o\"}".to_owned()),
        ("{\"\\u006dodel\":", "\"gpt-4o\"", ",\"models\":\"gpt-4o\"}".to_owned()),
    ]
    .map(|(before, name, after)| {
        (format!("{before}{name}{after}"), format!("{before}\"target-1\"{after}"))
    })
    .into()
}

async fn is_mapped(dialect: Dialect, config: Config, upstream: &Upstream) {
    let gateway = Gateway::start(&config).await;
    for (sent, expected) in mapped_bodies() {
        let path = samples::path(dialect, MODEL);
        assert_eq!(forwarded(upstream, &gateway, &path, &sent).await, expected);
    }
}

#[tokio::test]
async fn an_alias_changes_the_model_and_nothing_else() {
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic] {
        let upstream = Upstream::always(samples::good(dialect)).await;
        let config = Config::one(dialect, &upstream);
        let config = config.set("models", "aliases", json!({ "gpt-4o*": "target-1" }));
        is_mapped(dialect, config, &upstream).await;
    }
}

#[tokio::test]
async fn an_accounts_map_changes_the_model_and_nothing_else() {
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic] {
        let upstream = Upstream::always(samples::good(dialect)).await;
        let account = Account::new("only", dialect, &upstream.url())
            .set("model_map", json!({ "gpt-*": "target-1" }));
        is_mapped(dialect, Config::new().account(account), &upstream).await;
    }
}

/// Under an alias a forwarded answer says the name that was asked for, like a translated one; nothing else changes.
#[tokio::test]
async fn an_answer_under_an_alias_says_the_name_that_was_asked_for() {
    for dialect in Dialect::ALL {
        let aliased = |upstream: &Upstream| {
            Config::one(dialect, upstream).set("models", "aliases", json!({ "short": MODEL }))
        };
        let named = |text: &str| text.replace(MODEL, "short");
        let upstream = Upstream::always(samples::good(dialect)).await;
        let gateway = Gateway::start(&aliased(&upstream)).await;
        let reply = gateway.send(&samples::call(dialect, "short")).await;
        let expected = named(&samples::answer(dialect).to_string());
        assert!(expected.contains("short"), "{expected}");
        assert_eq!(reply.text(), expected);
        let length = reply.headers.get("content-length").map(str::to_owned);
        assert_eq!(length, Some(expected.len().to_string()));

        let whole = samples::events(dialect).concat();
        let head = Answer::status(200).header("content-type", "text/event-stream").chunked();
        let answer = whole.bytes().fold(head, |answer, byte| answer.chunk(vec![byte]));
        let upstream = Upstream::always(answer).await;
        let gateway = Gateway::start(&aliased(&upstream)).await;
        let mut open = gateway.open(&samples::stream_call(dialect, "short")).await;
        assert!(open.end().await, "a proper end");
        assert_eq!(open.text(), named(&whole));
    }
}

#[tokio::test]
async fn a_gemini_model_is_mapped_in_the_path_and_not_in_the_body() {
    let upstream = Upstream::always(samples::good(Dialect::Gemini)).await;
    let config = Config::one(Dialect::Gemini, &upstream).set(
        "models",
        "aliases",
        json!({ "flash": "gemini-3-flash" }),
    );
    let gateway = Gateway::start(&config).await;
    let body = format!("{{{ODD},\"model\":\"flash\"}}");
    let path = samples::stream_path(Dialect::Gemini, "flash");
    assert_eq!(forwarded(&upstream, &gateway, &path, &body).await, body);
    let target = upstream.only().target;
    assert_eq!(target, samples::stream_path(Dialect::Gemini, "gemini-3-flash"));
}

#[tokio::test]
async fn the_alias_comes_first_then_the_accounts_own_map() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let account = Account::new("only", Dialect::OpenAiChat, &upstream.url())
        .set("models", json!(["family-*"]))
        .set("model_map", json!({ "family-1": "target-1" }));
    let config = Config::new().account(account);
    let config = config.set("models", "aliases", json!({ "short": "family-1" }));
    let gateway = Gateway::start(&config).await;
    let sent = r#"{"model":"short","messages":[]}"#;
    let seen = forwarded(&upstream, &gateway, "/v1/chat/completions", sent).await;
    assert_eq!(seen, r#"{"model":"target-1","messages":[]}"#);
}

#[tokio::test]
async fn the_most_exact_alias_wins() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let aliases =
        json!({ "*": "any", "a*": "short", "a*z": "later", "abc*": "long", "abcd": "exact" });
    let config = Config::one(Dialect::OpenAiChat, &upstream).set("models", "aliases", aliases);
    let gateway = Gateway::start(&config).await;
    for (asked, used) in
        [("abcd", "exact"), ("abcde", "long"), ("abz", "short"), ("b", "any"), ("ab", "short")]
    {
        let sent = format!(r#"{{"model":"{asked}"}}"#);
        let seen = forwarded(&upstream, &gateway, "/v1/chat/completions", &sent).await;
        assert_eq!(seen, format!(r#"{{"model":"{used}"}}"#), "{asked}");
    }
}

#[tokio::test]
async fn unknown_query_parameters_mean_nothing_here_and_go_on() {
    let upstream = Upstream::always(samples::good(Dialect::Anthropic)).await;
    let gateway = Gateway::start(&Config::all(&upstream)).await;
    for dialect in Dialect::ALL {
        let target = format!(
            "{}?beta=true&%24alt=json%3Benum-encoding%3Dint",
            samples::path(dialect, MODEL)
        );
        let body = samples::body(dialect, MODEL).to_string();
        forwarded(&upstream, &gateway, &target, &body).await;
        assert_eq!(upstream.seen().pop().unwrap().target, target);
    }
}

fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_gzip_request_body_is_understood() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(samples::good(dialect)).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let body = odd_body(dialect);
        let request = post(samples::path(dialect, MODEL), gzipped(body.as_bytes()))
            .header("content-encoding", "gzip");
        assert_eq!(gateway.send(&request).await.status, 200);
        let seen = upstream.only();
        let plain = match seen.header("content-encoding") {
            Some("gzip") => std::io::read_to_string(GzDecoder::new(&seen.body[..])).unwrap(),
            _ => seen.text(),
        };
        assert_eq!(plain, body);
    }
}

#[tokio::test]
async fn a_body_that_is_not_the_gzip_it_claims_to_be_is_refused() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    let call = samples::call(Dialect::OpenAiChat, MODEL).header("content-encoding", "gzip");
    refused(Dialect::OpenAiChat, 400, &gateway.send(&call).await);
    assert_eq!(upstream.count(), 0, "requests upstream");
}

#[tokio::test]
async fn a_gzip_bomb_meets_the_body_limit() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let config = Config::one(Dialect::OpenAiChat, &upstream).set("proxy", "max_body", "1MiB");
    let gateway = Gateway::start(&config).await;
    let bomb = post("/v1/chat/completions", gzipped(&vec![b' '; 64 << 20]))
        .header("content-encoding", "gzip");
    refused(Dialect::OpenAiChat, 413, &gateway.send(&bomb).await);
}

#[tokio::test]
async fn an_answer_that_is_gzipped_unasked_is_decoded() {
    for dialect in Dialect::ALL {
        let plain = samples::answer(dialect).to_string();
        let answer = Answer::json(200, gzipped(plain.as_bytes()));
        let upstream = Upstream::always(answer.header("content-encoding", "gzip")).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        assert_eq!(reply.header("content-encoding"), None);
        assert_eq!(reply.text(), plain);
        let asked = upstream.only();
        assert!(matches!(asked.header("accept-encoding"), None | Some("identity")));
    }
}

#[tokio::test]
async fn a_gzipped_stream_is_decoded_event_by_event() {
    let dialect = Dialect::Anthropic;
    let (gate, events) = (Gate::closed(), samples::events(dialect));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(events[..3].concat().as_bytes()).unwrap();
    encoder.flush().unwrap();
    let first = encoder.get_ref().clone();
    encoder.write_all(events[3..].concat().as_bytes()).unwrap();
    let rest = encoder.finish().unwrap()[first.len()..].to_vec();
    let answer = Answer::status(200)
        .header("content-type", "text/event-stream")
        .header("content-encoding", "gzip")
        .chunked()
        .chunk(first)
        .wait(&gate)
        .chunk(rest);
    let upstream = Upstream::always(answer).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
    assert_eq!(open.head.headers.get("content-encoding"), None);
    open.until("one ").await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
}

/// From its first text on, each event is sent only when the client has seen the one before it.
async fn streams_without_delay(dialect: Dialect) {
    let (events, begun) = (samples::events(dialect), samples::begun(dialect));
    let gates: Vec<Gate> = events[begun.len()..].iter().map(|_| Gate::closed()).collect();
    let later = events[begun.len()..].iter().zip(&gates);
    let answer =
        later.fold(Answer::sse(&begun), |answer, (event, gate)| answer.wait(gate).event(event));
    let upstream = Upstream::always(answer).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
    let kind = open.head.headers.get("content-type").unwrap_or_default().to_owned();
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    for (number, gate) in gates.iter().enumerate() {
        open.until(&events[..begun.len() + number].concat()).await;
        gate.open();
    }
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
}

#[tokio::test]
async fn a_chat_stream_passes_event_by_event() {
    streams_without_delay(Dialect::OpenAiChat).await;
}

#[tokio::test]
async fn a_responses_stream_passes_event_by_event() {
    streams_without_delay(Dialect::OpenAiResponses).await;
}

#[tokio::test]
async fn a_messages_stream_passes_event_by_event() {
    streams_without_delay(Dialect::Anthropic).await;
}

#[tokio::test]
async fn a_gemini_stream_passes_event_by_event() {
    streams_without_delay(Dialect::Gemini).await;
}

#[tokio::test]
async fn a_stream_cut_into_single_bytes_passes_byte_for_byte() {
    for dialect in Dialect::ALL {
        let whole = format!(": a comment\n\n{}", samples::events(dialect).concat());
        let head = Answer::status(200).header("content-type", "text/event-stream").chunked();
        let answer = whole.bytes().fold(head, |answer, byte| answer.chunk(vec![byte]));
        let upstream = Upstream::always(answer).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
        assert!(open.end().await, "a proper end");
        assert_eq!(open.text(), whole);
    }
}

#[tokio::test]
async fn a_gemini_stream_without_sse_passes_as_the_array_that_it_is() {
    let dialect = Dialect::Gemini;
    let array = format!("[{0},\r\n{0}]", samples::answer(dialect));
    let (gate, half) = (Gate::closed(), array.len() / 2);
    let answer = Answer::status(200)
        .header("content-type", "application/json")
        .chunked()
        .chunk(array[..half].to_owned())
        .wait(&gate)
        .chunk(array[half..].to_owned());
    let upstream = Upstream::always(answer).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let path = format!("/v1beta/models/{MODEL}:streamGenerateContent");
    let body = samples::body(dialect, MODEL).to_string();
    let mut open = gateway.open(&post(path, body)).await;
    open.until(&array[..half]).await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), array);
}

#[tokio::test]
async fn every_framing_of_an_answer_arrives_whole() {
    let dialect = Dialect::OpenAiChat;
    let plain = samples::answer(dialect).to_string();
    let json = |answer: Answer| answer.header("content-type", "application/json");
    let early =
        Answer::nothing().raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n");
    let framed = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{plain}", plain.len());
    for answer in [
        json(Answer::status(200)).chunk(plain.clone()),
        json(Answer::status(200))
            .chunked()
            .chunk(plain[..9].to_owned())
            .chunk(plain[9..].to_owned()),
        json(Answer::status(200)).until_close().chunk(plain.clone()).close(),
        early.raw(&framed),
    ] {
        let upstream = Upstream::always(answer).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        assert_eq!((reply.status, reply.text()), (200, plain.clone()));
    }
}

#[tokio::test]
async fn a_large_answer_arrives_whole() {
    let dialect = Dialect::OpenAiChat;
    let plain = json!({ "pad": "x".repeat(8 << 20) }).to_string();
    let upstream = Upstream::always(Answer::json(200, plain.clone())).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    assert!(gateway.send(&samples::call(dialect, MODEL)).await.text() == plain, "another body");
}
