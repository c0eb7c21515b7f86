//! The Anthropic dialect: what it reads is what was meant, and what it writes is what the API and the SDKs take.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]

use std::fmt::Write as _;

use levity::dialects::tools::{Toolbox, wrap_input};
use levity::dialects::{
    self, Asked, Dialect, Origin, Path, StreamParser, StreamRenderer, Target, anthropic,
};
use levity::ir::error::{Error, ErrorKind};
use levity::ir::event::Event;
use levity::ir::fold::{Folder, unfold};
use levity::ir::grammar::Checker;
use levity::ir::losses::Losses;
use levity::ir::request::{
    Amount, CallKind, CustomTool, Effort, File, Format, Function, HostedKind, HostedTool, Image,
    Media, Part, Reasoning, ReasoningPart, Request, Role, Sampling, Source, Tool, ToolCall,
    ToolChoice, ToolResult, Turn,
};
use levity::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Response};
use levity::ir::seal::{self, Seal, SealKind};
use levity::ir::tidy::tidy;
use levity::ir::usage::Usage;
use levity::sse;
use serde_json::{Value, json};

const REQUEST: &str = include_str!("fixtures/anthropic/requests/everything.json");
const ANSWER: &str = include_str!("fixtures/anthropic/answers/everything.json");
const STREAM: &str = include_str!("fixtures/anthropic/answers/everything.sse");
const ORIGIN: Origin<'_> = Origin { issuer: "anthropic/anthropic", id: "x1" };

fn parse(body: &str) -> Result<Request<'_>, Error> {
    anthropic::request::parse(body.as_bytes(), Path::default())
}

