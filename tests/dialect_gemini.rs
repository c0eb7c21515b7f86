//! Gemini generateContent: every fixture both ways, every cut of every stream, and the recorded traffic where it is there.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]
#![expect(clippy::disallowed_methods, reason = "tests ask where recorded traffic lies")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "other parts fail the comparison")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

#[path = "dialect_gemini/outline.rs"]
mod outline;

use std::fmt::Write as _;
use std::path::{Path as FilePath, PathBuf};

use levity::dialects::tools::Toolbox;
use levity::dialects::{
    self, Asked, Dialect, Origin, Path, Quirks, StreamParser, StreamRenderer, Target,
};
use levity::ir::event::{Delta, Event, Opening};
use levity::ir::losses::Losses;
use levity::ir::request::{
    Amount, CallKind, Effort, File, Function, HostedKind, HostedTool, Image, Part, Reasoning,
    ReasoningPart, ReplyForm, Request, Role, Source, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};
use levity::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Response};
use levity::ir::seal::{self, Seal, SealKind};
use levity::ir::usage::Usage;
use levity::sse;
use outline::Grammar;
use proptest::prelude::*;
use serde_json::{Value, json};

const ORIGIN: Origin<'_> = Origin { issuer: "gemini/1", id: "ex1" };

fn asked(array_stream: bool) -> Asked {
    let reply = ReplyForm { array_stream, ..ReplyForm::default() };
    Asked { model: "shown-model".to_owned(), reply, id: "ex1".to_owned(), created: 1 }
}

fn target(model: &str) -> Target<'_> {
    Target { model, issuer: "gemini/1", quirks: Quirks::default() }
}

fn parse(body: &[u8]) -> Result<Request<'_>, levity::ir::error::Error> {
    let path = Path { model: "gemini-2.5-flash", stream: false, array_stream: false };
    dialects::parse_request(Dialect::Gemini, body, path)
}

fn written(request: &Request<'_>, target: Target<'_>) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let losses =
        dialects::render_request(Dialect::Gemini, request, target, &Toolbox::default(), &mut out);
    (out, losses)
}

fn render(request: &Request<'_>, target: Target<'_>) -> (Value, Losses) {
    let (out, losses) = written(request, target);
    (serde_json::from_slice(&out).unwrap(), losses)
}

/// Everything that a request says, but for what no word exists for. Thoughts that were asked for are shown, and those of a
/// history go back with a seal alone.
fn said(request: &Request<'_>) -> Vec<String> {
    let is_kept = |line: &&str| {
        let is_unsealed_thought = line.contains("| reasoning") && !line.contains("sealed");
        !line.starts_with("unsaid") && !line.starts_with("reasoning") && !is_unsealed_thought
    };
    let mut kept: Vec<String> =
        outline::request(request).lines().filter(is_kept).map(str::to_owned).collect();
    // Functions stand before Google's own tools.
    kept.sort_by_key(|line| {
        if line.starts_with("tool | F") { 1 } else { 2 * u8::from(line.starts_with("tool")) }
    });
    kept
}

fn render_response(response: &Response<'_>) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let losses = dialects::render_response(Dialect::Gemini, response, &asked(false), &mut out);
    (out, losses)
}

/// The events of a stream cut into chunks, each in a line; the grammar is checked on the way.
fn events(chunks: &[&[u8]]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut grammar = Grammar::default();
    each_event(chunks, &mut |event| {
        grammar.push(event);
        lines.push(outline::event(event));
    });
    grammar.end();
    lines
}

fn each_event(chunks: &[&[u8]], each: &mut dyn FnMut(&Event<'_>)) {
    let mut decoder = sse::Decoder::new();
    let mut parser = StreamParser::new(Dialect::Gemini, ORIGIN);
    for chunk in chunks {
        decoder.push(chunk, |event| parser.push(event, each));
    }
    decoder.finish(|event| parser.push(event, each));
    parser.finish(each);
}

fn render_stream(body: &[u8], array: bool) -> Vec<u8> {
    let mut renderer = StreamRenderer::new(Dialect::Gemini, asked(array));
    let mut out = Vec::new();
    each_event(&[body], &mut |event| renderer.push(event, &mut out));
    out
}

fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gemini").join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(&file).unwrap())
    };
    files.into_iter().map(read).collect()
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

