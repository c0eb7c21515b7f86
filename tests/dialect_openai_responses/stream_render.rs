//! A client's stream, written.

use levity::dialects::StreamRenderer;
use levity::ir::error::{Error, ErrorKind};
use levity::ir::event::{Delta, Event, Opening};
use levity::ir::request::CallKind;
use levity::ir::response::{Finish, Logprob};
use levity::ir::usage::Usage;
use serde_json::{Value, json};

use crate::support::{RESPONSES, asked, check_stream, events};

fn start() -> Event<'static> {
    Event::Start { id: "".into(), model: "".into(), created: Some(7), usage: None }
}

fn open(block: Opening<'static>) -> Event<'static> {
    Event::Open { candidate: 0, block }
}

fn text(text: &'static str) -> Event<'static> {
    Event::Delta(Delta::Text(text.into()))
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { candidate: 0, reason }
}

fn call(name: &'static str, namespace: Option<&'static str>, kind: CallKind) -> Event<'static> {
    let namespace = namespace.map(Into::into);
    open(Opening::ToolCall { id: "call_1".into(), name: name.into(), namespace, kind, seal: None })
}

fn arguments(arguments: &'static str) -> Event<'static> {
    Event::Delta(Delta::Arguments(arguments.into()))
}

const END: Event<'static> = Event::End { usage: None };

fn rendered(steps: &[Event<'_>]) -> Vec<u8> {
    let mut renderer = StreamRenderer::new(RESPONSES, asked());
    let mut out = Vec::new();
    for step in steps {
        renderer.push(step, &mut out);
    }
    out
}

fn names(bytes: &[u8]) -> Vec<String> {
    events(bytes)
        .into_iter()
        .map(|(name, _)| name.strip_prefix("response.").unwrap_or(&name).to_owned())
        .collect()
}

#[test]
fn the_order_of_a_message() {
    let stream = rendered(&[
        start(),
        open(Opening::Text),
        text("Hel"),
        text("lo"),
        Event::Close,
        finish(Finish::Stop),
        Event::End { usage: Some(Usage { input: 3, output: 2, ..Usage::default() }) },
    ]);
    assert_eq!(
        names(&stream),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed"
        ]
    );
    let last = check_stream(&stream);
    assert_eq!(last["response"]["created_at"], 7);
    assert_eq!(last["response"]["model"], "asked-model");
    assert_eq!(last["response"]["usage"]["total_tokens"], 5);
}

/// Each step leaves at once.
#[test]
fn nothing_waits() {
    let mut renderer = StreamRenderer::new(RESPONSES, asked());
    let steps = [
        (start(), 2),
        (open(Opening::Reasoning), 0),
        (text("hm"), 3),
        (Event::Close, 3),
        (open(Opening::Text), 0),
        (text("a"), 3),
        (Event::Close, 2),
        (call("f", None, CallKind::Function), 2),
        (arguments("{}"), 1),
        (Event::Close, 1),
        (finish(Finish::ToolCalls), 1),
        (END, 1),
        (END, 0),
        (start(), 0),
    ];
    for (number, (step, count)) in steps.into_iter().enumerate() {
        let mut out = Vec::new();
        renderer.push(&step, &mut out);
        assert_eq!(events(&out).len(), count, "step {number}: {step:?}");
    }
}

#[test]
fn empty_blocks_leave_no_trace() {
    for block in [Opening::Text, Opening::Refusal, Opening::Reasoning] {
        let stream = rendered(&[start(), open(block), Event::Close, finish(Finish::Stop), END]);
        assert_eq!(names(&stream), ["created", "in_progress", "completed"]);
        check_stream(&stream);
    }
}

#[test]
fn calls() {
    let cases = [
        (
            None,
            CallKind::Function,
            "f",
            "{\"a\":1}",
            json!({"type": "function_call", "arguments": "{\"a\":1}"}),
        ),
        (None, CallKind::Function, "f", "", json!({"type": "function_call", "arguments": "{}"})),
        (
            Some("ns"),
            CallKind::Custom,
            "exec",
            "ls\n",
            json!({"type": "custom_tool_call", "input": "ls\n", "namespace": "ns"}),
        ),
        (None, CallKind::Custom, "exec", "", json!({"type": "custom_tool_call", "input": ""})),
        (
            Some("openai:"),
            CallKind::Function,
            "shell",
            "{\"commands\":\n[\"ls\"]}",
            json!({"type": "shell_call", "action": {"commands": ["ls"]}}),
        ),
        (
            Some("openai:"),
            CallKind::Function,
            "local_shell",
            "{\"command\":[\"ls\"],\"timeout_ms\":5}",
            json!({"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"], "env": {}, "timeout_ms": 5}}),
        ),
        (
            Some("openai:"),
            CallKind::Function,
            "apply_patch",
            "{\"type\":\"delete_file\",\"path\":\"a\"}",
            json!({"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}}),
        ),
        (
            Some("openai:"),
            CallKind::Function,
            "tool_search",
            "{\"query\":\"q\"}",
            json!({"type": "tool_search_call", "execution": "client", "arguments": {"query": "q"}}),
        ),
        // What cannot be the tool's is shown as the function call that it is.
        (
            Some("openai:"),
            CallKind::Function,
            "shell",
            "{\"comm",
            json!({"type": "function_call", "arguments": "{\"comm"}),
        ),
    ];
    for (namespace, kind, name, input, expected) in cases {
        let stream = rendered(&[
            start(),
            call(name, namespace, kind),
            arguments(input),
            Event::Close,
            finish(Finish::ToolCalls),
            END,
        ]);
        let item = check_stream(&stream)["response"]["output"][0].clone();
        assert_eq!(item["call_id"], "call_1", "{name}");
        assert_eq!(item["status"], "completed", "{name}");
        for (member, value) in expected.as_object().unwrap() {
            assert_eq!(&item[member], value, "{name}: {member}");
        }
    }
}

#[test]
fn a_call_that_is_cut_is_incomplete() {
    let stream = rendered(&[
        start(),
        call("f", None, CallKind::Function),
        arguments("{\"a"),
        Event::Close,
        finish(Finish::Length),
        END,
    ]);
    let last = check_stream(&stream);
    assert_eq!(last["response"]["output"][0]["status"], "incomplete");
    assert_eq!(last["response"]["output"][0]["arguments"], "{\"a");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
}

#[test]
fn an_image_is_shown() {
    let stream = rendered(&[
        start(),
        open(Opening::Image { mime: "image/jpeg".into(), data: "/9j/".into() }),
        Event::Close,
        finish(Finish::Stop),
        END,
    ]);
    let last = check_stream(&stream);
    assert_eq!(
        last["response"]["output"],
        json!([{"type": "image_generation_call", "id": "ig_x1_0", "status": "completed",
                "result": "/9j/", "output_format": "jpeg"}])
    );
}

#[test]
fn log_probabilities() {
    let logprob = Logprob { token: "é".into(), logprob: -0.5, top: vec![("e".into(), -1.0)] };
    let stream = rendered(&[
        start(),
        open(Opening::Text),
        text("é"),
        Event::Delta(Delta::Logprobs(vec![logprob])),
        Event::Close,
        finish(Finish::Stop),
        END,
    ]);
    let last = check_stream(&stream);
    assert_eq!(
        last["response"]["output"][0]["content"][0]["logprobs"],
        json!([{"token": "é", "bytes": [195, 169], "logprob": -0.5,
                "top_logprobs": [{"token": "e", "bytes": [101], "logprob": -1.0}]}])
    );
}

#[test]
fn a_failure_is_response_failed() {
    let error = Error::new(ErrorKind::Overloaded, "try later");
    let whole = [start(), open(Opening::Text), text("Half"), Event::Fail(error.clone()), END];
    let stream = rendered(&whole);
    let names = names(&stream);
    assert_eq!(names.last().unwrap(), "failed");
    assert_eq!(names.iter().filter(|name| *name == "failed").count(), 1);
    let last: Value = serde_json::from_str(&events(&stream).last().unwrap().1).unwrap();
    assert_eq!(last["response"]["status"], "failed");
    assert_eq!(last["response"]["error"], json!({"code": "server_error", "message": "try later"}));
    assert_eq!(last["sequence_number"], events(&stream).len() - 1);

    // Before anything else SDKs want to hear of the response.
    let stream = rendered(&[Event::Fail(error)]);
    assert_eq!(self::names(&stream), ["created", "error", "failed"]);
}

#[test]
fn other_candidates_are_left_out() {
    let mut renderer = StreamRenderer::new(RESPONSES, asked());
    let mut out = Vec::new();
    let other = Event::Open { candidate: 1, block: Opening::Text };
    for step in [start(), open(Opening::Text), text("One"), Event::Close, other, text("Two")] {
        renderer.push(&step, &mut out);
    }
    for step in [
        Event::Close,
        finish(Finish::Stop),
        Event::Finish { candidate: 1, reason: Finish::Length },
        END,
    ] {
        renderer.push(&step, &mut out);
    }
    let last = check_stream(&out);
    assert_eq!(last["response"]["status"], "completed");
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], "One");
    assert!(renderer.losses().dropped.contains("n"));
}
