//! Requests of clients: what is refused, and what is read as what.

use super::support::*;

use levity::ir::request::ToolChoice;
use serde_json::json;

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

/// Whatever is not read is told by its place; what would change the answer's form or language is refused.
#[test]
fn what_is_left_out_is_told() {
    let asked = |config: serde_json::Value| {
        let body = json!({"model": "models/m", "contents": [{"parts": [{"text": "x", "partMetadata": {"a": 1}}]}], "generationConfig": config});
        let text = body.to_string();
        let unsaid = parse(text.as_bytes()).unwrap().unsaid;
        let names: Vec<String> = unsaid.names().map(str::to_owned).collect();
        let refused = unsaid.refused.into_iter().map(|(field, _)| field);
        (names, refused.collect::<Vec<_>>())
    };
    let always = "contents.parts.partMetadata".to_owned();
    let (names, refused) = asked(json!({"temprature": 1, "responseFormat": {"text": {}}}));
    assert_eq!((names, refused.len()), (vec![always, "generationConfig.temprature".into()], 0));
    for (config, field) in [
        (json!({"responseFormat": {"audio": {"mimeType": "AUDIO_WAV"}}}), "responseFormat.audio"),
        (json!({"response_format": {"image": {}}}), "responseFormat.image"),
        (json!({"translationConfig": {"targetLanguageCode": "fr"}}), "translationConfig"),
    ] {
        assert_eq!(asked(config).1, [format!("generationConfig.{field}")]);
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