// ---------------------------------------------------------------------------------------------------- fixtures

#[test]
fn requests_are_read_and_written() {
    for (name, body) in fixtures("requests") {
        let request = parse(&body).unwrap();
        let mut text = outline::request(&request);
        for (model, schema_subset) in [("gemini-2.5-flash", false), ("gemini-3-pro", true)] {
            let quirks = Quirks { schema_subset };
            let (json, losses) = render(&request, Target { issuer: "", quirks, ..target(model) });
            let _ =
                write!(text, "\n{model}, subset {schema_subset}, {losses:?}\n{}\n", pretty(&json));
        }
        insta::assert_snapshot!(format!("request_{name}"), text);
    }
}

#[test]
fn a_request_written_and_read_again_says_the_same() {
    for (name, body) in fixtures("requests") {
        let request = parse(&body).unwrap();
        let (out, losses) = written(&request, Target { issuer: "", ..target("gemini-2.5-flash") });
        // A text document is written as text.
        if losses.is_empty() && name != "media" {
            assert_eq!(said(&parse(&out).unwrap()), said(&request), "{name}");
        }
    }
}

#[test]
fn answers_are_read_and_written() {
    for (name, body) in fixtures("answers") {
        let text = match dialects::parse_response(Dialect::Gemini, &body, ORIGIN) {
            Err(error) => format!("{error:?}\n"),
            Ok(response) => {
                let (out, losses) = render_response(&response);
                let json: Value = serde_json::from_slice(&out).unwrap();
                format!("{}\n{losses:?}\n{}\n", outline::response(&response), pretty(&json))
            }
        };
        insta::assert_snapshot!(format!("answer_{name}"), text);
    }
}

#[test]
fn streams_are_read_and_written() {
    for (name, body) in fixtures("streams") {
        let lines = events(&[&body]).join("\n");
        let out = String::from_utf8(render_stream(&body, false)).unwrap();
        insta::assert_snapshot!(format!("stream_{name}"), format!("{lines}\n\n{out}"));
    }
}

