//! Whole answers.

use levity::dialects;
use levity::ir::error::ErrorKind;
use levity::ir::losses::Losses;
use levity::ir::request::{HostedKind, ReplyForm};
use levity::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Response};
use levity::ir::usage::Usage;
use serde_json::{Value, json};

use crate::support::{
    ORIGIN, RESPONSES, asked, check_stream, fixture, parse_request, render_response, streamed,
};

/// The fixtures that are good answers, with what ends each.
pub(crate) const ANSWERS: [(&str, Finish); 11] = [
    ("text", Finish::Stop),
    ("late_parts", Finish::Stop),
    ("refusal", Finish::ContentFilter),
    ("reasoning_and_calls", Finish::ToolCalls),
    ("calls_told_at_the_end", Finish::ToolCalls),
    ("raw_thoughts_interleaved", Finish::Stop),
    ("only_the_last_event", Finish::Stop),
    ("bare_events", Finish::Stop),
    ("whole_items", Finish::ToolCalls),
    ("cut_by_length", Finish::Length),
    ("cut_by_filter", Finish::ContentFilter),
];

fn parsed(body: &[u8]) -> Response<'_> {
    dialects::parse_response(RESPONSES, body, ORIGIN).unwrap()
}

#[test]
fn every_answer_is_read() {
    for (name, finish) in ANSWERS {
        let body = fixture(&format!("{name}.json"));
        let response = parsed(&body);
        assert_eq!(response.id, "resp_1", "{name}");
        assert_eq!(response.model, "gpt-x", "{name}");
        assert_eq!(response.created, Some(1_700_000_000), "{name}");
        assert_eq!(response.candidates[0].finish, Some(finish), "{name}");
        let usage = Usage { input: 40, cache_read: 16, cache_write: 8, output: 12, reasoning: 5 };
        assert_eq!(response.usage, Some(usage), "{name}");
    }
}

/// What is written back says the same. Document citations have no form, and the ids of reasoning items are in their seals.
#[test]
fn every_answer_comes_back() {
    for (name, _) in ANSWERS {
        let body = fixture(&format!("{name}.json"));
        let response = parsed(&body);
        let (value, losses) = render_response(&response, &asked());
        let dropped: Vec<&str> = losses.dropped.into_iter().collect();
        assert_eq!(dropped, if name == "text" { vec!["citations"] } else { vec![] }, "{name}");
        let mut bytes = Vec::new();
        dialects::render_response(RESPONSES, &response, &asked(), &mut bytes);
        assert_eq!(plain(&parsed(&bytes)), plain(&response), "{name}");

        let (stream, _) = streamed(&response, asked());
        let last = check_stream(&stream);
        assert_eq!(last["response"], value, "{name}: the stream ends with the whole answer");
    }
}

/// An answer in words, without what a round trip changes.
pub(crate) fn plain(response: &Response<'_>) -> String {
    let mut words = format!("{:?} {:?} ", response.candidates[0].finish, response.usage);
    for block in &response.candidates[0].blocks {
        words += &match block {
            Block::Text { text, citations, logprobs } => {
                let urls: Vec<&Citation<'_>> = citations
                    .iter()
                    .filter(|citation| matches!(citation.source, CitationSource::Url(_)))
                    .collect();
                format!("text {text:?} {urls:?} {logprobs:?}")
            }
            Block::Reasoning { text, .. } => format!("thought {text:?}"),
            other => format!("{other:?}"),
        };
        words.push('\n');
    }
    words
}

