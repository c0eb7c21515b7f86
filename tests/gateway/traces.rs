//! Requests as OpenTelemetry's traces: what a collector gets, and what one that is dead does to the gateway.

use std::time::{Duration, Instant};

use levity::dialects::Dialect;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message as _;
use serde_json::json;

use crate::support::client::{get, post};
use crate::support::eventually;
use crate::support::gateway::{Config, Gateway, KEY, credential};
use crate::support::samples::{self, MODEL, TOKENS};
use crate::support::script::Answer;
use crate::support::tls::{Authority, Offer};
use crate::support::upstream::{Upstream, nobody};

const CHAT: Dialect = Dialect::OpenAiChat;
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// A header's value, which is the collector's alone.
const TOKEN: &str = "collector-token-0123456789";

/// A collector that takes everything.
async fn collector() -> Upstream {
    Upstream::always(Answer::status(200)).await
}

/// Two accounts of the same upstream, and spans sent to `url` soon after they are made.
fn config(upstream: &Upstream, url: &str) -> Config {
    Config::two(CHAT, upstream)
        .set("telemetry", "otlp", url)
        .set("telemetry", "headers", json!({ "x-token": TOKEN }))
        .env("OTEL_BSP_SCHEDULE_DELAY", "20")
}

fn posts(collector: &Upstream) -> Vec<ResourceSpans> {
    let posts = collector.seen().into_iter();
    let decoded = posts.map(|seen| ExportTraceServiceRequest::decode(seen.body).unwrap());
    decoded.flat_map(|post| post.resource_spans).collect()
}

/// Every span that has come so far, in the order of their beginnings.
fn spans(collector: &Upstream) -> Vec<Span> {
    let scopes = posts(collector).into_iter().flat_map(|post| post.scope_spans);
    let mut spans: Vec<Span> = scopes.flat_map(|scope| scope.spans).collect();
    spans.sort_by_key(|span| (span.start_time_unix_nano, span.kind));
    spans
}

async fn some_spans(collector: &Upstream, number: usize) -> Vec<Span> {
    eventually("the spans", || Some(spans(collector)).filter(|spans| spans.len() >= number)).await
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// An attribute as text; `-` where there is none.
fn told(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.clone()) {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(AnyValue { value: Some(Value::BoolValue(truth)) }) => truth.to_string(),
        None => "-".to_owned(),
        other => panic!("{name}: {other:?}"),
    }
}

#[track_caller]
fn tells(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(told(&span.attributes, name), *value, "{name} of {span:?}");
    }
}

fn status(span: &Span) -> (StatusCode, String) {
    span.status.as_ref().map_or((StatusCode::Unset, String::new()), |status| {
        (status.code(), status.message.clone())
    })
}

#[tokio::test]
async fn a_request_that_moved_on_is_one_span_under_its_callers() {
    let failure = samples::refusal(CHAT, 503, "oops");
    let upstream = Upstream::in_turn([failure, samples::good(CHAT)]).await;
    let collector = collector().await;
    let gateway = Gateway::start(&config(&upstream, &collector.url())).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let call = samples::call(CHAT, MODEL).header("traceparent", &traceparent);
    let reply = gateway.send(&call).await;
    assert_eq!(reply.status, 200);

    let spans = some_spans(&collector, 3).await;
    let [request, first, second] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(request.name, format!("chat {MODEL}"));
    assert_eq!((request.kind(), hex(&request.parent_span_id)), (SpanKind::Server, PARENT.into()));
    assert_eq!(status(request), (StatusCode::Unset, String::new()));
    let (input, output) = TOKENS;
    let (input, output) = (input.to_string(), output.to_string());
    let last = told(&second.attributes, "levity.account");
    let id = reply.header("x-request-id").unwrap();
    tells(
        request,
        &[
            ("http.request.method", "POST"),
            ("url.path", "/v1/chat/completions"),
            ("client.address", "127.0.0.1"),
            ("http.response.status_code", "200"),
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "custom"),
            ("gen_ai.request.model", MODEL),
            ("gen_ai.response.model", MODEL),
            ("gen_ai.usage.input_tokens", &input),
            ("gen_ai.usage.output_tokens", &output),
            ("levity.request.id", id),
            ("levity.dialect", "openai_chat"),
            ("levity.account", &last),
            ("levity.attempts", "2"),
            ("levity.stream", "false"),
            ("error.type", "-"),
        ],
    );
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE);
    }
    assert_eq!(told(&first.attributes, "levity.attempt"), "1");
    for seen in upstream.seen() {
        assert_eq!(seen.headers.all("traceparent"), [&traceparent]);
    }
}

