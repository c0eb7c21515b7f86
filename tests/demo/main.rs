//! The demo upstream, in every dialect, whole and streamed.
#![expect(clippy::disallowed_types, reason = "answers are compared as JSON")]
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may stop at what it did not expect"
)]
#![expect(clippy::print_stdout, reason = "says where a test that asks everywhere has stopped")]

mod ask;
mod fold;
mod hear;
mod refuse;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use levity::demo;
use levity::dialects::Dialect;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use crate::ask::{Form, RESULT, Wish, arguments_schema, request, say, with_tools};
use crate::hear::{Heard, string};

const FORMS: [(Dialect, Form); 9] = [
    (Dialect::OpenAiChat, Form::Whole),
    (Dialect::OpenAiChat, Form::Stream),
    (Dialect::OpenAiResponses, Form::Whole),
    (Dialect::OpenAiResponses, Form::Stream),
    (Dialect::Anthropic, Form::Whole),
    (Dialect::Anthropic, Form::Stream),
    (Dialect::Gemini, Form::Whole),
    (Dialect::Gemini, Form::Stream),
    (Dialect::Gemini, Form::Array),
];

/// Sends a request; what came back, and as which content type.
async fn send(method: &str, path: &str, body: String) -> (StatusCode, String, String) {
    send_with(method, path, body, ("x-nothing", "")).await
}

async fn send_with(
    method: &str,
    path: &str,
    body: String,
    header: (&str, &str),
) -> (StatusCode, String, String) {
    let request = Request::builder().method(method).uri(path).header(header.0, header.1);
    let request = request.body(Body::from(body)).unwrap();
    let response = demo::router(Duration::ZERO).oneshot(request).await.unwrap();
    let status = response.status();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, kind, String::from_utf8(body.to_vec()).unwrap())
}

