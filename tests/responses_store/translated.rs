//! Conversations that go on by an id over accounts of other dialects, with what those want back.

use std::path::Path as FilePath;

use bytes::Bytes;
use levity::config::Provider;
use levity::dialects::{Dialect, Path, Quirks, Target};
use levity::sse;
use levity::store::capture::{Capture, Words};
use levity::store::record::Answerer;
use levity::store::resolve::{Audience, Turn};
use levity::store::{FILE, Limits, Store};
use levity::translate::{Exchange, Translation};
use serde_json::Value;

use super::support::{CLAUDE, MOST, OPENAI, going_on, request};

const GEMINI: Answerer<'_> =
    Answerer { account: "google", dialect: Dialect::Gemini, provider: Provider::Gemini };

/// Says a request to an account: the translation, and what the account hears.
fn say(turn: &Turn, by: Answerer<'_>) -> (Translation, Value) {
    let issuer = format!("{}/{}", by.dialect, by.provider.name());
    let target = Target { model: "m", issuer: &issuer, quirks: Quirks::default() };
    let names = Exchange { id: "x1", created: 1000 };
    let body = turn.body(Audience::Translation);
    let said = Translation::request(
        Dialect::OpenAiResponses,
        by.dialect,
        &body,
        Path::default(),
        (target, names),
    );
    let (translation, body, _) = said.unwrap();
    (translation, serde_json::from_slice(&body).unwrap())
}

/// Answers whole; gives the id.
fn answer(
    store: &Store,
    turn: &Turn,
    said: &(Translation, Value),
    body: &str,
    by: Answerer<'_>,
) -> String {
    let (body, ..) = said.0.answer(body.as_bytes()).unwrap();
    let mut capture = Capture::whole(Words::Ours);
    assert!(capture.push(&Bytes::from(body)).is_none());
    keep(store, turn, &mut capture, by)
}

/// Answers in a stream; gives the id.
fn stream(
    store: &Store,
    turn: &Turn,
    said: &(Translation, Value),
    events: &str,
    by: Answerer<'_>,
) -> String {
    let mut stream = said.0.stream();
    let (mut decoder, mut out) = (sse::Decoder::new(), Vec::new());
    decoder.push(events.as_bytes(), |event| stream.push(event, &mut out));
    stream.finish(&mut out);
    let mut capture = Capture::stream();
    let found = capture.push(&Bytes::from(out)).expect("the terminal event ends it");
    let record = turn.draft.as_ref().unwrap().record(found, by, 1000).unwrap();
    let id = record.id.to_string();
    store.keep(record);
    id
}

fn keep(store: &Store, turn: &Turn, capture: &mut Capture, by: Answerer<'_>) -> String {
    let found = capture.finish().expect("an answer");
    let record = turn.draft.as_ref().unwrap().record(found, by, 1000).unwrap();
    let id = record.id.to_string();
    store.keep(record);
    id
}

fn restart(store: &Store, path: &FilePath) -> Store {
    store.close();
    Store::open(path.to_owned(), Limits { memory: 0, ..Limits::default() }, 1000)
}

const TOOLS: &str = r#""tools":[{"type":"function","name":"weather","parameters":{"type":"object","properties":{}}}]"#;

const CALLS: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","stop_reason":"tool_use","content":[{"type":"thinking","thinking":"hm","signature":"c2lnbmF0dXJl"},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bern"}}],"usage":{"input_tokens":1,"output_tokens":1}}"#;

const WORDS: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"sunny\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

#[tokio::test]
async fn signatures_come_back_after_a_restart_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let store = restart(&Store::in_memory(Limits::default()), &path);
    let asked = format!(r#"{{"model":"m","input":"weather?",{TOOLS}}}"#);
    let turn = request(&store, &asked).await.unwrap();
    let first = answer(&store, &turn, &say(&turn, CLAUDE), CALLS, CLAUDE);
    let call = store.find(&first).await.unwrap().unwrap();
    let call: Value = serde_json::from_str(call.response()).unwrap();
    let call =
        call["output"].as_array().unwrap().iter().find(|item| item["type"] == "function_call");
    let call_id = call.unwrap()["call_id"].as_str().unwrap().to_owned();

    let store = restart(&store, &path);
    let result =
        format!(r#"[{{"type":"function_call_output","call_id":"{call_id}","output":"sun"}}]"#);
    let turn = request(&store, &going_on(&first, &result)).await.unwrap();
    let said = say(&turn, CLAUDE);
    let messages = &said.1["messages"];
    assert_eq!(messages[0]["role"], "user");
    assert_eq!(messages[1]["content"][0]["signature"], "c2lnbmF0dXJl");
    assert_eq!(messages[1]["content"][1]["id"], "toolu_1");
    assert_eq!(messages[1]["content"][1]["input"]["city"], "Bern");
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "toolu_1");

    let second = stream(&store, &turn, &said, WORDS, CLAUDE);
    let store = restart(&store, &path);
    let turn = request(&store, &going_on(&second, r#""thanks""#)).await.unwrap();
    assert_eq!(turn.preferred(), Some("claude"));
    let (_, gemini) = say(&turn, GEMINI);
    let contents = gemini["contents"].to_string();
    for words in ["weather?", "\"functionCall\"", "Bern", "\"functionResponse\"", "sunny", "thanks"]
    {
        assert!(contents.contains(words), "{words}: {contents}");
    }
    assert!(!contents.contains("c2lnbmF0dXJl"), "another provider's signature: {contents}");
    // An account that speaks Responses itself gets no packed proof that it could not read.
    let forwarded = turn.body(Audience::Account(OPENAI.account));
    let forwarded = String::from_utf8_lossy(&forwarded);
    assert!(forwarded.len() < MOST && !forwarded.contains("encrypted_content"), "{forwarded}");
}
