//! A request for an account: what the API takes.

use crate::*;

#[test]
fn a_request_comes_back() {
    let mut first = parse(REQUEST).unwrap();
    tidy(&mut first);
    for turn in &mut first.turns {
        for part in &mut turn.parts {
            if let Part::Reasoning(ReasoningPart { seal: Some(seal), .. }) = part {
                seal.issuer = ORIGIN.issuer.into();
            }
        }
    }
    let (body, losses) = rendered_for(&mut first, "claude-opus-4-6");
    assert_eq!(losses.refused, []);
    let dropped: Vec<_> = losses.dropped.iter().copied().collect();
    assert_eq!(dropped, ["strict", "top_k", "top_p"]);
    assert_eq!(body["model"], "claude-opus-4-6");
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "Be terse."}, {"type": "text", "text": "Answer in German."}])
    );
    let roles: Vec<&str> =
        body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    let original: Value = serde_json::from_str(REQUEST).unwrap();
    for field in [
        "max_tokens",
        "stream",
        "tool_choice",
        "thinking",
        "output_config",
        "stop_sequences",
        "metadata",
        "service_tier",
    ] {
        assert_eq!(body[field], original[field], "{field}");
    }
    let mut assistant = original["messages"][2].clone();
    assistant["content"][2].as_object_mut().unwrap().remove("citations");
    assert_eq!(body["messages"][1], assistant);
    let ids: Vec<&Value> = body["messages"][2]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| &block["tool_use_id"])
        .collect();
    assert_eq!(ids, [&json!("toolu_1"), &json!("toolu_2"), &Value::Null]);
    assert_eq!(body["messages"][2]["content"][0]["is_error"], true);
    assert_eq!(body["messages"][2]["content"][1]["content"], "pong");
    assert_eq!(body["tools"][2]["type"], "web_search_20250305");
    assert_eq!(body["tools"][2]["allowed_domains"], json!(["example.com"]));
}

#[test]
fn messages() {
    use Role::{Assistant, Developer, System, Tool as Results, User};
    let content = |said: &str| json!([{"type": "text", "text": said}]);
    let cases = [
        // Blank texts and foreign thinking leave nothing behind.
        (
            vec![
                user("a"),
                turn(
                    Assistant,
                    vec![Part::Reasoning(ReasoningPart { text: "hm".into(), seal: None })],
                ),
                user("b"),
            ],
            json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]),
        ),
        // System texts alone.
        (vec![turn(System, vec![text("s")])], json!([{"role": "user", "content": content("s")}])),
        // Instructions in the middle, as the user's words.
        (
            vec![
                user("a"),
                turn(Assistant, vec![text("b")]),
                turn(Developer, vec![text("s")]),
                user("c"),
            ],
            json!([
                {"role": "user", "content": content("a")},
                {"role": "assistant", "content": content("b")},
                {"role": "user", "content": [{"type": "text", "text": "s"}, {"type": "text", "text": "c"}]},
            ]),
        ),
        // The start of an answer.
        (
            vec![user("a"), turn(Assistant, vec![text("{ \n")])],
            json!([{"role": "user", "content": content("a")}, {"role": "assistant", "content": content("{")}]),
        ),
        // Odd ids, odd arguments, results of any form.
        (
            vec![
                user("a"),
                turn(
                    Assistant,
                    vec![call("f.x:0", "{\"a\":1}"), call("b", "{\"cut\":"), call("c", "")],
                ),
                turn(
                    Results,
                    vec![
                        result("c", vec![]),
                        result("b", vec![text("one"), text("two")]),
                        result("f.x:0", vec![text("x")]),
                    ],
                ),
                turn(User, vec![text("next")]),
            ],
            json!([
                {"role": "user", "content": content("a")},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "f_x_0_c926db78", "name": "run", "input": {"a": 1}},
                    {"type": "tool_use", "id": "b", "name": "run", "input": {"input": "{\"cut\":"}},
                    {"type": "tool_use", "id": "c", "name": "run", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "f_x_0_c926db78", "content": "x"},
                    {"type": "tool_result", "tool_use_id": "b", "content": [
                        {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
                    {"type": "tool_result", "tool_use_id": "c"},
                    {"type": "text", "text": "next"},
                ]},
            ]),
        ),
    ];
    for (turns, expected) in cases {
        let thinks = |part: &Part<'_>| matches!(part, Part::Reasoning(_));
        let unproved = turns.iter().any(|turn| turn.parts.iter().any(thinks));
        let (body, losses) = rendered(&mut request(turns));
        assert_eq!(body["messages"], expected);
        assert_eq!(losses.dropped.contains("thinking"), unproved, "{losses:?}");
        assert_eq!(losses.dropped.len(), usize::from(unproved), "{losses:?}");
    }
}

