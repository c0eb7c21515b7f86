//! A request, said to an account of this dialect.

use std::borrow::Cow;

use levity::dialects::Target;
use levity::ir::request::{
    Amount, CallKind, Effort, File, Format, Function, HostedItem, HostedKind, HostedTool, Image,
    Media, Part, Reasoning, Request, Role, Sampling, Source, Tool, ToolCall, ToolChoice,
    ToolResult, Turn, Verbosity,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{parse_request, render_request, target};

fn raw(value: &Value) -> Cow<'static, RawValue> {
    Cow::Owned(RawValue::from_string(value.to_string()).unwrap())
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

fn request(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { model: "m".into(), turns, ..Request::default() }
}

fn plain() -> Request<'static> {
    request(vec![turn(Role::User, vec![text("Hi")])])
}

fn function(name: &'static str, schema: Value, strict: Option<bool>) -> Tool<'static> {
    Tool::Function(Function {
        name: name.into(),
        description: Some("What it does".into()),
        schema: Some(raw(&schema)),
        strict,
        ..Function::default()
    })
}

fn hosted(kind: HostedKind, name: &'static str) -> HostedTool<'static> {
    let (allowed_domains, blocked_domains) = (vec![], vec![]);
    HostedTool { kind, name: name.into(), allowed_domains, blocked_domains, max_uses: None }
}

/// Nothing is kept, and the proofs are asked for, from models that have them.
#[test]
fn the_least() {
    let (value, losses) = render_request(&plain(), target());
    assert!(losses.is_empty());
    let expected = json!({
        "model": "up-model", "stream": false, "store": false, "include": ["reasoning.encrypted_content"],
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    });
    assert_eq!(value, expected);
    for (model, reasons) in [
        ("gpt-4o-mini", false),
        ("openai/gpt-4.1", false),
        ("gpt-3.5-turbo", false),
        ("chatgpt-4o-latest", false),
        ("gpt-5-chat-latest", false),
        ("ft:gpt-4o:me", false),
        ("gpt-5.2-chat", true),
        ("o4-mini", true),
        ("openai.gpt-5.5", true),
        ("grok-4", true),
    ] {
        let (value, _) = render_request(&plain(), Target { model, ..target() });
        assert_eq!(value["include"].is_array(), reasons, "{model}");
    }
}

#[test]
fn system_texts() {
    let system = |role, words| turn(role, vec![text(words)]);
    let user = || turn(Role::User, vec![text("Hi")]);
    let message = |role: &str, kind: &str, words: &str| json!({"type": "message", "role": role, "content": [{"type": kind, "text": words}]});

    let leading = request(vec![system(Role::System, "A"), system(Role::Developer, "B"), user()]);
    let (value, _) = render_request(&leading, target());
    assert_eq!(value["instructions"], "A\n\nB");
    assert_eq!(value["input"], json!([message("user", "input_text", "Hi")]));

    let later = request(vec![
        user(),
        turn(Role::Assistant, vec![text("Hello")]),
        system(Role::System, "French"),
        system(Role::Developer, "Short"),
        user(),
    ]);
    let (value, _) = render_request(&later, target());
    assert_eq!(value["instructions"], Value::Null);
    assert_eq!(
        value["input"],
        json!([
            message("user", "input_text", "Hi"),
            message("assistant", "output_text", "Hello"),
            message("system", "input_text", "French"),
            message("developer", "input_text", "Short"),
            message("user", "input_text", "Hi"),
        ])
    );
    // An input is required.
    let (value, _) = render_request(&request(vec![system(Role::System, "A")]), target());
    assert_eq!(value["input"], json!([message("system", "input_text", "A")]));
}

#[test]
fn calls_and_results() {
    let call = |id: &'static str, kind, arguments: &'static str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            namespace: None,
            arguments: arguments.into(),
            kind,
            seal: None,
        })
    };
    let result = |id: &'static str, kind, parts, failed| {
        Part::ToolResult(ToolResult { call: id.into(), name: None, parts, failed, kind })
    };
    let image = Image { source: Source::Base64("iVBO".into()), mime: None, detail: None };
    let long = "toolu_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let turns = vec![
        turn(Role::User, vec![text("Go")]),
        turn(
            Role::Assistant,
            vec![
                text("Let me see."),
                call("c1", CallKind::Function, "{\"a\":1}"),
                call("c2", CallKind::Custom, "ls"),
                call(long, CallKind::Function, ""),
            ],
        ),
        turn(
            Role::Tool,
            vec![
                result("c1", CallKind::Function, vec![text("one")], true),
                result("c2", CallKind::Custom, vec![text("two"), Part::Image(image)], false),
                result(long, CallKind::Function, vec![], false),
            ],
        ),
    ];
    let (value, losses) = render_request(&request(turns), target());
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), ["is_error"]);
    let input = value["input"].as_array().unwrap();
    let short = input[4]["call_id"].as_str().unwrap();
    assert!(short.len() <= 64 && short.starts_with("call_"));
    assert_eq!(
        input[1..],
        [
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]}),
            json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"}),
            json!({"type": "custom_tool_call", "call_id": "c2", "name": "f", "input": "ls"}),
            json!({"type": "function_call", "call_id": short, "name": "f", "arguments": "{}"}),
            json!({"type": "function_call_output", "call_id": "c1", "output": "one"}),
            json!({"type": "custom_tool_call_output", "call_id": "c2", "output": [
                {"type": "input_text", "text": "two"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}]}),
            json!({"type": "function_call_output", "call_id": short, "output": ""}),
        ]
    );
}

