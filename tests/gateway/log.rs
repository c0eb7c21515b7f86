//! What the log says of a request: one line, with all that was tried and nothing secret.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Request, get};
use crate::support::gateway::{Account, Config, Gateway, KEY, credential};
use crate::support::samples::{self, MODEL, TOKENS};
use crate::support::script::Answer;
use crate::support::upstream::{Upstream, nobody};

const CHAT: Dialect = Dialect::OpenAiChat;

/// The log line of one request.
async fn line_of(config: &Config, request: &Request) -> Value {
    let gateway = Gateway::start(&config.clone().json_log()).await;
    let reply = gateway.send(request).await;
    gateway.logged(&reply.headers).await
}

#[tokio::test]
async fn a_request_leaves_one_line_with_everything_in_it() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let config = Config::one(CHAT, &upstream)
        .set("models", "aliases", json!({ "short": "target-1" }))
        .guarded("strict")
        .json_log();
    let gateway = Gateway::start(&config).await;
    let reply = gateway.send(&samples::call(CHAT, "short").header("x-api-key", KEY)).await;
    let line = gateway.logged(&reply.headers).await;
    assert!(
        line["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1")),
        "{line}"
    );
    assert_eq!(line["dialect"], "openai_chat");
    assert_eq!(line["model"], "short");
    assert_eq!(line["used"], "target-1");
    assert_eq!(line["account"], "only");
    assert_eq!(line["attempts"], 1);
    assert_eq!(line["status"], 200);
    assert_eq!((&line["input"], &line["output"]), (&json!(TOKENS.0), &json!(TOKENS.1)));
    let times = ["first_byte_ms", "total_ms"].map(|key| line[key].as_f64().unwrap());
    assert!(times[0] <= times[1], "{times:?}");
}

#[tokio::test]
async fn exactly_what_was_tried_is_in_the_line() {
    let upstream = Upstream::in_turn([
        samples::refusal(CHAT, 429, "slow down"),
        Answer::nothing().reset(),
        samples::good(CHAT),
    ])
    .await;
    let config = ["a-1", "a-2", "a-3", "a-4"].into_iter().fold(Config::new(), |config, name| {
        config.account(Account::new(name, CHAT, &upstream.url()))
    });
    let line = line_of(&config, &samples::call(CHAT, MODEL)).await;
    assert_eq!((&line["attempts"], &line["status"]), (&json!(3), &json!(200)));
    let name = |key: &String| key.trim_start_matches("sk-upstream-")[..3].to_owned();
    let asked: Vec<String> = upstream.credentials().iter().map(name).collect();
    assert_eq!(line["account"], asked[2].as_str());
    let tried = line["tried"].to_string();
    let places: Vec<Option<usize>> = asked.iter().map(|name| tried.find(name.as_str())).collect();
    assert!(places[0].is_some() && places[0] < places[1], "{asked:?} in {tried}");
    assert!(tried.contains("429"), "{tried}");
    let idle =
        ["a-1", "a-2", "a-3", "a-4"].into_iter().find(|name| !asked.iter().any(|a| a == name));
    assert!(!tried.contains(idle.unwrap()), "{idle:?} in {tried}");
}

#[tokio::test]
async fn a_failure_is_logged_with_the_status_that_the_client_got() {
    let config = Config::new().account(Account::new("only", CHAT, &nobody().await));
    let line = line_of(&config, &samples::call(CHAT, MODEL)).await;
    assert!(line["status"].as_u64().unwrap() >= 502, "{line}");
    assert_eq!(line["attempts"], 1);
    let line = line_of(&config, &get("/nothing")).await;
    assert_eq!(line["status"], 404);
}

#[tokio::test]
async fn the_tokens_of_a_whole_answer_are_read_on_the_way() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(samples::good(dialect)).await;
        let line = line_of(&Config::one(dialect, &upstream), &samples::call(dialect, MODEL)).await;
        let tokens = (&line["input"], &line["output"]);
        assert_eq!(tokens, (&json!(TOKENS.0), &json!(TOKENS.1)), "{dialect}");
        assert_eq!(line["dialect"], dialect.name());
    }
}

#[tokio::test]
async fn the_tokens_of_a_stream_are_read_on_the_way() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(Answer::sse(samples::events(dialect))).await;
        let config = Config::one(dialect, &upstream);
        let line = line_of(&config, &samples::stream_call(dialect, MODEL)).await;
        let tokens = (&line["input"], &line["output"]);
        assert_eq!(tokens, (&json!(TOKENS.0), &json!(TOKENS.1)), "{dialect}");
    }
}

#[tokio::test]
async fn the_tokens_of_a_stream_in_single_bytes_are_read_on_the_way() {
    for dialect in Dialect::ALL {
        let head = Answer::sse([] as [&str; 0]);
        let whole = samples::events(dialect).concat();
        let answer = whole.bytes().fold(head, |answer, byte| answer.chunk(vec![byte]));
        let upstream = Upstream::always(answer).await;
        let config = Config::one(dialect, &upstream);
        let line = line_of(&config, &samples::stream_call(dialect, MODEL)).await;
        let tokens = (&line["input"], &line["output"]);
        assert_eq!(tokens, (&json!(TOKENS.0), &json!(TOKENS.1)), "{dialect}");
    }
}

#[tokio::test]
async fn a_client_that_left_is_logged_too() {
    let half = Answer::sse(samples::begun(CHAT)).hang();
    let upstream = Upstream::always(half).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream).json_log()).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    let headers = open.head.headers.clone();
    drop(open);
    let line = gateway.logged(&headers).await;
    assert_eq!((&line["account"], &line["attempts"]), (&json!("only"), &json!(1)));
}

#[tokio::test]
async fn people_get_a_line_that_they_can_read() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    let id = reply.header("x-request-id").unwrap().to_owned();
    let line = crate::support::eventually("the log line", || {
        let log = gateway.stderr();
        log.lines().find(|line| line.contains(&id)).map(ToOwned::to_owned)
    })
    .await;
    for part in ["openai_chat", MODEL, "only", "200"] {
        assert!(line.contains(part), "{part} in {line:?}");
    }
    assert!(!line.contains('\u{1b}'), "colours in a file: {line:?}");
}

#[tokio::test]
async fn neither_bodies_nor_secrets_are_logged() {
    let secret = "the-secret-of-the-body";
    let refusal = format!("{secret}: key {} is bad", credential("only"));
    let upstream = Upstream::in_turn([
        Answer::json(200, json!({ "text": secret }).to_string()),
        samples::refusal(CHAT, 400, &refusal),
        samples::refusal(CHAT, 401, &refusal),
    ])
    .await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream).guarded("strict")).await;
    for target in ["/v1/chat/completions".to_owned(), format!("/v1/chat/completions?key={KEY}")] {
        let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": secret }] });
        let call = crate::support::client::post(target, body.to_string())
            .header("authorization", &format!("Bearer {KEY}"));
        gateway.send(&call).await;
        gateway.send(&call).await;
    }
    gateway.send(&get(format!("/v1/nothing?key={KEY}"))).await;
    let said = gateway.stdout() + &gateway.stderr();
    // The keys are looked for when the gateway is dropped.
    assert!(!said.contains(secret), "a body in the log:\n{said}");
}
