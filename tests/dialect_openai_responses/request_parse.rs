//! A client's request, read.

use levity::ir::request::{
    Amount, CallKind, Effort, Format, HostedKind, Part, Reasoning, Request, Role, Source, Tool,
    ToolChoice, Turn, Verbosity,
};
use serde_json::{Value, json};

use crate::support::parse_request;

/// A body with an input.
fn body(input: Value) -> String {
    json!({"model": "m", "input": input}).to_string()
}

/// A body with a member beside its input.
fn with(name: &str, value: Value) -> String {
    let mut body = json!({"model": "m", "input": "Hi"});
    body[name] = value;
    body.to_string()
}

/// Who says what, in a line each.
fn said(turns: &[Turn<'_>]) -> Vec<String> {
    let words = |part: &Part<'_>| match part {
        Part::Text(text) => format!("{text:?}"),
        Part::Refusal(text) => format!("refusal {text:?}"),
        Part::Reasoning(reasoning) => format!("thought {:?}", reasoning.text),
        Part::Image(image) => {
            format!("image {} {:?} {:?}", source(&image.source), image.mime, image.detail)
        }
        Part::File(file) => {
            format!("file {} {:?} {:?}", source(&file.source), file.mime, file.name)
        }
        Part::Audio(audio) => format!("audio {} {:?}", source(&audio.source), audio.mime),
        Part::Video(video) => format!("video {} {:?}", source(&video.source), video.mime),
        Part::ToolCall(call) => format!(
            "{:?} {} {:?}.{} {:?}",
            call.kind, call.id, call.namespace, call.name, call.arguments
        ),
        Part::ToolResult(result) => format!(
            "result {} {:?} {:?} failed {}",
            result.call,
            result.name,
            result.parts.iter().map(|part| format!("{part:?}")).collect::<Vec<_>>(),
            result.failed
        ),
        Part::Hosted(item) => format!("{:?} {}", item.tool, item.name),
    };
    turns
        .iter()
        .flat_map(|turn| turn.parts.iter().map(|part| format!("{:?}: {}", turn.role, words(part))))
        .collect()
}

fn source(source: &Source<'_>) -> String {
    match source {
        Source::Base64(data) => format!("data {data}"),
        Source::Url(url) => format!("url {url}"),
        Source::FileId(id) => format!("id {id}"),
        Source::Text(text) => format!("text {text}"),
    }
}

