//! `proxy.keepalive`: what a client hears while it waits for a stream, and that it commits to nothing.

use levity::dialects::Dialect;

use crate::support::gateway::{Config, Gateway};
use crate::support::samples::{self, MODEL, broke_off, refused};
use crate::support::script::{Answer, Gate};
use crate::support::upstream::Upstream;

/// Two of Gemini's clients take a comment for a broken answer.
const fn words(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => ": keep-alive\n\n",
        Dialect::Gemini => "\r\n\r\n",
    }
}

/// Checks that a stream is this one behind words that mean nothing.
fn is_behind_words(dialect: Dialect, told: &str) {
    let stream = samples::events(dialect).concat();
    let before = told.strip_suffix(&stream).unwrap_or_else(|| panic!("{told}"));
    assert!(!before.is_empty() && before.replace(words(dialect), "").is_empty(), "{told}");
}

async fn gateway(dialect: Dialect, upstream: &Upstream) -> Gateway {
    Gateway::start(&Config::two(dialect, upstream).set("proxy", "keepalive", "40ms")).await
}

#[tokio::test]
async fn a_waiting_client_hears_nothing_much_and_then_its_stream() {
    for dialect in Dialect::ALL {
        let gate = Gate::closed();
        let answer = Answer::sse(samples::events(dialect)).held_by(&gate);
        let upstream = Upstream::always(answer).await;
        let gateway = gateway(dialect, &upstream).await;
        let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
        assert_eq!(open.head.status, 200);
        assert!(open.head.headers.get("x-request-id").is_some());
        open.until(&words(dialect).repeat(2)).await;
        gate.open();
        assert!(open.end().await, "a proper end");
        is_behind_words(dialect, &open.text());
    }
}

#[tokio::test]
async fn another_account_may_still_answer() {
    for dialect in Dialect::ALL {
        let busy = samples::refusal(dialect, 429, "slow down").header("retry-after", "40");
        let answers = [busy.after(150), Answer::sse(samples::events(dialect)).after(150)];
        let upstream = Upstream::in_turn(answers).await;
        let gateway = gateway(dialect, &upstream).await;
        let reply = gateway.send(&samples::stream_call(dialect, MODEL)).await;
        assert_eq!(reply.status, 200);
        is_behind_words(dialect, &reply.text());
        assert_eq!(upstream.count(), 2, "requests upstream");
    }
}

#[tokio::test]
async fn when_nobody_answers_the_stream_says_why() {
    for dialect in Dialect::ALL {
        for failure in [
            samples::refusal(dialect, 429, "slow down").header("retry-after", "40").after(150),
            Answer::nothing().close().after(150),
            samples::good(dialect).after(150),
        ] {
            let upstream = Upstream::always(failure).await;
            let gateway = gateway(dialect, &upstream).await;
            let reply = gateway.send(&samples::stream_call(dialect, MODEL)).await;
            assert_eq!(reply.status, 200);
            assert!(reply.text().starts_with(words(dialect)), "{}", reply.text());
            broke_off(dialect, &reply.text());
        }
    }
}

#[tokio::test]
async fn without_it_and_where_no_events_are_streamed_nothing_is_said_before_the_answer() {
    let busy = |dialect| samples::refusal(dialect, 429, "slow down").after(150);
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(busy(dialect)).await;
        let whole = gateway(dialect, &upstream).await;
        refused(dialect, 429, &whole.send(&samples::call(dialect, MODEL)).await);
        let off = Gateway::start(&Config::two(dialect, &upstream)).await;
        refused(dialect, 429, &off.send(&samples::stream_call(dialect, MODEL)).await);
    }
    let upstream = Upstream::always(busy(Dialect::Gemini)).await;
    let gemini = gateway(Dialect::Gemini, &upstream).await;
    let mut call = samples::stream_call(Dialect::Gemini, MODEL);
    call.target = call.target.replace("?alt=sse", "");
    refused(Dialect::Gemini, 429, &gemini.send(&call).await);
}