#[test]
fn media() {
    let image = |source, mime: Option<&'static str>| {
        Part::Image(Image { source, mime: mime.map(Into::into), detail: Some("high".into()) })
    };
    let file = |source, name: Option<&'static str>| {
        Part::File(File {
            source,
            mime: Some("application/pdf".into()),
            name: name.map(Into::into),
            context: None,
            cite: false,
        })
    };
    let cases = [
        (
            image(Source::Base64("/9j/".into()), None),
            json!({"type": "input_image", "image_url": "data:image/jpeg;base64,/9j/", "detail": "high"}),
        ),
        (
            image(Source::Url("https://e.com/a".into()), None),
            json!({"type": "input_image", "image_url": "https://e.com/a", "detail": "high"}),
        ),
        (
            image(Source::FileId("file-1".into()), None),
            json!({"type": "input_image", "file_id": "file-1", "detail": "high"}),
        ),
        (
            file(Source::Base64("JVBE".into()), Some("a.pdf")),
            json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}),
        ),
        (
            file(Source::Base64("JVBE".into()), None),
            json!({"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"}),
        ),
        (
            file(Source::Url("https://e.com/a".into()), Some("a.pdf")),
            json!({"type": "input_file", "file_url": "https://e.com/a"}),
        ),
        (
            file(Source::Text("words".into()), Some("a.txt")),
            json!({"type": "input_text", "text": "a.txt\n\nwords"}),
        ),
    ];
    for (part, expected) in cases {
        let (value, losses) =
            render_request(&request(vec![turn(Role::User, vec![part])]), target());
        assert_eq!(value["input"][0]["content"], json!([expected]));
        assert!(losses.is_empty());
    }
}

#[test]
fn what_cannot_be_said_is_refused() {
    let sound = |mime: &'static str| Media {
        source: Source::Base64("AAAA".into()),
        mime: Some(mime.into()),
    };
    let file = File {
        source: Source::FileId("file_011".into()),
        mime: None,
        name: None,
        context: None,
        cite: false,
    };
    for (part, field) in [
        (Part::Audio(sound("audio/wav")), "audio"),
        (Part::Video(sound("video/mp4")), "video"),
        (Part::File(file), "file_id"),
    ] {
        let request = request(vec![turn(Role::User, vec![text("Hi"), part])]);
        let (_, losses) = render_request(&request, target());
        assert_eq!(losses.refused[0].0, field);
    }
    for (kind, name) in [
        (HostedKind::WebFetch, "web_fetch_20250910"),
        (HostedKind::FileSearch, "file_search"),
        (HostedKind::Computer, "computer_20250124"),
        (HostedKind::Mcp, "mcp"),
        (HostedKind::Other, "urlContext"),
    ] {
        let request = Request { tools: vec![Tool::Hosted(hosted(kind, name))], ..plain() };
        let (value, losses) = render_request(&request, target());
        assert!(losses.refused[0].1.contains(name), "{:?}", losses.refused);
        assert_eq!(value["tools"], Value::Null);
    }
    let blocked = HostedTool {
        blocked_domains: vec!["a.com".into()],
        ..hosted(HostedKind::WebSearch, "web_search")
    };
    let request = Request { tools: vec![Tool::Hosted(blocked)], ..plain() };
    assert_eq!(
        render_request(&request, target()).1.refused[0].0,
        "tools.web_search.blocked_domains"
    );
    let request = Request { candidates: Some(2), ..plain() };
    assert_eq!(render_request(&request, target()).1.refused[0].0, "n");
    let request = Request { candidates: Some(1), ..plain() };
    assert!(render_request(&request, target()).1.is_empty());
}

