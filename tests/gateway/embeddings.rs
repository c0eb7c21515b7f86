//! Vectors of texts: each client's embeddings over accounts of each dialect.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Request, post};
use crate::support::gateway::{Account, Config, Gateway, credential};
use crate::support::google;
use crate::support::samples::{self, MODEL, refusal, refused};
use crate::support::script::{Answer, Seen};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;
const RESPONSES: Dialect = Dialect::OpenAiResponses;
const GEMINI: Dialect = Dialect::Gemini;

/// Two vectors, as each API writes them. The first number has more digits than a float needs.
const OPENAI_TWO: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10000000149011612,-2.5]},{"object":"embedding","index":1,"embedding":[1,0]}],"model":"served","usage":{"prompt_tokens":5,"total_tokens":5}}"#;
const GEMINI_TWO: &str = r#"{"embeddings":[{"values":[0.10000000149011612,-2.5]},{"values":[1,0]}],"usageMetadata":{"promptTokenCount":5}}"#;
const GEMINI_ONE: &str = r#"{"embedding":{"values":[0.10000000149011612,-2.5]}}"#;
const OPENAI_ONE: &str = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10000000149011612,-2.5]}],"model":"served","usage":{"prompt_tokens":5,"total_tokens":5}}"#;

fn openai(body: &Value) -> Request {
    let mut body = body.clone();
    body["model"] = json!(MODEL);
    post("/v1/embeddings", body.to_string())
}

fn gemini(verb: &str, body: &Value) -> Request {
    post(format!("/v1beta/models/{MODEL}:{verb}"), body.to_string())
}

fn content(text: &str) -> Value {
    json!({ "content": { "parts": [{ "text": text }] } })
}

/// A request of this dialect for the embedding of one text.
fn one(client: Dialect) -> Request {
    if client == GEMINI {
        gemini("embedContent", &content("a"))
    } else {
        openai(&json!({ "input": "a" }))
    }
}

/// A good answer to what an account of this dialect was asked.
fn good(seen: &Seen) -> Answer {
    let several = seen.text().contains("\"b\"");
    Answer::json(
        200,
        match (seen.target.contains("/embeddings"), several) {
            (true, true) => OPENAI_TWO,
            (true, false) => OPENAI_ONE,
            (false, true) => GEMINI_TWO,
            (false, false) => GEMINI_ONE,
        },
    )
}

async fn embedder() -> Upstream {
    Upstream::new(good).await
}

