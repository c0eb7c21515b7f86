//! Calls of tools: none lost, doubled or mixed up, however a provider streams them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::exchange::{asked, retell};
use crate::{folded, said};
use levity::dialects::Dialect;

/// A call and the pieces that its arguments come in.
type Call<'c> = (&'c str, Vec<&'c str>);

fn sse(events: &[Value]) -> String {
    events.iter().fold(String::new(), |mut text, event| {
        if let Some(name) = event["type"].as_str() {
            let _ = writeln!(text, "event: {name}");
        }
        let _ = write!(text, "data: {event}\n\n");
        text
    })
}

/// The pieces of all calls, one call after the other or in turns: which call, and the piece.
fn order<'c>(calls: &[Call<'c>], in_turns: bool) -> Vec<(usize, &'c str)> {
    let pieces = calls.iter().enumerate().flat_map(|(call, (_, pieces))| {
        pieces.iter().enumerate().map(move |(turn, piece)| (turn, call, *piece))
    });
    let mut pieces: Vec<_> = pieces.collect();
    if in_turns {
        pieces.sort_by_key(|(turn, call, _)| (*turn, *call));
    }
    pieces.into_iter().map(|(_, call, piece)| (call, piece)).collect()
}

fn chat(deltas: &[Value]) -> String {
    let chunk = |delta: &Value, finish: Option<&str>| json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
    let mut events = vec![chunk(&json!({ "role": "assistant", "content": null }), None)];
    events.extend(deltas.iter().map(|calls| chunk(&json!({ "tool_calls": calls }), None)));
    events.push(chunk(&json!({}), Some("tool_calls")));
    sse(&events) + "data: [DONE]\n\n"
}