#[test]
fn calls_that_the_client_runs_and_items_that_the_provider_ran() {
    let body = fixture("whole_items.json");
    let response = parsed(&body);
    let [search, image, shell, call] = response.candidates[0].blocks.as_slice() else { panic!() };
    assert!(matches!(search, Block::Hosted(item) if item.tool == HostedKind::WebSearch));
    assert!(matches!(image, Block::Image { mime, data }
        if mime == "image/webp" && data == "UklGRhoAAABXRUJQ"));
    assert!(matches!(shell, Block::Hosted(item) if item.tool == HostedKind::CodeExecution));
    assert!(matches!(call, Block::ToolCall(call) if call.name == "shell"
        && call.namespace.as_deref() == Some("openai:")
        && call.arguments == r#"{"commands": ["ls"], "timeout_ms": 1000}"#));
}

#[test]
fn answers_that_are_none() {
    let cases = [
        (json!({"error": {"message": "no credit", "code": "insufficient_quota"}}), "no credit"),
        (
            json!({"status": "failed", "error": {"code": "server_error", "message": "broke"}}),
            "broke",
        ),
        (json!({"status": "failed", "output": []}), "gives no reason"),
        (json!({"status": "queued", "output": []}), "put the answer off"),
        (json!({"status": "cancelled", "output": []}), "cancelled"),
        (json!({"object": "response", "status": "completed"}), "no output"),
        (json!("text"), "cannot be read"),
    ];
    for (body, message) in cases {
        let body = body.to_string();
        let error = dialects::parse_response(RESPONSES, body.as_bytes(), ORIGIN).unwrap_err();
        assert!(error.message.contains(message), "{body}: {}", error.message);
    }
}

#[test]
fn thoughts_that_are_counted_apart_are_counted_in() {
    let body = json!({"output": [], "status": "completed", "usage": {
        "input_tokens": 7, "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 90}}});
    let body = body.to_string();
    let usage = parsed(body.as_bytes()).usage.unwrap();
    assert_eq!((usage.output, usage.reasoning, usage.total()), (93, 90, 100));
}

fn answer(blocks: Vec<Block<'static>>, finish: Finish) -> Response<'static> {
    let candidates = vec![Candidate { blocks, finish: Some(finish) }];
    Response { id: "msg_other".into(), candidates, ..Response::default() }
}

fn text(text: &'static str) -> Block<'static> {
    Block::Text { text: text.into(), citations: vec![], logprobs: vec![] }
}

#[test]
fn finish_reasons() {
    let cases = [
        (Finish::Stop, "completed", None, "completed"),
        (Finish::StopSequence, "completed", None, "completed"),
        (Finish::ToolCalls, "completed", None, "completed"),
        (Finish::Pause, "completed", None, "completed"),
        (Finish::Other, "completed", None, "completed"),
        (Finish::Length, "incomplete", Some("max_output_tokens"), "incomplete"),
        (Finish::ContentFilter, "incomplete", Some("content_filter"), "incomplete"),
    ];
    for (finish, status, reason, item) in cases {
        let response = answer(vec![text("Hi")], finish);
        let (value, _) = render_response(&response, &asked());
        assert_eq!(value["status"], status, "{finish:?}");
        assert_eq!(value["incomplete_details"]["reason"].as_str(), reason, "{finish:?}");
        assert_eq!(value["output"][0]["status"], item, "{finish:?}");
        let (stream, _) = streamed(&response, asked());
        let last = check_stream(&stream);
        assert_eq!(last["response"], value, "{finish:?}");
        assert_eq!(last["type"], format!("response.{status}"), "{finish:?}");
    }
}

/// OpenAI's refusals are complete answers.
#[test]
fn a_refusal_is_complete() {
    let response = answer(vec![Block::Refusal("No.".into())], Finish::ContentFilter);
    let (value, _) = render_response(&response, &asked());
    assert_eq!(
        (&value["status"], &value["output"][0]["status"]),
        (&json!("completed"), &json!("completed"))
    );
    let (stream, _) = streamed(&response, asked());
    assert_eq!(check_stream(&stream)["response"], value);
    assert_eq!(value["output"][0]["content"], json!([{"type": "refusal", "refusal": "No."}]));
}

#[test]
fn texts_that_follow_each_other_are_one_message() {
    let response = answer(vec![text("A"), text("B")], Finish::Stop);
    let (value, _) = render_response(&response, &asked());
    let texts: Vec<&str> = value["output"][0]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, ["A", "B"]);
    assert_eq!(value["id"], "resp_x1", "a foreign id is none of this dialect");
    assert_eq!(value["output"][0]["id"], "msg_x1_0");
}

#[test]
fn a_source_without_a_place_supports_the_whole_text() {
    let citation = |span| Citation {
        source: CitationSource::Url("https://example.com".into()),
        title: None,
        quote: Some("words".into()),
        span,
    };
    let block = Block::Text {
        text: "Grüße".into(),
        citations: vec![citation(None), citation(Some((1, 2)))],
        logprobs: vec![],
    };
    let response = answer(vec![block], Finish::Stop);
    let (value, losses) = render_response(&response, &asked());
    assert_eq!(losses, Losses::default());
    let place = |n: usize| {
        let annotation = &value["output"][0]["content"][0]["annotations"][n];
        (annotation["start_index"].clone(), annotation["end_index"].clone())
    };
    assert_eq!(place(0), (json!(0), json!(5)));
    assert_eq!(place(1), (json!(1), json!(2)));
    check_stream(&streamed(&response, asked()).0);
}

#[test]
fn what_has_no_form_is_named() {
    let hosted = |name: &'static str, raw: &str, tool| {
        let raw = serde_json::value::RawValue::from_string(raw.to_owned()).unwrap();
        let raw = std::borrow::Cow::Owned(raw);
        Block::Hosted(levity::ir::request::HostedItem { tool, name: name.into(), raw })
    };
    let audio = Block::Audio {
        mime: "audio/wav".into(),
        data: "UklG".into(),
        transcript: Some("hi".into()),
    };
    let mut response = answer(
        vec![
            hosted("server_tool_use", r#"{"type":"server_tool_use"}"#, HostedKind::WebSearch),
            // Anthropic has a block of this name.
            hosted("compaction", r#"{"type":"compaction","content":"…"}"#, HostedKind::Other),
            audio,
        ],
        Finish::Stop,
    );
    response.candidates.push(Candidate::default());
    let expected = ["audio", "hosted_tool", "n", "web_search"];
    let (value, losses) = render_response(&response, &asked());
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), expected);
    // Sound is told in words.
    assert_eq!(value["output"].as_array().unwrap().len(), 1);
    assert_eq!(value["output"][0]["content"][0]["text"], "hi");
    let (stream, losses) = streamed(&response, asked());
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(check_stream(&stream)["response"]["output"], value["output"]);
}

/// SDKs read these without asking.
#[test]
fn the_request_is_repeated() {
    let request = parse_request(
        r#"{"model": "m", "instructions": "Be \"brief\".\n", "input": "Hi", "temperature": 0.5,
            "max_output_tokens": 99, "store": false, "metadata": {"a": "b"}, "service_tier": "flex",
            "reasoning": {"effort": "low", "summary": "auto"}, "text": {"verbosity": "low"},
            "tool_choice": {"type": "function", "name": "f"}, "user": "me", "previous_response_id": null,
            "tools": [{"type": "function", "name": "f",
                       "parameters": {"type": "object",
                                      "properties": {}}},
                      {"type": "web_search"}]}"#,
    )
    .unwrap();
    let mut asked = asked();
    let echo = request.reply.echo.unwrap_or_default().into_owned();
    assert!(!echo.contains('\n'), "an event's data is one line");
    asked.reply = ReplyForm { echo: Some(echo.into()), ..ReplyForm::default() };
    let (value, _) = render_response(&answer(vec![text("Hi")], Finish::Stop), &asked);
    let expected = json!({
        "instructions": "Be \"brief\".\n", "temperature": 0.5, "max_output_tokens": 99, "store": false,
        "metadata": {"a": "b"}, "service_tier": "flex", "top_p": 1.0, "truncation": "disabled",
        "reasoning": {"effort": "low", "summary": "auto"}, "parallel_tool_calls": true, "user": "me",
        "text": {"format": {"type": "text"}, "verbosity": "low"}, "previous_response_id": null,
        "tool_choice": {"type": "function", "name": "f"}, "background": false, "error": null,
        "tools": [{"type": "function", "name": "f", "description": null, "strict": false,
                   "parameters": {"type": "object", "properties": {}}}, {"type": "web_search"}],
    });
    for (name, member) in expected.as_object().unwrap() {
        assert_eq!(&value[name], member, "{name}");
    }
    // Nothing is missing where nothing is known of the request.
    let (usual, _) = render_response(&answer(vec![], Finish::Stop), &self::asked());
    let members =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(members(&usual), members(&value));
    assert_eq!(usual["usage"]["input_tokens_details"]["cached_tokens"], 0);
}

#[test]
fn two_calls_never_share_an_id() {
    let call = |id: &'static str| {
        Block::ToolCall(levity::ir::request::ToolCall {
            id: id.into(),
            name: "f".into(),
            namespace: None,
            arguments: "".into(),
            kind: levity::ir::request::CallKind::Function,
            seal: None,
        })
    };
    let response = answer(vec![call("a"), call("a"), call("")], Finish::ToolCalls);
    let (value, _) = render_response(&response, &asked());
    let ids: Vec<&str> = value["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["call_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "call_x1_1", "call_x1_2"]);
    assert_eq!(value["output"][0]["arguments"], "{}");
    let (stream, _) = streamed(&response, asked());
    assert_eq!(check_stream(&stream)["response"]["output"], value["output"]);
}

/// Strict decoders refuse what others read over.
#[test]
fn base64_is_base64() {
    for (result, data) in [("iVBO\nRw0K", "iVBORw0K"), ("iVBO...Rw", "iVBORw=="), ("iVB=", "iVB=")]
    {
        let body = json!({"status": "completed", "output": [
            {"type": "image_generation_call", "id": "ig_1", "result": result}]});
        let body = body.to_string();
        let response = parsed(body.as_bytes());
        let Block::Image { data: given, .. } = &response.candidates[0].blocks[0] else { panic!() };
        assert_eq!(given, data);
    }
}

#[test]
fn an_error_of_a_good_status_is_an_error() {
    let body = br#"{"error": {"message": "slow down", "type": "tokens"}}"#;
    let error = dialects::parse_response(RESPONSES, body, ORIGIN).unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimit);
}