#[test]
fn a_stream_cut_anywhere_is_the_same() {
    for (name, body) in fixtures("streams") {
        let whole = events(&[&body]);
        for cut in 0..=body.len() {
            let (first, second) = body.split_at(cut);
            assert_eq!(events(&[first, second]), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn every_prefix_of_a_stream_has_one_end() {
    for (_, body) in fixtures("streams") {
        for end in 0..body.len() {
            events(&[&body[..end]]);
        }
    }
}

#[test]
fn a_stream_and_the_same_chunks_whole_say_the_same() {
    for (name, body) in fixtures("streams") {
        let Some(folded) = outline::fold(&events(&[&body])) else { continue };
        let text = String::from_utf8(body).unwrap();
        let chunks: Vec<&str> =
            text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        let array = format!("[{}]", chunks.join("\n,\r\n"));
        let whole = dialects::parse_response(Dialect::Gemini, array.as_bytes(), ORIGIN).unwrap();
        assert_eq!(folded, outline::unfold(&whole), "{name}");
    }
}

#[test]
fn an_answer_written_and_read_again_says_the_same() {
    for (name, body) in fixtures("streams") {
        let lines = events(&[&body]);
        let again = events(&[&render_stream(&body, false)]);
        assert_eq!(essence(&again), essence(&lines), "{name}");
    }
}

// ---------------------------------------------------------------------------------------------------- requests

#[test]
fn errors_name_the_field() {
    for (body, field) in [
        (r#"{"contents": 17}"#, "contents"),
        (r#"{"contents": []}"#, "contents"),
        ("{}", "contents"),
        (r#"{"contents": [{"role": "user", "parts": []}]}"#, "contents"),
        (r#"{"contents": [{"role": "system", "parts": [{"text": "x"}]}]}"#, "contents.0.role"),
        (r#"{"contents": [{"parts": [{"text": 5}]}]}"#, "contents.0.parts.0.text"),
        (r#"{"contents": [{"parts": [{"text": "x"}]}], "tools": "x"}"#, "tools"),
        (
            r#"{"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": [1]}}]}]}"#,
            "contents.0.parts.0.functionCall.args",
        ),
        (
            r#"{"contents": [{"role": "model", "parts": [{"functionCall": {"args": {}}}]}]}"#,
            "contents.0.parts.0.functionCall.name",
        ),
        (
            r#"{"contents": [{"parts": [{"fileData": {"fileUri": "file:///etc/passwd"}}]}]}"#,
            "contents.0.parts.0.fileData.fileUri",
        ),
        (
            r#"{"contents": "x", "generationConfig": {"temperature": "hot"}}"#,
            "generationConfig.temperature",
        ),
        (
            r#"{"contents": "x", "generationConfig": {"maxOutputTokens": -1}}"#,
            "generationConfig.maxOutputTokens",
        ),
        (
            r#"{"contents": "x", "toolConfig": {"functionCallingConfig": {"mode": "SOMETIMES"}}}"#,
            "toolConfig.functionCallingConfig.mode",
        ),
        (r#"{"contents": "x""#, "body"),
        ("", "body"),
    ] {
        let error = parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.status, 400, "{body}");
        assert_eq!(error.param.as_deref(), Some(field), "{body}: {}", error.message);
    }
}

#[test]
fn tool_choice_in_all_forms() {
    for (config, choice) in [
        (json!({"mode": "AUTO"}), ToolChoice::Auto),
        (json!({"mode": "NONE"}), ToolChoice::None),
        (json!({"mode": "ANY"}), ToolChoice::Required),
        (json!({"mode": 2}), ToolChoice::Required),
        (json!({"mode": "VALIDATED"}), ToolChoice::Auto),
        (json!({"mode": "ANY", "allowed_function_names": ["f"]}), ToolChoice::Named("f".into())),
        (
            json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
            ToolChoice::Allowed { names: vec!["f".into(), "g".into()], required: true },
        ),
        (
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
            ToolChoice::Allowed { names: vec!["f".into()], required: false },
        ),
    ] {
        let body = json!({
            "contents": "x",
            "tools": [{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}],
            "toolConfig": {"functionCallingConfig": config},
        })
        .to_string();
        let request = parse(body.as_bytes()).unwrap();
        assert_eq!(request.tool_choice, choice);
        let (json, losses) = render(&request, target("gemini-2.5-flash"));
        assert!(losses.is_empty());
        let again = json.to_string();
        assert_eq!(parse(again.as_bytes()).unwrap().tool_choice, choice, "{again}");
    }
}

#[test]
fn results_without_ids_answer_the_last_turns_calls() {
    let call = |city: &str| json!({"functionCall": {"name": "f", "args": {"city": city}}});
    let answer =
        |text: &str| json!({"functionResponse": {"name": "f", "response": {"output": text}}});
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [call("left alone")]},
        {"role": "user", "parts": [{"text": "again"}]},
        {"role": "model", "parts": [call("a"), call("b")]},
        {"role": "user", "parts": [{"text": "quick"}, answer("for a")]},
        {"role": "user", "parts": [answer("for b")]},
    ]})
    .to_string();
    let request = parse(body.as_bytes()).unwrap();
    let lines: Vec<String> = said(&request)
        .into_iter()
        .filter(|line| line.starts_with("Tool") || line.contains("quick"))
        .collect();
    assert_eq!(
        lines,
        [
            r#"Tool | result call_2 Some("f") text "for a""#,
            r#"Tool | result call_3 Some("f") text "for b""#,
            r#"User | text "quick""#,
        ]
    );
}

#[test]
fn count_tokens_wraps_a_request() {
    let body = br#"{"generateContentRequest": {"model": "models/x", "contents": [{"parts": {"text": "x"}}]}}"#;
    assert_eq!(parse(body).unwrap().turns.len(), 1);
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, parts }
}

fn call(id: &'static str, arguments: &'static str, seal: Option<Seal<'static>>) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal,
    })
}

fn result(id: &'static str, parts: Vec<Part<'static>>, failed: bool) -> Part<'static> {
    let (call, kind) = (id.into(), CallKind::Function);
    Part::ToolResult(ToolResult { call, name: None, parts, failed, kind })
}

fn seal(issuer: &'static str, kind: SealKind, data: &'static str) -> Seal<'static> {
    Seal { issuer: issuer.into(), kind, id: "".into(), data: data.into() }
}

fn text(text: &'static str) -> Part<'static> {
    Part::Text(text.into())
}

fn ask(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::default() }
}

#[test]
fn results_follow_their_calls_in_order() {
    let request = ask(vec![
        turn(Role::User, vec![text("go")]),
        turn(
            Role::Assistant,
            vec![call("a", r#"{"n":1}"#, None), call("b", "", None), call("c", "{", None)],
        ),
        turn(
            Role::Tool,
            vec![
                result("c", vec![text("one"), text("two")], false),
                result("a", vec![text(r#"{"ok": true}"#)], false),
                result("b", vec![text("no")], true),
            ],
        ),
        turn(Role::User, vec![text("and?")]),
    ]);
    let (json, _) = render(&request, target("gemini-2.5-flash"));
    let contents = json["contents"].as_array().unwrap();
    let calls: Vec<&Value> = contents[1]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["functionCall"]["args"])
        .collect();
    assert_eq!(calls, [&json!({"n": 1}), &json!({}), &json!({"input": "{"})]);
    let answers: Vec<&Value> = contents[2]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["functionResponse"])
        .collect();
    let expected = [
        json!({"id": "a", "name": "f", "response": {"ok": true}}),
        json!({"id": "b", "name": "f", "response": {"error": "no"}}),
        json!({"id": "c", "name": "f", "response": {"result": "one\ntwo"}}),
    ];
    assert_eq!(answers, expected.iter().collect::<Vec<_>>());
    assert_eq!(contents[3], json!({"role": "user", "parts": [{"text": "and?"}]}));
}

#[test]
fn system_texts_keep_their_place() {
    let request = ask(vec![
        turn(Role::System, vec![text("first")]),
        turn(Role::Developer, vec![text("second")]),
        turn(Role::User, vec![text("hi")]),
        turn(Role::Assistant, vec![text("hello")]),
        turn(Role::System, vec![text("be French")]),
    ]);
    let (json, _) = render(&request, target("gemini-2.5-flash"));
    assert_eq!(json["systemInstruction"]["parts"], json!([{"text": "first"}, {"text": "second"}]));
    assert_eq!(json["contents"][2], json!({"role": "user", "parts": [{"text": "be French"}]}));
    let alone = ask(vec![turn(Role::System, vec![text("say hello")])]);
    let (json, _) = render(&alone, target("gemini-2.5-flash"));
    assert_eq!(json, json!({"contents": [{"role": "user", "parts": [{"text": "say hello"}]}]}));
}

#[test]
fn media_of_results_stand_inside_for_gemini_3() {
    let image = || {
        let source = Source::Base64("iVBORw0KGgo=".into());
        Part::Image(Image { source, mime: Some("image/png".into()), detail: Some("high".into()) })
    };
    let request = ask(vec![
        turn(Role::User, vec![text("shoot")]),
        turn(Role::Assistant, vec![call("a", "{}", None)]),
        turn(Role::Tool, vec![result("a", vec![text("here"), image()], false)]),
    ]);
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}});
    let (json, losses) = render(&request, target("gemini-3-flash"));
    let parts = &json["contents"][2]["parts"];
    assert_eq!(parts[0]["functionResponse"]["parts"], json!([blob]));
    assert!(losses.dropped.contains("image_detail"));
    let (json, _) = render(&request, target("gemini-2.5-flash"));
    let parts = &json["contents"][2]["parts"];
    assert_eq!(parts[0]["functionResponse"]["response"], json!({"result": "here"}));
    assert_eq!(parts[1], blob);
}

#[test]
fn seals_go_to_their_own_issuer_alone() {
    let turns = |issuer| {
        let thought = |text: &'static str, data| {
            let seal = Some(seal(issuer, SealKind::Reasoning, data));
            Part::Reasoning(ReasoningPart { text: text.into(), seal })
        };
        ask(vec![
            turn(Role::User, vec![text("go")]),
            turn(
                Role::Assistant,
                vec![thought("hm", "s1"), text("so"), thought("", "s2"), thought("", "s3")],
            ),
            turn(
                Role::Assistant,
                vec![
                    call("a", "{}", Some(seal(issuer, SealKind::Call, "s4"))),
                    call("b", "{}", None),
                ],
            ),
            turn(Role::Tool, vec![result("a", vec![], false), result("b", vec![], false)]),
        ])
    };
    let (json, _) = render(&turns("gemini/1"), target("gemini-3-pro"));
    let parts = &json["contents"][1]["parts"];
    assert_eq!(parts[0], json!({"text": "hm", "thought": true, "thoughtSignature": "s1"}));
    assert_eq!(parts[1], json!({"text": "so", "thoughtSignature": "s2"}));
    assert_eq!(parts[2], json!({"text": "", "thoughtSignature": "s3"}));
    assert_eq!(parts[3]["thoughtSignature"], "s4");
    assert_eq!(parts[4].get("thoughtSignature"), None);
    let (json, _) = render(&turns("anthropic/1"), target("gemini-2.5-pro"));
    assert!(!json.to_string().contains("Signature"), "{json}");
    assert!(!json.to_string().contains("hm"), "{json}");
}