/// A request of one user message, with other fields.
fn body(fields: &Value) -> String {
    let mut body = json!({
        "model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}],
    });
    for (name, value) in fields.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

fn asked() -> Asked {
    Asked {
        model: "asked-model".to_owned(),
        reply: levity::ir::request::ReplyForm::default(),
        id: "x1".to_owned(),
        created: 0,
    }
}

fn rendered_for(request: &mut Request<'_>, model: &str) -> (Value, Losses) {
    tidy(request);
    let target = Target { model, issuer: ORIGIN.issuer, quirks: dialects::Quirks::default() };
    let toolbox = Toolbox::new(request, Dialect::Anthropic);
    let mut out = Vec::new();
    let losses = anthropic::request::render(request, target, &toolbox, &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

fn rendered(request: &mut Request<'_>) -> (Value, Losses) {
    rendered_for(request, "some-model")
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

fn user(said: &'static str) -> Turn<'static> {
    turn(Role::User, vec![text(said)])
}

fn call(id: &'static str, arguments: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "run".into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal: None,
    })
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> Part<'static> {
    Part::ToolResult(ToolResult {
        call: id.into(),
        name: None,
        parts,
        failed: false,
        kind: CallKind::Function,
    })
}

fn function(name: &'static str) -> Tool<'static> {
    Tool::Function(Function { name: name.into(), ..Function::default() })
}

fn sealed(issuer: &'static str, kind: SealKind, data: &'static str) -> Seal<'static> {
    Seal { issuer: issuer.into(), kind, id: "".into(), data: data.into() }
}

fn request(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { model: "m".into(), turns, ..Request::default() }
}

// ---------------------------------------------------------------------------------------------- requests, read

#[test]
fn a_request_with_everything() {
    let request = parse(REQUEST).unwrap();
    assert_eq!(request.model, "claude-opus-4-6");
    assert!(request.stream);
    assert_eq!(request.max_output, Some(4096));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    use Role::{Assistant, System, Tool as Results, User};
    assert_eq!(roles, [System, User, System, Assistant, Results, User]);
    assert_eq!(request.turns[0].parts.len(), 2);
    let [
        Part::Text(_),
        Part::Image(png),
        Part::Image(url),
        Part::File(pdf),
        Part::File(notes),
        Part::Text(piece),
    ] = &*request.turns[1].parts
    else {
        panic!("{:?}", request.turns[1]);
    };
    assert!(matches!(&png.source, Source::Base64(data) if data == "iVBORw0KGgo="));
    assert_eq!(png.mime.as_deref(), Some("image/png"));
    assert!(matches!(&url.source, Source::Url(url) if url == "https://example.com/a.png"));
    assert!(pdf.cite && !notes.cite);
    assert_eq!(pdf.context.as_deref(), Some("Of last year"));
    assert!(matches!(&notes.source, Source::Text(text) if text == "One.\nTwo."));
    assert_eq!(piece, "Piece.");

    let [
        Part::Reasoning(thought),
        Part::Reasoning(hidden),
        Part::Text(_),
        Part::ToolCall(first),
        Part::ToolCall(second),
    ] = &*request.turns[3].parts
    else {
        panic!("{:?}", request.turns[3]);
    };
    assert_eq!(thought.seal, Some(sealed(seal::NATIVE, SealKind::Reasoning, "EqQBnative=")));
    assert_eq!(hidden.seal, Some(sealed(seal::NATIVE, SealKind::Redacted, "Eredacted=")));
    assert_eq!((&*first.id, &*first.name), ("toolu_1", "get_weather"));
    assert_eq!(serde_json::from_str::<Value>(&first.arguments).unwrap(), json!({"city": "Paris"}));
    assert_eq!(second.arguments, "{}");

    let [Part::ToolResult(pong), Part::ToolResult(failed)] = &*request.turns[4].parts else {
        panic!("{:?}", request.turns[4]);
    };
    assert!(!pong.failed && failed.failed);
    assert_eq!(failed.parts.len(), 2);

    assert_eq!(request.tools.len(), 3);
    assert!(matches!(&request.tools[2], Tool::Hosted(tool)
        if tool.kind == HostedKind::WebSearch && tool.max_uses == Some(3)));
    assert_eq!(request.tool_choice, ToolChoice::Auto);
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.reasoning.amount, Amount::Adaptive(Some(Effort::High)));
    assert_eq!(request.reasoning.show, Some(true));
    assert!(matches!(request.format, Format::JsonSchema { .. }));
    assert_eq!(request.sampling.top_k, Some(40));
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.user.as_deref(), Some("user-1"));
    assert_eq!(request.service_tier.as_deref(), Some("standard_only"));
    let dropped: Vec<_> = request.unsaid.dropped.iter().copied().collect();
    let expected = [
        "billing_header",
        "cache_control",
        "context_management",
        "defer_loading",
        "messages.output_config",
        "tool_search_tool",
    ];
    assert_eq!(dropped, expected);
    assert_eq!(request.unsaid.refused, []);
}

#[test]
fn fields_at_fault() {
    let cases = [
        (json!({"model": ""}), "model"),
        (json!({"max_tokens": null}), "max_tokens"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": [{"role": "tool", "content": "a"}]}), "messages.0.role"),
        (json!({"messages": [{"role": "user"}]}), "messages.0.content"),
        (json!({"messages": [{"role": "user", "content": {}}]}), "messages.0.content"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages.0.content.0.text",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]}),
            "messages.0.content.0.type",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image"}]}]}),
            "messages.0.content.0.source",
        ),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "url"}}]}]}),
            "messages.0.content.0.source.url",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "b", "input": []}]}]}),
            "messages.0.content.0.input",
        ),
        (json!({"tools": [{"name": "a"}]}), "tools.0.input_schema"),
        (json!({"tools": [{"input_schema": {}}]}), "tools.0.name"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name"),
        (json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
        (json!({"thinking": {"type": "some"}}), "thinking.type"),
        (json!({"output_config": {"effort": "some"}}), "output_config.effort"),
        (json!({"output_format": {"type": "json"}}), "output_config.format.type"),
    ];
    for (fields, field) in cases {
        let error = parse(&body(&fields)).map(drop).unwrap_err();
        assert_eq!((error.status, error.param.as_deref()), (400, Some(field)), "{fields}");
    }
    let counted = body(&json!({"max_tokens": null}));
    assert!(anthropic::request::parse_count(counted.as_bytes()).is_ok());
}