/// A provider's stream with these calls. Messages and generateContent have no way to mix them.
fn stream(account: Dialect, calls: &[Call<'_>], in_turns: bool) -> String {
    match account {
        Dialect::OpenAiChat => {
            let begin = calls.iter().enumerate().map(|(at, (name, _))| json!([{ "index": at, "id": format!("call_{at}"), "type": "function", "function": { "name": name, "arguments": "" } }]));
            let pieces = order(calls, in_turns)
                .into_iter()
                .map(|(at, piece)| json!([{ "index": at, "function": { "arguments": piece } }]));
            chat(&begin.chain(pieces).collect::<Vec<_>>())
        }
        Dialect::OpenAiResponses => sse(&responses(calls, in_turns)),
        Dialect::Anthropic => sse(&anthropic(calls)),
        Dialect::Gemini => sse(&gemini(calls)),
    }
}

fn responses(calls: &[Call<'_>], in_turns: bool) -> Vec<Value> {
    let item = |at: usize, status: &str| {
        let (name, pieces) = &calls[at];
        let arguments = if status == "completed" { pieces.concat() } else { String::new() };
        json!({ "type": "function_call", "id": format!("fc_{at}"), "call_id": format!("call_{at}"), "name": name, "status": status, "arguments": arguments })
    };
    let all = 0..calls.len();
    let output: Vec<Value> = all.clone().map(|at| item(at, "completed")).collect();
    let response = |status: &str, output: Value| json!({ "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "m", "output": output });
    let mut events =
        vec![json!({ "type": "response.created", "response": response("in_progress", json!([])) })];
    events.extend(all.clone().map(|at| json!({ "type": "response.output_item.added", "output_index": at, "item": item(at, "in_progress") })));
    events.extend(order(calls, in_turns).into_iter().map(|(at, piece)| json!({ "type": "response.function_call_arguments.delta", "output_index": at, "item_id": format!("fc_{at}"), "delta": piece })));
    events.extend(all.map(|at| json!({ "type": "response.output_item.done", "output_index": at, "item": item(at, "completed") })));
    events.push(
        json!({ "type": "response.completed", "response": response("completed", json!(output)) }),
    );
    events
}

fn anthropic(calls: &[Call<'_>]) -> Vec<Value> {
    let mut events = vec![
        json!({ "type": "message_start", "message": { "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": { "input_tokens": 1, "output_tokens": 1 } } }),
    ];
    for (at, (name, pieces)) in calls.iter().enumerate() {
        events.push(json!({ "type": "content_block_start", "index": at, "content_block": { "type": "tool_use", "id": format!("toolu_{at}"), "name": name, "input": {} } }));
        events.extend(pieces.iter().map(|piece| json!({ "type": "content_block_delta", "index": at, "delta": { "type": "input_json_delta", "partial_json": piece } })));
        events.push(json!({ "type": "content_block_stop", "index": at }));
    }
    events.push(json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" }, "usage": { "output_tokens": 9 } }));
    events.push(json!({ "type": "message_stop" }));
    events
}

fn gemini(calls: &[Call<'_>]) -> Vec<Value> {
    let chunk = |part: Value, finish: Option<&str>| json!({ "candidates": [{ "content": { "role": "model", "parts": [part] }, "finishReason": finish }], "modelVersion": "m" });
    let part = |(name, pieces): &Call<'_>| {
        let mut call = json!({ "name": name });
        let arguments = pieces.concat();
        if !arguments.is_empty() {
            call["args"] = serde_json::from_str(&arguments).unwrap();
        }
        json!({ "functionCall": call })
    };
    let mut events: Vec<Value> = calls.iter().map(|call| chunk(part(call), None)).collect();
    events.push(chunk(json!({ "text": "" }), Some("STOP")));
    events
}

/// Every client hears these calls of a provider's stream.
fn check(name: &str, account: Dialect, stream: &str, expected: &[(String, Value)]) {
    for client in Dialect::ALL {
        let (told, _) = retell(&asked(client, account), stream.as_bytes());
        let answer = folded(client, &[told.as_bytes()]).unwrap();
        let said = said::answer(&answer);
        assert_eq!(said[0].calls, expected, "{name}: {account} to {client}: {told}");
    }
}

const ARGUMENTS: &str = r#"{"city":"Köln","list":[1,{"x":null}],"note":"a \"b\"\n","none":""}"#;

#[test]
fn arguments_in_any_pieces() {
    let letters: Vec<&str> = ARGUMENTS.split_inclusive(|_: char| true).collect();
    let mut cases = vec![vec![], vec![""], vec!["{}"], vec!["{", "}"], vec!["", "{}", ""], letters];
    cases.extend(ARGUMENTS.char_indices().map(|(at, _)| vec![&ARGUMENTS[..at], &ARGUMENTS[at..]]));
    for pieces in cases {
        let whole = pieces.concat();
        let whole: Value = serde_json::from_str(&whole).unwrap_or_else(|_| json!({}));
        for account in Dialect::ALL {
            let stream = stream(account, &[("f", pieces.clone())], false);
            check("pieces", account, &stream, &[("f".to_owned(), whole.clone())]);
        }
    }
}

#[test]
fn many_calls_at_once() {
    for count in 2..=8 {
        let numbers: Vec<String> = (0..count).map(|at| format!("{{\"n\":{at}}}")).collect();
        let calls: Vec<Call<'_>> = numbers
            .iter()
            .enumerate()
            .map(|(at, text)| match at % 3 {
                0 => ("same", vec![&text[..2], &text[2..5], &text[5..]]),
                1 => ("same", vec![text.as_str()]),
                _ => ("none", vec![]),
            })
            .collect();
        let value = |(name, pieces): &Call<'_>| {
            let arguments = serde_json::from_str(&pieces.concat()).unwrap_or_else(|_| json!({}));
            ((*name).to_owned(), arguments)
        };
        let expected: Vec<_> = calls.iter().map(value).collect();
        for account in Dialect::ALL {
            for in_turns in [false, true] {
                check("many", account, &stream(account, &calls, in_turns), &expected);
            }
        }
    }
}

/// How compatible providers stream two calls, `f({"a":1})` and `g({})`: each `tool_calls` of a delta.
const LOOSE: &[(&str, &[&str])] = &[
    (
        "both in one chunk",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}},{"index":1,"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "the first index is 1",
        &[
            r#"[{"index":1,"id":"c1","function":{"name":"f","arguments":"{\"a\""}}]"#,
            r#"[{"index":1,"function":{"arguments":":1}"}}]"#,
            r#"[{"index":2,"id":"c2","function":{"name":"g","arguments":""}}]"#,
        ],
    ),
    (
        "indexes with gaps",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
            r#"[{"index":7,"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "one index for all",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
            r#"[{"index":0,"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "no index",
        &[
            r#"[{"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
            r#"[{"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "id and name again",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\""}}]"#,
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":":1}"}}]"#,
            r#"[{"index":1,"id":"c2","function":{"name":"g"}}]"#,
        ],
    ),
    (
        "blank id and name",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\""}}]"#,
            r#"[{"index":0,"id":"","function":{"name":"","arguments":":1}"}}]"#,
            r#"[{"index":1,"id":"c2","function":{"name":"g","arguments":null}}]"#,
        ],
    ),
    (
        "the name comes later",
        &[
            r#"[{"index":0,"id":"c1","function":{"arguments":""}}]"#,
            r#"[{"index":0,"function":{"name":"f"}}]"#,
            r#"[{"index":0,"function":{"arguments":"{\"a\":1}"}}]"#,
            r#"[{"index":1,"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "arguments before the name",
        &[
            r#"[{"index":0,"id":"c1","function":{"arguments":"{\"a\":1}"}}]"#,
            r#"[{"index":0,"function":{"name":"f"}}]"#,
            r#"[{"index":1,"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "no ids",
        &[
            r#"[{"index":0,"function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
            r#"[{"index":1,"function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
    (
        "blank arguments",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
            r#"[{"index":1,"id":"c2","function":{"name":"g","arguments":" "}}]"#,
        ],
    ),
    (
        "an empty list between",
        &[
            r#"[{"index":0,"id":"c1","function":{"name":"f","arguments":"{\"a\":1}"}}]"#,
            "[]",
            r#"[{"index":1,"id":"c2","function":{"name":"g","arguments":"{}"}}]"#,
        ],
    ),
];

#[test]
fn calls_of_compatible_providers() {
    let expected = [("f".to_owned(), json!({ "a": 1 })), ("g".to_owned(), json!({}))];
    for (name, deltas) in LOOSE {
        let deltas: Vec<Value> =
            deltas.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        check(name, Dialect::OpenAiChat, &chat(&deltas), &expected);
    }
}
