//! What an account is asked.

use std::borrow::Cow;

use levity::ir::Json;
use levity::ir::request::{
    Amount, CallKind, Effort, File, Format, Function, HostedItem, HostedKind, HostedTool, Image,
    Media, Part, Reasoning, ReasoningPart, Request, Role, Source, Tool, ToolCall, ToolChoice,
    ToolResult, Turn, Verbosity,
};
use levity::ir::seal::{Seal, SealKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{ISSUER, json as parsed, read, write};

fn raw(json: &str) -> Json<'static> {
    Cow::Owned(RawValue::from_string(json.to_owned()).unwrap())
}

fn text(text: &str) -> Part<'_> {
    Part::Text(text.into())
}

fn turn(role: Role, parts: Vec<Part<'_>>) -> Turn<'_> {
    Turn { role, parts }
}

fn ask(turns: Vec<Turn<'_>>) -> Request<'_> {
    Request { turns, ..Request::default() }
}

fn hi() -> Request<'static> {
    ask(vec![turn(Role::User, vec![text("Hi")])])
}

fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> ToolCall<'a> {
    ToolCall {
        id: id.into(),
        name: name.into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal: None,
    }
}

fn result<'a>(id: &'a str, parts: Vec<Part<'a>>) -> Part<'a> {
    Part::ToolResult(ToolResult {
        call: id.into(),
        name: None,
        parts,
        failed: false,
        kind: CallKind::Function,
    })
}

fn image(data: &str) -> Part<'_> {
    let source = Source::Base64(data.into());
    Part::Image(Image { source, mime: Some("image/png".into()), detail: None })
}

fn file(source: Source<'static>, mime: Option<&'static str>) -> Part<'static> {
    let mime = mime.map(Into::into);
    Part::File(File { source, mime, name: None, context: None, cite: false })
}

#[track_caller]
fn messages(turns: Vec<Turn<'_>>, expected: Value) {
    let (body, losses) = write(&ask(turns), "m");
    assert_eq!(body["messages"], expected);
    assert!(losses.is_empty(), "{losses:?}");
}

#[track_caller]
fn fields(request: &Request<'_>, model: &str, expected: Value, dropped: &[&str]) {
    let (mut body, losses) = write(request, model);
    let object = body.as_object_mut().unwrap();
    object.remove("model");
    object.remove("messages");
    assert_eq!(body, expected, "{model}");
    assert_eq!(losses.dropped.iter().copied().collect::<Vec<_>>(), dropped, "{model}");
    assert!(losses.refused.is_empty(), "{losses:?}");
}

#[track_caller]
fn refused(request: &Request<'_>, field: &str) {
    let (_, losses) = write(request, "m");
    assert!(losses.refused.iter().any(|(it, _)| it == field), "{losses:?}");
}

#[test]
fn text_turns() {
    messages(
        vec![
            turn(Role::System, vec![text("One."), text("Two.")]),
            turn(Role::Developer, vec![text("Three.")]),
            turn(Role::User, vec![text("a"), text("b")]),
            turn(Role::Assistant, vec![text("The gr"), text("ass"), Part::Refusal("No".into())]),
            turn(Role::User, vec![text("c")]),
            turn(Role::Assistant, vec![]),
        ],
        json!([
            {"role": "system", "content": "One.\n\nTwo."},
            {"role": "system", "content": "Three."},
            {"role": "user", "content": "a\n\nb"},
            {"role": "assistant", "content": "The grass", "refusal": "No"},
            {"role": "user", "content": "c"},
        ]),
    );
    let (body, _) = write(&ask(vec![turn(Role::Developer, vec![text("x")])]), "gpt-4o");
    assert_eq!(body["messages"][0]["role"], "developer");
}