#[test]
fn unsigned_calls_of_the_current_turn_are_marked_for_gemini_3() {
    let request = ask(vec![
        turn(Role::User, vec![text("one")]),
        turn(Role::Assistant, vec![call("a", "{}", None)]),
        turn(Role::Tool, vec![result("a", vec![], false)]),
        turn(Role::Assistant, vec![text("done")]),
        turn(Role::User, vec![text("two")]),
        turn(
            Role::Assistant,
            vec![call("b", "{}", Some(seal("other", SealKind::Call, "x"))), call("c", "{}", None)],
        ),
        turn(Role::Tool, vec![result("b", vec![], false), result("c", vec![], false)]),
        turn(Role::Assistant, vec![call("d", "{}", Some(seal("gemini/1", SealKind::Call, "own")))]),
        turn(Role::Tool, vec![result("d", vec![], false)]),
    ]);
    let signatures = |model| {
        let (json, _) = render(&request, target(model));
        let parts = json["contents"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|content| content["parts"].as_array().unwrap().clone());
        let calls = parts.filter(|part| part.get("functionCall").is_some());
        calls
            .map(|part| part["thoughtSignature"].as_str().unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
    };
    let skip = "skip_thought_signature_validator";
    assert_eq!(signatures("gemini-3.1-pro-preview"), ["-", skip, "-", "own"]);
    assert_eq!(signatures("gemini-2.5-pro"), ["-", "-", "-", "own"]);
    assert_eq!(signatures("some-other-model"), ["-", "-", "-", "own"]);
}

#[test]
fn what_gemini_has_no_words_for_is_told_or_refused() {
    let file =
        |source| Part::File(File { source, mime: None, name: None, context: None, cite: true });
    let hosted = |kind, name: &'static str| {
        let (allowed_domains, blocked_domains) = (vec![], vec![]);
        Tool::Hosted(HostedTool {
            kind,
            name: name.into(),
            allowed_domains,
            blocked_domains,
            max_uses: Some(3),
        })
    };
    let strict = Function { name: "f".into(), strict: Some(true), ..Function::default() };
    let request = Request {
        tools: vec![
            Tool::Function(strict),
            hosted(HostedKind::WebSearch, "web_search"),
            hosted(HostedKind::Mcp, "mcp"),
        ],
        tool_choice: ToolChoice::Named("g".into()),
        parallel_tool_calls: Some(false),
        stop: ["1", "2", "3", "4", "5", "6"].map(Into::into).to_vec(),
        user: Some("u".into()),
        cache_key: Some("k".into()),
        service_tier: Some("scale".into()),
        sampling: levity::ir::request::Sampling { seed: Some(1 << 40), ..Default::default() },
        ..ask(vec![turn(
            Role::User,
            vec![
                file(Source::FileId("file-123".into())),
                file(Source::Url("https://example.com/a.pdf".into())),
                file(Source::Text("plain".into())),
            ],
        )])
    };
    let (json, losses) = render(&request, target("gemini-2.5-flash"));
    let dropped: Vec<&str> = losses.dropped.iter().copied().collect();
    let expected = [
        "citations",
        "max_uses",
        "parallel_tool_calls",
        "prompt_cache_key",
        "seed",
        "service_tier",
        "stop",
        "strict",
        "user",
    ];
    assert_eq!(dropped, expected);
    let refused: Vec<&str> = losses.refused.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(refused, ["file", "tools.mcp", "tool_choice"]);
    assert_eq!(json["generationConfig"]["stopSequences"].as_array().unwrap().len(), 5);
    let parts = json!([
        {"fileData": {"fileUri": "https://example.com/a.pdf", "mimeType": "application/pdf"}},
        {"text": "plain"},
    ]);
    assert_eq!(json["contents"][0]["parts"], parts);
    assert_eq!(json["tools"][1], json!({"googleSearch": {}}));
    let (_, losses) = render(&request, target("gemini-2.0-flash"));
    assert_eq!(losses.refused.iter().filter(|(field, _)| field == "file").count(), 2);
}

