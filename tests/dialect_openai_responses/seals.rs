//! What providers need back, through a Responses client and to a Responses account.

use levity::dialects::{self, Asked};
use levity::ir::request::{CallKind, Part, Role, ToolCall};
use levity::ir::response::{Block, Candidate, Finish, Response};
use levity::ir::seal::{self, Seal, SealKind};
use serde_json::{Value, json};

use crate::support::{
    ORIGIN, RESPONSES, asked, check_stream, parse_request, render_request, render_response,
    streamed, target,
};

fn seal(
    kind: SealKind,
    issuer: &'static str,
    id: &'static str,
    data: &'static str,
) -> Seal<'static> {
    Seal { issuer: issuer.into(), kind, id: id.into(), data: data.into() }
}

fn call(id: &'static str, seal: Option<Seal<'static>>) -> Block<'static> {
    Block::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        namespace: None,
        arguments: "{}".into(),
        kind: CallKind::Function,
        seal,
    })
}

fn thought(text: &'static str, seal: Option<Seal<'static>>) -> Block<'static> {
    Block::Reasoning { text: text.into(), seal }
}

fn answer(blocks: Vec<Block<'static>>) -> Response<'static> {
    let candidates = vec![Candidate { blocks, finish: Some(Finish::ToolCalls) }];
    Response { candidates, ..Response::default() }
}

/// The answer, whole and streamed, replayed by its client with a result for every call.
fn replayed(response: &Response<'_>) -> String {
    let asked: Asked = asked();
    let (value, _) = render_response(response, &asked);
    let (stream, _) = streamed(response, asked);
    assert_eq!(check_stream(&stream)["response"]["output"], value["output"]);
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(value["output"].as_array().unwrap().iter().cloned());
    for item in value["output"].as_array().unwrap() {
        if item["type"] == "function_call" {
            input.push(
                json!({"type": "function_call_output", "call_id": item["call_id"], "output": "ok"}),
            );
        }
    }
    json!({"model": "m", "input": input}).to_string()
}

#[test]
fn seals_of_others_come_back() {
    let response = answer(vec![
        thought("I ponder.", Some(seal(SealKind::Reasoning, "anthropic/a", "", "EqQB+/=="))),
        thought("", Some(seal(SealKind::Redacted, "anthropic/a", "", "opaque"))),
        call("c1", Some(seal(SealKind::Call, "gemini/g", "", "CgZz"))),
        call("c2", None),
    ]);
    let body = replayed(&response);
    let request = parse_request(&body).unwrap();
    let turn = request.turns.iter().find(|turn| turn.role == Role::Assistant).unwrap();
    let [Part::Reasoning(first), Part::Reasoning(second), Part::ToolCall(one), Part::ToolCall(two)] =
        turn.parts.as_slice()
    else {
        panic!("{:?}", turn.parts);
    };
    assert_eq!(first.text, "I ponder.");
    assert_eq!(first.seal, Some(seal(SealKind::Reasoning, "anthropic/a", "", "EqQB+/==")));
    assert_eq!(second.text, "");
    assert_eq!(second.seal, Some(seal(SealKind::Redacted, "anthropic/a", "", "opaque")));
    assert_eq!(one.seal, Some(seal(SealKind::Call, "gemini/g", "", "CgZz")));
    assert_eq!(two.seal, None);
}

/// A seal goes on the call that it names, wherever its item stands; never on another.
#[test]
fn a_calls_seal_is_bound_to_its_call() {
    let sealed = |id| seal::to_text(&[seal(SealKind::Call, "gemini/g", id, "CgZz")]);
    let item = |id| json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed(id)});
    let call =
        |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let cases: [(Vec<Value>, [bool; 2]); 4] = [
        (vec![item("c2"), call("c1"), call("c2")], [false, true]),
        (vec![call("c1"), item("c1"), call("c2")], [true, false]),
        (vec![call("c1"), call("c2"), item("gone")], [false, false]),
        (vec![item(""), call("c1"), call("c2")], [true, false]),
    ];
    for (input, expected) in cases {
        let body = json!({"model": "m", "input": input}).to_string();
        let request = parse_request(&body).unwrap();
        let seals: Vec<bool> = request
            .turns
            .iter()
            .flat_map(|turn| &turn.parts)
            .filter_map(|part| match part {
                Part::ToolCall(call) => Some(call.seal.is_some()),
                _ => None,
            })
            .collect();
        assert_eq!(seals, expected, "{body}");
    }
}