#[test]
fn calls_and_results() {
    messages(
        vec![
            turn(
                Role::Assistant,
                vec![
                    text("Look:"),
                    Part::ToolCall(call("a", "f", "{\"x\": 1}")),
                    Part::ToolCall(call("b", "g", "")),
                    Part::ToolCall(ToolCall { kind: CallKind::Custom, ..call("c", "p", "*** x") }),
                ],
            ),
            turn(
                Role::Tool,
                vec![
                    result("a", vec![text("1"), text("2")]),
                    result("b", vec![]),
                    result("c", vec![text("ok")]),
                ],
            ),
        ],
        json!([
            {"role": "assistant", "content": "Look:", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                {"id": "c", "type": "custom", "custom": {"name": "p", "input": "*** x"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "1\n2"},
            {"role": "tool", "tool_call_id": "b", "content": ""},
            {"role": "tool", "tool_call_id": "c", "content": "ok"},
        ]),
    );
}

#[test]
fn what_a_tool_shows_follows_its_results() {
    messages(
        vec![
            turn(
                Role::Assistant,
                vec![Part::ToolCall(call("a", "f", "{}")), Part::ToolCall(call("b", "f", "{}"))],
            ),
            turn(
                Role::Tool,
                vec![
                    result("a", vec![text("here"), image("AAAA")]),
                    result("b", vec![image("BBBB")]),
                ],
            ),
            turn(Role::User, vec![text("And?")]),
        ],
        json!([
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "a", "content": "here"},
            {"role": "tool", "tool_call_id": "b", "content": "See the next message."},
            {"role": "user", "content": [
                {"type": "text", "text": "Returned by the tool call a:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "text", "text": "Returned by the tool call b:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}},
            ]},
            {"role": "user", "content": "And?"},
        ]),
    );
}

#[test]
fn media() {
    let audio = |mime: &'static str| {
        let source = Source::Base64("CCCC".into());
        Part::Audio(Media { source, mime: Some(mime.into()) })
    };
    let pdf = Part::File(File {
        source: Source::Base64("BBBB".into()),
        mime: Some("application/pdf".into()),
        name: Some("a.pdf".into()),
        context: None,
        cite: false,
    });
    let remote = Part::Image(Image {
        source: Source::Url("https://x/y".into()),
        mime: None,
        detail: Some("high".into()),
    });
    let unknown =
        Part::Image(Image { source: Source::Base64("/9j/4AAQ".into()), mime: None, detail: None });
    messages(
        vec![turn(
            Role::User,
            vec![
                text("See"),
                remote,
                unknown,
                pdf,
                file(Source::Text("plain".into()), Some("text/plain")),
                file(Source::Base64("Z3LDvMOf".into()), Some("text/markdown")),
                audio("audio/x-wav"),
                audio("audio/mpeg"),
            ],
        )],
        json!([{"role": "user", "content": [
            {"type": "text", "text": "See"},
            {"type": "image_url", "image_url": {"url": "https://x/y", "detail": "high"}},
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4AAQ"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,BBBB"}},
            {"type": "text", "text": "plain"},
            {"type": "text", "text": "grüß"},
            {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
        ]}]),
    );
}

#[test]
fn media_that_cannot_be_said() {
    let user = |part| ask(vec![turn(Role::User, vec![part])]);
    let media = |source| Media { source, mime: Some("audio/flac".into()) };
    let url = || Source::Url("https://x/y".into());
    refused(&user(file(url(), None)), "document.url");
    refused(&user(file(Source::FileId("f".into()), None)), "file_id");
    refused(
        &user(Part::Image(Image { source: Source::FileId("f".into()), mime: None, detail: None })),
        "file_id",
    );
    refused(&user(Part::Audio(media(url()))), "audio");
    refused(&user(Part::Audio(media(Source::Base64("AA".into())))), "audio");
    refused(&user(Part::Video(media(url()))), "video");
    refused(&ask(vec![turn(Role::System, vec![image("AA")])]), "system");
    let mut request = ask(vec![turn(Role::Assistant, vec![text("x"), image("AA")])]);
    let item =
        HostedItem { tool: HostedKind::WebSearch, name: "server_tool_use".into(), raw: raw("{}") };
    request.turns.push(turn(Role::Assistant, vec![text("y"), Part::Hosted(item)]));
    fields(&request, "m", json!({}), &["images", "web_search"]);
}

fn seal(kind: SealKind, issuer: &'static str, data: &'static str) -> Option<Seal<'static>> {
    (!data.is_empty()).then(|| Seal {
        issuer: issuer.into(),
        kind,
        id: "".into(),
        data: data.into(),
    })
}

fn thought(text: &'static str, seal: Option<Seal<'static>>) -> Part<'static> {
    Part::Reasoning(ReasoningPart { text: text.into(), seal })
}