#[test]
fn functions_beside_googles_own_tools() {
    let request = Request {
        tools: vec![
            Tool::Function(Function { name: "f".into(), ..Function::default() }),
            Tool::Hosted(HostedTool {
                kind: HostedKind::WebSearch,
                name: "web_search".into(),
                allowed_domains: vec![],
                blocked_domains: vec![],
                max_uses: None,
            }),
        ],
        ..ask(vec![turn(Role::User, vec![text("x")])])
    };
    let config = |model| render(&request, target(model)).0["toolConfig"].clone();
    assert_eq!(config("gemini-3-flash"), json!({"includeServerSideToolInvocations": true}));
    assert_eq!(config("gemini-2.5-flash"), Value::Null);
}

#[test]
fn thinking_is_said_in_the_models_form() {
    let request = Request {
        reasoning: Reasoning { amount: Amount::Effort(Effort::High), show: None },
        ..ask(vec![turn(Role::User, vec![text("x")])])
    };
    let config =
        |model| render(&request, target(model)).0["generationConfig"]["thinkingConfig"].clone();
    assert_eq!(config("gemini-3-pro"), json!({"includeThoughts": true, "thinkingLevel": "HIGH"}));
    assert_eq!(config("gemini-2.5-pro"), json!({"includeThoughts": true, "thinkingBudget": 24576}));
    assert_eq!(config("gemini-2.0-flash"), Value::Null);
}