#[test]
fn what_no_other_provider_can_do() {
    let cases = [
        (json!({"thread": {"type": "create"}}), "thread"),
        (json!({"container": "c_1"}), "container"),
        (json!({"mcp_servers": [{"type": "url"}]}), "mcp_servers"),
        (json!({"inference_geo": "eu"}), "inference_geo"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}),
            "messages.0.content.0",
        ),
    ];
    for (fields, field) in cases {
        let body = body(&fields);
        let refused = parse(&body).unwrap().unsaid.refused;
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].0, field);
    }
    let harmless = body(&json!({"mcp_servers": [], "inference_geo": "global", "container": null}));
    assert!(parse(&harmless).unwrap().unsaid.is_empty());
}

#[test]
fn choices_and_amounts() {
    let tools = json!([
        {"type": "web_search_20260318", "name": "web_search"},
        {"name": "run", "input_schema": {}},
    ]);
    let choices = [
        (json!({"type": "any"}), ToolChoice::Required),
        (json!({"type": "none"}), ToolChoice::None),
        (json!({"type": "tool", "name": "run"}), ToolChoice::Named("run".into())),
        (json!({"type": "tool", "name": "web_search"}), ToolChoice::Hosted(HostedKind::WebSearch)),
    ];
    for (choice, expected) in choices {
        let body = body(&json!({"tools": tools, "tool_choice": choice}));
        assert_eq!(parse(&body).unwrap().tool_choice, expected);
    }
    let amounts = [
        (json!({}), Amount::Unset),
        (json!({"thinking": {"type": "disabled"}}), Amount::Off),
        (json!({"thinking": {"type": "between_tools"}}), Amount::Off),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}), Amount::Budget(2000)),
        (json!({"thinking": {"type": "adaptive"}}), Amount::Adaptive(None)),
        // Effort alone says nothing about thinking.
        (json!({"output_config": {"effort": "low"}}), Amount::Unset),
    ];
    for (fields, expected) in amounts {
        assert_eq!(parse(&body(&fields)).unwrap().reasoning.amount, expected, "{fields}");
    }
}

#[test]
fn packed_proofs_are_unpacked() {
    let reasoning = sealed("openai/a", SealKind::Reasoning, "gAAAAABx");
    let proof = sealed("gemini/b", SealKind::Call, "CiQ=");
    let body = body(&json!({"messages": [{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": seal::to_text(std::slice::from_ref(&reasoning))},
        {"type": "redacted_thinking", "data": seal::to_text(std::slice::from_ref(&proof))},
        {"type": "tool_use", "id": "a", "name": "run", "input": {}},
        {"type": "thinking", "thinking": "Unsigned.", "signature": ""},
        {"type": "tool_use", "id": "b", "name": "run", "input": {}},
    ]}]}));
    let request = parse(&body).unwrap();
    let [
        Part::Reasoning(thought),
        Part::ToolCall(first),
        Part::Reasoning(unsigned),
        Part::ToolCall(second),
    ] = &*request.turns[0].parts
    else {
        panic!("{:?}", request.turns[0]);
    };
    assert_eq!((&*thought.text, &thought.seal), ("Hm.", &Some(reasoning)));
    assert_eq!(first.seal, Some(proof));
    assert_eq!((&*unsigned.text, &unsigned.seal), ("Unsigned.", &None));
    assert_eq!(second.seal, None);
}

