//! An account's answer, whole and streamed.

use crate::*;

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
