//! Whole answers, read and written.

use levity::dialects::openai_chat::response;
use levity::ir::losses::Losses;
use levity::ir::request::{CallKind, HostedItem, HostedKind, ToolCall};
use levity::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Logprob, Response};
use levity::ir::seal::{self, Seal, SealKind};
use levity::ir::usage::Usage;
use serde_json::{Value, json};

use crate::support::{ORIGIN, asked, bare, lines};

#[track_caller]
fn reads(message: &str, reason: &str, expected: &[&str]) {
    let body = format!(
        r#"{{"id":"c","model":"m","created":1.0,"choices":[{{"message":{message},"finish_reason":{reason}}}]}}"#
    );
    let response = response::parse(body.as_bytes(), ORIGIN).unwrap();
    let lines = lines(&response);
    let lines: Vec<&str> = lines.lines().collect();
    let mut expected = expected.to_vec();
    expected.push("uncounted");
    assert_eq!(lines, expected);
}

#[test]
fn messages_are_read() {
    reads(
        r#"{"role":"assistant","content":"Hi"}"#,
        "\"stop\"",
        &["text \"Hi\"", "finish Some(Stop)"],
    );
    reads(
        r#"{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"function":{"name":"g","arguments":{"y":2}}},{"id":"a","function":{"name":"g"}}]}"#,
        "\"stop\"",
        &[
            r#"call a f Function {"x":1}"#,
            r#"call call_x7_1 g Function {"y":2}"#,
            "call call_x7_2 g Function ",
            "finish Some(ToolCalls)",
        ],
    );
    reads(
        r#"{"content":"","tool_calls":[],"function_call":{"name":"f","arguments":"{}"}}"#,
        "\"function_call\"",
        &["call call_x7_0 f Function {}", "finish Some(ToolCalls)"],
    );
    reads(
        r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]},{"type":"text","text":"Hi"},{"type":"text","text":"!"}]}"#,
        "\"stop\"",
        &["reasoning \"Hm\"", "text \"Hi!\"", "finish Some(Stop)"],
    );
    reads(
        r#"{"content":"Hi","reasoning_content":"Hm","reasoning":"Hm"}"#,
        "\"eos\"",
        &[
            "reasoning \"Hm\" seal Reasoning acme/chat reasoning_content",
            "text \"Hi\"",
            "finish Some(Stop)",
        ],
    );
    reads(
        r#"{"content":"Hi","reasoning":null,"reasoning_details":[{"type":"reasoning.summary","summary":"Hm"},{"data":"AA"}]}"#,
        "null",
        &[
            r#"reasoning "Hm" seal Details acme/chat [{"type":"reasoning.summary","summary":"Hm"},{"data":"AA"}]"#,
            "text \"Hi\"",
            "finish None",
        ],
    );
    reads(
        r#"{"content":"Hi","reasoning_details":[],"images":[{"image_url":{"url":"data:image/png;base64,AAAA"}},{"image_url":{"url":"https://x"}}],"audio":{"id":"a","data":"UklGRg==","transcript":"Hi","expires_at":1}}"#,
        "\"length\"",
        &["text \"Hi\"", "image image/png AAAA", "audio audio/wav UklGRg==", "finish Some(Length)"],
    );
    reads(
        r#"{"content":null,"refusal":"No"}"#,
        "\"stop\"",
        &["refusal \"No\"", "finish Some(ContentFilter)"],
    );
    reads(r#"{"content":null}"#, "\"content_filter\"", &["finish Some(ContentFilter)"]);
    reads(r#"{"content":"x"}"#, "\"network_error\"", &["text \"x\"", "finish Some(Other)"]);
}

#[test]
fn usage_is_read_in_everybodys_words() {
    for (usage, expected) in [
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}"#,
            "in 9 (0 read, 0 written) out 4 (0 thought)",
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}"#,
            "in 9 (3 read, 2 written) out 4 (1 thought)",
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"prompt_cache_hit_tokens":3}"#,
            "in 9 (3 read, 0 written) out 4 (0 thought)",
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"cached_tokens":3,"prompt_tokens_details":null}"#,
            "in 9 (3 read, 0 written) out 4 (0 thought)",
        ),
        (
            r#"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":23,"completion_tokens_details":{"reasoning_tokens":10}}"#,
            "in 9 (0 read, 0 written) out 14 (10 thought)",
        ),
        (
            r#"{"prompt_tokens":9.0,"completion_tokens":"4"}"#,
            "in 9 (0 read, 0 written) out 4 (0 thought)",
        ),
        ("{}", "uncounted"),
        ("[]", "uncounted"),
        ("null", "uncounted"),
    ] {
        let body = format!(r#"{{"choices":[{{"message":{{"content":"x"}}}}],"usage":{usage}}}"#);
        let response = response::parse(body.as_bytes(), ORIGIN).unwrap();
        assert_eq!(lines(&response).lines().last(), Some(expected), "{usage}");
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    for (body, status, message) in [
        (r#"{"error":{"message":"slow down","code":429}}"#, 429, "slow down"),
        (r#"{"error":{"message":"x","type":"server_error"}}"#, 502, "x"),
        (r#"{"error":"nothing works"}"#, 502, "nothing works"),
        (r#"{"object":"error","message":"bad","code":400}"#, 400, "bad"),
        (r#"{"choices":[]}"#, 502, "the provider's answer holds nothing"),
        (
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}"#,
            502,
            "the provider ended its answer with an error",
        ),
        (
            r#"{"choices":[{"message":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]}"#,
            502,
            "the provider called a tool without saying which",
        ),
    ] {
        let error = response::parse(body.as_bytes(), ORIGIN).unwrap_err();
        assert_eq!((error.status, error.message.as_str()), (status, message), "{body}");
    }
    let error = response::parse(b"{\"choices\": <<<", ORIGIN).unwrap_err();
    assert_eq!(error.status, 502);
}

fn text(text: &str) -> Block<'_> {
    Block::Text { text: text.into(), citations: vec![], logprobs: vec![] }
}

fn thought<'a>(text: &'a str, seal: Option<Seal<'a>>) -> Block<'a> {
    Block::Reasoning { text: text.into(), seal }
}

fn call<'a>(id: &'a str, arguments: &'a str, seal: Option<Seal<'a>>) -> Block<'a> {
    Block::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal,
    })
}