#[test]
fn items_of_the_providers_tools_stay_whole() {
    let item = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "a"}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result", "title": "t"}]});
    let body = body(&json!({"messages": [
        {"role": "user", "content": "Search"},
        {"role": "assistant", "content": [item, found, {"type": "text", "text": "Done."}]},
    ]}));
    let request = parse(&body).unwrap();
    let [Part::Hosted(first), Part::Hosted(second), Part::Text(_)] = &*request.turns[1].parts
    else {
        panic!("{:?}", request.turns[1]);
    };
    assert_eq!((first.tool, &*first.name), (HostedKind::WebSearch, "server_tool_use"));
    assert_eq!(serde_json::from_str::<Value>(first.raw.get()).unwrap(), item);
    assert_eq!(serde_json::from_str::<Value>(second.raw.get()).unwrap(), found);
}

#[test]
fn texts_in_disguise() {
    let body = body(&json!({"messages": [
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [
            {"type": "search_result", "title": "T", "source": "https://s", "content": [{"type": "text", "text": "found"}]},
            {"type": "tool_reference", "tool_name": "later"},
        ]}]},
        {"role": "assistant", "content": [{"type": "compaction", "content": "So far: nothing."}]},
    ]}));
    let request = parse(&body).unwrap();
    let Part::ToolResult(result) = &request.turns[0].parts[0] else { panic!() };
    assert!(matches!(&*result.parts, [Part::Text(found), Part::Text(name)]
        if found == "T\nhttps://s\nfound" && name == "later"));
    assert!(matches!(&request.turns[1].parts[0], Part::Text(text) if text == "So far: nothing."));
}

// ---------------------------------------------------------------------------------------------- requests, written

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
        let (body, losses) = rendered(&mut request(turns));
        assert_eq!(body["messages"], expected);
        assert!(losses.is_empty(), "{losses:?}");
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

// ---------------------------------------------------------------------------------------------- answers

/// An answer in short, with its items as JSON, so that white space in them doesn't matter.
fn told(response: &Response<'_>) -> String {
    let mut told = format!("{} {} {:?}\n", response.id, response.model, response.usage);
    for candidate in &response.candidates {
        for block in &candidate.blocks {
            match block {
                Block::Hosted(item) => {
                    let raw: Value = serde_json::from_str(item.raw.get()).unwrap();
                    writeln!(told, "{:?} {} {raw}", item.tool, item.name).unwrap();
                }
                Block::Text { .. }
                | Block::Refusal(_)
                | Block::Reasoning { .. }
                | Block::ToolCall(_)
                | Block::Image { .. }
                | Block::Audio { .. } => writeln!(told, "{block:?}").unwrap(),
            }
        }
        writeln!(told, "{:?}", candidate.finish).unwrap();
    }
    told
}

/// Feeds a stream in two pieces; gives its events, checked by the grammar.
fn events(first: &[u8], second: &[u8], mut each: impl FnMut(&Event<'_>)) {
    let mut decoder = sse::Decoder::new();
    let mut parser = StreamParser::new(Dialect::Anthropic, ORIGIN);
    let mut checker = Checker::new();
    let mut each = |event: &Event<'_>| {
        checker.push(event).unwrap();
        each(event);
    };
    decoder.push(first, |event| parser.push(event, &mut each));
    decoder.push(second, |event| parser.push(event, &mut each));
    decoder.finish(|event| parser.push(event, &mut each));
    parser.finish(&mut each);
    parser.finish(&mut each);
    checker.finish().unwrap();
}

fn folded(stream: &str) -> Result<Response<'static>, Error> {
    let mut folder = Folder::new();
    events(stream.as_bytes(), b"", |event| folder.push(event));
    folder.finish()
}

