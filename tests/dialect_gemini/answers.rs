//! Answers for clients, whole and streamed.

use super::support::*;

use levity::dialects::{self, Dialect, StreamRenderer};
use levity::ir::event::{Delta, Event, Opening};
use levity::ir::fold::unfold;
use levity::ir::request::{CallKind, ToolCall};
use levity::ir::response::{Block, Citation, CitationSource, Finish, Response};
use levity::ir::usage::Usage;
use serde_json::{Value, json};

#[test]
fn cut_arguments_are_not_run() {
    let cut = ToolCall {
        id: "a".into(),
        name: "delete".into(),
        namespace: None,
        arguments: r#"{"only": "#.into(),
        kind: CallKind::Function,
        seal: None,
    };
    let mut response = answer(vec![block_text("x"), Block::ToolCall(cut)]);
    response.candidates[0].finish = Some(Finish::Length);
    let (out, losses) = render_response(&response);
    assert!(losses.dropped.contains("arguments"));
    let json: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["candidates"][0]["content"]["parts"], json!([{"text": "x"}]));
    assert_eq!(json["candidates"][0]["finishReason"], "MAX_TOKENS");
    // Without it a client would take an answer of nothing for a good one.
    response.candidates[0].finish = Some(Finish::ToolCalls);
    let (out, _) = render_response(&response);
    let json: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json["candidates"][0]["finishReason"], "MALFORMED_FUNCTION_CALL");
    let mut renderer = StreamRenderer::new(Dialect::Gemini, asked(false));
    let mut out = Vec::new();
    unfold(&response, &mut |event| renderer.push(event, &mut out));
    assert!(renderer.losses().dropped.contains("arguments"));
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains(r#""finishReason":"MALFORMED_FUNCTION_CALL""#), "{out}");
}

#[test]
fn custom_tools_answer_with_an_object() {
    let custom = ToolCall {
        id: "a".into(),
        name: "patch".into(),
        namespace: None,
        arguments: "*** \"x\"".into(),
        kind: CallKind::Custom,
        seal: None,
    };
    let (out, _) = render_response(&answer(vec![Block::ToolCall(custom)]));
    let json: Value = serde_json::from_slice(&out).unwrap();
    let args = &json["candidates"][0]["content"]["parts"][0]["functionCall"]["args"];
    assert_eq!(*args, json!({"input": "*** \"x\""}));
}

#[test]
fn citations_become_grounding_in_bytes() {
    let cite = |source, span| Citation { source, title: Some("T".into()), quote: None, span };
    let url = || CitationSource::Url("https://example.com/a".into());
    let response = answer(vec![
        block_text("Ü. "),
        Block::Text {
            text: "Köln ist warm.".into(),
            citations: vec![
                cite(url(), Some((0, 4))),
                cite(url(), None),
                cite(CitationSource::Document("d".into()), Some((0, 4))),
            ],
            logprobs: vec![],
        },
    ]);
    let (out, _) = render_response(&response);
    let json: Value = serde_json::from_slice(&out).unwrap();
    let grounding = &json["candidates"][0]["groundingMetadata"];
    assert_eq!(
        grounding["groundingChunks"],
        json!([{"web": {"uri": "https://example.com/a", "title": "T"}}, {"retrievedContext": {"uri": "d", "title": "T"}}])
    );
    assert_eq!(
        grounding["groundingSupports"],
        json!([
            {"segment": {"startIndex": 4, "endIndex": 9, "text": "Köln"}, "groundingChunkIndices": [0, 1]},
            {"segment": {"startIndex": 4, "endIndex": 19, "text": "Köln ist warm."}, "groundingChunkIndices": [0]},
        ])
    );
    let again = dialects::parse_response(Dialect::Gemini, &out, ORIGIN).unwrap();
    let Block::Text { citations, .. } = &again.candidates[0].blocks[0] else { panic!() };
    assert_eq!(citations[0].span, Some((3, 7)));
}

#[test]
fn usage_adds_and_subtracts() {
    let usage = Usage { input: 20, cache_read: 8, cache_write: 2, output: 39, reasoning: 30 };
    let response = Response { usage: Some(usage), ..answer(vec![]) };
    let (out, _) = render_response(&response);
    let json: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        json["usageMetadata"],
        json!({"promptTokenCount": 20, "cachedContentTokenCount": 8, "candidatesTokenCount": 9, "thoughtsTokenCount": 30, "totalTokenCount": 59})
    );
    let again = dialects::parse_response(Dialect::Gemini, &out, ORIGIN).unwrap();
    assert_eq!(again.usage, Some(Usage { cache_write: 0, ..usage }));
}

#[test]
fn an_array_is_json_whatever_happens() {
    for (name, body) in fixtures("streams") {
        let out = render_stream(&body, true);
        let chunks: Vec<Value> = serde_json::from_slice(&out).unwrap();
        let fails = chunks.last().unwrap().get("error").is_some();
        assert_eq!(fails, matches!(name.as_str(), "error" | "cut" | "unreadable_call"), "{name}");
    }
    let nothing: Vec<Value> = serde_json::from_slice(&render_stream(b"", true)).unwrap();
    assert!(nothing[0].get("error").is_some());
    let mut out = br#"[{"candidates":[]}"#.to_vec();
    let error = levity::ir::error::Error::of_status(529, "m");
    dialects::render_stream_error(Dialect::Gemini, &error, &asked(true), 0, &mut out);
    let chunks: Vec<Value> = serde_json::from_slice(&out).unwrap();
    assert_eq!(chunks[1]["error"]["status"], "UNAVAILABLE");
}

#[test]
fn a_broken_stream_ends_in_an_error_event() {
    for name in ["error", "cut"] {
        let (_, body) = fixtures("streams").into_iter().find(|(own, _)| own == name).unwrap();
        let out = String::from_utf8(render_stream(&body, false)).unwrap();
        let last = out.trim_end().rsplit("\n\n").next().unwrap();
        let json: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        assert!(json["error"]["code"].is_number() && json["error"]["status"].is_string());
        assert!(!out.contains("finishReason"), "{out}");
    }
}

#[test]
fn a_chunk_never_breaks_its_line() {
    let mut renderer = StreamRenderer::new(Dialect::Gemini, asked(false));
    let mut out = Vec::new();
    let block = Opening::ToolCall {
        id: "a".into(),
        name: "f".into(),
        namespace: None,
        kind: CallKind::Function,
        seal: None,
    };
    renderer.push(&Event::Open { candidate: 0, block }, &mut out);
    renderer.push(&Event::Delta(Delta::Arguments("{\n  \"a\":\r\n \"x\\ny\"\n}".into())), &mut out);
    renderer.push(&Event::Close, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches('\n').count(), 2, "{text}");
    assert!(!text.contains('\r') && text.contains(r"x\ny"), "{text}");
}
