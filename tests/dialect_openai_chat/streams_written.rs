//! Streams as clients get them.

use levity::dialects::openai_chat::stream::Renderer;
use levity::ir::error::Error;
use levity::ir::event::{Delta, Event, Opening};
use levity::ir::losses::Losses;
use levity::ir::request::{CallKind, HostedItem, HostedKind};
use levity::ir::response::{Citation, CitationSource, Finish, Logprob};
use levity::ir::seal::{self, Seal, SealKind};
use levity::ir::usage::Usage;
use serde_json::{Value, json};

use crate::support::{asked, bare, chunks, fold, lines, rewrite};

fn write(events: &[Event<'_>], include_usage: bool) -> (Vec<Value>, Losses) {
    let mut renderer = Renderer::new(asked(include_usage));
    let mut out = Vec::new();
    for event in events {
        renderer.push(event, &mut out);
    }
    (chunks(std::str::from_utf8(&out).unwrap()), renderer.losses().clone())
}

fn start() -> Event<'static> {
    Event::Start { id: "msg_1".into(), model: "m".into(), created: None, usage: None }
}

fn open(block: Opening<'_>) -> Event<'_> {
    Event::Open { candidate: 0, block }
}

fn call<'a>(id: &'a str, seal: Option<Seal<'a>>) -> Event<'a> {
    let (name, kind) = ("f".into(), CallKind::Function);
    open(Opening::ToolCall { id: id.into(), name, namespace: None, kind, seal })
}

fn text(text: &str) -> Event<'_> {
    Event::Delta(Delta::Text(text.into()))
}

fn arguments(text: &str) -> Event<'_> {
    Event::Delta(Delta::Arguments(text.into()))
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { candidate: 0, reason }
}

const END: Event<'static> = Event::End { usage: None };

fn sealed(kind: SealKind, data: &'static str) -> Seal<'static> {
    Seal { issuer: "a/b".into(), kind, id: "".into(), data: data.into() }
}

/// The deltas of a stream's choices, with the reason where there is one.
fn deltas(events: &[Event<'_>]) -> Vec<Value> {
    let (chunks, _) = write(events, false);
    let (last, chunks) = chunks.split_last().unwrap();
    assert_eq!(last, "[DONE]");
    let delta = |chunk: &Value| {
        let choice = &chunk["choices"][0];
        if choice["finish_reason"].is_null() {
            return choice["delta"].clone();
        }
        json!([choice["delta"], choice["finish_reason"]])
    };
    chunks.iter().map(delta).collect()
}

#[test]
fn every_chunk_has_its_head() {
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "chatcmpl-x7", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "asked-model", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let events = [
        start(),
        open(Opening::Text),
        text("Hi"),
        text(""),
        text("!"),
        Event::Close,
        finish(Finish::Stop),
        END,
        END,
        text("late"),
    ];
    let plain = [
        chunk(json!({"role": "assistant", "content": "Hi"}), Value::Null),
        chunk(json!({"content": "!"}), Value::Null),
        chunk(json!({}), json!("stop")),
    ];
    let done = json!("[DONE]");
    let (written, losses) = write(&events, false);
    assert_eq!(written[..3], plain);
    assert_eq!(written[3], done);
    assert_eq!(written.len(), 4);
    assert!(losses.is_empty());

    let usage = Usage { input: 9, cache_read: 3, cache_write: 0, output: 4, reasoning: 1 };
    let mut events = events.to_vec();
    events[7] = Event::End { usage: Some(usage) };
    let (written, _) = write(&events, true);
    assert_eq!(written.len(), 5);
    for (chunk, plain) in written.iter().zip(plain) {
        let mut with_null = plain;
        with_null["usage"] = Value::Null;
        assert_eq!(*chunk, with_null);
        assert!(chunk.as_object().unwrap().contains_key("usage"));
    }
    assert_eq!(written[3]["choices"], json!([]));
    assert_eq!(written[3]["usage"]["total_tokens"], 13);
    assert_eq!(written[3]["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
    assert_eq!(written[3]["usage"]["completion_tokens_details"]["reasoning_tokens"], 1);
    assert_eq!(written[4], done);
}

#[test]
fn usage_told_at_the_start_is_not_lost() {
    let usage = Usage { input: 9, ..Usage::default() };
    let start =
        Event::Start { id: "".into(), model: "".into(), created: Some(3), usage: Some(usage) };
    let (written, _) = write(&[start, finish(Finish::Stop), END], true);
    assert_eq!(written[1]["usage"]["prompt_tokens"], 9);
    assert_eq!(written[1]["created"], 3);
}

#[test]
fn thinking_text_and_calls() {
    let written = deltas(&[
        start(),
        open(Opening::Reasoning),
        text("Hm"),
        Event::Delta(Delta::Seal(sealed(SealKind::Reasoning, "sig"))),
        Event::Close,
        open(Opening::Reasoning),
        text("So"),
        Event::Close,
        open(Opening::Text),
        text("Look."),
        Event::Close,
        call("a", Some(sealed(SealKind::Call, "own"))),
        arguments("{\"x\""),
        arguments(":1}"),
        Event::Close,
        call("b", None),
        Event::Close,
        open(Opening::Text),
        text("And"),
        Event::Close,
        finish(Finish::ToolCalls),
        END,
    ]);
    let id =
        seal::wrap_id("a", &[sealed(SealKind::Reasoning, "sig"), sealed(SealKind::Call, "own")]);
    let head = |index: u8, id: &str| json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]});
    let piece = |index: u8, text: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]});
    assert_eq!(
        written,
        [
            json!({"role": "assistant", "content": null, "reasoning_content": "Hm"}),
            json!({"reasoning_content": "\n\nSo"}),
            json!({"content": "Look."}),
            head(0, &id),
            piece(0, "{\"x\""),
            piece(0, ":1}"),
            head(1, "b"),
            piece(1, "{}"),
            json!({"content": "\n\nAnd"}),
            json!([{}, "tool_calls"]),
        ]
    );
}