// ---------------------------------------------------------------------------------------------------- seals through a client

fn answer(blocks: Vec<Block<'static>>) -> Response<'static> {
    let finish = Some(Finish::ToolCalls);
    Response { candidates: vec![Candidate { blocks, finish }], ..Response::default() }
}

/// The model's turn as a client sends it back: its parts as they came, streamed pieces as contents of their own.
fn sent_back(response: &Response<'_>) -> Vec<u8> {
    let (out, _) = render_response(response);
    let json: Value = serde_json::from_slice(&out).unwrap();
    let parts = json["candidates"][0]["content"]["parts"].as_array().unwrap();
    let turns = parts.iter().map(|part| json!({"role": "model", "parts": [part]}));
    let mut contents = vec![json!({"role": "user", "parts": [{"text": "go"}]})];
    contents.extend(turns);
    // google-genai decodes the bytes and writes them in the URL-safe alphabet.
    let text = json!({"contents": contents}).to_string();
    let url_safe = |signature: &str| signature.replace('+', "-").replace('/', "_");
    text.split('"')
        .map(|piece| if piece.starts_with("lvUB") { url_safe(piece) } else { piece.to_owned() })
        .collect::<Vec<_>>()
        .join("\"")
        .into_bytes()
}

fn reasoning(text: &'static str, seal: Seal<'static>) -> Block<'static> {
    Block::Reasoning { text: text.into(), seal: Some(seal) }
}

fn block_call(id: &'static str, seal: Option<Seal<'static>>) -> Block<'static> {
    let Part::ToolCall(call) = call(id, "{}", seal) else { unreachable!() };
    Block::ToolCall(call)
}