#[test]
fn thinking_goes_back_to_its_maker_alone() {
    let reply = |thoughts: Vec<Part<'static>>, own: Option<Seal<'static>>| {
        let mut parts = thoughts;
        parts.push(Part::ToolCall(ToolCall { seal: own, ..call("a", "f", "{}") }));
        let (body, losses) = write(&ask(vec![turn(Role::Assistant, parts)]), "m");
        (body["messages"][0].clone(), losses)
    };
    let own = |data| seal(SealKind::Reasoning, ISSUER, data);
    let (message, losses) = reply(
        vec![
            thought("One.", own("reasoning_content")),
            thought("Two.", own("reasoning_content")),
            thought("Three.", own("reasoning")),
            thought("", seal(SealKind::Details, ISSUER, r#"[{"data":"a"}]"#)),
            thought("", seal(SealKind::Details, ISSUER, r#" [ {"data":"b"},{"data":"c"} ] "#)),
            thought("", seal(SealKind::Details, ISSUER, "[]")),
            thought("", seal(SealKind::Details, ISSUER, "[broken")),
        ],
        seal(SealKind::Call, ISSUER, "AB+/"),
    );
    assert!(losses.is_empty());
    assert_eq!(message["reasoning_content"], "One.\n\nTwo.");
    assert_eq!(message["reasoning"], "Three.");
    let details = json!([{"data": "a"}, {"data": "b"}, {"data": "c"}]);
    assert_eq!(message["reasoning_details"], details);
    let extra = json!({"google": {"thought_signature": "AB+/"}});
    assert_eq!(message["tool_calls"][0]["extra_content"], extra);

    let plain = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    for foreign in ["other/chat", ""] {
        let (message, losses) = reply(
            vec![
                thought("One.", None),
                thought("Two.", seal(SealKind::Reasoning, foreign, "reasoning_content")),
                thought("Three.", seal(SealKind::Details, foreign, r#"[{"data":"a"}]"#)),
                // Of the same account, spoken to in another dialect.
                thought("Four.", own("gAAAAAB")),
                thought("", own("reasoning_content")),
                thought("", seal(SealKind::Redacted, ISSUER, "x")),
            ],
            seal(SealKind::Call, foreign, "AB+/"),
        );
        let dropped: Vec<_> = losses.dropped.iter().collect();
        assert_eq!(dropped, [&"thinking", &"thought_signature"]);
        assert_eq!(message, plain, "{foreign}");
    }
    messages(vec![turn(Role::Assistant, vec![thought("x", own("reasoning"))])], json!([]));
}

#[test]
fn ids_fit_the_account() {
    let long = "toolu_".to_owned() + &"a".repeat(58);
    let turns = || {
        vec![
            turn(Role::Assistant, vec![Part::ToolCall(call(&long, "f", "{}"))]),
            turn(Role::Tool, vec![result(&long, vec![text("ok")])]),
        ]
    };
    for (model, length) in [("m", 37), ("gpt-4o", 37), ("mistral-small-latest", 9)] {
        let (body, _) = write(&ask(turns()), model);
        let id = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
        assert_eq!(id.len(), length, "{id}");
        assert_eq!(body["messages"][1]["tool_call_id"], id);
    }
    let nine = ask(vec![turn(Role::Assistant, vec![Part::ToolCall(call("FI5yQGzgm", "f", "{}"))])]);
    let (body, _) = write(&nine, "mistral-small-latest");
    assert_eq!(body["messages"][0]["tool_calls"][0]["id"], "FI5yQGzgm");
}

#[test]
fn limits_and_sampling() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":7,"temperature":0.5,"top_p":0.25,"top_k":4,"seed":1,"presence_penalty":1,"frequency_penalty":-1,"n":2,"stop":["a","b","c","d","e"],"logprobs":true,"top_logprobs":30,"stream":true}"#;
    let request = read(body).unwrap();
    let expected = json!({"max_tokens": 7, "temperature": 0.5, "top_p": 0.25, "seed": 1,
        "presence_penalty": 1.0, "frequency_penalty": -1.0, "n": 2, "stop": ["a", "b", "c", "d"],
        "logprobs": true, "top_logprobs": 20, "stream": true,
        "stream_options": {"include_usage": true}});
    fields(&request, "m", expected, &["stop", "top_k"]);
    let (body, _) = write(&request, "gpt-4o");
    assert_eq!((&body["max_completion_tokens"], &body["max_tokens"]), (&json!(7), &Value::Null));
    let (body, _) = write(&request, "mistral-large-latest");
    assert_eq!((&body["random_seed"], &body["seed"]), (&json!(1), &Value::Null));
    assert_eq!(body["stream_options"], Value::Null);
    fields(&hi(), "m", json!({}), &[]);
}

#[test]
fn who_asks_and_how() {
    let mut request = Request {
        service_tier: Some("standard_only".into()),
        user: Some("ann".into()),
        cache_key: Some("k".into()),
        metadata: Some(raw(r#"{"a":"b"}"#)),
        verbosity: Some(Verbosity::Low),
        ..hi()
    };
    fields(
        &request,
        "gpt-5.4",
        json!({"service_tier": "default", "user": "ann", "prompt_cache_key": "k", "verbosity": "low"}),
        &["metadata"],
    );
    fields(
        &request,
        "m",
        json!({"service_tier": "default", "user": "ann"}),
        &["metadata", "prompt_cache_key", "verbosity"],
    );
    request =
        Request { service_tier: Some("gold".into()), user: Some("u".repeat(65).into()), ..hi() };
    let (body, losses) = write(&request, "m");
    assert_eq!(body["user"].as_str().unwrap().len(), 64);
    assert!(losses.dropped.contains("service_tier"));
}

#[test]
fn thinking() {
    let with = |amount| Request { reasoning: Reasoning { amount, show: None }, ..hi() };
    let effort = |word: &str| json!({"reasoning_effort": word});
    let low = Amount::Effort(Effort::Low);
    let max = Amount::Effort(Effort::Max);
    fields(&with(Amount::Unset), "m", json!({}), &[]);
    for (amount, model, expected) in [
        (Amount::Off, "m", effort("none")),
        (low, "m", effort("low")),
        (max, "m", effort("high")),
        (Amount::Adaptive(None), "m", effort("medium")),
        (Amount::Adaptive(Some(Effort::High)), "m", effort("high")),
        (Amount::Budget(0), "m", effort("none")),
        (Amount::Budget(1024), "m", effort("low")),
        (Amount::Budget(4096), "m", effort("medium")),
        (Amount::Budget(31_999), "m", effort("high")),
        (Amount::Off, "gpt-5.4", effort("none")),
        (max, "gpt-5.4", effort("xhigh")),
        (Amount::Off, "gpt-4o", json!({})),
        (Amount::Off, "glm-4.7", json!({"thinking": {"type": "disabled"}})),
        (Amount::Adaptive(None), "glm-4.7", json!({"thinking": {"type": "enabled"}})),
        (
            max,
            "deepseek-v4-pro",
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ),
        (low, "kimi-k2.6", json!({"thinking": {"type": "enabled"}})),
        (low, "mistral-small-latest", effort("high")),
    ] {
        fields(&with(amount), model, expected, &[]);
    }
    fields(&with(Amount::Off), "gpt-5", effort("minimal"), &["reasoning"]);
    fields(&with(Amount::Off), "o3", effort("low"), &["reasoning"]);
    fields(&with(low), "gpt-4o", json!({}), &["reasoning"]);
}

#[test]
fn the_form_of_the_answer() {
    let with = |format| Request { format, ..hi() };
    let schema = |name: Option<&'static str>, schema: &str, strict| Format::JsonSchema {
        name: name.map(Into::into),
        description: Some("d".into()),
        schema: raw(schema),
        strict,
    };
    let closed = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
    let sent = |name: &str, schema: &str, strict: bool| {
        let mut sent = json!({"name": name, "description": "d", "schema": parsed(schema)});
        if strict {
            sent["strict"] = json!(true);
        }
        json!({"response_format": {"type": "json_schema", "json_schema": sent}})
    };
    let object = json!({"response_format": {"type": "json_object"}});
    fields(&with(Format::JsonObject), "m", object, &[]);
    fields(&with(schema(None, closed, Some(true))), "m", sent("response", closed, true), &[]);
    fields(&with(schema(Some("a b/ü"), closed, None)), "m", sent("a_b__", closed, false), &[]);
    fields(&with(schema(Some("n"), "{}", Some(false))), "m", sent("n", "{}", false), &[]);
    let open = r#"{"type":"object","properties":{"a":{}}}"#;
    fields(&with(schema(Some("n"), open, Some(true))), "m", sent("n", open, false), &["strict"]);
}

fn function(name: &'static str, schema: Option<&str>, strict: Option<bool>) -> Tool<'static> {
    let schema = schema.map(raw);
    Tool::Function(Function {
        name: name.into(),
        namespace: None,
        description: Some("d".into()),
        schema,
        strict,
    })
}

#[test]
fn tools() {
    let tool = |name: &str, schema: &str| json!({"type": "function", "function": {"name": name, "description": "d", "parameters": parsed(schema)}});
    let empty = r#"{"type":"object","properties":{}}"#;
    let mut request = Request {
        tools: vec![function("f", Some(empty), Some(true)), function("g", None, None)],
        ..hi()
    };
    let both = json!([tool("f", empty), tool("g", empty)]);
    fields(&request, "m", json!({"tools": both}), &["strict"]);
    for (choice, sent) in [
        (ToolChoice::Auto, json!("auto")),
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Named("f".into()), json!({"type": "function", "function": {"name": "f"}})),
    ] {
        request.tool_choice = choice;
        fields(&request, "m", json!({"tools": both, "tool_choice": sent}), &["strict"]);
    }
    request.tool_choice = ToolChoice::Allowed { names: vec!["g".into()], required: true };
    request.parallel_tool_calls = Some(false);
    fields(
        &request,
        "m",
        json!({"tools": [tool("g", empty)], "tool_choice": "required", "parallel_tool_calls": false}),
        &[],
    );
    request.parallel_tool_calls = Some(true);
    request.tool_choice = ToolChoice::Hosted(HostedKind::WebSearch);
    refused(&request, "tool_choice");
    request.tools.clear();
    fields(&request, "m", json!({}), &[]);
}

#[test]
fn custom_tools() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"custom","custom":{"name":"p","description":"d","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"x"}}}},{"type":"custom","custom":{"name":"q","format":{"type":"text"}}}],"tool_choice":{"type":"custom","custom":{"name":"p"}}}"#;
    let mut expected = parsed(body);
    let object = expected.as_object_mut().unwrap();
    object.remove("model");
    object.remove("messages");
    fields(&read(body).unwrap(), "gpt-5.4", expected, &[]);
}

#[test]
fn hosted_tools() {
    let hosted = |kind, domains: &[&'static str]| Request {
        tools: vec![Tool::Hosted(HostedTool {
            kind,
            name: "web_search_20250305".into(),
            allowed_domains: domains.iter().map(|it| (*it).into()).collect(),
            blocked_domains: vec![],
            max_uses: Some(3),
        })],
        ..hi()
    };
    let search = hosted(HostedKind::WebSearch, &[]);
    let model = "gpt-4o-search-preview";
    fields(&search, model, json!({"web_search_options": {}}), &["max_uses"]);
    refused(&search, "tools.web_search_20250305");
    let (_, losses) = write(&hosted(HostedKind::WebSearch, &["a.com"]), model);
    assert_eq!(losses.refused[0].0, "tools.web_search_20250305.filters");
    let (_, losses) = write(&hosted(HostedKind::CodeExecution, &[]), model);
    assert_eq!(losses.refused.len(), 1);
}

/// What a chat client asks of a chat account arrives as it was, as far as the neutral form has words for it.
#[test]
fn a_request_survives_the_way() {
    let body = r#"{"model":"gpt-4o","messages":[
        {"role":"developer","content":"Be kind."},
        {"role":"user","content":[{"type":"text","text":"Look \"here\"\n"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"n\":12345678901234567890,\"f\":0.10}"}}]},
        {"role":"tool","tool_call_id":"call_1","content":"{\"ok\":true}"},
        {"role":"user","content":"Grüße 🙂"}],
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false},"strict":true}}],
        "tool_choice":"auto","parallel_tool_calls":false,"max_completion_tokens":100,"temperature":0.5,"seed":3,"stop":["x"],
        "response_format":{"type":"json_object"},"stream":true,"stream_options":{"include_usage":true},"user":"ann","service_tier":"flex"}"#;
    let (sent, losses) = write(&read(body).unwrap(), "gpt-4o");
    assert_eq!(sent, parsed(body));
    assert!(losses.is_empty());
}