#[test]
fn results_come_first_even_untidied() {
    let turns = vec![
        user("a"),
        turn(Role::Assistant, vec![call("1", "{}"), call("2", "{}")]),
        turn(Role::System, vec![text("s")]),
        turn(Role::Tool, vec![result("1", vec![text("x")]), result("2", vec![text("y")])]),
    ];
    let request = request(turns);
    let target = Target { model: "m", issuer: "", quirks: dialects::Quirks::default() };
    let mut out = Vec::new();
    anthropic::request::render(&request, target, &Toolbox::default(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    let kinds: Vec<&Value> =
        body["messages"][2]["content"].as_array().unwrap().iter().map(|b| &b["type"]).collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text"]);
}

#[test]
fn system_turns_where_the_model_takes_them() {
    use Role::{Assistant, System};
    let turns = || {
        vec![
            turn(System, vec![text("top")]),
            user("a"),
            turn(System, vec![text("s")]),
            turn(Assistant, vec![text("b")]),
            turn(System, vec![text("t")]),
            user("c"),
            turn(System, vec![text("u")]),
        ]
    };
    let roles = |model| {
        let (body, _) = rendered_for(&mut request(turns()), model);
        let roles = body["messages"].as_array().unwrap().iter();
        roles.map(|m| m["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(roles("claude-opus-4-6"), ["user", "assistant", "user"]);
    assert_eq!(roles("claude-opus-5"), ["user", "system", "assistant", "user", "system"]);
}

#[test]
fn proofs_go_back_to_their_issuer_alone() {
    let parts = || {
        vec![
            Part::Reasoning(ReasoningPart {
                text: "mine".into(),
                seal: Some(sealed(ORIGIN.issuer, SealKind::Reasoning, "sig")),
            }),
            Part::Reasoning(ReasoningPart {
                text: "".into(),
                seal: Some(sealed(ORIGIN.issuer, SealKind::Redacted, "data")),
            }),
            Part::Reasoning(ReasoningPart {
                text: "theirs".into(),
                seal: Some(sealed("openai/x", SealKind::Reasoning, "gAAA")),
            }),
            Part::Reasoning(ReasoningPart {
                text: "unknown".into(),
                seal: Some(sealed(seal::NATIVE, SealKind::Reasoning, "EqQ")),
            }),
            text("b"),
        ]
    };
    let (body, _) =
        rendered(&mut request(vec![user("a"), turn(Role::Assistant, parts()), user("c")]));
    assert_eq!(
        body["messages"][1]["content"],
        json!([
            {"type": "thinking", "thinking": "mine", "signature": "sig"},
            {"type": "redacted_thinking", "data": "data"},
            {"type": "text", "text": "b"},
        ])
    );
}

#[test]
fn tools_and_choices() {
    let mut request = request(vec![user("a")]);
    request.tools = vec![
        function("a.b"),
        Tool::Custom(CustomTool {
            name: "patch".into(),
            description: Some("Patches.".into()),
            ..CustomTool::default()
        }),
        function("c"),
    ];
    let schema = json!({"type": "object", "properties": {}});
    let choices = [
        (ToolChoice::Unset, None, Value::Null, 3),
        (
            ToolChoice::Unset,
            Some(false),
            json!({"type": "auto", "disable_parallel_tool_use": true}),
            3,
        ),
        (ToolChoice::Auto, Some(true), json!({"type": "auto"}), 3),
        (ToolChoice::None, Some(false), json!({"type": "none"}), 3),
        (
            ToolChoice::Required,
            Some(false),
            json!({"type": "any", "disable_parallel_tool_use": true}),
            3,
        ),
        (ToolChoice::Named("a.b".into()), None, json!({"type": "tool", "name": "a_b"}), 3),
        (
            ToolChoice::Allowed { names: vec!["c".into()], required: true },
            None,
            json!({"type": "any"}),
            1,
        ),
        (
            ToolChoice::Allowed { names: vec!["c".into()], required: false },
            None,
            json!({"type": "auto"}),
            1,
        ),
    ];
    for (choice, parallel, expected, count) in choices {
        request.tool_choice = choice;
        request.parallel_tool_calls = parallel;
        let (body, losses) = rendered(&mut request);
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(body["tools"].as_array().unwrap().len(), count);
        assert!(losses.is_empty(), "{losses:?}");
        if count == 3 {
            assert_eq!(body["tools"][0], json!({"name": "a_b", "input_schema": schema}));
            assert_eq!(body["tools"][1]["name"], "patch");
            assert_eq!(body["tools"][1]["input_schema"]["required"], json!(["input"]));
        }
    }
    // No choice without tools.
    request.tools.clear();
    assert_eq!(rendered(&mut request).0["tool_choice"], Value::Null);
    // A call cannot be forced on the newest models.
    request.tools = vec![function("c")];
    request.tool_choice = ToolChoice::Required;
    let (body, losses) = rendered_for(&mut request, "claude-opus-5-5");
    assert_eq!(body["tool_choice"], Value::Null);
    assert_eq!(losses.refused[0].0, "tool_choice");
}

#[test]
fn hosted_tools() {
    let hosted = |kind, name: &'static str| {
        Tool::Hosted(HostedTool {
            kind,
            name: name.into(),
            allowed_domains: vec![],
            blocked_domains: vec!["b.com".into()],
            max_uses: Some(2),
        })
    };
    let mut request = request(vec![user("a")]);
    request.tools = vec![
        hosted(HostedKind::WebSearch, "web_search_preview"),
        hosted(HostedKind::CodeExecution, "code_interpreter"),
        hosted(HostedKind::WebFetch, "url_context"),
        hosted(HostedKind::FileSearch, "file_search"),
    ];
    let (body, losses) = rendered(&mut request);
    assert_eq!(
        body["tools"],
        json!([
            {"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["b.com"], "max_uses": 2},
            {"type": "code_execution_20250825", "name": "code_execution"},
            {"type": "web_fetch_20250910", "name": "web_fetch", "blocked_domains": ["b.com"], "max_uses": 2},
        ])
    );
    assert_eq!(losses.refused.len(), 1);
    assert!(losses.refused[0].1.contains("file_search"));
    let betas = anthropic::request::betas(&request);
    assert_eq!(betas, ["code-execution-2025-08-25", "web-fetch-2025-09-10"]);
}

#[test]
fn settings() {
    let mut request = Request {
        max_output: Some(333),
        sampling: Sampling {
            temperature: Some(1.7),
            top_p: Some(0.5),
            top_k: Some(3),
            seed: Some(7),
            presence_penalty: Some(0.5),
            frequency_penalty: Some(0.5),
        },
        stop: vec!["END".into(), "\n".into()],
        format: Format::JsonObject,
        candidates: Some(2),
        logprobs: Some(3),
        service_tier: Some("flex".into()),
        user: Some("a@example.com".into()),
        cache_key: Some("k".into()),
        ..request(vec![user("a")])
    };
    let (body, losses) = rendered(&mut request);
    assert_eq!(body["max_tokens"], 333);
    assert_eq!(body["temperature"], 1.0);
    assert_eq!(body["top_k"], 3);
    assert_eq!(body["stop_sequences"], json!(["END"]));
    for absent in ["top_p", "output_config", "metadata", "service_tier", "stream", "thinking"] {
        assert_eq!(body[absent], Value::Null, "{absent}");
    }
    let dropped: Vec<_> = losses.dropped.into_iter().collect();
    let expected = [
        "frequency_penalty",
        "logprobs",
        "presence_penalty",
        "prompt_cache_key",
        "response_format",
        "seed",
        "service_tier",
        "stop",
        "temperature",
        "top_p",
        "user",
    ];
    assert_eq!(dropped, expected);
    assert_eq!(losses.refused[0].0, "n");
    // The newest models draw as they like.
    let (body, losses) = rendered_for(&mut request, "claude-opus-4-7");
    assert_eq!((&body["temperature"], &body["top_k"]), (&Value::Null, &Value::Null));
    assert!(losses.dropped.contains("top_k"));
}

#[test]
fn limits_that_nobody_named() {
    for (model, limit) in
        [("claude-opus-5", 128_000), ("claude-3-haiku-20240307", 4096), ("x", 8192)]
    {
        assert_eq!(rendered_for(&mut request(vec![user("a")]), model).0["max_tokens"], limit);
    }
}

#[test]
fn thinking_where_the_api_lets_it() {
    let think = |turns: Vec<Turn<'static>>, max_output, choice, model| {
        let mut request = Request {
            max_output: Some(max_output),
            reasoning: Reasoning { amount: Amount::Effort(Effort::Medium), show: None },
            tools: vec![function("run")],
            tool_choice: choice,
            sampling: Sampling { temperature: Some(0.2), ..Sampling::default() },
            ..request(turns)
        };
        rendered_for(&mut request, model)
    };
    let loop_of = |first: Option<Part<'static>>| {
        let mut parts: Vec<_> = first.into_iter().collect();
        parts.push(call("1", "{}"));
        vec![
            user("a"),
            turn(Role::Assistant, parts),
            turn(Role::Tool, vec![result("1", vec![text("x")])]),
        ]
    };
    let proved = Part::Reasoning(ReasoningPart {
        text: "t".into(),
        seal: Some(sealed(ORIGIN.issuer, SealKind::Reasoning, "sig")),
    });
    let on = json!({"type": "enabled", "budget_tokens": 6400});
    let cases = [
        (vec![user("a")], 8000, ToolChoice::Unset, on.clone()),
        (loop_of(Some(proved)), 8000, ToolChoice::Unset, on),
        (loop_of(None), 8000, ToolChoice::Unset, Value::Null),
        (vec![user("a")], 8000, ToolChoice::Required, Value::Null),
        (vec![user("a")], 1024, ToolChoice::Unset, Value::Null),
        (
            vec![user("a"), turn(Role::Assistant, vec![text("b")])],
            8000,
            ToolChoice::Unset,
            Value::Null,
        ),
    ];
    for (turns, max_output, choice, expected) in cases {
        let (body, losses) = think(turns, max_output, choice, "x");
        assert_eq!(body["thinking"], expected);
        assert_eq!(losses.dropped.contains("reasoning"), expected.is_null());
        assert_eq!(body["temperature"].is_null(), !expected.is_null());
    }
    let (body, losses) = think(loop_of(None), 8000, ToolChoice::Required, "claude-opus-4-6");
    assert_eq!(body["thinking"], json!({"type": "adaptive"}));
    assert_eq!(body["output_config"], json!({"effort": "medium"}));
    assert!(losses.dropped.contains("temperature"));
}

#[test]
fn media() {
    let image = |source, mime: Option<&'static str>| {
        Part::Image(Image { source, mime: mime.map(Into::into), detail: None })
    };
    let file = |source, mime: Option<&'static str>, name: Option<&'static str>| {
        Part::File(File {
            source,
            mime: mime.map(Into::into),
            name: name.map(Into::into),
            context: None,
            cite: false,
        })
    };
    let base64 = |data: &'static str| Source::Base64(data.into());
    let url = |url: &'static str| Source::Url(url.into());
    let said = [
        (
            image(base64("/9j/4A"), Some("image/jpg")),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4A"}}),
        ),
        (
            image(base64("iVBORw0KGgoA"), None),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoA"}}),
        ),
        (
            image(url("https://e.com/a"), None),
            json!({"type": "image", "source": {"type": "url", "url": "https://e.com/a"}}),
        ),
        (
            file(base64("JVBERi0x"), None, Some("a.pdf")),
            json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}, "title": "a.pdf"}),
        ),
        (
            file(url("https://e.com/a.pdf"), Some("application/pdf"), None),
            json!({"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}}),
        ),
        (
            file(base64("SGkh"), Some("text/markdown"), None),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi!"}}),
        ),
        (
            file(Source::Text("Hi".into()), None, None),
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hi"}}),
        ),
        (
            file(base64("iVBORw0KGgoA"), Some("image/png"), None),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoA"}}),
        ),
    ];
    for (part, expected) in said {
        let (body, losses) = rendered(&mut request(vec![turn(Role::User, vec![part])]));
        assert_eq!(body["messages"][0]["content"], json!([expected]));
        assert!(losses.is_empty());
    }
    let sound = || Media { source: base64("AAAA"), mime: Some("audio/wav".into()) };
    let refused = [
        (image(base64("Qk0="), Some("image/bmp")), "image"),
        (image(Source::FileId("f".into()), None), "image"),
        (image(url("file:///etc/passwd"), None), "image"),
        (
            file(
                base64("UEsDBA=="),
                Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
                None,
            ),
            "file",
        ),
        (file(url("https://e.com/a.docx"), Some("application/msword"), None), "file"),
        (file(Source::FileId("f".into()), None, None), "file"),
        (Part::Audio(sound()), "audio"),
        (Part::Video(sound()), "video"),
    ];
    for (part, field) in refused {
        let (_, losses) = rendered(&mut request(vec![turn(Role::User, vec![text("a"), part])]));
        assert_eq!(losses.refused.len(), 1);
        assert_eq!(losses.refused[0].0, field);
    }
}

#[test]
fn structured_answers() {
    let schema = serde_json::value::RawValue::from_string(
        r#"{"type":"object","properties":{"a":{"type":"integer","minimum":1}},"required":["a"]}"#
            .to_owned(),
    )
    .unwrap();
    let mut request = Request {
        format: Format::JsonSchema {
            name: Some("n".into()),
            description: None,
            schema: std::borrow::Cow::Owned(schema),
            strict: Some(true),
        },
        ..request(vec![user("a")])
    };
    let (body, losses) = rendered(&mut request);
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": {
            "type": "object",
            "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}},
            "required": ["a"],
            "additionalProperties": false,
        }})
    );
    assert!(losses.is_empty());
}

#[test]
fn counted() {
    let mut request = parse(REQUEST).unwrap();
    tidy(&mut request);
    let model = "claude-opus-4-6";
    let target = Target { model, issuer: ORIGIN.issuer, quirks: dialects::Quirks::default() };
    let mut out = Vec::new();
    anthropic::request::render_count(&request, target, &Toolbox::default(), &mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    let fields: Vec<&String> = body.as_object().unwrap().keys().collect();
    let expected =
        ["messages", "model", "output_config", "system", "thinking", "tool_choice", "tools"];
    assert_eq!(fields, expected);
    let mut out = Vec::new();
    anthropic::response::render_count(17, &mut out);
    assert_eq!(anthropic::response::parse_count(&out), Ok(17));
    assert!(anthropic::response::parse_count(b"{}").is_err());
}
