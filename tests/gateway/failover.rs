//! When an account fails before its first byte: who is asked next, with what, and what is said when nobody is left.

use std::time::Duration;

use bytes::Bytes;
use levity::dialects::Dialect;

use crate::support::client::post;
use crate::support::gateway::{Account, Config, Gateway, credential};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::{Answer, Seen};
use crate::support::upstream::{Upstream, nobody};
use crate::support::within;

const CHAT: Dialect = Dialect::OpenAiChat;

/// Checks that the second account gets the same request at once, and that each is asked just once.
async fn moves_on(failure: Answer) {
    for dialect in Dialect::ALL {
        moves_on_in(dialect, failure.clone()).await;
    }
}

async fn moves_on_in(dialect: Dialect, failure: Answer) {
    let upstream = Upstream::in_turn([failure, samples::good(dialect)]).await;
    let config = Config::two(dialect, &upstream);
    // Well above what a good answer takes, well below what a test may take.
    let limits = serde_json::json!({ "first_byte": "1s", "idle": "1s" });
    let gateway = Gateway::start(&config.set("proxy", "timeouts", limits)).await;
    let limit = Duration::from_secs(5);
    let call = samples::call(dialect, MODEL);
    let reply = within(limit, "the switch", gateway.send(&call)).await;
    assert_eq!((reply.status, reply.text()), (200, samples::answer(dialect).to_string()));
    let mut accounts = upstream.credentials();
    accounts.sort();
    assert_eq!(accounts, ["first", "second"].map(credential), "accounts asked");
    for seen in upstream.seen() {
        assert_eq!((seen.body, seen.target), (call.body.clone(), call.target.clone()));
    }
}

#[tokio::test]
async fn a_refused_connection_moves_on() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let config = Config::new()
        .account(Account::new("first", CHAT, &nobody().await))
        .account(Account::new("second", CHAT, &upstream.url()).set("dispatch", "fallback"));
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!(upstream.count(), 1, "requests upstream");
}

#[tokio::test]
async fn a_401_moves_on() {
    moves_on(samples::refusal(CHAT, 401, "bad key")).await;
}

#[tokio::test]
async fn a_403_moves_on() {
    moves_on(samples::refusal(CHAT, 403, "not for you")).await;
}

#[tokio::test]
async fn a_429_moves_on_without_waiting() {
    moves_on(samples::refusal(CHAT, 429, "slow down").header("retry-after", "30")).await;
}

#[tokio::test]
async fn a_500_moves_on() {
    moves_on(samples::refusal(CHAT, 500, "oops")).await;
}

#[tokio::test]
async fn a_502_in_html_moves_on() {
    let page = Answer::status(502).header("content-type", "text/html");
    moves_on(page.chunk("<html><body>Bad Gateway</body></html>")).await;
}

#[tokio::test]
async fn a_503_without_a_body_moves_on() {
    moves_on(Answer::status(503)).await;
}

#[tokio::test]
async fn a_529_moves_on() {
    moves_on(samples::refusal(Dialect::Anthropic, 529, "overloaded")).await;
}

#[tokio::test]
async fn among_equal_failures_the_clients_own_dialect_is_told() {
    let own = Upstream::always(samples::refusal(Dialect::Anthropic, 529, "own words")).await;
    let foreign = Upstream::always(samples::refusal(CHAT, 503, "foreign words")).await;
    let own = Account::new("own", Dialect::Anthropic, &own.url()).set("dispatch", "fallback");
    let config = Config::new().account(Account::new("foreign", CHAT, &foreign.url())).account(own);
    let gateway = Gateway::start(&config).await;
    let reply = gateway.send(&samples::call(Dialect::Anthropic, MODEL)).await;
    assert_eq!(reply.status, 529);
    assert!(reply.text().contains("own words"), "{}", reply.text());
    assert_eq!(foreign.count(), 1, "the foreign account was asked first");
}

#[tokio::test]
async fn a_refusal_whose_body_never_ends_moves_on() {
    moves_on(Answer::status(503).chunked().chunk("half of it").hang()).await;
}

#[tokio::test]
async fn a_connection_reset_instead_of_a_head_moves_on() {
    moves_on(Answer::nothing().reset()).await;
}

#[tokio::test]
async fn a_connection_closed_instead_of_a_head_moves_on() {
    moves_on(Answer::nothing().close()).await;
}

#[tokio::test]
async fn half_a_head_moves_on() {
    moves_on(Answer::nothing().raw("HTTP/1.1 200 OK\r\ncontent-ty").close()).await;
    moves_on_in(CHAT, Answer::nothing().raw("HTTP/1.1 2").reset()).await;
}

#[tokio::test]
async fn something_that_is_not_http_moves_on() {
    moves_on(Answer::nothing().raw("220 mail.example ESMTP\r\n\r\n").close()).await;
}