#[test]
fn an_answer_with_everything() {
    let response = anthropic::response::parse(ANSWER.as_bytes(), ORIGIN).unwrap();
    assert_eq!((&*response.id, &*response.model), ("msg_01", "claude-opus-4-6"));
    let usage = Usage { input: 60, cache_read: 30, cache_write: 20, output: 40, reasoning: 15 };
    assert_eq!(response.usage, Some(usage));
    let candidate = &response.candidates[0];
    assert_eq!(candidate.finish, Some(Finish::ToolCalls));
    let [
        Block::Reasoning { text: thought, seal: Some(proof) },
        Block::Reasoning { text: redacted, seal: Some(hidden) },
        Block::Reasoning { .. },
        Block::Hosted(search),
        Block::Hosted(_),
        Block::Text { .. },
        Block::Text { citations, .. },
        Block::ToolCall(call),
        Block::ToolCall(_),
    ] = &*candidate.blocks
    else {
        panic!("{candidate:?}");
    };
    assert_eq!((&**thought, &**redacted), ("I ponder.", ""));
    assert_eq!(*proof, sealed(ORIGIN.issuer, SealKind::Reasoning, "EqQBsig="));
    assert_eq!(hidden.kind, SealKind::Redacted);
    assert_eq!(search.tool, HostedKind::WebSearch);
    assert_eq!(citations[0].source, CitationSource::Url("https://example.com".into()));
    assert_eq!(citations[1].source, CitationSource::Document("Notes".into()));
    assert_eq!(call.arguments, r#"{"city":"Köln","days":[1,2]}"#);
}

#[test]
fn streamed_is_whole() {
    let whole = anthropic::response::parse(ANSWER.as_bytes(), ORIGIN).unwrap();
    assert_eq!(told(&folded(STREAM).unwrap()), told(&whole));
    let crlf = STREAM.replace('\n', "\r\n");
    assert_eq!(told(&folded(&crlf).unwrap()), told(&whole));
}

#[test]
fn every_cut_gives_the_same_events() {
    let mut whole = Vec::new();
    events(STREAM.as_bytes(), b"", |event| whole.push(format!("{event:?}")));
    for cut in 0..STREAM.len() {
        let (first, second) = STREAM.as_bytes().split_at(cut);
        let mut cut_events = Vec::new();
        events(first, second, |event| cut_events.push(format!("{event:?}")));
        assert_eq!(cut_events, whole, "cut at {cut}");
    }
}

#[test]
fn every_prefix_fails_or_ends() {
    let reason = STREAM.find("\nevent: message_stop").unwrap();
    for end in (0..STREAM.len()).step_by(3) {
        let mut last = String::new();
        events(&STREAM.as_bytes()[..end], b"", |event| last = format!("{event:?}"));
        assert_eq!(last.starts_with("End"), end >= reason - 1, "{last}");
    }
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":3,"output_tokens":1}}}"#;
const TEXT: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const HELLO: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
const CLOSE: &str = r#"{"type":"content_block_stop","index":0}"#;
const DONE: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn stream(events: &[&str]) -> String {
    events.iter().fold(String::new(), |stream, data| stream + "data: " + data + "\n\n")
}

#[test]
fn ways_to_end() {
    let good: &[&[&str]] = &[
        &[START, TEXT, HELLO, CLOSE, DONE, STOP],
        &[START, TEXT, HELLO, CLOSE, DONE],
        &[START, TEXT, HELLO, DONE, STOP, "[DONE]"],
        &[START, TEXT, HELLO, CLOSE, DONE, STOP, START, TEXT],
        &[
            START,
            START,
            r#"{"type":"ping"}"#,
            TEXT,
            HELLO,
            CLOSE,
            r#"{"type":"later"}"#,
            DONE,
            STOP,
        ],
        &[TEXT, HELLO, CLOSE, DONE, STOP],
    ];
    for events in good {
        let response = folded(&stream(events)).unwrap();
        let [Block::Text { text, .. }] = &*response.candidates[0].blocks else { panic!() };
        assert_eq!(text, "Hello");
        assert_eq!(response.candidates[0].finish, Some(Finish::Stop));
    }
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    let bad: &[(&[&str], ErrorKind, &str)] = &[
        (&[], ErrorKind::Internal, "broke off"),
        (&[START], ErrorKind::Internal, "broke off"),
        (&[START, TEXT, HELLO, CLOSE], ErrorKind::Internal, "broke off"),
        (&[overloaded], ErrorKind::Overloaded, "Overloaded"),
        (&[START, TEXT, HELLO, overloaded], ErrorKind::Overloaded, "Overloaded"),
        (&[START, TEXT, "{\"type\":"], ErrorKind::Internal, "cannot be read"),
        (&[START, TEXT, HELLO, START], ErrorKind::Internal, "anew"),
    ];
    for (events, kind, message) in bad {
        let error = folded(&stream(events)).map(drop).unwrap_err();
        assert_eq!(error.kind, *kind);
        assert!(error.message.contains(message), "{}", error.message);
    }
}

#[test]
fn odd_streams() {
    let blank = folded(&stream(&[START, TEXT, CLOSE, DONE, STOP])).unwrap();
    assert_eq!(blank.candidates[0].blocks.len(), 0);
    let usage = blank.usage.unwrap();
    assert_eq!((usage.input, usage.output), (3, 5));

    // A call whose arguments stand in its start, and one without any; the reason says `end_turn`.
    let given = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"run","input":{"x":1}}}"#;
    let none = r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"","name":"run","input":{}}}"#;
    let response = folded(&stream(&[START, given, CLOSE, none, DONE, STOP])).unwrap();
    let [Block::ToolCall(first), Block::ToolCall(second)] = &*response.candidates[0].blocks else {
        panic!();
    };
    assert_eq!((&*first.arguments, &*second.arguments), ("{\"x\":1}", "{}"));
    assert_eq!(second.id, "toolu_x1_1");
    assert_eq!(response.candidates[0].finish, Some(Finish::ToolCalls));

    // A summary in pieces.
    let compaction = r#"{"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":null}}"#;
    let more = r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"So far."}}"#;
    let response = folded(&stream(&[START, compaction, more, CLOSE, DONE, STOP])).unwrap();
    let [Block::Hosted(item)] = &*response.candidates[0].blocks else { panic!() };
    let raw: Value = serde_json::from_str(item.raw.get()).unwrap();
    assert_eq!(raw, json!({"type": "compaction", "content": "So far."}));
}

