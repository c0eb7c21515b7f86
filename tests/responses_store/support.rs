//! A client and its accounts, as the store sees them.

use bytes::Bytes;
use levity::config::Provider;
use levity::dialects::Dialect;
use levity::ir::error::Error;
use levity::json;
use levity::store::asked::Asked;
use levity::store::record::{Answer, Answerer, Record};
use levity::store::resolve::{Audience, Turn};
use levity::store::{Limits, Store};
use serde_json::Value;

/// The largest body.
pub(crate) const MOST: usize = 1 << 20;

pub(crate) const OPENAI: Answerer<'_> =
    Answerer { account: "openai-1", dialect: Dialect::OpenAiResponses, provider: Provider::OpenAi };
pub(crate) const OTHER_OPENAI: Answerer<'_> = Answerer { account: "openai-2", ..OPENAI };
pub(crate) const CLAUDE: Answerer<'_> =
    Answerer { account: "claude", dialect: Dialect::Anthropic, provider: Provider::Anthropic };

pub(crate) fn memory() -> Store {
    Store::in_memory(Limits::default())
}

pub(crate) async fn request(store: &Store, body: &str) -> Result<Turn, Error> {
    turn(store, &Bytes::copy_from_slice(body.as_bytes())).await
}

pub(crate) async fn turn(store: &Store, body: &Bytes) -> Result<Turn, Error> {
    let mut asked = Asked::default();
    // The gateway refuses what is no object before it asks the store.
    let _ = json::members(body, |key, value| asked.note(body, &json::key(key), &value));
    store.turn(body, asked, MOST).await
}

/// The record of a request answered with these output items.
pub(crate) fn record(
    turn: &Turn,
    id: &str,
    output: &str,
    by: Answerer<'_>,
    created: u64,
) -> Record {
    let response =
        format!(r#"{{"id":"{id}","object":"response","status":"completed","output":[{output}]}}"#);
    let draft = turn.draft.as_ref().expect("a draft");
    draft.record(Answer::read(response).expect("an answer"), by, created).expect("a record")
}

/// Asks, and answers with these output items.
pub(crate) async fn exchange(
    store: &Store,
    body: &str,
    (id, output): (&str, &str),
    by: Answerer<'_>,
) {
    let turn = request(store, body).await.expect("a turn");
    store.keep(record(&turn, id, output, by, 1000));
}

/// A conversation's next request, as JSON.
pub(crate) fn going_on(previous: &str, input: &str) -> String {
    format!(r#"{{"model":"m","previous_response_id":"{previous}","input":{input}}}"#)
}

/// An output message.
pub(crate) fn said(id: &str, words: &str) -> String {
    format!(
        r#"{{"id":"{id}","type":"message","role":"assistant","content":[{{"type":"output_text","text":"{words}"}}]}}"#
    )
}

pub(crate) fn body(turn: &Turn, audience: Audience<'_>) -> String {
    String::from_utf8(turn.body(audience).to_vec()).expect("text")
}

/// The items of a body's input.
pub(crate) fn input(turn: &Turn, audience: Audience<'_>) -> Vec<Value> {
    let body: Value = serde_json::from_str(&body(turn, audience)).expect("JSON");
    assert_eq!(body.get("previous_response_id"), None);
    body["input"].as_array().expect("an array").clone()
}

/// What each item of a body's input is: its words, call, or type.
pub(crate) fn outline(turn: &Turn, audience: Audience<'_>) -> Vec<String> {
    let word = |item: &Value| {
        let named = ["call_id", "encrypted_content"].iter().find_map(|key| item[key].as_str());
        let text = item["content"][0]["text"].as_str().or_else(|| item["content"].as_str());
        named.or(text).or_else(|| item["type"].as_str()).unwrap_or("?").to_owned()
    };
    input(turn, audience).iter().map(word).collect()
}
