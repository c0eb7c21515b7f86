//! A client's answer, whole and streamed, as the SDKs read it.

use crate::*;

fn answer(blocks: Vec<Block<'static>>, finish: Finish) -> Response<'static> {
    Response {
        id: "chatcmpl-1".into(),
        model: "gpt".into(),
        candidates: vec![Candidate { blocks, finish: Some(finish) }],
        ..Response::default()
    }
}

fn called(
    id: &'static str,
    arguments: &'static str,
    seal: Option<Seal<'static>>,
) -> Block<'static> {
    Block::ToolCall(ToolCall {
        id: id.into(),
        name: "run".into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal,
    })
}

fn said(text: &'static str) -> Block<'static> {
    Block::Text { text: text.into(), citations: vec![], logprobs: vec![] }
}

#[test]
fn blocks() {
    let proof = || sealed("gemini/x", SealKind::Call, "CiQ=");
    let packed = |seal: Seal<'_>| seal::to_text(&[seal]);
    let signed = || sealed("openai/x", SealKind::Reasoning, "gAAAAABx");
    let citation = |source| Citation { source, title: None, quote: None, span: None };
    let cases = [
        (
            vec![said(""), said("a"), Block::Refusal("no".into())],
            json!([{"type": "text", "text": "a"}, {"type": "text", "text": "no"}]),
        ),
        (
            vec![Block::Reasoning { text: "hm".into(), seal: None }, said("a")],
            json!([{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "a"}]),
        ),
        (
            vec![
                Block::Reasoning { text: "hm".into(), seal: Some(signed()) },
                Block::Reasoning { text: "".into(), seal: Some(signed()) },
                Block::Reasoning { text: "".into(), seal: None },
                called("call_1", "{\"a\":1}", Some(proof())),
            ],
            json!([
                {"type": "thinking", "thinking": "hm", "signature": packed(signed())},
                {"type": "redacted_thinking", "data": packed(signed())},
                {"type": "redacted_thinking", "data": packed(proof())},
                {"type": "tool_use", "id": "call_1", "name": "run", "input": {"a": 1}},
            ]),
        ),
        (
            vec![called("a", "", None), called("a", " null", None), called("f:0", "[1]", None)],
            json!([
                {"type": "tool_use", "id": "a", "name": "run", "input": {}},
                {"type": "tool_use", "id": "a_2", "name": "run", "input": {}},
                {"type": "tool_use", "id": "f_0_ebff8525", "name": "run", "input": {"input": "[1]"}},
            ]),
        ),
        (
            vec![Block::Text {
                text: "a".into(),
                citations: vec![citation(CitationSource::Url("https://e.com".into()))],
                logprobs: vec![],
            }],
            json!([{"type": "text", "text": "a", "citations": [{
                "type": "web_search_result_location", "url": "https://e.com", "title": null,
                "cited_text": "", "encrypted_index": "",
            }]}]),
        ),
    ];
    for (blocks, content) in cases {
        let response = answer(blocks, Finish::Stop);
        let (message, losses) = whole(&response);
        assert_eq!(message["content"], content);
        assert_eq!(assembled(&response).0, message);
        assert!(losses.is_empty(), "{losses:?}");
        let calls = content.to_string().contains("tool_use");
        assert_eq!(message["stop_reason"], if calls { "tool_use" } else { "end_turn" });
        assert_eq!((&message["id"], &message["model"]), (&json!("msg_x1"), &json!("asked-model")));
        assert_eq!(message["usage"]["input_tokens"], 0);
    }
}

#[test]
fn losses_are_named() {
    let raw = || serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    let hosted = Block::Hosted(levity::ir::request::HostedItem {
        tool: HostedKind::WebSearch,
        name: "web_search_call".into(),
        raw: std::borrow::Cow::Owned(raw()),
    });
    let document = Citation {
        source: CitationSource::Document("d".into()),
        title: None,
        quote: None,
        span: None,
    };
    let blocks = vec![
        hosted,
        Block::Image { mime: "image/png".into(), data: "aaaa".into() },
        Block::Audio {
            mime: "audio/wav".into(),
            data: "aaaa".into(),
            transcript: Some("Said.".into()),
        },
        Block::Text { text: "a".into(), citations: vec![document], logprobs: vec![] },
    ];
    let mut response = answer(blocks, Finish::Stop);
    response.candidates.push(Candidate { blocks: vec![said("other")], finish: Some(Finish::Stop) });
    let (message, losses) = whole(&response);
    let expected = json!([{"type": "text", "text": "Said."}, {"type": "text", "text": "a"}]);
    assert_eq!(message["content"], expected);
    let dropped: Vec<_> = losses.dropped.iter().copied().collect();
    assert_eq!(dropped, ["audio", "citations", "image", "n", "web_search"]);
    let (streamed, stream_losses) = assembled(&response);
    assert_eq!(streamed, message);
    assert_eq!(stream_losses, losses);
}

#[test]
fn half_a_call() {
    let response = answer(vec![called("a", "{\"a\":", None)], Finish::Length);
    let (message, losses) = whole(&response);
    assert_eq!(message["content"], json!([]));
    assert_eq!(message["stop_reason"], "max_tokens");
    assert!(losses.dropped.contains("tool_call"));
}

#[test]
fn custom_calls_are_wrapped() {
    let call = ToolCall {
        id: "a".into(),
        name: "patch".into(),
        namespace: None,
        arguments: "*** Begin\n".into(),
        kind: CallKind::Custom,
        seal: None,
    };
    let response = answer(vec![Block::ToolCall(call)], Finish::ToolCalls);
    let (message, _) = whole(&response);
    let input: Value = serde_json::from_str(&wrap_input("*** Begin\n")).unwrap();
    assert_eq!(message["content"][0]["input"], input);
    assert_eq!(assembled(&response).0, message);
}

#[test]
fn an_answer_comes_back() {
    let response = anthropic::response::parse(ANSWER.as_bytes(), ORIGIN).unwrap();
    let (message, _) = whole(&response);
    assert_eq!(assembled(&response).0, message);
    assert_eq!(message["id"], "msg_01");
    let original: Value = serde_json::from_str(ANSWER).unwrap();
    assert_eq!(message["usage"], original["usage"]);
    assert_eq!(message["stop_reason"], original["stop_reason"]);
    // Everything but the proofs, which are packed, and the citations of documents.
    let mut expected = original["content"].clone();
    for (index, field) in [(0, "signature"), (1, "data")] {
        let seals = seal::from_text(message["content"][index][field].as_str().unwrap()).unwrap();
        assert_eq!(seals[0].data, original["content"][index][field].as_str().unwrap());
        expected[index][field] = message["content"][index][field].clone();
    }
    expected[2] = message["content"][2].clone();
    assert_eq!(expected[2]["type"], "redacted_thinking");
    let citations = expected[6]["citations"].as_array_mut().unwrap();
    citations.truncate(1);
    citations[0]["encrypted_index"] = "".into();
    assert_eq!(message["content"], expected);
}

#[test]
fn a_broken_stream_says_so() {
    let mut renderer = StreamRenderer::new(Dialect::Anthropic, asked());
    let mut out = Vec::new();
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let broken = stream(&[START, TEXT, HELLO, overloaded]);
    events(broken.as_bytes(), b"", |event| renderer.push(event, &mut out));
    renderer.push(&Event::End { usage: None }, &mut out);
    let text = String::from_utf8(out).unwrap();
    let end = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    assert!(text.ends_with(end), "{text}");
    assert!(text.starts_with("event: message_start\ndata: {"));
    assert!(!text.contains("message_stop"));
}