#[test]
fn messages() {
    let input = json!([
        {"role": "system", "content": "Rules."},
        {"role": "developer", "content": [{"type": "input_text", "text": "More rules."}]},
        {"role": "user", "content": "One"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Two"}, {"type": "input_text", "text": ""}]},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "text": "Three", "annotations": []}, {"type": "refusal", "refusal": "No."}]},
        {"role": "assistant", "content": "Four", "phase": "commentary"},
        {"role": "system", "content": "From now on French."},
    ]);
    let mut value = json!({"model": "m", "instructions": "Be brief."});
    value["input"] = input;
    let text = value.to_string();
    let request = parse_request(&text).unwrap();
    assert_eq!(
        said(&request.turns),
        [
            r#"System: "Be brief.""#,
            r#"System: "Rules.""#,
            r#"Developer: "More rules.""#,
            r#"User: "One""#,
            r#"User: "Two""#,
            r#"Assistant: "Three""#,
            r#"Assistant: refusal "No.""#,
            r#"Assistant: "Four""#,
            r#"System: "From now on French.""#,
        ]
    );
    assert!(request.unsaid.names().eq(["input.phase"]));
    let text = with("stream", json!(true));
    let request = parse_request(&text).unwrap();
    assert_eq!(said(&request.turns), [r#"User: "Hi""#]);
    assert!(request.stream);
}

#[test]
fn media() {
    let parts = [
        (
            json!({"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low"}),
            r#"image data iVBO Some("image/png") Some("low")"#,
        ),
        (
            json!({"type": "input_image", "image_url": "https://example.com/a.png"}),
            "image url https://example.com/a.png None None",
        ),
        (json!({"type": "input_image", "file_id": "file-1"}), "image id file-1 None None"),
        (
            json!({"type": "input_image", "image_url": "data:image/png;base64,ab-_"}),
            r#"image data ab+/ Some("image/png") None"#,
        ),
        (
            json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}),
            r#"file data JVBE Some("application/pdf") Some("a.pdf")"#,
        ),
        (
            json!({"type": "input_file", "filename": "a.csv", "file_data": "YSxi"}),
            r#"file data YSxi Some("text/csv") Some("a.csv")"#,
        ),
        (
            json!({"type": "input_file", "file_url": "https://example.com/a.pdf"}),
            "file url https://example.com/a.pdf None None",
        ),
        (json!({"type": "input_file", "file_id": "file-2"}), "file id file-2 None None"),
        (
            json!({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}),
            r#"audio data UklG Some("audio/wav")"#,
        ),
        (
            json!({"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}}),
            r#"audio data SUQz Some("audio/mpeg")"#,
        ),
        (
            json!({"type": "input_video", "video_url": "https://example.com/a.mp4"}),
            "video url https://example.com/a.mp4 None",
        ),
    ];
    for (part, expected) in parts {
        let text = body(json!([{"role": "user", "content": [part]}]));
        let request = parse_request(&text).unwrap();
        assert_eq!(said(&request.turns), [format!("User: {expected}")]);
    }
}

#[test]
fn calls_and_results() {
    let text = body(json!([
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"a\": \"\\\"\"}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "exec", "namespace": "functions", "input": "ls\n"},
        {"type": "function_call_output", "call_id": "c1", "output": "plain"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "T"}, {"type": "input_image", "image_url": "data:image/png;base64,iV"}]},
        {"type": "function_call_output", "call_id": "gone", "output": ""},
    ]));
    let request = parse_request(&text).unwrap();
    assert_eq!(
        said(&request.turns),
        [
            r#"Assistant: Function c1 None.f "{\"a\": \"\\\"\"}""#,
            r#"Assistant: Custom c2 Some("functions").exec "ls\n""#,
            r#"Tool: result c1 Some("f") ["Text(\"plain\")"] failed false"#,
            r#"Tool: result c2 Some("exec") ["Text(\"T\")", "Image(Image { source: Base64(\"iV\"), mime: Some(\"image/png\"), detail: None })"] failed false"#,
            "Tool: result gone None [] failed false",
        ]
    );
    let kinds: Vec<CallKind> = request.turns[1]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::ToolResult(result) => Some(result.kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [CallKind::Function, CallKind::Custom, CallKind::Function]);
}

/// OpenAI's own tools that the client runs are functions to everybody else.
#[test]
fn tools_that_the_client_runs() {
    let mut value: Value = json!({"model": "m", "tools": [
        {"type": "local_shell"}, {"type": "shell"}, {"type": "apply_patch"},
        {"type": "tool_search", "execution": "client", "description": "Search", "parameters": {"type": "object"}},
    ]});
    value["input"] = json!([
        {"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "action": {"type": "exec", "command": ["ls"]}, "status": "completed"},
        {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"},
        {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"]}},
        {"type": "shell_call_output", "call_id": "c2", "output": [{"stdout": "x", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
        {"type": "apply_patch_call", "call_id": "c3", "operation": {"type": "delete_file", "path": "a"}, "status": "completed"},
        {"type": "apply_patch_call_output", "call_id": "c3", "status": "failed"},
        {"type": "tool_search_call", "call_id": "c4", "execution": "client", "arguments": {"query": "q"}},
        {"type": "tool_search_output", "call_id": "c4", "execution": "client", "tools": [{"type": "function", "name": "found", "parameters": {}}]},
    ]);
    let text = value.to_string();
    let request = parse_request(&text).unwrap();
    assert_eq!(
        said(&request.turns),
        [
            r#"Assistant: Function c1 Some("openai:").local_shell "{\"command\":[\"ls\"],\"type\":\"exec\"}""#,
            r#"Tool: result c1 Some("local_shell") ["Text(\"a.txt\")"] failed false"#,
            r#"Assistant: Function c2 Some("openai:").shell "{\"commands\":[\"ls\"]}""#,
            r#"Tool: result c2 Some("shell") ["Text(\"[{\\\"outcome\\\":{\\\"exit_code\\\":0,\\\"type\\\":\\\"exit\\\"},\\\"stderr\\\":\\\"\\\",\\\"stdout\\\":\\\"x\\\"}]\")"] failed false"#,
            r#"Assistant: Function c3 Some("openai:").apply_patch "{\"path\":\"a\",\"type\":\"delete_file\"}""#,
            r#"Tool: result c3 Some("apply_patch") ["Text(\"failed\")"] failed true"#,
            r#"Assistant: Function c4 Some("openai:").tool_search "{\"query\":\"q\"}""#,
            r#"Tool: result c4 Some("tool_search") ["Text(\"[{\\\"name\\\":\\\"found\\\",\\\"parameters\\\":{},\\\"type\\\":\\\"function\\\"}]\")"] failed false"#,
        ]
    );
    let names: Vec<(Option<&str>, &str)> = request
        .tools
        .iter()
        .map(|tool| match tool {
            Tool::Function(function) => {
                assert!(function.schema.is_some());
                (function.namespace.as_deref(), function.name.as_ref())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    let own = |name| (Some("openai:"), name);
    assert_eq!(
        names,
        [own("local_shell"), own("shell"), own("apply_patch"), own("tool_search"), (None, "found")]
    );
}

#[test]
fn what_the_provider_did() {
    let text = body(json!([
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "mcp_call", "id": "mcp_1", "name": "n", "arguments": "{}", "server_label": "s", "output": "o"},
        {"type": "shell_call", "call_id": "c", "action": {"commands": []}, "environment": {"type": "container_reference", "container_id": "cntr_1"}},
        {"type": "shell_call_output", "call_id": "c", "output": []},
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBO", "output_format": "png"},
        {"type": "computer_call_output", "call_id": "cc", "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,iV"}},
        {"type": "some_future_type", "id": "x"},
    ]));
    let request = parse_request(&text).unwrap();
    assert_eq!(
        said(&request.turns),
        [
            "Assistant: WebSearch web_search_call",
            "Assistant: Mcp mcp_call",
            "Assistant: CodeExecution shell_call",
            "Assistant: CodeExecution shell_call_output",
            r#"Assistant: image data iVBO Some("image/png") None"#,
            "User: Computer computer_call_output",
            "Assistant: Other some_future_type",
        ]
    );
    let Part::Hosted(item) = &request.turns[0].parts[0] else { panic!() };
    assert!(item.raw.get().contains("\"query\""));
}

fn tools(tools: Value) -> (Vec<String>, Vec<&'static str>, Vec<String>) {
    let text = with("tools", tools);
    let request = parse_request(&text).unwrap();
    let words = |tool: &Tool<'_>| match tool {
        Tool::Function(tool) => {
            format!("function {:?}.{} {:?}", tool.namespace, tool.name, tool.strict)
        }
        Tool::Custom(tool) => {
            format!("custom {:?}.{} {}", tool.namespace, tool.name, tool.format.is_some())
        }
        Tool::Hosted(tool) => format!(
            "{:?} {} {:?} {:?}",
            tool.kind, tool.name, tool.allowed_domains, tool.blocked_domains
        ),
    };
    let refused = request.unsaid.refused.iter().map(|(field, _)| field.clone()).collect();
    let dropped = request.unsaid.dropped.iter().copied().collect();
    (request.tools.iter().map(words).collect(), dropped, refused)
}

#[test]
fn tool_declarations() {
    let cases = [
        (
            json!({"type": "function", "name": "f", "defer_loading": true}),
            vec!["function None.f None"],
            vec!["tools.defer_loading"],
        ),
        (
            json!({"type": "function", "name": "f", "strict": true, "parameters": {}}),
            vec!["function None.f Some(true)"],
            vec![],
        ),
        (json!({"type": "function", "name": "f"}), vec!["function None.f None"], vec![]),
        (
            json!({"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}}),
            vec!["custom None.c true"],
            vec![],
        ),
        (
            json!({"type": "namespace", "name": "crm", "description": "CRM", "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}]}),
            vec![r#"function Some("crm").f None"#, r#"custom Some("crm").c false"#],
            vec!["namespace.description"],
        ),
        (
            json!({"type": "web_search", "filters": {"allowed_domains": ["a.com"]}, "search_context_size": "low"}),
            vec![r#"WebSearch web_search ["a.com"] []"#],
            vec!["search_context_size"],
        ),
        (
            json!({"type": "web_search", "external_web_access": false}),
            vec![],
            vec!["web_search_tool"],
        ),
        (
            json!({"type": "web_search_preview_2025_03_11"}),
            vec!["WebSearch web_search_preview_2025_03_11 [] []"],
            vec![],
        ),
        (
            json!({"type": "file_search", "vector_store_ids": ["vs"], "filters": {"type": "eq", "key": "k", "value": 1}}),
            vec!["FileSearch file_search [] []"],
            vec![],
        ),
        (
            json!({"type": "code_interpreter", "container": {"type": "auto"}}),
            vec!["CodeExecution code_interpreter [] []"],
            vec![],
        ),
        (
            json!({"type": "computer_use_preview", "environment": "linux"}),
            vec!["Computer computer_use_preview [] []"],
            vec![],
        ),
        (
            json!({"type": "mcp", "server_label": "d", "server_url": "https://example.com"}),
            vec!["Mcp mcp [] []"],
            vec![],
        ),
        (
            json!({"type": "image_generation"}),
            vec!["ImageGeneration image_generation [] []"],
            vec![],
        ),
        (
            json!({"type": "shell", "environment": {"type": "container_auto"}}),
            vec!["Other shell [] []"],
            vec![],
        ),
        (json!({"type": "tool_search"}), vec![], vec!["tool_search"]),
        (json!({"type": "x_search"}), vec!["Other x_search [] []"], vec![]),
    ];
    for (tool, expected, dropped) in cases {
        let (given, lost, refused) = tools(json!([tool]));
        assert_eq!(given, expected, "{tool}");
        assert_eq!(lost, dropped, "{tool}");
        assert!(refused.is_empty());
    }
}

/// Codex brings its tools along in the conversation.
#[test]
fn additional_tools() {
    let text = body(json!([
        {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [{"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "exec"}]}]},
        {"role": "user", "content": "Hi"},
    ]));
    let request = parse_request(&text).unwrap();
    assert!(
        matches!(request.tools.as_slice(), [Tool::Custom(tool)] if tool.namespace.as_deref() == Some("functions"))
    );
    assert_eq!(said(&request.turns), [r#"User: "Hi""#]);
}

/// A function that a tool search found is called with its own name as the namespace.
#[test]
fn a_namespace_that_nobody_declared() {
    let mut value = json!({"model": "m", "tools": [{"type": "function", "name": "f"}]});
    value["input"] = json!([{"type": "function_call", "call_id": "c", "name": "f", "namespace": "f", "arguments": "{}"}]);
    let text = value.to_string();
    let request = parse_request(&text).unwrap();
    assert_eq!(said(&request.turns), [r#"Assistant: Function c None.f "{}""#]);
}

#[test]
fn tool_choices() {
    let named = |name: &'static str| ToolChoice::Named(name.into());
    let cases = [
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (json!({"type": "function", "name": "f"}), named("f")),
        (json!({"type": "custom", "name": "c"}), named("c")),
        (json!({"type": "shell"}), named("shell")),
        (json!({"type": "web_search_preview"}), ToolChoice::Hosted(HostedKind::WebSearch)),
        (
            json!({"type": "mcp", "server_label": "d", "name": "n"}),
            ToolChoice::Hosted(HostedKind::Mcp),
        ),
        (json!({"type": "code_interpreter"}), ToolChoice::Hosted(HostedKind::CodeExecution)),
        (
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}, {"type": "image_generation"}]}),
            ToolChoice::Allowed {
                names: vec!["f".into(), "image_generation".into()],
                required: true,
            },
        ),
        (json!(null), ToolChoice::Unset),
    ];
    for (choice, expected) in cases {
        let text = with("tool_choice", choice);
        assert_eq!(parse_request(&text).unwrap().tool_choice, expected, "{text}");
    }
}

#[test]
fn reasoning() {
    let effort = |effort| Amount::Effort(effort);
    let cases = [
        (json!(null), Amount::Unset, None),
        (json!({"effort": null}), Amount::Unset, None),
        (json!({"effort": "none"}), Amount::Off, None),
        (json!({"effort": "minimal"}), effort(Effort::Minimal), None),
        (json!({"effort": "low", "summary": "auto"}), effort(Effort::Low), Some(true)),
        (json!({"effort": "xhigh", "summary": "detailed"}), effort(Effort::ExtraHigh), Some(true)),
        (json!({"effort": "max"}), effort(Effort::Max), None),
        (json!({"summary": "concise"}), Amount::Adaptive(None), Some(true)),
    ];
    for (reasoning, amount, show) in cases {
        let text = with("reasoning", reasoning);
        assert_eq!(parse_request(&text).unwrap().reasoning, Reasoning { amount, show }, "{text}");
    }
}

#[test]
fn settings() {
    let text = json!({
        "model": "m", "input": "Hi", "max_output_tokens": 7, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 3,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "parallel_tool_calls": false,
        "service_tier": "flex", "safety_identifier": "me", "user": "old me", "prompt_cache_key": "key",
        "metadata": {"a": "b"}, "store": true, "truncation": "disabled", "stream_options": {"include_obfuscation": false},
        "text": {"verbosity": "high", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
        "top_k": 4, "seed": 5, "stop": ["END"], "presence_penalty": 0.1, "frequency_penalty": 0.2, "background": false,
    });
    let text = text.to_string();
    let request: Request<'_> = parse_request(&text).unwrap();
    assert_eq!(request.max_output, Some(7));
    assert_eq!((request.sampling.temperature, request.sampling.top_p), (Some(0.5), Some(0.9)));
    assert_eq!((request.sampling.top_k, request.sampling.seed), (Some(4), Some(5)));
    assert_eq!(request.sampling.presence_penalty, Some(0.1));
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.logprobs, Some(3));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.service_tier.as_deref(), Some("flex"));
    assert_eq!(request.user.as_deref(), Some("me"));
    assert_eq!(request.cache_key.as_deref(), Some("key"));
    assert_eq!(
        request.metadata.map(|metadata| metadata.get().to_owned()).as_deref(),
        Some(r#"{"a":"b"}"#)
    );
    assert_eq!(request.verbosity, Some(Verbosity::High));
    assert!(matches!(request.format, Format::JsonSchema { strict: Some(true), .. }));
    assert!(request.unsaid.is_empty(), "{:?}", request.unsaid);

    let asks = |member, value| {
        parse_request(&with(member, value)).map(|request| {
            (
                request.logprobs,
                matches!(request.format, Format::JsonObject),
                request.service_tier.is_some(),
            )
        })
    };
    assert_eq!(
        asks("include", json!(["message.output_text.logprobs"])),
        Ok((Some(0), false, false))
    );
    assert_eq!(asks("top_logprobs", json!(0)), Ok((None, false, false)));
    assert_eq!(asks("text", json!({"format": {"type": "json_object"}})), Ok((None, true, false)));
    assert_eq!(asks("service_tier", json!("auto")), Ok((None, false, false)));
}

#[test]
fn what_the_ir_has_no_word_for() {
    let cases = [
        ("truncation", json!("auto"), "truncation", ""),
        ("context_management", json!([{"type": "compaction"}]), "context_management", ""),
        ("prompt_cache_retention", json!("24h"), "prompt_cache_retention", ""),
        ("client_metadata", json!({"a": "b"}), "client_metadata", ""),
        ("max_tool_calls", json!(3), "max_tool_calls", ""),
        ("moderation", json!({}), "moderation", ""),
        ("include", json!(["file_search_call.results"]), "include", ""),
        ("reasoning", json!({"generate_summary": "auto"}), "generate_summary", ""),
        ("previous_response_id", json!("resp_1"), "", "previous_response_id"),
        ("conversation", json!("conv_1"), "", "conversation"),
        ("conversation", json!({"id": "conv_1"}), "", "conversation"),
        ("prompt", json!({"id": "pmpt_1"}), "", "prompt"),
        ("background", json!(true), "", "background"),
        ("text", json!({"format": {"type": "grammar"}}), "", "text.format"),
        ("tool_choice", json!({"type": "programmatic_tool_calling"}), "", "tool_choice"),
        ("input", json!([{"type": "item_reference", "id": "msg_1"}]), "", "input.0"),
        ("input", json!([{"id": "msg_1"}]), "", "input.0"),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_smell"}]}]),
            "",
            "input.0.content.0",
        ),
        ("some_new_field", json!(1), "some_new_field", ""),
        ("reasoning", json!({"mode": "pro"}), "reasoning.mode", ""),
        (
            "input",
            json!([{"role": "user", "content": "Hi"},
                {"type": "additional_tools", "tools": [{"type": "function", "name": "f", "odd": 1}]}]),
            "input.tools.odd",
            "",
        ),
        (
            "input",
            json!([{"role": "assistant", "content": [{"type": "output_text", "text": "A", "annotations": [{"type": "url_citation"}]}]}]),
            "citations",
            "",
        ),
        (
            "tools",
            json!([{"type": "code_interpreter", "container": "cntr_1"}]),
            "",
            "tools.container",
        ),
        (
            "tools",
            json!([{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]),
            "",
            "tools.container",
        ),
        (
            "tools",
            json!([{"type": "code_interpreter", "container": {"type": "auto", "memory_limit": "4g"}}]),
            "tools.container.memory_limit",
            "",
        ),
        ("stream_options", json!({"include_obfuscation": true}), "", ""),
    ];
    for (member, value, dropped, refused) in cases {
        let text = with(member, value);
        let unsaid = parse_request(&text).unwrap().unsaid;
        let lost: Vec<&str> = unsaid.names().collect();
        assert_eq!(lost.first().copied().unwrap_or_default(), dropped, "{text}");
        let field = unsaid.refused.first().map(|(field, _)| field.as_str());
        assert_eq!(field.unwrap_or_default(), refused, "{text}");
    }
}

#[test]
fn errors_name_the_field() {
    let whole = [
        (String::new(), None),
        ("{\"model\": ".to_owned(), None),
        ("[]".to_owned(), None),
        (json!({"input": "Hi"}).to_string(), Some("model")),
        (json!({"model": "m"}).to_string(), Some("input")),
        (body(json!("")), Some("input")),
        (body(json!([])), Some("input")),
    ];
    let members = [
        ("model", json!(5), "model"),
        ("input", json!(17), "input"),
        ("input", json!({"role": "user"}), "input"),
        ("input", json!(["Hi"]), "input.0"),
        ("input", json!([{"role": "user", "content": [5]}]), "input.0.content.0"),
        ("input", json!([{"role": "user", "content": 5}]), "input.0.content"),
        ("input", json!([{"role": "user", "content": {}}]), "input.0.content"),
        ("input", json!([{"role": "user"}]), "input.0.content"),
        ("input", json!([{"role": "critic", "content": "Hi"}]), "input.0.role"),
        ("input", json!([{"type": "message", "content": "Hi"}]), "input.0.role"),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_text"}]}]),
            "input.0.content.0.text",
        ),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_file"}]}]),
            "input.0.content.0",
        ),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}]),
            "input.0.content.0.image_url",
        ),
        (
            "input",
            json!([{"role": "user", "content": [{"type": "input_file", "file_url": "/etc/passwd"}]}]),
            "input.0.content.0.file_url",
        ),
        (
            "input",
            json!([{"type": "function_call", "name": "f", "arguments": "{}"}]),
            "input.0.call_id",
        ),
        (
            "input",
            json!([{"type": "function_call", "call_id": "c", "arguments": "{}"}]),
            "input.0.name",
        ),
        ("input", json!([{"type": "function_call_output", "call_id": "c"}]), "input.0.output"),
        (
            "input",
            json!([{"type": "custom_tool_call", "call_id": "c", "name": "f"}]),
            "input.0.input",
        ),
        ("tools", json!({}), "tools"),
        ("tools", json!([{"name": "f"}]), "tools.0"),
        ("tools", json!([{"type": "function"}]), "tools.0.name"),
        (
            "tools",
            json!([{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]),
            "tools.0.tools.0.name",
        ),
        ("tool_choice", json!(5), "tool_choice"),
        ("tool_choice", json!("any"), "tool_choice"),
        ("tool_choice", json!({"type": "function"}), "tool_choice.name"),
        ("stream", json!("yes"), "stream"),
        ("temperature", json!("hot"), "temperature"),
        ("max_output_tokens", json!(-1), "max_output_tokens"),
        ("instructions", json!(["a"]), "instructions"),
        ("include", json!("all"), "include"),
        ("reasoning", json!({"effort": "huge"}), "reasoning.effort"),
        ("reasoning", json!("high"), "reasoning"),
        ("text", json!({"verbosity": "huge"}), "text.verbosity"),
        ("text", json!({"format": {"type": "json_schema", "name": "n"}}), "text.format.schema"),
        ("text", json!({"format": "json"}), "text.format"),
    ];
    for (text, param) in whole {
        let error = parse_request(&text).unwrap_err();
        assert_eq!(error.param.as_deref(), param, "{text}: {}", error.message);
        assert_eq!(error.status, 400);
    }
    for (member, value, param) in members {
        let text = with(member, value);
        let error = parse_request(&text).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{text}: {}", error.message);
        assert_eq!(error.status, 400);
        assert!(!error.message.is_empty());
    }
}

/// What is set to null is not set.
#[test]
fn null_is_nothing() {
    let members = [
        "instructions",
        "tools",
        "tool_choice",
        "reasoning",
        "text",
        "include",
        "metadata",
        "user",
        "store",
        "stream",
        "temperature",
        "top_p",
        "max_output_tokens",
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
        "truncation",
        "service_tier",
        "parallel_tool_calls",
        "max_tool_calls",
        "stop",
        "context_management",
    ];
    for member in members {
        let text = with(member, Value::Null);
        let request = parse_request(&text).unwrap_or_else(|error| panic!("{member}: {error:?}"));
        assert!(request.unsaid.is_empty(), "{member}");
        assert_eq!(request.turns.len(), 1, "{member}");
        assert_eq!(request.turns[0].role, Role::User);
    }
}
