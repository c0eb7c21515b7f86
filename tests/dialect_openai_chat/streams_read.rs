//! What providers stream, and what it means.

use std::fmt::Write as _;

use levity::ir::event::Event;
use levity::sse;
use proptest::prelude::*;

use crate::support::{Law, ORIGIN, fold, line, lines, stream_of, trace};

/// Checks the events of a stream, without its start.
#[track_caller]
fn check(chunks: &[&str], expected: &[&str]) {
    let trace = trace(&stream_of(chunks));
    let events = trace.lines().filter(|line| !line.starts_with("start "));
    let events: Vec<&str> = events.map(str::trim).collect();
    assert_eq!(events, expected);
}

fn delta(delta: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
}

fn finish(reason: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
}

/// Checks a stream of deltas that ends as it should.
#[track_caller]
fn check_deltas(deltas: &[&str], reason: &str, expected: &[&str]) {
    let mut chunks: Vec<String> = deltas.iter().map(|it| delta(it)).collect();
    chunks.push(finish(reason));
    chunks.push("[DONE]".into());
    let mut expected = expected.to_vec();
    expected.push("end uncounted");
    check(&chunks.iter().map(String::as_str).collect::<Vec<_>>(), &expected);
}

#[test]
fn openai_text() {
    let head = r#""id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"gpt-x","system_fingerprint":"fp""#;
    let stream = stream_of(&[
        &format!(
            r#"{{{head},"choices":[{{"index":0,"delta":{{"role":"assistant","content":"","refusal":null}},"logprobs":null,"finish_reason":null}}],"usage":null}}"#
        ),
        &format!(
            r#"{{{head},"choices":[{{"index":0,"delta":{{"content":"Hel"}},"finish_reason":null}}],"usage":null}}"#
        ),
        &format!(
            r#"{{{head},"choices":[{{"index":0,"delta":{{"content":"lo"}},"finish_reason":null}}],"usage":null}}"#
        ),
        &format!(
            r#"{{{head},"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"usage":null}}"#
        ),
        &format!(
            r#"{{{head},"choices":[],"usage":{{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{{"cached_tokens":3}},"completion_tokens_details":{{"reasoning_tokens":2}}}}}}"#
        ),
        "[DONE]",
    ]);
    let expected = "start chatcmpl-1 gpt-x 5\nopen 0 text\n  \"Hel\"\n  \"lo\"\nclose\nfinish 0 Stop\nend in 9 (3 read, 0 written) out 4 (2 thought)\n";
    assert_eq!(trace(&stream), expected);
}