#[test]
fn a_seal_that_comes_late() {
    let late = sealed(SealKind::Call, "late");
    let written = deltas(&[
        start(),
        call("a", None),
        arguments("{}"),
        Event::Delta(Delta::Seal(late.clone())),
        Event::Close,
        finish(Finish::ToolCalls),
        END,
    ]);
    let signature =
        written[2]["tool_calls"][0]["extra_content"]["google"]["thought_signature"].clone();
    assert_eq!(seal::from_text(signature.as_str().unwrap()), Some(vec![late]));
}

#[test]
fn custom_calls() {
    let opening = || {
        let (id, name) = ("a".into(), "p".into());
        open(Opening::ToolCall { id, name, namespace: None, kind: CallKind::Custom, seal: None })
    };
    let calls = |echo: Option<&'static str>, pieces: &[&'static str]| {
        let mut asked = asked(false);
        asked.reply.echo = echo.map(Into::into);
        let mut renderer = Renderer::new(asked);
        let mut out = Vec::new();
        let pieces = pieces.iter().map(|piece| arguments(piece));
        let events = [start(), opening()].into_iter().chain(pieces);
        for event in events.chain([Event::Close, finish(Finish::ToolCalls), END]) {
            renderer.push(&event, &mut out);
        }
        let written = chunks(std::str::from_utf8(&out).unwrap());
        let call = |chunk: &Value| chunk["choices"][0]["delta"]["tool_calls"][0].clone();
        written[..written.len() - 2].iter().map(call).collect::<Vec<_>>()
    };
    assert_eq!(
        calls(Some("custom"), &["*** x"]),
        [
            json!({"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": ""}}),
            json!({"index": 0, "custom": {"input": "*** x"}}),
        ]
    );
    // A client that declared no custom tool gets what the documented chunks can say.
    for pieces in [&["say \"", "\"\n\\ü"][..], &[]] {
        let calls = calls(None, pieces);
        assert_eq!(
            calls[0],
            json!({"index": 0, "id": "a", "type": "function", "function": {"name": "p", "arguments": ""}})
        );
        let arguments: String =
            calls.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(arguments, json!({"input": pieces.concat()}));
    }
}

#[test]
fn deprecated_functions() {
    let mut asked = asked(false);
    asked.reply.echo = Some("function_call".into());
    let mut renderer = Renderer::new(asked);
    let mut out = Vec::new();
    for event in [
        start(),
        call("a", None),
        arguments("{}"),
        Event::Close,
        call("b", None),
        arguments("{}"),
        Event::Close,
        finish(Finish::ToolCalls),
        END,
    ] {
        renderer.push(&event, &mut out);
    }
    let written = chunks(std::str::from_utf8(&out).unwrap());
    let deltas: Vec<&Value> =
        written[..3].iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    assert_eq!(
        *deltas[0],
        json!({"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": ""}})
    );
    assert_eq!(*deltas[1], json!({"function_call": {"arguments": "{}"}}));
    assert_eq!(written[2]["choices"][0]["finish_reason"], "function_call");
    assert!(renderer.losses().dropped.contains("tool_calls"));
}