#[test]
fn answers_that_are_none() {
    let cases = [
        ("", "cannot be read"),
        ("<html>", "cannot be read"),
        ("{}", "no message"),
        (r#"{"type":"error","error":{"type":"api_error","message":"boom"}}"#, "boom"),
    ];
    for (body, message) in cases {
        let error = anthropic::response::parse(body.as_bytes(), ORIGIN).map(drop).unwrap_err();
        assert!(error.message.contains(message), "{}", error.message);
    }
}

#[test]
fn stop_reasons() {
    let cases = [
        ("end_turn", Finish::Stop, "end_turn"),
        ("stop_sequence", Finish::StopSequence, "end_turn"),
        ("max_tokens", Finish::Length, "max_tokens"),
        ("model_context_window_exceeded", Finish::Length, "max_tokens"),
        ("refusal", Finish::ContentFilter, "refusal"),
        ("pause_turn", Finish::Pause, "pause_turn"),
        ("later", Finish::Other, "end_turn"),
        ("tool_use", Finish::ToolCalls, "end_turn"),
    ];
    for (reason, finish, written) in cases {
        let body =
            format!(r#"{{"content":[{{"type":"text","text":"a"}}],"stop_reason":"{reason}"}}"#);
        let response = anthropic::response::parse(body.as_bytes(), ORIGIN).unwrap();
        assert_eq!(response.candidates[0].finish, Some(finish));
        assert_eq!(whole(&response).0["stop_reason"], written);
    }
}

// ---------------------------------------------------------------------------------------------- answers, written

fn whole(response: &Response<'_>) -> (Value, Losses) {
    let mut out = Vec::new();
    let losses = anthropic::response::render(response, &asked(), &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

/// The stream of an answer, put together as an SDK does.
fn assembled(response: &Response<'_>) -> (Value, Losses) {
    let mut renderer = StreamRenderer::new(Dialect::Anthropic, asked());
    let mut out = Vec::new();
    unfold(response, &mut |event| renderer.push(event, &mut out));
    (assemble(&out), renderer.losses().clone())
}

/// Puts a stream together and checks its grammar on the way.
fn assemble(stream: &[u8]) -> Value {
    let mut message = Value::Null;
    let mut open = false;
    let mut stopped = false;
    let mut decoder = sse::Decoder::new();
    decoder.push(stream, |event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(data["type"], *event.name);
        assert!(!stopped, "{data} after the end");
        match &*event.name {
            "message_start" => {
                assert!(message.is_null());
                message = data["message"].clone();
            }
            "content_block_start" => {
                let content = message["content"].as_array_mut().unwrap();
                assert!(!std::mem::replace(&mut open, true));
                assert_eq!(data["index"], content.len());
                content.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                assert!(open);
                let content = message["content"].as_array_mut().unwrap();
                assert_eq!(data["index"], content.len() - 1);
                add(content.last_mut().unwrap(), &data["delta"]);
            }
            "content_block_stop" => {
                assert!(std::mem::replace(&mut open, false));
                let block = message["content"].as_array_mut().unwrap().last_mut().unwrap();
                if let Some(json) = block.as_object_mut().unwrap().remove("partial") {
                    block["input"] = serde_json::from_str(json.as_str().unwrap()).unwrap();
                }
            }
            "message_delta" => {
                assert!(!open);
                message["stop_reason"] = data["delta"]["stop_reason"].clone();
                message["stop_sequence"] = data["delta"]["stop_sequence"].clone();
                message["usage"] = data["usage"].clone();
            }
            "message_stop" => stopped = true,
            other => panic!("{other}"),
        }
    });
    assert!(stopped);
    message
}

fn add(block: &mut Value, delta: &Value) {
    let (field, more) = match delta["type"].as_str().unwrap() {
        "text_delta" => ("text", &delta["text"]),
        "thinking_delta" => ("thinking", &delta["thinking"]),
        "signature_delta" => ("signature", &delta["signature"]),
        "input_json_delta" => ("partial", &delta["partial_json"]),
        "citations_delta" => {
            if block["citations"].is_null() {
                block["citations"] = json!([]);
            }
            block["citations"].as_array_mut().unwrap().push(delta["citation"].clone());
            return;
        }
        other => panic!("{other}"),
    };
    let joined = block[field].as_str().unwrap_or_default().to_owned() + more.as_str().unwrap();
    block[field] = joined.into();
}

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
    assert_eq!(message["content"][0]["input"], json!({}));
    assert_eq!(message["stop_reason"], "max_tokens");
    assert!(losses.dropped.contains("tool_arguments"));
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

// ---------------------------------------------------------------------------------------------- anything at all

mod any_bytes {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = anthropic::request::parse(&bytes, Path::default());
            let _ = anthropic::response::parse(&bytes, ORIGIN);
            let _ = anthropic::error::parse(500, &bytes);
            events(&bytes, b"", |_| {});
        }

        /// Valid pieces, cut out and put together anyhow.
        #[test]
        fn spliced(from in 0..STREAM.len(), to in 0..STREAM.len(), at in 0..REQUEST.len()) {
            let (head, tail) = (&STREAM.as_bytes()[..from], &STREAM.as_bytes()[to..]);
            events(head, tail, |_| {});
            let mut request = REQUEST.as_bytes().to_vec();
            request.remove(at);
            if let Ok(mut request) = anthropic::request::parse(&request, Path::default()) {
                rendered(&mut request);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- recorded traffic

mod recorded {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// The recorded cases of the dialect, where the variable names their folder.
    fn cases() -> Vec<PathBuf> {
        let Some(shared) = std::env::var_os("LEVITY_SHARED") else {
            println!("skipped: LEVITY_SHARED is not set");
            return Vec::new();
        };
        let folder = PathBuf::from(shared).join("corpus/anthropic-messages");
        let mut cases: Vec<_> =
            fs::read_dir(folder).unwrap().map(|case| case.unwrap().path()).collect();
        cases.sort();
        assert!(!cases.is_empty());
        cases
    }

    #[test]
    fn requests() {
        for case in cases() {
            let Ok(body) = fs::read_to_string(case.join("request.json")) else { continue };
            let status = fs::read_to_string(case.join("meta.json")).unwrap();
            let status: Value = serde_json::from_str(&status).unwrap();
            match parse(&body) {
                Ok(mut request) => {
                    let model = request.model.to_string();
                    let (first, _) = rendered_for(&mut request, &model);
                    // Written and read again, it says the same.
                    let again = first.to_string();
                    let mut again = parse(&again).unwrap();
                    let (second, _) = rendered_for(&mut again, &model);
                    let blind = |mut body: Value| {
                        body["thinking"] = Value::Null;
                        body["output_config"] = Value::Null;
                        body
                    };
                    assert_eq!(blind(second), blind(first), "{}", case.display());
                }
                Err(error) => assert_ne!(status["status"], 200, "{}: {error:?}", case.display()),
            }
        }
    }

    #[test]
    fn answers() {
        for case in cases() {
            let meta = fs::read_to_string(case.join("meta.json")).unwrap();
            let meta: Value = serde_json::from_str(&meta).unwrap();
            let status = u16::try_from(meta["status"].as_u64().unwrap()).unwrap();
            let body =
                fs::read_to_string(case.join(meta["response_file"].as_str().unwrap())).unwrap();
            if status >= 400 {
                let error = anthropic::error::parse(status, body.as_bytes());
                let expected: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(error.message, expected["error"]["message"].as_str().unwrap());
                continue;
            }
            let response = if meta["stream"] == true {
                folded(&body)
            } else {
                anthropic::response::parse(body.as_bytes(), ORIGIN)
            };
            let Ok(response) = response else {
                assert!(body.matches("message_start").count() > 2, "{}", case.display());
                continue;
            };
            let (message, losses) = whole(&response);
            let is_cut = response.candidates[0].finish == Some(Finish::Length);
            if !is_cut {
                let (streamed, stream_losses) = assembled(&response);
                assert_eq!(streamed, message, "{}", case.display());
                assert_eq!(stream_losses, losses);
            }
            let written = message.to_string();
            let again = anthropic::response::parse(written.as_bytes(), ORIGIN).unwrap();
            assert_eq!(again.usage.unwrap_or_default(), response.usage.unwrap_or_default());
            assert_eq!(short(&again), short(&response), "{}", case.display());
        }
    }

    /// Text, calls and finish of an answer.
    fn short(response: &Response<'_>) -> Vec<String> {
        let candidate = &response.candidates[0];
        let block = |block: &Block<'_>| match block {
            Block::Text { text, .. } => Some(text.to_string()),
            Block::ToolCall(call) => {
                let arguments: Option<Value> = serde_json::from_str(&call.arguments).ok();
                let arguments = arguments.unwrap_or_else(|| json!({}));
                Some(format!("{} {} {arguments}", call.id, call.name))
            }
            Block::Reasoning { text, .. } => Some(text.to_string()),
            Block::Hosted(item) => {
                Some(serde_json::from_str::<Value>(item.raw.get()).unwrap().to_string())
            }
            Block::Refusal(_) | Block::Image { .. } | Block::Audio { .. } => None,
        };
        let finish = match candidate.finish {
            Some(Finish::StopSequence) => Some(Finish::Stop),
            finish => finish,
        };
        let blocks = candidate.blocks.iter().filter_map(block);
        blocks.chain([format!("{finish:?}")]).collect()
    }
}
