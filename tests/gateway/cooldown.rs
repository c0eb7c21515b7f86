//! How long an account that failed is left alone, and what a client hears when all are.

use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;

use crate::support::client::Reply;
use crate::support::eventually;
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::{Answer, Seen};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// Which of two accounts failed, and the gateway after that.
async fn after(failure: Answer) -> (Upstream, Gateway) {
    let upstream = Upstream::in_turn([failure, samples::good(CHAT)]).await;
    let gateway = Gateway::start(&Config::two(CHAT, &upstream)).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    (upstream, gateway)
}

async fn the_failed_one_is_left_alone(failure: Answer) {
    let (upstream, gateway) = after(failure).await;
    for _ in 0..6 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    let accounts = upstream.credentials();
    assert_eq!(accounts.len(), 8, "requests upstream");
    assert!(!accounts[1..].contains(&accounts[0]), "{accounts:?}");
}

#[tokio::test]
async fn an_account_that_named_a_time_is_left_alone_until_then() {
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "60");
    the_failed_one_is_left_alone(busy).await;
    let down = samples::refusal(CHAT, 503, "back soon").header("retry-after", "60");
    the_failed_one_is_left_alone(down).await;
}

#[tokio::test]
async fn an_account_whose_key_is_refused_is_out() {
    the_failed_one_is_left_alone(samples::refusal(CHAT, 401, "bad key")).await;
    the_failed_one_is_left_alone(samples::refusal(CHAT, 403, "not for you")).await;
}

#[tokio::test]
async fn an_account_is_asked_again_when_its_time_has_come() {
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "1");
    let (upstream, gateway) = after(busy).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for _ in 0..6 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    let accounts = upstream.credentials();
    assert!(accounts[1..].contains(&accounts[0]), "{accounts:?}");
}

#[tokio::test]
async fn a_limit_on_one_model_leaves_the_others_alone() {
    let script = |seen: &Seen| {
        if seen.text().contains("limited-model") {
            samples::refusal(CHAT, 429, "slow down").header("retry-after", "60")
        } else {
            samples::good(CHAT)
        }
    };
    let upstream = Upstream::new(script).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    assert_eq!(gateway.send(&samples::call(CHAT, "limited-model")).await.status, 429);
    assert_eq!(gateway.send(&samples::call(CHAT, "other-model")).await.status, 200);
    assert_eq!(gateway.send(&samples::call(CHAT, "limited-model")).await.status, 429);
    assert_eq!(upstream.count(), 2, "requests upstream");
}

/// Checks that this refusal keeps its account cooling for about 40 seconds.
async fn cools_for_40_seconds(dialect: Dialect, failure: Answer) {
    let upstream = Upstream::always(failure).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let first = gateway.send(&samples::call(dialect, MODEL)).await;
    refused(dialect, 429, &first);
    let second = gateway.send(&samples::call(dialect, MODEL)).await;
    refused(dialect, 429, &second);
    assert_eq!(upstream.count(), 1, "requests upstream");
    let wait = retry_after(&second);
    assert!((30..=41).contains(&wait), "retry-after {wait}");
}

fn retry_after(reply: &Reply) -> u64 {
    let value = reply.header("retry-after").expect("a retry-after header");
    value.parse().expect("seconds")
}

fn limited(name: &str, value: &str) -> Answer {
    samples::refusal(CHAT, 429, "Rate limit reached").header(name, value)
}

#[expect(clippy::disallowed_methods, reason = "providers send wall clock times")]
fn in_40_seconds() -> std::time::SystemTime {
    std::time::SystemTime::now() + Duration::from_secs(40)
}

#[tokio::test]
async fn retry_after_may_be_seconds() {
    cools_for_40_seconds(CHAT, limited("retry-after", "40")).await;
}

#[tokio::test]
async fn retry_after_may_be_a_date() {
    let date = httpdate::fmt_http_date(in_40_seconds());
    cools_for_40_seconds(CHAT, limited("retry-after", &date)).await;
}

#[tokio::test]
async fn retry_after_may_be_milliseconds() {
    cools_for_40_seconds(CHAT, limited("retry-after-ms", "40000")).await;
}

#[tokio::test]
async fn retry_after_may_be_openais_reset() {
    let answer = limited("x-ratelimit-remaining-requests", "0")
        .header("x-ratelimit-reset-requests", "40s")
        .header("x-ratelimit-remaining-tokens", "5000")
        .header("x-ratelimit-reset-tokens", "6ms");
    cools_for_40_seconds(CHAT, answer).await;
}