/// A native proof came from an account of this dialect, of which only the client knows.
#[test]
fn native_proofs_keep_their_item() {
    let body = json!({"model": "m", "input": [
        {"type": "reasoning", "id": "rs_7", "summary": [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}], "encrypted_content": "gAAAAAB"},
        {"type": "reasoning", "id": "rs_8", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]},
        {"type": "reasoning", "id": "rs_9", "summary": []},
        {"type": "message", "role": "assistant", "content": "Hi"},
    ]});
    let body = body.to_string();
    let request = parse_request(&body).unwrap();
    let [Part::Reasoning(first), Part::Reasoning(second), Part::Text(_)] =
        request.turns[0].parts.as_slice()
    else {
        panic!("{:?}", request.turns);
    };
    assert_eq!(first.text, "A\n\nB");
    assert_eq!(first.seal, Some(seal(SealKind::Reasoning, seal::NATIVE, "rs_7", "gAAAAAB")));
    assert_eq!((second.text.as_ref(), second.seal.is_none()), ("raw", true));
}

/// An account gets back what it sealed itself, and nothing that another one did.
#[test]
fn an_account_gets_its_own_proofs_alone() {
    let own = || seal(SealKind::Reasoning, "openai/a", "rs_1", "gAAAAABown");
    let response = answer(vec![
        thought("Mine.", Some(own())),
        thought("Theirs.", Some(seal(SealKind::Reasoning, "anthropic/a", "", "EqQB"))),
        thought("", Some(seal(SealKind::Reasoning, "openai/b", "rs_2", "gAAAAABother"))),
        call("c1", Some(seal(SealKind::Call, "gemini/g", "", "CgZz"))),
    ]);
    let body = replayed(&response);
    let (value, losses) = render_request(&parse_request(&body).unwrap(), target());
    assert_eq!(losses.dropped.iter().collect::<Vec<_>>(), [&"thinking", &"thought_signature"]);
    let thoughts: Vec<&Value> = value["input"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["type"] == "reasoning")
        .collect();
    let expected = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAABown",
                          "summary": [{"type": "summary_text", "text": "Mine."}]});
    assert_eq!(thoughts, [&expected]);
}

/// The API refuses reasoning that nothing follows.
#[test]
fn reasoning_without_its_item_is_left_out() {
    let own = seal::to_text(&[seal(SealKind::Reasoning, "openai/a", "rs_1", "gAAAAABown")]);
    let body = json!({"model": "m", "input": [
        {"role": "user", "content": "Hi"},
        {"type": "reasoning", "summary": [], "encrypted_content": own},
        {"role": "user", "content": "Still there?"},
    ]});
    let body = body.to_string();
    let (value, _) = render_request(&parse_request(&body).unwrap(), target());
    assert_eq!(value["input"].as_array().unwrap().len(), 2);
}

/// From the account through the client and back, as it came.
#[test]
fn the_whole_way_round() {
    let body = crate::support::fixture("reasoning_and_calls.json");
    let response = dialects::parse_response(RESPONSES, &body, ORIGIN).unwrap();
    let replay = replayed(&response);
    let (value, _) = render_request(&parse_request(&replay).unwrap(), target());
    let thought = &value["input"][1];
    assert_eq!(thought["id"], "rs_1");
    assert_eq!(thought["encrypted_content"], "gAAAAABproof1");
    assert_eq!(thought["summary"][0]["text"], "**Plan**\n\nLook up.\n\nThen answer.");
    assert_eq!(value["input"][2]["call_id"], "call_1");
}
