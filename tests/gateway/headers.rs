//! Which headers go on, which stay behind, and which the gateway adds.

use levity::dialects::Dialect;
use serde_json::json;

use crate::support::client::get;
use crate::support::gateway::{Account, Config, Gateway, KEY, credential};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Seen};
use crate::support::upstream::Upstream;

/// Sends one request with these headers, and returns what the upstream got.
async fn sent_on(dialect: Dialect, headers: &[(&str, &str)]) -> Seen {
    let upstream = Upstream::always(samples::good(dialect)).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    let call = samples::call(dialect, MODEL);
    let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
    assert_eq!(gateway.send(&call).await.status, 200);
    upstream.only()
}

#[tokio::test]
async fn end_to_end_headers_go_on() {
    let headers = [
        ("accept", "application/json"),
        ("user-agent", "claude-cli/2.1.330 (external, cli)"),
        ("anthropic-version", "2026-10-21"),
        ("anthropic-beta", "interleaved-thinking-2025-05-14,effort-2025-11-24"),
        ("anthropic-dangerous-direct-browser-access", "true"),
        ("openai-beta", "responses=v1"),
        ("x-stainless-lang", "python"),
        ("x-stainless-retry-count", "0"),
        ("x-goog-api-client", "google-genai-sdk/3.4.0 gl-python/3.11"),
        ("x-app", "cli"),
        ("idempotency-key", "stainless-python-retry-1"),
        ("x-of-no-one", "é and more"),
    ];
    for dialect in Dialect::ALL {
        let seen = sent_on(dialect, &headers).await;
        for (name, value) in headers {
            assert_eq!(seen.headers.all(name), [value], "{name}");
        }
        assert_eq!(seen.header("content-type"), Some("application/json"));
    }
}

/// With the account's key, an organization of the client's own would be refused as if the key were wrong.
#[tokio::test]
async fn what_belongs_to_the_clients_own_credential_stays_behind() {
    let names = ["openai-organization", "openai-project", "x-goog-user-project"];
    for dialect in Dialect::ALL {
        let seen = sent_on(dialect, &names.map(|name| (name, "the-clients"))).await;
        assert!(!seen.headers.mention("the-clients"), "{:?}", seen.headers);
    }
}

#[tokio::test]
async fn repeated_headers_are_all_kept() {
    let seen = sent_on(
        Dialect::Anthropic,
        &[("anthropic-beta", "one-2025-01-01"), ("anthropic-beta", "two-2025-02-02")],
    )
    .await;
    let betas = seen.headers.all("anthropic-beta").join(",");
    assert!(betas.contains("one-2025-01-01") && betas.contains("two-2025-02-02"), "{betas}");
}

#[tokio::test]
async fn hop_by_hop_headers_stay_behind() {
    let seen = sent_on(
        Dialect::Anthropic,
        &[
            ("connection", "keep-alive, x-named, X-Also"),
            ("x-named", "1"),
            ("x-also", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic c2VjcmV0"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("upgrade", "h2c"),
        ],
    )
    .await;
    for name in [
        "x-named",
        "x-also",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "transfer-encoding",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(!seen.header("connection").unwrap_or_default().contains("x-named"));
}

#[tokio::test]
async fn the_host_is_the_upstreams() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    gateway.send(&samples::call(Dialect::OpenAiChat, MODEL)).await;
    assert_eq!(upstream.only().headers.all("host"), [upstream.address.to_string()]);
}

#[tokio::test]
async fn the_body_length_is_said_once() {
    for dialect in Dialect::ALL {
        let seen = sent_on(dialect, &[]).await;
        assert_eq!(seen.headers.all("content-length"), [seen.body.len().to_string()]);
    }
}

#[tokio::test]
async fn an_accounts_own_headers_are_added() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let account = Account::new("only", Dialect::OpenAiChat, &upstream.url())
        .set("headers", json!({ "HTTP-Referer": "https://levity.example", "x-title": "Levity" }));
    let gateway = Gateway::start(&Config::new().account(account)).await;
    gateway.send(&samples::call(Dialect::OpenAiChat, MODEL)).await;
    let seen = upstream.only();
    assert_eq!(seen.header("http-referer"), Some("https://levity.example"));
    assert_eq!(seen.header("x-title"), Some("Levity"));
}