#[tokio::test]
async fn each_attempt_is_a_span_below_its_request() {
    let failure = samples::refusal(CHAT, 503, "oops");
    let upstream = Upstream::in_turn([failure, samples::good(CHAT)]).await;
    let collector = collector().await;
    let gateway = Gateway::start(&config(&upstream, &collector.url())).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    let spans = some_spans(&collector, 3).await;
    let [request, first, second] = spans.as_slice() else { panic!("{spans:?}") };
    let mut accounts = Vec::new();
    for attempt in [first, second] {
        assert_eq!(attempt.kind(), SpanKind::Client);
        assert_eq!(attempt.parent_span_id, request.span_id);
        assert!(attempt.start_time_unix_nano >= request.start_time_unix_nano);
        assert!(attempt.end_time_unix_nano <= request.end_time_unix_nano);
        assert!(attempt.end_time_unix_nano > attempt.start_time_unix_nano);
        accounts.push(told(&attempt.attributes, "levity.account"));
    }
    accounts.sort();
    assert_eq!(accounts, ["first", "second"]);
    let port = upstream.address.port().to_string();
    tells(first, &[("http.response.status_code", "503"), ("error.type", "503")]);
    tells(first, &[("server.address", "127.0.0.1"), ("server.port", &port)]);
    assert_eq!(status(first).0, StatusCode::Error);
    tells(second, &[("http.response.status_code", "200"), ("levity.note", "answered")]);
    assert_eq!(status(second).0, StatusCode::Unset);
}

#[tokio::test]
async fn a_post_is_what_collectors_take_and_holds_no_secret() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let collector = collector().await;
    let gateway = Gateway::start(&config(&upstream, &collector.url()).guarded("strict")).await;
    let mut call = samples::call(CHAT, MODEL).header("authorization", &format!("Bearer {KEY}"));
    call.target.push_str("?secret=in-the-query");
    assert_eq!(gateway.send(&call).await.status, 200);
    some_spans(&collector, 2).await;
    for post in collector.seen() {
        assert_eq!((post.method.as_str(), post.target.as_str()), ("POST", "/v1/traces"));
        assert_eq!(post.header("content-type"), Some("application/x-protobuf"));
        assert_eq!(post.header("x-token"), Some(TOKEN));
        assert!(post.header("user-agent").unwrap().starts_with("levity/"));
        let (first, second) = (credential("first"), credential("second"));
        for secret in ["hello", "one two three", "in-the-query", KEY, TOKEN, &first, &second] {
            assert!(!post.text().contains(secret), "{secret} is in a span");
        }
    }
    let resource = posts(&collector)[0].resource.clone().unwrap();
    assert_eq!(told(&resource.attributes, "service.name"), "levity");
    assert_eq!(upstream.only().header("x-token"), None);
}

#[tokio::test]
async fn a_stream_is_told_when_it_is_over_and_how_it_broke() {
    let broken = Answer::sse(samples::begun(CHAT)).reset();
    let upstream = Upstream::in_turn([Answer::sse(samples::events(CHAT)), broken]).await;
    let collector = collector().await;
    let gateway = Gateway::start(&config(&upstream, &collector.url())).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    assert!(open.end().await, "a proper end");
    let spans = some_spans(&collector, 2).await;
    assert_eq!(spans.len(), 2);
    assert!(spans[0].parent_span_id.is_empty(), "{:?}", spans[0]);
    let output = TOKENS.1.to_string();
    tells(&spans[0], &[("levity.stream", "true"), ("gen_ai.usage.output_tokens", &output)]);
    assert_ne!(told(&spans[0].attributes, "levity.time_to_first_byte_ms"), "-");

    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.end().await;
    let spans = some_spans(&collector, 4).await;
    let [request, attempt] = &spans[2..] else { panic!("{spans:?}") };
    assert_eq!(status(request), (StatusCode::Error, "upstream broke off".to_owned()));
    tells(request, &[("error.type", "broken_stream"), ("http.response.status_code", "200")]);
    assert_eq!(status(attempt).0, StatusCode::Error);
}

