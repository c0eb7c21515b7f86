//! However a provider ends, the client hears one end: its dialect's own, or its dialect's error.

use crate::exchange::{asked, retell};
use levity::dialects::Dialect;

/// Whether the answer came to its end, where that is beyond doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    Whole,
    Broken,
    Either,
}
use Comes::{Broken, Either, Whole};

/// Endings of a Chat Completions stream: its chunks' choices, or the data itself.
const CHAT: &[(&str, Comes, &[&str])] = &[
    (
        "clean",
        Whole,
        &[r#"{"delta":{"content":"Hi"}}"#, r#"{"delta":{},"finish_reason":"stop"}"#, "[DONE]"],
    ),
    (
        "finish with the last text",
        Whole,
        &[r#"{"delta":{"content":"Hi"},"finish_reason":"stop"}"#, "[DONE]"],
    ),
    (
        "blank finish on each chunk",
        Whole,
        &[
            r#"{"delta":{"content":"Hi"},"finish_reason":""}"#,
            r#"{"delta":{},"finish_reason":"stop"}"#,
            "[DONE]",
        ],
    ),
    (
        "finish on each chunk",
        Whole,
        &[
            r#"{"delta":{"content":"H"},"finish_reason":"stop"}"#,
            r#"{"delta":{"content":"i"},"finish_reason":"stop"}"#,
            "[DONE]",
        ],
    ),
    (
        "usage behind the finish",
        Whole,
        &[
            r#"{"delta":{"content":"Hi"},"finish_reason":"stop"}"#,
            r#"!{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            "[DONE]",
        ],
    ),
    (
        "done twice",
        Whole,
        &[r#"{"delta":{"content":"Hi"},"finish_reason":"stop"}"#, "[DONE]", "[DONE]"],
    ),
    (
        "text behind the end",
        Whole,
        &[
            r#"{"delta":{"content":"Hi"},"finish_reason":"stop"}"#,
            "[DONE]",
            r#"{"delta":{"content":"Hi"}}"#,
        ],
    ),
    (
        "error behind the end",
        Whole,
        &[
            r#"{"delta":{"content":"Hi"},"finish_reason":"stop"}"#,
            "[DONE]",
            r#"!{"error":{"message":"no"}}"#,
        ],
    ),
    ("finish and no done", Either, &[r#"{"delta":{"content":"Hi"},"finish_reason":"stop"}"#]),
    ("done and no finish", Either, &[r#"{"delta":{"content":"Hi"}}"#, "[DONE]"]),
    ("only done", Either, &["[DONE]"]),
    (
        "old function call stub",
        Either,
        &[
            r#"{"delta":{"content":"Hi","function_call":{"name":"","arguments":""}},"finish_reason":"stop"}"#,
            "[DONE]",
        ],
    ),
    ("cut", Broken, &[r#"{"delta":{"content":"Hi"}}"#]),
    ("nothing", Broken, &[]),
    (
        "error",
        Broken,
        &[r#"{"delta":{"content":"Hi"}}"#, r#"!{"error":{"message":"no","type":"server_error"}}"#],
    ),
    (
        "error, then done",
        Broken,
        &[r#"{"delta":{"content":"Hi"}}"#, r#"!{"error":{"message":"no"}}"#, "[DONE]"],
    ),
    ("error at once", Broken, &[r#"!{"error":{"message":"no","code":429}}"#]),
];

const RESPONSES: &[(&str, Comes, &[&str])] = &[
    ("clean", Whole, &[STARTED, ADDED, DELTA, COMPLETED]),
    ("only the end", Whole, &[COMPLETED]),
    ("completed twice", Whole, &[STARTED, COMPLETED, COMPLETED]),
    ("text behind the end", Whole, &[STARTED, COMPLETED, ADDED, DELTA]),
    ("error behind the end", Whole, &[STARTED, COMPLETED, r#"{"type":"error","message":"no"}"#]),
    (
        "incomplete",
        Whole,
        &[
            STARTED,
            ADDED,
            DELTA,
            r#"{"type":"response.incomplete","response":{"id":"resp_1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}}"#,
        ],
    ),
    (
        "failed",
        Broken,
        &[
            STARTED,
            ADDED,
            DELTA,
            r#"{"type":"response.failed","response":{"id":"resp_1","status":"failed","error":{"code":"server_error","message":"no"},"output":[]}}"#,
        ],
    ),
    (
        "failed, then error",
        Broken,
        &[
            STARTED,
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"no"}}}"#,
            r#"{"type":"error","message":"no"}"#,
        ],
    ),
    (
        "error",
        Broken,
        &[STARTED, ADDED, DELTA, r#"{"type":"error","code":"server_error","message":"no"}"#],
    ),
    ("cut", Broken, &[STARTED, ADDED, DELTA]),
    ("nothing", Broken, &[]),
    ("done and no end", Either, &[STARTED, ADDED, DELTA, "[DONE]"]),
];
const STARTED: &str = r#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","model":"m","output":[]}}"#;
const ADDED: &str = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}}"#;
const DELTA: &str = r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"item_id":"msg_1","delta":"Hi"}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","model":"m","output":[{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Hi"}]}]}}"#;

const ANTHROPIC: &[(&str, Comes, &[&str])] = &[
    ("clean", Whole, &[START, OPEN, TEXT, CLOSE, STOP, END]),
    ("end twice", Whole, &[START, OPEN, TEXT, CLOSE, STOP, END, END]),
    ("two deltas of the message", Whole, &[START, OPEN, TEXT, CLOSE, STOP, STOP, END]),
    ("text behind the end", Whole, &[START, OPEN, TEXT, CLOSE, STOP, END, OPEN, TEXT]),
    ("no end of the block", Whole, &[START, OPEN, TEXT, STOP, END]),
    ("no end of the message", Either, &[START, OPEN, TEXT, CLOSE, STOP]),
    ("no reason", Either, &[START, OPEN, TEXT, CLOSE, END]),
    ("cut", Broken, &[START, OPEN, TEXT]),
    ("cut behind a block", Broken, &[START, OPEN, TEXT, CLOSE]),
    ("nothing", Broken, &[]),
    ("only pings", Broken, &[r#"{"type":"ping"}"#]),
    ("error", Broken, &[START, OPEN, TEXT, ERROR]),
    ("error, then the end", Broken, &[START, OPEN, TEXT, ERROR, STOP, END]),
    ("error at once", Broken, &[ERROR]),
];
const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}"#;
const OPEN: &str =
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const TEXT: &str =
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const CLOSE: &str = r#"{"type":"content_block_stop","index":0}"#;
const STOP: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#;
const END: &str = r#"{"type":"message_stop"}"#;
const ERROR: &str = r#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#;

const GEMINI: &[(&str, Comes, &[&str])] = &[
    (
        "clean",
        Whole,
        &[HI, r#"{"candidates":[{"content":{"parts":[{"text":"."}]},"finishReason":"STOP"}]}"#],
    ),
    ("finish without parts", Whole, &[HI, STOPPED]),
    (
        "finish on each chunk",
        Whole,
        &[
            r#"{"candidates":[{"content":{"parts":[{"text":"H"}]},"finishReason":"STOP"}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"i"}]},"finishReason":"STOP"}]}"#,
        ],
    ),
    (
        "usage behind the finish",
        Whole,
        &[
            HI,
            STOPPED,
            r#"{"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}"#,
        ],
    ),
    ("blocked", Whole, &[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#]),
    ("cut", Broken, &[HI]),
    ("nothing", Broken, &[]),
    ("error", Broken, &[HI, r#"{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}"#]),
    (
        "error, then the end",
        Broken,
        &[HI, r#"{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}"#, STOPPED],
    ),
    (
        "error in a list",
        Broken,
        &[HI, r#"[{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}]"#],
    ),
];
const HI: &str =
    r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"}}],"modelVersion":"m"}"#;
const STOPPED: &str = r#"{"candidates":[{"finishReason":"STOP"}]}"#;

/// The stream that some lines stand for.
fn stream(account: Dialect, lines: &[&str]) -> String {
    let data = |line: &&str| match (account, line.strip_prefix('!')) {
        (Dialect::OpenAiChat, None) if *line != "[DONE]" => format!(
            "data: {{\"id\":\"c\",\"created\":1,\"model\":\"m\",\"choices\":[{}]}}\n\n",
            line.replacen('{', "{\"index\":0,", 1)
        ),
        (_, plain) => format!("data: {}\n\n", plain.unwrap_or(line)),
    };
    lines.iter().map(data).collect()
}

/// How often a client's stream ends well, and how often in an error; its last event is one of them.
fn ends(client: Dialect, told: &str) -> (usize, usize) {
    let data: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let is = |line: &str| -> (bool, bool) {
        match client {
            Dialect::OpenAiChat => (line == "[DONE]", line.starts_with("{\"error\"")),
            Dialect::OpenAiResponses => (
                line.starts_with("{\"type\":\"response.completed\"")
                    || line.starts_with("{\"type\":\"response.incomplete\""),
                // It follows an `error` event, as OpenAI sends both.
                line.starts_with("{\"type\":\"response.failed\""),
            ),
            Dialect::Anthropic => (
                line.starts_with("{\"type\":\"message_stop\""),
                line.starts_with("{\"type\":\"error\""),
            ),
            Dialect::Gemini => (line.contains("\"finishReason\""), line.starts_with("{\"error\"")),
        }
    };
    let last = data.last().map_or((false, false), |line| is(line));
    assert!(last.0 || last.1, "the last event is no end: {told}");
    if client == Dialect::OpenAiResponses {
        let errors = data.iter().filter(|line| line.starts_with("{\"type\":\"error\"")).count();
        assert_eq!(errors, usize::from(last.1), "{told}");
    }
    let all: Vec<_> = data.iter().map(|line| is(line)).collect();
    (all.iter().filter(|it| it.0).count(), all.iter().filter(|it| it.1).count())
}

#[test]
fn one_end_for_every_ending() {
    for (account, endings) in [
        (Dialect::OpenAiChat, CHAT),
        (Dialect::OpenAiResponses, RESPONSES),
        (Dialect::Anthropic, ANTHROPIC),
        (Dialect::Gemini, GEMINI),
    ] {
        for (name, comes, lines) in endings {
            for client in Dialect::ALL {
                let stream = stream(account, lines);
                let (told, _) = retell(&asked(client, account), stream.as_bytes());
                let ends = ends(client, &told);
                let expected: &[_] = match comes {
                    Whole => &[(1, 0)],
                    Broken => &[(0, 1)],
                    Either => &[(1, 0), (0, 1)],
                };
                assert!(expected.contains(&ends), "{name}: {account} to {client}: {ends:?} {told}");
            }
        }
    }
}

#[test]
fn a_reason_once_and_first_of_all_a_role() {
    for (name, comes, lines) in CHAT.iter().filter(|ending| ending.1 == Whole) {
        let (told, _) = retell(
            &asked(Dialect::OpenAiChat, Dialect::OpenAiChat),
            stream(Dialect::OpenAiChat, lines).as_bytes(),
        );
        assert_eq!(told.matches("\"finish_reason\":\"").count(), 1, "{name}, {comes:?}: {told}");
        assert_eq!(told.matches("\"role\":\"assistant\"").count(), 1, "{name}: {told}");
        assert!(told.lines().next().unwrap().contains("\"role\""), "{name}: {told}");
    }
}