#[tokio::test]
async fn an_accounts_name_is_never_sent() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let account = Account::new("label-of-mine", Dialect::OpenAiChat, &upstream.url())
        .set("api_key", "sk-without-any-label");
    let gateway = Gateway::start(&Config::new().account(account)).await;
    gateway.send(&samples::call(Dialect::OpenAiChat, MODEL)).await;
    let seen = upstream.only();
    assert!(!seen.headers.mention("label-of-mine"), "{:?}", seen.headers);
}

/// Sends one request through this account, with every credential that a client may bring.
async fn through(account: Account, dialect: Dialect, upstream: &Upstream) -> Seen {
    let gateway = Gateway::start(&Config::new().account(account).guarded("strict")).await;
    let call = samples::call(dialect, "gemini-gpt-claude-glm")
        .header("authorization", &format!("Bearer {KEY}"))
        .header("x-api-key", KEY)
        .header("x-goog-api-key", KEY);
    let reply = gateway.send(&call).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    upstream.only()
}

/// The credential headers of a request, as (`authorization`, `x-api-key`, `x-goog-api-key`).
fn credentials(seen: &Seen) -> [Option<&str>; 3] {
    ["authorization", "x-api-key", "x-goog-api-key"].map(|name| seen.header(name))
}

#[tokio::test]
async fn an_openai_account_gets_a_bearer_token() {
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
        let upstream = Upstream::always(samples::good(dialect)).await;
        let base = format!("{}/v1", upstream.url());
        let account = Account::of("openai", "only", &base).set("models", json!(["*"]));
        let seen = through(account, dialect, &upstream).await;
        let bearer = format!("Bearer {}", credential("only"));
        assert_eq!(credentials(&seen), [Some(bearer.as_str()), None, None]);
        assert_eq!(seen.target, samples::path(dialect, MODEL));
        assert_eq!(seen.header("anthropic-version"), None);
    }
}

#[tokio::test]
async fn an_anthropic_account_gets_its_key_and_a_version() {
    let upstream = Upstream::always(samples::good(Dialect::Anthropic)).await;
    let account = Account::of("anthropic", "only", &upstream.url()).set("models", json!(["*"]));
    let seen = through(account, Dialect::Anthropic, &upstream).await;
    assert_eq!(credentials(&seen), [None, Some(credential("only").as_str()), None]);
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(seen.target, "/v1/messages");
}

#[tokio::test]
async fn a_gemini_account_gets_its_key_in_its_own_header() {
    let upstream = Upstream::always(samples::good(Dialect::Gemini)).await;
    let account = Account::of("gemini", "only", &upstream.url()).set("models", json!(["*"]));
    let seen = through(account, Dialect::Gemini, &upstream).await;
    assert_eq!(credentials(&seen), [None, None, Some(credential("only").as_str())]);
    assert_eq!(seen.header("anthropic-version"), None);
}

#[tokio::test]
async fn a_zai_account_speaks_anthropics_dialect_under_its_own_path() {
    let upstream = Upstream::always(samples::good(Dialect::Anthropic)).await;
    let base = format!("{}/api/anthropic", upstream.url());
    let account = Account::of("zai", "only", &base).set("models", json!(["*"]));
    let seen = through(account, Dialect::Anthropic, &upstream).await;
    assert_eq!(seen.target, "/api/anthropic/v1/messages");
    assert_eq!(seen.credential(), credential("only"));
    assert!(!seen.headers.mention(KEY), "{:?}", seen.headers);
    assert!(seen.header("anthropic-version").is_some());
}

#[tokio::test]
async fn a_custom_account_gets_its_dialects_credential() {
    for (dialect, place) in [
        (Dialect::OpenAiChat, "authorization"),
        (Dialect::OpenAiResponses, "authorization"),
        (Dialect::Anthropic, "x-api-key"),
        (Dialect::Gemini, "x-goog-api-key"),
    ] {
        let upstream = Upstream::always(samples::good(dialect)).await;
        let account = Account::new("only", dialect, &upstream.url());
        let seen = through(account, dialect, &upstream).await;
        assert!(seen.header(place).is_some_and(|value| value.ends_with(&credential("only"))));
        assert_eq!(credentials(&seen).into_iter().flatten().count(), 1, "{dialect}");
    }
}

#[tokio::test]
async fn a_base_url_may_end_in_a_slash_or_have_a_path() {
    for (base, target) in [
        ("/v1/", "/v1/chat/completions"),
        ("/openai/v1", "/openai/v1/chat/completions"),
        ("", "/chat/completions"),
    ] {
        let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
        let account = Account::of("custom", "only", &format!("{}{base}", upstream.url()))
            .set("dialect", "openai_chat");
        let seen = through(account, Dialect::OpenAiChat, &upstream).await;
        assert_eq!(seen.target, target);
    }
}