#[test]
fn what_has_no_field_is_dropped() {
    let request = Request {
        stop: vec!["END".into()],
        sampling: Sampling {
            temperature: Some(0.0),
            top_p: Some(0.5),
            top_k: Some(3),
            seed: Some(7),
            presence_penalty: Some(0.1),
            frequency_penalty: Some(0.1),
        },
        service_tier: Some("standard".into()),
        ..plain()
    };
    let (value, losses) = render_request(&request, target());
    let expected =
        ["frequency_penalty", "presence_penalty", "seed", "service_tier", "stop", "top_k"];
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), expected);
    assert!(losses.refused.is_empty());
    assert_eq!((value["temperature"].clone(), value["top_p"].clone()), (json!(0.0), json!(0.5)));
}

#[test]
fn tools() {
    let open = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let closed = json!({"type": "object", "additionalProperties": false, "required": ["a"],
                        "properties": {"a": {"type": ["string", "null"]}}});
    let nested = json!({"type": "object", "additionalProperties": false, "required": ["a"],
                        "properties": {"a": {"type": "array", "items": open}}});
    for (schema, asked, strict, dropped) in [
        (&open, None, false, false),
        (&open, Some(true), false, true),
        (&closed, Some(true), true, false),
        (&closed, None, false, false),
        (&nested, Some(true), false, true),
        (&json!({"oneOf": []}), Some(true), false, true),
        (&json!(true), Some(true), false, true),
    ] {
        let request = Request { tools: vec![function("f", schema.clone(), asked)], ..plain() };
        let (value, losses) = render_request(&request, target());
        let expected = json!([{"type": "function", "name": "f", "description": "What it does", "parameters": schema, "strict": strict}]);
        assert_eq!(value["tools"], expected);
        assert_eq!(losses.dropped.contains("strict"), dropped, "{schema}");
    }
    let search = HostedTool {
        allowed_domains: vec!["a.com".into()],
        max_uses: Some(3),
        ..hosted(HostedKind::WebSearch, "web_search_20250305")
    };
    let request = Request {
        tools: vec![
            Tool::Hosted(search),
            Tool::Hosted(hosted(HostedKind::CodeExecution, "codeExecution")),
            Tool::Hosted(hosted(HostedKind::ImageGeneration, "image_generation")),
            Tool::Function(Function {
                name: "bare".into(),
                namespace: Some("n:s".into()),
                ..Function::default()
            }),
        ],
        parallel_tool_calls: Some(false),
        ..plain()
    };
    let (value, losses) = render_request(&request, target());
    assert_eq!(
        value["tools"],
        json!([
            {"type": "web_search", "filters": {"allowed_domains": ["a.com"]}},
            {"type": "code_interpreter", "container": {"type": "auto"}},
            {"type": "image_generation"},
            {"type": "function", "name": "n_s__bare", "parameters": {"type": "object", "properties": {}}, "strict": false},
        ])
    );
    assert_eq!(value["parallel_tool_calls"], false);
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), ["max_uses"]);
}