fn sealed(kind: SealKind, data: &str) -> Seal<'_> {
    Seal { issuer: "a/b".into(), kind, id: "".into(), data: data.into() }
}

fn answer(blocks: Vec<Block<'_>>, finish: Finish) -> Response<'_> {
    Response {
        id: "msg_1".into(),
        candidates: vec![Candidate { blocks, finish: Some(finish) }],
        ..Response::default()
    }
}

fn written(response: &Response<'_>) -> (Value, Losses) {
    let mut out = Vec::new();
    let losses = response::render(response, &asked(false), &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

#[track_caller]
fn writes(blocks: Vec<Block<'_>>, finish: Finish, message: Value, reason: &str) {
    let (body, _) = written(&answer(blocks, finish));
    let choice = &body["choices"][0];
    assert_eq!(choice["message"], message);
    assert_eq!(choice["finish_reason"], reason);
}

#[test]
fn the_whole_body() {
    let mut response = answer(vec![text("Hi")], Finish::Stop);
    response.usage =
        Some(Usage { input: 9, cache_read: 3, cache_write: 2, output: 4, reasoning: 1 });
    let expected = json!({
        "id": "chatcmpl-x7", "object": "chat.completion", "created": 1_700_000_000, "model": "asked-model",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": null}, "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1}},
    });
    assert_eq!(written(&response), (expected, Losses::default()));
    response.id = "chatcmpl-own".into();
    response.created = Some(5);
    response.usage = None;
    let (body, _) = written(&response);
    assert_eq!((&body["id"], &body["created"]), (&json!("chatcmpl-own"), &json!(5)));
    assert_eq!(body["usage"]["total_tokens"], 0);
}

#[test]
fn blocks_become_one_message() {
    let base = json!({"role": "assistant", "content": "Hi", "refusal": null});
    let with = |key: &str, value: Value| {
        let mut message = base.clone();
        message[key] = value;
        message
    };
    writes(vec![text("H"), text("i")], Finish::StopSequence, base.clone(), "stop");
    writes(vec![], Finish::ContentFilter, with("content", json!("")), "content_filter");
    writes(vec![text("Hi")], Finish::Pause, base.clone(), "stop");
    writes(vec![text("Hi")], Finish::ToolCalls, base.clone(), "stop");
    writes(
        vec![thought("One.", None), thought("", None), thought("Two.", None), text("Hi")],
        Finish::Length,
        with("reasoning_content", json!("One.\n\nTwo.")),
        "length",
    );
    let mut refused = with("refusal", json!("No"));
    refused["content"] = Value::Null;
    writes(vec![Block::Refusal("No".into())], Finish::ContentFilter, refused, "stop");
    let search = || {
        let raw = serde_json::value::RawValue::from_string("{}".into()).unwrap();
        Block::Hosted(HostedItem {
            tool: HostedKind::WebSearch,
            name: "web_search_call".into(),
            raw: std::borrow::Cow::Owned(raw),
        })
    };
    writes(
        vec![text("I look."), search(), text("Found"), text(" it."), search(), text("\nSo.")],
        Finish::Stop,
        with("content", json!("I look.\n\nFound it.\nSo.")),
        "stop",
    );
    let image = Block::Image { mime: "image/png".into(), data: "AA".into() };
    let audio = Block::Audio { mime: "audio/wav".into(), data: "AA".into(), transcript: None };
    let (_, losses) = written(&answer(vec![search(), image, audio], Finish::Stop));
    let dropped: Vec<&str> = losses.dropped.into_iter().collect();
    assert_eq!(dropped, ["audio", "images", "web_search"]);
}

#[test]
fn calls_carry_the_seals() {
    let thinking = || sealed(SealKind::Reasoning, "sig");
    let own = || sealed(SealKind::Call, "own");
    let blocks = vec![
        thought("Hm", Some(thinking())),
        thought("", Some(sealed(SealKind::Redacted, "red"))),
        call("a", "", None),
        call("b", "{\"x\": \"cut", Some(own())),
        call("c", "{}", None),
    ];
    let (body, losses) = written(&answer(blocks, Finish::ToolCalls));
    assert!(losses.is_empty());
    let calls = &body["choices"][0]["message"]["tool_calls"];
    let seals = |n: usize| {
        let id = calls[n]["id"].as_str().unwrap();
        let (own, seals) = seal::unwrap_id(id);
        (own.to_owned(), seals)
    };
    assert_eq!(seals(0), ("a".into(), vec![thinking(), sealed(SealKind::Redacted, "red")]));
    assert_eq!(seals(1), ("b".into(), vec![own()]));
    assert_eq!(
        calls[2],
        json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}})
    );
    assert_eq!(calls[0]["function"]["arguments"], "{}");
    assert_eq!(calls[1]["function"]["arguments"], "{\"x\": \"cut");
    assert_eq!(body["choices"][0]["message"]["content"], Value::Null);
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
}