#[tokio::test]
async fn an_answers_headers_are_kept_end_to_end() {
    let kept = [
        ("openai-processing-ms", "123"),
        ("x-ratelimit-remaining-requests", "99"),
        ("anthropic-ratelimit-requests-reset", "2030-01-01T00:00:00Z"),
        ("request-id", "req_upstream"),
        ("x-of-no-one", "1"),
    ];
    for dialect in Dialect::ALL {
        let hop =
            [("keep-alive", "timeout=5"), ("connection", "keep-alive, x-hop"), ("x-hop", "1")];
        let answer = kept
            .into_iter()
            .chain(hop)
            .fold(samples::good(dialect), |answer, header| answer.header(header.0, header.1));
        let upstream = Upstream::always(answer).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        for (name, value) in kept {
            assert_eq!(reply.headers.all(name), [value], "{name}");
        }
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!((reply.header("keep-alive"), reply.header("x-hop")), (None, None));
    }
}

#[tokio::test]
async fn every_answer_has_one_request_id_of_its_own() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    let mut ids = Vec::new();
    for request in [
        samples::call(Dialect::OpenAiChat, MODEL),
        samples::call(Dialect::OpenAiChat, MODEL),
        get("/nothing"),
        get("/v1/models"),
    ] {
        let reply = gateway.send(&request).await;
        let [id] = reply.headers.all("x-request-id")[..] else { panic!("{:?}", reply.headers) };
        ids.push(id.to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

/// Anthropic's SDKs show it with every message and error.
#[tokio::test]
async fn anthropics_clients_find_the_id_under_its_own_name() {
    for account in Dialect::ALL {
        let answers = [samples::good(account), samples::refusal(account, 400, "no")];
        let upstream = Upstream::in_turn(answers).await;
        let gateway = Gateway::start(&Config::one(account, &upstream)).await;
        for status in [200, 400] {
            let reply = gateway.send(&samples::call(Dialect::Anthropic, MODEL)).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.headers.all("request-id"), reply.headers.all("x-request-id"));
        }
    }
    let upstream = Upstream::always(Answer::sse(samples::events(Dialect::OpenAiChat))).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    let reply = gateway.send(&samples::stream_call(Dialect::Anthropic, MODEL)).await;
    assert_eq!(reply.header("request-id"), reply.header("x-request-id"));
    let reply = gateway.send(&samples::call(Dialect::OpenAiChat, MODEL)).await;
    assert_eq!(reply.header("request-id"), None);
}

/// nginx would gather it.
#[tokio::test]
async fn a_stream_says_that_it_is_not_to_be_buffered() {
    for client in Dialect::ALL {
        for account in Dialect::ALL {
            let upstream = Upstream::always(Answer::sse(samples::events(account))).await;
            let gateway = Gateway::start(&Config::one(account, &upstream)).await;
            let reply = gateway.send(&samples::stream_call(client, MODEL)).await;
            assert_eq!(reply.headers.all("x-accel-buffering"), ["no"], "{client} from {account}");
        }
    }
}

#[tokio::test]
async fn routing_is_not_exposed_by_default() {
    let upstream = Upstream::always(samples::good(Dialect::OpenAiChat)).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiChat, &upstream)).await;
    let reply = gateway.send(&samples::call(Dialect::OpenAiChat, MODEL)).await;
    let ours = |line: &&(String, String)| line.0.to_lowercase().starts_with("x-levity-");
    assert_eq!(reply.headers.0.iter().find(ours), None);
}

#[tokio::test]
async fn routing_is_exposed_when_asked_for() {
    let failure = samples::refusal(Dialect::OpenAiChat, 503, "busy");
    let upstream = Upstream::in_turn([failure, samples::good(Dialect::OpenAiChat)]).await;
    let config = Config::two(Dialect::OpenAiChat, &upstream)
        .set("proxy", "expose_routing", true)
        .set("models", "aliases", json!({ "short": "target-1" }));
    let gateway = Gateway::start(&config).await;
    let reply = gateway.send(&samples::call(Dialect::OpenAiChat, "short")).await;
    let account = reply.header("x-levity-account").unwrap_or_default();
    assert_eq!(credential(account), upstream.seen()[1].credential());
    assert_eq!(reply.header("x-levity-model"), Some("target-1"));
    assert_eq!(reply.header("x-levity-attempts"), Some("2"));
}
