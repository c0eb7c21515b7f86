//! Which path means what, and how each wrong one is answered.

use levity::dialects::Dialect;
use serde_json::json;

use crate::support::client::{Request, get, post, request};
use crate::support::gateway::{Config, Gateway, credential};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

/// An answer in any dialect, as a stream in one piece too.
const ANSWER: &str = r#"{"object":"scripted","candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}"#;

/// One account of each dialect, on an upstream that is content with anything.
async fn open() -> (Upstream, Gateway) {
    let upstream = Upstream::always(Answer::json(200, ANSWER)).await;
    let gateway = Gateway::start(&Config::all(&upstream)).await;
    (upstream, gateway)
}

/// Posts to each path, and checks which account it reached and what it was asked.
async fn reaches(dialect: Dialect, cases: &[(&str, &str)]) {
    let (upstream, gateway) = open().await;
    for (sent, target) in cases {
        let body = samples::body(dialect, MODEL).to_string();
        let reply = gateway.send(&post(*sent, body.clone())).await;
        assert_eq!(reply.status, 200, "{sent}: {}", reply.text());
        let seen = upstream.seen().pop().unwrap();
        assert_eq!((seen.target.as_str(), seen.method.as_str()), (*target, "POST"), "{sent}");
        assert_eq!(seen.text(), body, "{sent}");
        assert_eq!(seen.credential(), credential(dialect.name()), "{sent}");
    }
}