#[test]
fn tool_choices() {
    let tools = || {
        vec![
            function("f", json!({"type": "object"}), None),
            Tool::Custom(levity::ir::request::CustomTool {
                name: "c".into(),
                ..Default::default()
            }),
            Tool::Hosted(hosted(HostedKind::WebSearch, "web_search_20250305")),
        ]
    };
    let cases = [
        (ToolChoice::Unset, json!(null)),
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Named("f".into()), json!({"type": "function", "name": "f"})),
        (ToolChoice::Named("c".into()), json!({"type": "custom", "name": "c"})),
        (
            ToolChoice::Allowed {
                names: vec!["f".into(), "c".into(), "web_search_20250305".into()],
                required: false,
            },
            json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}, {"type": "web_search"}]}),
        ),
        (
            ToolChoice::Hosted(HostedKind::WebSearch),
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}),
        ),
        (ToolChoice::Hosted(HostedKind::CodeExecution), json!({"type": "code_interpreter"})),
        (ToolChoice::Hosted(HostedKind::Mcp), json!(null)),
    ];
    for (tool_choice, expected) in cases {
        let request = Request { tools: tools(), tool_choice: tool_choice.clone(), ..plain() };
        assert_eq!(
            render_request(&request, target()).0["tool_choice"],
            expected,
            "{tool_choice:?}"
        );
        // A choice among no tools is refused.
        let request = Request { tool_choice, parallel_tool_calls: Some(false), ..plain() };
        let (value, _) = render_request(&request, target());
        assert_eq!(
            (&value["tool_choice"], &value["parallel_tool_calls"]),
            (&Value::Null, &Value::Null)
        );
    }
}

#[test]
fn reasoning() {
    let cases = [
        (Amount::Unset, None, "gpt-6", json!(null), false),
        (Amount::Unset, Some(true), "gpt-6", json!({"summary": "auto"}), false),
        (Amount::Unset, Some(false), "gpt-6", json!(null), false),
        (Amount::Off, None, "gpt-6", json!({"effort": "none"}), false),
        (Amount::Off, None, "gpt-5.1", json!({"effort": "none"}), false),
        (Amount::Off, None, "gpt-5-mini", json!({"effort": "minimal"}), false),
        (Amount::Off, None, "gpt-5-codex", json!({"effort": "low"}), false),
        (Amount::Off, None, "gpt-5-pro", json!(null), false),
        (Amount::Off, None, "openai/o4-mini", json!({"effort": "low"}), false),
        (Amount::Off, None, "gpt-4o", json!(null), false),
        (Amount::Adaptive(None), None, "gpt-6", json!({"effort": "medium"}), false),
        (
            Amount::Adaptive(Some(Effort::Max)),
            Some(true),
            "gpt-6",
            json!({"effort": "max", "summary": "auto"}),
            false,
        ),
        (Amount::Effort(Effort::Minimal), None, "gpt-6", json!({"effort": "minimal"}), false),
        (Amount::Effort(Effort::ExtraHigh), None, "gpt-6", json!({"effort": "xhigh"}), false),
        (Amount::Budget(1024), None, "gpt-6", json!({"effort": "low"}), false),
        (Amount::Budget(4096), None, "gpt-6", json!({"effort": "medium"}), false),
        (Amount::Budget(31_999), None, "gpt-6", json!({"effort": "high"}), false),
        (Amount::Effort(Effort::High), Some(true), "gpt-4.1", json!(null), true),
    ];
    for (amount, show, model, expected, dropped) in cases {
        let request = Request { reasoning: Reasoning { amount, show }, ..plain() };
        let (value, losses) = render_request(&request, Target { model, ..target() });
        assert_eq!(value["reasoning"], expected, "{amount:?} {model}");
        assert_eq!(losses.dropped.contains("reasoning"), dropped, "{amount:?} {model}");
    }
}