fn body(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

#[tokio::test]
async fn an_openai_client_is_served_by_gemini() {
    let upstream = embedder().await;
    let gateway = Gateway::start(&Config::one(GEMINI, &upstream)).await;
    let reply = gateway.send(&openai(&json!({ "input": "a", "dimensions": 2 }))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-levity-dropped"), None);
    let expected = OPENAI_ONE.replace("served", MODEL).replace("_tokens\":5", "_tokens\":0");
    assert_eq!(reply.text(), expected);
    let seen = upstream.only();
    assert_eq!(seen.target, format!("/v1beta/models/{MODEL}:embedContent"));
    assert_eq!(seen.credential(), credential("only"));
    let text = json!({ "role": "user", "parts": [{ "text": "a" }] });
    let asked =
        json!({ "model": format!("models/{MODEL}"), "content": text, "outputDimensionality": 2 });
    assert_eq!(body(&seen), asked);

    let reply = gateway.send(&openai(&json!({ "input": ["a", "b"], "user": "u" }))).await;
    assert_eq!(reply.text(), OPENAI_TWO.replace("served", MODEL));
    assert_eq!(reply.header("x-levity-dropped"), Some("user"));
    let seen = upstream.seen().pop().unwrap();
    assert_eq!(seen.target, format!("/v1beta/models/{MODEL}:batchEmbedContents"));
    assert_eq!(body(&seen)["requests"].as_array().unwrap().len(), 2);
}

/// What OpenAI's SDKs ask for unless told otherwise.
#[tokio::test]
async fn base64_is_made_of_numbers() {
    let upstream = embedder().await;
    let gateway = Gateway::start(&Config::one(GEMINI, &upstream)).await;
    let asked = json!({ "input": ["a", "b"], "encoding_format": "base64" });
    let reply = gateway.send(&openai(&asked)).await.json();
    let written: Vec<_> = (0..2).map(|index| reply["data"][index]["embedding"].clone()).collect();
    assert_eq!(written, [json!("zczMPQAAIMA="), json!("AACAPwAAAAA=")]);
}

#[tokio::test]
async fn a_gemini_client_is_served_by_openai() {
    for account in [CHAT, RESPONSES] {
        let upstream = embedder().await;
        let gateway = Gateway::start(&Config::one(account, &upstream)).await;
        let mut asked = content("a");
        asked["taskType"] = json!("RETRIEVAL_QUERY");
        asked["embedContentConfig"] = json!({ "outputDimensionality": 2 });
        let reply = gateway.send(&gemini("embedContent", &asked)).await;
        let expected = r#"{"embedding":{"values":[0.10000000149011612,-2.5]},"usageMetadata":{"promptTokenCount":5}}"#;
        assert_eq!((reply.status, &*reply.text()), (200, expected), "{account}");
        assert_eq!(reply.header("x-levity-dropped"), Some("taskType"));
        let seen = upstream.only();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/v1/embeddings"));
        assert_eq!(seen.credential(), credential("only"));
        assert_eq!(body(&seen), json!({ "model": MODEL, "input": ["a"], "dimensions": 2 }));

        let batch = json!({ "requests": [content("a"), content("b")] });
        let reply = gateway.send(&gemini("batchEmbedContents", &batch)).await;
        assert_eq!((reply.status, &*reply.text()), (200, GEMINI_TWO), "{account}");
        assert_eq!(body(&upstream.seen().pop().unwrap())["input"], json!(["a", "b"]));
    }
}

/// OpenAI has one API for them, whichever of its dialects an account speaks: every byte stays.
#[tokio::test]
async fn a_responses_account_has_openais_own_embeddings() {
    let upstream = embedder().await;
    let gateway = Gateway::start(&Config::one(RESPONSES, &upstream)).await;
    let asked = json!({ "input": [1, 2], "encoding_format": "base64", "odd": 1 });
    let request = openai(&asked);
    let reply = gateway.send(&request).await;
    assert_eq!((reply.status, &*reply.text()), (200, OPENAI_ONE));
    let seen = upstream.only();
    assert_eq!((seen.target.as_str(), seen.body), ("/v1/embeddings", request.body));
    let no = r#"{"error":{"message":"no","type":"odd_type","param":"input","code":7}}"#;
    let upstream = Upstream::always(Answer::json(400, no)).await;
    let gateway = Gateway::start(&Config::one(RESPONSES, &upstream)).await;
    assert_eq!(gateway.send(&openai(&asked)).await.text(), no);
}

#[tokio::test]
async fn the_clients_own_api_comes_first() {
    let upstream = embedder().await;
    let account = |dialect: Dialect| Account::new(dialect.name(), dialect, &upstream.url());
    for (client, foreign, own) in [
        (CHAT, GEMINI, CHAT),
        (CHAT, GEMINI, RESPONSES),
        (GEMINI, CHAT, GEMINI),
        (GEMINI, RESPONSES, GEMINI),
    ] {
        let config = Config::new()
            .account(account(Dialect::Anthropic))
            .account(account(foreign))
            .account(account(own));
        let gateway = Gateway::start(&config).await;
        for _ in 0..3 {
            assert_eq!(gateway.send(&one(client)).await.status, 200);
            let seen = upstream.seen().pop().unwrap();
            assert_eq!(seen.credential(), credential(own.name()), "{client}");
        }
    }
}

#[tokio::test]
async fn anthropic_has_none() {
    let upstream = embedder().await;
    let gateway = Gateway::start(&Config::one(Dialect::Anthropic, &upstream)).await;
    for client in [CHAT, GEMINI] {
        let message = refused(client, 404, &gateway.send(&one(client)).await);
        assert!(message.contains("for this operation"), "{message}");
    }
    assert_eq!(upstream.count(), 0, "requests upstream");
}

#[tokio::test]
async fn another_account_answers_before_the_first_byte() {
    for (client, account) in [(CHAT, GEMINI), (GEMINI, CHAT), (GEMINI, RESPONSES)] {
        for failure in [refusal(account, 429, "slow down"), Answer::json(200, "<html>")] {
            let last = if account == GEMINI { GEMINI_ONE } else { OPENAI_ONE };
            let upstream = Upstream::in_turn([failure, Answer::json(200, last)]).await;
            let gateway = Gateway::start(&Config::two(account, &upstream)).await;
            let reply = gateway.send(&one(client)).await;
            assert_eq!(reply.status, 200, "{client} on {account}: {}", reply.text());
            assert_eq!(upstream.count(), 2, "requests upstream");
        }
    }
}

#[tokio::test]
async fn another_api_answers_where_the_own_is_worn_out() {
    for (client, foreign) in [(CHAT, GEMINI), (GEMINI, RESPONSES)] {
        let worn_out = Upstream::always(refusal(client, 429, "slow down")).await;
        let upstream = embedder().await;
        let config = Config::new()
            .account(Account::new("own", client, &worn_out.url()))
            .account(Account::new("foreign", foreign, &upstream.url()));
        let reply = Gateway::start(&config).await.send(&one(client)).await;
        assert_eq!((reply.status, worn_out.count(), upstream.count()), (200, 1, 1), "{client}");
    }
}

#[tokio::test]
async fn an_error_has_the_clients_shape() {
    for (client, account) in [(CHAT, GEMINI), (GEMINI, CHAT), (GEMINI, RESPONSES)] {
        for status in [400, 429] {
            let upstream = Upstream::always(refusal(account, status, "no, and why")).await;
            let gateway = Gateway::start(&Config::one(account, &upstream)).await;
            let message = refused(client, status, &gateway.send(&one(client)).await);
            assert!(message.contains("no, and why"), "{client} on {account}: {message}");
        }
        for answer in ["", "{}", "<html>", r#"{"data":[],"embeddings":[]}"#] {
            let upstream = Upstream::always(Answer::json(200, answer)).await;
            let gateway = Gateway::start(&Config::one(account, &upstream)).await;
            refused(client, 502, &gateway.send(&one(client)).await);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_said_names_its_field() {
    let upstream = embedder().await;
    let openai_only = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let image = json!({ "content": { "parts": [{ "inlineData": { "mimeType": "image/png", "data": "AA" } }] } });
    let reply = openai_only.send(&gemini("embedContent", &image)).await;
    let message = refused(GEMINI, 400, &reply);
    assert!(message.starts_with("content.parts.0.inlineData"), "{message}");

    let gemini_only = Gateway::start(&Config::one(GEMINI, &upstream)).await;
    for tokens in [json!([1, 2]), json!([[1, 2], [3]])] {
        let reply = gemini_only.send(&openai(&json!({ "input": tokens }))).await;
        refused(CHAT, 400, &reply);
        assert_eq!(reply.json()["error"]["param"], "input");
    }
    assert_eq!(upstream.count(), 0, "requests upstream");
}

#[tokio::test]
async fn strict_refuses_what_would_be_dropped() {
    let upstream = embedder().await;
    let strict = |dialect| Config::one(dialect, &upstream).set("proxy", "strict", true);
    let gateway = Gateway::start(&strict(GEMINI)).await;
    let reply = gateway.send(&openai(&json!({ "input": "a", "user": "u" }))).await;
    refused(CHAT, 400, &reply);
    assert_eq!(reply.json()["error"]["param"], "user");
    let gateway = Gateway::start(&strict(CHAT)).await;
    let mut asked = content("a");
    asked["title"] = json!("t");
    let message = refused(GEMINI, 400, &gateway.send(&gemini("embedContent", &asked)).await);
    assert!(message.starts_with("title "), "{message}");
    assert_eq!(upstream.count(), 0, "requests upstream");
}

/// Many servers of a dialect have no embeddings, and models that answer in words do not either: their answers are as good
/// as before.
#[tokio::test]
async fn who_has_no_embeddings_is_no_worse_for_it() {
    let no_model =
        "models/m is not found for API version v1beta, or is not supported for embedContent";
    for (account, missing) in [
        (CHAT, Answer::status(404).chunk("404 page not found")),
        (CHAT, Answer::json(405, r#"{"detail":"Method Not Allowed"}"#)),
        (GEMINI, refusal(GEMINI, 404, "Not Found")),
        (GEMINI, refusal(GEMINI, 404, no_model)),
    ] {
        let chats = Upstream::new(move |seen| {
            let embeds = ["/embeddings", ":embedContent"];
            if embeds.iter().any(|path| seen.target.contains(path)) {
                missing.clone()
            } else {
                samples::good(account)
            }
        })
        .await;
        let embeds = embedder().await;
        let second = Account::new("second", account, &embeds.url()).set("dispatch", "fallback");
        let config = Config::one(account, &chats).account(second);
        let gateway = Gateway::start(&config).await;
        for client in [CHAT, GEMINI] {
            let reply = gateway.send(&one(client)).await;
            assert_eq!(reply.status, 200, "{client}: {}", reply.text());
            let reply = gateway.send(&samples::call(account, MODEL)).await;
            assert_eq!(reply.status, 200, "{client}: {}", reply.text());
        }
        assert_eq!((chats.count(), embeds.count()), (4, 2), "{account}");
    }
}

#[tokio::test]
async fn the_log_has_both_models_and_the_tokens() {
    let upstream = embedder().await;
    for (client, account) in [(CHAT, CHAT), (CHAT, GEMINI), (GEMINI, CHAT), (GEMINI, GEMINI)] {
        let config = Config::one(account, &upstream).json_log();
        let config = config.set("models", "aliases", json!({ MODEL: "served-1" }));
        let gateway = Gateway::start(&config).await;
        let request = if client == GEMINI {
            gemini("batchEmbedContents", &json!({ "requests": [content("a"), content("b")] }))
        } else {
            openai(&json!({ "input": ["a", "b"] }))
        };
        let reply = gateway.send(&request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let line = gateway.logged(&reply.headers).await;
        let fields = ["model", "used", "input", "output"].map(|field| line[field].clone());
        let expected = [json!(MODEL), json!("served-1"), json!(5), json!(0)];
        assert_eq!(fields, expected, "{client} on {account}");
        if client == CHAT {
            assert_eq!(reply.json()["model"], MODEL);
        }
    }
}

/// Google refuses a batch whose requests name another model than the path.
#[tokio::test]
async fn a_forwarded_batch_names_the_accounts_model() {
    let upstream = embedder().await;
    let config = Config::one(GEMINI, &upstream);
    let config = config.set("models", "aliases", json!({ MODEL: "served-1" }));
    let gateway = Gateway::start(&config).await;
    let asked =
        format!(r#"{{"requests":[ {{"model":"models/{MODEL}" ,"content":{{"parts":[]}}}}]}}"#);
    let path = format!("/v1beta/models/{MODEL}:batchEmbedContents");
    assert_eq!(gateway.send(&post(path, asked.clone())).await.status, 200);
    let seen = upstream.only();
    assert_eq!(seen.target, "/v1beta/models/served-1:batchEmbedContents");
    assert_eq!(seen.text(), asked.replace(MODEL, "served-1"));
}

#[tokio::test]
async fn vertex_is_asked_in_its_own_form() {
    let answer =
        r#"{"embedding":{"values":[1]},"truncated":true,"usageMetadata":{"promptTokenCount":7}}"#;
    let upstream = Upstream::always(Answer::json(200, answer)).await;
    let endpoint = google::endpoint(3600).await;
    let account = google::account("vertex-1", &upstream, &endpoint).set("models", json!(["*"]));
    let gateway = Gateway::start(&Config::new().account(account)).await;
    let ask = |model: &str| {
        let asked = json!({ "model": model, "input": "a", "dimensions": 1 });
        post("/v1/embeddings", asked.to_string())
    };
    let reply = gateway.send(&ask("gemini-embedding-001")).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-levity-dropped"), Some("truncated"));
    assert_eq!(reply.json()["usage"], json!({ "prompt_tokens": 7, "total_tokens": 7 }));
    let seen = upstream.only();
    assert!(seen.target.ends_with("/google/models/gemini-embedding-001:embedContent"));
    let text = json!({ "role": "user", "parts": [{ "text": "a" }] });
    let config = json!({ "outputDimensionality": 1 });
    assert_eq!(body(&seen), json!({ "content": text, "embedContentConfig": config }));

    let message = refused(CHAT, 400, &gateway.send(&ask("text-embedding-005")).await);
    assert!(message.contains("predict"), "{message}");
    refused(CHAT, 404, &gateway.send(&ask("claude-opus-4")).await);
    assert_eq!(upstream.count(), 1, "requests upstream");
}
