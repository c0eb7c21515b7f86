//! An account's stream, read.

use levity::dialects::{self, StreamParser};
use levity::ir::error::ErrorKind;
use levity::ir::event::Event;
use levity::sse;
use proptest::prelude::*;

use crate::answer::ANSWERS;
use crate::support::{ORIGIN, RESPONSES, events, fixture, folded, steps};

const BROKEN: [&str; 5] = ["error_flat", "error_nested", "failed", "cut_off", "garbage"];

#[test]
fn a_stream_adds_up_to_the_whole_answer() {
    for (name, _) in ANSWERS {
        let whole = fixture(&format!("{name}.json"));
        let whole = dialects::parse_response(RESPONSES, &whole, ORIGIN).unwrap();
        let mut streamed = folded(&fixture(&format!("{name}.sse"))).unwrap();
        if name == "raw_thoughts_interleaved" || name == "bare_events" {
            // Its `response.created` is missing or its ids differ; nothing else does.
            streamed.id = whole.id.clone();
            streamed.model = whole.model.clone();
            streamed.created = whole.created;
        }
        assert_eq!(format!("{streamed:?}"), format!("{whole:?}"), "{name}");
    }
}

#[test]
fn broken_streams_fail() {
    let cases = [
        ("error_flat", ErrorKind::Internal, "it broke"),
        ("error_nested", ErrorKind::RateLimit, "too many tokens"),
        ("failed", ErrorKind::Overloaded, "busy"),
        ("cut_off", ErrorKind::Internal, "broke off"),
        ("garbage", ErrorKind::Internal, "cannot be read"),
    ];
    for (name, kind, message) in cases {
        let error = folded(&fixture(&format!("{name}.sse"))).unwrap_err();
        assert_eq!(error.kind, kind, "{name}");
        assert!(error.message.contains(message), "{name}: {}", error.message);
    }
}

#[test]
fn nothing_comes_after_the_end() {
    for (name, _) in ANSWERS {
        let stream = fixture(&format!("{name}.sse"));
        let twice = [stream.as_slice(), stream.as_slice()].concat();
        assert_eq!(steps(&twice, usize::MAX), steps(&stream, usize::MAX), "{name}");
    }
}

/// Every prefix obeys the grammar, and none but the whole ends well.
#[test]
fn a_stream_cut_anywhere_fails() {
    let names = ANSWERS.iter().map(|(name, _)| *name).chain(BROKEN);
    for name in names {
        let stream = fixture(&format!("{name}.sse"));
        let all = events(&stream).len();
        for take in 0..all {
            let steps = steps(&stream, take);
            let failed = steps.last().unwrap().starts_with("Fail(");
            let done = events(&stream).get(take).is_some_and(|(_, data)| data == "[DONE]");
            assert!(failed || done, "{name} cut before event {take}");
        }
    }
}

#[test]
fn bytes_cut_anywhere_give_the_same() {
    let stream = fixture("text.sse");
    let expected = steps(&stream, usize::MAX);
    for cut in (0..stream.len()).step_by(7) {
        let mut parser = StreamParser::new(RESPONSES, ORIGIN);
        let mut decoder = sse::Decoder::new();
        let mut steps = Vec::new();
        let mut each = |event: &Event<'_>| steps.push(format!("{event:?}"));
        let (first, second) = stream.split_at(cut);
        decoder.push(first, |event| parser.push(event, &mut each));
        decoder.push(second, |event| parser.push(event, &mut each));
        decoder.finish(|event| parser.push(event, &mut each));
        parser.finish(&mut each);
        assert_eq!(steps, expected, "cut at {cut}");
    }
}

/// The text does not wait for thoughts that end after it.
#[test]
fn text_is_not_held_back() {
    let stream = fixture("raw_thoughts_interleaved.sse");
    let before = events(&stream).iter().position(|(_, data)| data.contains("\"Sev\"")).unwrap();
    let steps = steps(&stream, before + 1);
    assert!(steps.iter().any(|step| step.contains("Sev")), "{steps:?}");
}