#[test]
fn form_and_limits() {
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let schema = |name: Option<&'static str>, schema: &Value, strict| Format::JsonSchema {
        name: name.map(Into::into),
        description: None,
        schema: raw(schema),
        strict,
    };
    let cases = [
        (Format::Text, json!(null)),
        (Format::JsonObject, json!({"format": {"type": "json_object"}})),
        (
            schema(Some("my answer!"), &closed, Some(true)),
            json!({"format": {"type": "json_schema", "name": "my_answer_", "schema": closed, "strict": true}}),
        ),
        (
            schema(None, &json!({"type": "object"}), Some(true)),
            json!({"format": {"type": "json_schema", "name": "response", "schema": {"type": "object"}, "strict": false}}),
        ),
        (
            schema(None, &closed, None),
            json!({"format": {"type": "json_schema", "name": "response", "schema": closed}}),
        ),
    ];
    for (format, expected) in cases {
        let request = Request { format, ..plain() };
        assert_eq!(render_request(&request, target()).0["text"], expected);
    }
    let request = Request {
        verbosity: Some(Verbosity::Low),
        max_output: Some(5),
        logprobs: Some(2),
        stream: true,
        user: Some(
            "{\"device\":\"0123456789012345678901234567890123456789012345678901234567890123\"}"
                .into(),
        ),
        cache_key: Some("key".into()),
        metadata: Some(raw(&json!({"a": "b"}))),
        service_tier: Some("standard_only".into()),
        ..plain()
    };
    let (value, _) = render_request(&request, target());
    assert_eq!(value["text"], json!({"verbosity": "low"}));
    assert_eq!(value["max_output_tokens"], 16);
    assert_eq!(value["top_logprobs"], 2);
    assert_eq!(
        value["include"],
        json!(["reasoning.encrypted_content", "message.output_text.logprobs"])
    );
    assert_eq!(value["stream"], true);
    assert_eq!(value["safety_identifier"].as_str().unwrap().len(), 64);
    assert_eq!(value["prompt_cache_key"], "key");
    assert_eq!(value["metadata"], json!({"a": "b"}));
    assert_eq!(value["service_tier"], "default");
}

/// What the model showed is shown by the user; what its provider did is left out, unless it is this dialect's.
#[test]
fn media_and_doings_of_the_assistant() {
    let item = |name: &'static str, value: Value| {
        Part::Hosted(HostedItem {
            tool: HostedKind::WebSearch,
            name: name.into(),
            raw: raw(&value),
        })
    };
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let image = Image {
        source: Source::Base64("iVBO".into()),
        mime: Some("image/png".into()),
        detail: None,
    };
    let turns = vec![
        turn(Role::User, vec![text("Draw")]),
        turn(
            Role::Assistant,
            vec![
                item("web_search_call", search.clone()),
                item("server_tool_use", json!({"type": "server_tool_use"})),
                Part::Image(image),
                text("Here."),
            ],
        ),
        turn(Role::User, vec![text("Thanks")]),
    ];
    let (value, losses) = render_request(&request(turns), target());
    assert_eq!(losses.dropped.into_iter().collect::<Vec<_>>(), ["web_search"]);
    let input = value["input"].as_array().unwrap();
    assert_eq!(input[1], search);
    assert_eq!(input[2]["role"], "assistant");
    assert_eq!(input[3]["content"][0]["type"], "input_image");
    assert_eq!(input[3]["role"], "user");
}

/// A request of this dialect comes back as it was, where it goes to an account of this dialect by way of the ir.
#[test]
fn there_and_back() {
    let body = json!({
        "model": "m", "instructions": "Be brief.",
        "tools": [{"type": "local_shell"}, {"type": "shell"}, {"type": "apply_patch"},
                  {"type": "tool_search", "execution": "client", "description": "Search", "parameters": {"type": "object"}},
                  {"type": "custom", "name": "exec", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}}],
        "tool_choice": {"type": "shell"},
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "local_shell_call", "id": "lsh_c1", "call_id": "c1", "action": {"type": "exec", "command": ["ls"]}, "status": "completed"},
            {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"},
            {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"]}, "status": "completed"},
            {"type": "shell_call_output", "call_id": "c2", "output": [{"stdout": "x", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
            {"type": "apply_patch_call", "call_id": "c3", "operation": {"type": "delete_file", "path": "a"}, "status": "completed"},
            {"type": "apply_patch_call_output", "call_id": "c3", "status": "failed", "output": "no such file"},
            {"type": "tool_search_call", "call_id": "c4", "execution": "client", "arguments": {"query": "q"}, "status": "completed"},
            {"type": "tool_search_output", "call_id": "c4", "execution": "client", "tools": [], "status": "completed"},
            {"type": "custom_tool_call", "call_id": "c5", "name": "exec", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c5", "output": "ok"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}, {"type": "refusal", "refusal": "No."}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        ],
    });
    let text = body.to_string();
    let parsed = parse_request(&text).unwrap();
    let (value, losses) = render_request(&parsed, target());
    assert!(losses.is_empty(), "{losses:?}");
    for member in ["instructions", "tools", "tool_choice", "input"] {
        assert_eq!(value[member], body[member], "{member}");
    }
}
