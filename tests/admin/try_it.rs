//! A request tried over the admin API, through the gateway's own port.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::harness::{self, Console};
use crate::support::client::post;
use crate::support::gateway::{Account, Config};
use crate::support::samples::{self, MODEL};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;
use crate::written::refused;

async fn tried(console: &Console, dialect: Dialect, model: &str) -> Value {
    let body = json!({ "dialect": dialect.name(), "model": model, "prompt": "hello" });
    let reply = console.send(post("/api/try", body.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

#[tokio::test]
async fn every_dialect_is_answered_through_the_guarded_port() {
    let account = Dialect::Anthropic;
    let upstream = Upstream::always(Answer::sse(samples::events(account))).await;
    let (_gateway, console) =
        harness::start(Config::one(account, &upstream).guarded("strict")).await;
    for dialect in Dialect::ALL {
        let tried = tried(&console, dialect, "a/model:1").await;
        assert_eq!((&tried["status"], &tried["error"]), (&json!(200), &Value::Null), "{tried}");
        assert_eq!(tried["text"], "one two three");
        assert_eq!((&tried["account"], &tried["model"]), (&json!("only"), &json!("a/model:1")));
        assert!(tried["first_byte_ms"].as_u64() <= tried["total_ms"].as_u64(), "{tried}");
    }
    for seen in upstream.seen() {
        assert!(seen.text().contains("hello"), "{}", seen.text());
        assert_eq!(seen.header("x-levity-probe"), None);
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said_as_it_is() {
    let upstream =
        Upstream::always(samples::refusal(Dialect::OpenAiChat, 400, "too many cooks")).await;
    let only =
        Account::new("only", Dialect::OpenAiChat, &upstream.url()).set("models", json!([MODEL]));
    let (_gateway, console) = harness::start(Config::new().account(only)).await;
    for dialect in Dialect::ALL {
        let refused = tried(&console, dialect, MODEL).await;
        assert_eq!(
            (&refused["status"], &refused["text"]),
            (&json!(400), &Value::Null),
            "{refused}"
        );
        assert!(refused["error"].as_str().unwrap().contains("too many cooks"), "{refused}");
    }
    let unknown = tried(&console, Dialect::Gemini, "no-such-model").await;
    assert_eq!((&unknown["status"], &unknown["account"]), (&json!(404), &Value::Null), "{unknown}");
    for (body, named) in [
        (
            json!({ "dialect": "telnet", "model": MODEL, "prompt": "x" }),
            "dialect: expected openai_chat",
        ),
        (json!({ "dialect": "gemini", "model": " ", "prompt": "x" }), "model: expected a text"),
        (json!({ "dialect": "gemini", "model": MODEL, "prompt": "" }), "prompt: expected a text"),
        (json!({ "dialect": "gemini", "model": MODEL }), "missing field `prompt`"),
    ] {
        let message = refused(&console.send(post("/api/try", body.to_string())).await, 400);
        assert!(message.contains(named), "{message}");
    }
    console.send(post("/api/stop", "")).await;
    let body = json!({ "dialect": "gemini", "model": MODEL, "prompt": "x" });
    let message = refused(&console.send(post("/api/try", body.to_string())).await, 409);
    assert!(message.contains("the proxy port is closed"), "{message}");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_no_answer() {
    let begun = samples::begun(Dialect::Anthropic);
    let upstream = Upstream::always(Answer::sse(begun).reset()).await;
    let (_gateway, console) = harness::start(Config::one(Dialect::Anthropic, &upstream)).await;
    let tried = tried(&console, Dialect::OpenAiChat, MODEL).await;
    assert_eq!(tried["status"], 200, "{tried}");
    assert!(!tried["error"].as_str().unwrap().is_empty(), "{tried}");
}

#[tokio::test]
async fn only_the_console_is_told_who_answers() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let (gateway, _console) = harness::start(Config::one(Dialect::OpenAiChat, &upstream)).await;
    let request = samples::call(Dialect::OpenAiChat, MODEL).header("x-levity-probe", "0");
    assert_eq!(gateway.send(&request).await.header("x-levity-account"), None);
    assert_eq!(upstream.only().header("x-levity-probe"), None);
}