fn block_text(text: &'static str) -> Block<'static> {
    Block::Text { text: text.into(), citations: vec![], logprobs: vec![] }
}

#[test]
fn other_providers_seals_come_back_where_they_were() {
    let am = |kind, data| seal("anthropic/1", kind, data);
    let (thinking, redacted) = (SealKind::Reasoning, SealKind::Redacted);
    let cases: [(Vec<Block<'static>>, &str); 6] = [
        (
            vec![reasoning("one", am(thinking, "s1")), block_call("a", None)],
            "reasoning one s1, call a",
        ),
        (
            vec![
                reasoning("one", am(thinking, "s1")),
                reasoning("", am(redacted, "r1")),
                block_text("hm"),
                block_call("a", None),
                block_call("b", None),
            ],
            "reasoning one s1, reasoning  r1, text hm, call a, call b",
        ),
        (
            vec![
                reasoning("", am(redacted, "r1")),
                reasoning("two", am(thinking, "s2")),
                block_call("a", None),
            ],
            "reasoning  r1, reasoning two s2, call a",
        ),
        (
            vec![
                reasoning("x", am(thinking, "s1")),
                block_call("a", Some(am(SealKind::Call, "c1"))),
                reasoning("y", am(thinking, "s2")),
                block_call("b", None),
            ],
            "reasoning x s1, call a c1, reasoning y s2, call b",
        ),
        (vec![reasoning("x", am(thinking, "s1")), block_text("done")], "reasoning x s1, text done"),
        // Two texts that a client may join: the first seal gets both.
        (
            vec![
                reasoning("x", am(thinking, "s1")),
                reasoning("y", am(thinking, "s2")),
                block_call("a", None),
            ],
            "reasoning xy s1, reasoning  s2, call a",
        ),
    ];
    for (blocks, expected) in cases {
        let body = sent_back(&answer(blocks));
        let request = parse(&body).unwrap();
        let data = |seal: &Option<Seal<'_>>| {
            seal.as_ref().map(|seal| format!(" {}", seal.data)).unwrap_or_default()
        };
        let parts = request.turns[1].parts.iter().map(|part| match part {
            Part::Reasoning(part) => format!("reasoning {}{}", part.text, data(&part.seal)),
            Part::ToolCall(call) => format!("call {}{}", call.id, data(&call.seal)),
            Part::Text(text) => format!("text {text}"),
            other => format!("{other:?}"),
        });
        assert_eq!(parts.collect::<Vec<_>>().join(", "), expected);
        assert_eq!(request.turns.len(), 2);
    }
}

#[test]
fn made_up_signatures_of_the_users_are_ignored() {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x", "thought": false, "thoughtSignature": seal::to_text(&[])}, {"text": "y", "thought": true, "thoughtSignature": "abc"}]}]}).to_string();
    let request = parse(body.as_bytes()).unwrap();
    assert_eq!(request.turns.len(), 1);
    assert_eq!(request.turns[0].parts.len(), 2);
}

// ---------------------------------------------------------------------------------------------------- answers

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
        assert_eq!(fails, matches!(name.as_str(), "error" | "cut"), "{name}");
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

// ---------------------------------------------------------------------------------------------------- anything at all

fn survive(body: &[u8]) {
    if let Ok(request) = parse(body) {
        for (model, schema_subset) in [("gemini-3-pro", true), ("x", false)] {
            render(&request, Target { quirks: Quirks { schema_subset }, ..target(model) });
        }
    }
    if let Ok(response) = dialects::parse_response(Dialect::Gemini, body, ORIGIN) {
        let (out, _) = render_response(&response);
        dialects::parse_response(Dialect::Gemini, &out, ORIGIN).unwrap();
    }
    dialects::parse_error(Dialect::Gemini, 500, body);
    events(&[body]);
    events(&[b"data: ", body, b"\n\n"]);
    render_stream(body, true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        survive(&body);
    }

    #[test]
    fn damaged_fixtures_are_survived(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..4), cut in 0_usize..12) {
        let all: Vec<Vec<u8>> = ["requests", "answers", "streams"].iter().flat_map(|folder| fixtures(folder)).map(|(_, body)| body).collect();
        let mut body = all[pick.index(all.len())].clone();
        let at = at.index(body.len());
        let end = (at + cut).min(body.len());
        body.splice(at..end, bytes);
        survive(&body);
    }
}

// ---------------------------------------------------------------------------------------------------- recorded traffic