#[test]
fn refusals_and_empty_answers() {
    let written = deltas(&[
        start(),
        open(Opening::Refusal),
        text("No"),
        Event::Close,
        finish(Finish::ContentFilter),
        END,
    ]);
    let refusal = json!({"role": "assistant", "content": null, "refusal": "No"});
    assert_eq!(written, [refusal, json!([{}, "stop"])]);
    let written = deltas(&[start(), finish(Finish::ContentFilter), END]);
    assert_eq!(written, [json!([{"role": "assistant", "content": ""}, "content_filter"])]);
}

#[test]
fn citations_and_logprobs() {
    let cite = |source, span| {
        Event::Delta(Delta::Citation(Citation { source, title: None, quote: None, span }))
    };
    let url = || CitationSource::Url("https://a".into());
    let token = Logprob { token: "a".into(), logprob: -1.0, top: vec![] };
    let events = [
        start(),
        open(Opening::Text),
        text("Grüß "),
        Event::Close,
        open(Opening::Text),
        text("dich"),
        Event::Delta(Delta::Logprobs(vec![token])),
        cite(url(), Some((0, 2))),
        cite(url(), None),
        cite(CitationSource::Document("d".into()), None),
        Event::Close,
        finish(Finish::Stop),
        END,
    ];
    let (written, losses) = write(&events, false);
    let logprobs = json!({"content": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}], "refusal": null});
    assert_eq!(written[2]["choices"][0]["logprobs"], logprobs);
    assert_eq!(written[2]["choices"][0]["delta"], json!({}));
    let annotations = |index: u8, start: u8, end: u8| json!({"annotations": [{"index": index, "type": "url_citation", "url_citation": {"url": "https://a", "title": "", "start_index": start, "end_index": end}}]});
    assert_eq!(written[3]["choices"][0]["delta"], annotations(0, 5, 7));
    assert_eq!(written[4]["choices"][0]["delta"], annotations(1, 5, 9));
    assert_eq!(written[5]["choices"][0]["finish_reason"], "stop");
    assert!(losses.dropped.contains("citations"));
}

#[test]
fn what_has_no_form_is_named() {
    let raw = serde_json::value::RawValue::from_string("{}".into()).unwrap();
    let item = HostedItem {
        tool: HostedKind::CodeExecution,
        name: "x".into(),
        raw: std::borrow::Cow::Owned(raw),
    };
    let image = Opening::Image { mime: "image/png".into(), data: "AA".into() };
    let events = [
        start(),
        open(image),
        Event::Close,
        open(Opening::Hosted(item)),
        Event::Close,
        finish(Finish::Stop),
        END,
    ];
    let (written, losses) = write(&events, false);
    assert_eq!(written.len(), 2);
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), ["code_execution", "images"]);
}

#[test]
fn a_failure_ends_the_stream() {
    let fail = || Event::Fail(Error::of_status(503, "gone"));
    let error = json!({"error": {"message": "gone", "type": "service_unavailable", "param": null, "code": null}});
    let (written, _) =
        write(&[start(), open(Opening::Text), text("Hi"), Event::Close, fail(), END], true);
    assert_eq!(written.len(), 2);
    assert_eq!(written[1], error);
    assert_eq!(write(&[start(), fail()], true).0, [error]);
}

#[test]
fn several_answers() {
    let say = |candidate, said| {
        [
            Event::Open { candidate, block: Opening::Text },
            text(said),
            Event::Close,
            Event::Finish { candidate, reason: Finish::Stop },
        ]
    };
    let events: Vec<Event<'_>> =
        [start()].into_iter().chain(say(0, "a")).chain(say(1, "b")).chain([END]).collect();
    let (written, _) = write(&events, false);
    let indexes: Vec<u64> =
        written[..4].iter().map(|chunk| chunk["choices"][0]["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [0, 0, 1, 1]);
    assert_eq!(written[2]["choices"][0]["delta"]["role"], "assistant");
}

/// What is written is read as the same again.
#[test]
fn a_stream_survives_the_way() {
    for name in ["text", "thinking_calls", "details_calls", "refusal", "two_answers"] {
        let path = format!("{}/tests/fixtures/openai_chat/{name}.sse", env!("CARGO_MANIFEST_DIR"));
        let stream = std::fs::read(path).unwrap();
        let (written, losses) = rewrite(&stream, asked(true));
        assert!(losses.is_empty());
        let (first, second) = (fold(&stream).unwrap(), fold(written.as_bytes()).unwrap());
        assert_eq!(bare(&lines(&second)), bare(&lines(&first)), "{name}");
    }
}