#[tokio::test]
async fn refusals_estimates_and_health_checks_are_told_as_what_they_are() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let collector = collector().await;
    let gateway = Gateway::start(&config(&upstream, &collector.url())).await;
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200);
    assert_eq!(gateway.send(&post("/v1/chat/completions", "{")).await.status, 400);
    let body = samples::body(Dialect::Anthropic, MODEL).to_string();
    assert_eq!(gateway.send(&post("/v1/messages/count_tokens", body)).await.status, 200);
    // A trace that its caller does not sample is none of ours.
    let unsampled =
        samples::call(CHAT, MODEL).header("traceparent", &format!("00-{TRACE}-{PARENT}-00"));
    assert_eq!(gateway.send(&unsampled).await.status, 200);
    gateway.send(&get("/nowhere")).await;
    let spans = some_spans(&collector, 3).await;
    let [refused, estimated, nowhere] = spans.as_slice() else { panic!("{spans:?}") };
    tells(refused, &[("error.type", "invalid_request"), ("http.response.status_code", "400")]);
    tells(estimated, &[("error.type", "-"), ("levity.outcome", "estimated")]);
    tells(nowhere, &[("gen_ai.operation.name", "-"), ("error.type", "not_found")]);
    assert_eq!(nowhere.name, "GET");
    for span in &spans {
        assert_eq!(status(span).0, StatusCode::Unset, "{span:?}");
    }
}

#[tokio::test]
async fn the_last_spans_are_sent_at_the_end() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let collector = collector().await;
    let config = config(&upstream, &collector.url()).env("OTEL_BSP_SCHEDULE_DELAY", "60000");
    let mut gateway = Gateway::start(&config).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!(collector.count(), 0);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.exit_code().await, Some(0));
    assert_eq!(spans(&collector).len(), 2);
}

#[tokio::test]
async fn a_collector_behind_tls_is_checked_and_asked() {
    let authority = Authority::new();
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let collector = Upstream::tls(&authority, Offer::Http2, |_| Answer::status(200)).await;
    let config = config(&upstream, &collector.url())
        .env("SSL_CERT_FILE", authority.file().to_str().unwrap());
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!(some_spans(&collector, 2).await.len(), 2);
}

#[tokio::test]
async fn a_dead_collector_stops_nothing() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let silent = Upstream::always(Answer::nothing().hang()).await;
    let refusing = Upstream::always(Answer::status(401)).await;
    for (url, named) in [
        (nobody().await, "connection refused"),
        (refusing.url(), "answered 401"),
        (silent.url(), ""),
    ] {
        let mut gateway = Gateway::start(&config(&upstream, &url)).await;
        for _ in 0..3 {
            assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        let warnings = |log: &str| log.matches("traces do not arrive").count();
        if !named.is_empty() {
            eventually("a warning", || gateway.stderr().contains(named).then_some(())).await;
            assert_eq!(warnings(&gateway.stderr()), 1, "{}", gateway.stderr());
            assert!(!gateway.stderr().contains(TOKEN));
        }
        let stopped = Instant::now();
        gateway.signal(Signal::SIGTERM);
        assert_eq!(gateway.exit_code().await, Some(0));
        let took = stopped.elapsed();
        assert!(took < Duration::from_secs(2), "the end took {took:?}: {}", gateway.stderr());
    }
}

#[tokio::test]
async fn off_sends_nothing() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let collector = collector().await;
    let base = || {
        let config = Config::two(CHAT, &upstream);
        config.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
    };
    for (config, sent) in [
        (Config::two(CHAT, &upstream), 0),
        (base().set("telemetry", "otlp", "off"), 0),
        (base().env("OTEL_SDK_DISABLED", "true"), 0),
        (base(), 2),
    ] {
        let mut gateway = Gateway::start(&config).await;
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
        gateway.signal(Signal::SIGTERM);
        assert_eq!(gateway.exit_code().await, Some(0));
        assert_eq!(spans(&collector).len(), sent, "{config:?}");
    }
}

#[tokio::test]
async fn a_reload_is_followed() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (first, second) = (collector().await, collector().await);
    let (one, other) = (first.url(), second.url());
    let gateway = Gateway::start(&config(&upstream, "off")).await;
    let changes = [("off", (0, 0)), (&one, (2, 0)), (&other, (2, 2)), ("off", (2, 2))];
    // Whoever sees the change first reloads: the number of accounts tells which file is at work.
    for (accounts, (otlp, sent)) in (3..).zip(changes) {
        let path = gateway.home.config();
        let mut file: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut another = file["accounts"][0].clone();
        another["name"] = json!(format!("idle-{accounts}"));
        another["enabled"] = json!(false);
        file["accounts"].as_array_mut().unwrap().push(another);
        file["telemetry"]["otlp"] = json!(otlp);
        std::fs::write(&path, file.to_string()).unwrap();
        gateway.signal(Signal::SIGHUP);
        let reloaded = format!("reloaded: {accounts} accounts");
        eventually("the reload", || gateway.stderr().contains(&reloaded).then_some(())).await;
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
        some_spans(&first, sent.0).await;
        some_spans(&second, sent.1).await;
    }
    drop(gateway);
    assert_eq!((spans(&first).len(), spans(&second).len()), (2, 2));
}