/// One call's arguments are not mixed into the other's, and the first one's leave at once.
#[test]
fn calls_at_the_same_time() {
    let stream = fixture("reasoning_and_calls.sse");
    let first = events(&stream)
        .iter()
        .position(|(_, data)| data.contains(r#""delta": "{\"city\":""#))
        .unwrap();
    let steps = steps(&stream, first + 1);
    assert!(steps.iter().any(|step| step.contains("Arguments")), "{steps:?}");
}

#[test]
fn a_provider_that_contradicts_itself_is_believed_the_first_time() {
    let stream = concat!(
        r#"data: {"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m"}}"#,
        "\n\n",
        r#"data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"One."}"#,
        "\n\n",
        r#"data: {"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Two, and more."}"#,
        "\n\n",
        r#"data: {"type":"response.completed","response":{"status":"completed","output":[{"type":"message","id":"m","content":[{"type":"output_text","text":"Two, and more."}]}]}}"#,
        "\n\n",
    );
    let steps = steps(stream.as_bytes(), usize::MAX);
    let said: Vec<&String> = steps.iter().filter(|step| step.starts_with("Delta")).collect();
    assert_eq!(said, ["Delta(Text(\"One.\"))"]);
}

/// Events that name no item mean the one that came last.
#[test]
fn events_without_ids_and_indexes() {
    let stream = concat!(
        r#"data: {"type":"response.output_item.added","item":{"type":"reasoning"}}"#,
        "\n\n",
        r#"data: {"type":"response.reasoning_summary_text.delta","delta":"Hm"}"#,
        "\n\n",
        r#"data: {"type":"response.output_item.done","item":{"type":"reasoning","summary":[{"text":"Hm"}]}}"#,
        "\n\n",
        r#"data: {"type":"response.output_text.delta","delta":"A"}"#,
        "\n\n",
        r#"data: {"type":"response.output_text.delta","delta":"B"}"#,
        "\n\n",
        "data:\n\n",
        r#"data: {"type":"response.completed","response":{"id":"","status":"completed","output":[{"type":"reasoning","summary":[{"text":"Hm"}]},{"type":"message","content":[{"type":"output_text","text":"AB"}]}]}}"#,
        "\n\n",
    );
    let response = folded(stream.as_bytes()).unwrap();
    assert_eq!(response.id, "resp_x1");
    let words = format!("{:?}", response.candidates[0].blocks);
    assert_eq!(
        words,
        r#"[Reasoning { text: "Hm", seal: None }, Text { text: "AB", citations: [], logprobs: [] }]"#
    );
}

#[test]
fn arguments_before_the_name() {
    let stream = concat!(
        r#"data: {"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\""}"#,
        "\n\n",
        r#"data: {"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"}}"#,
        "\n\n",
        r#"data: {"type":"response.completed","response":{"status":"completed","output":[]}}"#,
        "\n\n",
    );
    let response = folded(stream.as_bytes()).unwrap();
    let words = format!("{:?}", response.candidates[0]);
    assert!(words.contains(r#"name: "f""#) && words.contains(r#"{\"a\":1}"#), "{words}");
}

proptest! {
    #[test]
    fn no_input_makes_a_parser_panic(data in ".{0,200}") {
        let body = data.as_bytes();
        let _ = dialects::parse_request(RESPONSES, body, dialects::Path::default());
        let _ = dialects::parse_response(RESPONSES, body, ORIGIN);
        let _ = dialects::parse_error(RESPONSES, 500, body);
        let mut parser = StreamParser::new(RESPONSES, ORIGIN);
        parser.push(&sse::Event { name: "".into(), data: data.as_str().into() }, &mut |_| {});
        parser.finish(&mut |_| {});
    }

    /// Events in any order, some twice, some never: still a legal stream.
    #[test]
    fn any_order_of_events_is_a_legal_stream(
        name in prop::sample::select(ANSWERS.map(|(name, _)| name).to_vec()),
        order in prop::collection::vec(0_usize..60, 0..40),
    ) {
        let events = events(&fixture(&format!("{name}.sse")));
        let mut stream = String::new();
        for index in order {
            if let Some((name, data)) = events.get(index) {
                stream += &format!("event: {name}\ndata: {data}\n\n");
            }
        }
        steps(stream.as_bytes(), usize::MAX);
    }

    /// Members of the wrong type, or none.
    #[test]
    fn any_event_of_the_right_name_is_survived(
        kind in prop::sample::select(vec![
            "response.created", "response.output_item.added", "response.output_item.done",
            "response.output_text.delta", "response.output_text.annotation.added",
            "response.reasoning_summary_text.delta", "response.function_call_arguments.done",
            "response.completed", "response.failed", "error", "response.content_part.done",
        ]),
        member in prop::sample::select(vec![
            "item", "response", "delta", "output_index", "annotation", "part", "error", "text",
        ]),
        value in prop::sample::select(vec![
            "null", "1", "-1", "1e300", "\"x\"", "[]", "{}", "{\"type\":\"message\",\"content\":5}",
            "{\"output\":[{\"type\":\"message\",\"content\":[{}]}],\"usage\":{\"input_tokens\":-4.5}}",
            "{\"type\":\"function_call\",\"arguments\":{}}", "{\"type\":\"reasoning\",\"summary\":\"s\"}",
        ]),
    ) {
        let stream = format!("data: {{\"type\":\"{kind}\",\"{member}\":{value}}}\n\n");
        let twice = format!("{stream}{stream}");
        steps(twice.as_bytes(), usize::MAX);
    }
}