#[test]
fn openai_parallel_calls() {
    check_deltas(
        &[
            r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"g","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        ],
        "tool_calls",
        &[
            "open 0 call call_a f Function",
            r#"args "{\"x\":""#,
            r#"args "1}""#,
            "close",
            "open 0 call call_b g Function",
            r#"args "{}""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn interleaved_calls_are_untangled() {
    check_deltas(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{\"y\":"}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"2"}}]}"#,
            r#"{"content":"meanwhile"}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}},{"index":1,"function":{"arguments":"}"}}]}"#,
        ],
        "tool_calls",
        &[
            "open 0 call a f Function",
            r#"args "{\"x\":""#,
            r#"args "1}""#,
            "close",
            "open 0 text",
            r#""meanwhile""#,
            "close",
            "open 0 call b g Function",
            r#"args "{\"y\":2""#,
            r#"args "}""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn calls_are_told_apart() {
    let calls = ["open 0 call a f Function", r#"args "{\"n\":1}""#, "close"];
    let others = ["open 0 call b f Function", r#"args "{\"n\":2}""#, "close", "finish 0 ToolCalls"];
    let expected: Vec<&str> = calls.into_iter().chain(others).collect();
    for (oddity, first, second) in [
        ("a first index of one", r#""index":1,"#, r#""index":2,"#),
        ("the same index", r#""index":0,"#, r#""index":0,"#),
        ("no index", "", ""),
        ("an index in a string", r#""index":"0","#, r#""index":"1","#),
    ] {
        let call = |index: &str, id: &str, n: u8| {
            format!(
                r#"{{"tool_calls":[{{{index}"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{\"n\":{n}}}"}}}}]}}"#
            )
        };
        println!("{oddity}");
        check_deltas(&[&call(first, "a", 1), &call(second, "b", 2)], "tool_calls", &expected);
    }
}

#[test]
fn calls_come_in_any_order() {
    let expected =
        ["open 0 call a f Function", r#"args "{\"n\":1}""#, "close", "finish 0 ToolCalls"];
    for (oddity, pieces) in [
        (
            "the name in a later piece",
            vec![
                r#""id":"a","function":{"name":""}"#,
                r#""function":{"name":"f","arguments":"{\"n\":1}"}"#,
            ],
        ),
        (
            "arguments before the name",
            vec![
                r#""id":"a","function":{"arguments":"{\"n\":1}"}"#,
                r#""function":{"name":"f","arguments":""}"#,
            ],
        ),
        (
            "the id last",
            vec![r#""function":{"name":"f"}"#, r#""id":"a","function":{"arguments":"{\"n\":1}"}"#],
        ),
        ("arguments as an object", vec![r#""id":"a","function":{"name":"f","arguments":{"n":1}}"#]),
        (
            "an object that is repeated",
            vec![
                r#""id":"a","function":{"name":"f","arguments":{"n":1}}"#,
                r#""id":"a","function":{"name":"f","arguments":{"n":1}}"#,
            ],
        ),
        (
            "nulls",
            vec![
                r#""id":"a","type":null,"function":{"name":"f","arguments":null}"#,
                r#""id":null,"type":null,"function":{"name":null,"arguments":"{\"n\":1}"}"#,
            ],
        ),
    ] {
        println!("{oddity}");
        let deltas: Vec<String> = pieces
            .iter()
            .map(|piece| format!(r#"{{"tool_calls":[{{"index":0,{piece}}}]}}"#))
            .collect();
        let deltas: Vec<&str> = deltas.iter().map(String::as_str).collect();
        check_deltas(&deltas, "tool_calls", &expected);
    }
}

#[test]
fn a_name_and_an_id_on_every_piece() {
    let piece = |id: &str, arguments: &str| {
        format!(
            r#"{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"f","arguments":"{arguments}"}}}}]}}"#
        )
    };
    check_deltas(
        &[&piece("a", r#"{\"n\""#), &piece("a", ":1}")],
        "tool_calls",
        &[
            "open 0 call a f Function",
            r#"args "{\"n\"""#,
            r#"args ":1}""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn ids_are_made_where_there_are_none() {
    check_deltas(
        &[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}"#,
        ],
        "stop",
        &[
            "open 0 call call_x7_0 f Function",
            r#"args "{}""#,
            "close",
            "open 0 call call_x7_1 f Function",
            r#"args "{}""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn a_call_without_arguments() {
    check_deltas(
        &[r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"ping","arguments":""}}]}"#],
        "tool_calls",
        &["open 0 call a ping Function", "close", "finish 0 ToolCalls"],
    );
}

#[test]
fn stubs_are_no_calls() {
    check_deltas(
        &[
            r#"{"content":"Hi","tool_calls":[]}"#,
            r#"{"content":null,"tool_calls":null,"function_call":null}"#,
            r#"{"tool_calls":[{"index":0,"function":{"name":"","arguments":""}}]}"#,
        ],
        "stop",
        &["open 0 text", r#""Hi""#, "close", "finish 0 Stop"],
    );
}

#[test]
fn arguments_for_nobody_are_a_failure() {
    check_deltas_fail(
        &[r#"{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{}"}}]}"#],
        "fail 502 the provider called a tool without saying which",
    );
}

#[track_caller]
fn check_deltas_fail(deltas: &[&str], failure: &str) {
    let mut chunks: Vec<String> = deltas.iter().map(|it| delta(it)).collect();
    chunks.extend([finish("tool_calls"), "[DONE]".into()]);
    check(&chunks.iter().map(String::as_str).collect::<Vec<_>>(), &[failure]);
}

#[test]
fn arguments_that_are_cut_off() {
    check_deltas(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\": \"ab"}}]}"#,
        ],
        "length",
        &["open 0 call a f Function", r#"args "{\"x\": \"ab""#, "close", "finish 0 Length"],
    );
}

#[test]
fn the_deprecated_function_call() {
    check_deltas(
        &[
            r#"{"role":"assistant","function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{\"x\":1}"}}"#,
        ],
        "function_call",
        &["open 0 call call_x7_0 f Function", r#"args "{\"x\":1}""#, "close", "finish 0 ToolCalls"],
    );
}

#[test]
fn custom_tools() {
    check_deltas(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"patch","input":"*** "}}]}"#,
            r#"{"tool_calls":[{"index":0,"custom":{"input":"Begin"}}]}"#,
        ],
        "tool_calls",
        &[
            "open 0 call a patch Custom",
            r#"args "*** ""#,
            r#"args "Begin""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn thinking_in_each_field() {
    for (delta, field) in [
        (r#"{"reasoning_content":"Hm"}"#, "reasoning_content"),
        (r#"{"reasoning":"Hm"}"#, "reasoning"),
        (r#"{"reasoning_content":"Hm","reasoning":"Hm"}"#, "reasoning_content"),
        (r#"{"reasoning_content":"","reasoning":"Hm","content":""}"#, "reasoning"),
    ] {
        let seal = format!("seal Reasoning acme/chat {field}");
        check_deltas(
            &[delta, r#"{"content":"Hi"}"#],
            "stop",
            &[
                "open 0 reasoning",
                r#""Hm""#,
                &seal,
                "close",
                "open 0 text",
                r#""Hi""#,
                "close",
                "finish 0 Stop",
            ],
        );
    }
}

#[test]
fn mistral_thinks_in_its_content() {
    check_deltas(
        &[
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}"#,
            r#"{"content":[{"type":"text","text":"Hi"}]}"#,
            r#"{"content":"!"}"#,
        ],
        "stop",
        &[
            "open 0 reasoning",
            r#""Hm""#,
            "close",
            "open 0 text",
            r#""Hi""#,
            r#""!""#,
            "close",
            "finish 0 Stop",
        ],
    );
}

#[test]
fn openrouter_details_are_kept() {
    check_deltas(
        &[
            r#"{"reasoning":"I ","reasoning_details":[{"type":"reasoning.text","text":"I ","index":0}]}"#,
            r#"{"reasoning":"ponder","reasoning_details":[{"type":"reasoning.text","text":"ponder","index":0}]}"#,
            r#"{"content":"","reasoning_details":[{"type":"reasoning.text","signature":"S+/=","index":0}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"AA==","id":"rs","index":1}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
        ],
        "tool_calls",
        &[
            "open 0 reasoning",
            r#""I ""#,
            r#""ponder""#,
            r#"seal Details acme/chat [{"type":"reasoning.text","index":0,"signature":"S+/=","text":"I ponder"},{"type":"reasoning.encrypted","data":"AA==","id":"rs","index":1}]"#,
            "close",
            "open 0 call a f Function",
            r#"args "{}""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn details_without_readable_thinking() {
    let encrypted = r#"{"type":"reasoning.encrypted","data":"AA==","index":0}"#;
    check_deltas(
        &[
            &format!(r#"{{"content":"","reasoning_details":[{encrypted}]}}"#),
            r#"{"content":"Look"}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
        ],
        "tool_calls",
        &[
            "open 0 text",
            r#""Look""#,
            "close",
            "open 0 reasoning",
            &format!("seal Details acme/chat [{encrypted}]"),
            "close",
            "open 0 call a f Function",
            r#"args "{}""#,
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn google_signs_calls() {
    check_deltas(
        &[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"AB+/"}}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"b","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"extra_content":{"google":{"thought_signature":"CD=="}}}]}"#,
        ],
        "tool_calls",
        &[
            "open 0 call a f Function seal Call acme/chat AB+/",
            r#"args "{}""#,
            "close",
            "open 0 call b f Function",
            r#"args "{}""#,
            "seal Call acme/chat CD==",
            "close",
            "finish 0 ToolCalls",
        ],
    );
}

#[test]
fn refusals_citations_images_logprobs() {
    check_deltas(
        &[r#"{"refusal":"I "}"#, r#"{"refusal":"cannot"}"#],
        "stop",
        &["open 0 refusal", r#""I ""#, r#""cannot""#, "close", "finish 0 ContentFilter"],
    );
    check_deltas(
        &[
            r#"{"content":"See a."}"#,
            r#"{"content":"","annotations":[{"type":"url_citation","url_citation":{"url":"https://a","title":"A","start_index":4,"end_index":5}},{"type":"file","file":{"hash":"h"}}]}"#,
            r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}"#,
        ],
        "stop",
        &[
            "open 0 text",
            r#""See a.""#,
            r#"cites https://a "A" Some((4, 5))"#,
            "close",
            "open 0 image image/png AAAA",
            "close",
            "finish 0 Stop",
        ],
    );
    check(
        &[
            r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":{"content":[{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[]}],"refusal":null}}]}"#,
            &finish("stop"),
            "[DONE]",
        ],
        &[
            "open 0 text",
            r#""Hi""#,
            r#"logprobs [("Hi", -0.5)]"#,
            "close",
            "finish 0 Stop",
            "end uncounted",
        ],
    );
}

#[test]
fn perplexity_names_its_sources_beside_the_choices() {
    let chunk = |content: &str| {
        format!(
            r#"{{"citations":["https://a","https://b"],"search_results":[{{"title":"A","url":"https://a","date":null}}],"choices":[{{"index":0,"message":{{"role":"assistant","content":"all so far"}},"delta":{{"content":"{content}"}},"finish_reason":null}}]}}"#
        )
    };
    check(
        &[&chunk("Yes"), &chunk("!"), &finish("stop"), "[DONE]"],
        &[
            "open 0 text",
            r#""Yes""#,
            r#""!""#,
            r#"cites https://a "A" None"#,
            "close",
            "finish 0 Stop",
            "end uncounted",
        ],
    );
}

#[test]
fn usage_wherever_it_stands() {
    let text = delta(r#"{"content":"Hi"}"#);
    let counted = "end in 7 (0 read, 0 written) out 3 (0 thought)";
    let usage = r#""usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}"#;
    let events = ["open 0 text", r#""Hi""#, "close", "finish 0 Stop", counted];
    let early = format!(r#"{{"choices":[],{}}}"#, usage.replace('7', "5"));
    let with_finish = format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],{usage}}}"#);
    let groq = format!(
        r#"{{"choices":[{{"delta":{{}},"finish_reason":"stop"}}],"x_groq":{{"id":"r",{usage}}}}}"#
    );
    let late = format!(r#"{{"choices":[],{usage}}}"#);
    check(&[&text, &with_finish, "[DONE]"], &events);
    check(&[&early, &text, &with_finish, "[DONE]"], &events);
    check(&[&text, &groq, "[DONE]"], &events);
    check(&[&text, &finish("stop"), &late], &events);
    check(&[&text, &finish("stop"), &late, &late, "[DONE]", "[DONE]", &text], &events);
}

#[test]
fn what_counts_as_an_end() {
    let text = delta(r#"{"content":"Hi"}"#);
    let said = ["open 0 text", r#""Hi""#, "close"];
    let good: Vec<&str> = said.into_iter().chain(["finish 0 Stop", "end uncounted"]).collect();
    let broken = "fail 502 the provider's stream broke off before the end of the answer";
    let bad: Vec<&str> = said.into_iter().take(2).chain([broken]).collect();
    let empty = delta(r#"{"content":""}"#).replace("null", "\"\"");
    check(&[&text, &finish("stop")], &good);
    check(&[&text, &finish("stop"), &finish("stop"), "[DONE]"], &good);
    check(&[&empty, &text, &empty, &finish("stop"), "[DONE]"], &good);
    check(&[&text, "[DONE]"], &good);
    check(&[&text], &bad);
    check(&[&empty], &[broken]);
    check(&[], &[broken]);
    check(&["[DONE]"], &["fail 502 the provider's answer holds nothing"]);
    check(&[&empty, "[DONE]"], &["fail 502 the provider's answer holds nothing"]);
    check(&[&finish("content_filter"), "[DONE]"], &["finish 0 ContentFilter", "end uncounted"]);
}

#[test]
fn errors_in_the_stream() {
    let text = delta(r#"{"content":"Hi"}"#);
    for (event, failure) in [
        (
            r#"{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}"#,
            "fail 502 The server had an error",
        ),
        (
            r#"{"id":"gen-1","error":{"code":429,"message":"slow down"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            "fail 429 slow down",
        ),
        (
            r#"{"object":"error","message":"too long","type":"BadRequestError","code":400}"#,
            "fail 400 too long",
        ),
        (r#"{"error":"overloaded"}"#, "fail 502 overloaded"),
    ] {
        check(&[&text, event, &finish("stop"), "[DONE]"], &["open 0 text", r#""Hi""#, failure]);
        check(&[event], &[failure]);
    }
    let failed = "fail 502 the provider ended its answer with an error";
    check(&[&text, &finish("error"), "[DONE]"], &["open 0 text", r#""Hi""#, "close", failed]);
    let trace = trace(&stream_of(&[&text, "{\"this is\": not json,,"]));
    assert!(trace.contains("fail 502 the provider's stream cannot be read"), "{trace}");
}

#[test]
fn chunks_that_say_nothing() {
    check(
        &[
            r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
            r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"index":0,"message":{"content":"Hi"}}]}"#,
            r#"{"choices":[{"index":0,"delta":null,"finish_reason":"stop"}]}"#,
            "[DONE]",
        ],
        &["open 0 text", r#""Hi""#, "close", "finish 0 Stop", "end uncounted"],
    );
}

#[test]
fn several_answers_are_told_one_after_the_other() {
    let say = |index: u8, text: &str| {
        format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"{text}"}}}}]}}"#)
    };
    let end = |index: u8| {
        format!(r#"{{"choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#)
    };
    check(
        &[&say(0, "a"), &say(1, "x"), &say(0, "b"), &end(0), &say(1, "y"), &end(1), "[DONE]"],
        &[
            "open 0 text",
            r#""a""#,
            r#""b""#,
            "close",
            "finish 0 Stop",
            "open 1 text",
            r#""x""#,
            r#""y""#,
            "close",
            "finish 1 Stop",
            "end uncounted",
        ],
    );
    check(
        &[&say(1, "x"), &say(0, "a"), &end(1)],
        &[
            "open 1 text",
            r#""x""#,
            "close",
            "finish 1 Stop",
            "open 0 text",
            r#""a""#,
            "fail 502 the provider's stream broke off before the end of the answer",
        ],
    );
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    for name in ["text", "thinking_calls", "details_calls", "citations", "refusal", "two_answers"] {
        let base = format!("{}/tests/fixtures/openai_chat/{name}", env!("CARGO_MANIFEST_DIR"));
        let stream = std::fs::read(format!("{base}.sse")).unwrap();
        let whole = std::fs::read(format!("{base}.json")).unwrap();
        let whole = levity::dialects::openai_chat::response::parse(&whole, ORIGIN).unwrap();
        assert_eq!(lines(&fold(&stream).unwrap()), lines(&whole), "{name}");
        cut_everywhere(&stream);
    }
}

/// Cut between any two events the law holds; cut between any two bytes the events are the same.
fn cut_everywhere(stream: &[u8]) {
    let text = std::str::from_utf8(stream).unwrap();
    for (at, _) in text.match_indices("\n\n") {
        let _ = fold(&stream[..at + 2]);
    }
    let whole = trace(text);
    for at in 0..stream.len() {
        let (mut lines, mut law) = (String::new(), Law::default());
        let mut each = |event: &Event<'_>| {
            law.see(event);
            line(event, &mut lines);
        };
        let mut parser = levity::dialects::openai_chat::stream::Parser::new(ORIGIN);
        let mut decoder = sse::Decoder::new();
        for half in [&stream[..at], &stream[at..]] {
            decoder.push(half, |event| parser.push(event, &mut each));
        }
        decoder.finish(|event| parser.push(event, &mut each));
        parser.finish(&mut each);
        assert_eq!(lines, whole, "cut at {at}");
    }
}

/// Pieces of chunks, likely and unlikely.
fn piece() -> impl Strategy<Value = String> {
    let texts = ["{", "}", "{}", "a", "\\\"", "", "{\\\"x\\\":1}"];
    let text = prop::sample::select(texts.to_vec());
    let call = (0..3_u8, prop::bool::ANY, prop::bool::ANY, text.clone()).prop_map(
        |(index, id, name, arguments)| {
            let id = if id { format!(r#""id":"c{index}","#) } else { String::new() };
            let name = if name { r#""name":"f","# } else { "" };
            format!(
                r#""tool_calls":[{{"index":{index},{id}"function":{{{name}"arguments":"{arguments}"}}}}]"#
            )
        },
    );
    let field = prop::sample::select(vec!["content", "reasoning", "reasoning_content", "refusal"]);
    let said = (field, text).prop_map(|(field, text)| format!(r#""{field}":"{text}""#));
    let reason = prop::sample::select(vec!["null", "\"\"", "\"stop\"", "\"length\"", "\"error\""]);
    (0..2_u8, prop_oneof![call, said], reason).prop_map(|(index, delta, reason)| {
        format!(
            r#"{{"choices":[{{"index":{index},"delta":{{{delta}}},"finish_reason":{reason}}}]}}"#
        )
    })
}

proptest! {
    #[test]
    fn any_order_of_pieces_keeps_the_law(
        pieces in prop::collection::vec(piece(), 0..12),
        done in prop::bool::ANY,
    ) {
        let mut stream = pieces.iter().fold(String::new(), |mut all, piece| {
            let _ = write!(all, "data: {piece}\n\n");
            all
        });
        if done {
            stream.push_str("data: [DONE]\n\n");
        }
        let _ = fold(stream.as_bytes());
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut stream = b"data: ".to_vec();
        stream.extend(bytes);
        let _ = fold(&stream);
    }
}