#[tokio::test]
async fn silence_past_the_first_byte_timeout_moves_on() {
    moves_on(Answer::nothing().hang()).await;
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_event_moves_on() {
    let broken = Answer::sse([] as [&str; 0]).reset();
    for dialect in Dialect::ALL {
        begins_with_the_second(dialect, broken.clone()).await;
    }
}

#[tokio::test]
async fn an_overload_that_is_the_first_event_of_a_stream_moves_on() {
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":\
        {\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    begins_with_the_second(Dialect::Anthropic, Answer::sse([overloaded])).await;
}

#[tokio::test]
async fn a_stream_of_nothing_but_an_unreadable_call_moves_on() {
    let void = "data: {\"candidates\":[{\"content\":{\"role\":\"model\"},\
        \"finishReason\":\"MALFORMED_FUNCTION_CALL\"}]}\r\n\r\n";
    begins_with_the_second(Dialect::Gemini, Answer::sse([void])).await;
}

/// Checks that a client that wants a stream gets the second account's, whole.
async fn begins_with_the_second(dialect: Dialect, failure: Answer) {
    let upstream = Upstream::in_turn([failure, Answer::sse(samples::events(dialect))]).await;
    let gateway = Gateway::start(&Config::two(dialect, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
    assert!(open.end().await, "a proper end");
    assert_eq!((open.head.status, open.text()), (200, samples::events(dialect).concat()));
}

#[tokio::test]
async fn the_clients_own_faults_are_not_moved() {
    for dialect in Dialect::ALL {
        for status in [400, 413, 422] {
            let fault = samples::refusal(dialect, status, "a field is wrong");
            let upstream = Upstream::always(fault).await;
            let gateway = Gateway::start(&Config::two(dialect, &upstream)).await;
            let reply = gateway.send(&samples::call(dialect, MODEL)).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.json()["error"]["message"], "a field is wrong");
            assert!(reply.header("x-request-id").is_some());
            assert_eq!(upstream.count(), 1, "requests upstream");
            gateway.send(&samples::call(dialect, MODEL)).await;
            assert_eq!(upstream.count(), 2, "a client's fault must not cool an account down");
        }
    }
}

#[tokio::test]
async fn when_nobody_can_be_reached_the_client_is_told_so() {
    for dialect in Dialect::ALL {
        let account = Account::new("first", dialect, &nobody().await);
        let gateway = Gateway::start(&Config::new().account(account)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        assert!(matches!(reply.status, 502 | 503), "{}", reply.status);
        refused(dialect, reply.status, &reply);
    }
}

#[tokio::test]
async fn the_last_refusal_keeps_its_status_and_message() {
    for dialect in Dialect::ALL {
        for status in [401, 403, 429, 500, 503] {
            let upstream =
                Upstream::always(samples::refusal(dialect, status, "the provider's words")).await;
            let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
            let reply = gateway.send(&samples::call(dialect, MODEL)).await;
            assert_eq!(reply.status, status);
            let message = reply.json()["error"]["message"].to_string();
            assert!(message.contains("the provider's words"), "{message}");
        }
    }
}

/// How many of five failing accounts are asked.
async fn attempts(config: Config, upstream: &Upstream) -> usize {
    let add = |config: Config, number: usize| {
        config.account(Account::new(&format!("account-{number}"), CHAT, &upstream.url()))
    };
    let gateway = Gateway::start(&(0..5).fold(config, add)).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert!(reply.status >= 500, "{}", reply.status);
    let mut accounts = upstream.credentials();
    let count = accounts.len();
    accounts.sort();
    accounts.dedup();
    assert_eq!(accounts.len(), count, "each is asked once");
    count
}

#[tokio::test]
async fn three_accounts_are_tried_by_default() {
    let upstream = Upstream::always(samples::refusal(CHAT, 500, "oops")).await;
    assert_eq!(attempts(Config::new(), &upstream).await, 3);
}

#[tokio::test]
async fn as_many_accounts_are_tried_as_max_attempts_says() {
    for (limit, expected) in [(1, 1), (2, 2), (4, 4), (9, 5)] {
        let upstream = Upstream::always(samples::refusal(CHAT, 500, "oops")).await;
        let config = Config::new().set("pool", "max_attempts", limit);
        assert_eq!(attempts(config, &upstream).await, expected, "max_attempts {limit}");
    }
}

/// The upstream closes each kept connection when the next request comes: the gateway could not know.
async fn stale(failure: Answer) {
    let script = move |seen: &Seen| match seen.turn {
        0 => samples::good(CHAT),
        _ => failure.clone(),
    };
    let upstream = Upstream::new(script).await;
    let config = Config::one(CHAT, &upstream).set("pool", "max_attempts", 1);
    let gateway = Gateway::start(&config).await;
    let body = Bytes::from(format!(r#"{{"model":"m","pad":"{}"}}"#, "x".repeat(100_000)));
    for _ in 0..5 {
        let call = post("/v1/chat/completions", body.clone());
        assert_eq!(gateway.send(&call).await.status, 200);
    }
    assert!(upstream.seen().iter().all(|seen| seen.body == body), "another body arrived");
}

#[tokio::test]
async fn a_kept_connection_that_is_reset_is_replaced_unseen() {
    stale(Answer::nothing().reset()).await;
}

#[tokio::test]
async fn a_kept_connection_that_is_closed_is_replaced_unseen() {
    stale(Answer::nothing().close()).await;
}

#[tokio::test]
async fn a_connection_closed_between_requests_is_replaced_unseen() {
    let upstream = Upstream::always(samples::good(CHAT).close()).await;
    let config = Config::one(CHAT, &upstream).set("pool", "max_attempts", 1);
    let gateway = Gateway::start(&config).await;
    for _ in 0..5 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    assert_eq!((upstream.count(), upstream.connections()), (5, 5));
}

#[tokio::test]
async fn a_new_connection_that_breaks_is_an_attempt() {
    let upstream = Upstream::always(Answer::nothing().reset()).await;
    let config = Config::one(CHAT, &upstream).set("pool", "max_attempts", 1);
    let gateway = Gateway::start(&config).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert!(matches!(reply.status, 502 | 503), "{}", reply.status);
    assert_eq!(upstream.count(), 1, "requests upstream");
}

#[tokio::test]
async fn a_refusal_without_a_body_keeps_its_status_and_its_time() {
    let limited = Answer::status(429).header("retry-after", "40");
    let upstream = Upstream::always(limited).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("40")), "{}", reply.text());
}
