//! What real clients send, each in its own way, and what must become of it at accounts of other dialects.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Reply, post};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

/// The dialects that a client of this one is translated to.
fn others(client: Dialect) -> impl Iterator<Item = Dialect> {
    Dialect::ALL.into_iter().filter(move |dialect| *dialect != client)
}

/// What an account is told of a client's request, and what the client hears.
async fn told(account: Dialect, target: &str, body: &Value) -> (Value, Reply) {
    let upstream = Upstream::always(samples::good(account)).await;
    let gateway = Gateway::start(&Config::one(account, &upstream)).await;
    let reply = gateway.send(&post(target, body.to_string())).await;
    assert_eq!(reply.status, 200, "{account}: {}", reply.text());
    (serde_json::from_slice(&upstream.only().body).unwrap(), reply)
}

fn chunk(account: Dialect) -> Answer {
    Answer::sse(samples::events(account))
}

/// The schema of the answer's form, wherever the account's dialect has it.
fn schema(account: Dialect, told: &Value) -> &Value {
    &told[match account {
        Dialect::OpenAiChat => "response_format",
        Dialect::OpenAiResponses => "text",
        Dialect::Anthropic => "output_config",
        Dialect::Gemini => "generationConfig",
    }]
}

/// The tool runner of Anthropic's SDK sends the whole conversation when it is told so, and else the news alone.
#[tokio::test]
async fn a_thread_is_refused_where_nobody_keeps_it() {
    let client = Dialect::Anthropic;
    for thread in
        [json!({ "type": "create" }), json!({ "type": "continue", "previous_message_id": "msg_1" })]
    {
        let mut body = samples::body(client, MODEL);
        body["thread"] = thread;
        for account in others(client) {
            let upstream = Upstream::always(samples::good(account)).await;
            let gateway = Gateway::start(&Config::one(account, &upstream)).await;
            let reply = gateway.send(&post(samples::path(client, MODEL), body.to_string())).await;
            refused(client, 400, &reply);
            let details = &reply.json()["error"]["details"];
            assert_eq!(details["error_code"], "thread_unsupported_request");
            assert_eq!(upstream.count(), 0, "requests upstream");
        }
        assert_eq!(told(client, &samples::path(client, MODEL), &body).await.0, body);
    }
}

/// Claude Code 2.1: a header as the first system block, instructions between the turns, tools that wait to be found.
#[tokio::test]
async fn what_claude_code_sends_is_understood() {
    let mark = json!({ "type": "ephemeral" });
    let body = json!({
        "model": MODEL, "max_tokens": 100,
        "system": [
            { "type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.330; cch=1a2b3;" },
            { "type": "text", "text": "Be an agent.", "cache_control": mark },
        ],
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "Look." }] },
            { "role": "system", "output_config": { "effort": "low" },
                "content": [{ "type": "text", "text": "The year is 2026.", "cache_control": mark }] },
        ],
        "thinking": { "type": "adaptive", "display": "omitted" },
        "output_config": { "effort": "high" },
        "context_management": { "edits": [{ "type": "clear_thinking_20251015", "keep": "all" }] },
        "tools": [
            { "name": "Read", "input_schema": { "type": "object", "properties": {} } },
            { "name": "Later", "defer_loading": true, "input_schema": { "type": "object", "properties": {} } },
            { "type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex" },
        ],
    });
    for account in others(Dialect::Anthropic) {
        let (told, reply) = told(account, "/v1/messages?beta=true", &body).await;
        let told = told.to_string();
        for said in ["Be an agent.", "Look.", "The year is 2026.", "Read", "Later"] {
            assert_eq!(told.matches(said).count(), 1, "{said} in {told}");
        }
        assert!(!told.contains("billing") && !told.contains("tool_search"), "{told}");
        let dropped = reply.header("x-levity-dropped").unwrap();
        for name in [
            "billing_header",
            "cache_control",
            "context_management",
            "defer_loading",
            "messages.output_config",
            "tool_search_tool",
        ] {
            assert!(dropped.split(", ").any(|it| it == name), "{name} in {dropped}");
        }
    }
}

/// What changes with every session of Claude Code must not change what a provider caches by its beginning.
#[tokio::test]
async fn a_prompt_is_the_same_to_the_byte_whatever_its_billing_header_says() {
    let body = |cch: &str| {
        let header = format!("x-anthropic-billing-header: cc_version=2.1.330; cch={cch};");
        json!({ "model": MODEL, "max_tokens": 9, "messages": [{ "role": "user", "content": "hello" }],
            "system": [{ "type": "text", "text": header }, { "type": "text", "text": "Be an agent." }] })
    };
    for account in others(Dialect::Anthropic) {
        let upstream = Upstream::always(samples::good(account)).await;
        let gateway = Gateway::start(&Config::one(account, &upstream)).await;
        for cch in ["1a2b3", "fffff"] {
            gateway.send(&post("/v1/messages?beta=true", body(cch).to_string())).await;
        }
        let seen = upstream.seen();
        assert_eq!(seen[0].text(), seen[1].text());
    }
}

