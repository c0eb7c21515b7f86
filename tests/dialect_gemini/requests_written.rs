//! Requests for accounts: order, places, seals, losses.

use super::support::*;

use levity::ir::request::{
    Amount, Effort, File, Function, HostedKind, HostedTool, Image, Part, Reasoning, ReasoningPart,
    Request, Role, Source, Tool, ToolChoice,
};
use levity::ir::seal::SealKind;
use serde_json::{Value, json};

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