#[tokio::test]
async fn healthz_is_exactly_ok() {
    let gateway = open().await.1;
    let reply = gateway.send(&get("/healthz")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, r#"{"status":"ok"}"#));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(gateway.send(&get("/healthz?verbose=1")).await.text(), r#"{"status":"ok"}"#);
}

#[tokio::test]
async fn a_name_of_endless_length_is_no_models() {
    let (upstream, gateway) = open().await;
    for dialect in Dialect::ALL {
        let longest = "m".repeat(256);
        assert_eq!(gateway.send(&samples::call(dialect, &longest)).await.status, 200);
        let reply = gateway.send(&samples::call(dialect, &(longest + "m"))).await;
        let said = refused(dialect, 400, &reply);
        assert!(said.contains("model is longer than 256 bytes"), "{said}");
    }
    assert_eq!(upstream.seen().len(), Dialect::ALL.len());
}

#[tokio::test]
async fn probes_are_answered() {
    let gateway = open().await.1;
    for path in ["/", "/api/hello"] {
        assert_eq!(gateway.send(&get(path)).await.status, 200, "GET {path}");
        let head = gateway.send(&request("HEAD", path)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
    }
}

#[tokio::test]
async fn chat_paths_reach_the_chat_account() {
    let chat = "/v1/chat/completions";
    let cases = [
        chat,
        "/v1/v1/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
        "//v1/chat/completions",
        "/v1/chat/completions/chat/completions",
    ];
    reaches(Dialect::OpenAiChat, &cases.map(|sent| (sent, chat))).await;
}

#[tokio::test]
async fn responses_paths_reach_the_responses_account() {
    let responses = "/v1/responses";
    let cases = [
        (responses, responses),
        ("/responses", responses),
        ("/v1/v1/responses", responses),
        ("/v1/chat/completions/responses", responses),
        ("/v1/responses/input_tokens", "/v1/responses/input_tokens"),
    ];
    reaches(Dialect::OpenAiResponses, &cases).await;
}

#[tokio::test]
async fn messages_paths_reach_the_anthropic_account() {
    let (messages, count) = ("/v1/messages", "/v1/messages/count_tokens");
    let cases = [
        (messages, messages),
        ("/messages", messages),
        ("/v1/v1/messages", messages),
        ("/v1/messages/v1/messages", messages),
        (count, count),
        ("/messages/count_tokens", count),
        ("/v1/v1/messages/count_tokens", count),
    ];
    reaches(Dialect::Anthropic, &cases).await;
}

#[tokio::test]
async fn gemini_paths_reach_the_gemini_account() {
    let generate = "/v1beta/models/test-model:generateContent";
    let stream = "/v1beta/models/test-model:streamGenerateContent";
    let cases = [
        (generate, generate),
        ("/v1beta/v1beta/models/test-model:generateContent", generate),
        ("/models/test-model:generateContent", generate),
        (stream, stream),
        ("/models/test-model:streamGenerateContent?alt=sse", &format!("{stream}?alt=sse")),
        ("/v1beta/models/test-model:countTokens", "/v1beta/models/test-model:countTokens"),
        ("/v1beta/models/test-model:embedContent", "/v1beta/models/test-model:embedContent"),
        (
            "/v1beta/models/test-model:batchEmbedContents",
            "/v1beta/models/test-model:batchEmbedContents",
        ),
    ];
    reaches(Dialect::Gemini, &cases).await;
}

#[tokio::test]
async fn gemini_verbs_are_served_under_v1_too() {
    let (upstream, gateway) = open().await;
    for verb in ["generateContent", "streamGenerateContent", "countTokens", "batchEmbedContents"] {
        let body = samples::body(Dialect::Gemini, MODEL).to_string();
        let reply = gateway.send(&post(format!("/v1/models/{MODEL}:{verb}"), body)).await;
        assert_eq!(reply.status, 200, "{verb}: {}", reply.text());
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.credential(), credential("gemini"), "{verb}");
        let versions = ["/v1", "/v1beta"].map(|root| format!("{root}/models/{MODEL}:{verb}"));
        assert!(versions.contains(&seen.target), "{}", seen.target);
    }
}

#[tokio::test]
async fn embeddings_go_to_an_openai_account() {
    let (upstream, gateway) = open().await;
    for path in ["/v1/embeddings", "/embeddings"] {
        let body = json!({ "model": MODEL, "input": ["a"] }).to_string();
        assert_eq!(gateway.send(&post(path, body.clone())).await.status, 200, "{path}");
        let seen = upstream.seen().pop().unwrap();
        assert_eq!((seen.target.as_str(), seen.text()), ("/v1/embeddings", body));
        let accounts = [credential("openai_chat"), credential("openai_responses")];
        assert!(accounts.contains(&seen.credential()));
    }
}

#[tokio::test]
async fn a_websocket_is_refused_with_426() {
    let gateway = open().await.1;
    let upgrade = get("/v1/responses")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let reply = gateway.send(&upgrade).await;
    refused(Dialect::OpenAiResponses, 426, &reply);
}

#[tokio::test]
async fn an_offer_of_http_2_is_no_websocket() {
    let (upstream, gateway) = open().await;
    for dialect in Dialect::ALL {
        let body = samples::body(dialect, MODEL).to_string();
        // As Java's HTTP client asks where there is no TLS.
        let offer = post(samples::path(dialect, MODEL), body.clone())
            .header("connection", "Upgrade, HTTP2-Settings")
            .header("upgrade", "h2c")
            .header("http2-settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA");
        let reply = gateway.send(&offer).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.text(), body);
        for name in ["connection", "upgrade", "http2-settings"] {
            assert_eq!(seen.header(name), None, "{name}");
        }
    }
}

/// Checks that a wrong path is answered in this dialect, with the base URL that it wants.
async fn not_found(dialect: Dialect, base: &str, requests: &[Request]) {
    let gateway = open().await.1;
    for request in requests {
        let reply = gateway.send(request).await;
        let message = refused(dialect, 404, &reply);
        let base = format!("http://{}{base}", gateway.address);
        assert!(message.contains(&base), "{}: {base} in {message:?}", request.target);
    }
}

#[tokio::test]
async fn a_wrong_openai_path_is_told_the_base_url_with_v1() {
    let paths = ["/v1/chat/nothing", "/v1/completion", "/v1/nothing", "/nothing"];
    not_found(Dialect::OpenAiChat, "/v1", &paths.map(|path| post(path, "{}"))).await;
    not_found(Dialect::OpenAiChat, "/v1", &[get("/v1/images")]).await;
}

