//! Other providers' seals, through a client and back.

use super::support::*;

use levity::ir::request::Part;
use levity::ir::response::{Block, Response};
use levity::ir::seal::{self, Seal, SealKind};
use serde_json::{Value, json};

/// The model's turn as a client sends it back: its parts as they came, streamed pieces as contents of their own.
fn sent_back(response: &Response<'_>) -> Vec<u8> {
    let (out, _) = render_response(response);
    let json: Value = serde_json::from_slice(&out).unwrap();
    let parts = json["candidates"][0]["content"]["parts"].as_array().unwrap();
    let turns = parts.iter().map(|part| json!({"role": "model", "parts": [part]}));
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "go"}]})];
    contents.extend(turns);
    // google-genai decodes the bytes and writes them in the URL-safe alphabet.
    let text = json!({"contents": contents}).to_string();
    let url_safe = |signature: &str| signature.replace('+', "-").replace('/', "_");
    text.split('"')
        .map(|piece| if piece.starts_with("lvUB") { url_safe(piece) } else { piece.to_owned() })
        .collect::<Vec<_>>()
        .join("\"")
        .into_bytes()
}

fn reasoning(text: &'static str, seal: Seal<'static>) -> Block<'static> {
    Block::Reasoning { text: text.into(), seal: Some(seal) }
}

fn block_call(id: &'static str, seal: Option<Seal<'static>>) -> Block<'static> {
    let Part::ToolCall(call) = call(id, "{}", seal) else { unreachable!() };
    Block::ToolCall(call)
}

#[test]
fn other_providers_seals_come_back_where_they_were() {
    let am = |kind, data| seal("anthropic/1", kind, data);
    let (thinking, redacted) = (SealKind::Reasoning, SealKind::Redacted);
    let cases: [(Vec<Block<'static>>, &str); 6] = [
        (
            vec![reasoning("one", am(thinking, "s1")), block_call("a", None)],
            "reasoning one s1, call a",
        ),
        (
            vec![
                reasoning("one", am(thinking, "s1")),
                reasoning("", am(redacted, "r1")),
                block_text("hm"),
                block_call("a", None),
                block_call("b", None),
            ],
            "reasoning one s1, reasoning  r1, text hm, call a, call b",
        ),
        (
            vec![
                reasoning("", am(redacted, "r1")),
                reasoning("two", am(thinking, "s2")),
                block_call("a", None),
            ],
            "reasoning  r1, reasoning two s2, call a",
        ),
        (
            vec![
                reasoning("x", am(thinking, "s1")),
                block_call("a", Some(am(SealKind::Call, "c1"))),
                reasoning("y", am(thinking, "s2")),
                block_call("b", None),
            ],
            "reasoning x s1, call a c1, reasoning y s2, call b",
        ),
        (vec![reasoning("x", am(thinking, "s1")), block_text("done")], "reasoning x s1, text done"),
        // Two texts that a client may join: the first seal gets both.
        (
            vec![
                reasoning("x", am(thinking, "s1")),
                reasoning("y", am(thinking, "s2")),
                block_call("a", None),
            ],
            "reasoning xy s1, reasoning  s2, call a",
        ),
    ];
    for (blocks, expected) in cases {
        let body = sent_back(&answer(blocks));
        let request = parse(&body).unwrap();
        let data = |seal: &Option<Seal<'_>>| {
            seal.as_ref().map(|seal| format!(" {}", seal.data)).unwrap_or_default()
        };
        let parts = request.turns[1].parts.iter().map(|part| match part {
            Part::Reasoning(part) => format!("reasoning {}{}", part.text, data(&part.seal)),
            Part::ToolCall(call) => format!("call {}{}", call.id, data(&call.seal)),
            Part::Text(text) => format!("text {text}"),
            other => format!("{other:?}"),
        });
        assert_eq!(parts.collect::<Vec<_>>().join(", "), expected);
        assert_eq!(request.turns.len(), 2);
    }
}

#[test]
fn made_up_signatures_of_the_users_are_ignored() {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x", "thought": false, "thoughtSignature": seal::to_text(&[])}, {"text": "y", "thought": true, "thoughtSignature": "abc"}]}]}).to_string();
    let request = parse(body.as_bytes()).unwrap();
    assert_eq!(request.turns.len(), 1);
    assert_eq!(request.turns[0].parts.len(), 2);
}
