//! A client's request: what it means, and what is wrong with it.

use crate::*;

#[test]
fn a_request_with_everything() {
    use Role::{Assistant, System, Tool as Results, User};

    let request = parse(REQUEST).unwrap();
    assert_eq!(request.model, "claude-opus-4-6");
    assert!(request.stream);
    assert_eq!(request.max_output, Some(4096));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
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

    let [Part::ToolResult(first_result), Part::ToolResult(failed)] = &*request.turns[4].parts
    else {
        panic!("{:?}", request.turns[4]);
    };
    assert!(!first_result.failed && failed.failed);
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

/// Whatever is not read is told by its place, and what is wanted of citations by its name.
#[test]
fn what_is_left_out_is_told() {
    let said = json!([{"role": "user", "content": [
        {"type": "text", "text": "a", "odd": 1},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "b"}],
            "citations": {"enabled": true}}]}]);
    let cited = json!([{"type": "text", "text": "a", "citations": [{"type": "char_location"}]}]);
    let search = json!([{"type": "web_search_20260318", "name": "web_search", "response_inclusion": "full", "strict": true}]);
    for (fields, told) in [
        (json!({"messages": said}), vec!["citations", "messages.content.odd"]),
        (json!({"system": cited}), vec!["citations"]),
        (json!({"tools": search}), vec!["strict", "tools.response_inclusion"]),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 2000, "block_binding": {"prefix_mismatch_behavior": "error"}}}),
            vec!["thinking.block_binding"],
        ),
        (
            json!({"output_config": {"task_budget": {"total": 9}}}),
            vec!["output_config.task_budget"],
        ),
        (json!({"fallback_credit_token": "t"}), vec!["fallback_credit_token"]),
        (json!({"fallback_credit_token": null, "new": [], "metadata": {}}), vec![]),
    ] {
        let body = body(&fields);
        let request = parse(&body).unwrap();
        assert_eq!(request.unsaid.names().collect::<Vec<_>>(), told, "{fields}");
    }
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
