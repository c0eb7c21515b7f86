//! How a forwarded stream ends for its client where the provider ends it badly: whole, with what its dialect's last event is.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, broke_off};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;
use crate::support::wire::ResponseHead;

/// What a client of this dialect hears of a stream that its own dialect's account sends.
async fn heard(dialect: Dialect, answer: Answer) -> String {
    let upstream = Upstream::always(answer).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let mut open = gateway.open(&samples::stream_call(dialect, MODEL)).await;
    assert!(open.end().await, "a proper end");
    assert_eq!(upstream.count(), 1, "requests upstream");
    open.text()
}

/// The stream without its last event.
fn unclosed(dialect: Dialect) -> Vec<String> {
    let mut events = samples::events(dialect);
    events.pop();
    events
}

/// The SDK for JavaScript fails without `message_stop`, and opencode asks again for ever.
#[tokio::test]
async fn a_last_event_that_is_missing_is_added() {
    let dialect = Dialect::Anthropic;
    let whole = samples::events(dialect).concat();
    assert_eq!(heard(dialect, Answer::sse(unclosed(dialect))).await, whole);
    assert_eq!(heard(dialect, Answer::sse(unclosed(dialect)).close()).await, whole);
    assert_eq!(heard(dialect, Answer::sse(samples::events(dialect))).await, whole);
}

/// Its clients need no more than the `finish_reason`, and some servers end with it.
#[tokio::test]
async fn a_chat_stream_without_done_is_passed_as_it_came() {
    let dialect = Dialect::OpenAiChat;
    let whole = unclosed(dialect).concat();
    assert_eq!(heard(dialect, Answer::sse(unclosed(dialect))).await, whole);
}

#[tokio::test]
async fn an_event_without_its_blank_line_is_ended_first() {
    for dialect in Dialect::ALL {
        let torn = samples::begun(dialect).concat();
        let heard = heard(dialect, Answer::sse([torn.trim_end()])).await;
        broke_off(dialect, &heard);
    }
    let torn = unclosed(Dialect::Anthropic).concat();
    let whole = samples::events(Dialect::Anthropic).concat();
    assert_eq!(heard(Dialect::Anthropic, Answer::sse([torn.trim_end()])).await, whole);
}

/// Codex knows `response.failed` alone, and the SDK for Python does not raise at a flat `error`.
#[tokio::test]
async fn an_error_of_a_response_is_followed_by_its_failure() {
    let dialect = Dialect::OpenAiResponses;
    let error = json!({ "type": "error", "code": "server_error", "message": "boom", "param": null, "sequence_number": 4 });
    let error = format!("event: error\ndata: {error}\n\n");
    let said = samples::begun(dialect).concat() + &error;
    let told = heard(dialect, Answer::sse([&said])).await;
    broke_off(dialect, &told);
    let last = told.strip_prefix(&said).unwrap();
    assert!(last.starts_with("event: response.failed\n") && last.contains("boom"), "{last}");
    // The SDK for Python takes another id for another answer.
    assert!(last.contains(r#""id":"resp_1""#), "{last}");
    assert_eq!(told.matches("event: error").count(), 1, "{told}");

    let failed = json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "server_error", "message": "boom" } } });
    let both = said + &format!("event: response.failed\ndata: {failed}\n\n");
    assert_eq!(heard(dialect, Answer::sse([&both])).await, both);
}

/// Every client in turn hears each of these streams from an account of each dialect; no account is asked twice, so that none
/// is worn out by another scene.
async fn each_pair(
    streams: fn(Dialect) -> Vec<Answer>,
    check: impl Fn(Dialect, Dialect, &ResponseHead, &str),
) {
    let upstream = Upstream::new(move |seen| {
        let (account, number) = seen.header("x-scene").unwrap().split_once(' ').unwrap();
        let account = Dialect::ALL.into_iter().find(|it| it.name() == account).unwrap();
        streams(account).swap_remove(number.parse().unwrap())
    })
    .await;
    let mut scenes = Vec::new();
    for client in Dialect::ALL {
        for account in Dialect::ALL {
            for number in 0..streams(account).len() {
                scenes.push((client, account, format!("{account} {number}")));
            }
        }
    }
    let name = |client: Dialect, scene: &str| format!("{client}-{}", scene.replace(' ', "-"));
    let config = scenes.iter().fold(Config::new(), |config, (client, account, scene)| {
        let name = name(*client, scene);
        let named = Account::new(&name, *account, &upstream.url()).set("models", json!([name]));
        config.account(named.set("headers", json!({ "x-scene": scene })))
    });
    let gateway = Gateway::start(&config).await;
    for (client, account, scene) in scenes {
        let call = samples::stream_call(client, &name(client, &scene));
        let mut open = gateway.open(&call).await;
        open.end().await;
        check(client, account, &open.head, &open.text());
    }
}

/// Every client hears its own dialect's error, whoever broke off, and never a normal end.
#[tokio::test]
async fn a_stream_that_breaks_off_ends_in_the_clients_own_error() {
    let cut = |account| {
        let begun = Answer::sse(samples::begun(account));
        vec![begun.clone(), begun.reset()]
    };
    each_pair(cut, |client, account, _, told| {
        assert!(told.contains("one "), "{client} from {account}: {told}");
        broke_off(client, told);
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_nothing_is_an_error_before_it_begins() {
    let nothing = |account| {
        let mut before = samples::begun(account);
        before.pop();
        vec![Answer::sse(before), Answer::sse::<&str>([])]
    };
    each_pair(nothing, |client, account, head, told| {
        assert_eq!(head.status, 502, "{client} from {account}: {told}");
        let error: Value = serde_json::from_str(told).unwrap();
        assert!(error["error"]["message"].is_string(), "{client} from {account}: {told}");
    })
    .await;
}

/// Every client of another dialect asks an account that answers with this, and checks what it hears.
async fn every_other_client(
    account: Dialect,
    came: Answer,
    ask: fn(Dialect, &str) -> Request,
    check: fn(Dialect, &str),
) {
    let upstream = Upstream::always(came).await;
    let gateway = Gateway::start(&Config::one(account, &upstream)).await;
    for client in Dialect::ALL.into_iter().filter(|client| *client != account) {
        let reply = gateway.send(&ask(client, MODEL)).await;
        assert!(
            reply.text().contains("one two three"),
            "{client} from {account}: {}",
            reply.text()
        );
        check(client, &reply.text());
    }
}

/// Some servers know no streams, and some nothing else: a translated answer comes as the client asked for it.
#[tokio::test]
async fn a_translated_answer_has_the_form_that_was_asked_for() {
    for account in Dialect::ALL {
        let whole = samples::good(account);
        every_other_client(account, whole, samples::stream_call, |client, told| {
            let end = match client {
                Dialect::OpenAiChat => "data: [DONE]",
                Dialect::OpenAiResponses => "event: response.completed",
                Dialect::Anthropic => "event: message_stop",
                Dialect::Gemini => r#""finishReason":"STOP""#,
            };
            assert!(told.contains(end) && told.contains("data: {"), "{client}: {told}");
        })
        .await;
        let stream = Answer::sse(samples::events(account));
        every_other_client(account, stream, samples::call, |client, told| {
            let answer: Result<Value, _> = serde_json::from_str(told);
            assert!(answer.is_ok_and(|answer| answer.is_object()), "{client}: {told}");
        })
        .await;
    }
}