/// What the demo answers to a wish.
async fn hear(dialect: Dialect, form: Form, wish: &Wish) -> Heard {
    let (path, body) = request(dialect, form, wish);
    let (status, kind, answer) = send("POST", &path, body.to_string()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let answer: Value = match form {
        Form::Stream => {
            assert_eq!(kind, "text/event-stream");
            fold::fold(dialect, &answer)
        }
        Form::Array => fold::gemini(&serde_json::from_str::<Vec<_>>(&answer).unwrap()),
        Form::Whole => serde_json::from_str(&answer).unwrap(),
    };
    hear::whole(dialect, &answer)
}

/// Asks in every dialect and form, and has each answer checked.
async fn everywhere(wish: Wish, check: impl Fn(Dialect, Heard)) {
    for (dialect, form) in FORMS {
        println!("{dialect} {form:?}");
        check(dialect, hear(dialect, form, &wish).await);
    }
}

fn finish(dialect: Dialect, names: [&str; 4]) -> String {
    let place = Dialect::ALL.iter().position(|other| *other == dialect).unwrap();
    names[place].to_owned()
}

const STOP: [&str; 4] = ["stop", "completed", "end_turn", "STOP"];
const LENGTH: [&str; 4] = ["length", "incomplete", "max_tokens", "MAX_TOKENS"];
const CALLS: [&str; 4] = ["tool_calls", "completed", "tool_use", "STOP"];

#[tokio::test]
async fn says_again_what_was_said() {
    everywhere(say("good  morning,\nünïcode 🎉"), |dialect, heard| {
        let text = "Levity demo (no model was asked). You said: good  morning,\nünïcode 🎉";
        assert_eq!(heard.text, text);
        assert_eq!(heard.finish, finish(dialect, STOP));
        assert_eq!((heard.thinking.as_str(), heard.calls.len()), ("", 0));
    })
    .await;
}

#[tokio::test]
async fn a_stream_adds_up_to_the_whole_answer() {
    let schema = Some(arguments_schema());
    for wish in [
        say("hello"),
        with_tools("get_time and get_weather"),
        Wish { thinking: true, ..with_tools("use the tool") },
        Wish { thinking: true, schema, ..say("hello") },
        Wish { thinking: true, max_tokens: Some(25), ..say("hello") },
    ] {
        for (dialect, form) in FORMS {
            let whole = hear(dialect, Form::Whole, &wish).await;
            let streamed = hear(dialect, form, &wish).await;
            assert_eq!(whole.without_ids(), streamed.without_ids(), "{dialect} {form:?}");
        }
    }
}

#[tokio::test]
async fn counts_a_token_for_four_characters() {
    everywhere(say("12345678"), |_, heard| {
        assert_eq!(heard.input_tokens, 2);
        let characters = "Levity demo (no model was asked). You said: 12345678".len();
        assert_eq!(heard.output_tokens, characters.div_ceil(4) as u64);
        assert_eq!(heard.thinking_tokens.unwrap_or(0), 0);
    })
    .await;
}

#[tokio::test]
async fn calls_the_first_tool_when_asked_to() {
    for question in ["please Use the tool", "call a tool!"] {
        everywhere(with_tools(question), |dialect, heard| {
            let [(id, name, arguments)] = heard.calls.as_slice() else { panic!("{heard:?}") };
            assert!(!id.is_empty());
            assert_eq!(name, "get_weather");
            // `note` is not required.
            assert_eq!(*arguments, json!({ "city": question, "days": 1, "unit": "celsius" }));
            assert_eq!(heard.finish, finish(dialect, CALLS));
            assert_eq!(heard.text, "");
        })
        .await;
    }
}

#[tokio::test]
async fn calls_the_tools_that_are_named_in_parallel() {
    everywhere(with_tools("get_time, then get_weather"), |_, heard| {
        let names: Vec<_> = heard.calls.iter().map(|(_, name, _)| name.as_str()).collect();
        assert_eq!(names, ["get_time", "get_weather"]);
        assert_ne!(heard.calls[0].0, heard.calls[1].0);
    })
    .await;
    everywhere(with_tools("the get_timer of get_time_zone"), |_, heard| {
        assert_eq!(heard.calls, []);
    })
    .await;
}

#[tokio::test]
async fn calls_one_at_a_time_where_the_dialect_can_say_so() {
    let wish = Wish { sequential: true, ..with_tools("get_time, then get_weather") };
    everywhere(wish, |dialect, heard| {
        let expected = if dialect == Dialect::Gemini { 2 } else { 1 };
        assert_eq!(heard.calls.len(), expected);
    })
    .await;
}

#[tokio::test]
async fn tool_choice_is_obeyed() {
    for (choice, question, expected) in [
        ("any", "hello", Some("get_weather")),
        ("any", "get_time", Some("get_time")),
        ("get_time", "hello", Some("get_time")),
        ("none", "use the tool get_time", None),
        ("auto", "hello", None),
    ] {
        let wish = Wish { choice: Some(choice), ..with_tools(question) };
        everywhere(wish, |_, heard| {
            assert_eq!(heard.calls.first().map(|(_, name, _)| name.as_str()), expected);
        })
        .await;
    }
}

#[tokio::test]
async fn quotes_the_tools_results_and_calls_no_more() {
    for choice in [None, Some("any")] {
        let wish = Wish { choice, ..with_tools("get_time, then get_weather") };
        for (dialect, form) in FORMS {
            let called = hear(dialect, form, &wish).await;
            let heard = hear(dialect, form, &wish.clone().after(&called)).await;
            assert_eq!(heard.calls, []);
            assert!(heard.text.contains("The tool said: "), "{}", heard.text);
            assert_eq!(heard.text.matches(RESULT).count(), 2);
            assert_eq!(heard.finish, finish(dialect, STOP));
        }
    }
}

#[tokio::test]
async fn thinks_when_asked_to() {
    for wish in [say("hello"), with_tools("use the tool")] {
        everywhere(Wish { thinking: true, ..wish }, |dialect, heard| {
            assert!(heard.thinking.starts_with("This is the demo"));
            assert_eq!(heard.sealed, dialect != Dialect::OpenAiChat);
            if dialect != Dialect::Anthropic {
                assert_eq!(heard.thinking_tokens, Some(19));
            }
            assert!(heard.output_tokens > 19);
        })
        .await;
    }
}

#[tokio::test]
async fn fills_a_schema() {
    let schema = Some(arguments_schema());
    everywhere(Wish { schema, ..say("Paris") }, |_, heard| {
        let instance: Value = serde_json::from_str(&heard.text).unwrap();
        assert_eq!(instance, json!({ "city": "Paris", "days": 1, "unit": "celsius" }));
    })
    .await;
}

#[tokio::test]
async fn ends_at_the_longest_length() {
    everywhere(Wish { max_tokens: Some(3), ..say("hello") }, |dialect, heard| {
        assert_eq!(heard.text, "Levity demo ");
        assert_eq!(heard.output_tokens, 3);
        assert_eq!(heard.finish, finish(dialect, LENGTH));
    })
    .await;
    let wish = Wish { max_tokens: Some(2), thinking: true, ..with_tools("use the tool") };
    everywhere(wish, |dialect, heard| {
        assert_eq!((heard.thinking.as_str(), heard.text.as_str()), ("This is ", ""));
        assert_eq!(heard.calls, []);
        assert_eq!(heard.finish, finish(dialect, LENGTH));
    })
    .await;
}

#[tokio::test]
async fn ends_at_a_stop_sequence() {
    everywhere(Wish { stop: Some("model"), ..say("hello") }, |dialect, heard| {
        if dialect == Dialect::OpenAiResponses {
            return;
        }
        assert_eq!(heard.text, "Levity demo (no ");
        assert_eq!(heard.finish, finish(dialect, ["stop", "", "stop_sequence", "STOP"]));
    })
    .await;
}

#[tokio::test]
async fn a_chat_stream_has_usage_only_on_demand() {
    let (path, mut body) = request(Dialect::OpenAiChat, Form::Stream, &say("hello"));
    body.as_object_mut().unwrap().remove("stream_options");
    let (_, _, stream) = send("POST", &path, body.to_string()).await;
    assert!(!stream.contains("usage"));
    assert!(stream.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_custom_tool_gets_text() {
    let tool = json!({ "type": "custom", "name": "shell" });
    let body = json!({ "model": "m", "input": "use the tool", "tools": [tool], "stream": true });
    let (_, _, stream) = send("POST", "/v1/responses", body.to_string()).await;
    assert!(stream.contains("event: response.custom_tool_call_input.done"));
    let tool = json!({ "type": "custom", "custom": { "name": "shell" } });
    let messages = json!([{ "role": "user", "content": "use the tool" }]);
    let body = json!({ "model": "m", "messages": messages, "tools": [tool] });
    let (_, _, answer) = send("POST", "/v1/chat/completions", body.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let call = &answer["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["custom"], json!({ "name": "shell", "input": "use the tool" }));
}

#[tokio::test]
async fn a_long_prompt_is_cut_and_asks_for_no_call() {
    let question: &'static str = String::leak("get_time ".repeat(1000));
    everywhere(with_tools(question), |_, heard| {
        assert!(heard.text.ends_with("… (8000 more characters)"));
        assert!(heard.text.len() < 1200);
    })
    .await;
}

#[tokio::test]
async fn counts_tokens() {
    for (path, body, field) in [
        ("/v1/responses/input_tokens", json!({ "model": "m", "input": "12345" }), "input_tokens"),
        (
            "/v1/messages/count_tokens",
            json!({ "model": "m", "messages": [{ "role": "user", "content": "12345" }] }),
            "input_tokens",
        ),
        (
            "/v1beta/models/m:countTokens",
            json!({ "contents": [{ "parts": [{ "text": "12345" }] }] }),
            "totalTokens",
        ),
        (
            "/v1/models/m:countTokens",
            json!({ "generateContentRequest": {
                "contents": [{ "parts": [{ "text": "12345" }] }],
            }}),
            "totalTokens",
        ),
    ] {
        let (_, _, answer) = send("POST", path, body.to_string()).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer[field], 2, "{path}");
    }
}

#[tokio::test]
async fn embeds_the_same_text_in_the_same_way() {
    let body = json!({ "model": "m", "input": ["a", "b", "a"] });
    let (_, _, answer) = send("POST", "/v1/embeddings", body.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let vector = |index: usize| answer["data"][index]["embedding"].as_array().unwrap();
    assert_eq!(vector(0).len(), 8);
    assert_eq!(vector(0), vector(2));
    assert_ne!(vector(0), vector(1));

    let body = json!({ "model": "m", "input": "a", "encoding_format": "base64", "dimensions": 3 });
    let (_, _, answer) = send("POST", "/v1/embeddings", body.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    // Three numbers of four bytes.
    assert_eq!(string(&answer["data"][0]["embedding"]).len(), 16);

    let one = json!({ "content": { "parts": [{ "text": "a" }] }, "outputDimensionality": 5 });
    let (_, _, answer) = send("POST", "/v1beta/models/m:embedContent", one.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["embedding"]["values"].as_array().unwrap().len(), 5);

    let many = json!({ "requests": [one, one] });
    let (_, _, answer) = send("POST", "/v1/models/m:batchEmbedContents", many.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["embeddings"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn serves_until_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(demo::serve(listener, async { stopped.await.unwrap() }));
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(b"GET /v1/models HTTP/1.1\r\nhost: demo\r\n\r\n").await.unwrap();
    let mut beginning = [0; 15];
    connection.read_exact(&mut beginning).await.unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200 OK");
    stop.send(()).unwrap();
    served.await.unwrap().unwrap();
}
