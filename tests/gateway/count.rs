//! How many tokens: each client's count endpoint over accounts of each dialect.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Reply, Request, post};
use crate::support::gateway::{Account, Config, Gateway, credential};
use crate::support::samples::{self, MODEL, refusal, refused};
use crate::support::script::{Answer, Seen};
use crate::support::upstream::Upstream;

/// The dialects whose clients can ask for a count.
const COUNTERS: [Dialect; 3] = [Dialect::OpenAiResponses, Dialect::Anthropic, Dialect::Gemini];

/// What every scripted counter counts.
const COUNTED: u64 = 4321;

fn count_path(dialect: Dialect) -> String {
    match dialect {
        Dialect::OpenAiChat => panic!("Chat Completions has no count endpoint"),
        Dialect::OpenAiResponses => "/v1/responses/input_tokens".to_owned(),
        Dialect::Anthropic => "/v1/messages/count_tokens".to_owned(),
        Dialect::Gemini => format!("/v1beta/models/{MODEL}:countTokens"),
    }
}

/// A system text, a question and a tool, as a client of this dialect has them counted.
fn count_body(dialect: Dialect) -> Value {
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    match dialect {
        Dialect::OpenAiChat => panic!("Chat Completions has no count endpoint"),
        Dialect::OpenAiResponses => json!({ "model": MODEL, "instructions": "Be brief.",
            "input": "hello",
            "tools": [{ "type": "function", "name": "weather", "parameters": schema }] }),
        Dialect::Anthropic => json!({ "model": MODEL, "system": "Be brief.",
            "messages": [{ "role": "user", "content": "hello" }],
            "tools": [{ "name": "weather", "input_schema": schema }] }),
        Dialect::Gemini => json!({ "generateContentRequest": { "model": format!("models/{MODEL}"),
            "systemInstruction": { "parts": [{ "text": "Be brief." }] },
            "contents": [{ "role": "user", "parts": [{ "text": "hello" }] }],
            "tools": [{ "functionDeclarations": [{ "name": "weather", "parametersJsonSchema": schema }] }] } }),
    }
}

fn count(dialect: Dialect) -> Request {
    post(count_path(dialect), count_body(dialect).to_string())
}

/// A counter's answer.
fn counted(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAiChat => panic!("Chat Completions has no count endpoint"),
        Dialect::OpenAiResponses => {
            json!({ "object": "response.input_tokens", "input_tokens": COUNTED })
        }
        Dialect::Anthropic => json!({ "input_tokens": COUNTED }),
        Dialect::Gemini => json!({ "totalTokens": COUNTED,
            "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": COUNTED }] }),
    }
}

/// The number in an answer of this dialect's shape.
fn tokens(dialect: Dialect, reply: &Reply) -> u64 {
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let body = reply.json();
    let number = match dialect {
        Dialect::OpenAiChat => panic!("Chat Completions has no count endpoint"),
        Dialect::OpenAiResponses => {
            assert_eq!(body["object"], "response.input_tokens");
            &body["input_tokens"]
        }
        Dialect::Anthropic => &body["input_tokens"],
        Dialect::Gemini => &body["totalTokens"],
    };
    number.as_u64().unwrap()
}

fn is_estimate(reply: &Reply) -> bool {
    reply.header("x-levity-estimate") == Some("tokens")
}

async fn counter(dialect: Dialect) -> Upstream {
    Upstream::always(Answer::json(200, counted(dialect).to_string())).await
}

#[tokio::test]
async fn the_own_dialects_count_passes_as_it_came() {
    for dialect in COUNTERS {
        let upstream = counter(dialect).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let reply = gateway.send(&count(dialect)).await;
        assert_eq!((reply.status, reply.json()), (200, counted(dialect)));
        assert!(!is_estimate(&reply));
        let seen = upstream.only();
        assert_eq!(seen.target, count_path(dialect));
        assert_eq!(seen.text(), count_body(dialect).to_string());
    }
}

#[tokio::test]
async fn another_dialects_counter_counts() {
    for account in COUNTERS {
        let upstream = counter(account).await;
        let gateway = Gateway::start(&Config::one(account, &upstream)).await;
        for client in COUNTERS.into_iter().filter(|client| *client != account) {
            let reply = gateway.send(&count(client)).await;
            assert_eq!(tokens(client, &reply), COUNTED, "{client} on {account}");
            assert!(!is_estimate(&reply), "{client} on {account}");
            asked_to_count(account, &upstream.seen().pop().unwrap());
        }
    }
}

/// Checks that an account of this dialect got a whole count request, and nothing that a counter refuses.
fn asked_to_count(account: Dialect, seen: &Seen) {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", &*count_path(account)));
    assert_eq!(seen.credential(), credential("only"));
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let prompt = match account {
        Dialect::Gemini => {
            assert_eq!(keys(&body), ["generateContentRequest"]);
            assert_eq!(body["generateContentRequest"]["model"], format!("models/{MODEL}"));
            &body["generateContentRequest"]
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => {
            assert_eq!(body["model"], MODEL);
            &body
        }
    };
    let allowed: &[&str] = match account {
        Dialect::OpenAiChat => &[],
        Dialect::OpenAiResponses => &[
            "model",
            "instructions",
            "input",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "reasoning",
            "text",
        ],
        Dialect::Anthropic => {
            &["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"]
        }
        Dialect::Gemini => {
            &["model", "systemInstruction", "contents", "tools", "toolConfig", "generationConfig"]
        }
    };
    for key in keys(prompt) {
        assert!(allowed.contains(&key), "{key} in {body}");
    }
    for said in ["Be brief.", "hello", "weather", "city"] {
        assert!(seen.text().contains(said), "{said} in {body}");
    }
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_chat_account_is_estimated_for_and_not_asked() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    let mut numbers = Vec::new();
    for client in COUNTERS {
        let reply = gateway.send(&count(client)).await;
        assert!(is_estimate(&reply), "{client}");
        assert!(reply.header("x-request-id").is_some(), "{client}");
        numbers.push(tokens(client, &reply));
    }
    assert!(numbers[0] > 20 && numbers[0] < 100, "{numbers:?}");
    assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
    assert_eq!(upstream.count(), 0, "requests upstream");
}

#[tokio::test]
async fn an_estimate_still_says_what_is_wrong() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    for (client, body) in [
        (Dialect::OpenAiResponses, json!({ "model": MODEL, "previous_response_id": "resp_1" })),
        (Dialect::Anthropic, json!({ "model": MODEL, "messages": [] })),
        (Dialect::Gemini, json!({ "contents": [] })),
    ] {
        refused(client, 400, &gateway.send(&post(count_path(client), body.to_string())).await);
    }
}