#[tokio::test]
async fn a_wrong_anthropic_path_is_told_the_bare_base_url() {
    let requests = [
        post("/v1/messages/nothing", "{}"),
        post("/anthropic/nothing", "{}").header("anthropic-version", "2023-06-01"),
        post("/v1/nothing", "{}").header("anthropic-version", "2026-10-21"),
    ];
    not_found(Dialect::Anthropic, "", &requests).await;
}

#[tokio::test]
async fn a_wrong_gemini_path_is_told_the_bare_base_url() {
    let requests = [
        post("/v1beta/nothing", "{}"),
        post("/v1beta/models/test-model:inventContent", "{}"),
        post("/v1/nothing", "{}").header("x-goog-api-key", "any"),
    ];
    not_found(Dialect::Gemini, "", &requests).await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_one() {
    let gateway = open().await.1;
    for (dialect, method, path, allowed) in [
        (Dialect::OpenAiChat, "GET", "/v1/chat/completions", "POST"),
        (Dialect::OpenAiChat, "PUT", "/v1/models", "GET"),
        (Dialect::OpenAiChat, "DELETE", "/healthz", "GET"),
        (Dialect::OpenAiResponses, "GET", "/v1/responses", "POST"),
        (Dialect::OpenAiResponses, "PATCH", "/v1/responses/resp_1", "DELETE"),
        (Dialect::Anthropic, "GET", "/v1/messages", "POST"),
        (Dialect::Anthropic, "DELETE", "/v1/messages/count_tokens", "POST"),
        (Dialect::Gemini, "GET", "/v1beta/models/test-model:generateContent", "POST"),
        (Dialect::Gemini, "DELETE", "/v1beta/models/test-model", "GET"),
    ] {
        let reply = gateway.send(&request(method, path)).await;
        refused(dialect, 405, &reply);
        let allow = reply.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{method} {path}: allow {allow:?}");
    }
}

/// Checks that each body is refused in the client's shape, and asked of nobody.
async fn bad_request(dialect: Dialect, bodies: &[&str], names: &str) {
    let (upstream, gateway) = open().await;
    for body in bodies {
        let reply = gateway.send(&post(samples::path(dialect, MODEL), body.to_string())).await;
        let message = refused(dialect, 400, &reply);
        assert!(message.to_lowercase().contains(names), "{body}: {names} in {message:?}");
    }
    assert_eq!(upstream.count(), 0, "requests upstream");
}

const NO_JSON: [&str; 5] =
    ["", "{", r#"{"model": "x", "#, r#"{"model": "x"} trailing"#, "model=x&prompt=y"];

const NO_MODEL: [&str; 5] =
    ["{}", r#"{"messages":[]}"#, r#"{"model":7}"#, r#"{"model":null}"#, r#"{"model":""}"#];

#[tokio::test]
async fn a_chat_body_that_is_no_json_is_refused() {
    bad_request(Dialect::OpenAiChat, &NO_JSON, "json").await;
}

#[tokio::test]
async fn a_responses_body_that_is_no_json_is_refused() {
    bad_request(Dialect::OpenAiResponses, &NO_JSON, "json").await;
}

#[tokio::test]
async fn a_messages_body_that_is_no_json_is_refused() {
    bad_request(Dialect::Anthropic, &NO_JSON, "json").await;
}

#[tokio::test]
async fn a_gemini_body_that_is_no_json_is_refused() {
    bad_request(Dialect::Gemini, &NO_JSON, "json").await;
}

#[tokio::test]
async fn a_body_without_a_model_is_refused() {
    bad_request(Dialect::OpenAiChat, &NO_MODEL, "model").await;
    bad_request(Dialect::OpenAiResponses, &NO_MODEL, "model").await;
    bad_request(Dialect::Anthropic, &NO_MODEL, "model").await;
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    for dialect in Dialect::ALL {
        bad_request(dialect, &["[]", "\"model\"", "17", "null"], "").await;
    }
}
