//! `GET /metrics`: what is counted, under which names, and what is not in it.

use levity::dialects::Dialect;

use crate::harness::{self, Console};
use crate::support::client::get;
use crate::support::gateway::{Account, Config, KEY, credential};
use crate::support::samples::{self, MODEL, TOKENS};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// The metrics, without a token.
async fn metrics(console: &Console) -> String {
    let reply = console.send_bare(&get("/metrics")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4"));
    reply.text()
}

/// The value of one series.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// The metrics, once so many requests are over: that is counted when the answer is out.
async fn quiet(console: &Console, requests: usize) -> String {
    for _ in 0..500 {
        let text = metrics(console).await;
        let counts = text.lines().filter(|line| line.starts_with("levity_requests_total{"));
        let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        if counts.sum::<usize>() == requests && value(&text, "levity_requests_open") == Some(0.0) {
            return text;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{requests} requests are never over: {}", metrics(console).await);
}

#[tokio::test]
async fn requests_are_counted_with_the_log_off_too() {
    let upstream = Upstream::in_turn([
        samples::good(CHAT),
        samples::refusal(CHAT, 400, "no"),
        samples::refusal(CHAT, 404, "no such model"),
    ])
    .await;
    let config = Config::one(CHAT, &upstream)
        .account(Account::new("idle", CHAT, &upstream.url()).set("enabled", false))
        .set("monitor", "enabled", false)
        .guarded("strict");
    let (gateway, console) = harness::start(config).await;
    for model in [MODEL, MODEL, "made-up-by-a-client"] {
        gateway.send(&samples::call(CHAT, model).header("x-api-key", KEY)).await;
    }
    gateway.send(&samples::call(CHAT, MODEL)).await;
    let text = quiet(&console, 4).await;
    own_names(&text);
    names_of_the_conventions(&text);
    assert!(!text.contains("made-up-by-a-client"), "{text}");
    assert!(!text.contains(KEY) && !text.contains(&credential("only")), "{text}");
    if cfg!(target_os = "linux") {
        assert!(value(&text, "process_resident_memory_bytes").is_some(), "{text}");
    }
}

fn own_names(text: &str) {
    let requests = |model: &str, status: u16| {
        format!(
            "levity_requests_total{{dialect=\"openai_chat\",model=\"{model}\",status=\"{status}\"}}"
        )
    };
    let tokens = |kind: &str| format!("levity_tokens_total{{model=\"{MODEL}\",type=\"{kind}\"}}");
    assert_eq!(TOKENS, (11, 7));
    for (series, expected) in [
        (&*requests(MODEL, 200), 1.0),
        (&requests(MODEL, 400), 1.0),
        (&requests("other", 404), 1.0),
        (&requests("", 401), 1.0),
        ("levity_errors_total{kind=\"authentication\"}", 1.0),
        ("levity_errors_total{kind=\"invalid_request\"}", 1.0),
        ("levity_errors_total{kind=\"not_found\"}", 1.0),
        (&tokens("input"), 11.0),
        (&tokens("output"), 7.0),
        ("levity_attempts_total{account=\"only\",result=\"served\"}", 1.0),
        ("levity_attempts_total{account=\"only\",result=\"refused\"}", 2.0),
        ("levity_account_state{account=\"only\",state=\"ok\"}", 1.0),
        ("levity_account_state{account=\"idle\",state=\"off\"}", 1.0),
        ("levity_account_in_flight{account=\"only\"}", 0.0),
        ("levity_requests_open", 0.0),
        ("levity_requests_waiting", 0.0),
        ("levity_streams_open", 0.0),
        ("levity_log_dropped_total", 0.0),
    ] {
        assert_eq!(value(text, series), Some(expected), "{series} in\n{text}");
    }
}

fn names_of_the_conventions(text: &str) {
    let model = format!(
        "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"custom\",gen_ai_request_model=\"{MODEL}\""
    );
    let duration = "gen_ai_server_request_duration_seconds_count";
    for (series, expected) in [
        (format!("{duration}{{error_type=\"\",{model}}}"), 1.0),
        (format!("{duration}{{error_type=\"invalid_request\",{model}}}"), 1.0),
        (format!("gen_ai_server_time_to_first_token_seconds_count{{{model}}}"), 1.0),
        (format!("gen_ai_client_token_usage_sum{{{model},gen_ai_token_type=\"input\"}}"), 11.0),
    ] {
        assert_eq!(value(text, &series), Some(expected), "{series} in\n{text}");
    }
}

#[tokio::test]
async fn a_stream_is_open_until_it_ends() {
    let upstream = Upstream::always(Answer::sse(samples::begun(CHAT)).hang()).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    let text = metrics(&console).await;
    assert_eq!(value(&text, "levity_streams_open"), Some(1.0), "{text}");
    assert_eq!(value(&text, "levity_requests_open"), Some(1.0), "{text}");
    assert_eq!(value(&text, "levity_account_in_flight{account=\"only\"}"), Some(1.0), "{text}");
    drop(open);
    for _ in 0..200 {
        let text = metrics(&console).await;
        if value(&text, "levity_streams_open") == Some(0.0) {
            // One reading is not made in one moment.
            let text = metrics(&console).await;
            let left = value(&text, "levity_errors_total{kind=\"client_left\"}");
            assert_eq!(left, Some(1.0), "{text}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the stream is still open");
}