#[tokio::test]
async fn a_counter_is_asked_before_an_estimate_is_made() {
    let upstream = counter(Dialect::Gemini).await;
    let account = |dialect: Dialect| Account::new(dialect.name(), dialect, &upstream.url());
    let config =
        Config::new().account(account(Dialect::OpenAiChat)).account(account(Dialect::Gemini));
    let gateway = Gateway::start(&config).await;
    for _ in 0..3 {
        let reply = gateway.send(&count(Dialect::Anthropic)).await;
        assert_eq!((tokens(Dialect::Anthropic, &reply), is_estimate(&reply)), (COUNTED, false));
    }
}

#[tokio::test]
async fn an_account_of_two_dialects_counts_in_the_one_that_can() {
    let upstream = counter(Dialect::OpenAiResponses).await;
    let url = format!("{}/v1", upstream.url());
    let account = Account::of("openai", "only", &url).set("models", json!(["*"]));
    let gateway = Gateway::start(&Config::new().account(account)).await;
    let reply = gateway.send(&count(Dialect::Anthropic)).await;
    assert_eq!(tokens(Dialect::Anthropic, &reply), COUNTED);
    asked_to_count(Dialect::OpenAiResponses, &upstream.only());
}

#[tokio::test]
async fn a_counters_error_has_the_clients_shape() {
    for (account, client) in [
        (Dialect::OpenAiResponses, Dialect::Anthropic),
        (Dialect::Anthropic, Dialect::Gemini),
        (Dialect::Gemini, Dialect::OpenAiResponses),
        (Dialect::Anthropic, Dialect::Anthropic),
    ] {
        for status in [400, 429] {
            let upstream = Upstream::always(refusal(account, status, "no, and why")).await;
            let gateway = Gateway::start(&Config::one(account, &upstream)).await;
            let message = refused(client, status, &gateway.send(&count(client)).await);
            assert!(message.contains("no, and why"), "{client} on {account}: {message}");
        }
    }
}

#[tokio::test]
async fn another_account_counts_where_one_is_worn_out() {
    let good = Answer::json(200, counted(Dialect::Gemini).to_string());
    let upstream = Upstream::in_turn([refusal(Dialect::Gemini, 429, "slow down"), good]).await;
    let gateway = Gateway::start(&Config::two(Dialect::Gemini, &upstream)).await;
    let reply = gateway.send(&count(Dialect::Anthropic)).await;
    assert_eq!(tokens(Dialect::Anthropic, &reply), COUNTED);
    assert_eq!(upstream.count(), 2, "requests upstream");
}

#[tokio::test]
async fn a_number_that_is_none_is_a_failure() {
    for body in ["{}", "<html>", r#"{"totalTokens":"many"}"#, ""] {
        let upstream = Upstream::always(Answer::json(200, body)).await;
        let gateway = Gateway::start(&Config::one(Dialect::Gemini, &upstream)).await;
        refused(Dialect::Anthropic, 502, &gateway.send(&count(Dialect::Anthropic)).await);
    }
}

/// Counts are not all that a server of a dialect may lack; its answers are as good as before.
#[tokio::test]
async fn a_server_without_a_counter_is_estimated_for() {
    for (account, missing) in [
        (Dialect::Anthropic, refusal(Dialect::Anthropic, 404, "Not Found")),
        (Dialect::Anthropic, Answer::status(404).chunk("404 page not found")),
        (Dialect::OpenAiResponses, Answer::json(405, r#"{"detail":"Method Not Allowed"}"#)),
        (Dialect::Gemini, Answer::json(501, "{}")),
    ] {
        let upstream = Upstream::new(move |seen| {
            let counts = ["count_tokens", "input_tokens", "countTokens"];
            if counts.iter().any(|path| seen.target.contains(path)) {
                missing.clone()
            } else {
                samples::good(account)
            }
        })
        .await;
        let gateway = Gateway::start(&Config::one(account, &upstream)).await;
        for client in COUNTERS {
            let reply = gateway.send(&count(client)).await;
            assert!(tokens(client, &reply) > 0, "{client} on {account}");
            assert!(is_estimate(&reply), "{client} on {account}");
        }
        let reply = gateway.send(&samples::call(account, MODEL)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_not_estimated() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let account = Account::new("only", Dialect::OpenAiChat, &upstream.url())
        .set("models", json!(["other-*"]));
    let gateway = Gateway::start(&Config::new().account(account)).await;
    for client in COUNTERS {
        refused(client, 404, &gateway.send(&count(client)).await);
    }
}