#[tokio::test]
async fn retry_after_may_be_anthropics_reset() {
    let time = humantime::format_rfc3339_seconds(in_40_seconds()).to_string();
    let answer = samples::refusal(Dialect::Anthropic, 429, "Number of requests exceeded")
        .header("anthropic-ratelimit-requests-remaining", "0")
        .header("anthropic-ratelimit-requests-reset", &time);
    cools_for_40_seconds(Dialect::Anthropic, answer).await;
}

#[tokio::test]
async fn retry_after_may_be_googles_retry_info() {
    let body = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED",
        "details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[]},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"39.5s"}]}}"#;
    cools_for_40_seconds(Dialect::Gemini, Answer::json(429, body)).await;
}

#[tokio::test]
async fn when_all_are_limited_the_client_learns_the_soonest_time() {
    for dialect in Dialect::ALL {
        let busy = |wait| samples::refusal(dialect, 429, "slow down").header("retry-after", wait);
        let upstream = Upstream::in_turn([busy("20"), busy("40")]).await;
        let gateway = Gateway::start(&Config::two(dialect, &upstream)).await;
        for _ in 0..2 {
            let reply = gateway.send(&samples::call(dialect, MODEL)).await;
            refused(dialect, 429, &reply);
            let wait = retry_after(&reply);
            assert!((15..=20).contains(&wait), "retry-after {wait}");
        }
        assert_eq!(upstream.count(), 2, "requests upstream");
    }
}

#[tokio::test]
async fn when_all_are_down_the_client_gets_a_503() {
    for dialect in Dialect::ALL {
        let down = samples::refusal(dialect, 503, "back soon").header("retry-after", "20");
        let upstream = Upstream::always(down).await;
        let gateway = Gateway::start(&Config::two(dialect, &upstream)).await;
        for _ in 0..2 {
            let reply = gateway.send(&samples::call(dialect, MODEL)).await;
            refused(dialect, 503, &reply);
            assert!((15..=20).contains(&retry_after(&reply)));
        }
        assert_eq!(upstream.count(), 2, "requests upstream");
    }
}

#[tokio::test]
async fn an_account_that_is_out_is_not_asked_though_it_is_the_only_one() {
    let upstream = Upstream::always(samples::refusal(CHAT, 401, "bad key")).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    refused(CHAT, 503, &reply);
    assert_eq!(upstream.count(), 1, "requests upstream");
}

#[tokio::test]
async fn a_time_that_a_provider_named_outlives_a_restart() {
    let state = tempfile::tempdir().unwrap();
    let folder = state.path().to_str().unwrap();
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "40");
    let upstream = Upstream::in_turn([busy, samples::good(CHAT)]).await;
    let config = Config::one(CHAT, &upstream).env("XDG_STATE_HOME", folder);

    let gateway = Gateway::start(&config).await;
    refused(CHAT, 429, &gateway.send(&samples::call(CHAT, MODEL)).await);
    drop(gateway);
    let gateway = Gateway::start(&config).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    refused(CHAT, 429, &reply);
    assert!((30..=40).contains(&retry_after(&reply)));
    assert_eq!(gateway.send(&samples::call(CHAT, "another")).await.status, 200);
    assert_eq!(upstream.count(), 2, "requests upstream");
    drop(gateway);

    let file = state.path().join("levity/cooldowns-0.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains("sk-"), "a key in {text}");
    // With another key the account is another one; what cannot be read is no reason not to start.
    let another = Config::new()
        .account(Account::new("only", CHAT, &upstream.url()).set("api_key", "another"));
    let gateway = Gateway::start(&another.env("XDG_STATE_HOME", folder)).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    drop(gateway);
    std::fs::write(&file, "not JSON").unwrap();
    let gateway = Gateway::start(&config).await;
    let said = "cooldowns of the last run are not known";
    eventually("the warning", || gateway.stderr().contains(said).then_some(())).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
}

#[tokio::test]
async fn a_killed_gateway_has_written_its_cooldowns_down() {
    let state = tempfile::tempdir().unwrap();
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "40");
    let upstream = Upstream::always(busy).await;
    let config = Config::one(CHAT, &upstream).env("XDG_STATE_HOME", state.path().to_str().unwrap());
    let gateway = Gateway::start(&config).await;
    refused(CHAT, 429, &gateway.send(&samples::call(CHAT, MODEL)).await);
    let file = state.path().join("levity/cooldowns-0.json");
    eventually("the file", || file.exists().then_some(())).await;
    gateway.signal(Signal::SIGKILL);
    let gateway = Gateway::start(&config).await;
    refused(CHAT, 429, &gateway.send(&samples::call(CHAT, MODEL)).await);
    assert_eq!(upstream.count(), 1, "requests upstream");
}