#[test]
fn custom_calls() {
    let Block::ToolCall(call) = call("a", "*** x", None) else { panic!() };
    let call = Block::ToolCall(ToolCall { kind: CallKind::Custom, ..call });
    let answer = answer(vec![call], Finish::ToolCalls);
    let (body, _) = written(&answer);
    let function = json!({"name": "f", "arguments": r#"{"input":"*** x"}"#});
    let expected = json!([{"id": "a", "type": "function", "function": function}]);
    assert_eq!(body["choices"][0]["message"]["tool_calls"], expected);
    let mut asked = asked(false);
    asked.reply.echo = Some("custom".into());
    let mut out = Vec::new();
    response::render(&answer, &asked, &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    let expected =
        json!([{"id": "a", "type": "custom", "custom": {"name": "f", "input": "*** x"}}]);
    assert_eq!(body["choices"][0]["message"]["tool_calls"], expected);
}

#[test]
fn deprecated_functions() {
    let mut asked = asked(false);
    asked.reply.echo = Some("function_call".into());
    let response = answer(vec![call("a", "{}", None), call("b", "{}", None)], Finish::ToolCalls);
    let mut out = Vec::new();
    let losses = response::render(&response, &asked, &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    let choice = &body["choices"][0];
    assert_eq!(choice["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
    assert_eq!(choice["message"]["tool_calls"], Value::Null);
    assert_eq!(choice["finish_reason"], "function_call");
    assert!(losses.dropped.contains("tool_calls"));
}

#[test]
fn citations_and_logprobs() {
    let cite = |url: &'static str, span| Citation {
        source: CitationSource::Url(url.into()),
        title: Some("T".into()),
        quote: Some("q".into()),
        span,
    };
    let page = Citation { source: CitationSource::Document("doc".into()), ..cite("", None) };
    let logprob = Logprob { token: "ü".into(), logprob: -0.5, top: vec![("u".into(), -1.0)] };
    let blocks = vec![
        text("Grüß "),
        Block::Text {
            text: "dich".into(),
            citations: vec![cite("https://a", None), page],
            logprobs: vec![logprob],
        },
        thought("", None),
        Block::Text {
            text: "Gott".into(),
            citations: vec![cite("https://b", Some((1, 2)))],
            logprobs: vec![],
        },
    ];
    let (body, losses) = written(&answer(blocks, Finish::Stop));
    let choice = &body["choices"][0];
    let annotation = |url: &str, start: u64, end: u64| json!({"type": "url_citation", "url_citation": {"url": url, "title": "T", "start_index": start, "end_index": end}});
    assert_eq!(choice["message"]["content"], "Grüß dich\n\nGott");
    let expected = json!([annotation("https://a", 5, 9), annotation("https://b", 12, 13)]);
    assert_eq!(choice["message"]["annotations"], expected);
    assert_eq!(
        choice["logprobs"],
        json!({"content": [{"token": "ü", "logprob": -0.5, "bytes": [195, 188],
            "top_logprobs": [{"token": "u", "logprob": -1.0, "bytes": [117]}]}], "refusal": null})
    );
    assert!(losses.dropped.contains("citations"));
}

/// What is written is read as the same again.
#[test]
fn an_answer_survives_the_way() {
    for name in ["text", "thinking_calls", "citations", "refusal", "two_answers"] {
        let path = format!("{}/tests/fixtures/openai_chat/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let body = std::fs::read(path).unwrap();
        let first = response::parse(&body, ORIGIN).unwrap();
        let mut out = Vec::new();
        response::render(&first, &asked(false), &mut out);
        let second = response::parse(&out, ORIGIN).unwrap();
        // A source that pointed at no words points at all of them.
        let first = bare(&lines(&first)).replace("None", "Some((0, 14))");
        assert_eq!(bare(&lines(&second)), first);
    }
}