/// google-generativeai 0.8 writes types as numbers and fields as protobuf has them.
#[tokio::test]
async fn googles_old_sdk_is_understood() {
    let body = json!({
        "contents": [{ "role": "user", "parts": [{ "text": "hello" }, { "inline_data": { "mime_type": "image/png", "data": "-_-_" } }] }],
        "system_instruction": { "parts": [{ "text": "Be terse." }] },
        "generation_config": { "response_mime_type": "application/json", "response_schema":
            { "type": 6, "properties": { "a": { "type": 1 }, "b": { "type": 5, "items": { "type": 3 } },
                "c": { "type": 2 }, "d": { "type": 4 } } } },
        "tools": [{ "function_declarations": [{ "name": "f", "parameters": { "type": 6, "properties": { "x": { "type": 3 } } } }] }],
        "tool_config": { "function_calling_config": { "mode": 2, "allowed_function_names": ["f"] } },
    });
    let target = samples::path(Dialect::Gemini, MODEL) + "?%24alt=json%3Benum-encoding%3Dint";
    for account in others(Dialect::Gemini) {
        let (told, _) = told(account, &target, &body).await;
        let all = told.to_string();
        assert!(all.contains("+/+/") && all.contains("Be terse."), "{all}");
        let form = schema(account, &told).to_string();
        for word in ["object", "string", "array", "integer", "number", "boolean"] {
            assert!(form.contains(&format!("\"type\":\"{word}\"")), "{word} in {form}");
        }
        assert!(all.contains(r#""x":{"type":"integer"}"#), "{all}");
        assert!(told["tool_choice"].to_string().contains("\"f\""), "{all}");
    }
}

/// Without `alt=sse` it reads a JSON array, a chunk an element.
#[tokio::test]
async fn a_stream_without_sse_is_an_array_from_every_account() {
    let target =
        format!("/v1beta/models/{MODEL}:streamGenerateContent?%24alt=json%3Benum-encoding%3Dint");
    let body = samples::body(Dialect::Gemini, MODEL).to_string();
    for account in others(Dialect::Gemini) {
        for (answer, whole) in
            [(chunk(account), true), (Answer::sse(samples::begun(account)), false)]
        {
            let upstream = Upstream::always(answer).await;
            let gateway = Gateway::start(&Config::one(account, &upstream)).await;
            let reply = gateway.send(&post(target.clone(), body.clone())).await;
            assert_eq!(reply.header("content-type"), Some("application/json"));
            let chunks: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
            let last = chunks.last().unwrap();
            assert_eq!(last["candidates"][0]["finishReason"] == "STOP", whole, "{chunks:?}");
            assert_eq!(last["error"].is_object(), !whole, "{chunks:?}");
        }
    }
}

/// google-genai 3 writes some fields as Python names them; Gemini CLI writes types in capitals; litellm leaves the version out.
#[tokio::test]
async fn googles_newer_clients_are_understood() {
    let form = |name: &str, schema: Value| {
        json!({
            "contents": [{ "role": "user", "parts": [{ "text": "hello" }, { "inlineData": { "mime_type": "image/png", "data": "-_-_" } }] }],
            "system_instruction": { "parts": [{ "text": "Be terse." }] },
            "generationConfig": { "responseMimeType": "application/json", name: schema,
                "thinkingConfig": { "include_thoughts": true, "thinking_budget": 2048 } },
        })
    };
    let ordered = json!({ "type": "OBJECT", "properties": { "a": { "type": "STRING" }, "b": { "type": "STRING" } },
        "property_ordering": ["b", "a"] });
    let capitals = json!({ "type": "OBJECT", "properties": { "b": { "type": ["STRING", "NULL"] }, "a": { "type": "INTEGER" } } });
    for account in others(Dialect::Gemini) {
        for (body, word) in [
            (form("responseSchema", ordered.clone()), r#""b":{"type":"string"}"#),
            (form("responseJsonSchema", capitals.clone()), r#""b":{"type":["string","null"]}"#),
        ] {
            let (told, reply) =
                told(account, &format!("/models/{MODEL}:generateContent"), &body).await;
            let all = told.to_string();
            assert!(all.contains("+/+/") && all.contains("Be terse."), "{all}");
            assert!(schema(account, &told).to_string().contains(word), "{all}");
            let thinks = ["reasoning_effort", "reasoning", "thinking"];
            assert!(thinks.iter().any(|name| !told[name].is_null()), "{all}");
            assert_eq!(reply.header("x-levity-dropped"), None, "{account}");
        }
    }
}

/// Claude Code's `/context` counts its parts all at once; they wait for each other and none is refused.
#[tokio::test]
async fn many_counts_at_once_are_all_made() {
    let upstream = Upstream::always(Answer::json(200, r#"{"input_tokens":7}"#).after(5)).await;
    let account =
        Account::new("only", Dialect::Anthropic, &upstream.url()).set("max_concurrency", 2);
    let gateway = Gateway::start(&Config::new().account(account)).await;
    let body = samples::body(Dialect::Anthropic, MODEL).to_string();
    let count = post("/v1/messages/count_tokens?beta=true", body);
    let counts = (0..25).map(|_| gateway.send(&count));
    for reply in futures::future::join_all(counts).await {
        assert_eq!((reply.status, &reply.json()["input_tokens"]), (200, &json!(7)));
    }
}

/// Each SDK makes its exceptions of the status, and agents of the type: whoever answered.
#[tokio::test]
async fn a_providers_error_has_the_clients_shape() {
    const STATUSES: [u16; 9] = [400, 401, 403, 404, 413, 429, 500, 503, 529];
    let upstream = Upstream::new(|seen| {
        let words: Vec<&str> = seen.header("x-scene").unwrap().split(' ').collect();
        let account = Dialect::ALL.into_iter().find(|it| it.name() == words[0]).unwrap();
        samples::refusal(account, words[1].parse().unwrap(), "it says no")
    })
    .await;
    let scenes = || {
        let all = Dialect::ALL.into_iter();
        let pairs = all.flat_map(|client| Dialect::ALL.map(|account| (client, account)));
        pairs.flat_map(|(client, account)| STATUSES.map(|status| (client, account, status)))
    };
    let name =
        |(client, account, status): (Dialect, Dialect, u16)| format!("{client}-{account}-{status}");
    // An account each, so that none is worn out by another scene.
    let config = scenes().fold(Config::new(), |config, scene| {
        let headers = json!({ "x-scene": format!("{} {}", scene.1.name(), scene.2) });
        let account = Account::new(&name(scene), scene.1, &upstream.url());
        config.account(account.set("models", json!([name(scene)])).set("headers", headers))
    });
    let gateway = Gateway::start(&config).await;
    for scene in scenes() {
        let (client, account, status) = scene;
        let reply = gateway.send(&samples::call(client, &name(scene))).await;
        // Google has no such status; its SDKs know 503 for it.
        let expected = if (client, status) == (Dialect::Gemini, 529) && account != client {
            503
        } else {
            status
        };
        let what = name(scene);
        assert_eq!(reply.status, expected, "{what}: {}", reply.text());
        if client != account {
            assert_eq!(refused(client, expected, &reply), "it says no", "{what}");
        }
        assert!(reply.text().contains("it says no"), "{what}: {}", reply.text());
    }
}

/// What tells SDKs whether and when to ask again reaches them.
#[tokio::test]
async fn an_upstreams_word_on_asking_again_reaches_the_client() {
    for dialect in Dialect::ALL {
        let answer = samples::refusal(dialect, 429, "slow down")
            .header("retry-after", "40")
            .header("retry-after-ms", "40000")
            .header("x-should-retry", "false");
        let upstream = Upstream::always(answer).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        assert_eq!(reply.header("retry-after"), Some("40"));
        assert_eq!(reply.header("x-should-retry"), Some("false"));
    }
}

/// Agents make their history shorter when they read it: OpenAI's by the code, Claude Code by the first words.
#[tokio::test]
async fn a_prompt_that_is_too_long_is_known_as_that_to_every_client() {
    for account in Dialect::ALL {
        let said = match account {
            Dialect::OpenAiChat => {
                r#"{"error":{"message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","code":400}}"#
            }
            Dialect::OpenAiResponses => {
                r#"{"error":{"message":"Your input exceeds the context window.","type":"invalid_request_error","code":"context_length_exceeded"}}"#
            }
            Dialect::Anthropic => {
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#
            }
            Dialect::Gemini => {
                r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (8).","status":"INVALID_ARGUMENT"}}"#
            }
        };
        let upstream = Upstream::always(Answer::json(400, said)).await;
        let gateway = Gateway::start(&Config::one(account, &upstream)).await;
        for client in others(account) {
            let reply = gateway.send(&samples::call(client, MODEL)).await;
            let message = refused(client, 400, &reply);
            match client {
                Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                    let code = &reply.json()["error"]["code"];
                    assert_eq!(code, "context_length_exceeded", "{client} from {account}");
                }
                Dialect::Anthropic => {
                    assert!(message.starts_with("prompt is too long: "), "{account}: {message}");
                }
                Dialect::Gemini => {}
            }
        }
    }
}
