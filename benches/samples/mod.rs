//! What the benches say: requests, answers and streams. They are made up in Chat Completions and said in the other
//! dialects by the translation itself, so that all four say the same.

use std::fmt::Write as _;

use levity::dialects::{Dialect, Path, Quirks, Target};
use levity::sse;
use levity::translate::{Exchange, Translation};

/// The length of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// A question of 0.4 KB.
    Small,
    /// A conversation of 60 turns of plain text, 100 KB.
    Large,
    /// An agent's 60th turn: 20 tools with schemas, calls, results and escapes, 100 KB.
    Agent,
}

const CHAT: Dialect = Dialect::OpenAiChat;

const LINE: &str =
    "The quick brown fox jumps over the lazy dog; then \\\"quotes\\\" and a newline\\n. ";

/// A request of a client of this dialect.
pub(crate) fn request(dialect: Dialect, model: &str, size: Size, stream: bool) -> Vec<u8> {
    let chat = chat_request(model, size, stream).into_bytes();
    if dialect == CHAT {
        return chat;
    }
    // Gemini names neither model nor streaming in its body.
    translation(CHAT, dialect, model, &chat, stream).1
}

/// A translation of a request, and the request as the account hears it.
pub(crate) fn translation(
    client: Dialect,
    account: Dialect,
    model: &str,
    body: &[u8],
    stream: bool,
) -> (Translation, Vec<u8>) {
    let target = Target { model, issuer: "bench", quirks: Quirks::default() };
    let exchange = Exchange { id: "req_0123456789abcdef", created: 1_750_000_000 };
    let path = Path { model: in_path(client, model), stream, array_stream: false };
    let said = Translation::request(client, account, body, path, (target, exchange));
    let (translation, body, _) = said.expect("every dialect has the words for a sample");
    (translation, body)
}

/// The model of the path, where a request of the dialect has it there.
pub(crate) const fn in_path(dialect: Dialect, model: &str) -> &str {
    match dialect {
        Dialect::Gemini => model,
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => "",
    }
}

/// An account's whole answer.
pub(crate) fn answer(dialect: Dialect) -> Vec<u8> {
    let text = LINE.repeat(6);
    let chat = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1750000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":100,"completion_tokens":80,"total_tokens":180}}}}"#
    );
    if dialect == CHAT {
        return chat.into_bytes();
    }
    let (back, _) = way_back(dialect);
    back.answer(chat.as_bytes()).expect("a sample is an answer").0
}

/// An account's stream of `count` pieces of text: each piece as it is written, before them what opens the stream and after
/// them what ends it.
pub(crate) fn events(dialect: Dialect, count: usize) -> Vec<Vec<u8>> {
    let head =
        r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1750000000,"model":"m""#;
    let delta = |delta: &str, finish: &str| {
        format!(
            "data: {head},\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut chat = vec![delta(r#"{"role":"assistant","content":""}"#, "null")];
    let words = "and then some more words ".repeat(3);
    chat.extend((0..count).map(|n| delta(&format!(r#"{{"content":"{n:04} {words}"}}"#), "null")));
    chat.push(format!(
        "{}data: {head},\"choices\":[],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":200,\"total_tokens\":209}}}}\n\ndata: [DONE]\n\n",
        delta("{}", "\"stop\"")
    ));
    if dialect == CHAT {
        return chat.into_iter().map(String::into_bytes).collect();
    }
    let (mut stream, mut decoder) = (way_back(dialect).0.stream(), sse::Decoder::new());
    let said = chat.iter().map(|event| {
        let mut out = Vec::new();
        decoder.push(event.as_bytes(), |event| stream.push(event, &mut out));
        out
    });
    let mut said: Vec<_> = said.collect();
    let mut end = Vec::new();
    stream.finish(&mut end);
    said.last_mut().expect("it has an end").extend(end);
    said
}

/// What makes a chat account's answer one of `dialect`.
fn way_back(dialect: Dialect) -> (Translation, Vec<u8>) {
    let body = request(dialect, "m", Size::Small, true);
    translation(dialect, CHAT, "m", &body, true)
}

fn chat_request(model: &str, size: Size, stream: bool) -> String {
    let mut body = format!(
        r#"{{"model":"{model}","stream":{stream},"max_tokens":256,"temperature":0.7,"messages":[{{"role":"system","content":"You are a helpful assistant."}}"#
    );
    match size {
        Size::Small => message(&mut body, "user", 3),
        Size::Large => {
            for turn in 0..61 {
                message(&mut body, if turn % 2 == 0 { "user" } else { "assistant" }, 21);
            }
        }
        Size::Agent => {
            for turn in 0..30 {
                message(&mut body, "user", 10);
                calls(&mut body, turn);
            }
            message(&mut body, "user", 3);
        }
    }
    body.push(']');
    if size == Size::Agent {
        tools(&mut body);
    }
    body.push('}');
    body
}

fn message(body: &mut String, role: &str, lines: usize) {
    let _ = write!(body, r#",{{"role":"{role}","content":"{}"}}"#, LINE.repeat(lines));
}

/// A turn of the model with two calls at once, and their results.
fn calls(body: &mut String, turn: usize) {
    let call = |call: usize| {
        format!(
            r#"{{"id":"call_{turn}_{call}","type":"function","function":{{"name":"tool_{call}","arguments":"{{\"path\":\"src/file_{turn}.rs\",\"limit\":200,\"pattern\":\"fn \\\\w+\"}}"}}}}"#
        )
    };
    let _ = write!(
        body,
        r#",{{"role":"assistant","content":"Let me look.","tool_calls":[{},{}]}}"#,
        call(0),
        call(1)
    );
    for call in 0..2 {
        let _ = write!(
            body,
            r#",{{"role":"tool","tool_call_id":"call_{turn}_{call}","content":"{}"}}"#,
            "    let x = \\\"y\\\";\\n".repeat(40)
        );
    }
}

fn tools(body: &mut String) {
    body.push_str(r#","tools":["#);
    for tool in 0..20 {
        let comma = if tool == 0 { "" } else { "," };
        let description = LINE.repeat(5);
        let _ = write!(
            body,
            r#"{comma}{{"type":"function","function":{{"name":"tool_{tool}","description":"{description}","parameters":{{"type":"object","properties":{{"path":{{"type":"string","description":"Where to look."}},"limit":{{"type":"integer","minimum":1,"maximum":2000}},"pattern":{{"type":"string"}},"mode":{{"type":"string","enum":["files","lines","count"]}},"edits":{{"type":"array","items":{{"type":"object","properties":{{"old":{{"type":"string"}},"new":{{"type":"string"}}}},"required":["old","new"]}}}}}},"required":["path"],"additionalProperties":false}}}}}}"#
        );
    }
    body.push(']');
}