fn corpus() -> Option<Vec<PathBuf>> {
    let Ok(shared) = std::env::var("LEVITY_SHARED") else {
        println!("skipped: LEVITY_SHARED is not set");
        return None;
    };
    let root = FilePath::new(&shared).join("corpus/gemini-generate");
    Some(std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect())
}

#[test]
fn recorded_requests_are_read() {
    for case in corpus().unwrap_or_default() {
        let Ok(body) = std::fs::read(case.join("request.json")) else { continue };
        let request = parse(&body).unwrap_or_else(|error| panic!("{}: {error:?}", case.display()));
        let (out, losses) = written(&request, Target { issuer: seal::NATIVE, ..target("x") });
        let again = parse(&out).unwrap();
        // Media of results move behind them for this model, and text documents are written as text.
        let moves = said(&request).iter().any(|line| {
            line.starts_with("Tool") && line.contains("; ") || line.contains("file Some(\"text/")
        });
        if losses.is_empty() && !moves {
            assert_eq!(said(&again), said(&request), "{}", case.display());
        }
    }
}

#[test]
fn recorded_answers_are_read() {
    for case in corpus().unwrap_or_default() {
        if let Ok(body) = std::fs::read(case.join("response.sse")) {
            let lines = events(&[&body]);
            let failed = lines.last().unwrap().starts_with("fail");
            assert_eq!(
                failed,
                body.windows(8).any(|bytes| bytes == b"\"error\":"),
                "{}",
                case.display()
            );
            let again = events(&[&render_stream(&body, false)]);
            assert_eq!(essence(&again), essence(&lines), "{}", case.display());
            serde_json::from_slice::<Vec<Value>>(&render_stream(&body, true)).unwrap();
        }
        if let Ok(body) = std::fs::read(case.join("response.json")) {
            let Ok(response) = dialects::parse_response(Dialect::Gemini, &body, ORIGIN) else {
                let error = dialects::parse_error(Dialect::Gemini, 400, &body);
                assert!(!error.message.is_empty(), "{}", case.display());
                continue;
            };
            let (out, _) = render_response(&response);
            let again = dialects::parse_response(Dialect::Gemini, &out, ORIGIN).unwrap();
            assert_eq!(whole_essence(&again), whole_essence(&response), "{}", case.display());
        }
    }
}

/// Text, thoughts, calls, why it ended and what it cost: all but ids, seals and what one client cannot be told.
fn essence(lines: &[String]) -> String {
    let (mut text, mut calls, mut ends) = (String::new(), String::new(), String::new());
    for line in lines {
        if let Some(more) = line.strip_prefix("  text ") {
            text.push_str(more.trim_matches('"'));
        } else if let Some(more) = line.strip_prefix("  arguments ") {
            let more = serde_json::from_str::<Value>(more).unwrap().to_string();
            calls.push_str(more.trim_matches(['{', '}']));
        } else if let Some(call) = line.strip_prefix("open 0 call ") {
            calls.push_str(call.split(' ').nth(1).unwrap());
        } else if line.starts_with("finish") || line.starts_with("end") {
            ends.push_str(line);
        }
    }
    // Where usage was not said, zeros are written: protobuf's form of the same.
    let none = "end None";
    let zeros = format!("end {:?}", Some(Usage::default()));
    format!("{text}\n{calls}\n{}", ends.replace(&zeros, none))
}

fn whole_essence(response: &Response<'_>) -> String {
    let mut out = String::new();
    for candidate in &response.candidates {
        for block in &candidate.blocks {
            match block {
                Block::Text { text, .. } | Block::Refusal(text) => out.push_str(text),
                Block::Reasoning { text, .. } => {
                    let _ = write!(out, "<{text}>");
                }
                Block::ToolCall(call) => {
                    let args = serde_json::from_str::<Value>(&call.arguments).unwrap_or_default();
                    let _ = write!(out, "{}({args})", call.name);
                }
                Block::Image { .. } | Block::Audio { .. } | Block::Hosted(_) => {}
            }
        }
        let finish = candidate.finish.unwrap_or(Finish::Other);
        let _ = writeln!(out, "{finish:?}");
    }
    let _ = write!(out, "{:?}", response.usage.unwrap_or_default());
    out.replace("<>", "")
}
